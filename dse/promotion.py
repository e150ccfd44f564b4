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

LADDER = ("analytical", "quality", "csim", "timed_sim", "open_synthesis", "csynth", "post_route")


@dataclass(frozen=True, slots=True)
class RungResult:
    """What a rung says of a design. `measurements` may be empty: C simulation proves values and measures nothing.
    `changes_models`: what it found is in what the models read from now on (the quality of a scheme).
    """

    passed: bool
    detail: str
    measurements: tuple[Measurement, ...] = ()
    changes_models: bool = False


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
    in the original front, and their metrics by the models as they are then. What a rung refused is not on the front after.
    """

    climbs: tuple[Climb, ...]
    calibration: CalibrationTable | None
    before: tuple[int, ...]
    after: tuple[int, ...]
    calibrated: tuple[dict[str, float | None], ...]
    reason: str | None = None


def check_rungs(rungs: Sequence[str], missing: Mapping[str, str]) -> None:
    """Refuse rungs that do not exist or that cannot run here. `missing`: those that cannot, with the reason.

    Raises:
        UnknownNameError: no rung of that name.
        InputError: it cannot run here, or the order of the ladder is broken.
    """
    for rung in rungs:
        if rung not in LADDER:
            raise UnknownNameError("rung", rung, LADDER, field="backend")
        if rung in missing:
            raise InputError(
                f"the rung {rung} cannot run here: {missing[rung]}",
                field="backend",
                value=rung,
                rule=f"one of {', '.join(name for name in LADDER if name not in missing)}",
                hint="install what it needs, or leave the rung out; `--backend auto` takes those that can run",
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
    absent = {name: "nothing runs it" for name in LADDER[1:] if name not in runners}
    check_rungs(tuple(rungs), absent)
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
    changed = any(result.changes_models for climb in climbs for result in climb.rungs.values())
    refused = frozenset(climb.pick.index for climb in climbs if not climb.survived)
    values = front_values([entry.metrics for entry in front], goals) * goals.signs
    before = tuple(np.flatnonzero(non_dominated(values)).tolist())
    reason = None if measured else "no rung measured anything that a factor is fitted on"
    if not measured and not changed:
        after = tuple(index for index in before if index not in refused)
        return Promotion(tuple(climbs), None, before, after, tuple(entry.metrics for entry in front), reason)
    table = fit(measured) if measured else None
    after, metrics = recalibrated(front, goals, context, table, refused)
    return Promotion(tuple(climbs), table, before, after, metrics, reason)


def recalibrated(
    front: Sequence[FrontEntry],
    goals: Goals,
    context: Context,
    table: CalibrationTable | None,
    refused: frozenset[int] = frozenset(),
) -> tuple[tuple[int, ...], tuple[dict[str, float | None], ...]]:
    """The front priced again with a calibration: which entries, but for the `refused`, stay non-dominated and feasible, best
    first objective first, and the metrics of all.
    """
    metrics: list[dict[str, float | None]] = []
    feasible: list[bool] = []
    for entry in front:
        batch = DesignBatch.from_points([entry.design], context.device)
        again = replace(context, calibration=table, scheme=entry.design.quant_scheme, system=entry.design.system)
        costs = evaluate_batch(batch, again)
        metrics.append(metrics_of(costs, 0, again)[0])
        feasible.append(bool(goals.feasible(costs)[0]) and len(feasible) not in refused)
    values = front_values(metrics, goals) * goals.signs
    fits = np.flatnonzero(feasible)
    kept = fits[non_dominated(values[fits])] if len(fits) else fits
    order = np.argsort(values[kept, 0], kind="stable") if len(kept) else kept
    return tuple(int(i) for i in kept[order]), tuple(metrics)
