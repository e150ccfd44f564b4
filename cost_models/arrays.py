"""Array types and the few integer helpers that every law uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from spec.design_batch import BoolArray, FloatArray, IntArray
from spec.resources import RESOURCE_NAMES

__all__ = [
    "TABLE_VALUES",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "ResourceArrays",
    "at_rows",
    "ceil_div",
    "distinct_rows",
    "numbered",
    "row_codes",
    "row_numbers",
    "value_numbers",
]


ScalarT = TypeVar("ScalarT", bound=np.generic)


def ceil_div(numerator: int | IntArray, denominator: int | IntArray | FloatArray) -> IntArray:
    """Integer division rounded up, elementwise. By float division, twice as fast and exact up to 2^53;
    a whole denominator that is a float already saves a conversion."""
    return np.asarray(np.ceil(np.asarray(numerator) / denominator), dtype=np.int64)


def at_rows(values: npt.NDArray[ScalarT], rows: IntArray) -> npt.NDArray[ScalarT]:
    """`values[rows]` for row numbers, which are places in `values` by how they were made: their bounds are not looked at again,
    which takes a fifth of the time of a gather.
    """
    return values.take(rows, mode="wrap")


# Up to here a table with an entry for each possible value is quicker than sorting: it stays in the caches.
TABLE_VALUES = 2**20


def distinct_rows(*columns: IntArray | FloatArray) -> tuple[IntArray, IntArray]:
    """Index of a point of each distinct row, and the distinct row of each point, (n_points,).

    Columns have few distinct values, in no order: each is numbered on its own, then the numbers are combined.
    """
    return row_numbers(*row_codes([numbered(column) for column in columns], len(columns[0])))


def row_codes(columns: Sequence[tuple[IntArray, int]], n: int) -> tuple[IntArray, int]:
    """A number below the returned bound for each of `n` points, equal where all columns are."""
    if not columns:
        return np.zeros(n, dtype=np.int64), 1
    (code, size), own = columns[0], False
    for number, distinct in columns[1:]:
        if distinct == 1:
            continue
        code = np.multiply(code, distinct, out=code if own else None)
        code += number
        size, own = size * distinct, True
        if size > TABLE_VALUES:  # most combinations do not occur: numbered anew, the code stays small
            code, size = numbered(code)
    return code, size


def row_numbers(code: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """A point of each number that occurs, in increasing order, and its place for each point; numbers below `size`."""
    point = np.full(size, -1, dtype=np.int64)
    point[code] = np.arange(len(code))  # the last of those that share a number
    found = np.flatnonzero(point >= 0)
    number = np.empty(size, dtype=np.int64)
    number[found] = np.arange(len(found))
    return point.take(found), at_rows(number, code)


def _places(values: IntArray, size: int) -> tuple[IntArray, int]:
    """The place of each value below `size` among those that occur (others hold anything), and how many do."""
    occurs = np.zeros(size, dtype=bool)
    occurs[values] = True
    found = np.flatnonzero(occurs)
    number = np.empty(size, dtype=np.int64)
    number[found] = np.arange(len(found))
    return number, len(found)


def numbered(values: IntArray | FloatArray) -> tuple[IntArray, int]:
    """The place of each value among the distinct ones, in increasing order, and how many of those there are."""
    whole = _whole(values)
    if whole is not None and len(whole) and whole.min() >= 0 and (most := int(whole.max())) < TABLE_VALUES:
        number, distinct = _places(whole, most + 1)
        return at_rows(number, whole), distinct
    found, place = np.unique(values, return_inverse=True)
    return place.astype(np.int64), len(found)


def value_numbers(values: IntArray | FloatArray) -> tuple[IntArray, int] | None:
    """The place of each small whole number among those that occur, by value, and how many do; None where others occur."""
    if values.dtype != np.int64 or not len(values) or values.min() < 0 or (most := int(values.max())) >= TABLE_VALUES:
        return None
    return _places(values.astype(np.int64, copy=False), most + 1)


def _whole(values: IntArray | FloatArray) -> IntArray | None:
    """The values as integers, if all of them are; a sort takes twenty times as long as this look."""
    if values.dtype.kind in "iu":
        return values.astype(np.int64, copy=False)
    with np.errstate(invalid="ignore"):  # inf and NaN are no integers
        whole = values.astype(np.int64)
    return whole if np.array_equal(whole, values) else None


@dataclass(frozen=True, slots=True)
class ResourceArrays:
    """Resource counts of a batch, each (n_points,), in the order of `RESOURCE_NAMES`."""

    lut: FloatArray
    ff: FloatArray
    dsp: FloatArray
    bram_18k: FloatArray
    uram: FloatArray

    def items(self) -> list[tuple[str, FloatArray]]:
        """Name and array of each kind."""
        return [(name, getattr(self, name)) for name in RESOURCE_NAMES]
