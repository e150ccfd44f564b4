"""The data folder of one user: made private, and held by one server at a time."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from spec.errors import InputError

DATABASE_NAME = "flexdse.db"
LOCK_NAME = "serve.lock"
_CACHES = {"synthesis", "quality"}  # what commands keep there, also before there is a service


def database_url(home: Path) -> str:
    """The address of the database in the data folder.

    Raises:
        InputError: the path cannot be part of an address.
    """
    path = str(home.resolve() / DATABASE_NAME)
    if "?" in path:
        raise InputError(
            "the path of the data folder holds a question mark",
            field="home",
            value=str(home),
            rule="what follows a ? in the address of a database are its options",
            hint="rename the folder, or set FLEXDSE_HOME to another",
        )
    return f"sqlite:///{path}"


def private_folder(home: Path) -> Path:
    """The data folder, made if need be so that only this user can look into it.

    One that exists is made private too where it is a data folder already, holds nothing but our caches, or is empty: not a
    folder with other things in it, as a user's home is.

    Raises:
        InputError: it is no folder, or may not be written.
    """
    try:
        if not home.exists():
            home.mkdir(mode=0o700, parents=True)
        home = home.resolve(strict=True)
        if home.stat().st_uid == os.geteuid() and _is_ours(home):
            home.chmod(0o700)
    except OSError as error:
        raise _unusable(home, error) from error
    return home


def prepare_home(home: Path) -> Path:
    """The folder as `private_folder` makes it, and in it the database file, likewise this user's alone.

    Raises:
        InputError: it is no folder, or may not be written.
    """
    home = private_folder(home)
    try:
        # Made before SQLite makes it, with the rights that its -wal and -shm files will copy.
        descriptor = os.open(home / DATABASE_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        with suppress(PermissionError):  # somebody else's, who lets us in
            os.fchmod(descriptor, 0o600)
        os.close(descriptor)
    except OSError as error:
        raise _unusable(home, error) from error
    return home


@contextmanager
def private_files() -> Iterator[None]:
    """What is made meanwhile, by this process and those that it starts, is its user's alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _is_ours(home: Path) -> bool:
    return (home / DATABASE_NAME).exists() or {path.name for path in home.iterdir()} <= _CACHES


def _unusable(home: Path, error: OSError) -> InputError:
    return InputError(
        f"the data folder cannot be used: {error.strerror}",
        field="home",
        value=str(home),
        rule="must be a folder that this user may read and write",
        hint="check its permissions and the space on its disk, or set FLEXDSE_HOME to another folder",
    )


class HomeLock:
    """Held by the server of the data folder; the kernel lets go of it when that process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, facts: dict[str, Any]) -> None:
        """Writes down who holds it, for whoever comes second."""
        with suppress(OSError):  # a courtesy, which a full disk may prevent
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(facts).encode(), 0)


@contextmanager
def locked_home(home: Path) -> Iterator[HomeLock]:
    """Nobody else serves from `home` meanwhile.

    Raises:
        InputError: somebody does.
    """
    try:
        descriptor = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(home, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise _in_use(home, os.pread(descriptor, 4096, 0)) from error
        lock = HomeLock(descriptor)
        lock.tell({"pid": os.getpid()})
        try:
            yield lock
        finally:
            # The file stays: removed, it could be locked by one server and made anew by another.
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _in_use(home: Path, written: bytes) -> InputError:
    facts: dict[str, Any] = {}
    with suppress(ValueError):
        facts = json.loads(written)
    holder = f"process {facts['pid']}" if "pid" in facts else "another process"
    address = f" at {facts['url']}" if "url" in facts else ""
    return InputError(
        f"{holder} serves this data folder already{address}",
        field="home",
        value=str(home),
        rule="one server per data folder",
        hint="open that address, or stop that process, or set FLEXDSE_HOME to another folder",
    )
