"""Array types and the few integer helpers that every law uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spec.design_batch import BoolArray, FloatArray, IntArray
from spec.resources import RESOURCE_NAMES

__all__ = ["BoolArray", "FloatArray", "IntArray", "ResourceArrays", "ceil_div", "distinct_rows"]


def ceil_div(numerator: int | IntArray, denominator: int | IntArray | FloatArray) -> IntArray:
    """Integer division rounded up, elementwise. By float division, twice as fast and exact up to 2^53;
    a whole denominator that is a float already saves a conversion."""
    return np.asarray(np.ceil(np.asarray(numerator) / denominator), dtype=np.int64)


# Up to here a table with an entry for each possible value is quicker than sorting: it stays in the caches.
_TABLE_VALUES = 2**20


def distinct_rows(*columns: IntArray | FloatArray) -> tuple[IntArray, IntArray]:
    """Index of the first point of each distinct row, and the distinct row of each point, (n_points,).

    Columns have few distinct values, in no order: each is numbered on its own, then the numbers are combined.
    """
    code, size = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        number, distinct = _numbered(column)
        code, size = code * distinct + number, size * distinct
        if size > _TABLE_VALUES:  # most combinations do not occur: numbered anew, the code stays small
            code, size = _numbered(code)
    inverse, distinct = _numbered(code)
    first = np.empty(distinct, dtype=np.int64)
    first[inverse[::-1]] = np.arange(len(code) - 1, -1, -1)  # of several points of a row the first is written last
    return first, inverse


def _numbered(values: IntArray | FloatArray) -> tuple[IntArray, int]:
    """The place of each value among the distinct ones, in increasing order, and how many of those there are."""
    if values.dtype.kind in "iu" and len(values) and values.min() >= 0 and values.max() < _TABLE_VALUES:
        occurs = np.zeros(int(values.max()) + 1, dtype=bool)
        occurs[values] = True
        number = np.cumsum(occurs) - 1
        return number[values], int(number[-1]) + 1
    distinct, place = np.unique(values, return_inverse=True)
    return place.astype(np.int64), len(distinct)


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
