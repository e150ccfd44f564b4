"""The exact front: every design of each stage priced, dominated ones dropped per stage, the stage fronts merged.

Right because the stages separate: a pair is dominated whenever one of its halves can be exchanged for a half that is no
worse in every driver (`objectives.DRIVERS`) of the objectives and constraints. What pairs share (a card's resources in a
co-resident deployment) is a driver too, so that no half is dropped that another needs to fit beside it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from cost_models.evaluate import Context, combine, summarise_decode, summarise_prefill
from cost_models.stage_summary import StageSummary
from dse.arms import Arm
from dse.distinct import DistinctCounter
from dse.merge import MergeCount, merge_pairs
from dse.objectives import Driver, Goals, driver_columns
from dse.pareto import Archive, non_dominated
from dse.progress import Reporter
from spec.design_batch import BoolArray, FloatArray, IntArray
from spec.exploration_result import ProofRecord, PruningBound, StageEnumeration
from spec.workload import STAGES, Stage

BLOCK_DESIGNS = 65_536
# Where drivers pull both ways (power wants low energy and long time) next to nothing is dominated. Past this many
# designs a stage keeps one for each box of drivers, and the result says how large the boxes are.
MAX_STAGE_FRONT = 6_000
FIRST_EPSILON = 1 / 4096
PART_DESIGNS = 16_384
MAX_LEAST_INFEASIBLE = 3


@dataclass(slots=True)
class StageFront:
    """Designs of one stage that no other beats, with their summaries; grows block by block. `least_excess`: the designs
    nearest to fitting, for when none does.
    """

    stage: Stage
    legal: int
    goal_drivers: tuple[Driver, ...]
    context: Context
    index: IntArray
    summary: StageSummary
    drivers: FloatArray
    priced: int = 0
    feasible: int = 0
    least_excess: list[tuple[float, int]] = field(default_factory=list)
    counter: DistinctCounter = field(default_factory=DistinctCounter)
    epsilon: float = 0.0

    @classmethod
    def empty(cls, stage: Stage, arm: Arm, drivers: tuple[Driver, ...]) -> StageFront:
        """Before anything was priced."""
        legal = (arm.space.prefill if stage == "prefill" else arm.space.decode).size
        summary = StageSummary(*(np.zeros(0) for _ in fields(StageSummary)))
        nothing = np.zeros(0, dtype=np.int64)
        return cls(stage, legal, drivers, arm.context, nothing, summary, np.zeros((0, len(drivers))))

    def absorb(self, index: IntArray, summary: StageSummary) -> None:
        """Merge priced designs: infeasible and dominated ones are dropped."""
        self.counter.add([getattr(summary, f.name) for f in fields(StageSummary) if f.name != "excess"])
        fits: BoolArray = summary.excess <= 0.0
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
            self._merge(index[part], few, self._boxed(drivers))

    def _merge(self, index: IntArray, summary: StageSummary, drivers: FloatArray) -> None:
        fresh = np.flatnonzero(non_dominated(drivers))
        self.drivers = np.concatenate([self.drivers, drivers[fresh]])
        self.index = np.concatenate([self.index, index[fresh]])
        self.summary = _joined(self.summary, summary.take(fresh))
        self._keep(non_dominated(self.drivers))
        while len(self.index) > MAX_STAGE_FRONT:
            self.epsilon = 2 * self.epsilon or FIRST_EPSILON
            self.drivers = self._boxed(driver_columns(self.summary, self.stage, self.goal_drivers, self.context))
            self._keep(non_dominated(self.drivers))

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

    def record(self) -> StageEnumeration:
        """How the stage was narrowed down."""
        return StageEnumeration(
            stage=self.stage,
            legal_designs=self.legal,
            feasible_designs=self.feasible,
            non_dominated_designs=len(self.index),
            distinct_designs=self.counter.count if self.counter.exact else None,
        )


def _joined(a: StageSummary, b: StageSummary) -> StageSummary:
    return StageSummary(*(np.concatenate([getattr(a, f.name), getattr(b, f.name)]) for f in fields(StageSummary)))


@dataclass(frozen=True, slots=True)
class ArmFront:
    """What the enumeration of one arm left: the fronts of its stages and how the pairs were narrowed down."""

    arm: Arm
    prefill: StageFront
    decode: StageFront
    count: MergeCount

    @property
    def space_size(self) -> int:
        """Pairs of stage designs with distinct cost vectors; a lower bound where a stage was too large to count."""
        return self.prefill.counter.count * self.decode.counter.count


@dataclass(frozen=True, slots=True)
class ExactFront:
    """The front as (arm, flat index of prefill, flat index of decode), with objectives in natural units."""

    arm: IntArray
    prefill_index: IntArray
    decode_index: IntArray
    values: FloatArray
    arms: tuple[ArmFront, ...]
    enumeration_s: float
    merge_s: float

    @property
    def priced(self) -> int:
        """Stage designs priced."""
        return sum(front.prefill.priced + front.decode.priced for front in self.arms)

    @property
    def feasible(self) -> int:
        """Stage designs that fit the card."""
        return sum(front.prefill.feasible + front.decode.feasible for front in self.arms)

    @property
    def space_size(self) -> int:
        """Joint designs with distinct cost vectors, stage by stage."""
        return sum(front.space_size for front in self.arms)

    @property
    def gap(self) -> str | None:
        """What keeps the front from being proven, None if nothing does."""
        widest = max(max(front.prefill.epsilon, front.decode.epsilon) for front in self.arms)
        if widest == 0.0:
            return None
        return (
            f"the goals pull a stage both ways (power wants low energy and long time), so that too little is dominated: "
            f"one stage design stands for all within {widest:.2%} of it in every quantity that the goals depend on"
        )

    def proof(self) -> ProofRecord:
        """The argument, with its numbers."""
        stages = [stage for front in self.arms for stage in (front.prefill, front.decode)]
        infeasible = sum(stage.priced - stage.feasible for stage in stages)
        dominated = sum(stage.feasible - len(stage.index) for stage in stages)
        boxed = sum(front.count.outside_constraints + front.count.dominated_boxes for front in self.arms)
        priced = sum(front.count.priced for front in self.arms)
        return ProofRecord(
            pairs=sum(front.prefill.legal * front.decode.legal for front in self.arms),
            pairs_priced=priced,
            pruned=(
                PruningBound(
                    bound="a rule of the card is broken by the stage alone", unit="stage designs", pruned=infeasible
                ),
                PruningBound(
                    bound="another design of the stage is no worse in every driver",
                    unit="stage designs",
                    pruned=dominated,
                ),
                PruningBound(
                    bound="the best values of a box of pairs break a rule or a constraint",
                    unit="pairs",
                    pruned=sum(front.count.outside_constraints for front in self.arms),
                ),
                PruningBound(
                    bound="the best values of a box of pairs are dominated by a priced pair",
                    unit="pairs",
                    pruned=sum(front.count.dominated_boxes for front in self.arms),
                ),
            ),
            enumeration_s=self.enumeration_s,
            merge_s=self.merge_s,
            statement=f"every legal design of each stage was priced ({sum(s.priced for s in stages):,}); "
            f"{priced:,} of {priced + boxed:,} pairs of the stage fronts were priced, the rest excluded by a bound",
        )


def exact_front(arms: Sequence[Arm], goals: Goals, reporter: Reporter) -> ExactFront:
    """Enumerate both stages of each arm completely and merge their fronts."""
    fronts: list[ArmFront] = []
    archive = Archive(len(goals.objectives))
    members: list[tuple[IntArray, IntArray]] = []
    enumeration_s = merge_s = 0.0
    before = [0, 0]  # priced and feasible of the arms that are done
    for number, arm in enumerate(arms):
        started = time.perf_counter()
        stages = {stage: StageFront.empty(stage, arm, goals.drivers(stage, arm.context.system)) for stage in STAGES}
        _enumerate(arm, goals, stages, reporter, before)
        between = time.perf_counter()
        prefill, decode = stages["prefill"], stages["decode"]
        pairs, count = merge_pairs(prefill, decode, goals, arm.context, reporter.check)
        fronts.append(ArmFront(arm, prefill, decode, count))
        p, d = np.divmod(pairs, max(len(decode.index), 1))
        members.append((p, d))
        if len(pairs):
            costs = combine(prefill.summary.take(p), decode.summary.take(d), arm.context)
            archive.add(goals.minimised(costs), (np.int64(number) << 48) + np.arange(len(pairs), dtype=np.int64))
        enumeration_s += between - started
        merge_s += time.perf_counter() - between
        before = [before[0] + prefill.priced + decode.priced, before[1] + prefill.feasible + decode.feasible]
    # In the order of arms and flat indices, which no block size changes.
    order = np.argsort(archive.index)
    of_arm, place = archive.index[order] >> 48, archive.index[order] & ((1 << 48) - 1)
    prefill_index, decode_index = np.zeros(len(order), dtype=np.int64), np.zeros(len(order), dtype=np.int64)
    for number, front in enumerate(fronts):
        here = of_arm == number
        p, d = members[number]
        prefill_index[here] = front.prefill.index[p[place[here]]]
        decode_index[here] = front.decode.index[d[place[here]]]
    values = archive.values[order] * goals.signs
    return ExactFront(of_arm, prefill_index, decode_index, values, tuple(fronts), enumeration_s, merge_s)


def _enumerate(
    arm: Arm, goals: Goals, stages: dict[Stage, StageFront], reporter: Reporter, before: Sequence[int]
) -> None:
    prefill, decode = stages["prefill"], stages["decode"]

    def so_far() -> FloatArray:
        pairs, _ = merge_pairs(prefill, decode, goals, arm.context, reporter.check)
        p, d = np.divmod(pairs, max(len(decode.index), 1))
        return goals.natural(combine(prefill.summary.take(p), decode.summary.take(d), arm.context))

    # Decode first: it is the smaller space, and from then on every block of prefill completes pairs to show.
    for stage in ("decode", "prefill"):
        front = stages[stage]
        for start in range(0, front.legal, BLOCK_DESIGNS):
            index = np.arange(start, min(start + BLOCK_DESIGNS, front.legal))
            if stage == "prefill":
                summary = summarise_prefill(arm.space.prefill_at(index), arm.context)
            else:
                summary = summarise_decode(arm.space.decode_at(index), arm.context)
            front.absorb(index, summary)
            priced, feasible = prefill.priced + decode.priced, prefill.feasible + decode.feasible
            reporter.report(stage, before[0] + priced, before[1] + feasible, so_far)
