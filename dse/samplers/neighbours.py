"""Which rows of an axis are next to each other: one parameter one legal value up or down, the others equal."""

from __future__ import annotations

import numpy as np

from dse.axes import Axis
from spec.design_batch import IntArray


def neighbour_table(axis: Axis) -> IntArray:
    """(n_rows, 2 n_parameters): for each parameter the row below and the row above, -1 where there is none."""
    n, width = axis.rows.shape
    table = np.full((n, 2 * width), -1, dtype=np.int64)
    for column in range(width):
        others = np.delete(axis.rows, column, axis=1)
        order = np.lexsort((axis.rows[:, column], *others.T[::-1])) if width > 1 else np.argsort(axis.rows[:, 0])
        same = (others[order][1:] == others[order][:-1]).all(axis=1)
        low, high = order[:-1][same], order[1:][same]
        table[high, 2 * column] = low
        table[low, 2 * column + 1] = high
    return table


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
