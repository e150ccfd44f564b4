"""Non-dominated filtering, hypervolume, tolerance and knees; all columns minimised (moocore does the heavy work)."""

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


def dominated_by(values: FloatArray, front: FloatArray) -> BoolArray:
    """(n_points,) True where a point of `front` is at least as good in all columns and better in one."""
    result = np.zeros(len(values), dtype=bool)
    for point in front:
        open_points = ~result
        if not open_points.any():
            break
        rest = values[open_points]
        result[open_points] = np.all(point <= rest, axis=1) & np.any(point < rest, axis=1)
    return result


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


def normalised(values: FloatArray) -> FloatArray:
    """Columns of a front as 0 at their best and 1 at their worst; a column without spread is 0."""
    ideal, nadir = ideal_and_nadir(values)
    return np.asarray((values - ideal) / np.where(nadir > ideal, nadir - ideal, 1.0))


def cover(values: FloatArray, tolerance: FloatArray) -> IntArray:
    """Points such that every other one is at most `tolerance` (n_columns,) better than one of them in every column.

    Points are taken in increasing distance from the ideal, so that the balanced ones stay.
    """
    order = np.argsort(np.linalg.norm(normalised(values), axis=1), kind="stable")
    covered = np.zeros(len(values), dtype=bool)
    kept = []
    for i in order:
        if not covered[i]:
            kept.append(int(i))
            covered |= np.all(values[i] <= values + tolerance, axis=1)
    return np.array(sorted(kept), dtype=np.int64)


def knees(values: FloatArray, count: int = 3, n_weights: int = 512) -> IntArray:
    """Up to `count` points of a front with the best trade-off, best first: the largest expected marginal utility (Branke
    et al., Finding knees in multi-objective optimization, 2004), over an even spread of weights of the columns.

    A point's marginal utility for a weighting that likes it best is what the next best point would cost more.
    """
    if len(values) == 0:
        return np.zeros(0, dtype=np.int64)
    points = normalised(values)
    if len(points) == 1 or points.shape[1] == 1:
        return np.array([int(np.argmin(points.sum(axis=1)))], dtype=np.int64)
    # Uniform on the simplex, from a fixed seed: the same front has the same knees.
    weights = np.random.default_rng(0).dirichlet(np.ones(points.shape[1]), n_weights)
    cost = weights @ points.T
    first_two = np.partition(cost, 1, axis=1)[:, :2]
    utility = np.zeros(len(points))
    np.add.at(utility, cost.argmin(axis=1), first_two[:, 1] - first_two[:, 0])
    order = np.lexsort((np.linalg.norm(points, axis=1), -utility))[:count]
    return np.asarray(order[utility[order] > 0] if utility.any() else order[:1], dtype=np.int64)


class Archive:
    """The non-dominated points seen so far, with a payload index each. Of equal points the lowest payload stays, so that
    the order of arrival does not show.
    """

    def __init__(self, n_columns: int) -> None:
        self.values: FloatArray = np.zeros((0, n_columns))
        self.index: IntArray = np.zeros(0, dtype=np.int64)

    def add(self, values: FloatArray, index: IntArray) -> None:
        """Merge new points (n_points, n_columns) with their payloads (n_points,)."""
        fresh = np.flatnonzero(non_dominated(values))
        merged = np.concatenate([self.values, values[fresh]])
        payload = np.concatenate([self.index, index[fresh]])
        order = np.argsort(payload, kind="stable")
        merged, payload = merged[order], payload[order]
        keep = non_dominated(merged)
        self.values, self.index = merged[keep], payload[keep]
