"""safetensors files as fp32 arrays, bfloat16 included, which NumPy has no type for."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spec.errors import InputError, echo

Fp32 = npt.NDArray[np.float32]

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_MAX_HEADER_BYTES = 100_000_000  # the limit of the safetensors format


def read_safetensors(path: Path) -> Iterator[tuple[str, Fp32]]:
    """Name and values of each floating-point tensor, one at a time.

    Raises:
        InputError: not a safetensors file, cut short, or a tensor of another type.
    """
    try:
        header, start = _header(path)
        content = np.memmap(path, dtype=np.uint8, mode="r", offset=start) if _size(path) > start else np.zeros(0, "u1")
    except OSError as error:
        raise _refuse(path, f"cannot be read: {error.strerror}", "a readable safetensors file") from error
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        yield name, _tensor(path, name, entry, content)


def _size(path: Path) -> int:
    return path.stat().st_size


def _header(path: Path) -> tuple[dict[str, Any], int]:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(_MAX_HEADER_BYTES, _size(path)):
            raise _refuse(path, "is not a safetensors file", "a header length that fits the file")
        try:
            header = json.loads(file.read(length))
        except ValueError as error:
            raise _refuse(path, "is not a safetensors file", "a JSON header") from error
    if not isinstance(header, dict):
        raise _refuse(path, "is not a safetensors file", "a JSON object as header")
    return header, 8 + length


def _tensor(path: Path, name: str, entry: Any, content: npt.NDArray[np.uint8]) -> Fp32:
    try:
        kind, shape, (first, last) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise _refuse(path, f"has a broken entry {echo(name)}", "dtype, shape and data_offsets") from error
    if not all(type(number) is int and number >= 0 for number in (*shape, first, last)):
        raise _refuse(path, f"has a broken entry {echo(name)}", "shape and data_offsets of integers from 0 on")
    if kind not in _TYPES:
        raise _refuse(path, f"stores {echo(name)} as {echo(kind)}", f"one of {', '.join(_TYPES)}")
    dtype = np.dtype(_TYPES[kind])
    if not 0 <= first <= last <= len(content) or last - first != dtype.itemsize * math.prod(shape):
        raise _refuse(path, f"is cut short at {echo(name)}", "as many bytes as its header says")
    raw = np.frombuffer(content[first:last].tobytes(), dtype)
    values = (raw.astype("<u4") << 16).view("<f4") if kind == "BF16" else raw
    return values.astype(np.float32).reshape(shape)


def _refuse(path: Path, problem: str, rule: str) -> InputError:
    return InputError(
        f"weights file {echo(str(path))} {problem}",
        field="model",
        value=str(path),
        rule=rule,
        hint="copy or download the checkpoint again, unquantized",
    )
