"""The files that a job leaves for the artifact store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file in the folder of the job; it keeps its name."""

    path: Path
    media_type: str


def result_files(result: dict[str, Any], folder: Path) -> tuple[ResultFile, ...]:
    """What `result["files"]` names: a list of {path, media_type}, relative to the folder of the job.

    Raises:
        ValueError: a file that is not there, or not below the folder.
    """
    files = []
    for entry in result.get("files", ()):
        path = (folder / str(entry["path"])).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise ValueError(f"{entry['path']!r} is no file in the folder of the job")
        files.append(ResultFile(path, str(entry["media_type"])))
    return tuple(files)
