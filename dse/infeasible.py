"""When nothing fits: the designs that come nearest, what they break, and what would mend it."""

from __future__ import annotations

from typing import Any

import numpy as np

from cost_models.evaluate import combine
from cost_models.report import evaluate_point
from dse.exact import ArmFront, ExactFront
from dse.objectives import Goals
from spec.design_point import DesignPoint
from spec.errors import InfeasibleError
from spec.exploration import ExplorationRequest

MAX_SHOWN = 3
MAX_PAIRS = 250_000


class NoFeasibleDesignError(InfeasibleError):
    """No design meets the card and the constraints. `nearest`: the least infeasible ones as plain data."""

    def __init__(self, message: str, nearest: list[dict[str, Any]], **detail: Any) -> None:
        super().__init__(message, **detail)
        self.nearest = nearest

    def to_problem(self) -> dict[str, Any]:
        return {**super().to_problem(), "nearest": self.nearest}


def no_feasible_design(exact: ExactFront, goals: Goals, request: ExplorationRequest) -> NoFeasibleDesignError:
    """The error of an exploration whose front is empty."""
    nearest: list[dict[str, Any]] = []
    for front in exact.arms:
        nearest += _nearest(front, goals, request)
    nearest.sort(key=lambda one: np.inf if one["excess"] is None else float(one["excess"]))
    nearest = nearest[:MAX_SHOWN]
    violations = [broken for one in nearest for broken in one["violations"]]
    levers = dict.fromkeys(lever for broken in violations for lever in broken["levers"] or broken["partial_levers"])
    missed = dict.fromkeys(text for one in nearest for text in one["missed"])
    unfit = next(
        (stage for front in exact.arms for stage in (front.prefill, front.decode) if stage.feasible == 0), None
    )
    if unfit is not None:
        message = (
            f"no {unfit.stage} design of {request.model.name} fits {request.device.name}: {unfit.priced} were priced"
        )
        rule = "a design meets every resource and memory limit of the card"
        field, value = "device", request.device.name
    elif not goals.rules:
        message = f"no pair of designs of {request.model.name} fits {request.device.name} together"
        rule = "the two stages meet the limits of the card together"
        field, value = "device", request.device.name
    else:
        what = "meets all constraints" if goals.constraints else "has a value for every objective"
        message = f"no design of {request.model.name} on {request.device.name} {what}"
        rule = " and ".join(goals.rules)
        field, value = "constraints" if goals.constraints else "objectives", "; ".join(missed)
    hints = list(levers)
    if not hints and goals.constraints:
        hints = ["relax " + " or ".join(constraint.text for constraint in goals.constraints)]
    elif not hints and goals.rules:
        hints = ["take an expression that has a value: no root or logarithm of a negative number, no division by 0"]
    hint = "; ".join([*hints, "take a larger card, a smaller model or a shorter workload"])
    return NoFeasibleDesignError(message, nearest, field=field, value=value, rule=rule, hint=hint)


def _nearest(front: ArmFront, goals: Goals, request: ExplorationRequest) -> list[dict[str, Any]]:
    space = front.arm.space
    prefill = front.prefill.index if front.prefill.feasible else np.array([i for _, i in front.prefill.least_excess])
    decode = front.decode.index if front.decode.feasible else np.array([i for _, i in front.decode.least_excess])
    if not len(prefill) or not len(decode):
        return []
    a, b = np.divmod(np.arange(min(len(prefill) * len(decode), MAX_PAIRS)), len(decode))
    if front.prefill.feasible and front.decode.feasible:
        costs = combine(front.prefill.summary.take(a), front.decode.summary.take(b), front.arm.context)
    else:
        costs = front.arm.price(prefill[a].astype(np.int64), decode[b].astype(np.int64))
    missed = np.column_stack([costs.excess, goals.violations(costs)])
    excess = np.maximum(missed, 0.0).max(axis=1)
    result = []
    for i in np.argsort(excess, kind="stable")[:MAX_SHOWN]:
        design = _design(space, int(prefill[a[i]]), int(decode[b[i]]))
        report = evaluate_point(design, request.model, request.device, request.workload)
        texts = []
        for rule, amount in zip(goals.rules, missed[i, 1:], strict=True):
            constraint = next((one for one in goals.constraints if one.text == rule), None)
            if amount > 0 and constraint is None:
                texts.append(f"it breaks: {rule}")
            elif amount > 0 and constraint is not None:
                found = constraint.expression.of(report.metrics)
                texts.append(f"{rule} {'has no value' if found is None else f'is {found:.7g}'}")
        result.append(
            {
                "design": design.model_dump(mode="json", by_alias=True),
                "excess": float(excess[i]) if np.isfinite(excess[i]) else None,  # None: what is missed has no value
                "missed": texts,
                "violations": [violation.model_dump(mode="json") for violation in report.violations],
            }
        )
    return result


def _design(space: Any, prefill: int, decode: int) -> DesignPoint:
    columns = [stage.columns(np.array([index])) for stage, index in ((space.prefill, prefill), (space.decode, decode))]
    first, second = ({name: int(column[0]) for name, column in part.items()} for part in columns)
    point: DesignPoint = space.design_point(first, second)
    return point
