"""NSGA-II and NSGA-III, vectorised: a generation is selected and bred as arrays, once."""

from __future__ import annotations

from abc import abstractmethod
from itertools import combinations_with_replacement

import moocore
import numpy as np

from dse.genes import GeneArray, GeneSpace
from dse.pareto import normalised
from dse.samplers.batch import BatchSampler
from dse.samplers.history import History
from dse.samplers.variation import MAX_TRIES, Seen, Variation
from spec.design_batch import FloatArray, IntArray


def ranks(history: History) -> IntArray:
    """Front number of each trial, (n_points,), from 0; the infeasible come after all others, by violation."""
    rank = np.zeros(len(history), dtype=np.int64)
    feasible = history.feasible
    if feasible.any():
        values = np.ascontiguousarray(history.values[feasible])
        if values.shape[1] == 1:
            rank[feasible] = np.unique(values[:, 0], return_inverse=True)[1]
        else:
            rank[feasible] = moocore.pareto_rank(values)
    worst = int(rank.max(initial=0)) + 1
    rank[~feasible] = worst + np.unique(history.violation[~feasible], return_inverse=True)[1]
    return rank


def crowding(values: FloatArray) -> FloatArray:
    """Crowding distance (Deb et al. 2002) of the points of one front, (n_points,); infinite at the ends."""
    n, width = values.shape
    distance = np.zeros(n)
    for column in range(width):
        order = np.argsort(values[:, column], kind="stable")
        ordered = values[order, column]
        spread = ordered[-1] - ordered[0]
        if spread > 0 and n > 2:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / spread
        distance[order[[0, -1]]] = np.inf
    return distance


class EvolutionSampler(BatchSampler):
    """Selection by rank, then by a rule of the subclass; binary tournaments, crossing, mutation; no design twice."""

    batch = 100
    population_size = 200

    def __init__(self, space: GeneSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._variation = Variation(space)
        self._population: IntArray = np.zeros(0, dtype=np.int64)
        self._selected = 0  # generations that the population has gone through
        self._seen = Seen()
        self._seen_trials = 0

    @abstractmethod
    def spread(self, values: FloatArray, rank: IntArray) -> FloatArray:
        """How lonely each point is among those of its rank, (n_points,); the lonelier survives."""

    def propose(self, history: History, generation: int, rng: np.random.Generator) -> GeneArray:
        """The offspring of the population that the trials so far leave."""
        self._seen.add(history.genes[self._seen_trials :])
        self._seen_trials = len(history)
        while self._selected < generation:  # more than one step only after a resume
            self._selected += 1
            start, end = (self._selected - 1) * self.batch, min(self._selected * self.batch, len(history))
            self._select(history, np.arange(start, max(start, end)))
        if not len(self._population):
            return self._filled(self.space.random(rng, self.batch), rng)
        return self._bred(history, rng)

    def _select(self, history: History, offspring: IntArray) -> None:
        both = np.concatenate([self._population, offspring])
        part = History(history.genes[both], history.values[both], history.violation[both])
        rank = ranks(part)
        order = np.lexsort((-self.spread(part.scaled, rank), rank))
        self._population = both[order[: self.population_size]]

    def _bred(self, history: History, rng: np.random.Generator) -> GeneArray:
        members = History(
            history.genes[self._population], history.values[self._population], history.violation[self._population]
        )
        rank = ranks(members)
        lonely = self.spread(members.scaled, rank)
        place = np.empty(len(rank), dtype=np.int64)
        place[np.lexsort((-lonely, rank))] = np.arange(len(rank))

        def winners(count: int) -> IntArray:
            pairs = rng.integers(0, len(place), (count, 2))
            return np.where(place[pairs[:, 0]] <= place[pairs[:, 1]], pairs[:, 0], pairs[:, 1])

        children, batch = np.zeros((0, self.space.n_genes), dtype=np.int64), Seen()
        for _ in range(MAX_TRIES):
            wanted = self.batch - len(children)
            a, b = members.genes[winners(wanted)], members.genes[winners(wanted)]
            crossed = np.where((rng.random(wanted) < 0.7)[:, np.newaxis], self._variation.crossed(a, b, rng), a)
            made = self._variation.mutated(crossed, rng, 1.0 / self.space.n_axes)
            children = np.concatenate([children, made[self._seen.fresh(made, batch)]])
            if len(children) == self.batch:
                break
        return self._filled(children, rng)

    def _filled(self, designs: GeneArray, rng: np.random.Generator) -> GeneArray:
        """A whole batch: random designs where variation found no new ones, as in a space that is nearly exhausted."""
        missing = self.batch - len(designs)
        return np.concatenate([designs, self.space.random(rng, missing)]) if missing else designs


class Nsga2BatchSampler(EvolutionSampler):
    """NSGA-II (Deb et al. 2002): within a rank, crowding distance decides."""

    def spread(self, values: FloatArray, rank: IntArray) -> FloatArray:
        """Crowding distance."""
        result = np.zeros(len(rank))
        for number in np.unique(rank):
            here = np.flatnonzero(rank == number)
            result[here] = crowding(values[here])
        return result


def reference_directions(width: int, count: int) -> FloatArray:
    """At least `count` points spread evenly on the unit simplex (Das and Dennis 1998), (n_directions, width)."""
    divisions = 1
    while True:
        picks = list(combinations_with_replacement(range(width), divisions))
        if len(picks) >= count or width == 1:
            return np.array([np.bincount(pick, minlength=width) for pick in picks]) / divisions
        divisions += 1


class Nsga3BatchSampler(EvolutionSampler):
    """NSGA-III (Deb and Jain 2014): within a rank, the point nearest to each of an even set of directions decides."""

    def spread(self, values: FloatArray, rank: IntArray) -> FloatArray:
        """Minus the place in the queue of its direction: the nearest of each direction first, then the second nearest."""
        points = normalised(values)
        directions = reference_directions(values.shape[1], self.population_size)
        unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        along = points @ unit.T
        away = np.sqrt(np.maximum((points**2).sum(axis=1)[:, np.newaxis] - along**2, 0.0))
        nearest = away.argmin(axis=1)
        distance = away[np.arange(len(points)), nearest]
        # Places in the queue of each direction, over all ranks: a better rank stands before.
        order = np.lexsort((distance, rank, nearest))
        firsts = np.flatnonzero(np.diff(nearest[order], prepend=-1))
        queue = np.empty(len(points), dtype=np.int64)
        queue[order] = np.arange(len(points)) - np.repeat(firsts, np.diff(np.append(firsts, len(points))))
        return np.asarray(-(queue + distance / (1.0 + distance)))
