"""What a stage front has dropped, kept as long as there is room: when a design of the front is cut, those that only it beat
come back without pricing the stage again.
"""

from __future__ import annotations

import numpy as np

from spec.design_batch import BoolArray, FloatArray, IntArray

MAX_RESERVE_BYTES = 256 << 20


class Reserve:
    """Flat indices and drivers of fitting stage designs, in increasing order of the indices. Past MAX_RESERVE_BYTES all is
    dropped and `complete` is False for good.
    """

    def __init__(self) -> None:
        self._bytes = 0
        self._parts: list[tuple[IntArray, FloatArray]] = []
        self.complete = True

    def add(self, index: IntArray, drivers: FloatArray) -> None:
        """The next designs, (n_points,), and their drivers, (n_points, n_drivers)."""
        if not self.complete:
            return
        self._bytes += index.nbytes + drivers.nbytes
        if self._bytes > MAX_RESERVE_BYTES:
            self.drop()
        else:
            self._parts.append((index, drivers))

    def drop(self) -> None:
        """Forget all, for good."""
        self._parts, self.complete = [], False

    def behind(self, points: FloatArray) -> tuple[IntArray, FloatArray]:
        """Designs that are in no driver better than one of `points` (n_points, n_drivers): indices and drivers."""
        found = [(index[here], drivers[here]) for index, drivers in self._parts for here in [_behind(drivers, points)]]
        if not found:
            return np.zeros(0, dtype=np.int64), np.zeros((0, points.shape[1]))
        return np.concatenate([index for index, _ in found]), np.concatenate([drivers for _, drivers in found])


def _behind(drivers: FloatArray, points: FloatArray) -> BoolArray:
    result = np.zeros(len(drivers), dtype=bool)
    columns = np.ascontiguousarray(drivers.T)
    for point in points:
        here = columns[0] >= point[0]
        for column, bound in zip(columns[1:], point[1:], strict=True):
            here &= column >= bound
        result |= here
    return result
