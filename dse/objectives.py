"""Objectives as columns to minimise, and what of each stage they depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cost_models.evaluate import Context, CostBatch, StageSummary, missing_reasons
from spec.design_batch import FloatArray
from spec.errors import InputError
from spec.metrics import METRICS, metric
from spec.workload import Stage

Quantity = Literal["first_s", "step_s", "total_s", "energy_j", "dynamic_energy_j", "max_utilization", "dsp", "hbm"]


@dataclass(frozen=True, slots=True)
class Driver:
    """A metric gets no worse when `quantity` of `stage` falls (`sign` +1) or rises (`sign` -1), all else equal."""

    stage: Stage
    quantity: Quantity
    sign: int = 1


_ENERGY = (Driver("prefill", "energy_j"), Driver("decode", "energy_j"))
_HBM = (Driver("decode", "hbm", -1),)

# Per stage it is enough to keep the designs that no other beats in all drivers of the asked metrics. Energy over time
# is not monotone in time, so power keeps both directions: lower energy, longer time.
DRIVERS: dict[str, tuple[Driver, ...]] = {
    "ttft_s": (Driver("prefill", "step_s"), Driver("decode", "first_s")),
    "tpot_s": (Driver("decode", "step_s"),),
    "e2e_latency_s": (Driver("prefill", "step_s"), Driver("decode", "total_s")),
    "prefill_latency_s": (Driver("prefill", "step_s"),),
    "prefill_tokens_per_s": (Driver("prefill", "step_s"),),
    "decode_tokens_per_s": (Driver("decode", "step_s"),),
    "energy_j": _ENERGY,
    "energy_j_per_token": _ENERGY,
    "dynamic_energy_j_per_token": (Driver("prefill", "dynamic_energy_j"), Driver("decode", "dynamic_energy_j")),
    "power_w": (*_ENERGY, Driver("prefill", "step_s", -1), Driver("decode", "total_s", -1)),
    "max_utilization": (Driver("prefill", "max_utilization"), Driver("decode", "max_utilization")),
    "prefill_dsp": (Driver("prefill", "dsp"),),
    "decode_dsp": (Driver("decode", "dsp"),),
    "hbm_bytes_per_s": _HBM,
    "hbm_fraction": _HBM,
}


def check_available(objectives: tuple[str, ...], context: Context) -> None:
    """Refuse objectives that have no value for this context.

    Raises:
        InputError: naming the objective and why it is missing.
    """
    reasons = missing_reasons(context)
    if context.workload.prompt_tokens == 1:
        reasons["prefill_latency_s"] = "one prompt token: prefill has nothing to do, it takes 0 s in every design"
    for name in objectives:
        if name in reasons:
            raise InputError(
                f"objective {name} has no value here: {reasons[name]}",
                field="objectives",
                value=name,
                rule="an objective has a value for every design",
                hint=f"leave {name} out",
            )


def minimised(costs: CostBatch, objectives: tuple[str, ...]) -> FloatArray:
    """Objective values with maximised ones negated, (n_points, n_objectives)."""
    return np.column_stack(
        [costs.metrics[name] * (1.0 if metric(name).sense == "min" else -1.0) for name in objectives]
    )


def log_scaled(values: FloatArray, objectives: tuple[str, ...]) -> FloatArray:
    """Natural objective values (n_points, n_objectives) as logarithms to minimise.

    Ratios count alike whether an objective is in milliseconds or joules.
    """
    signs = np.array([1.0 if METRICS[name].sense == "min" else -1.0 for name in objectives])
    return np.asarray(np.log(values) * signs)


def _quantity(name: Quantity, summary: StageSummary, stage: Stage, context: Context) -> FloatArray:
    further = context.workload.output_tokens - 1
    total = summary.step_s if stage == "prefill" else summary.first_s + further * summary.step_s
    columns = {
        "first_s": summary.first_s,
        "step_s": summary.step_s,
        "total_s": total,
        "energy_j": summary.power_w * total,
        "dynamic_energy_j": summary.dynamic_w * total,
        "max_utilization": summary.max_utilization,
        "dsp": summary.dsp,
        "hbm": summary.hbm_bytes_per_s,
    }
    return columns[name]


def stage_drivers(summary: StageSummary, stage: Stage, objectives: tuple[str, ...], context: Context) -> FloatArray:
    """The drivers of one stage as columns to minimise, (n_points, n_drivers).

    A stage that no objective depends on is judged by its latency, energy and utilization, so that its choice is a
    sensible one.
    """
    wanted = list(dict.fromkeys(d for name in objectives for d in DRIVERS[name] if d.stage == stage))
    if not wanted:
        quantities: tuple[Quantity, ...] = ("total_s",)
        wanted = [Driver(stage, quantity) for quantity in quantities]
    return np.column_stack([_quantity(d.quantity, summary, stage, context) * d.sign for d in wanted])
