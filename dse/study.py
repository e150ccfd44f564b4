"""Search by Optuna: batches asked, priced together by the vectorised models, told back, all in memory."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from cost_models.evaluate import CostBatch, combine, summarise_decode, summarise_prefill
from cost_models.stage_summary import StageSummary
from dse.arms import Arm
from dse.genes import GeneArray, GeneSpace
from dse.journal import Block, Journal
from dse.objectives import Goals, driver_columns
from dse.pareto import Archive
from dse.progress import Reporter
from dse.samplers.batch import BatchSampler
from dse.samplers.registry import sampler_factory
from dse.samplers.stagewise import StageRows, StagewiseSampler
from spec.design_batch import FloatArray, IntArray
from spec.errors import InputError
from spec.workload import Stage

NATIVE_BATCH = 20  # trials asked at once of a sampler that is not ours
CARD = "card"  # the constraint of the card's rules: largest relative excess


@dataclass(frozen=True, slots=True)
class Trace:
    """The front's growth: after how many evaluations and seconds, and the front then (natural values)."""

    evaluations: int
    seconds: float
    front: FloatArray


class TrialBook:
    """Every evaluation of a search, from which the `optuna.Study` is made when it is asked for: Optuna takes 0.3 ms and
    more for a trial, which a search with a sampler of ours does not wait for.
    """

    def __init__(self, space: GeneSpace, goals: Goals, sampler: optuna.samplers.BaseSampler) -> None:
        self.space, self.parameters = space, space.distributions()
        self.names = (CARD, *goals.rules)
        self._study = optuna.create_study(
            storage=optuna.storages.InMemoryStorage(),
            sampler=sampler,
            directions=[
                StudyDirection.MINIMIZE if objective.sign > 0 else StudyDirection.MAXIMIZE
                for objective in goals.objectives
            ],
        )
        with warnings.catch_warnings():  # the interface may change, it says; a user of the study cannot help it
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._study.set_metric_names(list(goals.names))
        self._waiting: list[tuple[Callable[[], FloatArray], FloatArray, FloatArray]] = []

    def add(self, points: Callable[[], FloatArray], values: FloatArray, missed: FloatArray) -> None:
        """Finished trials: Optuna's own numbers of their parameters, objectives in natural units, constraints."""
        self._waiting.append((points, values, missed))

    @property
    def study(self) -> optuna.Study:
        """The study with all trials so far."""
        for points, values, missed in self._waiting:
            designs = [
                {
                    name: parameter.to_external_repr(number)
                    for (name, parameter), number in zip(self.parameters.items(), point, strict=True)
                }
                for point in points().tolist()
            ]
            knobs = self.space.knobs(self.space.genes_of(designs))
            self._study.add_trials(
                create_trial(
                    state=TrialState.COMPLETE,
                    params=design,
                    distributions=self.parameters,
                    values=value,
                    constraints=dict(zip(self.names, miss, strict=True)),
                    user_attrs=attributes,
                )
                for design, attributes, value, miss in zip(
                    designs, knobs, values.tolist(), missed.tolist(), strict=True
                )
            )
        self._waiting.clear()
        return self._study

    def points(self, genes: GeneArray) -> FloatArray:
        """Optuna's own numbers of the parameters of designs, (n_points, n_parameters)."""
        return self.internal([self.space.parameters(row) for row in genes.tolist()])

    def internal(self, designs: Sequence[Mapping[str, Any]]) -> FloatArray:
        """The same of designs given by Optuna's parameters."""
        rows = [[p.to_internal_repr(design[name]) for name, p in self.parameters.items()] for design in designs]
        return np.array(rows, dtype=np.float64).reshape(len(designs), len(self.parameters))


@dataclass(frozen=True, slots=True)
class StudyResult:
    """Feasible non-dominated designs as arm and flat stage indices, objectives in natural units, and all trials.

    `genes`, `values`: all evaluations, in order. `model_s`: seconds of `seconds` spent in the cost models.
    """

    arm: IntArray
    prefill_index: IntArray
    decode_index: IntArray
    front: FloatArray
    genes: GeneArray
    values: FloatArray
    feasible_mask: IntArray
    evaluations: int
    feasible: int
    resumed: int
    seconds: float
    model_s: float
    trials: TrialBook

    @property
    def study(self) -> optuna.Study:
        """The search as an `optuna.Study`."""
        return self.trials.study


class Evaluator:
    """Prices genes; `remembers` what the stages of each design measured, for a sampler that learns from it."""

    def __init__(self, space: GeneSpace, goals: Goals, *, remembers: bool) -> None:
        self.space, self.goals, self._remembers = space, goals, remembers
        self.seconds = 0.0
        self._stages: list[tuple[FloatArray, FloatArray, FloatArray, FloatArray]] = []

    def price(self, genes: GeneArray) -> CostBatch:
        """Costs of designs, (n_points,)."""
        started = time.perf_counter()
        parts: list[tuple[IntArray, CostBatch, StageSummary, StageSummary]] = []
        for number, arm in enumerate(self.space.arms):
            here = np.flatnonzero(genes[:, 0] == number)
            if not len(here):
                continue
            p, d = self.space.stage_index(genes[here], number)
            prefill = summarise_prefill(arm.space.prefill_at(p), arm.context)
            decode = summarise_decode(arm.space.decode_at(d), arm.context)
            parts.append((here, combine(prefill, decode, arm.context), prefill, decode))
        order = np.argsort(np.concatenate([part[0] for part in parts]), kind="stable")
        metrics = {
            name: np.concatenate([costs.metrics[name] for _, costs, _, _ in parts])[order]
            for name in parts[0][1].metrics
        }
        excess = np.concatenate([costs.excess for _, costs, _, _ in parts])[order]
        if self._remembers:
            self._stages.append(
                (
                    *self._measured("prefill", _stacked([part[2] for part in parts], order)),
                    *self._measured("decode", _stacked([part[3] for part in parts], order)),
                )
            )
        self.seconds += time.perf_counter() - started
        return CostBatch(metrics, excess)

    def _measured(self, stage: Stage, summary: StageSummary) -> tuple[FloatArray, FloatArray]:
        context = self.space.arms[0].context
        # Arms may differ in deployment; the columns that a co-resident one needs serve all of them.
        systems = {arm.context.system for arm in self.space.arms}
        drivers = dict.fromkeys(driver for system in systems for driver in self.goals.drivers(stage, system))
        ordered = sorted(drivers, key=lambda driver: (driver.quantity, driver.sign))
        return driver_columns(summary, stage, ordered, context), summary.excess[:, np.newaxis]

    def stage_rows(self) -> StageRows:
        """What the halves of all priced designs measured."""
        prefill, prefill_excess, decode, decode_excess = (
            np.concatenate([part[i] for part in self._stages]) for i in range(4)
        )
        self._stages = [(prefill, prefill_excess, decode, decode_excess)]
        return StageRows(prefill, decode, prefill_excess[:, 0], decode_excess[:, 0])


def _stacked(summaries: Sequence[StageSummary], order: IntArray) -> StageSummary:
    return StageSummary(*(np.concatenate([getattr(s, f.name) for s in summaries])[order] for f in fields(StageSummary)))


def run_study(
    arms: Sequence[Arm],
    goals: Goals,
    reporter: Reporter,
    *,
    method: str,
    budget: int,
    seed: int,
    journal: Journal | None = None,
    warm_start: GeneArray | None = None,
    trace: list[Trace] | None = None,
) -> StudyResult:
    """Spend `budget` evaluations.

    `journal`: evaluations that were made before count towards the budget and are not made again. `warm_start`: designs
    to evaluate first, (n_points, n_genes). `trace`: filled with the front after each batch.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    factory, lives = sampler_factory(method)
    space = GeneSpace(arms)
    sampler = factory(space, seed)
    trials = TrialBook(space, goals, sampler)
    batch = sampler.batch if isinstance(sampler, BatchSampler) else NATIVE_BATCH
    evaluator = Evaluator(space, goals, remembers=isinstance(sampler, StagewiseSampler))
    archive = Archive(len(goals.objectives))
    genes: list[GeneArray] = []
    natural: list[FloatArray] = []
    fits: list[IntArray] = []
    done = feasible = 0
    started = time.perf_counter()

    def absorb(designs: GeneArray) -> tuple[FloatArray, FloatArray]:
        nonlocal done, feasible
        costs = evaluator.price(designs)
        values, missed = goals.natural(costs), np.column_stack([costs.excess, goals.violations(costs)])
        good = np.flatnonzero((missed <= 0).all(axis=1))
        archive.add(values[good] * goals.signs, done + good)
        genes.append(designs)
        natural.append(values)
        fits.append(done + good)
        done += len(designs)
        feasible += len(good)
        if trace is not None:
            trace.append(Trace(done, time.perf_counter() - started, archive.values * goals.signs))
        return _told(values, goals.signs), missed

    def tell(designs: GeneArray, values: FloatArray, missed: FloatArray) -> None:
        if isinstance(sampler, BatchSampler):
            sampler.tell(designs, values * goals.signs, np.maximum(missed, 0.0).sum(axis=1))

    width = len(goals.objectives)
    blocks = journal.blocks if journal is not None else []
    resumed = sum(len(block.genes) for block in blocks)
    _check_goes_on(blocks, budget, warm_start, journal)
    # A batch of Optuna's own that a smaller budget had cut short is asked anew, so that it is the one of the larger budget.
    whole = resumed if isinstance(sampler, BatchSampler) else resumed - resumed % batch
    cut_short: list[tuple[FloatArray, FloatArray]] = []
    for block in blocks:
        values, missed = absorb(block.genes)
        _check_equal(natural[-1], block.values[:, :width], journal)
        told = min(len(values), max(0, whole - done + len(values)))
        trials.add(partial(_same, block.values[:told, width:]), values[:told], missed[:told])
        cut_short.extend(zip(values[told:], missed[told:], strict=True))
        tell(block.genes, values, missed)
    # The first trials of a search are its warm start.
    warm = np.zeros((0, space.n_genes), dtype=np.int64) if warm_start is None else warm_start[whole:]
    if not isinstance(sampler, BatchSampler):
        for row in warm.tolist():
            trials.study.enqueue_trial(space.parameters(row))
    while done < budget:
        reporter.check()
        count = min(batch - done % batch, budget - done)
        if isinstance(sampler, BatchSampler):
            if isinstance(sampler, StagewiseSampler) and done:
                sampler.tell_stages(evaluator.stage_rows())
            designs = sampler.ask(done, count).copy()
            given = warm[done - resumed : done - resumed + count]
            designs[: len(given)] = given
            values, missed = absorb(designs)
            points = partial(trials.points, designs)
            trials.add(points, values, missed)
            tell(designs, values, missed)
        else:
            study = trials.study
            if not lives:
                start = done - len(cut_short)
                study.sampler = factory(space, int(np.random.SeedSequence([seed, start]).generate_state(1)[0]))
            asked = [study.ask(trials.parameters) for _ in range(len(cut_short) + count)]
            designs = space.genes_of([trial.params for trial in asked])
            for trial, knobs in zip(asked, space.knobs(designs), strict=True):
                for name, knob in knobs.items():
                    trial.set_user_attr(name, knob)
            _check_repeated(designs[: len(cut_short)], genes, journal)
            designs = designs[len(cut_short) :]
            values, missed = absorb(designs)
            rows = [*cut_short, *zip(values, missed, strict=True)]
            for trial, (row, miss) in zip(asked, rows, strict=True):
                for name, amount in zip(trials.names, miss.tolist(), strict=True):
                    trial.set_constraint(name, amount)
                study.tell(trial, row.tolist())
            # Optuna's own parameters too: a sampler such as TPE sees where within a row's share of an axis they lie.
            points = partial(_same, trials.internal([trial.params for trial in asked[len(cut_short) :]]))
            cut_short.clear()
        if journal is not None:
            journal.append(designs, np.column_stack([natural[-1], points()]))
        reporter.report(method, done, feasible, lambda: archive.values * goals.signs)
    best = np.sort(archive.index)
    every_gene, every_value = np.concatenate(genes), np.concatenate(natural)
    front = every_gene[best]
    p, d = np.zeros(len(best), dtype=np.int64), np.zeros(len(best), dtype=np.int64)
    for number in range(len(arms)):
        here = front[:, 0] == number
        p[here], d[here] = space.stage_index(front[here], number)
    return StudyResult(
        arm=front[:, 0],
        prefill_index=p,
        decode_index=d,
        front=every_value[best],
        genes=every_gene,
        values=every_value,
        feasible_mask=np.concatenate(fits),
        evaluations=done,
        feasible=feasible,
        resumed=resumed,
        seconds=time.perf_counter() - started,
        model_s=evaluator.seconds,
        trials=trials,
    )


def _told(values: FloatArray, signs: FloatArray) -> FloatArray:
    """The objectives as samplers and Optuna take them: where a design has no value of one, the worst of its batch. It breaks
    a rule (`Goals.rules`) and is never on a front.
    """
    known = np.where(np.isnan(values), -np.inf, values * signs)
    worst = known.max(axis=0)
    worst = np.where(np.isfinite(worst), worst, 0.0) * signs
    return np.where(np.isnan(values), worst, values)


def _same(points: FloatArray) -> FloatArray:
    return points


def _check_goes_on(blocks: Sequence[Block], budget: int, warm_start: GeneArray | None, journal: Journal | None) -> None:
    """Refuse a journal that this budget or warm start is not of.

    Raises:
        InputError: naming which.
    """
    if not blocks or journal is None:
        return
    known = np.concatenate([block.genes for block in blocks])
    if len(known) > budget:
        raise InputError(
            f"the journal holds {len(known):,} evaluations, more than the budget",
            field="budget",
            value=budget,
            rule=f"at least {len(known):,}: what was made before counts",
            hint="give a larger budget or a new journal",
        )
    first = known[:0] if warm_start is None else warm_start[: len(known)]
    if not np.array_equal(known[: len(first)], first):
        raise InputError(
            "the journal's search did not begin with this warm start",
            field="warm_start",
            value=len(first),
            rule="designs of a warm start are the first evaluations of a search",
            hint="leave the warm start out, or start a new journal",
        )


def _check_repeated(designs: GeneArray, genes: Sequence[GeneArray], journal: Journal | None) -> None:
    """Refuse to go on within a batch that the sampler does not propose again.

    Raises:
        InputError: it proposes others.
    """
    if not len(designs) or np.array_equal(np.concatenate(genes)[-len(designs) :], designs):
        return
    raise InputError(
        "the sampler does not propose the last designs of the journal again",
        field="journal",
        value=str(journal.path) if journal is not None else None,
        rule="the same designs for the same seed and trials, in the release of Optuna or of the plug-in that began",
        hint="start a new journal, or give the earlier results as --warm-start",
    )


def _check_equal(values: FloatArray, stored: FloatArray, journal: Journal | None) -> None:
    if values.shape == stored.shape and np.array_equal(values, stored, equal_nan=True):
        return
    raise InputError(
        "the journal's evaluations are not what the models give now",
        field="journal",
        value=str(journal.path) if journal is not None else None,
        rule="evaluations of two states of the models are not mixed",
        hint="start a new journal, or give the earlier results as --warm-start",
    )
