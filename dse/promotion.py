"""Promotion up the ladder of fidelities: few designs, dearer truth, and what it changes of the front.

Who runs a rung is given by the caller: this package knows no tools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cost_models.calibrate import fit
from cost_models.evaluate import Context, evaluate_batch
from cost_models.report import metrics_of
from dse.objectives import Goals, front_values
from dse.pareto import non_dominated
from dse.shortlist import Pick
from spec.calibration import CalibrationTable, Measurement
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.errors import FlexDSEError, InputError, UnknownNameError
from spec.exploration_result import FrontEntry

LADDER = ("analytical", "csim", "timed_sim", "open_synthesis", "csynth", "post_route")


@dataclass(frozen=True, slots=True)
class RungResult:
    """What a rung says of a design. `measurements` may be empty: C simulation proves values and measures nothing."""

    passed: bool
    detail: str
    measurements: tuple[Measurement, ...] = ()


RungRunner = Callable[[DesignPoint], RungResult]


@dataclass(frozen=True, slots=True)
class Climb:
    """One promoted design: why it was picked, and what each rung that it reached said."""

    pick: Pick
    entry: FrontEntry
    rungs: dict[str, RungResult] = field(default_factory=dict)

    @property
    def survived(self) -> bool:
        """Whether no rung refused it."""
        return all(result.passed for result in self.rungs.values())


@dataclass(frozen=True, slots=True)
class Promotion:
    """The climbs, the calibration that the measurements give (None without any), and the front before and after: places
    in the original front, and their metrics by the calibrated models.
    """

    climbs: tuple[Climb, ...]
    calibration: CalibrationTable | None
    before: tuple[int, ...]
    after: tuple[int, ...]
    calibrated: tuple[dict[str, float | None], ...]
    reason: str | None = None


def check_rungs(rungs: Sequence[str], runners: Mapping[str, RungRunner]) -> None:
    """Refuse rungs that do not exist or that nothing here can run.

    Raises:
        UnknownNameError: no rung of that name.
        InputError: nothing runs it, or the order of the ladder is broken.
    """
    for rung in rungs:
        if rung not in LADDER:
            raise UnknownNameError("rung", rung, LADDER, field="backend")
        if rung != "analytical" and rung not in runners:
            raise InputError(
                f"the rung {rung} is not built yet",
                field="backend",
                value=rung,
                rule=f"one of {', '.join(('analytical', *runners))}",
                hint="promote to one of these",
            )
    places = [LADDER.index(rung) for rung in rungs]
    if places != sorted(set(places)):
        raise InputError(
            "the rungs are not in the order of the ladder",
            field="backend",
            value=list(rungs),
            rule=" -> ".join(LADDER),
            hint="name each rung once, from the cheapest to the dearest",
        )


def promote(
    front: Sequence[FrontEntry],
    picks: Sequence[Pick],
    goals: Goals,
    context: Context,
    rungs: Mapping[str, int],
    runners: Mapping[str, RungRunner],
    on_result: Callable[[str, Pick, RungResult], None] | None = None,
) -> Promotion:
    """Send `picks` up the ladder: to each rung of `rungs` (name -> budget of designs) go the first survivors of the rung
    below. A design whose tools fail counts as refused there and keeps its place in the report.

    Raises:
        InputError: a rung that cannot be run, or a budget below 1.
    """
    check_rungs(tuple(rungs), runners)
    for rung, budget in rungs.items():
        if budget < 1:
            raise InputError(
                f"no budget for {rung}",
                field="promote",
                value=budget,
                rule="at least 1 design",
                hint="leave the rung out",
            )
    climbs = [Climb(pick, front[pick.index]) for pick in picks]
    for rung, budget in rungs.items():
        if rung == "analytical":
            continue
        for climb in [one for one in climbs if one.survived][:budget]:
            try:
                result = runners[rung](climb.entry.design)
            except FlexDSEError as error:
                result = RungResult(False, error.message)
            climb.rungs[rung] = result
            if on_result is not None:
                on_result(rung, climb.pick, result)
    measured = [one for climb in climbs for result in climb.rungs.values() for one in result.measurements]
    values = front_values([entry.metrics for entry in front], goals) * goals.signs
    before = tuple(np.flatnonzero(non_dominated(values)).tolist())
    if not measured:
        reason = "no rung measured anything: the order of the front is that of the models"
        return Promotion(tuple(climbs), None, before, before, tuple(entry.metrics for entry in front), reason)
    table = fit(measured)
    after, metrics = recalibrated(front, goals, context, table)
    return Promotion(tuple(climbs), table, before, after, metrics)


def recalibrated(
    front: Sequence[FrontEntry], goals: Goals, context: Context, table: CalibrationTable
) -> tuple[tuple[int, ...], tuple[dict[str, float | None], ...]]:
    """The front priced again with a calibration: which entries stay non-dominated and feasible, best first objective
    first, and the metrics of all.
    """
    metrics: list[dict[str, float | None]] = []
    feasible = []
    for entry in front:
        batch = DesignBatch.from_points([entry.design], context.device)
        again = replace(context, calibration=table, scheme=entry.design.quant_scheme, system=entry.design.system)
        costs = evaluate_batch(batch, again)
        metrics.append(metrics_of(costs, 0, again)[0])
        feasible.append(bool(goals.feasible(costs)[0]))
    values = front_values(metrics, goals) * goals.signs
    fits = np.flatnonzero(feasible)
    kept = fits[non_dominated(values[fits])] if len(fits) else fits
    order = np.argsort(values[kept, 0], kind="stable") if len(kept) else kept
    return tuple(int(i) for i in kept[order]), tuple(metrics)
