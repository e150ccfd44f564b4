"""One design as a CostReport and as the JSON document of `flexdse evaluate`."""

from __future__ import annotations

import math
from typing import Any

from cost_models.evaluate import (
    Context,
    CostBatch,
    combine,
    decode_constraints,
    hbm_bytes,
    missing_reasons,
    prefill_constraints,
    price_decode,
    price_prefill,
    summarise_decode,
    summarise_prefill,
)
from cost_models.feasibility import used_fractions
from cost_models.memory import channel_bytes
from cost_models.stage_cost import StageCost
from spec.cost_report import (
    Bound,
    ChannelTraffic,
    CostReport,
    DecodeReport,
    ErrorBand,
    MemoryReport,
    ModuleCost,
    PrefillReport,
    QualityReport,
    Utilization,
)
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.documents import envelope
from spec.errors import InputError
from spec.legality import Rule
from spec.metrics import METRICS
from spec.model_config import ModelConfig
from spec.resources import ResourceVector
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.variants import VARIANTS
from spec.violation import Violation
from spec.workload import Workload

_SERIAL_MODULES = frozenset({"hadamard", "attention_softmax", "norm_and_quant", "vector_passes", "sampler"})

_FLEXLLM = "bar held against FlexLLM's measured U280 row: one published design, not a confidence interval"
_SUM = "sum of its parts, the wider of their bands"
_ONE_DESIGN = "checked against FlexLLM's U280 utilization row only; other designs may be further off"
_POWER = "fitted on the two plateaus of one U280 power log whose phases are unlabelled; times the latency band"


def _band(width: float, basis: str) -> ErrorBand:
    return ErrorBand(relative_low=-width, relative_high=width, basis=basis)


# Keys are metrics of the registry, and kinds of resources for the `resources` of both stages.
ERROR_BANDS = {
    "prefill_latency_s": _band(0.03, _FLEXLLM),
    "prefill_tokens_per_s": _band(0.03, _FLEXLLM),
    "tpot_s": _band(0.08, f"{_FLEXLLM}; the model is 7.8 % below it"),
    "decode_tokens_per_s": _band(0.09, f"{_FLEXLLM}; the model is 8.5 % above it"),
    "ttft_s": _band(0.08, _SUM),
    "e2e_latency_s": _band(0.08, _SUM),
    "prefill_dsp": _band(0.05, _FLEXLLM),
    "decode_dsp": _band(0.05, _FLEXLLM),
    "max_utilization": _band(0.20, _ONE_DESIGN),
    "energy_j": _band(0.20, _POWER),
    "energy_j_per_token": _band(0.20, _POWER),
    "power_w": _band(0.15, "fitted on the two plateaus of one U280 power log whose phases are unlabelled"),
    "dsp": _band(0.05, _FLEXLLM),
    "lut": _band(0.20, _ONE_DESIGN),
    "ff": _band(0.20, _ONE_DESIGN),
    "bram_18k": _band(0.20, _ONE_DESIGN),
    "uram": _band(0.25, _ONE_DESIGN),
}


def check_workload(model: ModelConfig, workload: Workload) -> None:
    """Refuse a workload that is longer than the model's context.

    Raises:
        InputError: prompt_tokens + output_tokens - 1 above max_context_tokens.
    """
    if workload.context_tokens > model.max_context_tokens:
        raise InputError(
            "the workload is longer than the model's context",
            field="workload",
            value=workload.context_tokens,
            rule=f"prompt_tokens + output_tokens - 1 <= max_context_tokens = {model.max_context_tokens}",
            hint="shorten the prompt or the output",
        )


def violations(rules: list[Rule], index: int = 0) -> tuple[Violation, ...]:
    """The broken rules of design `index`, as typed results."""
    found = []
    for rule in rules:
        if rule.broken[index]:
            found.append(
                Violation(
                    constraint=rule.constraint,
                    where=rule.where,
                    demand=float(rule.demand[index]),
                    bound=float(rule.bound[index]),
                    unit=rule.unit,
                    message=rule.message,
                    levers=rule.levers,
                )
            )
    return tuple(found)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def metrics_of(costs: CostBatch, index: int, context: Context) -> tuple[dict[str, float | None], dict[str, str]]:
    """The metrics of one design by registry name, and why those that are null have no value."""
    reasons = missing_reasons(context)
    values: dict[str, float | None] = {}
    for name in METRICS:
        values[name] = None if name in reasons else _number(float(costs.metrics[name][index]))
    missing = {name: reasons.get(name, "not finite") for name, value in values.items() if value is None}
    return values, missing


def _bound(name: str, hbm_bound: float, busy: float) -> Bound:
    if hbm_bound > 1.0:
        return "hbm"
    if name in _SERIAL_MODULES:
        return "serial"
    return "compute" if busy else "fill"


def _breakdown(cost: StageCost) -> list[ModuleCost]:
    return [
        ModuleCost(
            stage=cost.stage,
            module=module.name,
            cycles=float(module.critical[0]),
            busy_cycles=float(module.busy[0]),
            bound_by=_bound(module.name, float(module.hbm_bound[0]), float(module.busy[0])),
            dsp=int(module.dsp[0]),
            source=module.source,
        )
        for module in cost.modules
    ]


def _stage_resources(cost: StageCost, device: Device) -> tuple[ResourceVector, Utilization]:
    counts = {name: math.ceil(float(array[0])) for name, array in cost.resources.items()}
    used = {name: float(array[0]) for name, array in used_fractions(cost.resources, device).items()}
    return ResourceVector(**counts), Utilization(**used)


def _channels(cost: StageCost, batch: PrefillBatch | DecodeBatch, device: Device) -> list[ChannelTraffic]:
    duration = float(cost.latency_s[0]) or float(cost.first_latency_s[0])
    if device.hbm is None or duration <= 0:
        return []
    limit = device.hbm.channel_sustained_bytes_per_s * device.hbm.efficiency
    moved = channel_bytes(batch, cost.traffic_bytes)[0]
    return [
        ChannelTraffic(stage=cost.stage, channel=i, bytes_per_s=float(b) / duration, limit_bytes_per_s=limit)
        for i, b in enumerate(moved)
        if b > 0
    ]


def _bound_by(cost: StageCost) -> str:
    module = cost.modules[int(cost.bottleneck()[0])]
    return f"{module.name} ({_bound(module.name, float(module.hbm_bound[0]), float(module.busy[0]))})"


def assumptions(context: Context, point: DesignPoint) -> list[str]:
    """What the numbers rest on, in words."""
    device, workload = context.device, context.workload
    memory = device.hbm or device.memory("ddr")
    notes = [
        f"batch 1; {workload.prompt_tokens} prompt tokens, the last of which goes through decode",
        f"swap of bitstreams {context.swap_time_s} s ({device.sources.get('reconfiguration.swap_s', 'given')})",
        f"KV cache re-laid out by the host over its link in {context.relayout_s * 1e3:.2f} ms",
        (
            f"memory ports: min(width/8 x kernel clock, {memory.memory_port_bytes_per_s / 1e9:.2f} GB/s, channel "
            f"{memory.channel_sustained_bytes_per_s / 1e9:.2f} GB/s x {memory.efficiency} shared by concurrent ports)"
        ),
        "attention computes every key of the padded prompt, masked or not; each query head reads its own keys, values",
        "the achieved clock equals the target up to the card's highest published clock; no timing closure is modelled",
        "LUT, FF and BRAM are first estimates; SLR floorplan and crossings are not modelled yet",
        "power = configured idle + fabric (LUT x clock) + HBM traffic, fitted on one U280 power log",
    ]
    not_generated = [variant.name for variant in VARIANTS if variant.hls_template is None]
    notes.append(f"priced by published structure, not generated yet: {', '.join(not_generated)}")
    for stage, target in (("prefill", point.clock_target_mhz.prefill), ("decode", point.clock_target_mhz.decode)):
        if target > device.clock.max_mhz:
            notes.append(f"{stage} clock target {target} MHz is above {device.clock.max_mhz} MHz; priced at the latter")
    if context.model.ignored_keys:
        notes.append(f"config.json keys taken to have no effect: {', '.join(context.model.ignored_keys)}")
    if context.model.qk_norm:
        notes.append("QK-norm is counted as free: its cycles hide under RoPE, its operators are not in the resources")
    return notes


def evaluate_point(
    point: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    *,
    swap_s: float | None = None,
    timing: TimingTable = DEFAULT_TIMING_TABLE,
) -> CostReport:
    """Price one design.

    Raises:
        InputError: the workload is longer than the model's context.
    """
    check_workload(model, workload)
    context = Context(model, device, workload, point.quant_scheme, timing, swap_s)
    batch = DesignBatch.from_points([point], device)
    costs = combine(summarise_prefill(batch.prefill, context), summarise_decode(batch.decode, context), context)
    prefill, decode = price_prefill(batch.prefill, context), price_decode(batch.decode, context)
    values, missing = metrics_of(costs, 0, context)
    # model rules come with the prefill rules
    rules = [
        *prefill_constraints(prefill, batch.prefill, context),
        *decode_constraints(decode, batch.decode, context),
    ]
    prefill_used, prefill_fraction = _stage_resources(prefill, device)
    decode_used, decode_fraction = _stage_resources(decode, device)
    prefill_s = float(prefill.latency_s[0])
    scheme = point.quant_scheme
    cycles = float(decode.cycles[0]) or float(decode.first_cycles[0])
    return CostReport(
        provenance="analytical",
        metrics=values,
        missing=missing,
        prefill=PrefillReport(
            latency_s=prefill_s,
            cycles=float(prefill.cycles[0]),
            clock_mhz=float(prefill.clock_mhz[0]),
            tokens_per_s=values["prefill_tokens_per_s"],
            bound_by=_bound_by(prefill),
            resources=prefill_used,
            utilization=prefill_fraction,
        ),
        decode=DecodeReport(
            tpot_s=values["tpot_s"],
            first_step_s=float(decode.first_latency_s[0]),
            cycles=cycles,
            clock_mhz=float(decode.clock_mhz[0]),
            tokens_per_s=values["decode_tokens_per_s"],
            bound_by=_bound_by(decode),
            resources=decode_used,
            utilization=decode_fraction,
        ),
        ttft_s=float(costs.metrics["ttft_s"][0]),
        e2e_latency_s=float(costs.metrics["e2e_latency_s"][0]),
        energy_j=values["energy_j"],
        energy_j_per_token=values["energy_j_per_token"],
        power_w=values["power_w"],
        quality=QualityReport(value=None, missing=missing["quality"]),
        memory=MemoryReport(
            hbm_bytes_per_s=values["hbm_bytes_per_s"],
            hbm_fraction=values["hbm_fraction"],
            prefill_hbm_bytes_per_s=float(hbm_bytes(prefill, batch.prefill)[0]) / prefill_s if prefill_s else None,
            weight_bytes=math.ceil(
                (model.n_layers * model.layer_linear_weights * scheme.weight_bits) / 8
                + model.lm_head_weights * scheme.lm_head_weight_bits / 8
            ),
            kv_cache_bytes=2 * model.n_layers * model.kv_dim * workload.context_tokens * scheme.kv_bits // 8,
            channels=(*_channels(prefill, batch.prefill, device), *_channels(decode, batch.decode, device)),
        ),
        breakdown=(*_breakdown(prefill), *_breakdown(decode)),
        violations=violations(rules),
        assumptions=tuple(assumptions(context, point)),
        error_band=ERROR_BANDS,
    )


def evaluate_document(
    design: DesignPoint, model: ModelConfig, device: Device, workload: Workload, *, swap_s: float | None = None
) -> dict[str, Any]:
    """The JSON document of `evaluate --json`: envelope, inputs, report.

    Raises:
        InputError: the workload is longer than the model's context.
    """
    report = evaluate_point(design, model, device, workload, swap_s=swap_s)
    return {
        **envelope("evaluation/v1"),
        "inputs": {
            "design_key": design.canonical_key(),
            "model": model.name,
            "device": device.name,
            "prompt_tokens": workload.prompt_tokens,
            "output_tokens": workload.output_tokens,
        },
        **report.model_dump(mode="json"),
    }
