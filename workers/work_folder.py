"""Folders in which jobs work: one for each attempt, deleted with it, also by the next worker where ours was killed."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spec.errors import InputError

logger = logging.getLogger("flexdse.worker")

_LOCK_NAME = "lock"


class WorkFolder:
    """The folder of one worker below `base`, held by a lock that the kernel lets go of when the worker ends."""

    def __init__(self, base: Path, worker_id: str) -> None:
        """Makes the folder, and removes those of workers that are gone.

        Raises:
            InputError: `base` cannot be used.
        """
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
            for other in base.iterdir():
                _remove_if_abandoned(other)
            self._folder = base / worker_id
            self._folder.mkdir(mode=0o700)
            self._lock = _try_lock(self._folder / _LOCK_NAME, os.O_CREAT)
        except OSError as error:
            raise InputError(
                f"the folder for the work of jobs cannot be used: {error.strerror}",
                field="work",
                value=str(base),
                rule="must be a folder that this user may write",
                hint="check its permissions and the space on its disk",
            ) from error

    @contextmanager
    def for_attempt(self, job_id: str, attempt: int) -> Iterator[Path | None]:
        """A folder for one attempt of a job; None where none can be made."""
        folder = self._folder / f"{job_id}-{attempt}"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            logger.error("no folder for job %s: %s", job_id, error)
            yield None
            return
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def _try_lock(path: Path, flags: int = 0) -> int | None:
    """A descriptor that holds the lock; None where another process does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_if_abandoned(folder: Path) -> None:
    with suppress(OSError):  # somebody else removes it, or just makes it: the next worker looks again
        lock = _try_lock(folder / _LOCK_NAME)
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
