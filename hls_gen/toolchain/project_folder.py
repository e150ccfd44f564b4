"""What tools share that work inside a generated project: turns, files that appear whole, errors of its disk."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hls_gen.errors import SimulationError


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Whoever works in `folder`, which is made if need be, waits for the one before."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_text(path: Path, text: str) -> None:
    """Complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


@contextmanager
def disk_errors(what: str, project: Path, free_mb: int) -> Iterator[None]:
    """`what` needs to write into the project, about `free_mb` megabytes.

    Raises:
        SimulationError: it could not.
    """
    try:
        yield
    except OSError as error:
        raise SimulationError(
            f"{what} could not work in the project: {error.strerror or error}",
            field="project",
            value=str(project),
            rule=f"a writable folder with some {free_mb} MB free",
            hint="free some space or copy the project to a writable disk",
        ) from error
