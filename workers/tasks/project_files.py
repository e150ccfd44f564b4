"""A project between a folder and a zip file; the same files give the same bytes, so the store keeps them once."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can say


def pack(folder: Path, target: Path, paths: Iterable[Path] | None = None) -> Path:
    """Writes the files of `folder`, or some of them, to the zip file `target`."""
    files = sorted(path for path in (folder.rglob("*") if paths is None else paths) if path.is_file())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (stat.S_IFREG | (path.stat().st_mode & 0o777)) << 16
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 2**20)
    return target


def unpack(source: Path, folder: Path) -> Path:
    """Writes the files of the zip file into `folder`, below it and nowhere else.

    Raises:
        ValueError: an entry that would lie outside, or that is no file.
    """
    folder = folder.resolve()
    with zipfile.ZipFile(source) as archive:
        for entry in archive.infolist():
            target = (folder / entry.filename).resolve()
            mode = entry.external_attr >> 16
            if not target.is_relative_to(folder) or entry.is_dir() or stat.S_ISLNK(mode):
                raise ValueError(f"{entry.filename!r} is no file of a project")
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as content, target.open("wb") as sink:
                shutil.copyfileobj(content, sink, 2**20)
            target.chmod((mode & 0o777) or 0o644)
    return folder
