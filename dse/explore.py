"""One exploration from request to result."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cost_models.evaluate import Context
from cost_models.report import metrics_of
from dse.arms import Arm, legal_designs
from dse.exact import ExactFront, exact_front
from dse.infeasible import no_feasible_design
from dse.objectives import Goals
from dse.pareto import cover, hypervolume, ideal_and_nadir, knees
from dse.progress import OnProgress, Reporter, ShouldStop
from dse.space import design_space
from spec.design_batch import FloatArray, IntArray
from spec.design_point import DesignPoint, SystemChoices
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationResult, FrontEntry, SearchRecord, StageEnumeration
from spec.scheme_names import scheme_named
from spec.space_overrides import SpaceOverrides
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION

if TYPE_CHECKING:
    import optuna

    from dse.study import StudyResult

MAX_FRONT = 20_000  # designs of a result; a larger front is thinned, and the record says how far


@dataclass(frozen=True, slots=True)
class Search:
    """A result together with the Optuna study behind it (None for the exact method)."""

    result: ExplorationResult
    study: optuna.Study | None


def explore(
    request: ExplorationRequest,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    journal: Path | None = None,
    warm_start: Sequence[DesignPoint] = (),
) -> ExplorationResult:
    """Run the search of `request`.

    `journal`: a file that keeps the evaluations of a sampled search; a search that finds one there goes on with it.
    `warm_start`: designs to evaluate first; those that are not in the space are left out.

    Raises:
        InputError: a goal without a value for this card or workload, overrides that leave no design, or a journal of
            another search or model version.
        InfeasibleError: no design fits the card and the constraints; it carries the nearest ones.
        SearchStopped: `should_stop` returned True.
    """
    return search(
        request, on_progress=on_progress, should_stop=should_stop, journal=journal, warm_start=warm_start
    ).result


def search_arms(request: ExplorationRequest) -> list[Arm]:
    """The spaces that a request searches, each with what prices it."""
    wanted = request.space or SpaceOverrides()
    arms = []
    for name in wanted.quant_schemes:
        scheme = scheme_named(name)
        for deployment in wanted.deployments:
            system = SystemChoices(deployment=deployment)
            # Caps at the prediction: a search that may use the error band would walk to its end.
            context = Context(
                request.model, request.device, request.workload, scheme, caps_at="prediction", system=system
            )
            arms.append(Arm(design_space(request.model, request.device, scheme, wanted, system), context))
    return arms


def journal_header(request: ExplorationRequest) -> dict[str, Any]:
    """What must be equal for evaluations to belong to one search; the budget may grow."""
    inputs = request.model_dump(mode="json", by_alias=True, exclude={"name", "budget", "epsilon"})
    return {**inputs, "model_version": MODEL_VERSION, "timing_table_version": DEFAULT_TIMING_TABLE.version}


def search(
    request: ExplorationRequest,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    journal: Path | None = None,
    warm_start: Sequence[DesignPoint] = (),
) -> Search:
    """As `explore`, and keeps the study for users' own plots."""
    goals = Goals.of_request(request)
    arms = search_arms(request)
    for arm in arms:
        goals.check_available(arm.context)
    size = legal_designs(arms)
    enumerated = sum(arm.space.prefill.size + arm.space.decode.size for arm in arms)
    if request.method == "exact":
        reporter = Reporter(
            on_progress, should_stop, enumerated, space_size=size, volume=lambda front: _own_volume(front, goals)
        )
        exact = exact_front(arms, goals, reporter)
        _require_designs(exact, goals, request)
        return Search(_exact_result(request, goals, exact, reporter), None)

    from dse.journal import Journal  # Optuna takes half a second to import; the exact method does without
    from dse.study import run_study

    # The exact front of the same space is the yardstick: how far is what is found from the optimum? It comes first, so
    # that progress is shown against it and a problem without solution is known at once.
    exact = _yardstick(request, arms, goals, Reporter(None, should_stop, enumerated))
    _require_designs(exact, goals, request)
    nadir = ideal_and_nadir(goals.scaled(exact.values))[1]

    def volume(front: FloatArray) -> float:
        return hypervolume(goals.scaled(front), nadir)

    reporter = Reporter(on_progress, should_stop, request.budget, space_size=size, volume=volume)
    book = Journal(journal, journal_header(request)) if journal is not None else None
    try:
        found = run_study(
            arms,
            goals,
            reporter,
            method=request.method,
            budget=request.budget,
            seed=request.seed,
            journal=book,
            warm_start=genes_of_designs(arms, warm_start) if warm_start else None,
        )
    finally:
        if book is not None:
            book.close()
    return Search(_sampled_result(request, goals, exact, found, arms, reporter, volume), found.study)


MAX_YARDSTICKS = 4
_YARDSTICKS: OrderedDict[tuple[object, str], ExactFront] = OrderedDict()  # of this process, the latest last


def _yardstick(request: ExplorationRequest, arms: Sequence[Arm], goals: Goals, reporter: Reporter) -> ExactFront:
    """The exact front of a sampled search, which is the same for every method, budget and seed."""
    inputs = request.model_dump_json(exclude={"name", "method", "budget", "seed", "epsilon"})
    key = (design_space, inputs)
    if key not in _YARDSTICKS:
        found = exact_front(arms, goals, reporter)
        while len(_YARDSTICKS) >= MAX_YARDSTICKS:
            _YARDSTICKS.popitem(last=False)
        _YARDSTICKS[key] = found
    reporter.check()
    return _YARDSTICKS[key]


def genes_of_designs(arms: Sequence[Arm], designs: Sequence[DesignPoint]) -> IntArray:
    """Those of the designs that are in the space, as genes, each once."""
    from dse.genes import GeneSpace

    space = GeneSpace(arms)
    rows: dict[tuple[int, ...], None] = {}
    for design in designs:
        for number, arm in enumerate(arms):
            found = arm.space.find(design)
            if found is not None:
                genes = space.of_index(number, np.array([found[0]]), np.array([found[1]]))[0]
                rows[tuple(genes.tolist())] = None
                break
    return np.array(list(rows), dtype=np.int64).reshape(len(rows), space.n_genes)


def _own_volume(front: FloatArray, goals: Goals) -> float:
    """Hypervolume against the front's own nadir: while the exact front grows there is no better reference."""
    scaled = goals.scaled(front)
    return hypervolume(scaled, ideal_and_nadir(scaled)[1])


def _require_designs(exact: ExactFront, goals: Goals, request: ExplorationRequest) -> None:
    if not len(exact.values):
        raise no_feasible_design(exact, goals, request)


def _stages(exact: ExactFront) -> tuple[StageEnumeration, ...]:
    return tuple(stage.record() for front in exact.arms for stage in (front.prefill, front.decode))


def _natural(scaled: FloatArray, goals: Goals, like: FloatArray) -> tuple[float, ...]:
    """A scaled point back in the units of the objectives; `like`: the front, which decides what is logarithmic."""
    values = scaled * goals.signs
    logarithmic = [o.logarithmic and bool(np.all(like[:, i] > 0)) for i, o in enumerate(goals.objectives)]
    return tuple(float(np.exp(v) if log else v) for v, log in zip(values, logarithmic, strict=True))


def _distance(best: float, front_size: int) -> dict[str, str]:
    """Why there is no share of the exact hypervolume."""
    if best > 0:
        return {}
    reason = "the exact front is a single point: its volume is 0"
    if front_size > 1:
        reason = (
            f"the {front_size} designs of the exact front span no volume below their nadir: these objectives hardly "
            "conflict, a design that is best in one is nearly best in all"
        )
    return {"hypervolume_ratio": reason}


def _exact_result(
    request: ExplorationRequest, goals: Goals, exact: ExactFront, reporter: Reporter
) -> ExplorationResult:
    keep, gap = _kept(exact.values, goals, request)
    values = exact.values[keep]
    scaled = goals.scaled(values)
    ideal, nadir = ideal_and_nadir(goals.scaled(exact.values))
    volume = hypervolume(scaled, nadir)
    seconds = reporter.seconds
    gaps = [text for text in (exact.gap, gap) if text]
    arms = [front.arm for front in exact.arms]
    front, place = _entries(arms, exact.arm[keep], exact.prefill_index[keep], exact.decode_index[keep])
    record = SearchRecord(
        space_size=exact.space_size,
        legal_designs=legal_designs(arms),
        evaluations=exact.priced,
        feasible_evaluations=exact.feasible,
        seconds=seconds,
        designs_per_s=exact.priced / max(seconds, 1e-9),
        exact=True,
        stages=_stages(exact),
        hypervolume=volume,
        exact_hypervolume=volume,
        hypervolume_ratio=1.0,
        reference_point=_natural(nadir, goals, exact.values),
        ideal_point=_natural(ideal, goals, exact.values),
        proof=exact.proof(),
        gap="; ".join(gaps) or None,
        knees=_knees(scaled, place),
        missing=_distance(volume, len(exact.values)) if len(exact.values) > 1 else {},
    )
    reporter.report("done", exact.priced, exact.feasible, lambda: values, force=True, hypervolume=volume)
    return ExplorationResult(request=request, front=front, record=record)


def _sampled_result(
    request: ExplorationRequest,
    goals: Goals,
    exact: ExactFront,
    found: StudyResult,
    arms: Sequence[Arm],
    reporter: Reporter,
    volume_of: Callable[[FloatArray], float],
) -> ExplorationResult:
    ideal, nadir = ideal_and_nadir(goals.scaled(exact.values))
    best = volume_of(exact.values)
    volume = volume_of(found.front) if len(found.front) else 0.0
    keep, gap = _kept(found.front, goals, request)
    front, place = _entries(arms, found.arm[keep], found.prefill_index[keep], found.decode_index[keep])
    record = SearchRecord(
        space_size=exact.space_size,
        legal_designs=legal_designs(arms),
        evaluations=found.evaluations,
        feasible_evaluations=found.feasible,
        seconds=found.seconds,
        designs_per_s=found.evaluations / max(found.seconds, 1e-9),
        exact=False,
        stages=_stages(exact),
        hypervolume=volume,
        exact_hypervolume=best,
        hypervolume_ratio=volume / best if best > 0 else None,
        reference_point=_natural(nadir, goals, exact.values),
        ideal_point=_natural(ideal, goals, exact.values),
        gap=gap,
        knees=_knees(goals.scaled(found.front[keep]), place),
        missing=_distance(best, len(exact.values)),
    )
    reporter.report("done", found.evaluations, found.feasible, lambda: found.front, force=True, hypervolume=volume)
    return ExplorationResult(request=request, front=front, record=record)


def _kept(values: FloatArray, goals: Goals, request: ExplorationRequest) -> tuple[IntArray, str | None]:
    """Which designs of a front are shown: all, or few enough that each other one is within a tolerance of them."""
    keep = np.arange(len(values))
    epsilon = request.epsilon
    if epsilon == 0.0 and len(values) <= MAX_FRONT:
        return keep, None
    asked = epsilon > 0.0
    while True:
        epsilon = epsilon or 1e-4
        logarithmic = np.array([objective.logarithmic for objective in goals.objectives])
        scaled = goals.scaled(values)
        tolerance = np.where(logarithmic, np.log1p(epsilon), epsilon * np.ptp(scaled, axis=0))
        keep = cover(scaled, tolerance)
        if asked or len(keep) <= MAX_FRONT:
            break
        epsilon *= 2
    return keep, f"the front is shown to within {epsilon:.2%}: {len(keep):,} of its {len(values):,} designs"


def _knees(scaled: FloatArray, place: IntArray) -> tuple[int, ...]:
    """Entries of the result that are knees. `place`: entry of each row of `scaled`."""
    return tuple(int(place[i]) for i in knees(scaled))


def _entries(
    arms: Sequence[Arm], of_arm: IntArray, prefill_index: IntArray, decode_index: IntArray
) -> tuple[tuple[FrontEntry, ...], IntArray]:
    """Design points with all their metrics, in increasing order of time to first token; and the entry of each row."""
    found: list[tuple[tuple[float, float, int], FrontEntry]] = []
    for number, arm in enumerate(arms):
        rows = np.flatnonzero(of_arm == number)
        if not len(rows):
            continue
        costs = arm.price(prefill_index[rows], decode_index[rows])
        prefill = arm.space.prefill.columns(prefill_index[rows])
        decode = arm.space.decode.columns(decode_index[rows])
        for i, row in enumerate(rows):
            design = arm.space.design_point(
                {name: int(column[i]) for name, column in prefill.items()},
                {name: int(column[i]) for name, column in decode.items()},
            )
            entry = FrontEntry(design=design, metrics=metrics_of(costs, i, arm.context)[0])
            key = (float(costs.metrics["ttft_s"][i]), float(costs.metrics["e2e_latency_s"][i]), int(row))
            found.append((key, entry))
    found.sort(key=lambda pair: pair[0])
    place = np.zeros(len(of_arm), dtype=np.int64)
    for entry_number, (key, _) in enumerate(found):
        place[key[2]] = entry_number
    return tuple(entry for _, entry in found), place
