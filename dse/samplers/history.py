"""Finished trials as arrays, in the order of their numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dse.genes import GeneArray
from spec.design_batch import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class History:
    """`values` (n_points, n_objectives) to be minimised; `violation` (n_points,): the sum of what the constraints are
    missed by, 0 where all hold.
    """

    genes: GeneArray
    values: FloatArray
    violation: FloatArray

    def __len__(self) -> int:
        return len(self.genes)

    @property
    def feasible(self) -> BoolArray:
        """(n_points,) where all constraints hold."""
        return np.asarray(self.violation <= 0)

    @property
    def scaled(self) -> FloatArray:
        """Values with ratios made differences, in columns where all are of one sign."""
        columns = []
        for column in self.values.T:
            signs = np.unique(np.sign(column))
            columns.append(np.log(np.abs(column)) * signs[0] if len(signs) == 1 and signs[0] else column)
        return np.column_stack(columns) if len(self) else self.values

    def first(self, count: int) -> History:
        """The first `count` trials."""
        return History(self.genes[:count], self.values[:count], self.violation[:count])

    def joined(self, later: History) -> History:
        """These trials and then the others."""
        return History(
            np.concatenate([self.genes, later.genes]),
            np.concatenate([self.values, later.values]),
            np.concatenate([self.violation, later.violation]),
        )
