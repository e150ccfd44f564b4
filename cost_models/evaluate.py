"""The composition: stages priced on their own, then combined into the metrics of a request.

Prefill and decode separate: a stage's summary depends on its own parameters only, and every metric is a simple
function of the two summaries (`combine`). The exact search rests on this.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np

from cost_models.arrays import BoolArray, FloatArray, IntArray
from cost_models.calibrated import calibrate_power, calibrate_stage
from cost_models.decode import SCALE_BYTES, evaluate_decode
from cost_models.feasibility import memory_rules, resource_rules, used_fractions
from cost_models.frequency import achieved_clock_mhz
from cost_models.hmt import evaluate_hmt_prefill, plugin_stored_bytes
from cost_models.memory import hbm_bytes
from cost_models.power import stage_power_w
from cost_models.prefill import evaluate_prefill, prefilled_tokens
from cost_models.stage_cost import StageCost
from spec.calibration import CalibrationTable
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch
from spec.device import Device
from spec.hmt import HmtPlugin
from spec.hmt_rules import hmt_rules
from spec.legality import Rule, decode_rules, model_rules, prefill_rules
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.versions import MODEL_VERSION
from spec.workload import Workload

CHUNK_POINTS = 16_384  # few calls for each array, and the arrays in use stay in the second-level cache


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that is the same for a whole batch."""

    model: ModelConfig
    device: Device
    workload: Workload
    scheme: QuantScheme
    timing: TimingTable = DEFAULT_TIMING_TABLE
    swap_s: float | None = None
    hmt: HmtPlugin | None = None
    calibration: CalibrationTable | None = None

    def __post_init__(self) -> None:
        """Refuse a calibration of another device, model version or timing table."""
        if self.calibration is not None:
            self.calibration.check_applies(self.device.name, MODEL_VERSION, self.timing.version)

    @property
    def window(self) -> Workload:
        """The prompt as the stages see it, and the whole output: with an HMT plug-in, decode finds the last memory
        window in the KV cache and attends to nothing else of the prompt.
        """
        return self.workload if self.hmt is None else self._with_prompt(self.hmt.kept_tokens(self._prefilled))

    @property
    def prefill_window(self) -> Workload:
        """The longest prompt that goes through the prefill kernel at once."""
        if self.hmt is None:
            return self.workload
        return self._with_prompt(self.hmt.longest_window_tokens(self._prefilled))

    @property
    def _prefilled(self) -> int:
        return prefilled_tokens(self.workload)

    def _with_prompt(self, prefilled: int) -> Workload:
        return self.workload.model_copy(update={"prompt_tokens": prefilled + 1})

    @property
    def swap_time_s(self) -> float:
        """Seconds to load the decode bitstream: the given value, else the device's."""
        return self.device.reconfiguration.swap_s if self.swap_s is None else self.swap_s

    @property
    def upload_s(self) -> float:
        """Seconds to write the decode weights and scales: loading a bitstream loses what the HBM held.

        Without the padding that a design adds to them, so the same for every design.
        """
        model, scheme = self.model, self.scheme
        layer_channels = 2 * model.kv_dim + model.q_dim + 2 * model.hidden_dim + 2 * model.ffn_dim
        stored = (
            model.n_layers * model.layer_linear_weights * scheme.weight_bits / 8
            + model.lm_head_weights * scheme.lm_head_weight_bits / 8
            + (model.n_layers * layer_channels + model.vocab_size) * SCALE_BYTES
        )
        return stored / self.device.reconfiguration.host_link_bytes_per_s

    @property
    def relayout_s(self) -> float:
        """Seconds to read the prefill KV cache back, reorder it and write it for decode, over the host link."""
        cache = 2 * self.model.n_layers * prefilled_tokens(self.window) * self.model.kv_dim * self.scheme.kv_bits / 8
        return 2 * cache / self.device.reconfiguration.host_link_bytes_per_s


@dataclass(frozen=True, slots=True)
class StageSummary:
    """What a metric may need of a stage, each (n_points,). Prefill: `step_s` equals `first_s` equals the whole stage.

    `excess` is the largest (demand - bound) / max(|bound|, 1) over all broken rules, <= 0 where the stage is feasible.
    """

    first_s: FloatArray
    step_s: FloatArray
    power_w: FloatArray
    dynamic_w: FloatArray
    max_utilization: FloatArray
    dsp: FloatArray
    hbm_bytes_per_s: FloatArray
    excess: FloatArray

    def take(self, index: IntArray) -> StageSummary:
        """The designs at `index`, in its order."""
        return StageSummary(*(getattr(self, field.name)[index] for field in fields(self)))


def price_prefill(batch: PrefillBatch, context: Context) -> StageCost:
    """The laws of prefill at the achieved clock."""
    batch = replace(batch, clock_mhz=achieved_clock_mhz(batch.clock_mhz, context.device))
    if context.hmt is not None:
        cost = evaluate_hmt_prefill(batch, context.model, context.workload, context.scheme, context.timing, context.hmt)
    else:
        cost = evaluate_prefill(batch, context.model, context.workload, context.scheme, context.timing)
    return calibrate_stage(cost, context.calibration)


def price_decode(batch: DecodeBatch, context: Context) -> StageCost:
    """The laws of decode at the achieved clock."""
    batch = replace(batch, clock_mhz=achieved_clock_mhz(batch.clock_mhz, context.device))
    cost = evaluate_decode(batch, context.model, context.window, context.scheme, context.timing)
    return calibrate_stage(cost, context.calibration)


def prefill_constraints(cost: StageCost, batch: PrefillBatch, context: Context) -> Iterable[Rule]:
    """Every rule that a prefill design must hold."""
    yield from model_rules(len(batch), context.model, context.scheme)
    yield from prefill_rules(batch, context.model, context.device, context.scheme)
    if context.hmt is not None:
        yield from hmt_rules(batch, context.hmt, context.model, prefilled_tokens(context.workload))
    yield from resource_rules(cost, context.device)
    beside = plugin_stored_bytes(context.model, context.workload, len(batch)) if context.hmt is not None else {}
    yield from memory_rules(cost, batch, context.model, context.device, context.prefill_window, context.scheme, beside)


def decode_constraints(cost: StageCost, batch: DecodeBatch, context: Context) -> Iterable[Rule]:
    """Every rule that a decode design must hold."""
    yield from decode_rules(batch, context.model, context.device, context.scheme)
    yield from resource_rules(cost, context.device)
    yield from memory_rules(cost, batch, context.model, context.device, context.window, context.scheme)


def _excess(rules: Iterable[Rule], n: int) -> FloatArray:
    worst = np.full(n, -np.inf)
    for rule in rules:
        demand, bound = _once(rule.demand), _once(rule.bound)
        np.maximum(worst, (demand - bound) / np.maximum(np.abs(bound), 1.0), out=worst)
    return worst


def _once(values: FloatArray) -> FloatArray:
    """A value that was broadcast over the batch, as one element: most bounds are the same for every design."""
    return values[:1] if values.strides == (0,) else values


def _summarise(
    cost: StageCost, batch: PrefillBatch | DecodeBatch, rules: Iterable[Rule], context: Context
) -> StageSummary:
    step_s, first_s = cost.latency_s, cost.first_latency_s
    # One output token has no further step: its traffic is that of the first.
    duration = np.where(step_s > 0, step_s, first_s)
    moved = hbm_bytes(batch, cost.traffic_bytes)
    rate = np.divide(moved, duration, out=np.zeros(len(batch)), where=duration > 0)
    power, dynamic = stage_power_w(cost.resources.lut, cost.clock_mhz, rate, context.device)
    power, dynamic = calibrate_power(power, dynamic, cost.stage, context.calibration)
    used = np.maximum.reduce(list(used_fractions(cost.resources, context.device).values()))
    return StageSummary(
        first_s=first_s,
        step_s=step_s,
        power_w=power,
        dynamic_w=dynamic,
        max_utilization=used,
        dsp=cost.resources.dsp,
        hbm_bytes_per_s=rate,
        excess=_excess(rules, len(batch)),
    )


def _in_chunks(batch: PrefillBatch | DecodeBatch, price: object) -> StageSummary:
    parts = [
        price(batch.take(slice(start, start + CHUNK_POINTS)))  # type: ignore[operator]
        for start in range(0, max(len(batch), 1), CHUNK_POINTS)
    ]
    return StageSummary(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(StageSummary)))


def summarise_prefill(batch: PrefillBatch, context: Context) -> StageSummary:
    """Price a batch of prefill designs, constraints included; memory does not grow with the batch beyond the result."""

    def chunk(part: PrefillBatch) -> StageSummary:
        cost = price_prefill(part, context)
        return _summarise(cost, part, prefill_constraints(cost, part, context), context)

    return _in_chunks(batch, chunk)


def summarise_decode(batch: DecodeBatch, context: Context) -> StageSummary:
    """Price a batch of decode designs, constraints included."""

    def chunk(part: DecodeBatch) -> StageSummary:
        cost = price_decode(part, context)
        return _summarise(cost, part, decode_constraints(cost, part, context), context)

    return _in_chunks(batch, chunk)


@dataclass(frozen=True, slots=True)
class CostBatch:
    """Metrics by registry name and the largest constraint excess, each (n_points,). NaN marks a missing value.

    `quality` is not in `metrics`: no model of it exists yet.
    """

    metrics: dict[str, FloatArray]
    excess: FloatArray

    @property
    def feasible(self) -> BoolArray:
        """(n_points,) where every rule holds."""
        return np.asarray(self.excess <= 0.0)


def combine(prefill: StageSummary, decode: StageSummary, context: Context) -> CostBatch:
    """Metrics of the pairs `(prefill[i], decode[i])`."""
    workload, device = context.workload, context.device
    further = workload.output_tokens - 1
    between_s = context.swap_time_s + context.upload_s + context.relayout_s
    decode_s = decode.first_s + further * decode.step_s
    ttft = prefill.step_s + between_s + decode.first_s
    # Summed stage by stage: rounding then never turns an order of two designs of one stage around.
    e2e = prefill.step_s + between_s + decode_s
    idle_w = device.power.configured_w if device.power.configured_w is not None else np.nan
    energy = prefill.power_w * prefill.step_s + idle_w * between_s + decode.power_w * decode_s
    dynamic = prefill.dynamic_w * prefill.step_s + decode.dynamic_w * decode_s
    n = len(ttft)
    tpot = decode.step_s if further else np.full(n, np.nan)
    prefilled = prefilled_tokens(workload)
    hbm = device.hbm
    sustained = hbm.channels * hbm.channel_sustained_bytes_per_s if hbm else np.nan
    metrics = {
        "ttft_s": ttft,
        "tpot_s": tpot,
        "e2e_latency_s": e2e,
        "prefill_latency_s": prefill.step_s,
        "prefill_tokens_per_s": prefilled / prefill.step_s if prefilled else np.full(n, np.nan),
        "decode_tokens_per_s": 1.0 / tpot,
        "energy_j": energy,
        "energy_j_per_token": energy / workload.output_tokens,
        "dynamic_energy_j_per_token": dynamic / workload.output_tokens,
        "power_w": energy / e2e,
        "max_utilization": np.maximum(prefill.max_utilization, decode.max_utilization),
        "prefill_dsp": prefill.dsp,
        "decode_dsp": decode.dsp,
        "hbm_bytes_per_s": decode.hbm_bytes_per_s if hbm else np.full(n, np.nan),
        "hbm_fraction": decode.hbm_bytes_per_s / sustained,
    }
    return CostBatch(metrics, np.maximum(prefill.excess, decode.excess))


def evaluate_batch(batch: DesignBatch, context: Context) -> CostBatch:
    """Price a batch of designs, (n_points,) in, arrays of (n_points,) out; its HMT plug-in is that of the batch."""
    if batch.hmt is not None:
        context = replace(context, hmt=batch.hmt)
    return combine(summarise_prefill(batch.prefill, context), summarise_decode(batch.decode, context), context)


def missing_reasons(context: Context) -> dict[str, str]:
    """Why a metric has no value for this context; the same for every design."""
    missing = {"quality": "no quality model yet: perplexity of a scheme is not measured"}
    if context.workload.output_tokens == 1:
        for name in ("tpot_s", "decode_tokens_per_s"):
            missing[name] = "one output token: there is no further step"
    if context.workload.prompt_tokens == 1:
        missing["prefill_tokens_per_s"] = "one prompt token: it goes through decode, prefill has nothing to do"
    if context.device.power.configured_w is None:
        for name in ("energy_j", "energy_j_per_token", "power_w"):
            missing[name] = (
                f"no public idle power of {context.device.name}; set power.configured_w in a device file of your own"
            )
    if context.device.hbm is None:
        for name in ("hbm_bytes_per_s", "hbm_fraction"):
            missing[name] = f"{context.device.name} has no HBM"
    return missing
