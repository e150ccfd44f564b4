"""Tables of docs/validation.md beyond the numbers of single designs: the HMT plug-in and the A100 baseline."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from cost_models.evaluate import Context, price_prefill
from cost_models.hmt import PLUGIN_MODULES, plugin_part
from cost_models.reference import (
    Baseline,
    RooflineLimits,
    SystemTimes,
    compare,
    fit_baseline,
    fit_workload,
    ratio_of,
    roofline_limits,
)
from cost_models.report import evaluate_point
from cost_models.resources import module_arrays
from cost_models.stage_cost import StageCost
from dse.references import baseline, design_times
from spec.catalog import load_design, load_device, load_model, load_published_design, load_reference
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.reference_system import RatioQuantity, ReferenceSystem
from spec.timing import DEFAULT_TIMING_TABLE
from spec.workload import Workload

HMT, PLAIN, V80, A100 = "flexllm-u280-hmt", "flexllm-u280", "flexllm-v80", "a100-bf16"
WINDOW_TOKENS = 1024  # FlexLLM MAX_PRE_SEQ_LEN, the longest prompt of its plain prefill
TARGET = 0.10  # what a ratio that is not circular must be met within


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page, and the numbers behind it for the record."""

    markdown: str
    record: dict[str, Any]


def _prefill(point: DesignPoint, model: ModelConfig, device: Device, tokens: int) -> StageCost:
    context = Context(model, device, Workload(prompt_tokens=tokens + 1, output_tokens=1), point.quant_scheme)
    batch = DesignBatch.from_points([point], device)
    return price_prefill(batch.prefill, replace(context, hmt=point.hmt))


def paper_prefill_s(point: DesignPoint, model: ModelConfig, tokens: int) -> float:
    """The paper's own formula of prefill: `N l/TP (d kv/WP + max(d^2/WP, d l/WPmha, d F/WPffn))` cycles at the clock."""
    p, d = point.prefill, model.hidden_dim
    slowest = max(
        d * d / p.qkvo_weight_parallelism, d * tokens / p.key_parallelism, d * model.ffn_dim / p.ffn_weight_parallelism
    )
    block = d * model.kv_dim / p.qkvo_weight_parallelism + slowest
    return model.n_layers * tokens / p.token_parallelism * block / (point.clock_target_mhz.prefill * 1e6)


V80_WINDOW_MULTIPLE = 32  # whole blocks of its 16 tokens and 32 keys


def v80_with_plugin() -> DesignPoint:
    """FlexLLM's projection to the V80 with the plug-in of its U280 pair: the weights of the plug-in on HBM channels that prefill
    leaves free, its rows on DDR. No such design is published beyond three ratios without a prompt length.
    """
    plain, plugin = load_design(V80), load_design(HMT)
    assert plugin.hmt is not None
    taken = {port.channel for port in plain.memory_map.ports if port.stage == "prefill" and port.memory == "hbm"}
    free = iter(sorted(set(range(64)) - taken))
    ports = [port for port in plugin.memory_map.ports if {"hmt_io", "hmt_weights"} & set(port.roles)]
    added = [port if port.memory == "ddr" else port.model_copy(update={"channel": next(free)}) for port in ports]
    memory_map = plain.memory_map.model_copy(update={"ports": (*plain.memory_map.ports, *added)})
    hmt = plugin.hmt.model_copy(update={"window_multiple": V80_WINDOW_MULTIPLE})
    return plain.model_copy(update={"hmt": hmt, "memory_map": memory_map})


def long_context_rows() -> list[dict[str, Any]]:
    """What 64 segments of prompt cost with the plug-in and without it, on both cards, 1,024 tokens out."""
    found = []
    for card, plain, plugin in (
        ("u280", load_design(PLAIN), load_design(HMT)),
        ("v80", load_design(V80), v80_with_plugin()),
    ):
        model, device = load_model("llama-3.2-1b"), load_device(card)
        assert plugin.hmt is not None
        tokens = plugin.hmt.max_segments * plugin.hmt.segment_tokens
        request = Workload(prompt_tokens=tokens + 1, output_tokens=WINDOW_TOKENS)
        for name, point in ((f"{plain_name(card)} with the plug-in", plugin), (f"{plain_name(card)} without", plain)):
            report = evaluate_point(point, model, device, request)
            found.append(
                {
                    "design": name,
                    "prefill_latency_s": report.prefill.latency_s,
                    "ttft_s": report.ttft_s,
                    "tpot_s": report.decode.tpot_s,
                    "energy_j": report.energy_j,
                    "kv_cache_bytes": report.memory.kv_cache_bytes,
                    "fit": report.fit,
                    "violations": [violation.constraint for violation in report.violations],
                }
            )
    return found


def plain_name(card: str) -> str:
    """The published pair of a card."""
    return PLAIN if card == "u280" else V80


def _long_context_table(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"| {row['design']} | {row['prefill_latency_s']:,.1f} | {row['ttft_s']:,.1f} | {1000 * row['tpot_s']:.2f} "
        f"| {row['kv_cache_bytes'] / 2**20:,.0f} | {'-' if row['energy_j'] is None else format(row['energy_j'] / 1000, ',.1f')} "
        f"| {row['fit'].replace('_', ' ')}{': ' + ', '.join(dict.fromkeys(row['violations'])) if row['violations'] else ''} |"
        for row in rows
    ]
    return "\n".join(lines)


def hmt_section() -> Section:
    """The plug-in against what the paper says of it, the speed-up in both readings."""
    published = load_published_design(HMT)
    model, device = load_model(published.model), load_device(published.device)
    point, plain = published.design, load_design(PLAIN)
    assert point.hmt is not None
    tokens = point.hmt.max_segments * point.hmt.segment_tokens
    windows = point.hmt.max_segments * WINDOW_TOKENS
    cost = _prefill(point, model, device, tokens)
    hmt_s = float(cost.latency_s[0])
    bound_s = paper_prefill_s(plain, model, windows)
    plain_s, plain_windows_s = (float(_prefill(plain, model, device, n).latency_s[0]) for n in (tokens, windows))
    own = sum(float(module.critical[0]) for module in cost.modules if module.name in PLUGIN_MODULES)
    summary = sum(window.count * window.rows for window in point.hmt.windows(tokens) if window.kind == "summary")
    speedup = published.projected["hmt_prefill_speedup"]
    batch = DesignBatch.from_points([point], device).prefill
    part = plugin_part(batch, model, point.hmt, DEFAULT_TIMING_TABLE)
    modules = module_arrays({"plugin": part}, len(batch))["plugin"]
    base = _prefill(plain, model, device, WINDOW_TOKENS - 1).resources
    total = device.total.as_dict()
    by_modules = {name: float(array[0]) / total[name] for name, array in modules.items()}
    by_all = {name: float(array[0] - getattr(base, name)[0]) / total[name] for name, array in cost.resources.items()}
    record = {
        "tokens": tokens,
        "cycles": float(cost.cycles[0]),
        "prefill_latency_s": hmt_s,
        "implied_latency_s": bound_s / speedup,
        "paper_bound_s": bound_s,
        "speedup_as_published": bound_s / hmt_s,
        "speedup_like_for_like": plain_s / hmt_s,
        "speedup_like_for_like_windows": plain_windows_s / hmt_s,
        "context_factor": windows / WINDOW_TOKENS,
        "new_tokens_factor": tokens / WINDOW_TOKENS,
        "plugin_latency_fraction": own / float(cost.cycles[0]),
        "plugin_resource_fraction": by_modules,
        "plugin_resource_fraction_with_ports": by_all,
        "long_context": (long := long_context_rows()),
    }

    def most(fractions: dict[str, float]) -> str:
        name = max(fractions, key=lambda kind: fractions[kind])
        return f"{fractions[name]:.1%} ({name})"

    shares = published.projected
    rows = [
        (f"prefill of {tokens:,} tokens, s (published: {bound_s:,.0f} s of the paper's formula / {speedup})",
         f"{bound_s / speedup:.1f}", f"{hmt_s:.1f}", f"{hmt_s * speedup / bound_s - 1:+.1%}"),
        (f"speed-up as published: the paper's formula for {windows:,} tokens without the plug-in over the time with it",
         f"{speedup}x", f"{bound_s / hmt_s:.2f}x", f"{bound_s / hmt_s / speedup - 1:+.1%}"),
        (f"speed-up like for like: our model with and without the plug-in, {tokens:,} tokens",
         f"{speedup}x", f"{plain_s / hmt_s:.2f}x", f"{plain_s / hmt_s / speedup - 1:+.1%}"),
        (f"the same, {windows:,} tokens without the plug-in, as windows are counted",
         f"{speedup}x", f"{plain_windows_s / hmt_s:.2f}x", f"{plain_windows_s / hmt_s / speedup - 1:+.1%}"),
        (f"context, in windows of {WINDOW_TOKENS} tokens (in new tokens: {tokens / WINDOW_TOKENS:.1f}x)",
         f"{shares['hmt_context_factor']:.0f}x", f"{windows / WINDOW_TOKENS:.0f}x",
         f"{windows / WINDOW_TOKENS / shares['hmt_context_factor'] - 1:+.1%}"),
        ("latency of the plug-in's own modules", f"< {shares['hmt_plugin_latency_fraction_at_most']:.1%}",
         f"{own / float(cost.cycles[0]):.2%}", ""),
        ("resources of its modules, the kind used most", f"< {shares['hmt_plugin_resource_fraction_at_most']:.1%}",
         most(by_modules), ""),
        ("the same with the adapters of its memory ports", "", most(by_all), ""),
    ]  # fmt: skip
    lines = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    markdown = f"""
## HMT plug-in

{HMT} on {published.device}, {point.hmt.max_segments} segments. No coefficient was set on these rows;
adapters and processing elements keep those that were fitted to rows of the first table.

| quantity | published | model | error |
|---|---:|---:|---:|
{lines}

- The published {speedup}x divides a formula (no fill, no Hadamard, attention at its ideal rate) by a time that the modules
  give. Like for like, with the attention that is really built on both sides, the plug-in gains more.
- The latency share leaves out that every segment but the first is prefilled once more for its summary: {summary:,} rows
  beside {tokens:,} tokens, a third of the time.
- FlexLLM's loader pads a summary window to 504 rows, which its key blocks of 16 do not divide: QK waits for 8 more rows
  and the softmax for 504 scores, so that the published form would stop. The catalog's design pads to 512; with
  `window_multiple: 8` the rule `hmt_window_blocks` refuses it.

What a prompt of {tokens:,} tokens and {WINDOW_TOKENS:,} tokens out cost (analytical; nothing of it was measured, and the paper
gives no time of it on either card). On the V80 it is the projected pair with the plug-in of the U280, windows of whole
blocks of {V80_WINDOW_MULTIPLE} rows, its weights on channels that prefill leaves free:

| design | prefill, s | first token, s | a further token, ms | KV cache, MiB | energy, kJ | verdict |
|---|---:|---:|---:|---:|---:|---|
{_long_context_table(long)}

With the plug-in decode attends to the last window, so that a token and the cache cost what they cost behind a prompt of
1,024 tokens. What the memory keeps of the segments before is a matter of quality, which is not modelled.
"""
    return Section(markdown, record)


def _without(reference: ReferenceSystem, design: str, quantity: str) -> ReferenceSystem:
    kept = tuple(r for r in reference.ratios if (r.design, r.quantity) != (design, quantity))
    return reference.model_copy(update={"ratios": kept})


@dataclass(frozen=True, slots=True)
class ModelRatio:
    """A published ratio of the U280, by our model and by the published times, against the baseline of all ratios and of
    the others alone, and with "1k tokens" read as 1,024. `None`: the others leave the baseline open.
    """

    quantity: RatioQuantity
    published: float
    model_all: float
    model_all_1024: float
    model_others: float | None
    times_others: float | None

    @property
    def within_target(self) -> bool:
        """Whether our model meets the ratio against the baseline of all ratios."""
        return abs(self.model_all / self.published - 1) <= TARGET

    @property
    def within_target_1024(self) -> bool:
        """The same with "1k tokens" read as 1,024."""
        return abs(self.model_all_1024 / self.published - 1) <= TARGET


def model_ratios(fitted: Baseline, systems: dict[str, SystemTimes], limits: RooflineLimits) -> list[ModelRatio]:
    """Each ratio of the U280 that counts."""
    reference, request = fitted.reference, fit_workload(fitted.reference)
    model, device = load_model(reference.model), load_device(load_published_design(PLAIN).device)
    metrics = evaluate_point(load_design(PLAIN), model, device, request).metrics

    def ours(quantity: RatioQuantity, times: SystemTimes) -> float:
        found = compare(metrics, request, times)
        by_quantity = {
            "e2e_latency": found.e2e_speedup,
            "decode_rate": found.decode_speedup,
            "tokens_per_j": found.tokens_per_j_ratio,
        }
        value = by_quantity[quantity]
        assert value is not None
        return value

    wider = fit_baseline(reference, {name: design_times(name, 1024) for name in systems}, limits).times
    ratios = []
    for ratio in fitted.ratios:
        if ratio.design != PLAIN:
            continue
        model_others = times_others = None
        if not ratio.tests_nothing:
            others = fit_baseline(_without(reference, PLAIN, ratio.quantity), systems, limits).times
            model_others = ours(ratio.quantity, others)
            times_others = ratio_of(ratio.quantity, systems[PLAIN], others, request)
        model_all = ours(ratio.quantity, fitted.times)
        all_1024 = ours(ratio.quantity, wider)
        ratios.append(ModelRatio(ratio.quantity, ratio.published, model_all, all_1024, model_others, times_others))
    return ratios


def _readings(fitted: Baseline, systems: dict[str, SystemTimes], limits: RooflineLimits) -> dict[str, Baseline]:
    """The baseline under other readings of what the ratios are averages over."""
    reference = fitted.reference
    grids = {
        "the six pairs of FlexLLM's test bench": [(a, b) for a in (512, 1024) for b in (256, 512, 1024)],
        "256 to 1024 in, 256 to 2048 out": [(a, b) for a in (256, 512, 1024) for b in (256, 512, 1024, 2048)],
    }
    found = {f"{reference.prompt_tokens} in, {reference.output_tokens} out (used)": fitted}
    for name, pairs in grids.items():
        requests = [Workload(prompt_tokens=a, output_tokens=b) for a, b in pairs]
        found[name] = fit_baseline(reference, systems, limits, requests)
    return found


def reference_section() -> Section:
    """The one A100 baseline behind the ratios, its residuals, our model against it, and what contradicts itself."""
    reference, fitted = load_reference(A100), baseline(A100)
    limits = roofline_limits(reference, load_model(reference.model))
    systems = {name: design_times(name) for name in (PLAIN, V80)}
    ratios, readings = model_ratios(fitted, systems, limits), _readings(fitted, systems, limits)
    record = {
        "baseline": {**_figures(fitted), "implied_power_w": fitted.implied_power_w, "ranges": fitted.ranges},
        "limits": asdict(limits),
        "ratios": [{**asdict(ratio), "residual": ratio.residual} for ratio in fitted.ratios],
        "model": [
            {**asdict(r), "within_target": r.within_target, "within_target_1024": r.within_target_1024} for r in ratios
        ],
        "readings": {name: _figures(found) for name, found in readings.items()},
    }
    return Section(_reference_markdown(fitted, limits, systems, ratios, readings), record)


def _figures(found: Baseline) -> dict[str, float]:
    return {
        "prefill_s_per_1k_tokens": found.prefill_s_per_1k_tokens,
        "decode_tokens_per_s": found.decode_tokens_per_s,
        "power_w": found.power_w,
        "largest_residual": found.largest_residual,
    }


def _with_error(value: float | None, published: float) -> str:
    return "open" if value is None else f"{value:.2f}x ({value / published - 1:+.1%})"


def _reference_markdown(
    fitted: Baseline,
    limits: RooflineLimits,
    systems: dict[str, SystemTimes],
    ratios: list[ModelRatio],
    readings: dict[str, Baseline],
) -> str:
    reference, request = fitted.reference, fit_workload(fitted.reference)
    u280, v80 = load_device("u280"), load_device("v80")

    def span(name: str, digits: str) -> str:
        found = fitted.ranges[name]
        return "open" if found is None else f"{found[0]:{digits}} .. {found[1]:{digits}}"

    explained = "\n".join(
        f"| {r.design} | {r.quantity} | {r.published}x | {r.explained:.2f}x "
        f"| {'tests nothing' if r.tests_nothing else f'{r.residual:+.1%}'} |"
        for r in fitted.ratios
    )
    against = "\n".join(
        f"| {r.quantity} | {r.published}x | {_with_error(r.model_all, r.published)} "
        f"| {_with_error(r.model_all_1024, r.published)} | {_with_error(r.model_others, r.published)} | {_with_error(r.times_others, r.published)} |"
        for r in ratios
    )
    readings_table = "\n".join(
        f"| {name} | {b.decode_tokens_per_s:.1f} | {b.prefill_s_per_1k_tokens:.2f} | {b.power_w:.0f} "
        f"| {b.implied_power_w[V80]:.0f} | {b.largest_residual:.1%} |"
        for name, b in readings.items()
    )
    unexplained = "\n".join(
        f"| {r.design} | {r.quantity} | {r.value}x | {reference.sources[f'ratios[{i}].value']} |"
        for i, r in enumerate(reference.ratios)
        if not r.explains
    )
    share = fitted.decode_tokens_per_s / limits.decode_tokens_per_s
    faster = limits.decode_tokens_per_s / systems[PLAIN].decode_tokens_per_s
    times_of_limit = fitted.prefill_s_per_1k_tokens / limits.prefill_s_per_1k_tokens
    return f"""
## A100 baseline

{reference.title}. No time and no power of it is published: what follows is implied by six ratios, not measured. One baseline,
fitted to them by least squares on their logarithms, read as {request.prompt_tokens} tokens in and {request.output_tokens} out,
with U280 and V80 as published and {systems[PLAIN].swap_s} s of swap:

| quantity | implied | without one of the ratios | limit by specification |
|---|---:|---:|---:|
| decode, tokens/s | {fitted.decode_tokens_per_s:.1f} | {span("decode_tokens_per_s", ".1f")} | {limits.decode_tokens_per_s:.0f} (bandwidth) |
| prefill, s per 1k tokens | {fitted.prefill_s_per_1k_tokens:.2f} | {span("prefill_s_per_1k_tokens", ".2f")} | {limits.prefill_s_per_1k_tokens:.4f} (compute) |
| power, W | {fitted.power_w:.0f} | {span("power_w", ".0f")} | {reference.limits.power_w:.0f} |

| design | quantity | published | explained | residual |
|---|---|---:|---:|---:|
{explained}

Our model of the U280 against it. *All six*: the baseline above. *Other five*: the baseline without the ratio of this row, so
that the ratio is not met by itself; the last column does the same with the published times, and so shows how far the
ratios disagree among themselves.

| U280 | published | model, all six | the same, 1k read as 1,024 | model, other five | published times, other five |
|---|---:|---:|---:|---:|---:|
{against}

The ratios are averages over plotted pairs of lengths whose list is not printed. Read otherwise:

| ratios read as | decode, tokens/s | prefill, s/1k | A100, W | V80, W | largest residual |
|---|---:|---:|---:|---:|---:|
{readings_table}

- Our ratios are off by what our decode is slow (first table) and by what the six ratios disagree: within a tenth in
  each reading of "1k tokens" and of the baseline. Energy per token is circular: the 3.14x
  alone decides the A100's power, and the 4.13x the V80's, which is not published ({fitted.implied_power_w[V80]:.0f} W here,
  card limit {v80.power.limit_w:.0f} W). Neither tests anything.
- Decode rate and power hardly depend on the reading. The prefill time does and is not to be trusted: it is
  {times_of_limit:.0f} times the compute limit, and takes up whatever the end-to-end ratios leave.
- The baseline decodes at {share:.0%} of its bandwidth limit: the ratios are against software that leaves most of the A100
  idle. At the limit it would decode {1 / share:.1f} times faster, {faster:.1f} times faster than the measured U280.

## Where the paper contradicts itself

| design | quantity | published | source |
|---|---|---:|---|
{unexplained}

- HMT end to end on the V80: the 4.86x of the abstract is the decode ratio of the body, which gives 3.70x. We trust the body.
- Power of the U280: Table I prints 75 W; the card's limit in the repository's own log is {u280.power.limit_w:.0f} W.
- The HMT speed-up of 23.23x divides a formula by a time (section above).
- Decode with the plug-in is 1.36x, without it 1.64x, though it attends to one window and the A100 to the whole prompt, which
  should raise the ratio. No prompt length is given, so these ratios are not in the fit and we do not try to meet them.
"""
