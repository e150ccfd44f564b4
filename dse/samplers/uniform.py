"""Random and quasi-random designs."""

from __future__ import annotations

import numpy as np

from dse.genes import GeneArray, GeneSpace
from dse.samplers.batch import BatchSampler
from dse.samplers.history import History


class RandomBatchSampler(BatchSampler):
    """Uniform over the axes."""

    def propose(self, history: History, generation: int, rng: np.random.Generator) -> GeneArray:
        """A batch of random designs."""
        return self.space.random(rng, self.batch)


class SobolBatchSampler(BatchSampler):
    """The scrambled Sobol sequence over the axes (scipy.stats.qmc)."""

    batch = 128  # a power of two keeps the sequence balanced

    def __init__(self, space: GeneSpace, seed: int) -> None:
        super().__init__(space, seed)
        from scipy.stats import qmc

        self._engine = qmc.Sobol(space.n_genes, scramble=True, rng=np.random.default_rng(seed))

    def propose(self, history: History, generation: int, rng: np.random.Generator) -> GeneArray:
        """The next points of the sequence."""
        self._engine.reset()
        if generation:
            self._engine.fast_forward(generation * self.batch)
        return self.space.at(np.asarray(self._engine.random(self.batch)))
