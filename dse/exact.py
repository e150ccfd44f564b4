"""The exact front: every design of each stage priced, dominated ones dropped per stage, the stage fronts merged.

Right because the stages separate: a pair is dominated whenever one of its halves can be exchanged for a half that is no
worse in every driver (`objectives.DRIVERS`) of the objectives and constraints. What pairs share (a card's resources in a
co-resident deployment) is a driver too, so that no half is dropped that another needs to fit beside it.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cost_models.evaluate import combine, summarise_decode, summarise_prefill
from cost_models.stage_summary import StageSummary
from dse.arms import Arm
from dse.checkpoint import Checkpoint
from dse.merge import MergeCount, merge_pairs
from dse.objectives import Goals
from dse.pareto import Archive
from dse.progress import Reporter, SearchStopped
from dse.stage_front import StageFront
from spec.design_batch import FloatArray, IntArray
from spec.exploration_result import ProofRecord, PruningBound
from spec.workload import STAGES, Stage

BLOCK_DESIGNS = 65_536


@dataclass(frozen=True, slots=True)
class Cuts:
    """What may not be on the front though the models allow it: flat indices of stage designs by arm and stage, in increasing
    order, and pairs of them by arm, (n_pairs, 2).
    """

    stages: Mapping[tuple[int, Stage], IntArray] = field(default_factory=dict)
    pairs: Mapping[int, IntArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArmFront:
    """What the enumeration of one arm left: the fronts of its stages and how the pairs were narrowed down. `space_size`:
    pairs of stage designs with distinct cost vectors; a lower bound where a stage was too large to count.
    """

    arm: Arm
    prefill: StageFront
    decode: StageFront
    count: MergeCount
    space_size: int


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
    of_power: bool = False  # whether a goal reads the power

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
        return f"the goals pull a stage both ways{' (power wants low energy and long time)' if self.of_power else ''}, so that too little is dominated: one stage design stands for all within {widest:.2%} of it in every quantity that the goals depend on"

    @property
    def pair_gap(self) -> str | None:
        """What cutting pairs leaves open, None if nothing."""
        cut = sum(front.count.cut for front in self.arms)
        if not cut:
            return None
        return (
            f"{cut:,} co-resident pairs that no floorplan takes were cut; pairs of halves that are no better in any resource "
            "or objective than those of a cut pair were not looked at again"
        )

    def proof(self) -> ProofRecord:
        """The argument, with its numbers."""
        stages = [stage for front in self.arms for stage in (front.prefill, front.decode)]
        infeasible = sum(stage.priced - stage.feasible - stage.cut for stage in stages)
        dominated = sum(stage.feasible - len(stage.index) for stage in stages)
        undefined = sum(front.count.undefined for front in self.arms)
        boxed = sum(front.count.outside_constraints + front.count.dominated_boxes for front in self.arms)
        priced = sum(front.count.priced for front in self.arms)
        return ProofRecord(
            pairs=sum(front.prefill.legal * front.decode.legal for front in self.arms),
            pairs_priced=priced,
            pruned=(
                PruningBound(
                    bound="no assignment of its units to SLRs exists",
                    unit="stage designs",
                    pruned=sum(stage.cut for stage in stages),
                ),
                PruningBound(
                    bound="no assignment of their units to SLRs exists",
                    unit="pairs",
                    pruned=sum(front.count.cut for front in self.arms),
                ),
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
                *(
                    [PruningBound(bound="an objective has no value", unit="pairs", pruned=undefined)]
                    if undefined
                    else []
                ),
            ),
            enumeration_s=self.enumeration_s,
            merge_s=self.merge_s,
            statement=f"every legal design of each stage was priced ({sum(s.priced for s in stages):,}); "
            f"{priced:,} of {priced + boxed:,} pairs of the stage fronts were priced, the rest excluded by a bound",
        )


def exact_front(
    arms: Sequence[Arm], goals: Goals, reporter: Reporter, *, checkpoint: Checkpoint | None = None
) -> ExactFront:
    """Enumerate both stages of each arm completely and merge their fronts."""
    return ExactSearch(arms, goals, reporter, checkpoint).front()


class ExactSearch:
    """An exact search that can be asked again with some designs cut: the front closes over what they alone had beaten, or,
    where that was too much to keep, the stages that had them are enumerated anew.
    """

    def __init__(
        self, arms: Sequence[Arm], goals: Goals, reporter: Reporter, checkpoint: Checkpoint | None = None
    ) -> None:
        self._arms, self._goals, self._reporter, self._checkpoint = tuple(arms), goals, reporter, checkpoint
        self._check = reporter.check
        self._sizes: dict[tuple[int, Stage], int] = {}  # distinct designs, counted by the first enumeration
        self._kept: dict[tuple[int, Stage], StageFront] = {}

    def front(self, cuts: Cuts | None = None, check: Callable[[], None] | None = None) -> ExactFront:
        """The front of all designs but those that are cut. `check` is called between blocks and may raise."""
        cuts = cuts or Cuts()
        self._check = check or self._reporter.check
        fronts: list[ArmFront] = []
        archive = Archive(len(self._goals.objectives))
        members: list[tuple[IntArray, IntArray]] = []
        enumeration_s = merge_s = 0.0
        before = [0, 0]  # priced and feasible of the arms that are done
        for number, arm in enumerate(self._arms):
            started = time.perf_counter()
            prefill, decode = self._stages(number, cuts, before)
            between = time.perf_counter()
            pairs, count = merge_pairs(prefill, decode, self._goals, arm.context, self._check, cuts.pairs.get(number))
            size = self._sizes[number, "prefill"] * self._sizes[number, "decode"]
            fronts.append(ArmFront(arm, prefill, decode, count, size))
            p, d = np.divmod(pairs, max(len(decode.index), 1))
            members.append((p, d))
            if len(pairs):
                costs = combine(prefill.summary.take(p), decode.summary.take(d), arm.context)
                places = (np.int64(number) << 48) + np.arange(len(pairs), dtype=np.int64)
                archive.add(self._goals.minimised(costs), places)
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
        values = archive.values[order] * self._goals.signs
        return ExactFront(of_arm, prefill_index, decode_index, values, tuple(fronts), enumeration_s, merge_s,
                          "power_w" in self._goals.metrics)  # fmt: skip

    def _stages(self, number: int, cuts: Cuts, before: Sequence[int]) -> tuple[StageFront, StageFront]:
        """The stage fronts of an arm, enumerated where they are not known."""
        arm = self._arms[number]
        stages: dict[Stage, StageFront] = {}
        for stage in STAGES:
            excluded = cuts.stages.get((number, stage), np.zeros(0, dtype=np.int64))
            known = self._kept.get((number, stage))
            if known is not None and len(excluded) > len(known.excluded):
                known = known.without(excluded, partial(_summaries, arm, stage)) or known
            if known is None or not np.array_equal(known.excluded, excluded):
                known = StageFront.empty(stage, arm, self._goals.drivers(stage, arm.context.system), excluded)
            stages[stage] = known
        # Decode first: it is the smaller space, and from then on every block of prefill completes pairs to show.
        for stage in ("decode", "prefill"):
            self._enumerate(number, stages[stage], stages, before)
            self._kept[number, stage] = stages[stage]
            self._sizes.setdefault((number, stage), stages[stage].counter.count)
        return stages["prefill"], stages["decode"]

    def _enumerate(
        self, number: int, front: StageFront, stages: Mapping[Stage, StageFront], before: Sequence[int]
    ) -> None:
        """Price what of a stage is not priced yet."""
        arm, checkpoint = self._arms[number], self._checkpoint
        prefill, decode = stages["prefill"], stages["decode"]

        def so_far() -> FloatArray:
            pairs, _ = merge_pairs(prefill, decode, self._goals, arm.context, self._check)
            p, d = np.divmod(pairs, max(len(decode.index), 1))
            return self._goals.natural(combine(prefill.summary.take(p), decode.summary.take(d), arm.context))

        again = len(front.excluded) > 0
        name = f"{number}/{front.stage}" + (f"/{zlib.crc32(front.excluded.tobytes()):08x}" if again else "")
        if checkpoint is not None and not front.priced:
            state = checkpoint.state(name)
            if state is not None and np.array_equal(state["excluded"], front.excluded):
                front.restore(state)
        whole = True  # not in the middle of a block
        try:
            for start in range(front.priced, front.legal, BLOCK_DESIGNS):
                index = np.arange(start, min(start + BLOCK_DESIGNS, front.legal))
                summary = _summaries(arm, front.stage, index)
                whole = False
                front.absorb(index, summary)
                whole = True
                if checkpoint is not None:
                    checkpoint.put(name, front.state, force=front.priced == front.legal)
                if again:  # a repetition is no progress: its designs were counted before
                    self._check()
                    continue
                priced, feasible = prefill.priced + decode.priced, prefill.feasible + decode.feasible
                self._reporter.report(front.stage, before[0] + priced, before[1] + feasible, so_far)
        except (SearchStopped, KeyboardInterrupt):
            if checkpoint is not None and whole and front.priced:
                checkpoint.put(name, front.state, force=True)
            raise


def _summaries(arm: Arm, stage: Stage, index: IntArray) -> StageSummary:
    """Prices of stage designs by flat index."""
    if stage == "prefill":
        return summarise_prefill(arm.space.prefill_at(index), arm.context)
    return summarise_decode(arm.space.decode_at(index), arm.context)
