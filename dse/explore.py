"""One exploration from request to result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cost_models.evaluate import Context
from cost_models.report import metrics_of
from dse.exact import ExactFront, exact_front
from dse.objectives import check_available, log_scaled
from dse.pareto import hypervolume, ideal_and_nadir
from dse.pricing import price
from dse.progress import OnProgress, Reporter, ShouldStop
from dse.space import DesignSpace, design_space
from spec.design_batch import FloatArray, IntArray
from spec.errors import InfeasibleError
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationResult, FrontEntry, SearchRecord, StageEnumeration
from spec.quant_scheme import W4A4KV8

if TYPE_CHECKING:
    import optuna


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
) -> ExplorationResult:
    """Run the search of `request`.

    Raises:
        InputError: an objective without a value for this card or workload.
        InfeasibleError: no design fits the card.
        SearchStopped: `should_stop` returned True.
    """
    return search(request, on_progress=on_progress, should_stop=should_stop).result


def search(
    request: ExplorationRequest,
    *,
    on_progress: OnProgress | None = None,
    should_stop: ShouldStop | None = None,
) -> Search:
    """As `explore`, and keeps the study for users' own plots."""
    context = Context(request.model, request.device, request.workload, W4A4KV8)
    check_available(request.objectives, context)
    space = design_space(request.model, request.device, W4A4KV8)
    enumerated = space.prefill.size + space.decode.size
    if request.method == "exact":
        reporter = Reporter(on_progress, should_stop, enumerated)
        exact = exact_front(space, request.objectives, context, reporter)
        _require_designs(exact, request)
        return Search(_exact_result(request, space, context, exact, reporter), None)

    from dse.study import run_study  # Optuna takes half a second to import; the exact method does without

    reporter = Reporter(on_progress, should_stop, request.budget)
    found = run_study(
        space,
        request.objectives,
        context,
        reporter,
        method=request.method,
        budget=request.budget,
        seed=request.seed,
    )
    seconds = reporter.seconds
    # The exact front of the same space is the yardstick: how far is this front from the optimum?
    exact = exact_front(space, request.objectives, context, Reporter(None, should_stop, enumerated))
    _require_designs(exact, request)
    scaled = log_scaled(exact.values, request.objectives)
    ideal, nadir = ideal_and_nadir(scaled)
    best = hypervolume(scaled, nadir)
    volume = hypervolume(log_scaled(found.values, request.objectives), nadir) if len(found.values) else 0.0
    record = SearchRecord(
        space_size=space.size,
        evaluations=found.evaluations,
        feasible_evaluations=found.feasible,
        seconds=seconds,
        designs_per_s=found.evaluations / max(seconds, 1e-9),
        exact=False,
        stages=_stages(exact),
        hypervolume=volume,
        exact_hypervolume=best,
        hypervolume_ratio=volume / best if best > 0 else None,
        reference_point=_natural(nadir, request),
        ideal_point=_natural(ideal, request),
        missing={} if best > 0 else {"hypervolume_ratio": "the exact front is a single point: its volume is 0"},
    )
    front = _entries(space, context, found.prefill_index, found.decode_index)
    reporter.report("done", found.evaluations, found.feasible, lambda: found.values, force=True, hypervolume=volume)
    return Search(ExplorationResult(request=request, front=front, record=record), found.study)


def _require_designs(exact: ExactFront, request: ExplorationRequest) -> None:
    if len(exact.values):
        return
    stage = exact.prefill if exact.prefill.feasible == 0 else exact.decode
    name = stage.space.stage
    raise InfeasibleError(
        f"no {name} design of {request.model.name} fits {request.device.name}: {stage.priced} were priced",
        field="device",
        value=request.device.name,
        rule="a design meets every resource and memory limit of the card",
        hint="take a larger card, a smaller model or a shorter workload; "
        "`flexdse evaluate` of a design lists its violations",
    )


def _stages(exact: ExactFront) -> tuple[StageEnumeration, ...]:
    return (exact.prefill.record(), exact.decode.record())


def _natural(scaled: FloatArray, request: ExplorationRequest) -> tuple[float, ...]:
    """A log-scaled point back in the units of the objectives."""
    signs = log_scaled(np.full((1, len(request.objectives)), np.e), request.objectives)[0]
    return tuple(float(v) for v in np.exp(scaled * signs))


def _exact_result(
    request: ExplorationRequest, space: DesignSpace, context: Context, exact: ExactFront, reporter: Reporter
) -> ExplorationResult:
    scaled = log_scaled(exact.values, request.objectives)
    ideal, nadir = ideal_and_nadir(scaled)
    volume = hypervolume(scaled, nadir)
    evaluations = exact.prefill.priced + exact.decode.priced
    feasible = exact.prefill.feasible + exact.decode.feasible
    seconds = reporter.seconds
    record = SearchRecord(
        space_size=space.size,
        evaluations=evaluations,
        feasible_evaluations=feasible,
        seconds=seconds,
        designs_per_s=evaluations / max(seconds, 1e-9),
        exact=True,
        stages=_stages(exact),
        hypervolume=volume,
        exact_hypervolume=volume,
        hypervolume_ratio=1.0,
        reference_point=_natural(nadir, request),
        ideal_point=_natural(ideal, request),
    )
    front = _entries(space, context, exact.prefill_index, exact.decode_index)
    reporter.report("done", evaluations, feasible, lambda: exact.values, force=True, hypervolume=volume)
    return ExplorationResult(request=request, front=front, record=record)


def _entries(
    space: DesignSpace, context: Context, prefill_index: IntArray, decode_index: IntArray
) -> tuple[FrontEntry, ...]:
    """Design points with all their metrics, in increasing order of time to first token."""
    if len(prefill_index) == 0:
        return ()
    costs = price(space, prefill_index, decode_index, context)
    prefill, decode = space.prefill.columns(prefill_index), space.decode.columns(decode_index)
    entries = []
    for i in np.lexsort((costs.metrics["e2e_latency_s"], costs.metrics["ttft_s"])):
        design = space.design_point(
            {name: int(column[i]) for name, column in prefill.items()},
            {name: int(column[i]) for name, column in decode.items()},
        )
        entries.append(FrontEntry(design=design, metrics=metrics_of(costs, int(i), context)[0]))
    return tuple(entries)
