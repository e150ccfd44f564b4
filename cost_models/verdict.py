"""The verdict on one design: which limits it breaks, which nobody can decide, and what its clocks and power rest on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from cost_models.frequency import CLOCK_BAND, stage_achievable_mhz
from cost_models.stage_cost import StageCost
from spec.cost_report import Fit, OpenLimit
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.legality import Rule
from spec.violation import Violation
from spec.workload import Stage


def violations(rules: Iterable[Rule], index: int = 0) -> tuple[Violation, ...]:
    """The broken rules of design `index`, as typed results."""
    return tuple(
        Violation(
            constraint=rule.constraint,
            where=rule.where,
            demand=float(rule.demand[index]),
            bound=float(rule.bound[index]),
            unit=rule.unit,
            message=rule.message,
            levers=rule.levers,
        )
        for rule in rules
        if rule.broken[index]
    )


def with_values(broken: Iterable[Violation], point: DesignPoint) -> tuple[Violation, ...]:
    """The same, each of which is about a field of the design with the value of that field in its message."""
    told = []
    for violation in broken:
        value: Any = point
        for name in violation.where.split("."):
            value = getattr(value, name, None)
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            field = violation.where.rpartition(".")[2]
            violation = violation.model_copy(update={"message": f"{field} is {value}: {violation.message}"})
        told.append(violation)
    return tuple(told)


def open_limits(rules: Iterable[Rule], index: int = 0) -> tuple[OpenLimit, ...]:
    """The rules whose bound lies within the error band of design `index`'s demand."""
    return tuple(
        OpenLimit(
            constraint=rule.constraint,
            where=rule.where,
            demand=float(rule.demand[index]),
            relative_low=rule.relative_low,
            relative_high=rule.relative_high,
            bound=float(rule.bound[index]),
            unit=rule.unit,
            message=rule.message,
            levers=rule.levers,
        )
        for rule in rules
        if rule.open[index]
    )


def fit(broken: tuple[Violation, ...], undecided: tuple[OpenLimit, ...]) -> Fit:
    """The three-state verdict."""
    if broken:
        return "does_not_fit"
    return "within_band" if undecided else "fits"


def achievable_mhz(cost: StageCost, batch: PrefillBatch | DecodeBatch, device: Device, point: DesignPoint) -> float:
    """What the frequency model expects of the tools for the first design of a batch."""
    return float(np.atleast_1d(stage_achievable_mhz(batch, cost.resources, device, point.deployment))[0])


def clock_notes(
    point: DesignPoint, device: Device, clocks: dict[Stage, tuple[float, float]], *, measured: bool
) -> list[str]:
    """How the clocks came about. `clocks`: what each stage is priced at and what is expected of the tools; `measured`:
    bitstreams of the design ran at its targets.
    """
    low, high = CLOCK_BAND
    asked = {"prefill": point.clock_target_mhz.prefill, "decode": point.clock_target_mhz.decode}
    if measured:
        return [f"clocks {asked['prefill']:.0f} and {asked['decode']:.0f} MHz: bitstreams of this design ran at them"]
    notes = []
    for stage, (priced, expected) in clocks.items():
        text = f"{stage} clock: {asked[stage]:.0f} MHz asked for, {expected:.0f} MHz expected of the tools"
        notes.append(f"{text}; priced at {priced:.0f} MHz, which they may miss by {low:+.0%} .. {high:+.0%}")
    notes.append(
        "expected clock: from FlexLLM's two bitstreams, falling above 66 % CLB"
        + (" and with more HBM port words than the card feeds freely" if device.clock.mhz_per_hbm_port_word else "")
        + "; crossings between SLRs do not enter it; the time bands include the clock's"
    )
    return notes


def power_note(device: Device) -> str:
    """What the power law rests on."""
    if device.power.configured_w is None:
        return f"no public idle power of {device.name}: dynamic power only"
    scale = device.power.fabric_scale
    card = "" if scale == 1 else f" x {scale} for the fabric of {device.name}"
    return (
        f"power = {device.power.configured_w} W configured + fabric by resource, activity and clock (ratios of a Vivado "
        f"power report, one factor fitted on FlexLLM's U280 log{card}) + HBM traffic + DDR traffic at four times HBM's energy a "
        "byte (no measurement of a card's DDR is public: half to twice that)"
    )
