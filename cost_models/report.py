"""One design as a CostReport and as the JSON document of `flexdse evaluate`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cost_models.calibrated import calibrated_bands, calibration_notes
from cost_models.evaluate import (
    Context,
    CostBatch,
    combine,
    decode_constraints,
    missing_reasons,
    prefill_constraints,
    price_decode,
    price_prefill,
    summarise_decode,
    summarise_prefill,
)
from cost_models.feasibility import used_fractions
from cost_models.hmt import PLUGIN_MODULES
from cost_models.memory import channel_bytes, hbm_bytes
from cost_models.prefill import prefilled_tokens
from cost_models.stage_cost import StageCost
from spec.calibration import CalibrationTable
from spec.cost_report import (
    Bound,
    ChannelTraffic,
    CostReport,
    DecodeReport,
    ErrorBand,
    HmtReport,
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
from spec.hmt import HmtPlugin
from spec.legality import Rule
from spec.metrics import METRICS
from spec.model_config import ModelConfig
from spec.resources import ResourceVector
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.variants import VARIANTS
from spec.violation import Violation
from spec.workload import Workload

_SERIAL_MODULES = frozenset(
    {"hadamard", "attention_softmax", "norm_and_quant", "vector_passes", "sampler", *PLUGIN_MODULES}
)

_FLEXLLM = "bar held against FlexLLM's measured U280 row: one published design, not a confidence interval"
_SUM = "sum of its parts, the wider of their bands"
_ONE_DESIGN = "checked against FlexLLM's U280 utilization row only; other designs may be further off"
_POWER = "fitted on the two plateaus of one U280 power log whose phases are unlabelled; times the latency band"


def _band(low: float, high: float, basis: str) -> ErrorBand:
    return ErrorBand(relative_low=low, relative_high=high, basis=basis)


# The true value lies within (1 + relative_low, 1 + relative_high) times the model's. Each band holds the measured value
# of FlexLLM's U280 pair (a test checks it). Keys: metrics of the registry, and kinds of resources for `resources`.
ERROR_BANDS = {
    "prefill_latency_s": _band(-0.03, 0.03, _FLEXLLM),
    "prefill_tokens_per_s": _band(-0.03, 0.03, _FLEXLLM),
    "tpot_s": _band(-0.03, 0.12, f"{_FLEXLLM}; that is 8.5 % above the model"),
    "decode_tokens_per_s": _band(-0.11, 0.03, f"{_FLEXLLM}; that is 7.8 % below the model"),
    "ttft_s": _band(-0.03, 0.12, _SUM),
    "e2e_latency_s": _band(-0.03, 0.12, _SUM),
    "prefill_dsp": _band(-0.05, 0.05, _FLEXLLM),
    "decode_dsp": _band(-0.05, 0.05, _FLEXLLM),
    "max_utilization": _band(-0.20, 0.25, _ONE_DESIGN),
    "energy_j": _band(-0.20, 0.25, _POWER),
    "energy_j_per_token": _band(-0.20, 0.25, _POWER),
    "power_w": _band(-0.15, 0.15, "fitted on the two plateaus of one U280 power log whose phases are unlabelled"),
    "dsp": _band(-0.05, 0.05, _FLEXLLM),
    "lut": _band(-0.20, 0.20, _ONE_DESIGN),
    "ff": _band(-0.20, 0.20, _ONE_DESIGN),
    "bram_18k": _band(-0.15, 0.35, f"{_ONE_DESIGN}; there the decode kernel has 29 % more than the model"),
    "uram": _band(-0.15, 0.35, f"{_ONE_DESIGN}; there the decode kernel has 29 % more than the model"),
}

MEASURED_DEVICE = "u280"  # the only card with a measured design of this architecture
_TIMES = ("prefill_latency_s", "prefill_tokens_per_s", "tpot_s", "decode_tokens_per_s", "ttft_s", "e2e_latency_s")


def error_bands(device: Device) -> dict[str, ErrorBand]:
    """Bands for designs on `device`: on a card without any measured design twice as wide, and where its DSP slices are
    of another kind none at all for resources, power and energy.
    """
    if device.name == MEASURED_DEVICE:
        return ERROR_BANDS
    same_fabric = device.dsp_kind == "dsp48e2"
    basis = f"nothing of this kind was measured on {device.name}: twice the U280's band, a guess"
    return {
        name: _band(2 * band.relative_low, 2 * band.relative_high, basis)
        for name, band in ERROR_BANDS.items()
        if same_fabric or name in _TIMES
    }


def check_workload(model: ModelConfig, workload: Workload, hmt: HmtPlugin | None = None) -> None:
    """Refuse a workload that is longer than the model's context, or with a plug-in whose windows are.

    Raises:
        InputError: prompt_tokens + output_tokens - 1 above max_context_tokens.
    """
    if hmt is not None:
        tokens = prefilled_tokens(workload)
        kept = hmt.kept_tokens(tokens) + workload.output_tokens
        longest = max(hmt.longest_window_tokens(tokens), kept)
        if longest > model.max_context_tokens:
            raise InputError(
                "the windows of the HMT plug-in are longer than the model's context",
                field="workload",
                value=longest,
                rule=f"a window, and the last one with the output, <= max_context_tokens = {model.max_context_tokens}",
                hint="shorten the output or hmt.segment_tokens",
            )
        return
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
    # Counts up to and including each module, rounded up: their differences add up to the count of the stage.
    dsp = [math.ceil(float(count)) for count in np.cumsum([module.dsp[0] for module in cost.modules])]
    return [
        ModuleCost(
            stage=cost.stage,
            module=module.name,
            cycles=float(module.critical[0]),
            busy_cycles=float(module.busy[0]),
            bound_by=_bound(module.name, float(module.hbm_bound[0]), float(module.busy[0])),
            dsp=so_far - before,
            source=module.source,
        )
        for module, so_far, before in zip(cost.modules, dsp, [0, *dsp[:-1]], strict=True)
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
    return [
        ChannelTraffic(stage=cost.stage, channel=channel, bytes_per_s=moved / duration, limit_bytes_per_s=limit)
        for channel, moved in channel_bytes(batch, cost.traffic_bytes).items()
        if moved > 0
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
        (
            "loading the decode bitstream loses what the HBM held: its weights and scales are written again over the "
            f"host link in {context.upload_s * 1e3:.1f} ms, so the images of the two stages never share the memory"
        ),
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
    built = [v for v in VARIANTS if point.hmt is not None or not v.name.startswith("hmt.")]
    if device.name != MEASURED_DEVICE:
        notes.append(f"nothing of this kind was measured on {device.name}; its clock, LUT and FF laws are the U280's")
    if device.dsp_kind != "dsp48e2":
        notes.append(
            f"{device.dsp_kind} slices are counted as DSP48E2: native fp32 and wider dot products are not modelled, so "
            "DSP counts are too high and resources, power and energy carry no error band"
        )
    not_generated = [variant.name for variant in built if not variant.hls_templates]
    notes.append(f"priced by published structure, not generated yet: {', '.join(not_generated)}")
    for stage, target in (("prefill", point.clock_target_mhz.prefill), ("decode", point.clock_target_mhz.decode)):
        if target > device.clock.max_mhz:
            notes.append(f"{stage} clock target {target} MHz is above {device.clock.max_mhz} MHz; priced at the latter")
    notes.extend(_hmt_assumptions(context))
    if context.model.ignored_keys:
        notes.append(f"config.json keys taken to have no effect: {', '.join(context.model.ignored_keys)}")
    if context.model.qk_norm:
        notes.append("QK-norm is counted as free: its cycles hide under RoPE, its operators are not in the resources")
    notes += calibration_notes(context.calibration)
    return notes


def hmt_report(prefill: StageCost, context: Context) -> HmtReport | None:
    """The `hmt` block of a design with the plug-in."""
    if context.hmt is None:
        return None
    segments = context.hmt.segments(prefilled_tokens(context.workload))
    own = sum(float(module.critical[0]) for module in prefill.modules if module.name in PLUGIN_MODULES)
    return HmtReport(
        segments=segments,
        segment_tokens=context.hmt.segment_tokens,
        plugin_latency_s_per_segment=own / segments / (float(prefill.clock_mhz[0]) * 1e6) if segments else None,
        prefill_latency_s=float(prefill.latency_s[0]),
    )


def _hmt_assumptions(context: Context) -> list[str]:
    if context.hmt is None:
        return []
    hmt, tokens = context.hmt, prefilled_tokens(context.workload)
    summaries = {(w.read_rows, w.rows) for w in hmt.windows(tokens) if w.kind == "summary"}
    rows = ", ".join(f"{read} tokens in {padded} rows" for read, padded in sorted(summaries, reverse=True))
    return [
        (
            f"HMT: decode attends to the last memory window of the prompt, {hmt.kept_tokens(tokens)} tokens, and to its "
            "own output; no memory is made from the output, and quality over long prompts is not modelled"
        ),
        (
            f"HMT: each window is padded to a multiple of {hmt.window_multiple} rows; summary windows: {rows or 'none'}. "
            "FlexLLM's loader pads to 8: 504 rows, which its key blocks of 16 do not divide, so that it would stop"
        ),
        "HMT: no time of a prefill with the plug-in is published; the error bands are those without it",
    ]


def evaluate_point(
    point: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    *,
    swap_s: float | None = None,
    timing: TimingTable = DEFAULT_TIMING_TABLE,
    calibration: CalibrationTable | None = None,
) -> CostReport:
    """Price one design; with `calibration`, its factors applied and its bands in place of the uncalibrated ones.

    Raises:
        InputError: the workload is longer than the model's context; a calibration of another device, model version or
            timing table.
    """
    check_workload(model, workload, point.hmt)
    context = Context(model, device, workload, point.quant_scheme, timing, swap_s, point.hmt, calibration)
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
            prefill_hbm_bytes_per_s=float(hbm_bytes(batch.prefill, prefill.traffic_bytes)[0]) / prefill_s
            if prefill_s
            else None,
            weight_bytes=math.ceil(
                (model.n_layers * model.layer_linear_weights * scheme.weight_bits) / 8
                + model.lm_head_weights * scheme.lm_head_weight_bits / 8
            ),
            kv_cache_bytes=2 * model.n_layers * model.kv_dim * context.window.context_tokens * scheme.kv_bits // 8,
            channels=(*_channels(prefill, batch.prefill, device), *_channels(decode, batch.decode, device)),
        ),
        breakdown=(*_breakdown(prefill), *_breakdown(decode)),
        violations=violations(rules),
        assumptions=tuple(assumptions(context, point)),
        error_band=calibrated_bands(error_bands(device), calibration, prefill, decode),
        hmt=hmt_report(prefill, context),
    )


def evaluate_document(
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    *,
    swap_s: float | None = None,
    calibration: CalibrationTable | None = None,
) -> dict[str, Any]:
    """The JSON document of `evaluate --json`: envelope, inputs, report.

    Raises:
        InputError: the workload is longer than the model's context.
    """
    report = evaluate_point(design, model, device, workload, swap_s=swap_s, calibration=calibration)
    return {
        **envelope("evaluation/v1"),
        "inputs": {
            "design_key": design.canonical_key(),
            "model": model.name,
            "device": device.name,
            "prompt_tokens": workload.prompt_tokens,
            "output_tokens": workload.output_tokens,
            **({"calibration_key": calibration.key()} if calibration is not None else {}),
        },
        **report.model_dump(mode="json", exclude={"hmt"} if report.hmt is None else None),
    }
