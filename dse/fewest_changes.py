"""Which designs meet goals with the fewest knobs changed: stage designs by the number of their changes, pairs in the order of
the sum. Nothing with more changes is priced before all with fewer were refused, and nothing is left out: of stage designs
with equally many changes only those go that another beats in every driver of the goals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cost_models.evaluate import combine, summarise_decode, summarise_prefill
from cost_models.stage_summary import StageSummary
from dse.arms import Arm
from dse.axes import MODULE_SET
from dse.objectives import Goals, driver_columns
from dse.pareto import non_dominated
from dse.place import differing
from dse.reserve import Reserve
from dse.stage_front import joined_summaries
from spec.design_batch import FloatArray, IntArray
from spec.workload import STAGES, Stage

BLOCK = 65_536
BLOCK_PAIRS = 500_000
LOOKED_AT = 64  # pairs that are judged, at most, before the levels are closed over those that were refused
MAX_KEPT = 20_000  # of one stage and number of changes; more only where drivers pull both ways


@dataclass(frozen=True, slots=True)
class Nearest:
    """A pair that meets the goals: how many knobs it changes, and flat indices."""

    changes: int
    prefill: int
    decode: int


@dataclass(slots=True)
class _Level:
    """The designs of a stage with just so many changes that fit and that none of them beats; `reserve`: all that fit."""

    index: IntArray
    drivers: FloatArray
    summary: StageSummary
    reserve: Reserve
    cut: IntArray


class FewestChanges:
    """Pairs of an arm by how many knobs they differ from one of them."""

    def __init__(
        self,
        arm: Arm,
        goals: Goals,
        origin: dict[Stage, int],
        movable: Sequence[Stage],
        refused: Callable[[int, int], Sequence[tuple[int | None, int | None]]] = lambda prefill, decode: (),
    ) -> None:
        """`movable`: stages that may change; the others stay as they are. `refused`: of a pair, the halves (prefill, None) and
        (None, decode) that cannot be placed, or the pair where only both together cannot.
        """
        self._arm, self._goals, self._refused = arm, goals, refused
        self._changed = {stage: _changes(arm, stage, origin[stage]) if stage in movable else None for stage in STAGES}
        self._origin = origin
        self._levels: dict[tuple[Stage, int], _Level] = {}
        self._cut_pairs: set[tuple[int, int]] = set()
        self.complete = True

    @property
    def most(self) -> int:
        """The most knobs that a pair changes."""
        return sum(int(changed.max()) for changed in self._changed.values() if changed is not None)

    def at(self, changes: int, count: int) -> list[Nearest]:
        """Up to `count` pairs with just so many changes that meet the goals and are not refused, the least sum of objectives
        first. What only a refused design had beaten is looked at again.
        """
        while True:
            found: list[Nearest] = []
            refused = False
            for _, prefill, decode in self._meeting(changes, max(count, LOOKED_AT)):
                parts = self._refused(prefill, decode)
                for part in parts:
                    self._cut(part)
                    refused = True
                if not parts:
                    found.append(Nearest(changes, prefill, decode))
                if len(found) == count:
                    break
            if not refused:
                return found

    def _meeting(self, changes: int, count: int) -> list[tuple[float, int, int]]:
        """Up to `count` pairs that meet the goals: sum of objectives, flat indices."""
        found: list[tuple[float, int, int]] = []
        for of_prefill in range(changes + 1):
            one, other = self._level("prefill", of_prefill), self._level("decode", changes - of_prefill)
            p, d = one.index, other.index
            for start in range(0, len(p) * len(d), BLOCK_PAIRS):
                pairs = np.arange(start, min(start + BLOCK_PAIRS, len(p) * len(d)))
                left, right = np.divmod(pairs, len(d))
                costs = combine(one.summary.take(left), other.summary.take(right), self._arm.context)
                fits = np.flatnonzero(self._goals.feasible(costs))
                if self._cut_pairs:
                    stands = [
                        (int(p[left[i]]), int(d[right[i]])) not in self._cut_pairs for i in fits.tolist()
                    ]  # fmt: skip
                    fits = fits[np.array(stands, dtype=bool)]
                if not len(fits):
                    continue
                cost = self._goals.scaled(self._goals.natural(costs)[fits]).sum(axis=1)
                best = np.argsort(cost, kind="stable")[:count]
                found += [(float(cost[i]), int(p[left[fits[i]]]), int(d[right[fits[i]]])) for i in best]
        return sorted(found)[:count]

    def _cut(self, part: tuple[int | None, int | None]) -> None:
        """Leave a half out of its level, and bring back what it alone had beaten; or leave a pair out."""
        prefill, decode = part
        if prefill is not None and decode is not None:
            self._cut_pairs.add((prefill, decode))
            return
        stage: Stage = "prefill" if prefill is not None else "decode"
        index = prefill if prefill is not None else decode
        for (of, changes), level in self._levels.items():
            if of == stage and (gone := np.flatnonzero(level.index == index)).size:
                self._levels[of, changes] = self._closed(stage, changes, level, gone)

    def _closed(self, stage: Stage, changes: int, level: _Level, gone: IntArray) -> _Level:
        cut = np.append(level.cut, level.index[gone])
        if not level.reserve.complete:
            return self._enumerated(stage, changes, cut)
        stays = np.delete(np.arange(len(level.index)), gone)
        back, drivers = level.reserve.behind(level.drivers[gone])
        fresh = ~np.isin(back, np.concatenate([cut, level.index]))
        back, drivers = back[fresh], drivers[fresh]
        index, values = np.concatenate([level.index[stays], back]), np.concatenate([level.drivers[stays], drivers])
        kept = np.flatnonzero(non_dominated(values))
        summary = self._summaries(stage, index[kept])
        return _Level(index[kept], values[kept], summary, level.reserve, cut)

    def _level(self, stage: Stage, changes: int) -> _Level:
        if (stage, changes) not in self._levels:
            self._levels[stage, changes] = self._enumerated(stage, changes, np.zeros(0, dtype=np.int64))
        return self._levels[stage, changes]

    def _enumerated(self, stage: Stage, changes: int, cut: IntArray) -> _Level:
        changed = self._changed[stage]
        if changed is None:
            index = np.array([self._origin[stage]] if changes == 0 else [], dtype=np.int64)
        else:
            index = np.flatnonzero(changed == changes)
        index = np.setdiff1d(index, cut, assume_unique=True)
        drivers = self._goals.drivers(stage, self._arm.context.system)
        reserve = Reserve()
        if len(cut):  # there was no room for it
            reserve.drop()
        kept, values, summaries = (
            np.zeros(0, dtype=np.int64),
            np.zeros((0, len(drivers))),
            self._summaries(stage, index[:0]),
        )
        for start in range(0, len(index), BLOCK):
            block = index[start : start + BLOCK]
            summary = self._summaries(stage, block)
            fits = np.flatnonzero(summary.excess <= 0.0)
            few = summary.take(fits)
            columns = driver_columns(few, stage, drivers, self._arm.context)
            reserve.add(block[fits], columns)
            fresh = np.flatnonzero(non_dominated(columns))
            kept = np.concatenate([kept, block[fits[fresh]]])
            values = np.concatenate([values, columns[fresh]])
            summaries = joined_summaries(summaries, few.take(fresh))
            stays = np.flatnonzero(non_dominated(values))
            if len(stays) > MAX_KEPT:
                stays, self.complete = _best_spread(values, stays), False
            kept, values, summaries = kept[stays], values[stays], summaries.take(stays)
        return _Level(kept, values, summaries, reserve, cut)

    def _summaries(self, stage: Stage, index: IntArray) -> StageSummary:
        space, context = self._arm.space, self._arm.context
        if stage == "prefill":
            return summarise_prefill(space.prefill_at(index), context)
        return summarise_decode(space.decode_at(index), context)


def _best_spread(values: FloatArray, rows: IntArray) -> IntArray:
    """As many of the rows as are kept: in turn the best of each driver."""
    orders = np.argsort(values[rows], axis=0, kind="stable").ravel()
    first = np.sort(np.unique(orders, return_index=True)[1])[:MAX_KEPT]
    return np.sort(rows[orders[first]])


def _changes(arm: Arm, stage: Stage, origin: int) -> npt.NDArray[np.int8]:
    """Knobs in which each design of a stage differs from the one at `origin`, (n_points,): parameters, and choices of modules."""
    part = arm.space.prefill if stage == "prefill" else arm.space.decode
    mine = {name: int(column[0]) for name, column in part.columns(np.array([origin])).items()}
    own = part.modules[mine[MODULE_SET]]
    apart = np.array([len(differing(own, modules)) for modules in part.modules], dtype=np.int8)
    result = np.zeros(part.size, dtype=np.int8)
    for start in range(0, part.size, BLOCK):
        index = np.arange(start, min(start + BLOCK, part.size))
        for name, column in part.columns(index).items():
            result[index] += apart[column] if name == MODULE_SET else column != mine[name]
    return result
