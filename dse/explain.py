"""Why a design is as it is, and what would change it: sensitivity, bindings, the nearest design for a target, a pair knob by
knob. Pure, and light to import: NumPy, spec and cost_models only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cost_models.evaluate import Context, CostBatch, summarise_decode, summarise_prefill
from cost_models.report import evaluate_point, metrics_of
from cost_models.slr import UTILIZATION_CAPS
from dse.arms import Arm
from dse.axes import MODULE_SET
from dse.objectives import Goals, metric_drivers
from dse.space import DesignSpace, design_space
from spec.design_batch import IntArray
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.metrics import METRICS
from spec.model_config import ModelConfig
from spec.space_overrides import SpaceOverrides
from spec.workload import STAGES, Stage, Workload

BLOCK = 200_000
MAX_CANDIDATES = 3  # of the nearest designs
BINDING_SHARE = 0.9  # of a cap: at or above it a resource binds


@dataclass(frozen=True, slots=True)
class Place:
    """A design in its space: the row of each axis of both stages, as flat indices."""

    arm: Arm
    prefill: int
    decode: int

    def columns(self) -> dict[str, int]:
        """Its knobs, `stage.parameter` -> value."""
        return {
            f"{stage.stage}.{name}": int(column[0])
            for stage, index in ((self.arm.space.prefill, self.prefill), (self.arm.space.decode, self.decode))
            for name, column in stage.columns(np.array([index])).items()
            if name != MODULE_SET
        }


def place_of(design: DesignPoint, model: ModelConfig, device: Device, workload: Workload) -> Place:
    """The design in the space of its scheme, system and modules, its own values and clock targets added.

    Raises:
        InputError: it is not in the space, as one with a memory map or a clock of its own.
    """
    own: dict[str, tuple[int, ...]] = {}
    for stage in STAGES:
        numbers = getattr(design, stage).model_dump(exclude={"modules"})
        clock = getattr(design.clock_target_mhz, stage)
        own |= {f"{stage}.{name}": (value,) for name, value in numbers.items()}
        own |= {f"{stage}.clock_mhz": (int(clock),)} if clock == int(clock) else {}
    modules = (design.prefill.modules, design.decode.modules)
    overrides = SpaceOverrides(extend=own)
    space = design_space(model, device, design.quant_scheme, overrides, design.system, modules)
    found = space.find(design)
    if found is None:
        raise InputError(
            "the design is not in the search space",
            field="design",
            value=design.canonical_key(),
            rule="ports as the search lays them out, clock targets in whole MHz, no HMT plug-in",
            hint="explain a design of a front; `compare` takes any design",
        )
    context = Context(model, device, workload, design.quant_scheme, caps_at="prediction", system=design.system)
    return Place(Arm(space, context), *found)


def moves(place: Place) -> list[tuple[str, int, int, int, int]]:
    """Every legal change of one knob: (knob, from, to, prefill index, decode index), the other knobs equal."""
    result = []
    for stage in STAGES:
        space = place.arm.space.prefill if stage == "prefill" else place.arm.space.decode
        index = place.prefill if stage == "prefill" else place.decode
        rows = [int(row[0]) for row in space.rows(np.array([index]))]
        for i, axis in enumerate(space.axes):
            here = axis.rows[rows[i]]
            for column, parameter in enumerate(axis.parameters):
                if parameter == MODULE_SET:
                    continue
                others = np.delete(np.arange(axis.rows.shape[1]), column)
                same = (axis.rows[:, others] == here[others]).all(axis=1)
                for row in np.flatnonzero(same):
                    if row == rows[i]:
                        continue
                    other = int(space.flat([np.array([r]) for r in (*rows[:i], int(row), *rows[i + 1 :])])[0])
                    pair = (other, place.decode) if stage == "prefill" else (place.prefill, other)
                    result.append((f"{stage}.{parameter}", int(here[column]), int(axis.rows[row, column]), *pair))
    return result


def sensitivity(
    design: DesignPoint, model: ModelConfig, device: Device, workload: Workload, metrics: Sequence[str] = ()
) -> dict[str, Any]:
    """What one step of each knob, down and up, does to the metrics: `{"metrics": {...}, "knobs": [{"knob", "value",
    "steps": [{"to", "feasible", "violated", "metrics", "change"}]}]}`, most effective knob first. `change`: fraction.
    """
    place = place_of(design, model, device, workload)
    names = tuple(metrics) or tuple(METRICS)
    base = metrics_of(place.arm.price(np.array([place.prefill]), np.array([place.decode])), 0, place.arm.context)[0]
    steps = moves(place)
    costs = _priced(place.arm, np.array([s[3] for s in steps]), np.array([s[4] for s in steps]))
    knobs: dict[str, dict[str, Any]] = {}
    for knob in dict.fromkeys(step[0] for step in steps):
        of_knob = [i for i, step in enumerate(steps) if step[0] == knob]
        value = steps[of_knob[0]][1]
        below = max((i for i in of_knob if steps[i][2] < value), key=lambda i: steps[i][2], default=None)
        above = min((i for i in of_knob if steps[i][2] > value), key=lambda i: steps[i][2], default=None)
        shown = []
        for i in (below, above):
            if i is None:
                continue
            after = metrics_of(costs, i, place.arm.context)[0]
            change = {name: _relative(base.get(name), after.get(name)) for name in names if base.get(name) is not None}
            shown.append(
                {
                    "to": steps[i][2],
                    "feasible": bool(costs.feasible[i]),
                    "metrics": {name: after.get(name) for name in names},
                    "change": change,
                }
            )
        knobs[knob] = {
            "knob": knob,
            "value": value,
            "values": sorted({value, *(steps[i][2] for i in of_knob)}),
            "steps": shown,
        }

    def strength(entry: dict[str, Any]) -> float:
        return max((abs(c) for step in entry["steps"] for c in step["change"].values() if c is not None), default=0.0)

    ordered = sorted(knobs.values(), key=strength, reverse=True)
    return {"design_key": design.canonical_key(), "metrics": {n: base.get(n) for n in names}, "knobs": ordered}


def _relative(before: float | None, after: float | None) -> float | None:
    if before is None or after is None or before == 0:
        return None
    return after / before - 1


def _priced(arm: Arm, prefill: IntArray, decode: IntArray) -> CostBatch:
    return arm.price(prefill.astype(np.int64), decode.astype(np.int64))


def binding(design: DesignPoint, model: ModelConfig, device: Device, workload: Workload) -> dict[str, Any]:
    """What limits a design: the slowest modules of each stage, what they wait for, and the resources near their caps."""
    report = evaluate_point(design, model, device, workload)
    result: dict[str, Any] = {"design_key": design.canonical_key(), "stages": {}, "binds": []}
    for stage in STAGES:
        part = getattr(report, stage)
        rows = [row for row in report.breakdown if row.stage == stage]
        total = sum(row.cycles for row in rows) or 1.0
        slowest = sorted(rows, key=lambda row: -row.cycles)[:3]
        used = part.utilization.model_dump() if hasattr(part.utilization, "model_dump") else dict(part.utilization)
        near = {
            name: {"used_fraction": used[name], "cap_fraction": cap}
            for name, cap in UTILIZATION_CAPS.items()
            if used.get(name) is not None and used[name] >= BINDING_SHARE * cap
        }
        result["stages"][stage] = {
            "bound_by": part.bound_by,
            "slowest_modules": [{"module": row.module, "share_of_cycles": row.cycles / total} for row in slowest],
            "resources_near_cap": near,
            "utilization": used,
        }
        lead = slowest[0]
        result["binds"].append(
            f"{stage}: {lead.module} takes {lead.cycles / total:.0%} of the cycles ({part.bound_by})"
        )
        for name, share in near.items():
            result["binds"].append(
                f"{stage}: {name} at {share['used_fraction']:.0%} of the card, its cap is {share['cap_fraction']:.0%}"
            )
    for violation in report.violations:
        result["binds"].append(f"{violation.where}: {violation.constraint} is broken")
    return result


def nearest(
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    target: str,
    objectives: Sequence[str] = (),
) -> dict[str, Any]:
    """What it would take to meet `target`, a constraint such as `decode_tokens_per_s >= 500`: the feasible designs that
    change the fewest knobs of `design`, and among those the ones that make the metrics of `objectives` least worse.

    `{"target", "met", "changes_needed", "designs": [{"changes", "design", "metrics"}], "best_possible", "reason"}`. One
    stage at a time is searched completely, then both together through their best designs.
    """
    goals = Goals.of(tuple(objectives) or ("e2e_latency_s",), (target,))
    constraint = goals.constraints[0]
    place = place_of(design, model, device, workload)
    goals.check_available(place.arm.context)
    arm = place.arm
    here = _priced(arm, np.array([place.prefill]), np.array([place.decode]))
    base: dict[str, Any] = {
        "design_key": design.canonical_key(),
        "target": constraint.text,
        "now": constraint.expression.of(metrics_of(here, 0, arm.context)[0]),
    }
    if bool(goals.feasible(here)[0]):
        return {
            **base,
            "met": True,
            "changes_needed": 0,
            "designs": [],
            "best_possible": None,
            "reason": "it meets the target as it is",
        }
    moved = _moving_stages(place, goals)
    found = [found for stage in moved for found in _one_stage(place, goals, stage)]
    if not found and len(moved) > 1:
        found = _both_stages(place, goals)
    if not found:
        best, limit = _best_possible(place, goals, moved)
        return {
            **base, "met": False, "changes_needed": None, "designs": [], "best_possible": best,
            "reason": f"no design of this space reaches it: {limit}",
        }  # fmt: skip
    found.sort(key=lambda one: one[:2])
    shown = [_described(place, Place(arm, p, d)) for _, _, p, d in found[:MAX_CANDIDATES]]
    return {
        **base, "met": False, "changes_needed": found[0][0], "designs": shown, "best_possible": None, "reason": None,
    }  # fmt: skip


def _moving_stages(place: Place, goals: Goals) -> list[Stage]:
    """The stages that the target depends on, and those that do not fit the card as they are."""
    target = Goals((), goals.constraints)
    costs = summarise_prefill, summarise_decode
    space, context = place.arm.space, place.arm.context
    excess = {
        "prefill": costs[0](space.prefill_at(np.array([place.prefill])), context).excess[0],
        "decode": costs[1](space.decode_at(np.array([place.decode])), context).excess[0],
    }
    names = [name for part in target.constraints for name in part.expression.directions]
    driven = {driver.stage for name in names for driver in metric_drivers(name, context.system)}
    return [stage for stage in ("decode", "prefill") if stage in driven or excess[stage] > 0]


def _frozen(place: Place, stages: Sequence[Stage]) -> Arm:
    """The arm in which the other stages have no choice left."""
    space = place.arm.space
    parts = {}
    for stage, part, index in (("prefill", space.prefill, place.prefill), ("decode", space.decode, place.decode)):
        if stage not in stages:
            rows = part.rows(np.array([index]))
            part = replace(part, axes=tuple(axis.take(row) for axis, row in zip(part.axes, rows, strict=True)))
        parts[stage] = part
    return Arm(replace(space, prefill=parts["prefill"], decode=parts["decode"]), place.arm.context)


def _changes(space: DesignSpace, stage: str, index: IntArray, origin: int) -> IntArray:
    """Knobs of one stage in which designs differ from the one at `origin`, (n_points,)."""
    part = space.prefill if stage == "prefill" else space.decode
    mine = part.columns(np.array([origin]))
    return np.asarray(
        sum((column != mine[name][0]).astype(np.int64) for name, column in part.columns(index).items()), dtype=np.int64
    )


def _one_stage(place: Place, goals: Goals, stage: Stage) -> list[tuple[int, float, int, int]]:
    """Designs that meet the goals with the other stage as it is: (knobs changed, cost, prefill, decode), best first."""
    space = place.arm.space
    size = (space.prefill if stage == "prefill" else space.decode).size
    found: list[tuple[int, float, int, int]] = []
    for start in range(0, size, BLOCK):
        index = np.arange(start, min(start + BLOCK, size))
        fixed = np.full(len(index), place.decode if stage == "prefill" else place.prefill)
        p, d = (index, fixed) if stage == "prefill" else (fixed, index)
        costs = place.arm.price(p, d)
        fits = np.flatnonzero(goals.feasible(costs))
        if not len(fits):
            continue
        changed = _changes(space, stage, index[fits], place.prefill if stage == "prefill" else place.decode)
        cost = goals.scaled(goals.natural(costs))[fits].sum(axis=1)
        for i in np.lexsort((cost, changed))[:MAX_CANDIDATES]:
            found.append((int(changed[i]), float(cost[i]), int(p[fits[i]]), int(d[fits[i]])))
        found = sorted(found)[:MAX_CANDIDATES]
    return found


def _both_stages(place: Place, goals: Goals) -> list[tuple[int, float, int, int]]:
    """Pairs of the exact front under the target."""
    from dse.exact import exact_front
    from dse.progress import Reporter

    exact = exact_front([place.arm], goals, Reporter(None, None, 1))
    if not len(exact.values):
        return []
    space = place.arm.space
    changed = _changes(space, "prefill", exact.prefill_index, place.prefill) + _changes(
        space, "decode", exact.decode_index, place.decode
    )
    cost = goals.scaled(exact.values).sum(axis=1)
    order = np.lexsort((cost, changed))[:MAX_CANDIDATES]
    return [(int(changed[i]), float(cost[i]), int(exact.prefill_index[i]), int(exact.decode_index[i])) for i in order]


def _best_possible(place: Place, goals: Goals, moved: Sequence[Stage]) -> tuple[float | None, str]:
    """The best value of the target's expression that a feasible design has, and what is at its cap there."""
    from dse.exact import exact_front
    from dse.progress import Reporter

    constraint = goals.constraints[0]
    sense = "min" if constraint.sign > 0 else "max"
    alone = Goals.of((f"{sense}: {constraint.expression.text}",))
    arm = _frozen(place, moved)
    exact = exact_front([arm], alone, Reporter(None, None, 1))
    if not len(exact.values):
        return None, "no design fits the card"
    best = Place(arm, int(exact.prefill_index[0]), int(exact.decode_index[0]))
    point = _design(best)
    context = place.arm.context
    bound = binding(point, context.model, context.device, context.workload)
    return float(exact.values[0, 0]), f"the best is {exact.values[0, 0]:.4g}; there {'; '.join(bound['binds'])}"


def _design(place: Place) -> DesignPoint:
    space = place.arm.space
    prefill, decode = (
        {name: int(column[0]) for name, column in stage.columns(np.array([index])).items()}
        for stage, index in ((space.prefill, place.prefill), (space.decode, place.decode))
    )
    return space.design_point(prefill, decode)


def _described(origin: Place, place: Place) -> dict[str, Any]:
    before, after = origin.columns(), place.columns()
    costs = _priced(place.arm, np.array([place.prefill]), np.array([place.decode]))
    return {
        "changes": [
            {"knob": knob, "from": before[knob], "to": value} for knob, value in after.items() if before[knob] != value
        ],
        "design": _design(place).model_dump(mode="json", by_alias=True),
        "metrics": metrics_of(costs, 0, place.arm.context)[0],
    }


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
