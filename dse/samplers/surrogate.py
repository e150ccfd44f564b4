"""What half a design will measure, guessed from the halves that are known: a quadratic in the logarithms of its parameters,
and what that misses at the nearest known halves. Good enough to tell which of many new halves deserve a trial.
"""

from __future__ import annotations

import numpy as np

from dse.genes import GeneArray, GeneSpace
from spec.design_batch import FloatArray

NEAREST = 6
RIDGE = 1e-3  # of the standardised features: keeps columns that hardly vary from blowing up


def stage_features(space: GeneSpace, genes: GeneArray, stage: int) -> FloatArray:
    """Logarithms of the parameters of one stage (0 prefill, 1 decode) and the arm, (n_points, n_features)."""
    part = space.stage_genes[stage]
    columns: list[FloatArray] = []
    for i in range(part.start, part.stop):
        width = len(space.axes[0][i - 1].parameters)
        values = np.zeros((len(genes), width))
        for arm in np.unique(genes[:, 0]).tolist():
            here = genes[:, 0] == arm
            values[here] = space.axes[arm][i - 1].rows[genes[here, i]]
        columns += list(np.log2(1.0 + values).T)
    return np.column_stack([*columns, genes[:, 0]])


class Surrogate:
    """Fitted to known points: `features` (n_points, n_features), `targets` (n_points, n_targets)."""

    def __init__(self, features: FloatArray, targets: FloatArray) -> None:
        from scipy.spatial import KDTree

        self._middle = features.mean(axis=0)
        spread = features.std(axis=0)
        self._varies = spread > 0
        self._spread = np.where(self._varies, spread, 1.0)
        points = self._standard(features)
        terms = _quadratic(points)
        gram = terms.T @ terms
        gram[np.diag_indices_from(gram)] += RIDGE * len(terms)
        self._weights = np.linalg.solve(gram, terms.T @ targets)
        self._missed = targets - terms @ self._weights
        self._known = KDTree(points)
        self._nearest = min(NEAREST, len(points))

    def _standard(self, features: FloatArray) -> FloatArray:
        return np.asarray(((features - self._middle) / self._spread)[:, self._varies])

    def predict(self, features: FloatArray) -> FloatArray:
        """Guessed targets, (n_points, n_targets)."""
        points = self._standard(features)
        distance, place = self._known.query(points, k=range(1, self._nearest + 1))
        weight = 1.0 / (distance + 1e-6)
        weight /= weight.sum(axis=1, keepdims=True)
        near = np.einsum("nk,nkt->nt", weight, self._missed[place])
        return np.asarray(_quadratic(points) @ self._weights + near)


def _quadratic(points: FloatArray) -> FloatArray:
    """One, the columns, and their products, (n_points, n_terms)."""
    a, b = np.triu_indices(points.shape[1])
    return np.column_stack([np.ones(len(points)), points, points[:, a] * points[:, b]])


def most_improving(guessed: FloatArray, front: FloatArray, count: int) -> list[int]:
    """Up to `count` rows of `guessed` that get farthest ahead of `front` (n_members, n_columns) and of those taken before,
    all columns minimised and of one scale: by how much a row would have to be worse to be dominated.
    """
    ahead = np.full(len(guessed), np.inf)
    for member in front:
        np.minimum(ahead, (member - guessed).max(axis=1), out=ahead)
    taken: list[int] = []
    for _ in range(min(count, len(guessed))):
        best = int(np.argmax(ahead))
        taken.append(best)
        np.minimum(ahead, (guessed[best] - guessed).max(axis=1), out=ahead)
        ahead[best] = -np.inf
    return taken
