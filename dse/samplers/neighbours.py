"""Which rows of an axis are next to each other."""

from __future__ import annotations

import numpy as np

from dse.axes import Axis
from spec.design_batch import FloatArray, IntArray


def neighbour_table(axis: Axis) -> IntArray:
    """(n_rows, 4 n_parameters): for each parameter the row below and the row above with the others equal; then the row at
    the next legal value below and above that is nearest in the others. -1 where there is none.

    Where parameters constrain each other (keys in multiples of tokens, say) the next value of one may be legal with other
    values of the rest only: without the second kind such rows would not be reached step by step.
    """
    width = axis.rows.shape[1]
    table = np.full((len(axis), 4 * width), -1, dtype=np.int64)
    logs = np.log1p(axis.rows.astype(np.float64))
    for column in range(width):
        below, above = _with_equal_others(axis.rows, column)
        table[:, 4 * column], table[:, 4 * column + 1] = below, above
        _, level = np.unique(axis.rows[:, column], return_inverse=True)
        others = np.delete(logs, column, axis=1)
        table[:, 4 * column + 2] = _with_near_others(level, others, below, -1)
        table[:, 4 * column + 3] = _with_near_others(level, others, above, 1)
    return table


def _with_equal_others(rows: IntArray, column: int) -> tuple[IntArray, IntArray]:
    """The next rows below and above in one parameter with all others equal, (n_rows,) each."""
    others = np.delete(rows, column, axis=1)
    order = np.lexsort((rows[:, column], *others.T[::-1])) if rows.shape[1] > 1 else np.argsort(rows[:, 0])
    same = (others[order][1:] == others[order][:-1]).all(axis=1)
    low, high = order[:-1][same], order[1:][same]
    below, above = np.full(len(rows), -1, dtype=np.int64), np.full(len(rows), -1, dtype=np.int64)
    below[high], above[low] = low, high
    return below, above


def _with_near_others(level: IntArray, others: FloatArray, exact: IntArray, step: int) -> IntArray:
    """The row one level of a parameter further that is nearest in the logarithms of the others, (n_rows,). `exact`: the
    next row with equal others, which is the nearest where it is one level away.
    """
    from scipy.spatial import KDTree

    found = np.where(level[exact] == level + step, exact, -1)
    for number in range(int(level.max(initial=0)) + 1):
        lost = np.flatnonzero((level == number) & (found < 0))
        there = np.flatnonzero(level == number + step)
        if len(lost) and len(there) and others.shape[1]:
            found[lost] = there[KDTree(others[there]).query(others[lost])[1]]
    return found


class RowLookup:
    """Rows of an axis by their values: for crossing parts of two rows, where the result is a legal row."""

    def __init__(self, axis: Axis) -> None:
        self._values = [np.unique(axis.rows[:, i]) for i in range(axis.rows.shape[1])]
        codes = self._encode(axis.rows)
        self._order = np.argsort(codes, kind="stable")
        self._codes = codes[self._order]

    def _encode(self, rows: IntArray) -> IntArray:
        code = np.zeros(len(rows), dtype=np.int64)
        for i, values in enumerate(self._values):
            code = code * len(values) + np.searchsorted(values, rows[:, i])
        return code

    def find(self, rows: IntArray) -> IntArray:
        """The row with these values, (n_points,); -1 where there is none. Each value is of some row."""
        codes = self._encode(rows)
        place = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        return np.where(self._codes[place] == codes, self._order[place], -1)
