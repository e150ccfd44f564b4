"""The files of an exploration: front.parquet, front.json, exploration.json, report.html."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

from flexdse.front_quality import scheme_qualities
from flexdse.report_html import report_html
from spec.design_columns import PORT_BITS_COLUMN, design_columns
from spec.design_point import DECODE_PARAMETERS, PREFILL_PARAMETERS
from spec.documents import envelope
from spec.errors import FlexDSEError, InputError, echo
from spec.exploration_result import ExplorationResult
from spec.metrics import METRICS
from spec.module_choices import DecodeModules, PrefillModules
from spec.workload import STAGES


def front_frame(result: ExplorationResult) -> pd.DataFrame:
    """One row a design: canonical key as index, all that tells designs of a search apart (`prefill.*`, `decode.*`,
    `clock_target_mhz.*`, scheme, deployment), and the metrics.
    """
    numbers = [f"prefill.{name}" for name in PREFILL_PARAMETERS]
    numbers += [*(f"decode.{name}" for name in DECODE_PARAMETERS), PORT_BITS_COLUMN]
    clocks = [f"clock_target_mhz.{stage}" for stage in STAGES]
    choices = ["quant_scheme.name", "deployment", "nonlinear_format"]
    choices += [f"prefill.modules.{name}" for name in PrefillModules.model_fields]
    choices += [f"decode.modules.{name}" for name in DecodeModules.model_fields]
    rows = [
        {**design_columns(entry.design.model_dump(mode="json")), **{name: entry.metrics.get(name) for name in METRICS}}
        for entry in result.front
    ]
    keys = [entry.design.canonical_key() for entry in result.front]
    columns = [*numbers, *clocks, *choices, *METRICS]
    frame = pd.DataFrame(rows, index=pd.Index(keys, name="design", dtype=str), columns=columns)
    missing = [name for name in choices if frame[name].isna().all()]  # null in Parquet and in text alike
    return frame.astype({**dict.fromkeys(numbers[:-1], int), **dict.fromkeys([*clocks, *METRICS, *missing], float)})


def exploration_document(result: ExplorationResult) -> dict[str, Any]:
    """exploration.json: inputs, seed, versions, size of the space, proof or budget record, hypervolume.

    `quality`: of each scheme of the front what the bare numbers of its entries rest on.
    """
    record = result.record.model_dump(mode="json")
    return {
        **envelope("exploration/v1"),
        "request": result.request.model_dump(mode="json", by_alias=True),
        "front_size": len(result.front),
        "space_size": record.pop("space_size"),
        "hypervolume": record.pop("hypervolume"),
        "record": record,
        "quality": [one.model_dump(mode="json") for one in scheme_qualities(result)],
    }


def front_document(result: ExplorationResult) -> list[dict[str, Any]]:
    """front.json: an array of {design, metrics}."""
    return [entry.model_dump(mode="json", by_alias=True) for entry in result.front]


def _write(path: Path, write: Callable[[Path], object]) -> None:
    write(path)
    with path.open("rb") as handle:  # a full disk shows here at the latest, before anything is renamed into place
        os.fsync(handle.fileno())


def check_target(directory: Path, *, force: bool) -> None:
    """Refuse a target that can not be written or would be overwritten, best before a long search.

    Raises:
        InputError: a file, or a folder that is not empty without `force`.
        FlexDSEError: a folder that may not be written.
    """
    directory = _resolved(directory)
    existing = _existing(directory)
    if not existing.is_dir():
        raise InputError(
            f"{echo(str(existing))} is a file",
            field="out",
            value=str(directory),
            rule="must be a folder or not exist yet",
            hint="give another --out",
        )
    try:
        if existing == directory and any(directory.iterdir()) and not force:
            raise InputError(
                f"folder {echo(str(directory))} is not empty",
                field="out",
                value=str(directory),
                rule="a folder that is in use is left alone",
                hint="give another --out, or --force to write into it; files of the same names are replaced",
            )
        _scratch(existing).rmdir()
    except OSError as error:
        raise _unwritable(directory, error) from error


def _resolved(directory: Path) -> Path:
    try:
        return directory.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, no home folder, a null character
        raise InputError(
            f"{echo(str(directory))} is no path: {error}",
            field="out",
            value=str(directory),
            rule="must be a folder or not exist yet",
            hint="give another --out",
        ) from error


def _existing(directory: Path) -> Path:
    """`directory`, or the nearest folder above it that exists."""
    try:
        return next(path for path in (directory, *directory.parents) if path.exists())
    except OSError as error:  # a name too long
        raise _unwritable(directory, error) from error


def _scratch(folder: Path) -> Path:
    """A new hidden folder in `folder`, with the rights that the user's umask gives."""
    path = folder / f".flexdse-{secrets.token_hex(6)}"
    path.mkdir()
    return path


def _unwritable(directory: Path, error: OSError) -> FlexDSEError:
    way_out = "free space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check its permissions"
    return FlexDSEError(
        f"cannot write {echo(str(directory))}: {error.strerror or error}",
        field="out",
        value=str(directory),
        rule="the folder must be writable and the disk have room",
        hint=f"{way_out} or give another --out; nothing was left behind",
    )


def save_exploration(result: ExplorationResult, directory: Path, *, force: bool = False) -> Path:
    """Write all files of `result` to `directory`, whole or not at all.

    With `force` files of the same names are replaced, once all new ones are complete; other files stay.

    Raises:
        InputError: the target exists and is not empty.
        FlexDSEError: the disk is full or the folder is not writable.
    """
    directory = _resolved(directory)
    check_target(directory, force=force)
    created: list[Path] = []
    scratch: Path | None = None
    try:
        for path in reversed([path for path in directory.parents if not path.exists()]):
            path.mkdir(exist_ok=True)
            created.append(path)
        if directory.exists():
            scratch = _scratch(directory)
            _fill(scratch, result)
            for path in sorted(scratch.iterdir()):
                path.replace(directory / path.name)
            scratch.rmdir()
        else:
            scratch = _scratch(directory.parent)
            _fill(scratch, result)
            scratch.rename(directory)
    except BaseException as error:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
        for path in reversed(created):
            with suppress(OSError):
                path.rmdir()  # only if nobody put anything there
        if isinstance(error, OSError):
            raise _unwritable(directory, error) from error
        raise
    return directory


def write_document(path: Path, document: Any) -> None:
    """A JSON document, moved into place when it is complete."""
    scratch = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
    try:
        _write(scratch, lambda target: target.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n"))
        scratch.replace(path)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    finally:
        scratch.unlink(missing_ok=True)


def front_digest(front: bytes) -> str:
    """Of the content of front.json: tells whether exploration.json is of the same search."""
    return hashlib.sha256(front).hexdigest()


def _fill(folder: Path, result: ExplorationResult) -> None:
    frame = front_frame(result)
    entries = ",\n".join(json.dumps(entry) for entry in front_document(result))
    front = f"[\n{entries}\n]\n"
    document = json.dumps({**exploration_document(result), "front_sha256": front_digest(front.encode())}, indent=1)
    _write(folder / "front.parquet", lambda path: frame.to_parquet(path))
    _write(folder / "front.json", lambda path: path.write_text(front))
    _write(folder / "exploration.json", lambda path: path.write_text(f"{document}\n"))
    _write(folder / "report.html", lambda path: path.write_text(report_html(result), encoding="utf-8"))
