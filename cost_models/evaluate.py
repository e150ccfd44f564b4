"""The composition: stages priced on their own, then combined into the metrics of a request.

Prefill and decode separate: a stage's summary depends on its own parameters only, and every metric is a simple
function of the two summaries (`combine`). The exact search rests on this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any, Generic

import numpy as np

from cost_models.arrays import BoolArray, FloatArray, ResourceArrays
from cost_models.blocks import Block, Frame, Moved, decode_block, prefill_block
from cost_models.calibrated import calibrate_power, calibrate_stage
from cost_models.capacity import stored_bytes
from cost_models.decode import evaluate_decode
from cost_models.deployment import co_resident_rules, shared_image_rules
from cost_models.excess import CapsAt, largest_excess
from cost_models.feasibility import (
    card_rules,
    clock_rule,
    ddr_rate_rule,
    memory_rules,
    power_rule,
    resource_rules,
    used_fractions,
)
from cost_models.frequency import clock_law
from cost_models.hmt import evaluate_hmt_prefill, plugin_stored_bytes
from cost_models.memory import ddr_bytes, fullest_channel_bytes, hbm_bytes
from cost_models.nonlinear import Fabric
from cost_models.power import attention_lanes, engine_activity, linear_lanes, stage_power_w, waiting_w
from cost_models.prefill import evaluate_prefill
from cost_models.quality import scheme_quality
from cost_models.row_sets import BatchT
from cost_models.stage_cost import StageCost, StageTotals
from cost_models.stage_setup import SCALE_BYTES, StageSetup, channel_scales, layer_scales, prefilled_tokens
from cost_models.stage_summary import StageSummary, weight_word
from spec.calibration import CalibrationTable
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch
from spec.design_point import DEFAULT_SYSTEM, SystemChoices
from spec.device import Device
from spec.hmt import HmtPlugin
from spec.hmt_rules import hmt_rules
from spec.legality import Rule, decode_rules, model_rules, prefill_rules
from spec.measured_clocks import MEASURED_MODEL, is_measured_card
from spec.metrics import METRICS
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.resources import RESOURCE_NAMES
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.versions import MODEL_VERSION
from spec.workload import Stage, Workload

STAGE_ENERGIES = ("prefill_energy_j_per_token", "decode_energy_j_per_token")
BLOCK_POINTS = 524_288  # distinct rows of what a law reads are a few thousand, evaluated in the time of a chunk
CHUNK_POINTS = 32_768  # few calls for each array, and the arrays in use stay in the caches
# From here on it pays to find the distinct rows of a stage's designs; fewer are priced one by one. Measured, and of no effect
# on any value.
ROWS_FROM = {"prefill": 10_000, "decode": 3_000}


@dataclass(frozen=True, slots=True)
class Context:
    """Everything that is the same for a whole batch.

    `caps_at`: where a cap holds an estimate against its bound. "band": at the low end of the error band, so that only
    what is too large for sure is infeasible: the verdict on a given design. "prediction": at the estimate itself, for a
    search, which would else walk to the end of the band; what is feasible then has no violation in the other reading.
    """

    model: ModelConfig
    device: Device
    workload: Workload
    scheme: QuantScheme
    timing: TimingTable = DEFAULT_TIMING_TABLE
    swap_s: float | None = None
    hmt: HmtPlugin | None = None
    calibration: CalibrationTable | None = None
    caps_at: CapsAt = "band"
    system: SystemChoices = DEFAULT_SYSTEM

    def __post_init__(self) -> None:
        """Refuse a calibration of another device, model version or timing table."""
        if self.calibration is not None:
            self.calibration.check_applies(self.device, MODEL_VERSION, self.timing.version)

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

    def setup(self, workload: Workload) -> StageSetup:
        """What the laws of a stage take, for the request as the stage sees it."""
        fabric = Fabric(self.device.dsp_kind, self.system.nonlinear_format)
        return StageSetup(self.model, workload, self.scheme, self.timing, fabric)

    @property
    def swap_time_s(self) -> float:
        """Seconds to load the decode bitstream: the given value, else the device's; none where both are loaded."""
        if self.system.deployment != "two_bitstreams":
            return 0.0
        return self.device.reconfiguration.swap_s if self.swap_s is None else self.swap_s

    @property
    def upload_s(self) -> float:
        """Seconds to write the decode weights and scales: loading a bitstream loses what the HBM held.

        Without the padding that a design adds to them, so the same for every design.
        """
        if self.system.deployment != "two_bitstreams":
            return 0.0
        model, scheme = self.model, self.scheme
        stored = (
            model.n_layers * model.layer_linear_weights * scheme.weight_bits / 8
            + model.lm_head_weights * scheme.lm_head_weight_bits / 8
            + model.n_layers * layer_scales(model, scheme) * SCALE_BYTES
            + model.vocab_size * channel_scales(model.hidden_dim, scheme) * SCALE_BYTES
        )
        return stored / self.device.reconfiguration.host_link_bytes_per_s

    @property
    def relayout_s(self) -> float:
        """Seconds to read the prefill KV cache back, reorder it and write it for decode, over the host link.

        None where both stages stand in one bitstream and share one layout of the cache.
        """
        if self.system.deployment == "co_resident" and self.system.kv_layout == "shared":
            return 0.0
        cache = 2 * self.model.n_layers * prefilled_tokens(self.window) * self.model.kv_dim * self.scheme.kv_bits / 8
        return 2 * cache / self.device.reconfiguration.host_link_bytes_per_s

    @property
    def between_s(self) -> float:
        """Seconds between the end of prefill and the first decode step."""
        return self.swap_time_s + self.upload_s + self.relayout_s


def linear_macs(stage: Stage, context: Context) -> float:
    """Multiply-accumulates of the linear layers in the whole prefill, or in one decode step."""
    model = context.model
    weights = float(model.n_layers * model.layer_linear_weights)
    if stage == "decode":
        return weights + model.lm_head_weights
    tokens = prefilled_tokens(context.workload)
    if context.hmt is not None:
        tokens = sum(window.count * window.rows for window in context.hmt.windows(tokens))
    return weights * tokens


def attention_macs(stage: Stage, context: Context, causal: bool) -> float:
    """Multiply-accumulates of QK and AV in the whole prefill, or in the mean decode step after the first. `causal`: about half
    of the keys of a prompt are skipped.
    """
    model = context.model
    a_key = 2.0 * model.n_layers * model.q_dim
    if stage == "decode":
        request = context.window
        shortest = request.prompt_tokens + (1 if request.output_tokens > 1 else 0)
        return a_key * (shortest + request.context_tokens) / 2
    tokens = prefilled_tokens(context.workload)
    windows = [(1, tokens)]
    if context.hmt is not None:
        windows = [(window.count, window.rows) for window in context.hmt.windows(tokens)]
    return a_key * sum(count * rows * rows for count, rows in windows) / (2 if causal else 1)


def _check_one_set(batch: PrefillBatch | DecodeBatch) -> None:
    if batch.module_set is not None:
        raise ValueError("designs of several sets of modules: summarise_prefill and summarise_decode take them apart")


def _clock(batch: PrefillBatch | DecodeBatch, context: Context) -> Callable[[ResourceArrays], FloatArray]:
    """The clock law; what was measured counts for the measured model on the measured card only."""
    known = context.model.name == MEASURED_MODEL and is_measured_card(context.device)
    return clock_law(batch if known else replace(batch, clock_measured=None), context.device, context.system.deployment)


def price_prefill(batch: PrefillBatch, context: Context) -> StageCost:
    """The laws of prefill at the achieved clock, for designs of one set of modules."""
    _check_one_set(batch)
    clock = _clock(batch, context)
    if context.hmt is not None:
        cost = evaluate_hmt_prefill(batch, context.setup(context.workload), context.hmt, clock)
    else:
        cost = evaluate_prefill(batch, context.setup(context.workload), clock)
    return calibrate_stage(cost, context.calibration)


def price_decode(batch: DecodeBatch, context: Context) -> StageCost:
    """The laws of decode at the achieved clock, for designs of one set of modules."""
    _check_one_set(batch)
    clock = _clock(batch, context)
    cost = evaluate_decode(batch, context.setup(context.window), clock)
    return calibrate_stage(cost, context.calibration)


def prefill_constraints(cost: StageCost, batch: PrefillBatch, context: Context) -> Iterable[Rule]:
    """Every rule that a prefill design must hold."""
    yield from model_rules(len(batch), context.model, context.scheme, {batch.modules[0].linear_pe})
    yield from prefill_rules(batch, context.model, context.device, context.scheme)
    if context.hmt is not None:
        yield from hmt_rules(batch, context.hmt, context.model, prefilled_tokens(context.workload))
    yield from resource_rules(cost, batch, context.device)
    yield clock_rule(cost.stage, batch, context.device)
    beside = plugin_stored_bytes(context.model, context.workload, len(batch)) if context.hmt is not None else {}
    yield from memory_rules(cost, batch, context.model, context.device, context.prefill_window, context.scheme, beside)


def decode_constraints(cost: StageCost, batch: DecodeBatch, context: Context) -> Iterable[Rule]:
    """Every rule that a decode design must hold."""
    if batch.modules[0].linear_pe == "dsp2":  # the other rules of the model come with those of prefill
        yield next(iter(model_rules(len(batch), context.model, context.scheme)))
    yield from decode_rules(batch, context.model, context.device, context.scheme)
    yield from resource_rules(cost, batch, context.device)
    yield clock_rule(cost.stage, batch, context.device)
    yield from memory_rules(cost, batch, context.model, context.device, context.window, context.scheme)


def stage_summary(
    cost: StageCost, batch: PrefillBatch | DecodeBatch, rules: Iterable[Rule], context: Context
) -> StageSummary:
    """What the metrics take of priced designs of one stage; `rules` decide feasibility."""
    held = None
    if context.system.deployment == "co_resident":
        window = context.prefill_window if cost.stage == "prefill" else context.window
        held = fullest_channel_bytes(batch, stored_bytes(cost, batch, context.model, window, context.scheme))
    moved = Moved(hbm_bytes(batch, cost.traffic_bytes), ddr_bytes(batch, cost.traffic_bytes))
    used = used_fractions(cost.resources, context.device)
    return _summary(cost, batch, moved, used, rules, _coupling(cost, batch, held, context), context)


def _summary(
    cost: StageTotals,
    batch: PrefillBatch | DecodeBatch,
    moved: Moved,
    used: Mapping[str, FloatArray],
    rules: Iterable[Rule],
    coupling: dict[str, FloatArray],
    context: Context,
) -> StageSummary:
    step_s, first_s = cost.latency_s, cost.first_latency_s
    # One output token has no further step: its traffic is that of the first.
    duration, cycles = step_s, cost.cycles
    if not step_s.all():
        duration = np.where(step_s > 0, step_s, first_s)
        cycles = np.where(step_s > 0, cost.cycles, cost.first_cycles)
    rate, ddr_rate = _per_second(moved.hbm_bytes, duration), _per_second(moved.ddr_bytes, duration)
    modules = batch.modules[0]
    attending = attention_macs(cost.stage, context, getattr(modules, "attention_mask", "full") == "causal_skip")
    power, dynamic = stage_power_w(
        cost.resources,
        engine_activity(linear_lanes(batch), linear_macs(cost.stage, context), cycles),
        cost.clock_mhz,
        rate,
        context.device,
        cost.attention_j,
        engine_activity(attention_lanes(batch, context.model.gqa_group), attending, cycles),
        ddr_rate,
    )
    power, dynamic = calibrate_power(power, dynamic, cost.stage, context.calibration)
    device = context.device
    all_rules = chain(rules, power_rule(cost.stage, power, device), ddr_rate_rule(cost.stage, ddr_rate, batch, device))
    return StageSummary(
        first_s=first_s,
        step_s=step_s,
        power_w=power,
        dynamic_w=dynamic,
        max_utilization=np.maximum.reduce(list(used.values())),
        dsp=cost.resources.dsp,
        hbm_bytes_per_s=rate,
        excess=largest_excess(all_rules, len(batch), context.caps_at),
        lut=cost.resources.lut,
        ff=cost.resources.ff,
        bram_18k=cost.resources.bram_18k,
        uram=cost.resources.uram,
        **coupling,
    )


def _per_second(moved_bytes: FloatArray, seconds: FloatArray) -> FloatArray:
    """(n_points,), 0 where nothing takes time."""
    if seconds.all():
        return np.asarray(moved_bytes / seconds)
    return np.divide(moved_bytes, seconds, out=np.zeros(len(seconds)), where=seconds > 0)


def _coupling(
    cost: StageTotals, batch: PrefillBatch | DecodeBatch, channel_bytes: FloatArray | None, context: Context
) -> dict[str, FloatArray]:
    """The columns that only pairs need, zero where the system does not couple its stages. `channel_bytes`: on the fullest
    HBM channel, None where each stage has the card for itself.
    """
    zero: FloatArray = np.broadcast_to(0.0, (len(batch),))
    system = context.system
    names = ("hbm_ports", "hbm_channel_bytes", "cache_word", "weight_word", "clock_w")
    columns: dict[str, FloatArray] = dict.fromkeys(names, zero)
    if channel_bytes is not None:
        columns["hbm_ports"] = batch.placements.hbm_ports.number.astype(np.float64)[batch.placement]
        columns["hbm_channel_bytes"] = channel_bytes
        columns["clock_w"] = waiting_w(cost.resources.ff, cost.clock_mhz, context.device)
    if system.kv_layout == "shared":
        columns["cache_word"] = batch.key_parallelism + batch.value_parallelism * 2.0**20
    if system.weight_copies == "shared":
        columns["weight_word"] = weight_word(batch)
    return columns


def _chunks(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, max(n, 1), size)]


@dataclass(frozen=True, slots=True)
class _Pricing(Generic[BatchT]):
    """How designs of one stage and one set of modules are priced. `block`: lays out what few columns decide, once for many
    chunks; where there is none `price` takes each chunk as it comes.
    """

    stage: Stage
    context: Context
    block: Callable[[BatchT], Block[BatchT]] | None
    price: Callable[[BatchT], StageSummary]

    def parts(self, batch: BatchT) -> Iterator[tuple[slice, StageSummary]]:
        """Chunk by chunk, in order; the chunks follow from the number of designs alone."""
        many = len(batch) >= ROWS_FROM[self.stage]
        tabled = many and batch.modules[0].process_granularity == "array" and self.context.calibration is None
        for whole in _chunks(len(batch), BLOCK_POINTS):
            laid_out = self.block(batch.take(whole)) if self.block is not None and tabled else None
            for chunk in _chunks(whole.stop - whole.start, CHUNK_POINTS):
                there = slice(whole.start + chunk.start, whole.start + chunk.stop)
                if laid_out is None:
                    yield there, self.price(batch.take(there))
                else:
                    yield there, block_summary(laid_out, chunk, self.context)

    def summary(self, batch: BatchT) -> StageSummary:
        """Of a whole batch, each set of modules on its own: the laws branch on it once a chunk. Results are written in place,
        so that memory does not grow with the number of chunks.
        """
        result = StageSummary.empty(len(batch))
        if batch.module_set is None:
            for there, found in self.parts(batch):
                result.put(there, found)
            return result
        few = len(batch.modules) <= 2**16  # NumPy sorts numbers of 16 bits by counting
        order = np.argsort(batch.module_set.astype(np.uint16) if few else batch.module_set, kind="stable")
        bounds = np.searchsorted(batch.module_set.take(order), np.arange(len(batch.modules) + 1))
        for i, modules in enumerate(batch.modules):
            one_set: Any = {"modules": (modules,), "module_set": None}
            index = order[bounds[i] : bounds[i + 1]]
            if len(index):
                for there, found in self.parts(replace(batch, **one_set).take(index)):
                    result.put(index[there], found)
        return result


def block_summary(block: Block[BatchT], part: slice, context: Context) -> StageSummary:
    """What the metrics take of the designs of a block in `part`."""
    batch, totals, device = block.batch.take(part), block.totals(part), context.device
    used = used_fractions(totals.resources, device)
    rules = card_rules(block.stage, totals.resources, used, device)
    held = None if block.channel_bytes is None else block.channel_bytes[part]
    coupling = _coupling(totals, batch, held, context)
    summary = _summary(totals, batch, block.moved(part), used, rules, coupling, context)
    np.maximum(summary.excess, block.excess[part], out=summary.excess)
    return summary


def _prefill_pricing(context: Context) -> _Pricing[PrefillBatch]:
    coupled = context.system.deployment == "co_resident"

    def block(part: PrefillBatch) -> Block[PrefillBatch]:
        frame = Frame(context.setup(context.workload), context.device, context.prefill_window, context.caps_at, coupled)
        return prefill_block(part, frame, _clock(part, context))

    def price(part: PrefillBatch) -> StageSummary:
        cost = price_prefill(part, context)
        return stage_summary(cost, part, prefill_constraints(cost, part, context), context)

    return _Pricing("prefill", context, block if context.hmt is None else None, price)


def _decode_pricing(context: Context) -> _Pricing[DecodeBatch]:
    coupled = context.system.deployment == "co_resident"

    def block(part: DecodeBatch) -> Block[DecodeBatch]:
        frame = Frame(context.setup(context.window), context.device, context.window, context.caps_at, coupled)
        return decode_block(part, frame, _clock(part, context))

    def price(part: DecodeBatch) -> StageSummary:
        cost = price_decode(part, context)
        return stage_summary(cost, part, decode_constraints(cost, part, context), context)

    return _Pricing("decode", context, block, price)


def summarise_prefill(batch: PrefillBatch, context: Context) -> StageSummary:
    """Price a batch of prefill designs, constraints included; memory does not grow with the batch beyond the result."""
    return _prefill_pricing(context).summary(batch)


def summarise_decode(batch: DecodeBatch, context: Context) -> StageSummary:
    """Price a batch of decode designs, constraints included."""
    return _decode_pricing(context).summary(batch)


@dataclass(frozen=True, slots=True)
class CostBatch:
    """Metrics by registry name and the largest constraint excess, each (n_points,). NaN marks a missing value."""

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
    between_s = context.between_s
    decode_s = decode.first_s + further * decode.step_s
    ttft = prefill.step_s + between_s + decode.first_s
    # Summed stage by stage: rounding then never turns an order of two designs of one stage around.
    e2e = prefill.step_s + between_s + decode_s
    idle_w = device.power.configured_w if device.power.configured_w is not None else np.nan
    # Of two cards the one that waits draws its idle power.
    card_w = idle_w if context.system.deployment == "two_cards" else 0.0
    # Of two kernels in one bitstream the one that waits is clocked.
    prefill_waits: FloatArray | float = 0.0
    decode_waits: FloatArray | float = 0.0
    if context.system.deployment == "co_resident":
        prefill_waits, decode_waits = prefill.clock_w, decode.clock_w
    energy = (
        (prefill.power_w + decode_waits + card_w) * prefill.step_s
        + (idle_w + prefill_waits + decode_waits + card_w) * between_s
        + (decode.power_w + prefill_waits + card_w) * decode_s
    )
    dynamic = (
        (prefill.dynamic_w + decode_waits) * prefill.step_s
        + (prefill_waits + decode_waits) * between_s
        + (decode.dynamic_w + prefill_waits) * decode_s
    )
    n = len(ttft)
    tpot = decode.step_s if further else np.full(n, np.nan)
    prefilled = prefilled_tokens(workload)
    hbm = device.hbm
    sustained = hbm.channels * hbm.channel_sustained_bytes_per_s if hbm else np.nan
    quality = scheme_quality(context.model, context.scheme)
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
        "max_utilization": pair_utilization(prefill, decode, context),
        "prefill_energy_j_per_token": (
            (prefill.power_w + decode_waits) * prefill.step_s / prefilled if prefilled else np.full(n, np.nan)
        ),
        "decode_energy_j_per_token": (decode.power_w + prefill_waits) * decode_s / workload.output_tokens,
        **{f"prefill_{kind}": getattr(prefill, kind) for kind in RESOURCE_NAMES},
        **{f"decode_{kind}": getattr(decode, kind) for kind in RESOURCE_NAMES},
        "hbm_bytes_per_s": decode.hbm_bytes_per_s if hbm else np.full(n, np.nan),
        "hbm_fraction": decode.hbm_bytes_per_s / sustained,
        "card_cost_usd": np.full(n, np.nan if device.price_usd is None else device.price_usd * _cards(context)),
        "quality": np.full(n, np.nan if quality.value is None else quality.value),
    }
    excess = np.maximum(prefill.excess, decode.excess)
    pairs = largest_excess(pair_constraints(prefill, decode, context), n, context.caps_at)
    return CostBatch(metrics, np.maximum(excess, pairs))


def _cards(context: Context) -> int:
    return 2 if context.system.deployment == "two_cards" else 1


def pair_constraints(prefill: StageSummary, decode: StageSummary, context: Context) -> Iterable[Rule]:
    """Every rule that couples the two stages: what one bitstream must hold of both, and images that both read."""
    if context.system.deployment == "co_resident":
        yield from co_resident_rules(prefill, decode, context.device, context.system)
    yield from shared_image_rules(prefill, decode, context.system)


def pair_utilization(prefill: StageSummary, decode: StageSummary, context: Context) -> FloatArray:
    """Largest used fraction of the card over resource kinds and bitstreams, shell included, (n_points,)."""
    if context.system.deployment != "co_resident":
        return np.maximum(prefill.max_utilization, decode.max_utilization)
    both = used_fractions(prefill.resources_with(decode), context.device)
    return np.asarray(np.maximum.reduce(list(both.values())))


def evaluate_batch(batch: DesignBatch, context: Context) -> CostBatch:
    """Price a batch of designs, (n_points,) in, arrays of (n_points,) out; plug-in and system choices are the batch's."""
    # Before anything is priced: room that lies above what a chunk needs is given back at the end, and faulted in the next time.
    columns, excess = {name: np.empty(len(batch)) for name in METRICS}, np.empty(len(batch))
    names: list[str] = []
    for chunk, costs in evaluate_chunks(batch, context):
        names = list(costs.metrics)
        for name, values in costs.metrics.items():
            columns[name][chunk] = values
        excess[chunk] = costs.excess
    return CostBatch({name: columns[name] for name in names}, excess)


def evaluate_chunks(batch: DesignBatch, context: Context) -> Iterator[tuple[slice, CostBatch]]:
    """The same part by part, (designs, their costs): for batches whose metrics are not wanted all at once. Memory does not
    grow with the batch beyond the batch itself.
    """
    if batch.hmt is not None:
        context = replace(context, hmt=batch.hmt)
    if batch.system != context.system:
        context = replace(context, system=batch.system)
    first, second = _prefill_pricing(context), _decode_pricing(context)
    one_set = batch.prefill.module_set is None and batch.decode.module_set is None
    for block in _chunks(len(batch), BLOCK_POINTS):
        prefill, decode = batch.prefill.take(block), batch.decode.take(block)
        if one_set:  # both stages chunk by chunk: no summary of the whole block is made
            for (chunk, a), (_, b) in zip(first.parts(prefill), second.parts(decode), strict=True):
                yield slice(block.start + chunk.start, block.start + chunk.stop), combine(a, b, context)
            continue
        whole = first.summary(prefill), second.summary(decode)
        for chunk in _chunks(block.stop - block.start, CHUNK_POINTS):
            costs = combine(whole[0].take(chunk), whole[1].take(chunk), context)
            yield slice(block.start + chunk.start, block.start + chunk.stop), costs


def evaluate_product(prefill: PrefillBatch, decode: DecodeBatch, context: Context) -> Iterator[tuple[int, CostBatch]]:
    """Price every pair of a prefill and a decode design: (index of the prefill design, its pairs with all of `decode`).

    The stages separate, so each stage design is priced once and a pair costs what `combine` costs; the values are those of
    `evaluate_batch`, bit for bit. Yields one prefill design at a time: memory does not grow with the number of pairs.
    """
    first, second = summarise_prefill(prefill, context), summarise_decode(decode, context)
    for i in range(len(prefill)):
        repeated = StageSummary(*(np.broadcast_to(getattr(first, f.name)[i], (len(decode),)) for f in fields(first)))
        yield i, combine(repeated, second, context)


def missing_reasons(context: Context) -> dict[str, str]:
    """Why a metric has no value for this context; the same for every design."""
    quality = scheme_quality(context.model, context.scheme)
    missing = {} if quality.missing is None else {"quality": quality.missing}
    if context.workload.output_tokens == 1:
        for name in ("tpot_s", "decode_tokens_per_s"):
            missing[name] = "one output token: there is no further step"
    if context.workload.prompt_tokens == 1:
        for name in ("prefill_tokens_per_s", "prefill_energy_j_per_token"):
            missing[name] = "one prompt token: it goes through decode, prefill has nothing to do"
    if context.device.power.configured_w is None:
        for name in ("energy_j", "energy_j_per_token", *STAGE_ENERGIES, "power_w"):
            missing[name] = (
                f"no public idle power of {context.device.name}; set power.configured_w in a device file of your own"
            )
    if context.device.price_usd is None:
        missing["card_cost_usd"] = (
            f"the device file of {context.device.name} states no price; set price_usd in a device file of your own"
        )
    if context.device.hbm is None:
        for name in ("hbm_bytes_per_s", "hbm_fraction"):
            missing[name] = f"{context.device.name} has no HBM"
    return missing
