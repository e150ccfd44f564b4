"""Laws that hold for every design: batches, breakdowns, monotone directions, units, edges of the workload and card."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models import evaluate as evaluate_module
from cost_models import row_sets
from cost_models.arrays import ceil_div
from cost_models.evaluate import (
    STAGE_ENERGIES,
    Context,
    StageSummary,
    decode_constraints,
    evaluate_batch,
    evaluate_product,
    missing_reasons,
    prefill_constraints,
    price_decode,
    price_prefill,
    stage_summary,
    summarise_decode,
    summarise_prefill,
)
from cost_models.kernels import parts as parts_module
from cost_models.linear import gemv_cycles, systolic_cycles
from cost_models.report import evaluate_point, metrics_of
from dse.space import DesignSpace, design_space
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DecodeBatch, DesignBatch, FloatArray, PrefillBatch
from spec.device import Device
from spec.metrics import METRICS
from spec.module_choices import DecodeModules
from spec.quant_scheme import W4A4KV8
from spec.spread_memory_map import spread_memory_map
from spec.workload import Workload

Draw = Callable[[DesignSpace, int, int], DesignBatch]
SpaceOf = Callable[[str, str], DesignSpace]

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
PAIRS = [
    ("llama-3.2-1b", "u280"),
    ("smollm2-135m", "u280"),
    ("qwen2.5-1.5b", "u55c"),
    ("qwen3-0.6b", "v80"),
    ("llama-3.1-8b", "v80"),
]
seeds = st.integers(0, 2**32 - 1)
tokens = st.one_of(st.integers(1, 40), st.integers(41, 2000))
few = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def fast_u280() -> Device:
    """Memory that always delivers, clocks without end: what is left is structure."""
    assert U280.hbm is not None
    boundless = {"channel_peak_bytes_per_s": 1e12, "channel_sustained_bytes_per_s": 1e12, "efficiency": 1.0}
    hbm = U280.hbm.model_copy(update={**boundless, "memory_port_mhz": 2000.0, "memory_port_bits": 1024})
    return U280.model_copy(update={"hbm": hbm})


def context(model: str, device: str | Device, prompt: int, output: int) -> Context:
    card = load_device(device) if isinstance(device, str) else device
    return Context(load_model(model), card, Workload(prompt_tokens=prompt, output_tokens=output), W4A4KV8)


def at_their_target(batch: PrefillBatch) -> PrefillBatch:
    """The same designs at the clock that they ask for, whatever the tools are expected to reach."""
    return replace(batch, clock_measured=np.ones(len(batch), dtype=bool))


def prefill_seconds(batch: PrefillBatch, ctx: Context) -> FloatArray:
    return price_prefill(batch, ctx).latency_s


def decode_seconds(batch: DecodeBatch, ctx: Context) -> FloatArray:
    """The first step."""
    return price_decode(batch, ctx).first_latency_s


def no_slower(fast: FloatArray, slow: FloatArray) -> bool:
    """Rounding of sums in another order aside."""
    return bool(np.all(fast <= slow * (1 + 1e-12)))


# --- batches


@few
@given(st.sampled_from(PAIRS), seeds, tokens, tokens)
def test_a_batch_is_a_loop_of_batches_of_one(
    space_of: SpaceOf, random_designs: Draw, same_bits: Any, pair: tuple[str, str], seed: int, prompt: int, output: int
) -> None:
    """Bit for bit, whatever else is in the batch, in any order, by rows or one by one."""
    ctx = context(*pair, prompt, output)
    batch = random_designs(space_of(*pair), 12, seed)
    whole = evaluate_batch(batch, ctx)
    order = np.random.default_rng(seed).permutation(12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_module, "ROWS_FROM", {"prefill": 1, "decode": 1})
        shuffled = evaluate_batch(batch.take(order), ctx)
    for i in range(12):
        one = evaluate_batch(batch.take(slice(i, i + 1)), ctx)
        for name, values in whole.metrics.items():
            assert same_bits(one.metrics[name], values[i : i + 1]), name
            assert same_bits(shuffled.metrics[name], values[order]), name
        assert same_bits(one.excess, whole.excess[i : i + 1])


def test_chunks_do_not_show(
    space_of: SpaceOf, random_designs: Draw, same_bits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Priced one by one and by rows, in parts of any size; at a target that the card does not reach too."""
    ctx = context("llama-3.2-1b", "u280", 700, 300)
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 1000, 2)
    clocks = np.where(np.arange(1000) % 5 == 0, 330.0, batch.decode.clock_mhz)
    batch = replace(batch, decode=replace(batch.decode, clock_mhz=clocks))
    whole = evaluate_batch(batch, ctx)
    monkeypatch.setattr(evaluate_module, "ROWS_FROM", {"prefill": 1, "decode": 1})
    for size in (1, 7, 999, 1000):
        monkeypatch.setattr(evaluate_module, "CHUNK_POINTS", size)
        monkeypatch.setattr(row_sets, "CHUNK", size + 3)
        monkeypatch.setattr(parts_module, "SUM_POINTS", size + 5)
        monkeypatch.setattr(evaluate_module, "BLOCK_POINTS", max(3 * size // 2, 20))
        parts = evaluate_batch(batch.take(slice(0, 200)) if size == 1 else batch, ctx)
        for name, values in parts.metrics.items():
            assert same_bits(values, whole.metrics[name][: len(values)]), name
        assert same_bits(parts.excess, whole.excess[: len(parts.excess)])


def test_an_empty_batch_is_priced(space_of: SpaceOf, random_designs: Draw) -> None:
    costs = evaluate_batch(
        random_designs(space_of("llama-3.2-1b", "u280"), 0, 0), context("llama-3.2-1b", "u280", 9, 9)
    )
    assert len(costs.excess) == 0
    assert all(len(values) == 0 for values in costs.metrics.values())


# --- breakdown


@few
@given(st.sampled_from(PAIRS), seeds, tokens, tokens)
def test_critical_cycles_of_modules_sum_to_the_stage(
    space_of: SpaceOf, random_designs: Draw, pair: tuple[str, str], seed: int, prompt: int, output: int
) -> None:
    ctx = context(*pair, prompt, output)
    batch = random_designs(space_of(*pair), 50, seed)
    prefill, decode = price_prefill(batch.prefill, ctx), price_decode(batch.decode, ctx)
    decode_cycles = decode.cycles if output > 1 else decode.first_cycles
    for cost, cycles in ((prefill, prefill.cycles), (decode, decode_cycles)):
        np.testing.assert_allclose(sum(m.critical for m in cost.modules), cycles, rtol=1e-12)
        for module in cost.modules:
            assert np.all(module.critical >= 0), module.name
            assert np.all(module.hbm_bound >= 1), module.name
        parts = cost.module_resources.values()
        for kind, amount in cost.resources.items():
            np.testing.assert_allclose(sum(getattr(part, kind) for part in parts), amount, rtol=1e-12, err_msg=kind)
    # A module of prefill works no longer than the stage lasts.
    for module in prefill.modules:
        assert no_slower(module.busy, prefill.cycles), module.name


# --- monotone directions


@few
@given(st.sampled_from(PAIRS), seeds, st.integers(2, 3000), st.integers(1, 500))
def test_a_longer_prompt_is_never_faster(
    space_of: SpaceOf, random_designs: Draw, pair: tuple[str, str], seed: int, prompt: int, more: int
) -> None:
    batch = random_designs(space_of(*pair), 40, seed)
    short, long = context(*pair, prompt, 2), context(*pair, prompt + more, 2)
    assert no_slower(prefill_seconds(batch.prefill, short), prefill_seconds(batch.prefill, long))
    assert np.all(decode_seconds(batch.decode, short) < decode_seconds(batch.decode, long))


@few
@given(st.sampled_from(PAIRS), seeds, st.integers(1, 1000), st.integers(1, 500), st.integers(1, 500))
def test_more_output_is_never_faster(
    space_of: SpaceOf, random_designs: Draw, pair: tuple[str, str], seed: int, prompt: int, output: int, more: int
) -> None:
    batch = random_designs(space_of(*pair), 40, seed)
    short = evaluate_batch(batch, context(*pair, prompt, output))
    long = evaluate_batch(batch, context(*pair, prompt, output + more))
    assert np.all(short.metrics["e2e_latency_s"] < long.metrics["e2e_latency_s"])
    # The first token waits for no output: only for the clock of a kernel whose caches and sums are larger.
    assert no_slower(short.metrics["ttft_s"], long.metrics["ttft_s"])
    np.testing.assert_allclose(short.metrics["ttft_s"], long.metrics["ttft_s"], rtol=0.05)
    if output > 1:
        assert np.all(short.metrics["tpot_s"] < long.metrics["tpot_s"])


@few
@given(st.sampled_from(PAIRS), seeds, st.floats(50, 900), st.floats(1.01, 3))
def test_a_higher_clock_is_never_slower(
    space_of: SpaceOf, random_designs: Draw, pair: tuple[str, str], seed: int, clock: float, faster: float
) -> None:
    device = load_device(pair[1])
    device = device.model_copy(update={"clock": device.clock.model_copy(update={"max_mhz": 5000.0})})
    ctx = Context(load_model(pair[0]), device, Workload(prompt_tokens=200, output_tokens=9), W4A4KV8)
    batch = random_designs(space_of(*pair), 40, seed)
    n = len(batch)

    def at(mhz: float) -> tuple[FloatArray, FloatArray]:
        prefill = replace(batch.prefill, clock_mhz=np.full(n, mhz))
        decode = replace(batch.decode, clock_mhz=np.full(n, mhz))
        return prefill_seconds(prefill, ctx), decode_seconds(decode, ctx)

    slow, fast = at(clock), at(clock * faster)
    assert no_slower(fast[0], slow[0])
    assert no_slower(fast[1], slow[1])


def test_clock_stops_at_the_highest_published() -> None:
    ctx = context("llama-3.2-1b", "u280", 100, 2)
    batch = DesignBatch.from_points([load_design("flexllm-u280-base")], U280)
    asked = replace(batch.prefill, clock_mhz=np.array([900.0]))
    assert price_prefill(asked, ctx).clock_mhz[0] == U280.clock.max_mhz


PREFILL_LANES = ["qkvo_weight_parallelism", "ffn_weight_parallelism", "key_parallelism", "value_parallelism"]


@pytest.mark.parametrize("field", PREFILL_LANES)
def test_more_prefill_lanes_are_never_slower(
    space_of: SpaceOf, random_designs: Draw, fast_u280: Device, field: str
) -> None:
    """With memory that delivers and a prompt that every block size divides, so that padding is the same."""
    ctx = context("llama-3.2-1b", fast_u280, 3841, 1)
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 400, 8).prefill
    batch = batch.take(
        np.flatnonzero(3840 % np.lcm(np.maximum(batch.token_parallelism, batch.key_parallelism), 4) == 0)
    )
    doubled = 2 * getattr(batch, field)
    limit = 64 if field in ("key_parallelism", "value_parallelism") else 8192
    more = replace(batch, **{field: np.minimum(doubled, limit)})
    if field == "key_parallelism":  # padding must not change
        fits = 3840 % np.lcm(np.maximum(more.token_parallelism, more.key_parallelism), 4) == 0
        batch, more = batch.take(np.flatnonzero(fits)), more.take(np.flatnonzero(fits))
    assert len(batch) > 50
    assert no_slower(price_prefill(more, ctx).cycles, price_prefill(batch, ctx).cycles)


def test_more_token_lanes_are_never_slower(space_of: SpaceOf, random_designs: Draw, fast_u280: Device) -> None:
    ctx = context("llama-3.2-1b", fast_u280, 3841, 1)
    batch = at_their_target(random_designs(space_of("llama-3.2-1b", "u280"), 400, 9).prefill)
    more = replace(batch, token_parallelism=2 * batch.token_parallelism)
    fits = [3840 % np.lcm(np.maximum(b.token_parallelism, b.key_parallelism), 4) == 0 for b in (batch, more)]
    both = np.flatnonzero(fits[0] & fits[1])
    assert len(both) > 50
    cycles = price_prefill(batch.take(both), ctx).cycles
    twice = price_prefill(more.take(both), ctx).cycles
    assert no_slower(twice, cycles)
    # Fill does not shrink. Where attention grows, blocks twice as large run twice as many tokens ahead.
    causal = batch.modules[0].attention_mask == "causal_skip"
    assert np.all(twice > (0.45 if causal else 0.5) * cycles)


@pytest.mark.parametrize("field", ["head_parallelism", "key_parallelism", "value_parallelism", "vector_parallelism"])
def test_more_decode_lanes_are_never_slower(
    space_of: SpaceOf, random_designs: Draw, fast_u280: Device, field: str
) -> None:
    ctx = context("llama-3.2-1b", fast_u280, 500, 50)
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 400, 10).decode
    more = replace(batch, **{field: np.minimum(2 * getattr(batch, field), 64)})
    before, after = price_decode(batch, ctx), price_decode(more, ctx)
    # RMSNorm merges the sums of its lanes one by one: a cycle a lane, three times a layer and once at the end.
    merged = (more.vector_parallelism - batch.vector_parallelism) * (3.0 * LLAMA.n_layers + 1)
    assert no_slower(after.cycles - merged, before.cycles)
    assert no_slower(after.first_cycles - merged, before.first_cycles)


def test_more_engine_blocks_are_never_slower_while_scales_keep_up(
    space_of: SpaceOf, random_designs: Draw, fast_u280: Device
) -> None:
    """Up to `lanes + W = d_in` of the shortest pass. Twice the blocks halve the passes; only merging top-k grows. The
    dequantizer is pipelined: one that is not holds up each pass all the more, the more outputs it has.
    """
    ctx = context("llama-3.2-1b", fast_u280, 500, 50)
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 3000, 11).decode
    batch = replace(batch, modules=(DecodeModules(dequantizer="pipelined"),), module_set=None)
    lanes = 2 * batch.block_parallelism * batch.weight_parallelism
    keeps_up = np.flatnonzero(lanes + batch.weight_parallelism <= LLAMA.hidden_dim)
    batch = batch.take(keeps_up)
    assert len(batch) > 100
    table, width = batch.placements, batch.placements.width_bits.copy()
    width[:, table.role("weights")] *= 2  # ports that still deliver a step each cycle
    more = replace(batch, block_parallelism=2 * batch.block_parallelism, placements=replace(table, width_bits=width))
    assert no_slower(price_decode(more, ctx).cycles, price_decode(batch, ctx).cycles)


def test_engine_splits_cost_inputs_and_no_cycles(space_of: SpaceOf, random_designs: Draw) -> None:
    ctx = context("llama-3.2-1b", "u280", 500, 50)
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 200, 12).decode
    measured = np.ones(len(batch), dtype=bool)  # at the clock that they ask for
    one, four = (replace(batch, engine_splits=np.full(len(batch), n), clock_measured=measured) for n in (1, 4))
    a, b = price_decode(one, ctx), price_decode(four, ctx)
    assert np.array_equal(a.cycles, b.cycles)
    assert np.all(a.resources.lut < b.resources.lut)  # an input in as many banks, a copy a part
    assert np.all(a.resources.bram_18k <= b.resources.bram_18k)


# Where more is slower. Each is a property of the hardware, not of the model; a change here needs an argument.


def test_exception_a_wider_port_may_be_slower() -> None:
    """72 lanes need a 512-bit port where 64 need 256: the U280's channel feeds it 1.5 times too slowly at 300 MHz."""

    def cycles(lanes: int) -> float:
        design = load_design("flexllm-u280")
        sizes = {"qkvo_weight_parallelism": lanes, "ffn_weight_parallelism": 128, "ffn_weight_blocks": 2,
                 "value_parallelism": 32}  # fmt: skip
        prefill = design.prefill.model_copy(update=sizes)
        ports = spread_memory_map(prefill, design.decode, U280, W4A4KV8)
        point = design.model_copy(update={"prefill": prefill, "memory_map": ports})
        batch = DesignBatch.from_points([point], U280).prefill
        return float(price_prefill(batch, context("llama-3.2-1b", "u280", 1025, 1)).cycles[0])

    assert cycles(56) > cycles(64)
    assert cycles(72) > cycles(64)


def test_exception_padding_to_whole_blocks() -> None:
    """48 tokens a block pad 100 to 144, 40 pad them to 120: more lanes, more keys, no fewer blocks."""
    batch = DesignBatch.from_points([load_design("flexllm-u280")] * 2, U280).prefill
    batch = replace(batch, token_parallelism=np.array([40, 48]), key_parallelism=np.array([8, 8]))
    cycles = price_prefill(batch, context("llama-3.2-1b", "u280", 101, 1)).cycles
    assert cycles[1] > cycles[0]


def test_exception_scales_arrive_one_a_cycle() -> None:
    """Past `lanes + W = d_in` a pass lasts as long as its scales. K and V of SmolLM2-135M (hidden 576) are one pass of
    1024 lanes as of 2048, and the second lasts twice as long.
    """
    batch = DesignBatch.from_points([load_design("flexllm-u280")] * 2, U280).decode
    batch = replace(
        batch, block_parallelism=np.array([16, 32]), weight_parallelism=np.array([64, 64]),
        modules=(DecodeModules(dequantizer="pipelined"),),
    )  # fmt: skip
    modules = price_decode(batch, context("smollm2-135m", "u280", 100, 2)).modules
    assert modules[0].name == "kv_proj"
    assert modules[0].critical.tolist() == [30 * (1024 + 64 + 8), 30 * (2048 + 64 + 8)]


def test_ceil_effects_of_the_linear_laws() -> None:
    """A pass more for one channel too many; lanes beyond the output gain nothing."""
    one = np.ones(4)
    assert systolic_cycles(64, 96, np.array([48, 47, 95, 96]), one, 0.0).tolist() == [192, 256, 192, 128]
    assert gemv_cycles(64, 96, np.array([96, 97, 200, 95]), one, 0.0).tolist() == [64, 64, 64, 128]
    assert LLAMA.padded_vocab_size == 131_072


@given(st.integers(0, 2**45), st.integers(1, 2**20))
def test_division_rounded_up_is_exact(numerator: int, denominator: int) -> None:
    assert ceil_div(numerator, np.array([denominator]))[0] == -(-numerator // denominator)
    assert (
        ceil_div(numerator * denominator, np.array([denominator]))[0] == numerator or numerator * denominator >= 2**53
    )


# --- values and units


@few
@given(st.sampled_from(PAIRS), seeds, tokens, tokens)
def test_values_are_finite_and_positive_or_declared_missing(
    space_of: SpaceOf, random_designs: Draw, pair: tuple[str, str], seed: int, prompt: int, output: int
) -> None:
    ctx = context(*pair, prompt, output)
    costs = evaluate_batch(random_designs(space_of(*pair), 60, seed), ctx)
    missing = set(missing_reasons(ctx))
    assert set(costs.metrics) == set(METRICS)
    assert np.all(np.isfinite(costs.excess))
    for name, values in costs.metrics.items():
        if name in missing:
            assert np.all(np.isnan(values)), name
        else:
            assert np.all(np.isfinite(values)), name
            assert np.all(values >= 0 if name == "prefill_latency_s" else values > 0), name
    values, reasons = metrics_of(costs, 0, ctx)
    assert {name for name, value in values.items() if value is None} == set(reasons) == missing


@few
@given(st.sampled_from(PAIRS), seeds, st.integers(2, 1500), st.integers(2, 800))
def test_metrics_agree_with_their_definitions(
    space_of: SpaceOf, random_designs: Draw, pair: tuple[str, str], seed: int, prompt: int, output: int
) -> None:
    ctx = context(*pair, prompt, output)
    batch = random_designs(space_of(*pair), 30, seed)
    m = evaluate_batch(batch, ctx).metrics
    prefill, decode = price_prefill(batch.prefill, ctx), price_decode(batch.decode, ctx)
    close = {"rtol": 1e-12}
    # A reload loses the HBM: 4-bit weights of every linear layer and lm_head, 8 bytes of scale and row sum a channel.
    one, head = ctx.model, ctx.model.lm_head_weights
    channels = one.n_layers * (one.q_dim + 2 * one.kv_dim + 2 * one.hidden_dim + 2 * one.ffn_dim) + one.vocab_size
    upload_bytes = (one.n_layers * one.layer_linear_weights + head) / 2 + 8 * channels
    swap_s = ctx.device.reconfiguration.swap_s + upload_bytes / ctx.device.reconfiguration.host_link_bytes_per_s
    cache_bytes = 2 * ctx.model.n_layers * (prompt - 1) * ctx.model.n_kv_heads * ctx.model.head_dim
    relayout_s = 2 * cache_bytes / ctx.device.reconfiguration.host_link_bytes_per_s
    np.testing.assert_allclose(m["prefill_latency_s"], prefill.cycles / (prefill.clock_mhz * 1e6), **close)
    np.testing.assert_allclose(m["ttft_s"], prefill.latency_s + swap_s + relayout_s + decode.first_latency_s, **close)
    np.testing.assert_allclose(m["tpot_s"], decode.cycles / (decode.clock_mhz * 1e6), **close)
    np.testing.assert_allclose(m["e2e_latency_s"], m["ttft_s"] + (output - 1) * m["tpot_s"], **close)
    np.testing.assert_allclose(m["decode_tokens_per_s"] * m["tpot_s"], 1, **close)
    np.testing.assert_allclose(m["prefill_tokens_per_s"] * m["prefill_latency_s"], prompt - 1, **close)
    np.testing.assert_allclose(m["energy_j_per_token"] * output, m["energy_j"], **close)
    np.testing.assert_allclose(m["power_w"] * m["e2e_latency_s"], m["energy_j"], **close)
    if ctx.device.power.configured_w is not None:
        idle_j = ctx.device.power.configured_w * m["e2e_latency_s"]
        np.testing.assert_allclose(m["energy_j"] - idle_j, m["dynamic_energy_j_per_token"] * output, rtol=1e-9)
    hbm = ctx.device.hbm
    assert hbm is not None
    sustained = hbm.channels * hbm.channel_sustained_bytes_per_s
    np.testing.assert_allclose(m["hbm_fraction"] * sustained, m["hbm_bytes_per_s"], **close)
    assert np.all(m["hbm_fraction"] <= hbm.efficiency)
    shell, total = ctx.device.shell.as_dict(), ctx.device.total.as_dict()
    used = [(array + shell[name]) / total[name] for cost in (prefill, decode) for name, array in cost.resources.items()]
    np.testing.assert_allclose(m["max_utilization"], np.max(used, axis=0), **close)
    np.testing.assert_allclose(m["prefill_dsp"], prefill.resources.dsp, **close)
    np.testing.assert_allclose(m["decode_dsp"], decode.resources.dsp, **close)


def test_a_given_swap_time_replaces_the_cards(space_of: SpaceOf, random_designs: Draw) -> None:
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 5, 0)
    ctx = context("llama-3.2-1b", "u280", 100, 10)
    default, slow = evaluate_batch(batch, ctx), evaluate_batch(batch, replace(ctx, swap_s=9.3))
    np.testing.assert_allclose(slow.metrics["ttft_s"] - default.metrics["ttft_s"], 9.0, rtol=1e-12)
    assert np.array_equal(slow.metrics["tpot_s"], default.metrics["tpot_s"])


# --- edges of workload and card


def test_one_output_token() -> None:
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, Workload(prompt_tokens=100, output_tokens=1))
    assert report.metrics["tpot_s"] is None
    assert report.decode.tpot_s is None
    assert report.decode.tokens_per_s is None
    assert {"tpot_s", "decode_tokens_per_s"} == set(report.missing) - {"card_cost_usd"}
    assert report.ttft_s == report.e2e_latency_s
    assert report.decode.cycles == pytest.approx(report.decode.first_step_s * report.decode.clock_mhz * 1e6)
    assert sum(row.cycles for row in report.breakdown if row.stage == "decode") == pytest.approx(report.decode.cycles)
    assert report.metrics["hbm_bytes_per_s"] is not None


def test_one_prompt_token() -> None:
    """Prefill has nothing to do: no time, no traffic, no rate; the pair is still two bitstreams."""
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, Workload(prompt_tokens=1, output_tokens=5))
    assert report.prefill.latency_s == 0
    assert report.prefill.tokens_per_s is None
    assert report.metrics["prefill_latency_s"] == 0
    assert "prefill_tokens_per_s" in report.missing
    upload_s = Context(LLAMA, U280, Workload(prompt_tokens=1, output_tokens=5), W4A4KV8).upload_s
    assert report.ttft_s == pytest.approx(U280.reconfiguration.swap_s + upload_s + report.decode.first_step_s)
    assert {channel.stage for channel in report.memory.channels} == {"decode"}
    assert report.memory.prefill_hbm_bytes_per_s is None
    assert all(math.isfinite(value) for value in report.metrics.values() if value is not None)


def test_two_tokens_are_one_step_after_the_first() -> None:
    workload = Workload(prompt_tokens=100, output_tokens=2)
    batch = DesignBatch.from_points([load_design("flexllm-u280")], U280).decode
    two = price_decode(batch, Context(LLAMA, U280, workload, W4A4KV8))
    after = price_decode(batch, context("llama-3.2-1b", "u280", 101, 1))
    assert two.cycles[0] == pytest.approx(after.first_cycles[0], rel=1e-14)


def test_huge_contexts_cost_no_more_than_short_ones(space_of: SpaceOf, random_designs: Draw) -> None:
    """131,072 tokens, every context of 65,536 steps: a closed form, so time and memory are those of any workload."""
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 20_000, 3)
    ctx = context("llama-3.2-1b", "u280", 65_537, 65_536)
    tracemalloc.start()
    started = time.process_time()
    costs = evaluate_batch(batch, ctx)
    seconds = time.process_time() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
    assert seconds < 5  # 0.1 s alone
    assert np.all(np.isfinite(costs.metrics["tpot_s"]))
    assert not costs.feasible.any()  # the RoPE tables alone fill the card


def test_memory_is_bounded_by_the_chunk(space_of: SpaceOf, random_designs: Draw) -> None:
    """Beyond the columns in and out, a batch of any size takes the memory of one chunk."""
    ctx = context("llama-3.2-1b", "u280", 1024, 1024)
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 200_000, 3)
    tracemalloc.start()
    costs = evaluate_batch(batch, ctx)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    results = 8 * len(batch) * (len(costs.metrics) + 2 * len(fields(StageSummary)))
    assert peak < 2.5 * results + 40e6


def _edge_cards() -> dict[str, Device]:
    assert U280.ddr is not None
    return {
        "no HBM": U280.model_copy(update={"hbm": None}),
        "no DDR": U280.model_copy(update={"ddr": None}),
        "idle power not known": U280.model_copy(update={"power": U280.power.model_copy(update={"configured_w": None})}),
        "one DDR channel, no HBM": U280.model_copy(
            update={"hbm": None, "ddr": U280.ddr.model_copy(update={"channels": 1})}
        ),
    }


@pytest.mark.parametrize("name", list(_edge_cards()))
def test_other_cards(name: str, random_designs: Draw) -> None:
    card = _edge_cards()[name]
    space = design_space(load_model("smollm2-135m"), card)
    ctx = context("smollm2-135m", card, 257, 64)
    batch = random_designs(space, 300, 5)
    costs = evaluate_batch(batch, ctx)
    missing = missing_reasons(ctx)
    for metric, values in costs.metrics.items():
        assert np.all(np.isnan(values) if metric in missing else np.isfinite(values)), metric
    expected: set[str] = set()
    if card.hbm is None:
        expected |= {"hbm_bytes_per_s", "hbm_fraction"}
        assert np.all(batch.prefill.placements.hbm_ports.number == 0)
    if card.power.configured_w is None:
        expected |= {"energy_j", "energy_j_per_token", "power_w", *STAGE_ENERGIES}
        assert np.all(np.isfinite(costs.metrics["dynamic_energy_j_per_token"]))
    # Quality depends on model and scheme, on no card; a price is not stated.
    assert set(missing) - {"quality", "card_cost_usd"} == expected
    assert costs.feasible.any()


def test_ddr_only_is_slower_than_hbm(random_designs: Draw) -> None:
    """All streams of prefill on two DDR channels: nothing of the card's 460 GB/s is left."""
    card = _edge_cards()["no HBM"]
    model = load_model("smollm2-135m")
    space, with_hbm = design_space(model, card), design_space(model, U280)
    on_ddr, on_hbm = (random_designs(each, 200, 1).prefill for each in (space, with_hbm))
    # So that each runs at the clock that it asks for, whatever its fullness and its ports cost.
    endless = {"clock": U280.clock.model_copy(update={"max_mhz": 1500.0})}
    ddr = prefill_seconds(on_ddr, context("smollm2-135m", card.model_copy(update=endless), 257, 2))
    hbm = prefill_seconds(on_hbm, context("smollm2-135m", U280.model_copy(update=endless), 257, 2))
    assert np.median(ddr) > 2 * np.median(hbm)


def test_summaries_of_both_stages_have_a_value_in_every_field(space_of: SpaceOf, random_designs: Draw) -> None:
    ctx = context("llama-3.2-1b", "u280", 100, 10)
    batch = random_designs(space_of("llama-3.2-1b", "u280"), 20, 6)
    for summary in (summarise_prefill(batch.prefill, ctx), summarise_decode(batch.decode, ctx)):
        for field in fields(StageSummary):
            assert np.all(np.isfinite(getattr(summary, field.name))), field.name


def test_a_product_is_a_batch_of_its_pairs(
    space_of: SpaceOf, same_bits: Callable[[FloatArray, FloatArray], bool]
) -> None:
    """Stage designs priced once and combined: bit for bit what each pair costs by itself, of several sets of modules."""
    space, ctx = space_of("llama-3.2-1b", "u280"), context("llama-3.2-1b", "u280", 500, 50)
    rng = np.random.default_rng(3)
    prefill = space.prefill_at(rng.integers(0, space.prefill.size, 7))
    decode = space.decode_at(rng.integers(0, space.decode.size, 11))
    seen = 0
    for i, costs in evaluate_product(prefill, decode, ctx):
        one = prefill.take(np.full(11, i))
        alone = evaluate_batch(DesignBatch(one, decode, W4A4KV8), ctx)
        assert same_bits(costs.excess, alone.excess)
        for name, values in alone.metrics.items():
            assert same_bits(costs.metrics[name], values), name
        seen += 1
    assert seen == 7


@pytest.mark.parametrize("pair", [("llama-3.2-1b", "u280"), ("smollm2-135m", "v80")])
def test_laws_by_rows_are_the_laws_of_each_design(
    space_of: SpaceOf, random_designs: Draw, same_bits: Any, pair: tuple[str, str]
) -> None:
    """What is found once a distinct row of columns is, bit for bit, what the laws say of the designs themselves."""
    batch = random_designs(space_of(*pair), 400, 11)
    for caps_at, output in (("band", 50), ("prediction", 1)):
        ctx = replace(context(*pair, 500, output), caps_at=caps_at)
        for stage, summarise, price, constraints in (
            (batch.prefill, summarise_prefill, price_prefill, prefill_constraints),
            (batch.decode, summarise_decode, price_decode, decode_constraints),
        ):
            found = summarise(stage, ctx)
            numbers = np.zeros(len(stage), dtype=np.int64) if stage.module_set is None else stage.module_set
            for number in np.unique(numbers):
                index = np.flatnonzero(numbers == number)
                one = replace(stage.take(index), modules=(stage.modules[number],), module_set=None)
                cost = price(one, ctx)
                direct = stage_summary(cost, one, constraints(cost, one, ctx), ctx)
                for field in fields(StageSummary):
                    assert same_bits(getattr(found, field.name)[index], getattr(direct, field.name)), field.name


def test_laws_refuse_a_mix_of_modules(space_of: SpaceOf) -> None:
    points = [load_design("flexllm-u280"), load_design("flexllm-u280")]
    modules = DecodeModules(dequantizer="pipelined")
    points[1] = points[1].model_copy(update={"decode": points[1].decode.model_copy(update={"modules": modules})})
    batch, ctx = DesignBatch.from_points(points, U280), context("llama-3.2-1b", "u280", 100, 10)
    with pytest.raises(ValueError, match="several sets of modules"):
        price_decode(batch.decode, ctx)
    both = evaluate_batch(batch, ctx).metrics["tpot_s"]
    for i, point in enumerate(points):
        assert evaluate_batch(DesignBatch.from_points([point], U280), ctx).metrics["tpot_s"][0] == both[i]
    assert both[1] < both[0]
