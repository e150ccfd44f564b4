"""The exact front: every design of each stage priced, dominated ones dropped per stage, the stage fronts merged.

Right because the stages separate: a pair is dominated whenever one of its halves can be exchanged for a half that is
no worse in every driver (`objectives.DRIVERS`). Two bitstreams share no resource and no clock, so nothing else couples
the stages; a deployment that does is not in the space.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np

from cost_models.evaluate import Context, StageSummary, combine, summarise_decode, summarise_prefill
from dse.objectives import minimised, stage_drivers
from dse.pareto import Archive, non_dominated
from dse.progress import Reporter
from dse.space import DesignSpace, StageSpace
from spec.design_batch import BoolArray, FloatArray, IntArray
from spec.exploration_result import StageEnumeration

BLOCK_DESIGNS = 65_536
BLOCK_PAIRS = 500_000


@dataclass(slots=True)
class StageFront:
    """Designs of one stage that no other beats, with their summaries; grows block by block."""

    space: StageSpace
    index: IntArray
    summary: StageSummary
    drivers: FloatArray
    priced: int = 0
    feasible: int = 0

    def absorb(self, index: IntArray, summary: StageSummary, drivers: FloatArray) -> None:
        """Merge priced designs: infeasible and dominated ones are dropped."""
        fits: BoolArray = summary.excess <= 0.0
        self.priced += len(index)
        self.feasible += int(fits.sum())
        fits[fits] = non_dominated(drivers[fits])
        kept = np.flatnonzero(fits)
        merged = np.concatenate([self.drivers, drivers[kept]])
        keep = non_dominated(merged)
        self.drivers = merged[keep]
        self.index = np.concatenate([self.index, index[kept]])[keep]
        self.summary = _joined(self.summary, summary.take(kept)).take(np.flatnonzero(keep))

    def record(self) -> StageEnumeration:
        """How the stage was narrowed down."""
        return StageEnumeration(
            stage=self.space.stage,
            legal_designs=self.space.size,
            feasible_designs=self.feasible,
            non_dominated_designs=len(self.index),
        )


def _joined(a: StageSummary, b: StageSummary) -> StageSummary:
    return StageSummary(*(np.concatenate([getattr(a, f.name), getattr(b, f.name)]) for f in fields(StageSummary)))


def _empty_front(space: StageSpace, n_drivers: int) -> StageFront:
    nothing = np.zeros(0)
    summary = StageSummary(*(nothing for _ in fields(StageSummary)))
    return StageFront(space, np.zeros(0, dtype=np.int64), summary, np.zeros((0, n_drivers)))


@dataclass(frozen=True, slots=True)
class ExactFront:
    """Pairs of the exact front as flat indices into the stage spaces, with objectives in natural units."""

    prefill_index: IntArray
    decode_index: IntArray
    values: FloatArray
    prefill: StageFront
    decode: StageFront


def merge(prefill: StageFront, decode: StageFront, objectives: tuple[str, ...], context: Context) -> ExactFront:
    """All pairs of the two stage fronts, dominated pairs dropped, in blocks of bounded memory."""
    n_decode = len(decode.index)
    archive = Archive(len(objectives))
    pairs = len(prefill.index) * n_decode
    for start in range(0, pairs, BLOCK_PAIRS):
        flat = np.arange(start, min(start + BLOCK_PAIRS, pairs))
        p, d = np.divmod(flat, n_decode)
        costs = combine(prefill.summary.take(p), decode.summary.take(d), context)
        archive.add(minimised(costs, objectives), flat)
    # Flat order is independent of the block size: results are the same for any of them.
    order = np.argsort(archive.index)
    p, d = np.divmod(archive.index[order], max(n_decode, 1))
    costs = combine(prefill.summary.take(p), decode.summary.take(d), context)
    values = np.column_stack([costs.metrics[name] for name in objectives])
    return ExactFront(prefill.index[p], decode.index[d], values, prefill, decode)


def exact_front(space: DesignSpace, objectives: tuple[str, ...], context: Context, reporter: Reporter) -> ExactFront:
    """Enumerate both stages completely and merge their fronts."""

    def price_prefill(index: IntArray) -> StageSummary:
        return summarise_prefill(space.prefill_at(index), context)

    def price_decode(index: IntArray) -> StageSummary:
        return summarise_decode(space.decode_at(index), context)

    probe = np.zeros(1, dtype=np.int64)
    fronts = {
        "prefill": _empty_front(
            space.prefill, stage_drivers(price_prefill(probe), "prefill", objectives, context).shape[1]
        ),
        "decode": _empty_front(
            space.decode, stage_drivers(price_decode(probe), "decode", objectives, context).shape[1]
        ),
    }
    prefill, decode = fronts["prefill"], fronts["decode"]
    # Decode first: it is the smaller space, and from then on every block of prefill completes pairs to show.
    stages: tuple[tuple[StageFront, Callable[[IntArray], StageSummary]], ...] = (
        (decode, price_decode),
        (prefill, price_prefill),
    )
    for front, price in stages:
        for start in range(0, front.space.size, BLOCK_DESIGNS):
            index = np.arange(start, min(start + BLOCK_DESIGNS, front.space.size))
            summary = price(index)
            front.absorb(index, summary, stage_drivers(summary, front.space.stage, objectives, context))
            reporter.report(
                front.space.stage,
                prefill.priced + decode.priced,
                prefill.feasible + decode.feasible,
                lambda: merge(prefill, decode, objectives, context).values,
            )
    return merge(prefill, decode, objectives, context)
