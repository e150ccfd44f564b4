"""Which designs of a front to measure next, for users who run their own flow.

The next one is always the design that lies farthest, in the logarithms of the objectives, from all that were measured
or are being measured: so few measurements cover the whole front, and a local error of the models is found soon
(greedy k-centre, Gonzalez 1985: at most twice the best possible distance).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa


def next_designs(table: pa.Table, objectives: Sequence[str], taken: Collection[str], count: int) -> list[int]:
    """Rows of the front to measure, at most `count`, those whose key is in `taken` left out."""
    keys = table.column("key").to_pylist()
    points = _scaled(table, objectives)
    distance = np.full(len(keys), np.inf)
    for row, key in enumerate(keys):
        if key in taken:
            distance = np.minimum(distance, _distances(points, row))
    free = np.array([key not in taken for key in keys], dtype=bool)
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        if np.isinf(distance).all():
            row = _middle(points, free)
        else:
            row = int(np.argmax(np.where(free, distance, -1.0)))
        chosen.append(row)
        free[row] = False
        distance = np.minimum(distance, _distances(points, row))
    return chosen


def _scaled(table: pa.Table, objectives: Sequence[str]) -> npt.NDArray[np.float64]:
    """(n_designs, n_objectives): each objective's logarithm, stretched to 0..1 over the front."""
    columns = []
    for name in objectives:
        values = np.asarray(table.column(name).to_numpy(), dtype=np.float64)
        if not np.isfinite(values).all():
            continue
        scaled = np.log(values) if (values > 0).all() else values
        span = scaled.max() - scaled.min() if len(scaled) else 0.0
        columns.append((scaled - scaled.min()) / span if span > 0 else np.zeros(len(scaled)))
    return np.stack(columns, axis=1) if columns else np.zeros((table.num_rows, 1))


def _distances(points: npt.NDArray[np.float64], row: int) -> npt.NDArray[np.float64]:
    return np.asarray(np.sqrt(((points - points[row]) ** 2).sum(axis=1)))


def _middle(points: npt.NDArray[np.float64], free: npt.NDArray[np.bool_]) -> int:
    """The first of all: the free design nearest to the mean of the front."""
    centre = points.mean(axis=0)
    return int(np.argmin(np.where(free, ((points - centre) ** 2).sum(axis=1), np.inf)))
