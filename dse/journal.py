"""The evaluations of a search on disk, batch by batch, so that a killed search goes on where it stopped.

One file: a line of JSON that says what was searched and with which versions, then blocks of designs, each with a
checksum. A block that a crash cut short is dropped; everything before it counts.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dse.genes import GeneArray
from spec.design_batch import FloatArray
from spec.errors import FlexDSEError, InputError, echo

MAGIC = b"flexdse-journal/v1 "
_BLOCK = struct.Struct("<4sIIII")  # mark, checksum, rows, genes, values a row
_MARK = b"BLCK"
_MAX_ROWS = 1 << 20


@dataclass(frozen=True, slots=True)
class Block:
    """One batch of evaluations: designs, and what belongs to each of them as numbers."""

    genes: GeneArray
    values: FloatArray


class Journal:
    """An open journal. `blocks`: what was there when it was opened."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Open or start the journal at `path`.

        Raises:
            InputError: a journal of another search, model version or timing table, or a file that is no journal.
            FlexDSEError: it cannot be written.
        """
        self.path = path
        self.blocks: list[Block] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        except OSError as error:
            raise unwritable(path, error) from error
        lock(self._file, path)
        line = MAGIC + json.dumps(header, sort_keys=True).encode() + b"\n"
        found = self._file.readline(1 << 20)
        if found and not found.startswith(MAGIC):
            raise InputError(
                f"{echo(str(path))} is no journal of a search",
                field="journal",
                value=str(path),
                rule="a journal, or a file that does not exist yet",
                hint="give another path",
            )
        if not found.endswith(b"\n"):  # new, or killed while the first line was written
            self._file.seek(0)
            self._file.truncate()
            self._write(line)
            return
        check_same(self._header_of(found), header, path)
        whole = self._file.tell()
        for block, end in self._read():
            self.blocks.append(block)
            whole = end
        self._file.seek(whole)
        self._file.truncate()

    def _header_of(self, line: bytes) -> dict[str, Any]:
        try:
            return header_in(line, MAGIC)
        except ValueError as error:
            self._file.close()
            raise InputError(
                f"the first line of the journal {echo(str(self.path))} is damaged: {error}",
                field="journal",
                value=str(self.path),
                rule="as it was written",
                hint="start a new journal; nothing tells which search the evaluations of this one belong to",
            ) from error

    def _read(self) -> Iterator[tuple[Block, int]]:
        while True:
            head = self._file.read(_BLOCK.size)
            if len(head) < _BLOCK.size:
                return
            mark, checksum, rows, genes, values = _BLOCK.unpack(head)
            if mark != _MARK or rows > _MAX_ROWS or genes > 256 or values > 256:
                return
            body = self._file.read(rows * (genes * 4 + values * 8))
            if len(body) < rows * (genes * 4 + values * 8) or zlib.crc32(body) != checksum:
                return
            split = rows * genes * 4
            yield (
                Block(
                    np.frombuffer(body[:split], dtype="<i4").reshape(rows, genes).astype(np.int64),
                    np.frombuffer(body[split:], dtype="<f8").reshape(rows, values).astype(np.float64),
                ),
                self._file.tell(),
            )

    def append(self, genes: GeneArray, values: FloatArray) -> None:
        """Write a batch; it is on the disk when this returns."""
        body = genes.astype("<i4").tobytes() + values.astype("<f8").tobytes()
        self._write(_BLOCK.pack(_MARK, zlib.crc32(body), len(genes), genes.shape[1], values.shape[1]) + body)

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise unwritable(self.path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def lock(file: BinaryIO, path: Path) -> None:
    """Keep other processes from writing it, until it is closed.

    Raises:
        FlexDSEError: another one writes it; the file is closed then.
    """
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise FlexDSEError(
            f"another process writes the journal {echo(str(path))}",
            field="journal",
            value=str(path),
            rule="one search at a time writes a journal",
            hint="wait for it, or give another path",
        ) from error


def unwritable(path: Path, error: OSError) -> FlexDSEError:
    """The error of a journal that the system refuses to open or write."""
    return FlexDSEError(
        f"cannot write the journal {echo(str(path))}: {error.strerror or error}",
        field="journal",
        value=str(path),
        rule="a file in a folder that may be written, on a disk with room",
        hint="free space or give another path, and start again: what was written before counts",
    )


def header_in(line: bytes, magic: bytes) -> dict[str, Any]:
    """The header behind the magic words of a first line.

    Raises:
        ValueError: damaged, as JSON, as UTF-8 or as what it holds.
    """
    found = json.loads(line[len(magic) :])
    if not isinstance(found, dict):
        raise ValueError("not the object that was written")
    return found


def check_same(found: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    """Refuse a journal of another search.

    Raises:
        InputError: naming what differs.
    """
    for key in (*wanted, *(key for key in found if key not in wanted)):
        if found.get(key) != wanted.get(key):
            raise InputError(
                f"the journal {echo(str(path))} is of another search: {key} differs",
                field="journal",
                value=found.get(key),
                rule=f"{key} = {echo(wanted.get(key))}; evaluations of two searches or model versions are not mixed",
                hint="start a new journal, or give the earlier results as --warm-start: their designs are priced again",
            )
