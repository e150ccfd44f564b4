"""The state of an exact search on disk, so that one that was killed goes on where it was, to the same result.

One file: a line of JSON that says what is searched and with which versions, then the state of each stage as arrays
(NumPy's zip format, with checksums). It is written beside the old one and moved over it: whole, or not there.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from dse.journal import check_same, header_in, lock, unwritable
from spec.errors import InputError, echo

MAGIC = b"flexdse-checkpoint/v1 "
MIN_INTERVAL_S = 5.0
MAX_WRITING = 0.1  # of the time of a search may go into checkpoints

# What NumPy and zipfile raise on bytes that were lost or flipped, by where they were.
_DAMAGED = (ValueError, OSError, EOFError, KeyError, NotImplementedError, RuntimeError, MemoryError, struct.error,
            zipfile.BadZipFile, zlib.error)  # fmt: skip

State = dict[str, npt.NDArray[Any]]


class Checkpoint:
    """An open checkpoint. States by name: what was there when it was opened, and what was put since."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Open or start the checkpoint at `path`.

        Raises:
            InputError: one of another search, model version or timing table, or a file that is no checkpoint.
            FlexDSEError: it cannot be written.
        """
        self.path = path
        self._line = MAGIC + json.dumps(header, sort_keys=True).encode() + b"\n"
        self._states: dict[str, State] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        except OSError as error:
            raise unwritable(path, error) from error
        lock(self._file, path)
        self._read(header)
        self._last, self._wrote_s = time.monotonic(), 0.0

    def _read(self, header: Mapping[str, Any]) -> None:
        line = self._file.readline(1 << 20)
        if not line:
            return
        try:
            if not line.startswith(MAGIC) or not line.endswith(b"\n"):
                raise ValueError("another kind of file")
            check_same(header_in(line, MAGIC), header, self.path)
            with np.load(self._file, allow_pickle=False) as arrays:
                for key in arrays.files:
                    name, _, part = key.rpartition("/")
                    self._states.setdefault(name, {})[part] = arrays[key]
        except InputError:
            self._file.close()
            raise
        except _DAMAGED as error:
            self._file.close()
            raise InputError(
                f"{echo(str(self.path))} is no checkpoint of an exact search",
                field="journal",
                value=str(self.path),
                rule="the --journal of an exact search, or a file that does not exist yet",
                hint="give another path; journals of sampled searches are another kind of file",
            ) from error

    def state(self, name: str) -> State | None:
        """What was put under this name last."""
        return self._states.get(name)

    def put(self, name: str, state: Callable[[], State], *, force: bool = False) -> None:
        """Write if the last time is long enough ago. `state` is asked only then."""
        waited = time.monotonic() - self._last
        if not force and waited < max(MIN_INTERVAL_S, self._wrote_s / MAX_WRITING):
            return
        started = time.monotonic()
        self._states[name] = state()
        self._write()
        self._last = time.monotonic()
        self._wrote_s = self._last - started

    def _write(self) -> None:
        scratch = self.path.with_name(f".{self.path.name}.next")
        arrays = {f"{name}/{part}": array for name, state in self._states.items() for part, array in state.items()}
        try:
            handle = scratch.open("w+b")
            try:
                handle.write(self._line)
                np.savez(handle, **arrays)  # type: ignore[arg-type]
                handle.flush()
                os.fsync(handle.fileno())
                lock(handle, self.path)  # before it has the name: no other search finds it unlocked
                scratch.replace(self.path)
            except BaseException:
                handle.close()
                scratch.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise unwritable(self.path, error) from error
        self._file.close()
        self._file = handle

    def close(self) -> None:
        """Close the file; one that nothing was written to goes."""
        if not self._states and self.path.stat().st_size == 0:
            self.path.unlink(missing_ok=True)
        self._file.close()
