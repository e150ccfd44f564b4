"""Writes a project: completely, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from hls_gen.errors import ProjectExistsError, ProjectWriteError
from hls_gen.manifest import MANIFEST_NAME, ManifestFile, describe, make_manifest
from hls_gen.plan import plan_project
from hls_gen.planning.types import ProjectPlan
from hls_gen.render import render
from hls_gen.vectors import make_vectors
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError, echo
from spec.model_config import ModelConfig
from spec.workload import Workload

OnLog = Callable[[str], None]


def generate_project(
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    out_dir: Path,
    *,
    force: bool = False,
    seed: int = 0,
    vectors: bool = True,
    on_log: OnLog | None = None,
) -> Path:
    """Write the HLS project of `design` to `out_dir` and return its absolute path.

    The project grows in a hidden folder beside `out_dir` and takes its name when it is complete. `force` replaces an
    earlier project, which stays until the new one is complete. `vectors`: with the golden vectors of C simulation, which
    take most of the time; timed simulation and synthesis need none. `on_log` is told what is being done, line by line.

    Raises:
        InputError: the design is illegal (no file was written), or `out_dir` can not be a folder.
        ProjectExistsError: `out_dir` is not empty and `force` is off, or holds something that is no project.
        ProjectWriteError: the disk is full or not writable; nothing was left behind.
    """
    log = on_log or _silent
    log(f"planning the modules of both stages for {model.name} on {device.name}")
    plan = plan_project(design, model, device, workload, seed)
    return write_project(
        out_dir, lambda folder: _fill(folder, plan, design, model, device, workload, vectors, log), force=force
    )


def write_project(out_dir: Path, fill: Callable[[Path], None], *, force: bool = False) -> Path:
    """A project whose files `fill` writes into a new folder, whole or not at all; its absolute path.

    Raises:
        ProjectExistsError, ProjectWriteError: as `generate_project`.
    """
    target = _resolve(out_dir)
    _check_target(target, force)
    created: list[Path] = []
    partial: Path | None = None
    try:
        created = _make_parents(target.parent)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.partial-", dir=target.parent))
        partial.chmod(0o777 & ~_umask())  # mkdtemp makes it private
        fill(partial)
        _put_in_place(partial, target)
    except BaseException as error:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        for folder in reversed(created):
            _remove_if_empty(folder)
        if isinstance(error, OSError):
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise ProjectWriteError(
                f"the project could not be written: {error.strerror or error}",
                field="--out",
                value=str(target),
                rule="some 100 MB free" if full else "a folder in which files can be made",
                hint=("free some space" if full else "choose another folder") + "; nothing was left behind",
            ) from error
        raise
    return target


def _resolve(out_dir: Path) -> Path:
    try:
        target = Path(out_dir).expanduser().resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{echo(str(out_dir))} is no path: {error}",
            field="--out",
            value=str(out_dir),
            rule="a path",
            hint="correct it",
        ) from error
    if target.parent == target:
        raise InputError(
            "a project needs a folder of its own", field="--out", value=str(target), rule="not the root folder",
            hint="name a new folder",
        )  # fmt: skip
    return target


def _check_target(target: Path, force: bool) -> None:
    try:
        if not target.exists():
            return
        is_folder = target.is_dir()
        empty = is_folder and next(target.iterdir(), None) is None
        is_project = is_folder and (target / MANIFEST_NAME).is_file()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{echo(str(target))} can not be used: {error}",
            field="--out",
            value=str(target),
            rule="a readable folder, or none yet",
            hint="choose another folder",
        ) from error
    if empty or (is_project and force):
        return
    if not is_folder or not is_project:
        raise ProjectExistsError(
            f"{echo(str(target))} is {'a folder with other content' if is_folder else 'a file'}",
            field="--out",
            value=str(target),
            rule="a new or empty folder" + (": force replaces only generated projects" if force else ""),
            hint="choose another folder",
        )
    raise ProjectExistsError(
        f"{echo(str(target))} already holds a project",
        field="--out",
        value=str(target),
        rule="a new or empty folder",
        hint="choose another folder, or allow to replace it (force)",
    )


def _make_parents(folder: Path) -> list[Path]:
    """Create `folder`; the folders that this took, outermost first."""
    missing = [folder, *folder.parents]
    missing = missing[: next(i for i, path in enumerate(missing) if path.exists())]
    folder.mkdir(parents=True, exist_ok=True)
    return list(reversed(missing))


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _umask() -> int:
    umask = os.umask(0o022)
    os.umask(umask)
    return umask


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _fill(
    folder: Path,
    plan: ProjectPlan,
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    vectors: bool,
    log: OnLog,
) -> None:
    written: dict[str, ManifestFile] = {}

    def write(files: Iterable[tuple[str, bytes]]) -> None:
        sizes: dict[str, list[int]] = {}  # of the files in each folder at the top
        for name, content in files:
            _write_file(folder / name, content)
            written[name] = describe(content)
            sizes.setdefault(PurePosixPath(name).parts[0], []).append(len(content))
        for top, of_it in sizes.items():
            many = f"/: {len(of_it):,} files" if (folder / top).is_dir() else ""
            log(f"wrote {top}{many}, {sum(of_it):,} bytes")

    log("writing the sources")
    write((name, text.encode()) for name, text in render(plan).items())
    if vectors:
        log("computing the golden vectors with the integer reference")
        write(make_vectors(plan))
    manifest = make_manifest(plan, design, model, device, workload, written)
    write([(MANIFEST_NAME, manifest.to_text().encode())])


def _silent(line: str) -> None:
    pass


def _put_in_place(partial: Path, target: Path) -> None:
    """Give the complete project its name. Another project there is set aside first and removed last."""
    if not target.exists() or next(target.iterdir(), None) is None:
        partial.rename(target)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.replaced-", dir=target.parent))
    target.rename(aside / "project")
    try:
        partial.rename(target)
    except BaseException:
        (aside / "project").rename(target)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)
