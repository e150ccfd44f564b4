"""The front of one stage while its designs are priced block by block, and its state on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from cost_models.evaluate import Context
from cost_models.stage_summary import StageSummary
from dse.arms import Arm
from dse.distinct import DistinctCounter
from dse.objectives import Driver, driver_columns
from dse.pareto import non_dominated
from dse.reserve import Reserve
from spec.design_batch import BoolArray, FloatArray, IntArray
from spec.exploration_result import StageEnumeration
from spec.workload import Stage

# Where drivers pull both ways (power wants low energy and long time) next to nothing is dominated. Past this many
# designs a stage keeps one for each box of drivers, and the result says how large the boxes are.
MAX_STAGE_FRONT = 6_000
FIRST_EPSILON = 1 / 4096
PART_DESIGNS = 16_384
MAX_LEAST_INFEASIBLE = 3


@dataclass(slots=True)
class StageFront:
    """Designs of one stage that no other beats, with their summaries; grows block by block. `excluded`: flat indices that
    count as unfit, in increasing order. `least_excess`: the designs nearest to fitting, for when none does.
    """

    stage: Stage
    legal: int
    goal_drivers: tuple[Driver, ...]
    context: Context
    index: IntArray
    summary: StageSummary
    drivers: FloatArray
    excluded: IntArray
    priced: int = 0
    feasible: int = 0
    cut: int = 0
    least_excess: list[tuple[float, int]] = field(default_factory=list)
    counter: DistinctCounter = field(default_factory=DistinctCounter)
    epsilon: float = 0.0
    reserve: Reserve = field(default_factory=Reserve)

    @classmethod
    def empty(cls, stage: Stage, arm: Arm, drivers: tuple[Driver, ...], excluded: IntArray) -> StageFront:
        """Before anything was priced."""
        legal = (arm.space.prefill if stage == "prefill" else arm.space.decode).size
        summary = StageSummary(*(np.zeros(0) for _ in fields(StageSummary)))
        nothing = np.zeros(0, dtype=np.int64)
        return cls(stage, legal, drivers, arm.context, nothing, summary, np.zeros((0, len(drivers))), excluded)

    def absorb(self, index: IntArray, summary: StageSummary) -> None:
        """Merge priced designs: infeasible and dominated ones are dropped."""
        if not len(self.excluded):  # else the first enumeration has counted them
            self.counter.add([getattr(summary, f.name) for f in fields(StageSummary) if f.name != "excess"])
        fits: BoolArray = summary.excess <= 0.0
        if len(self.excluded):
            cut = fits & np.isin(index, self.excluded, assume_unique=True)
            self.cut += int(cut.sum())
            fits = fits & ~cut
        self.priced += len(index)
        self.feasible += int(fits.sum())
        if not self.feasible:
            self._remember_nearest(index, summary)
        kept = np.flatnonzero(fits)
        # In parts: where nothing is dominated, the time of a filter grows with the square of what it is given.
        for start in range(0, len(kept), PART_DESIGNS):
            part = kept[start : start + PART_DESIGNS]
            few = summary.take(part)
            drivers = driver_columns(few, self.stage, self.goal_drivers, self.context)
            self.reserve.add(index[part], drivers)
            self._merge(index[part], few, self._boxed(drivers))

    def _merge(self, index: IntArray, summary: StageSummary, drivers: FloatArray) -> None:
        fresh = np.flatnonzero(non_dominated(drivers))
        self.drivers = np.concatenate([self.drivers, drivers[fresh]])
        self.index = np.concatenate([self.index, index[fresh]])
        self.summary = joined_summaries(self.summary, summary.take(fresh))
        self._keep(non_dominated(self.drivers))
        while len(self.index) > MAX_STAGE_FRONT:
            self.epsilon = 2 * self.epsilon or FIRST_EPSILON
            self.reserve.drop()
            self.drivers = self._boxed(driver_columns(self.summary, self.stage, self.goal_drivers, self.context))
            self._keep(non_dominated(self.drivers))

    def without(self, excluded: IntArray, price: Callable[[IntArray], StageSummary]) -> StageFront | None:
        """The front with `excluded` (a superset of what is excluded now) left out as well; None where too much has been
        dropped to tell, and the stage is to be enumerated again. `price`: summaries of designs by flat index.
        """
        if not self.reserve.complete:
            return None
        gone = np.isin(self.index, excluded)
        index, drivers = self.reserve.behind(self.drivers[gone])
        back = np.flatnonzero(~np.isin(index, excluded))
        index, drivers = index[back], drivers[back]
        # In the order of indices, as an enumeration goes: of equal designs the first stays.
        index, drivers = np.concatenate([self.index[~gone], index]), np.concatenate([self.drivers[~gone], drivers])
        order = np.argsort(index, kind="stable")
        index, drivers = index[order], drivers[order]
        first = np.concatenate([[True], np.diff(index) != 0]) if len(index) else np.zeros(0, dtype=bool)
        index, drivers = index[first], drivers[first]
        keep = non_dominated(drivers)
        cut = len(excluded) - len(self.excluded)
        return replace(
            self, index=index[keep], drivers=drivers[keep], summary=price(index[keep]), excluded=excluded,
            feasible=self.feasible - cut, cut=self.cut + cut,
        )  # fmt: skip

    def _keep(self, keep: BoolArray) -> None:
        self.drivers, self.index = self.drivers[keep], self.index[keep]
        self.summary = self.summary.take(np.flatnonzero(keep))

    def _boxed(self, drivers: FloatArray) -> FloatArray:
        """Drivers as they are compared: themselves, or the number of their box. Boxes are a factor 1 + epsilon wide, and
        wider ones are made of whole narrower ones, so that what stands for a design is never further off than a box.
        """
        if self.epsilon == 0.0:
            return drivers
        logs = np.log(np.maximum(np.abs(drivers), 1e-300)) / np.log1p(FIRST_EPSILON)
        narrow = np.floor(np.where(drivers < 0, -logs, logs))
        return np.asarray(np.floor(narrow / (self.epsilon / FIRST_EPSILON)))

    def _remember_nearest(self, index: IntArray, summary: StageSummary) -> None:
        nearest = np.argsort(summary.excess, kind="stable")[:MAX_LEAST_INFEASIBLE]
        found = [(float(summary.excess[i]), int(index[i])) for i in nearest]
        self.least_excess = sorted([*self.least_excess, *found])[:MAX_LEAST_INFEASIBLE]

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """All of it as arrays, for a checkpoint."""
        known = self.counter.known
        return {
            "index": self.index,
            "drivers": self.drivers,
            "summary": np.column_stack([getattr(self.summary, f.name) for f in fields(StageSummary)]),
            "excluded": self.excluded,
            "numbers": np.array([self.priced, self.feasible, self.cut, int(self.counter.exact)]),
            "epsilon": np.array([self.epsilon]),
            "least_excess": np.array([excess for excess, _ in self.least_excess]),
            "least_index": np.array([index for _, index in self.least_excess], dtype=np.int64),
            "known": known,
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from what `state` gave."""
        self.index, self.drivers = state["index"], state["drivers"]
        self.summary = StageSummary(*(np.ascontiguousarray(column) for column in state["summary"].T))
        self.priced, self.feasible, self.cut = (int(number) for number in state["numbers"][:3])
        self.epsilon = float(state["epsilon"][0])
        if self.priced:  # it is not part of the state: hundreds of megabytes
            self.reserve.drop()
        self.least_excess = list(zip(state["least_excess"].tolist(), state["least_index"].tolist(), strict=True))
        self.counter.restore(state["known"], exact=bool(state["numbers"][3]))

    def record(self) -> StageEnumeration:
        """How the stage was narrowed down."""
        return StageEnumeration(
            stage=self.stage,
            legal_designs=self.legal,
            feasible_designs=self.feasible,
            non_dominated_designs=len(self.index),
            distinct_designs=self.counter.count if self.counter.exact else None,
        )


def joined_summaries(a: StageSummary, b: StageSummary) -> StageSummary:
    """The designs of `a`, then those of `b`."""
    return StageSummary(*(np.concatenate([getattr(a, f.name), getattr(b, f.name)]) for f in fields(StageSummary)))
