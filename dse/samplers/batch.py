"""An Optuna sampler that thinks once a batch: the base of ours. The cost of a trial does not grow with their number."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from dse.genes import GeneArray, GeneSpace
from dse.samplers.history import History
from spec.design_batch import FloatArray


class BatchSampler(BaseSampler):
    """Trial numbers `k batch ... (k + 1) batch - 1` are proposed together, from the trials before them and random numbers
    that depend on the seed and `k` alone: a search that was killed goes on as if it had not been.
    """

    batch = 100

    def __init__(self, space: GeneSpace, seed: int) -> None:
        self.space, self.seed = space, seed
        self._distributions = space.distributions()
        self._known: dict[int, tuple[list[int], list[float], float]] = {}
        self._joined: History | None = None
        self._generation = -1
        self._proposals: GeneArray = np.zeros((0, space.n_genes), dtype=np.int64)

    def ask(self, number: int, count: int) -> GeneArray:
        """Designs of trials `number ... number + count - 1`, of one batch, from what `tell` was given: what Optuna's ask
        gives one by one, without its half a millisecond a trial.
        """
        generation, place = divmod(number, self.batch)
        if generation != self._generation:
            known = self._joined if self._joined is not None else self._empty(0)
            self._proposals = self.propose(
                known.first(generation * self.batch), generation, self.random_stream(generation)
            )
            self._generation = generation
        return self._proposals[place : place + count]

    def tell(self, genes: GeneArray, values: FloatArray, violation: FloatArray) -> None:
        """The next trials in the order of their numbers: `values` (n_points, n_objectives) to be minimised, `violation`
        (n_points,) as in `History`.
        """
        before = self._joined if self._joined is not None else self._empty(values.shape[1])
        self._joined = before.joined(History(genes, values, violation))

    @abstractmethod
    def propose(self, history: History, generation: int, rng: np.random.Generator) -> GeneArray:
        """`batch` designs, given the trials of the batches before `generation`."""

    def random_stream(self, generation: int) -> np.random.Generator:
        """The random numbers of a generation."""
        return np.random.default_rng([self.seed, generation])

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters are proposed together."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The design of this trial's number."""
        generation, place = divmod(trial.number, self.batch)
        if generation != self._generation:
            history = self._history(study, generation * self.batch)
            self._proposals = self.propose(history, generation, self.random_stream(generation))
            self._generation = generation
        return self.space.parameters(self._proposals[place])

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that is not of the design space, which only a user's own objective can ask for.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{param_name} is not a parameter of the design space")

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """Remember a finished trial."""
        if state == TrialState.COMPLETE and values is not None:
            self._known[trial.number] = self._row(study, trial, values)

    def _row(self, study: Study, trial: FrozenTrial, values: Any) -> tuple[list[int], list[float], float]:
        minimised = [
            float(value) if direction == StudyDirection.MINIMIZE else -float(value)
            for value, direction in zip(values, study.directions, strict=True)
        ]
        missed = sum(max(0.0, float(value)) for value in trial.constraints.values())
        return self.space.genes(trial.params), minimised, missed

    def _history(self, study: Study, until: int) -> History:
        if len(self._known) < until:  # trials that another process made, or that were added
            for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
                if trial.number < until and trial.number not in self._known:
                    self._known[trial.number] = self._row(study, trial, trial.values)
        # The numbers are dense: what was joined before are the first ones.
        width = len(study.directions)
        before = self._joined if self._joined is not None and len(self._joined) <= until else self._empty(width)
        fresh = [self._known[number] for number in range(len(before), until) if number in self._known]
        if fresh:
            genes, values, violation = ([row[i] for row in fresh] for i in range(3))
            before = before.joined(
                History(
                    np.array(genes, dtype=np.int64),
                    np.array(values, dtype=np.float64),
                    np.array(violation, dtype=np.float64),
                )
            )
        if len(before) == until:
            self._joined = before
        return before

    def _empty(self, width: int) -> History:
        return History(np.zeros((0, self.space.n_genes), dtype=np.int64), np.zeros((0, width)), np.zeros(0))
