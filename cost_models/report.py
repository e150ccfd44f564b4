"""One design as a CostReport and as the JSON document of `flexdse evaluate`."""

from __future__ import annotations

import math
from typing import Any

from cost_models.bands import U280_BANDS
from cost_models.calibrated import calibrated_bands, calibration_notes
from cost_models.capacity import capacity_report, stored_bytes
from cost_models.evaluate import (
    STAGE_ENERGIES,
    Context,
    CostBatch,
    combine,
    decode_constraints,
    missing_reasons,
    pair_constraints,
    prefill_constraints,
    price_decode,
    price_prefill,
    stage_summary,
)
from cost_models.feasibility import ddr_bytes_per_s, ddr_rate_rule, power_rule, used_fractions
from cost_models.frequency import card_clb_fraction
from cost_models.hmt import PLUGIN_MODULES, plugin_stored_bytes
from cost_models.levers import with_tried_levers
from cost_models.memory import channel_bytes, hbm_bytes
from cost_models.quality import quality_report
from cost_models.stage_cost import StageCost
from cost_models.stage_setup import prefilled_tokens
from cost_models.thin_data import ClockRange, unmeasured_choices, widened_for_choices, widened_for_clocks
from cost_models.verdict import achievable_mhz, clock_notes, fit, open_limits, power_note, violations, with_values
from spec.calibration import CalibrationTable
from spec.context_limit import check_context
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
    Utilization,
)
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.documents import envelope
from spec.measured_clocks import MEASURED_DEVICE, clocks_were_measured
from spec.memory_map import PortRole
from spec.metrics import METRICS
from spec.model_config import ModelConfig
from spec.resources import ResourceDemand
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.variants import selected_variants
from spec.workload import STAGES, Stage, Workload

_SERIAL_MODULES = frozenset(
    {"hadamard", "attention_softmax", "norm_and_quant", "vector_passes", "sampler", *PLUGIN_MODULES}
)

_FLEXLLM = "bar held against FlexLLM's measured U280 row: one published design, not a confidence interval"
_DEQUANTIZER = f"{_FLEXLLM}; holds both readings of the dequantizer's output loop, 7.8 % below and 3.5 % above the measured 6.94 ms"
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
    # Low end: with the dequantizer's loop read as pipelined the model gives 6.396 ms for 7.185 ms a token.
    "tpot_s": _band(-0.11, 0.08, _DEQUANTIZER),
    "decode_tokens_per_s": _band(-0.08, 0.125, _DEQUANTIZER),
    "ttft_s": _band(-0.11, 0.08, _SUM),
    "e2e_latency_s": _band(-0.11, 0.08, _SUM),
    "prefill_dsp": _band(-0.05, 0.05, _FLEXLLM),
    "decode_dsp": _band(-0.05, 0.05, _FLEXLLM),
    "max_utilization": _band(-0.20, 0.25, _ONE_DESIGN),
    "energy_j": _band(-0.25, 0.25, _POWER),
    "energy_j_per_token": _band(-0.25, 0.25, _POWER),
    "prefill_energy_j_per_token": _band(-0.20, 0.25, _POWER),
    "decode_energy_j_per_token": _band(-0.25, 0.25, _POWER),
    "power_w": _band(-0.15, 0.15, "fitted on the two plateaus of one U280 power log whose phases are unlabelled"),
    "dsp": _band(*U280_BANDS["dsp"], _FLEXLLM),
    "lut": _band(*U280_BANDS["lut"], _ONE_DESIGN),
    "ff": _band(*U280_BANDS["ff"], _ONE_DESIGN),
    "bram_18k": _band(*U280_BANDS["bram_18k"], f"{_ONE_DESIGN}; there the decode kernel has 29 % more than the model"),
    "uram": _band(*U280_BANDS["uram"], f"{_ONE_DESIGN}; there the prefill kernel has 12 % more than the model"),
}

# A count of one kernel has the band of its kind.
ERROR_BANDS |= {f"{stage}_{kind}": ERROR_BANDS[kind] for stage in STAGES for kind in ("lut", "ff", "bram_18k", "uram")}

_POWERS = ("power_w", "energy_j", "energy_j_per_token", *STAGE_ENERGIES)


def error_bands(device: Device) -> dict[str, ErrorBand]:
    """Bands for designs on `device`: on a card without any measured design twice as wide, those of resources as the verdict
    takes them (`cost_models.bands`). Power and energy: as the card's own power figures allow.
    """
    if device.name == MEASURED_DEVICE:
        return ERROR_BANDS
    basis = f"nothing of this kind was measured on {device.name}: twice the U280's band, a guess"
    bands = {
        name: _band(2 * band.relative_low, 2 * band.relative_high, basis)
        for name, band in ERROR_BANDS.items()
        if name not in _POWERS
    }
    low, high = device.power.relative_low, device.power.relative_high
    if low is not None and high is not None and device.power.configured_w is not None:
        source = f"power figures of {device.name}: see power.relative_low and power.relative_high of the card"
        time = bands["e2e_latency_s"]
        energy = _band((1 + low) * (1 + time.relative_low) - 1, (1 + high) * (1 + time.relative_high) - 1,
                       f"{source}; times the latency band")  # fmt: skip
        bands |= {"power_w": _band(low, high, source), "energy_j": energy, "energy_j_per_token": energy}
        bands |= dict.fromkeys(STAGE_ENERGIES, energy)
    return bands


def _bands(
    point: DesignPoint,
    context: Context,
    clocks: dict[Stage, tuple[float, float]],
    measured: bool,
    prefill: StageCost,
    decode: StageCost,
) -> dict[str, ErrorBand]:
    """Bands of one design: those of its card, wider for what was not measured, calibrated, and the clock's on top."""
    choices = unmeasured_choices(point, context.model)
    bands = widened_for_choices(error_bands(context.device), choices)
    bands = calibrated_bands(bands, context.calibration, prefill, decode)
    if measured:
        return bands
    ranges = {
        stage: ClockRange.of(getattr(point.clock_target_mhz, stage), expected, priced)
        for stage, (priced, expected) in clocks.items()
    }
    return widened_for_clocks(bands, ranges)


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
    """One row a module. A module whose array is another's has no DSP of its own: None, and `dsp_in` names the other."""
    parts = cost.module_resources
    rows: list[ModuleCost] = []
    total = float(cost.cycles[0]) or sum(float(module.critical[0]) for module in cost.modules)
    # Counts up to and including each module, rounded up: their differences add up to the count of the stage.
    so_far, rounded = 0.0, 0
    for module in cost.modules:
        shared = cost.shared_arrays.get(module.name)
        own = float(parts[module.name].dsp[0]) if module.name in parts else 0.0
        so_far += own
        dsp, rounded = math.ceil(so_far) - rounded, math.ceil(so_far)
        critical = float(module.critical[0])
        rows.append(
            ModuleCost(
                stage=cost.stage,
                module=module.name,
                cycles=critical,
                share=critical / total if total else None,
                busy_cycles=float(module.busy[0]),
                bound_by=_bound(module.name, float(module.hbm_bound[0]), float(module.busy[0])),
                dsp=None if shared is not None and dsp == 0 else dsp,
                dsp_in=shared if dsp == 0 else None,
                source=module.source,
            )
        )
    return rows


def _stage_resources(cost: StageCost, device: Device) -> tuple[ResourceDemand, Utilization]:
    counts = {name: math.ceil(float(array[0])) for name, array in cost.resources.items()}
    used = {name: float(array[0]) for name, array in used_fractions(cost.resources, device).items()}
    return ResourceDemand(**counts), Utilization(**used)


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
        *_deployment_notes(context),
        (
            f"memory ports: min(width/8 x kernel clock, {memory.memory_port_bytes_per_s / 1e9:.2f} GB/s, channel "
            f"{memory.channel_sustained_bytes_per_s / 1e9:.2f} GB/s x {memory.efficiency} shared by concurrent ports)"
        ),
        *_attention_notes(point),
    ]
    built = selected_variants(point)
    if device.name != MEASURED_DEVICE:
        notes.append(f"nothing of this kind was measured on {device.name}; its clock, LUT and FF laws are the U280's")
    if device.dsp_kind == "dsp58":
        notes.append(
            "DSP58: fp32 additions and multiplications take one slice each, integers pack as in a DSP48E2 (the dot-product "
            "mode is not used); no report of such a design is at hand, so resources carry twice the U280's band"
        )
    not_generated = [v.name for v in built if not v.hls_templates and not v.name.startswith("deployment.")]
    if not_generated:
        notes.append(f"priced by published structure, not generated yet: {', '.join(not_generated)}")
    notes.extend(_hmt_assumptions(context))
    if context.model.ignored_keys:
        notes.append(f"config.json keys taken to have no effect: {', '.join(context.model.ignored_keys)}")
    if context.model.qk_norm:
        notes.append("QK-norm is counted as free: its cycles hide under RoPE, its operators are not in the resources")
    granularity = {
        stage: getattr(point, stage).modules.process_granularity for stage in STAGES
    }  # fmt: skip
    notes += calibration_notes(context.calibration, granularity)
    return notes


def _deployment_notes(context: Context) -> list[str]:
    """How decode comes after prefill, and what that costs."""
    device, deployment = context.device, context.system.deployment
    relayout = f"{context.relayout_s * 1e3:.2f} ms"
    if deployment == "two_bitstreams":
        return [
            f"swap of bitstreams {context.swap_time_s} s ({device.sources.get('reconfiguration.swap_s', 'given')})",
            (
                "loading the decode bitstream loses what the HBM held: its weights and scales are written again over the "
                f"host link in {context.upload_s * 1e3:.1f} ms, so the images of the two stages never share the memory"
            ),
            f"KV cache re-laid out by the host over its link in {relayout}",
        ]
    if deployment == "two_cards":
        return [
            "two cards, each with one kernel and its weights loaded beforehand: no swap; the idle card draws idle power",
            f"KV cache moved from card to card and re-laid out by the host over its links in {relayout}",
        ]
    how = "read where prefill left it" if context.relayout_s == 0 else f"re-laid out by the host in {relayout}"
    return [
        "both kernels in one bitstream: no swap; their resources, ports and stored bytes add up",
        f"KV cache {how}",
    ]


def _attention_notes(point: DesignPoint) -> list[str]:
    """Which keys are computed and who reads them."""
    masked = point.prefill.modules.attention_mask == "full"
    keys = "every key of the padded prompt, masked or not" if masked else "the keys up to the end of a block"
    reads = {
        "per_query_head": "each query head reads its own",
        "per_kv_head": "the query heads of a group share a read of",
    }
    stages = ((stage, getattr(point, stage).modules.kv_read) for stage in ("prefill", "decode"))
    return [
        f"prefill attention computes {keys}; "
        + "; ".join(f"in {stage} {reads[choice]} keys and values" for stage, choice in stages)
    ]


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
        "HMT: no time of a prefill with the plug-in is published; the error bands count it as unmeasured",
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
    check_context(model, workload, point.hmt)
    context = Context(
        model, device, workload, point.quant_scheme, timing, swap_s, point.hmt, calibration, system=point.system
    )
    batch = DesignBatch.from_points([point], device)
    prefill, decode = price_prefill(batch.prefill, context), price_decode(batch.decode, context)
    prefill_rules = list(prefill_constraints(prefill, batch.prefill, context))
    decode_rules = list(decode_constraints(decode, batch.decode, context))
    stages = (
        stage_summary(prefill, batch.prefill, prefill_rules, context),
        stage_summary(decode, batch.decode, decode_rules, context),
    )
    costs = combine(*stages, context)
    values, missing = metrics_of(costs, 0, context)
    rules = [*prefill_rules, *decode_rules, *pair_constraints(*stages, context)]
    for cost, summary in zip((prefill, decode), stages, strict=True):
        rules += power_rule(cost.stage, summary.power_w, device)
    rules += ddr_rate_rule("prefill", ddr_bytes_per_s(prefill, batch.prefill), batch.prefill, device)
    rules += ddr_rate_rule("decode", ddr_bytes_per_s(decode, batch.decode), batch.decode, device)
    broken, undecided = with_values(violations(rules), point), open_limits(rules)
    broken = with_tried_levers(broken, point, context)
    clocks: dict[Stage, tuple[float, float]] = {
        cost.stage: (float(cost.clock_mhz[0]), achievable_mhz(cost, part, device, point))
        for cost, part in ((prefill, batch.prefill), (decode, batch.decode))
    }
    measured = clocks_were_measured(point, model.name, device)
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
            clock_mhz=clocks["prefill"][0],
            clock_target_mhz=point.clock_target_mhz.prefill,
            achievable_clock_mhz=clocks["prefill"][1],
            tokens_per_s=values["prefill_tokens_per_s"],
            bound_by=_bound_by(prefill),
            resources=prefill_used,
            utilization=prefill_fraction,
            clb_fraction=float(card_clb_fraction(prefill.resources, device)[0]),
            power_w=_number(float(stages[0].power_w[0] + stages[1].clock_w[0])),
            energy_j_per_token=values["prefill_energy_j_per_token"],
        ),
        decode=DecodeReport(
            tpot_s=values["tpot_s"],
            first_step_s=float(decode.first_latency_s[0]),
            cycles=cycles,
            clock_mhz=clocks["decode"][0],
            clock_target_mhz=point.clock_target_mhz.decode,
            achievable_clock_mhz=clocks["decode"][1],
            tokens_per_s=values["decode_tokens_per_s"],
            bound_by=_bound_by(decode),
            resources=decode_used,
            utilization=decode_fraction,
            clb_fraction=float(card_clb_fraction(decode.resources, device)[0]),
            power_w=_number(float(stages[1].power_w[0] + stages[0].clock_w[0])),
            energy_j_per_token=values["decode_energy_j_per_token"],
        ),
        ttft_s=float(costs.metrics["ttft_s"][0]),
        e2e_latency_s=float(costs.metrics["e2e_latency_s"][0]),
        energy_j=values["energy_j"],
        energy_j_per_token=values["energy_j_per_token"],
        power_w=values["power_w"],
        quality=quality_report(context.model, context.scheme),
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
        capacity=capacity_report(point, model, device, context.window, _stored(prefill, decode, batch, context)),
        fit=fit(broken, undecided),
        violations=broken,
        open_limits=undecided,
        assumptions=(
            *assumptions(context, point),
            *clock_notes(point, device, clocks, measured=measured),
            power_note(device),
        ),
        error_band=_bands(point, context, clocks, measured, prefill, decode),
        hmt=hmt_report(prefill, context),
    )


def _stored(
    prefill: StageCost, decode: StageCost, batch: DesignBatch, context: Context
) -> dict[Stage, dict[PortRole, float]]:
    """Bytes that each role of each stage keeps in external memory, of the first design."""
    model, scheme = context.model, context.scheme
    arrays = {
        "prefill": stored_bytes(prefill, batch.prefill, model, context.prefill_window, scheme),
        "decode": stored_bytes(decode, batch.decode, model, context.window, scheme),
    }
    if context.hmt is not None:
        arrays["prefill"].update(plugin_stored_bytes(model, context.workload, len(batch)))
    return {stage: {role: float(amount[0]) for role, amount in arrays[stage].items()} for stage in STAGES}


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
