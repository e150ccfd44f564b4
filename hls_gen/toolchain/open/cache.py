"""Results of mapping, kept by content hash, in a folder that any number of runs share.

An entry is written to a temporary file, synced and renamed: it is there complete, or not at all. A lock a key, held while
it is made, keeps two runs from making the same; the kernel frees it when its holder dies, however it dies. Folders and files
are their user's alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


class ResultCache:
    """JSON documents by key (SHA-256 in hexadecimal)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> Any | None:
        """The document of a key; None where there is none, or where it is not what was written."""
        try:
            entry = json.loads(self._path(key).read_bytes())
            document = entry["document"]
            return document if entry["sha256"] == _digest(document) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, document: Any) -> None:
        """Keep `document`; an earlier one goes."""
        path = self._path(key)
        self._make_folder(path)
        text = json.dumps({"sha256": _digest(document), "document": document}, sort_keys=True)
        handle, name = tempfile.mkstemp(prefix=f".{key[:16]}.", suffix=".partial", dir=path.parent)
        partial = Path(name)
        try:
            with os.fdopen(handle, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            if isinstance(error, OSError) and error.filename is None:  # a write does not know where it went
                error.filename = str(path)
            raise

    @contextlib.contextmanager
    def locked(self, keys: Sequence[str]) -> Iterator[None]:
        """Hold the locks of all `keys`. Taken in one order, so that two runs never wait for each other."""
        with contextlib.ExitStack() as held:
            for key in sorted(set(keys)):
                path = self._path(key).with_suffix(".lock")
                self._make_folder(path)
                file = held.enter_context(os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "w"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _make_folder(self, path: Path) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, exist_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
