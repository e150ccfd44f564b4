"""An assignment of units to regions found without a solver: one that is known to fit, or greedy and then improved.

What it finds holds every limit; that it finds none proves nothing, and CP-SAT decides (`dse.placement`). Nearly every unit
of a design that a search keeps has room, so that a verdict takes a fraction of the time that a model of it takes to build.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spec.design_batch import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from dse.placement import PlacementProblem

MAX_MOVES = 60  # of single units; a start that needs more is hardly ever mended


@dataclass(frozen=True, slots=True)
class Packing:
    """A placement problem in the whole numbers that the solver counts in. `demand` (n_units, n_kinds), `pinned` (n_units,):
    region or -1, `capacity` (n_regions, n_kinds), `member` (n_nets, n_units), `bits` (n_nets,), `wires` (n_boundaries,):
    infinite where they are not limited.
    """

    demand: FloatArray
    pinned: IntArray
    capacity: FloatArray
    member: FloatArray
    bits: FloatArray
    wires: FloatArray

    @classmethod
    def of(cls, problem: PlacementProblem) -> Packing:
        """The arrays of a problem; the number of kernels is not among them."""
        demand = np.array([unit.demand for unit in problem.units]).reshape(len(problem.units), len(problem.kinds))
        member = np.zeros((len(problem.nets), len(problem.units)))
        for n, net in enumerate(problem.nets):
            member[n, list(net.units)] = 1.0
        return cls(
            demand=np.ceil(demand - 1e-9),
            pinned=np.array([-1 if unit.region is None else unit.region for unit in problem.units], dtype=np.int64),
            capacity=np.maximum(np.floor(np.array(problem.capacity) + 1e-9), 0.0),
            member=member,
            bits=np.array([net.bits for net in problem.nets], dtype=np.float64),
            wires=np.array([math.inf if bits is None else bits for bits in problem.boundary_bits], dtype=np.float64),
        )

    @classmethod
    def joined(cls, parts: Sequence[Packing]) -> Packing:
        """Several problems of the same regions as one: all their units, no net between two of them."""
        if len(parts) == 1:
            return parts[0]
        sizes = [one.member.shape for one in parts]
        member = np.zeros((sum(nets for nets, _ in sizes), sum(units for _, units in sizes)))
        net = unit = 0
        for one, (nets, units) in zip(parts, sizes, strict=True):
            member[net : net + nets, unit : unit + units] = one.member
            net, unit = net + nets, unit + units
        return cls(
            demand=np.concatenate([one.demand for one in parts]),
            pinned=np.concatenate([one.pinned for one in parts]),
            capacity=parts[0].capacity,
            member=member,
            bits=np.concatenate([one.bits for one in parts]),
            wires=parts[0].wires,
        )

    @property
    def overfull(self) -> bool:
        """Whether the regions together hold less of a kind than the units need, or one region less than what is pinned to
        it: proof that nothing fits.
        """
        pinned = np.array([self.demand[self.pinned == r].sum(axis=0) for r in range(len(self.capacity))])
        whole = self.demand.sum(axis=0) > self.capacity.sum(axis=0)
        return bool(whole.any() or (pinned > self.capacity).any())

    def holds(self, regions: IntArray) -> bool:
        """Whether an assignment keeps every limit but the number of kernels."""
        if ((self.pinned >= 0) & (self.pinned != regions)).any():
            return False
        return bool((self._used(regions) <= self.capacity).all() and (self._crossing(regions) <= self.wires).all())

    def greedy(self) -> IntArray:
        """The largest units first, each where the fullest kind is least full afterwards."""
        room = np.maximum(self.capacity, 1.0)
        share = (self.demand / room.sum(axis=0)).max(axis=1)
        regions, used = self.pinned.copy(), np.zeros_like(self.capacity)
        for unit in np.lexsort((np.arange(len(share)), -share, self.pinned < 0)):
            if regions[unit] < 0:
                regions[unit] = int(((used + self.demand[unit]) / room).max(axis=1).argmin())
            used[regions[unit]] += self.demand[unit]
        return regions

    def improved(self, regions: IntArray) -> IntArray | None:
        """An assignment that holds every limit, by moves of single units, each the one that takes the most excess away; None
        where no move helps any more.
        """
        regions = regions.copy()
        for _ in range(MAX_MOVES):
            if self.holds(regions):
                return regions
            change = self._changes(regions)
            change[self.pinned >= 0] = 0.0
            best = int(change.argmin())
            if change.flat[best] >= -1e-12:
                return None
            unit, region = divmod(best, len(self.capacity))
            regions[unit] = region
        return None

    def _used(self, regions: IntArray) -> FloatArray:
        return np.asarray(np.eye(len(self.capacity))[regions].T @ self.demand)

    def _below(self, regions: IntArray) -> FloatArray:
        """Units of each net at or below each boundary, (n_nets, n_boundaries)."""
        under = regions[:, np.newaxis] <= np.arange(len(self.wires))
        return np.asarray(self.member @ under)

    def _crossing(self, regions: IntArray) -> FloatArray:
        return np.asarray(self.bits @ self._crosses(self._below(regions)))

    def _crosses(self, below: FloatArray) -> BoolArray:
        return np.asarray((below > 0) & (below < self.member.sum(axis=1)[:, np.newaxis]))

    def _over(self, used: FloatArray) -> FloatArray:
        """Excess of fillings (..., n_regions, n_kinds), relative to the capacities, summed over the kinds."""
        room = np.maximum(self.capacity, 1.0)
        return np.asarray((np.maximum(used - self.capacity, 0.0) / room).sum(axis=-1))

    def _changes(self, regions: IntArray) -> FloatArray:
        """By how much the excess would change if a unit went to a region, (n_units, n_regions)."""
        used, units = self._used(regions), np.arange(len(regions))
        now = self._over(used)
        left = self._over_in(used[regions] - self.demand, regions)  # where it comes from, without it
        there = self._over(used[np.newaxis] + self.demand[:, np.newaxis])
        change = there - now + (left - now[regions])[:, np.newaxis]
        change[units, regions] = 0.0
        return change + self._wire_changes(regions)

    def _over_in(self, used: FloatArray, regions: IntArray) -> FloatArray:
        capacity = self.capacity[regions]
        return np.asarray((np.maximum(used - capacity, 0.0) / np.maximum(capacity, 1.0)).sum(axis=1))

    def _wire_changes(self, regions: IntArray) -> FloatArray:
        n_regions = len(self.capacity)
        below = self._below(regions)
        crosses = self._crosses(below)
        crossing = self.bits @ crosses
        limit = np.maximum(self.wires, 1.0)
        now = (np.maximum(crossing - self.wires, 0.0) / limit).sum()
        # Bits across each boundary if a unit of a net left its lower side, or came to it, (n_units, n_boundaries).
        goes, comes = (
            crossing + self.member.T @ (self.bits[:, np.newaxis] * (self._crosses(below + step) * 1.0 - crosses))
            for step in (-1, 1)
        )
        boundary, target = np.arange(len(self.wires)), np.arange(n_regions)
        at = regions[:, np.newaxis, np.newaxis]
        upwards = (boundary >= at) & (boundary < target[:, np.newaxis])  # (n_units, n_regions, n_boundaries)
        downwards = (boundary < at) & (boundary >= target[:, np.newaxis])
        bits = np.where(upwards, goes[:, np.newaxis], np.where(downwards, comes[:, np.newaxis], crossing))
        return np.asarray((np.maximum(bits - self.wires, 0.0) / limit).sum(axis=2) - now)

    def found(self, known: Iterable[Sequence[int]] = ()) -> tuple[int, ...] | None:
        """An assignment that holds every limit but the number of kernels: one of `known` if any does, else one that is looked
        for; None where none was found.
        """
        starts = [np.asarray(one, dtype=np.int64) for one in known]
        for start in starts:
            if self.holds(start):
                return tuple(start.tolist())
        regions = self.improved(self.greedy())
        if regions is None and starts:
            regions = self.improved(np.where(self.pinned < 0, starts[0], self.pinned))
        return None if regions is None else tuple(regions.tolist())
