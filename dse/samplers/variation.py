"""New designs from good ones: parts of two crossed, single parameters moved by a legal step or drawn anew."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from dse.genes import GeneArray, GeneSpace
from dse.samplers.neighbours import RowLookup, neighbour_table
from spec.design_batch import BoolArray, IntArray

MAX_TRIES = 12  # to find a design that is not known yet


class Variation:
    """Operators on genes. Every result is a legal design; one that crossing does not reach is simply not made."""

    def __init__(self, space: GeneSpace) -> None:
        self.space = space

    @cached_property
    def _neighbours(self) -> list[list[IntArray]]:
        return [[neighbour_table(axis) for axis in axes] for axes in self.space.axes]

    @cached_property
    def _lookups(self) -> list[list[RowLookup | None]]:
        return [[RowLookup(axis) if len(axis.parameters) > 1 else None for axis in axes] for axes in self.space.axes]

    def crossed(self, a: GeneArray, b: GeneArray, rng: np.random.Generator) -> GeneArray:
        """Children of pairs of parents: a whole stage, whole axes, or parameters within an axis of the other parent."""
        child = a.copy()
        n = len(a)
        same_arm = a[:, 0] == b[:, 0]
        kind = rng.random(n)
        left, _ = self.space.stage_genes
        swap = rng.random((n, self.space.n_axes)) < 0.5
        whole = np.arange(1, self.space.n_genes) < left.stop
        side = rng.random(n) < 0.5
        swap = np.where((kind < 0.3)[:, np.newaxis], whole == side[:, np.newaxis], swap)
        swap &= same_arm[:, np.newaxis]
        child[:, 1:] = np.where(swap, b[:, 1:], a[:, 1:])
        for arm in range(len(self.space.arms)):
            for i, lookup in enumerate(self._lookups[arm]):
                if lookup is None:
                    continue
                here = np.flatnonzero(same_arm & (a[:, 0] == arm) & (kind > 0.65) & (a[:, 1 + i] != b[:, 1 + i]))
                if not len(here):
                    continue
                rows = self.space.axes[arm][i].rows
                mixed = np.where(
                    rng.random((len(here), rows.shape[1])) < 0.5, rows[a[here, 1 + i]], rows[b[here, 1 + i]]
                )
                found = lookup.find(mixed)
                child[here[found >= 0], 1 + i] = found[found >= 0]
        return child

    def mutated(
        self, genes: GeneArray, rng: np.random.Generator, rate: float, axes: Iterable[int] | None = None
    ) -> GeneArray:
        """Each axis moves with probability `rate`, at least one of them: mostly a few legal steps along one parameter,
        sometimes a row drawn anew. `axes`: only these.
        """
        result = genes.copy()
        allowed = np.zeros(self.space.n_axes, dtype=bool)
        allowed[list(range(self.space.n_axes) if axes is None else axes)] = True
        movable = allowed & (self.space.lengths > 1).any(axis=0)
        if not movable.any():
            return result
        moves: BoolArray = (rng.random((len(genes), self.space.n_axes)) < rate) & movable
        sure = rng.choice(np.flatnonzero(movable), len(genes))
        moves[np.arange(len(genes)), sure] = True
        for arm in range(len(self.space.arms)):
            for i in np.flatnonzero(movable):
                here = np.flatnonzero(moves[:, i] & (genes[:, 0] == arm))
                if len(here):
                    result[here, 1 + i] = self._moved(arm, int(i), result[here, 1 + i], rng)
        return result

    def _moved(self, arm: int, axis: int, rows: IntArray, rng: np.random.Generator) -> IntArray:
        table, length = self._neighbours[arm][axis], int(self.space.lengths[arm, axis])
        moved = rows.copy()
        anew = rng.random(len(rows)) < 0.1
        moved[anew] = rng.integers(0, length, int(anew.sum()))
        steps = np.minimum(rng.geometric(0.6, len(rows)), 4)
        direction = rng.integers(0, table.shape[1], len(rows))
        for step in range(int(steps.max(initial=0))):
            here = np.flatnonzero(~anew & (steps > step))
            to = table[moved[here], direction[here]]
            moved[here[to >= 0]] = to[to >= 0]
        return moved


class Seen:
    """Designs that are known."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def add(self, genes: GeneArray) -> None:
        """Remember designs."""
        self._keys.update(row.tobytes() for row in np.ascontiguousarray(genes))

    def __contains__(self, key: bytes) -> bool:
        """Whether a design is known, by the bytes of its genes."""
        return key in self._keys

    def fresh(self, genes: GeneArray, batch: Seen) -> BoolArray:
        """(n_points,) True for designs that are neither known nor in `batch`, the first of equal ones only. They enter
        `batch` and not what is known: that holds trials alone, so that a resumed search knows the same.
        """
        result = np.zeros(len(genes), dtype=bool)
        for i, row in enumerate(np.ascontiguousarray(genes)):
            key = row.tobytes()
            if key not in self._keys and key not in batch._keys:
                batch._keys.add(key)
                result[i] = True
        return result
