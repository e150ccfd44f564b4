"""Which designs of a front to promote to the next, dearer step, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dse.objectives import log_scaled
from dse.pareto import ideal_and_nadir
from spec.design_batch import FloatArray
from spec.exploration_result import FrontEntry


@dataclass(frozen=True, slots=True)
class Pick:
    """One promoted design: its index in the front and the reason."""

    index: int
    reason: str


def normalised(front: Sequence[FrontEntry], objectives: tuple[str, ...]) -> FloatArray:
    """Log-scaled objectives, 0 at the front's best and 1 at its worst, (n_designs, n_objectives)."""
    values = np.array([[float(entry.metrics[name] or np.nan) for name in objectives] for entry in front])
    scaled = log_scaled(values, objectives)
    ideal, nadir = ideal_and_nadir(scaled)
    return np.asarray((scaled - ideal) / np.where(nadir > ideal, nadir - ideal, 1.0))


def shortlist(front: Sequence[FrontEntry], objectives: tuple[str, ...], count: int) -> list[Pick]:
    """Up to `count` distinct designs: the knee first, then the best in each objective, then the farthest from those.

    The knee is the design nearest to the ideal point (the best of every objective) in log-scaled, normalised
    objectives.
    """
    if not front or count < 1:
        return []
    points = normalised(front, objectives)
    picks = [Pick(int(np.argmin(np.linalg.norm(points, axis=1))), "knee: nearest to the best of every objective")]
    for column, name in enumerate(objectives):
        best = int(np.lexsort((np.linalg.norm(points, axis=1), points[:, column]))[0])
        if best not in {pick.index for pick in picks}:
            picks.append(Pick(best, f"best {name}"))
    while len(picks) < min(count, len(front)):
        chosen = points[[pick.index for pick in picks]]
        distance = np.linalg.norm(points[:, np.newaxis] - chosen[np.newaxis], axis=2).min(axis=1)
        picks.append(Pick(int(np.argmax(distance)), "farthest from the designs picked before"))
    return picks[:count]
