"""Searches the stages side by side and learns from the trials how they compose.

Each trial is a pair and tries one new design of either stage. Beside the values of the objectives the evaluation tells
what each half measured (latency, energy, utilization: `Goals.drivers`). From many new halves those are tried that a
surrogate puts farthest ahead of the stage's front. How an objective follows from the halves, as a sum or as the larger of
the two, is fitted too: then it is known which pairs of known halves are worth a trial.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from dse.genes import GeneArray, GeneSpace
from dse.pareto import non_dominated, normalised
from dse.samplers.batch import BatchSampler
from dse.samplers.history import History
from dse.samplers.surrogate import Surrogate, most_improving, stage_features
from dse.samplers.variation import MAX_TRIES, Seen, Variation
from spec.design_batch import BoolArray, FloatArray, IntArray
from spec.errors import InputError

MAX_PAIRS = 400_000  # pairs of stage designs that are predicted at once
MAX_HALVES = 600  # of a stage, in such pairs
CANDIDATES = 10  # new halves that are bred for each that is tried
COMPOSED = 0.5  # share of a batch, at most, that pairs known halves
BLIND = 0.2  # share of the new halves that are tried whatever the surrogate says of them
# What the surrogate believes to break a rule by little may well fit, and the best halves lie at that border: the excess that
# is let pass, half of a normal distribution of this width. Without it the fastest engines were missed by three seeds of five.
EXCESS_DOUBT = 0.05
MAX_KNOWN = 3_000  # halves that the surrogate is fitted to: the front's and the latest


@dataclass(frozen=True, slots=True)
class StageRows:
    """What the evaluation says of the two halves of each trial: columns to be minimised, (n_points, n_drivers), and by how
    much the half breaks a rule of the card, (n_points,), <= 0 where it fits by itself.
    """

    prefill: FloatArray
    decode: FloatArray
    prefill_excess: FloatArray
    decode_excess: FloatArray

    @property
    def prefill_fits(self) -> BoolArray:
        """(n_points,) where the half of prefill fits."""
        return np.asarray(self.prefill_excess <= 0)

    @property
    def decode_fits(self) -> BoolArray:
        """(n_points,) where the half of decode fits."""
        return np.asarray(self.decode_excess <= 0)

    def first(self, count: int) -> StageRows:
        """The first `count` trials."""
        return StageRows(*(getattr(self, f.name)[:count] for f in fields(self)))


def _compositions(left: FloatArray, right: FloatArray) -> list[FloatArray]:
    """Columns that an objective may be: all halves' drivers for a weighted sum; or the larger of one of each side."""
    ones = np.ones((len(left), 1))
    larger = [
        np.column_stack([np.maximum(left[:, i], right[:, j]), ones])
        for i in range(left.shape[1])
        for j in range(right.shape[1])
    ]
    return [np.column_stack([left, right, ones]), *larger]


class StagewiseSampler(BatchSampler):
    """See the module."""

    batch = 100

    def __init__(self, space: GeneSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._variation = Variation(space)
        self._stages: StageRows | None = None
        self._seen = Seen()
        self._seen_halves = (Seen(), Seen())
        self._remembered = 0

    def tell_stages(self, rows: StageRows) -> None:
        """What the halves of all trials so far measured, in the order of the trials."""
        self._stages = rows

    def propose(self, history: History, generation: int, rng: np.random.Generator) -> GeneArray:
        """Part new halves of either stage, part pairs of known halves that are predicted to be on the front."""
        fresh = history.genes[self._remembered :]
        self._seen.add(fresh)
        left, right = self.space.stage_genes
        for seen, genes in zip(self._seen_halves, (left, right), strict=True):
            seen.add(_half(fresh, genes))
        self._remembered = len(history)
        if generation and self._stages is None:
            raise InputError(
                "the sampler stagewise works in an exploration only",
                field="sampler",
                value="stagewise",
                rule="it is told what the two halves of each design measured, which no Optuna trial holds",
                hint="take --method stagewise, or Nsga2BatchSampler in a study of your own",
            )
        if generation == 0 or self._stages is None or len(self._stages.prefill) < len(history):
            return self.space.random(rng, self.batch)
        # After a resume within a batch there are more rows than trials that this batch may know.
        self._stages = self._stages.first(len(history))
        made, batch = [np.zeros((0, self.space.n_genes), dtype=np.int64)], Seen()
        for arm in range(len(self.space.arms)):
            made.append(self._composed(history, arm, int(COMPOSED * self.batch / len(self.space.arms)), batch, rng))
        made.append(self._explored(history, self.batch - sum(map(len, made)), batch, rng))
        designs = np.concatenate(made)
        missing = self.batch - len(designs)
        return np.concatenate([designs, self.space.random(rng, missing)]) if missing else designs

    # --- new halves

    def _explored(self, history: History, count: int, batch: Seen, rng: np.random.Generator) -> GeneArray:
        halves = [self._new_halves(history, stage, count, rng) for stage in (0, 1)]
        n = min(map(len, halves))
        right = self.space.stage_genes[1]
        pairs = halves[0][:n].copy()
        pairs[:, right] = halves[1][:n, right]
        return pairs[self._seen.fresh(pairs, batch)]

    def _new_halves(self, history: History, stage: int, count: int, rng: np.random.Generator) -> GeneArray:
        """Designs whose half of `stage` is new: of those bred from the halves that no other beats, the promising ones."""
        assert self._stages is not None
        drivers = (self._stages.prefill, self._stages.decode)[stage]
        fits = (self._stages.prefill_fits, self._stages.decode_fits)[stage]
        good = self._front(drivers, fits)
        genes = self.space.stage_genes[stage]
        axes = range(genes.start - 1, genes.stop - 1)
        seen, batch = self._seen_halves[stage], Seen()
        tried = np.zeros((0, self.space.n_genes), dtype=np.int64)
        weight = _loneliness(drivers[good])
        wanted = CANDIDATES * count
        for _ in range(MAX_TRIES if len(good) else 0):
            if len(tried) >= wanted:
                break
            a = history.genes[rng.choice(good, wanted, p=weight)]
            b = history.genes[rng.choice(good, wanted)]
            crossed = np.where((rng.random(len(a)) < 0.4)[:, np.newaxis], self._variation.crossed(a, b, rng), a)
            bred = self._variation.mutated(crossed, rng, 0.5 / len(axes), axes)
            tried = np.concatenate([tried, bred[seen.fresh(_half(bred, genes), batch)]])
        chosen = self._promising(history, tried[:wanted], stage, good, count, rng)
        missing = count - len(chosen)
        if missing:
            drawn = self.space.random(rng, 2 * missing)
            chosen = np.concatenate([chosen, drawn[seen.fresh(_half(drawn, genes), batch)][:missing]])
        return chosen

    def _promising(
        self, history: History, tried: GeneArray, stage: int, good: IntArray, count: int, rng: np.random.Generator
    ) -> GeneArray:
        """The halves of `tried` that the surrogate puts farthest ahead of the front, and a few at random."""
        assert self._stages is not None
        if len(tried) <= count:
            return tried
        drivers = (self._stages.prefill, self._stages.decode)[stage]
        excess = (self._stages.prefill_excess, self._stages.decode_excess)[stage]
        n = len(history)
        known = np.union1d(good, np.arange(max(0, n - MAX_KNOWN), n))
        scaled = _log_scaled(drivers[:n])
        low, high = scaled[good].min(axis=0), scaled[good].max(axis=0)
        unit = np.where(high > low, high - low, 1.0)
        targets = np.column_stack([scaled[known] / unit, np.clip(excess[known], -1.0, 1.0)])
        surrogate = Surrogate(stage_features(self.space, history.genes[known], stage), targets)
        blind = rng.permutation(len(tried))[: int(BLIND * count)]
        rest = np.delete(np.arange(len(tried)), blind)
        guessed = surrogate.predict(stage_features(self.space, tried[rest], stage))
        fits = guessed[:, -1] <= EXCESS_DOUBT * np.abs(rng.standard_normal(len(guessed)))
        best = most_improving(guessed[fits, :-1], scaled[good] / unit, count - len(blind))
        return np.asarray(tried[np.concatenate([blind, rest[fits][best]])])

    def _front(self, drivers: FloatArray, fits: BoolArray) -> IntArray:
        fitting = np.flatnonzero(fits)
        return fitting[non_dominated(drivers[fitting])] if len(fitting) else fitting

    # --- pairs of known halves

    def _composed(self, history: History, arm: int, count: int, batch: Seen, rng: np.random.Generator) -> GeneArray:
        """Pairs of halves of the stage fronts that are predicted to be on the joint front, the loneliest first."""
        assert self._stages is not None
        here = history.genes[:, 0] == arm
        left = self._front(self._stages.prefill, self._stages.prefill_fits & here)
        right = self._front(self._stages.decode, self._stages.decode_fits & here)
        if not len(left) or not len(right):
            return history.genes[:0]
        left, right = (half[rng.permutation(len(half))[:MAX_HALVES]] for half in (left, right))
        a, b = (np.array(index).ravel() for index in np.meshgrid(left, right, indexing="ij"))
        if len(a) > MAX_PAIRS:
            some = rng.permutation(len(a))[:MAX_PAIRS]
            a, b = a[some], b[some]
        predicted = self._predicted(history, a, b)
        best = np.flatnonzero(non_dominated(predicted))
        right_genes = self.space.stage_genes[1]
        pairs = history.genes[a[best]].copy()
        pairs[:, right_genes] = history.genes[b[best]][:, right_genes]
        values = predicted[best]
        known = np.array([row.tobytes() in self._seen for row in pairs], dtype=bool)
        order = _farthest_first(normalised(_log_scaled(values)), known, count)
        chosen = pairs[order]
        return chosen[self._seen.fresh(chosen, batch)]

    def _predicted(self, history: History, a: IntArray, b: IntArray) -> FloatArray:
        """Objectives of the pairs (half of trial a, half of trial b), by what explains the trials best."""
        assert self._stages is not None
        n = len(history)
        train = _compositions(self._stages.prefill[:n], self._stages.decode[:n])
        apply = _compositions(self._stages.prefill[a], self._stages.decode[b])
        scale = np.maximum(np.std(history.values, axis=0), 1e-300)
        errors, fits = [], []
        for matrix in train:
            norm = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
            weights = np.linalg.lstsq(matrix / norm, history.values / scale, rcond=None)[0]
            weights = weights / norm[:, np.newaxis] * scale
            errors.append(np.abs(matrix @ weights - history.values).max(axis=0))
            fits.append(weights)
        best = np.argmin(errors, axis=0)
        return np.column_stack([apply[k] @ fits[k][:, i] for i, k in enumerate(best)])


def _half(designs: GeneArray, genes: slice) -> GeneArray:
    """Arm and genes of one stage."""
    return np.column_stack([designs[:, 0], designs[:, genes]])


def _log_scaled(values: FloatArray) -> FloatArray:
    """Columns in which ratios are differences, where all of a column are positive."""
    positive = (values > 0).all(axis=0)
    return np.where(positive, np.log(np.where(positive, values, 1.0)), values)


def _loneliness(values: FloatArray) -> FloatArray:
    """Probabilities that grow with the distance to the nearest other point, (n_points,)."""
    if len(values) < 3:
        return np.full(len(values), 1.0 / max(len(values), 1))
    points = normalised(_log_scaled(values))
    distance = np.full(len(points), np.inf)
    for start in range(0, len(points), 512):
        part = points[start : start + 512]
        apart = np.linalg.norm(part[:, np.newaxis] - points[np.newaxis], axis=2)
        apart[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        distance[start : start + 512] = apart.min(axis=1)
    weight = distance + distance.mean()
    return np.asarray(weight / weight.sum())


def _farthest_first(points: FloatArray, known: BoolArray, count: int) -> IntArray:
    """Up to `count` of the points that are not known, each the farthest from the known ones and those chosen before."""
    open_points = np.flatnonzero(~known)
    if len(open_points) <= count:
        return open_points
    if known.any():
        distance = np.full(len(points), np.inf)
        for start in range(0, len(points), 512):
            part = points[start : start + 512]
            distance[start : start + 512] = np.linalg.norm(part[:, np.newaxis] - points[known][np.newaxis], axis=2).min(
                axis=1
            )
    else:
        distance = np.linalg.norm(points - points.mean(axis=0), axis=1)
    chosen = []
    for _ in range(count):
        pick = int(open_points[np.argmax(distance[open_points])])
        chosen.append(pick)
        distance = np.minimum(distance, np.linalg.norm(points - points[pick], axis=1))
        distance[pick] = -1.0
    return np.array(chosen, dtype=np.int64)
