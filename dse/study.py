"""Search by Optuna: batches asked, priced together by the vectorised models, told back, all in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection

from cost_models.evaluate import Context
from dse.objectives import minimised
from dse.pareto import Archive
from dse.pricing import price
from dse.progress import Reporter
from dse.space import Axis, DesignSpace, StageSpace
from spec.design_batch import FloatArray, IntArray
from spec.metrics import METRICS

POPULATION = 100  # one batch is one generation
CONSTRAINT = "largest_excess"  # largest relative excess over all rules; feasible at <= 0


@dataclass(frozen=True, slots=True)
class StudyResult:
    """Feasible non-dominated pairs as flat stage indices, objectives in natural units, and the study itself."""

    prefill_index: IntArray
    decode_index: IntArray
    values: FloatArray
    evaluations: int
    feasible: int
    study: optuna.Study


def _parameters(axis: Axis) -> dict[str, BaseDistribution]:
    """Optuna parameters of an axis: the row, or for a conditional axis the group and the position within it."""
    if not axis.group_columns:
        return {axis.name: IntDistribution(0, len(axis) - 1)}
    groups = len(axis.group_starts()) - 1
    return {axis.name: IntDistribution(0, groups - 1), f"{axis.name}.position": FloatDistribution(0.0, 1.0)}


def distributions(space: DesignSpace) -> dict[str, BaseDistribution]:
    """The parameters of the whole space. Every combination of their values is a legal design."""
    result: dict[str, BaseDistribution] = {}
    for axis in (*space.prefill.axes, *space.decode.axes):
        result.update(_parameters(axis))
    return result


def _row(axis: Axis, params: dict[str, float], starts: IntArray | None) -> int:
    value = int(params[axis.name])
    if starts is None:
        return value
    size = int(starts[value + 1] - starts[value])
    return int(starts[value]) + min(int(params[f"{axis.name}.position"] * size), size - 1)


def _flat(stage: StageSpace, params: list[dict[str, float]]) -> IntArray:
    """Flat index of each trial's design in the space of one stage, (n_points,)."""
    rows = []
    for axis in stage.axes:
        starts = axis.group_starts() if axis.group_columns else None
        rows.append([_row(axis, trial, starts) for trial in params])
    shape = tuple(len(axis) for axis in stage.axes)
    return np.asarray(np.ravel_multi_index(tuple(np.array(row) for row in rows), shape), dtype=np.int64)


def sampler(method: str, seed: int) -> optuna.samplers.BaseSampler:
    """The sampler of a method of the request."""
    if method == "nsga2":
        return optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def run_study(
    space: DesignSpace,
    objectives: tuple[str, ...],
    context: Context,
    reporter: Reporter,
    *,
    method: str,
    budget: int,
    seed: int,
) -> StudyResult:
    """Spend `budget` evaluations. Equal designs are priced again: pricing is cheaper than remembering."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = [
        StudyDirection.MINIMIZE if METRICS[name].sense == "min" else StudyDirection.MAXIMIZE for name in objectives
    ]
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(), sampler=sampler(method, seed), directions=directions
    )
    parameters = distributions(space)
    archive = Archive(len(objectives))
    seen_prefill: list[IntArray] = []
    seen_decode: list[IntArray] = []
    natural: list[FloatArray] = []
    done = feasible = 0
    while done < budget:
        reporter.check()
        trials = [study.ask(parameters) for _ in range(min(POPULATION, budget - done))]
        params = [trial.params for trial in trials]
        prefill, decode = _flat(space.prefill, params), _flat(space.decode, params)
        costs = price(space, prefill, decode, context)
        values = np.column_stack([costs.metrics[name] for name in objectives])
        for trial, row, excess in zip(trials, values, costs.excess, strict=True):
            trial.set_constraint(CONSTRAINT, float(excess))
            study.tell(trial, [float(v) for v in row])
        fits = costs.feasible
        archive.add(minimised(costs, objectives)[fits], done + np.flatnonzero(fits))
        seen_prefill.append(prefill)
        seen_decode.append(decode)
        natural.append(values)
        done += len(trials)
        feasible += int(fits.sum())
        reporter.report(method, done, feasible, lambda: np.concatenate(natural)[archive.index])
    best = np.sort(archive.index)
    return StudyResult(
        prefill_index=np.concatenate(seen_prefill)[best],
        decode_index=np.concatenate(seen_decode)[best],
        values=np.concatenate(natural)[best],
        evaluations=done,
        feasible=feasible,
        study=study,
    )
