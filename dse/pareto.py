"""Non-dominated filtering and hypervolume, all columns minimised (moocore does the work)."""

from __future__ import annotations

import moocore
import numpy as np

from spec.design_batch import BoolArray, FloatArray, IntArray


def non_dominated(values: FloatArray) -> BoolArray:
    """(n_points,) True where no other point of `values` (n_points, n_columns) is at least as good in all columns and
    better in one. Of equal points the first stays.
    """
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    if values.shape[1] == 1:
        keep = np.zeros(len(values), dtype=bool)
        keep[np.argmin(values[:, 0])] = True
        return keep
    return np.asarray(moocore.is_nondominated(np.ascontiguousarray(values), keep_weakly=False))


def ideal_and_nadir(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Best and worst value of each column over a front, (n_columns,) each."""
    return values.min(axis=0), values.max(axis=0)


def hypervolume(values: FloatArray, reference: FloatArray) -> float:
    """Volume that the points dominate up to `reference` (n_columns,); points beyond it count nothing."""
    inside = values[np.all(values <= reference, axis=1)]
    if len(inside) == 0:
        return 0.0
    if values.shape[1] == 1:
        return float(reference[0] - inside.min())
    return float(moocore.hypervolume(np.ascontiguousarray(inside), ref=reference))


class Archive:
    """The non-dominated points seen so far, with a payload index each."""

    def __init__(self, n_columns: int) -> None:
        self.values: FloatArray = np.zeros((0, n_columns))
        self.index: IntArray = np.zeros(0, dtype=np.int64)

    def add(self, values: FloatArray, index: IntArray) -> None:
        """Merge new points (n_points, n_columns) with their payloads (n_points,)."""
        fresh = non_dominated(values)
        merged = np.concatenate([self.values, values[fresh]])
        payload = np.concatenate([self.index, index[fresh]])
        keep = non_dominated(merged)
        self.values, self.index = merged[keep], payload[keep]
