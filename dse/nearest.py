"""What it would take to meet a target: the designs that change the fewest knobs, each judged by the floorplan as a search does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cost_models.evaluate import CostBatch, summarise_decode, summarise_prefill
from cost_models.report import evaluate_point, metrics_of
from dse.arms import Arm
from dse.binding import binding
from dse.objectives import Goals, coupling_drivers, metric_drivers
from dse.outside import meeting_outside
from dse.place import Place, moves, place_of
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import ToolNotFoundError
from spec.floorplan import FloorplanStatus
from spec.model_config import ModelConfig
from spec.workload import STAGES, Stage, Workload

if TYPE_CHECKING:
    from dse.exact import ExactFront
    from dse.placed_front import Floorplanner

SURE_CHANGES = 3  # up to which a target is looked for before it is known to be in reach
MAX_CANDIDATES = 3  # of the nearest designs
MAX_BLOCKED = 3  # steps beyond the best possible, each with what it breaks
UNCHECKED = "OR-Tools is not installed, so no floorplan was looked at"


class Judge:
    """The floorplan's verdicts on pairs of an arm. Without OR-Tools there are none, and nothing is refused."""

    def __init__(self, arm: Arm) -> None:
        from dse.placed_front import Floorplanner
        from dse.progress import Reporter

        self.planner: Floorplanner | None
        try:
            self.planner = Floorplanner([arm], Reporter(None, None, 1))
        except ToolNotFoundError:
            self.planner = None

    def refused(self, prefill: int, decode: int) -> list[tuple[int | None, int | None]]:
        """The halves that cannot be placed; the pair where only both together cannot."""
        if self.planner is None:
            return []
        parts = self.planner.parts((0, prefill, decode))
        self.planner.prepare(parts)
        found = [(part.prefill, part.decode) for part in parts if self.planner.verdict(part) == "refused"]
        halves = [part for part in found if None in part]
        return halves or found

    def status(self, prefill: int, decode: int) -> FloorplanStatus | None:
        """The worst verdict on a pair, None where there is none."""
        if self.planner is None:
            return None
        order: tuple[FloorplanStatus, ...] = ("placed", "within_band", "unknown", "refused")
        return max((self.planner.verdict(part) for part in self.planner.parts((0, prefill, decode))), key=order.index)


def nearest(
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    target: str,
    objectives: Sequence[str] = (),
) -> dict[str, Any]:
    """What it would take to meet `target`, a constraint such as `decode_tokens_per_s >= 500`: the feasible designs that
    change the fewest knobs of `design`, and among those the ones that make the metrics of `objectives` least worse. What the
    floorplan refuses is left out.

    `{"target", "now", "met", "changes_needed", "designs": [{"changes", "design", "metrics", "floorplan"}], "best_possible",
    "reason", "outside": [{"name", "title", "fit", "value"}], "missing"}`; `outside`: designs of the catalog that meet the
    target and are not in the space. Designs of both stages are looked at in the order of their changes, so that fewer than
    `changes_needed` do not do; module variants are knobs too. Scheme and deployment stay.
    """
    goals = Goals.of(tuple(objectives) or ("e2e_latency_s",), (target,))
    constraint = goals.constraints[0]
    place = place_of(design, model, device, workload)
    goals.check_available(place.arm.context)
    arm, judge = place.arm, Judge(place.arm)
    here = _priced(place)
    result: dict[str, Any] = {
        "design_key": design.canonical_key(),
        "target": constraint.text,
        "now": constraint.expression.of(metrics_of(here, 0, arm.context)[0]),
        "met": False,
        "changes_needed": None,
        "designs": [],
        "best_possible": None,
        "reason": None,
        "outside": meeting_outside(arm, constraint),
        "missing": {} if judge.planner is not None else {"floorplan": UNCHECKED},
    }
    unplaced = judge.refused(place.prefill, place.decode)
    if bool(goals.feasible(here)[0]) and not unplaced:
        return {**result, "met": True, "changes_needed": 0, "reason": "it meets the target as it is"}
    moved = _moving_stages(place, goals, unplaced)
    from dse.fewest_changes import FewestChanges, Nearest

    search = FewestChanges(arm, goals, {"prefill": place.prefill, "decode": place.decode}, moved, judge.refused)
    found: list[Nearest] = []
    limit: tuple[float | None, str] | None = None
    for changes in range(1, search.most + 1):
        if changes == SURE_CHANGES + 1:  # before most of the space is priced: is there anything to be found?
            best, why = limit = _best_possible(place, goals, moved, judge)
            if best is None or (best - constraint.bound) * constraint.sign > 0:
                break
        found = search.at(changes, MAX_CANDIDATES)
        if found:
            break
    if not found:
        best, why = limit or _best_possible(place, goals, moved, judge)
        return {**result, "best_possible": best, "reason": f"no design of this space reaches it: {why}"}
    return {
        **result,
        "changes_needed": found[0].changes,
        "designs": [_described(place, Place(arm, one.prefill, one.decode), judge) for one in found],
        "reason": None
        if search.complete
        else "fewer changes may do: of designs that pull both ways not all were looked at",
    }


def _priced(place: Place) -> CostBatch:
    return place.arm.price(np.array([place.prefill]), np.array([place.decode]))


def _driven(place: Place, goals: Goals) -> set[Stage]:
    """The stages that the target depends on."""
    target = Goals((), goals.constraints)
    names = [name for part in target.constraints for name in part.expression.directions]
    return {driver.stage for name in names for driver in metric_drivers(name, place.arm.context.system)}


def _moving_stages(
    place: Place, goals: Goals, unplaced: Sequence[tuple[int | None, int | None]]
) -> list[Stage]:  # fmt: skip
    """The stages that the target depends on, those that do not fit the card as they are, and both where they share it."""
    space, context = place.arm.space, place.arm.context
    excess = {
        "prefill": summarise_prefill(space.prefill_at(np.array([place.prefill])), context).excess[0],
        "decode": summarise_decode(space.decode_at(np.array([place.decode])), context).excess[0],
    }
    misplaced = {"prefill": any(p is not None for p, _ in unplaced), "decode": any(d is not None for _, d in unplaced)}
    driven = _driven(place, goals)
    stages: tuple[Stage, ...] = ("decode", "prefill")
    return [
        stage
        for stage in stages
        if stage in driven or excess[stage] > 0 or misplaced[stage] or coupling_drivers(stage, context.system)
    ]


def _frozen(place: Place, stages: Sequence[Stage]) -> tuple[Arm, dict[Stage, int]]:
    """The arm in which the other stages have no choice left, and what is to be added to a flat index of it of those."""
    space = place.arm.space
    parts, fixed = {}, {}
    for stage in STAGES:
        part, index = place.at(stage)
        if stage not in stages:
            rows = part.rows(np.array([index]))
            part = replace(part, axes=tuple(axis.take(row) for axis, row in zip(part.axes, rows, strict=True)))
            fixed[stage] = index
        parts[stage] = part
    return Arm(replace(space, prefill=parts["prefill"], decode=parts["decode"]), place.arm.context), fixed


def _best_possible(place: Place, goals: Goals, moved: Sequence[Stage], judge: Judge) -> tuple[float | None, str]:
    """The best value of the target's expression that a design has which fits and can be placed, and what binds there."""
    constraint = goals.constraints[0]
    arm, fixed = _frozen(place, moved)
    exact, complete = _best_front(arm, goals, moved)
    if not len(exact.values):
        return None, "no design fits the card"
    sign = -1.0 if constraint.sign < 0 else 1.0
    row = int(np.argmin(exact.values[:, 0] * sign))
    best = Place(
        place.arm,
        fixed.get("prefill", int(exact.prefill_index[row])),
        fixed.get("decode", int(exact.decode_index[row])),
    )
    context, point, value = place.arm.context, best.design(), float(exact.values[row, 0])
    stages = [stage for stage in STAGES if stage in _driven(place, goals)] or list(STAGES)
    binds = binding(point, context.model, context.device, context.workload, stages)["binds"]
    blocked = _blocked(best, goals, stages, judge)
    beyond = f"; what would be better is out of reach: {', '.join(blocked)}" if blocked else ""
    hedge = "" if complete else ", of those that there was time to look at"
    return value, f"the best is {value:.4g}{hedge}; there {'; '.join(binds)}{beyond}"


def _best_front(arm: Arm, goals: Goals, moved: Sequence[Stage]) -> tuple[ExactFront, bool]:
    """The target's expression against the size of the stages that move, by exact search: the larger a design the likelier it
    is refused, and with all sizes on the front one look at it says which are. Second: whether all was looked at.
    """
    from dse.exact import ExactSearch
    from dse.placed_front import Floorplanner, placed_exact_front
    from dse.progress import Reporter

    constraint = goals.constraints[0]
    sense = "min" if constraint.sign > 0 else "max"
    sizes = [f"{stage}_lut" for stage in moved if f"{stage}_lut" not in constraint.expression.directions]
    wanted = Goals.of((f"{sense}: {constraint.expression.text}", *sizes))
    reporter = Reporter(None, None, 1)
    search = ExactSearch([arm], wanted, reporter)
    try:
        planner = Floorplanner([arm], reporter)
    except ToolNotFoundError:
        return search.front(), True
    found, check = placed_exact_front(search, planner)
    return found, check.complete and not check.unchecked


def _blocked(best: Place, goals: Goals, stages: Sequence[Stage], judge: Judge) -> list[str]:
    """Single steps from the best possible that would better it, each with the first thing that forbids it."""
    constraint, context = goals.constraints[0], best.arm.context
    steps = [move for move in moves(best) if move.knob.partition(".")[0] in stages]
    if not steps:
        return []
    costs = best.arm.price(np.array([s.prefill for s in steps]), np.array([s.decode for s in steps]))
    now = constraint.expression.of(metrics_of(_priced(best), 0, context)[0])
    gains: dict[str, tuple[float, int]] = {}
    for i, step in enumerate(steps):
        value = constraint.expression.of(metrics_of(costs, i, context)[0])
        if now is None or value is None or (gain := (now - value) * constraint.sign) <= 0:
            continue
        gains[step.knob] = max(gains.get(step.knob, (0.0, i)), (gain, i))
    shown = []
    for _, i in sorted(gains.values(), reverse=True)[:MAX_BLOCKED]:
        step = steps[i]
        point = Place(best.arm, step.prefill, step.decode).design()
        broken = evaluate_point(point, context.model, context.device, context.workload).violations
        if broken:
            why = f"{broken[0].where} {broken[0].constraint}"
        elif not costs.feasible[i]:
            why = "a cap of the card, by the estimate itself"
        elif judge.refused(step.prefill, step.decode):
            why = "no assignment to the SLRs"
        else:
            continue
        shown.append(f"{step.knob} {step.before} -> {step.after} ({why})")
    return shown


def _described(origin: Place, place: Place, judge: Judge) -> dict[str, Any]:
    before, after = origin.columns(), place.columns()
    return {
        "changes": [
            {"knob": knob, "from": before[knob], "to": value} for knob, value in after.items() if before[knob] != value
        ],
        "design": place.design().model_dump(mode="json", by_alias=True),
        "metrics": metrics_of(_priced(place), 0, place.arm.context)[0],
        "floorplan": judge.status(place.prefill, place.decode),
    }
