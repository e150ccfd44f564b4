"""Which designs of a front to promote to the next, dearer step, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dse.objectives import Goals, front_values
from dse.pareto import knees, normalised
from spec.design_batch import FloatArray
from spec.exploration_result import FrontEntry


@dataclass(frozen=True, slots=True)
class Pick:
    """One promoted design: its index in the front and the reason."""

    index: int
    reason: str


def _halves(front: Sequence[FrontEntry]) -> list[tuple[str, str]]:
    """The two stages of each design as text, to tell new hardware from a new pairing of hardware that is picked."""
    return [(e.design.prefill.model_dump_json(), e.design.decode.model_dump_json()) for e in front]


def _alike(values: FloatArray, goals: Goals, bands: Mapping[str, float]) -> FloatArray:
    """How many other designs each cannot be told from, (n_designs,): in every objective that differs, by less than the
    half-width (fraction) of the objective's error band.
    """
    widths = np.array(
        [max((bands.get(name, 0.0) for name in o.expression.directions), default=0.0) for o in goals.objectives]
    )
    count = np.zeros(len(values))
    for i, row in enumerate(values):
        near = np.abs(values - row) <= widths * np.abs(row)
        count[i] = np.count_nonzero(near.all(axis=1)) - 1
    return count


def shortlist(
    front: Sequence[FrontEntry],
    objectives: tuple[str, ...],
    count: int,
    error_bands: Mapping[str, float] | None = None,
) -> list[Pick]:
    """Up to `count` distinct designs: the knee, the best in each objective, then in turn the design that is farthest
    from those picked (coverage) and the one that most others cannot be told from (uncertainty, where `error_bands`,
    metric -> half-width as a fraction, are given). Designs that bring new hardware of a stage go before new pairings.
    """
    if not front or count < 1:
        return []
    goals = Goals.of(objectives)
    values = front_values([entry.metrics for entry in front], goals)
    points = normalised(goals.scaled(values))
    norms = np.linalg.norm(points, axis=1)
    knee = int(knees(goals.scaled(values), 1)[0])
    picks = [Pick(knee, "knee: what the next best design would cost more is largest here")]
    for column, name in enumerate(objectives):
        best = int(np.lexsort((norms, points[:, column]))[0])
        if best not in {pick.index for pick in picks}:
            picks.append(Pick(best, f"best {name}"))
    halves = _halves(front)
    alike = _alike(values, goals, error_bands) if error_bands else np.zeros(len(front))
    while len(picks) < min(count, len(front)):
        taken = [pick.index for pick in picks]
        known = {half for i in taken for half in halves[i]}
        new = np.array([sum(half not in known for half in pair) for pair in halves], dtype=np.float64)
        new[taken] = -1.0
        distance = np.linalg.norm(points[:, np.newaxis] - points[taken][np.newaxis], axis=2).min(axis=1)
        open_alike = np.where(np.isin(np.arange(len(front)), taken), -1.0, alike)
        if error_bands and len(picks) % 2 == 0 and open_alike.max() > 0:
            # Alike and far from what will be measured anyhow.
            index = int(np.lexsort((-distance, -new, -open_alike))[0])
            others = int(alike[index])
            picks.append(Pick(index, f"uncertain: {others} other designs are within the error band of it"))
            continue
        index = int(np.lexsort((-distance, -(new > 0).astype(np.float64)))[0])
        if index in taken:
            index = next(i for i in range(len(front)) if i not in taken)
        brings = {2: "new hardware in both stages", 1: "new hardware in one stage"}.get(int(new[index]))
        reason = f"coverage: farthest from the designs picked before{'' if brings is None else f', {brings}'}"
        picks.append(Pick(index, reason))
    return picks[:count]
