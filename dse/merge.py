"""Pairs of two stage fronts: which of them no other pair beats. Boxes of pairs are excluded by their best values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from cost_models.evaluate import Context, combine
from cost_models.stage_summary import StageSummary
from dse.objectives import Goals, quantity
from dse.pareto import Archive, dominated_by
from spec.design_batch import FloatArray, IntArray

if TYPE_CHECKING:
    from dse.stage_front import StageFront

BLOCK_PAIRS = 500_000
BOXED_PAIRS = 2_000_000  # fewer than these are priced outright
LEAF_DESIGNS = 48
ROUNDING = 1e-12  # relative: a box's best value may lie above a pair's by an ulp or two


@dataclass(slots=True)
class MergeCount:
    """How the pairs of two stage fronts were narrowed down."""

    priced: int = 0
    outside_constraints: int = 0
    dominated_boxes: int = 0
    undefined: int = 0
    cut: int = 0


def merge_pairs(
    prefill: StageFront,
    decode: StageFront,
    goals: Goals,
    context: Context,
    check: Callable[[], None],
    excluded: IntArray | None = None,
) -> tuple[IntArray, MergeCount]:
    """Flat pairs `place in prefill x n_decode + place in decode` of the merged front, in increasing order. `excluded`:
    flat indices of pairs that count as unfit, (n_pairs, 2).
    """
    count = MergeCount()
    n_decode = len(decode.index)
    archive = Archive(len(goals.objectives))
    pairs = len(prefill.index) * n_decode
    barred = None if excluded is None else excluded[:, 0] * decode.legal + excluded[:, 1]

    def add(flat: IntArray) -> None:
        p, d = np.divmod(flat, n_decode)
        costs = combine(prefill.summary.take(p), decode.summary.take(d), context)
        fits = goals.feasible(costs)
        if barred is not None:
            cut = fits & np.isin(prefill.index[p] * decode.legal + decode.index[d], barred)
            count.cut += int(cut.sum())
            fits = fits & ~cut
        values = goals.minimised(costs)
        count.undefined += int((costs.feasible & np.isnan(values).any(axis=1)).sum())
        archive.add(values[fits], flat[fits])
        count.priced += len(flat)

    # A box's best values bound its pairs only where lower is better for every driver.
    towards_lower = all(d.sign > 0 for stage in (prefill, decode) for d in stage.goal_drivers)
    rounded = prefill.epsilon > 0 or decode.epsilon > 0
    if pairs > BOXED_PAIRS and towards_lower and not rounded:
        _merge_boxes(prefill, decode, goals, context, archive, add, count, check)
    else:
        for start in range(0, pairs, BLOCK_PAIRS):
            check()
            add(np.arange(start, min(start + BLOCK_PAIRS, pairs)))
    return np.sort(archive.index), count


def _merge_boxes(
    prefill: StageFront,
    decode: StageFront,
    goals: Goals,
    context: Context,
    archive: Archive,
    add: Callable[[IntArray], None],
    count: MergeCount,
    check: Callable[[], None],
) -> None:
    """Boxes of the most promising best values first; a box that a priced pair beats is left out whole."""
    left, right = _leaves(prefill.drivers), _leaves(decode.drivers)
    sizes = np.outer([len(leaf) for leaf in left], [len(leaf) for leaf in right]).ravel()
    best_left = _best(prefill, left, context)
    best_right = _best(decode, right, context)
    a, b = np.divmod(np.arange(len(left) * len(right)), len(right))
    costs = combine(best_left.take(a), best_right.take(b), context)
    # A goal without a value at a box's best values may have one for its pairs: that excludes nothing.
    missed = goals.violations(costs)
    possible = (costs.excess <= ROUNDING) & ((missed <= ROUNDING) | np.isinf(missed)).all(axis=1)
    count.outside_constraints += int(sizes[~possible].sum())
    boxes = np.flatnonzero(possible)
    bounds = goals.minimised(costs)[boxes]
    bounds = np.where(np.isnan(bounds), -np.inf, bounds - ROUNDING * np.abs(bounds))
    boxes, bounds = _most_promising_first(boxes, bounds)
    n_decode = len(decode.index)
    while len(boxes):
        check()
        beaten = dominated_by(bounds, archive.values)
        count.dominated_boxes += int(sizes[boxes[beaten]].sum())
        boxes, bounds = boxes[~beaten], bounds[~beaten]
        taken = max(1, int(np.searchsorted(np.cumsum(sizes[boxes]), BLOCK_PAIRS, side="right")))
        now, boxes, bounds = boxes[:taken], boxes[taken:], bounds[taken:]
        if len(now):
            flat = [(left[a[box]][:, np.newaxis] * n_decode + right[b[box]]).ravel() for box in now]
            add(np.concatenate(flat))


def _most_promising_first(boxes: IntArray, bounds: FloatArray) -> tuple[IntArray, FloatArray]:
    known = np.isfinite(bounds)
    low = np.where(known, bounds, np.inf).min(axis=0, initial=np.inf)
    high = np.where(known, bounds, -np.inf).max(axis=0, initial=-np.inf)
    spread = np.where(high > low, high - low, 1.0)
    with np.errstate(invalid="ignore"):  # of what is not known
        order = np.argsort(np.where(known, (bounds - low) / spread, 0.0).sum(axis=1), kind="stable")
    return boxes[order], bounds[order]


def _leaves(drivers: FloatArray) -> list[IntArray]:
    """The designs in groups of neighbours: halved at the median of the widest driver until small."""
    low, high = drivers.min(axis=0), drivers.max(axis=0)
    points = (drivers - low) / np.where(high > low, high - low, 1.0)
    groups, leaves = [np.arange(len(points))], []
    while groups:
        group = groups.pop()
        if len(group) <= LEAF_DESIGNS:
            leaves.append(group)
            continue
        column = int(np.argmax(np.ptp(points[group], axis=0)))
        order = group[np.argsort(points[group, column], kind="stable")]
        groups += [order[len(order) // 2 :], order[: len(order) // 2]]
    return leaves


def _best(front: StageFront, leaves: list[IntArray], context: Context) -> StageSummary:
    """A summary for each leaf that is in no driver worse than any design of it, (n_leaves,)."""
    firsts = np.cumsum([0, *(len(leaf) for leaf in leaves[:-1])])
    order = np.concatenate(leaves)
    summary = front.summary.take(order)

    def lowest(values: FloatArray) -> FloatArray:
        return np.asarray(np.minimum.reduceat(values, firsts))

    best = StageSummary(*(lowest(getattr(summary, f.name)) for f in fields(StageSummary)))
    # Energy is power times time, and the lowest of both belong to different designs: the power that gives the lowest
    # energy in the lowest time.
    total = quantity("total_s", best, front.stage, context)
    safe = np.where(total > 0, total, 1.0)
    energy = lowest(quantity("energy_j", summary, front.stage, context))
    dynamic = lowest(quantity("dynamic_energy_j", summary, front.stage, context))
    return replace(best, power_w=energy / safe, dynamic_w=dynamic / safe)
