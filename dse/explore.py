"""One exploration from request to result."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cost_models.evaluate import Context
from dse.arms import Arm, legal_designs
from dse.exact import ExactFront, ExactSearch
from dse.infeasible import no_feasible_design
from dse.objectives import Goals
from dse.outside import designs_outside
from dse.pareto import hypervolume, ideal_and_nadir
from dse.progress import OnProgress, Reporter, ShouldStop
from dse.results import Placed, exact_result, sampled_result
from dse.space import design_space
from spec.design_batch import FloatArray, IntArray
from spec.design_point import DesignPoint, SystemChoices
from spec.errors import InputError, ToolNotFoundError
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationResult, WarmStart
from spec.scheme_names import scheme_named
from spec.space_overrides import SpaceOverrides
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION

if TYPE_CHECKING:
    import optuna

    from dse.checkpoint import Checkpoint
    from dse.placed_front import Floorplanner
    from dse.study import TrialBook


@dataclass(frozen=True, slots=True)
class Search:
    """A result together with the trials behind it, and what it searched.

    `genes`: every evaluation in its order, (n_evaluations, n_genes). It and `trials` are None for the exact method, which
    prices stages.
    """

    result: ExplorationResult
    trials: TrialBook | None
    arms: tuple[Arm, ...]
    goals: Goals
    genes: IntArray | None

    @property
    def study(self) -> optuna.Study | None:
        """The search as an `optuna.Study`, made when it is first asked for; None for the exact method."""
        return None if self.trials is None else self.trials.study


def explore(
    request: ExplorationRequest,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
    journal: Path | None = None,
    warm_start: Sequence[DesignPoint] = (),
) -> ExplorationResult:
    """Run the search of `request`.

    `journal`: a file that keeps the evaluations of a sampled search, or how far an exact one has come; a search that finds
    one there goes on with it.
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


_AFTER_THE_SEARCH = ("floorplan", "floorplan_limit_s")  # what a front is asked, not what is evaluated


def journal_header(request: ExplorationRequest) -> dict[str, Any]:
    """What must be equal for evaluations to belong to one search; the budget may grow."""
    inputs = request.model_dump(mode="json", by_alias=True, exclude={"name", "budget", "epsilon", *_AFTER_THE_SEARCH})
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
            on_progress,
            should_stop,
            enumerated,
            legal_designs=size,
            volume=lambda front: _own_volume(front, goals),
            best=goals.best,
        )
        checkpoint = _checkpoint(journal, request)
        try:
            exact, placed = _solved(request, arms, goals, reporter, checkpoint)
        finally:
            if checkpoint is not None:
                checkpoint.close()
        _require_designs(exact, goals, request)
        result = _with_designs_outside(exact_result(request, goals, exact, placed, reporter), arms, goals)
        return Search(result, None, tuple(arms), goals, None)

    from dse.journal import Journal  # Optuna takes half a second to import; the exact method does without
    from dse.samplers.registry import sampler_factory
    from dse.study import run_study

    first = genes_of_designs(arms, warm_start) if warm_start else None
    if first is not None:
        first = first[_spread_order(len(first))]
    if first is not None and not len(first):
        raise InputError(
            "no design of the warm start is in this space",
            field="warm_start",
            value=len(warm_start),
            rule="at least one of its designs is; those that are not are left out",
            hint="take an exploration of the same model, card and quantization scheme, or leave the warm start out",
        )
    sampler_factory(request.method)  # one that is missing is refused before anything is priced
    # The exact front of the same space is the yardstick: how far is what is found from the optimum? It comes first, so
    # that progress is shown against it and a problem without solution is known at once.
    Reporter(on_progress, should_stop, request.budget, legal_designs=size).turn_to(
        "yardstick", f"{enumerated:,} stage designs", np.zeros((0, len(goals.objectives)))
    )
    exact, _ = _yardstick(request, arms, goals, Reporter(None, should_stop, enumerated))
    _require_designs(exact, goals, request)
    nadir = ideal_and_nadir(goals.scaled(exact.values))[1]

    def volume(front: FloatArray) -> float | None:
        return hypervolume(goals.scaled(front), nadir) or None

    reporter = Reporter(on_progress, should_stop, request.budget, legal_designs=size, volume=volume, best=goals.best)
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
            warm_start=first,
        )
    finally:
        if book is not None:
            book.close()
    planner, missing = _planner(request, arms, reporter)
    placed = Placed(None, missing)
    if planner is not None:
        from dse.placed_front import placed_study

        found, check = placed_study(found, arms, goals, planner)
        placed = Placed(check)
    result = _with_designs_outside(sampled_result(request, goals, exact, found, placed, arms, reporter), arms, goals)
    if first is not None:
        began = WarmStart(given=len(warm_start), in_space=len(first), evaluated=min(len(first), found.evaluations))
        result = result.model_copy(update={"record": result.record.model_copy(update={"warm_start": began})})
    return Search(result, found.trials, tuple(arms), goals, found.genes)


def _with_designs_outside(result: ExplorationResult, arms: Sequence[Arm], goals: Goals) -> ExplorationResult:
    """The result, with what the catalog has beside the space: an optimum is one of its space."""
    values = [[objective.expression.of(entry.metrics) for objective in goals.objectives] for entry in result.front]
    front = np.array(values, dtype=np.float64).reshape(len(values), len(goals.objectives))
    outside = designs_outside(arms, goals, front)
    return result.model_copy(update={"record": result.record.model_copy(update={"outside": outside})})


def _checkpoint(journal: Path | None, request: ExplorationRequest) -> Checkpoint | None:
    if journal is None:
        return None
    from dse.checkpoint import Checkpoint

    return Checkpoint(journal, journal_header(request))


def _planner(
    request: ExplorationRequest, arms: Sequence[Arm], reporter: Reporter
) -> tuple[Floorplanner | None, str | None]:
    """What places designs on the card, or why nothing does."""
    if not request.floorplan:
        return None, "not asked for"
    from dse.placed_front import Floorplanner

    try:
        return Floorplanner(arms, reporter, request.floorplan_limit_s), None
    except ToolNotFoundError as error:
        return None, f"{error.message}; {error.hint}"


def _solved(
    request: ExplorationRequest,
    arms: Sequence[Arm],
    goals: Goals,
    reporter: Reporter,
    checkpoint: Checkpoint | None = None,
) -> tuple[ExactFront, Placed]:
    """The exact front, without what the floorplan refuses."""
    enumeration = ExactSearch(arms, goals, reporter, checkpoint)
    planner, missing = _planner(request, arms, reporter)
    if planner is None:
        return enumeration.front(), Placed(None, missing)
    from dse.placed_front import placed_exact_front

    exact, check = placed_exact_front(enumeration, planner)
    return exact, Placed(check)


MAX_YARDSTICKS = 4
_YARDSTICKS: OrderedDict[tuple[object, str], tuple[ExactFront, Placed]] = OrderedDict()  # of this process, latest last


def _yardstick(
    request: ExplorationRequest, arms: Sequence[Arm], goals: Goals, reporter: Reporter
) -> tuple[ExactFront, Placed]:
    """The exact front of a sampled search, which is the same for every method, budget and seed."""
    inputs = request.model_dump_json(exclude={"name", "method", "budget", "seed", "epsilon"})
    key = (design_space, inputs)
    if key not in _YARDSTICKS:
        found = _solved(request, arms, goals, reporter)
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


def _spread_order(count: int) -> IntArray:
    """The places of a list in an order of which every beginning is spread evenly over it: by their bits reversed."""
    places = np.arange(count)
    bits = max(count - 1, 1).bit_length()
    turned = sum(((places >> bit) & 1) << (bits - 1 - bit) for bit in range(bits))
    return np.argsort(turned, kind="stable")


def _own_volume(front: FloatArray, goals: Goals) -> float | None:
    """Hypervolume against the front's own nadir: while the exact front grows there is no better reference."""
    scaled = goals.scaled(front)
    return hypervolume(scaled, ideal_and_nadir(scaled)[1]) or None


def _require_designs(exact: ExactFront, goals: Goals, request: ExplorationRequest) -> None:
    if not len(exact.values):
        raise no_feasible_design(exact, goals, request)
