"""What limits a design: the slowest modules of each stage, what they wait for, and what is near its cap on the card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cost_models.evaluate import (
    Context,
    decode_constraints,
    prefill_constraints,
    price_decode,
    price_prefill,
)
from cost_models.report import evaluate_point
from cost_models.slr import UTILIZATION_CAPS
from spec.cost_report import CostReport
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.workload import STAGES, Stage, Workload

BINDING_SHARE = 0.9  # of a cap: at or above it a resource binds
CLOCK_SHARE = 0.99  # of the clock asked for: below it the clock that the tools are expected to reach binds
SHOWN_CHANNELS = 3
# Rules of the card, beside the five resources: what each is called.
CARD_RULES = {
    "clb_utilization": "CLBs of the card",
    "slr_largest_unit_clb": "CLBs of the largest SLR, by one unit",
    "slr_largest_unit_dsp": "DSP slices of the largest SLR, by one unit",
    "slr_largest_unit_uram": "URAMs of the largest SLR, by one unit",
    "slr_memory_side_clb": "CLBs of the SLR at the HBM, by the adapters of its ports",
    "slr_memory_side_ff": "flip-flops of the SLR at the HBM, by the adapters of its ports",
    "slr_memory_side_bram_18k": "BRAMs of the SLR at the HBM, by the adapters of its ports",
    "hbm_ports": "HBM ports",
    "hbm_channel_capacity": "bytes that an HBM channel stores",
    "ddr_capacity": "bytes that the DDR stores",
}


def binding(
    design: DesignPoint, model: ModelConfig, device: Device, workload: Workload, stages: Sequence[Stage] = STAGES
) -> dict[str, Any]:
    """What binds `stages` of a design: `{"stages": {stage: {"bound_by", "slowest_modules", "resources_near_cap", "limits",
    "utilization", "clock_mhz", "clock_target_mhz"}}, "binds": [...]}`, the last in words.

    `limits`: rules of the card that are at BINDING_SHARE of their bound or more, `{"constraint", "demand", "bound", "unit"}`.
    """
    report = evaluate_point(design, model, device, workload)
    rules = _rules(design, model, device, workload)
    result: dict[str, Any] = {"design_key": design.canonical_key(), "stages": {}, "binds": []}
    for stage in stages:
        part = getattr(report, stage)
        rows = [row for row in report.breakdown if row.stage == stage]
        total = sum(row.cycles for row in rows) or 1.0
        slowest = sorted(rows, key=lambda row: -row.cycles)[:3]
        used = dict(part.utilization.model_dump())
        near = {
            name: {"used_fraction": used[name], "cap_fraction": cap}
            for name, cap in UTILIZATION_CAPS.items()
            if used.get(name) is not None and used[name] >= BINDING_SHARE * cap
        }
        limits = [
            {"constraint": rule.constraint, "demand": float(rule.demand[0]), "bound": float(rule.bound[0]), "unit": rule.unit}
            for rule in rules[stage]
            if rule.constraint in CARD_RULES and float(rule.demand[0]) >= BINDING_SHARE * float(rule.bound[0]) > 0
        ]  # fmt: skip
        result["stages"][stage] = {
            "bound_by": part.bound_by,
            "slowest_modules": [{"module": row.module, "share_of_cycles": row.cycles / total} for row in slowest],
            "resources_near_cap": near,
            "limits": limits,
            "utilization": used,
            "clock_mhz": part.clock_mhz,
            "clock_target_mhz": part.clock_target_mhz,
        }
        lead = slowest[0]
        lines = [f"{lead.module} takes {lead.cycles / total:.0%} of the cycles ({part.bound_by})"]
        lines += [
            f"{name} at {share['used_fraction']:.0%} of the card, its cap is {share['cap_fraction']:.0%}"
            for name, share in near.items()
        ]
        lines += [f"{one['demand']:.4g} of {one['bound']:.4g} {CARD_RULES[one['constraint']]}" for one in limits]
        lines += _channel_lines(report, stage)
        if part.clock_mhz < CLOCK_SHARE * part.clock_target_mhz:
            lines.append(f"the clock: {part.clock_target_mhz:.0f} MHz asked for, {part.clock_mhz:.0f} MHz expected")
        result["binds"] += [f"{stage}: {line}" for line in lines]
    for violation in report.violations:
        result["binds"].append(f"{violation.where}: {violation.constraint} is broken")
    return result


def _rules(design: DesignPoint, model: ModelConfig, device: Device, workload: Workload) -> dict[Stage, Any]:
    context = Context(model, device, workload, design.quant_scheme, hmt=design.hmt, system=design.system)
    batch = DesignBatch.from_points([design], device)
    return {
        "prefill": list(prefill_constraints(price_prefill(batch.prefill, context), batch.prefill, context)),
        "decode": list(decode_constraints(price_decode(batch.decode, context), batch.decode, context)),
    }


def _channel_lines(report: CostReport, stage: Stage) -> list[str]:
    busy = [
        one for one in report.memory.channels
        if one.stage == stage and one.bytes_per_s >= BINDING_SHARE * one.limit_bytes_per_s
    ]  # fmt: skip
    if not busy:
        return []
    named = ", ".join(str(one.channel) for one in busy[:SHOWN_CHANNELS])
    more = f" and {len(busy) - SHOWN_CHANNELS} more" if len(busy) > SHOWN_CHANNELS else ""
    share = max(one.bytes_per_s / one.limit_bytes_per_s for one in busy)
    return [f"HBM channels {named}{more} at {share:.0%} of what a channel sustains"]
