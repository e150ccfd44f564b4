"""Why a design is as it is, and what would change it: sensitivity, bindings, the nearest design for a target, a pair knob by
knob. Pure, and light to import: NumPy, spec and cost_models only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cost_models.report import evaluate_point, metrics_of
from dse.binding import binding
from dse.nearest import UNCHECKED, Judge, nearest
from dse.place import Move, Value, moves, place_of
from spec.design_point import DesignPoint
from spec.device import Device
from spec.metrics import METRICS
from spec.model_config import ModelConfig
from spec.workload import STAGES, Workload

__all__ = ["binding", "compare_designs", "nearest", "sensitivity"]


def sensitivity(
    design: DesignPoint, model: ModelConfig, device: Device, workload: Workload, metrics: Sequence[str] = ()
) -> dict[str, Any]:
    """What one step of each knob, down and up, does to the metrics, and each other variant of a module: `{"metrics": {...},
    "knobs": [{"knob", "value", "values", "steps": [{"to", "feasible", "floorplan", "metrics", "change"}]}], "missing"}`, most
    effective knob first. `change`: fraction. `feasible`: it fits the card, and the floorplan does not refuse it.
    """
    place = place_of(design, model, device, workload)
    names = tuple(metrics) or tuple(METRICS)
    base = metrics_of(place.arm.price(np.array([place.prefill]), np.array([place.decode])), 0, place.arm.context)[0]
    steps, judge = moves(place), Judge(place.arm)
    costs = place.arm.price(np.array([s.prefill for s in steps]), np.array([s.decode for s in steps]))
    knobs: dict[str, dict[str, Any]] = {}
    for knob in dict.fromkeys(step.knob for step in steps):
        of_knob = [i for i, step in enumerate(steps) if step.knob == knob]
        shown = []
        for i in _next_steps(steps, of_knob):
            step = steps[i]
            after = metrics_of(costs, i, place.arm.context)[0]
            change = {name: _relative(base.get(name), after.get(name)) for name in names if base.get(name) is not None}
            floorplan = judge.status(step.prefill, step.decode) if bool(costs.feasible[i]) else None
            shown.append(
                {
                    "to": step.after,
                    "feasible": bool(costs.feasible[i]) and floorplan != "refused",
                    "floorplan": floorplan,
                    "metrics": {name: after.get(name) for name in names},
                    "change": change,
                }
            )
        values: set[Value] = {steps[of_knob[0]].before, *(steps[i].after for i in of_knob)}
        knobs[knob] = {
            "knob": knob,
            "value": steps[of_knob[0]].before,
            "values": sorted(values, key=lambda value: (isinstance(value, str), value)),
            "steps": shown,
        }

    def strength(entry: dict[str, Any]) -> float:
        return max((abs(c) for step in entry["steps"] for c in step["change"].values() if c is not None), default=0.0)

    return {
        "design_key": design.canonical_key(),
        "metrics": {n: base.get(n) for n in names},
        "knobs": sorted(knobs.values(), key=strength, reverse=True),
        "missing": {} if judge.planner is not None else {"floorplan": UNCHECKED},
    }


def _next_steps(steps: Sequence[Move], of_knob: Sequence[int]) -> list[int]:
    """Of the changes of a knob the next below and the next above; all where it is a choice between names."""
    numbers: dict[int, int] = {}
    for i in of_knob:
        before, after = steps[i].before, steps[i].after
        if isinstance(before, str) or isinstance(after, str):
            return list(of_knob)
        numbers[i] = after - before
    below = max((i for i in of_knob if numbers[i] < 0), key=numbers.__getitem__, default=None)
    above = min((i for i in of_knob if numbers[i] > 0), key=numbers.__getitem__, default=None)
    return [i for i in (below, above) if i is not None]


def _relative(before: float | None, after: float | None) -> float | None:
    if before is None or after is None or before == 0:
        return None
    return after / before - 1


def compare_designs(
    first: DesignPoint, second: DesignPoint, model: ModelConfig, device: Device, workload: Workload
) -> dict[str, Any]:
    """Two designs knob by knob and metric by metric: `{"knobs": [{"knob", "first", "second"}], "same_knobs", "metrics":
    [{"name", "unit", "first", "second", "change", "better"}], "binds": {"first", "second"}}`. Differences first.
    """
    left, right = (_knobs(design) for design in (first, second))
    names = list(dict.fromkeys((*left, *right)))
    differing = [
        {"knob": n, "first": left.get(n), "second": right.get(n)} for n in names if left.get(n) != right.get(n)
    ]
    reports = [evaluate_point(design, model, device, workload) for design in (first, second)]
    rows = []
    for name, entry in METRICS.items():
        a, b = (report.metrics.get(name) for report in reports)
        if a is None and b is None:
            continue
        better = None
        if a is not None and b is not None and a != b:
            better = "first" if (a < b) == (entry.sense == "min") else "second"
        rows.append(
            {"name": name, "unit": entry.unit, "first": a, "second": b, "change": _relative(a, b), "better": better}
        )
    rows.sort(key=lambda row: -abs(float(row["change"] or 0.0)))
    return {
        "design_keys": [first.canonical_key(), second.canonical_key()],
        "knobs": differing,
        "same_knobs": sum(left.get(n) == right.get(n) for n in names),
        "metrics": rows,
        "feasible": [not report.violations for report in reports],
        "binds": {
            side: binding(design, model, device, workload)["binds"]
            for side, design in (("first", first), ("second", second))
        },
    }


def _knobs(design: DesignPoint) -> dict[str, Any]:
    """Every choice of a design by dotted name; the memory map by its number of ports and bits."""
    result: dict[str, Any] = {}
    for stage in STAGES:
        part = getattr(design, stage).model_dump(mode="json")
        modules = part.pop("modules", {})
        result.update({f"{stage}.{name}": value for name, value in part.items()})
        result.update({f"{stage}.modules.{name}": value for name, value in modules.items()})
        ports = [port for port in design.memory_map.ports if port.stage == stage]
        result[f"{stage}.ports"] = len(ports)
        result[f"{stage}.port_bits"] = sum(port.width_bits for port in ports)
        result[f"clock_target_mhz.{stage}"] = getattr(design.clock_target_mhz, stage)
    result["deployment"] = design.deployment
    result["nonlinear_format"] = design.nonlinear_format
    result["quant_scheme"] = design.quant_scheme.name
    return result
