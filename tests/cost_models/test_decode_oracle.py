"""The decode law against a slow re-derivation, one context and one head iteration at a time, written apart from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cost_models.attention import decode_attention_cycles, mean_key_tiles
from cost_models.decode import evaluate_decode
from cost_models.evaluate import Context, price_decode
from cost_models.stage_setup import StageSetup
from dse.space import DesignSpace
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.memory_map import MemoryPort
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules
from spec.quant_scheme import W4A4KV8
from spec.timing import DEFAULT_TIMING_TABLE
from spec.workload import Workload

T = DEFAULT_TIMING_TABLE
FLEXLLM = DecodeModules()


def slowdown(point: DesignPoint, role: str, together: set[str], device: Device, clock_mhz: float) -> float:
    """Cycles a beat of the ports of `role`; ports of the roles `together` stream at the same time, others do not."""
    worst = 1.0
    ports = [port for port in point.memory_map.ports if port.stage == "decode" and together & set(port.roles)]
    for port in ports:
        if role not in port.roles:
            continue
        memory = device.hbm if port.memory == "hbm" else device.ddr
        assert memory is not None
        shared = [o.width_bits for o in ports if (o.memory, o.channel) == (port.memory, port.channel)]
        asked = port.width_bits / 8 * clock_mhz * 1e6
        port_side = memory.memory_port_bits / 8 * memory.memory_port_mhz * 1e6
        channel = memory.channel_sustained_bytes_per_s * memory.efficiency * port.width_bits / sum(shared)
        worst = max(worst, asked / min(port_side, channel))
    return worst


def attention_step(
    context: int,
    reads: int,
    head_dim: int,
    heads: int,
    keys: int,
    channels: int,
    k_slow: float,
    v_slow: float,
    modules: DecodeModules = FLEXLLM,
) -> float:
    """QK -> softmax -> AV, head iteration by head iteration, each module as soon as it and its input are free."""
    tiles, one_pass = -(-context // keys), context / modules.softmax_width
    qk_free = softmax_free = second_free = third_free = av_free = av_before = 0.0
    for _ in range(math.ceil(reads / heads)):
        for _ in range(tiles):
            qk_free += max(head_dim, keys) * k_slow + T.loop_restart_cycles
        if modules.process_granularity == "array":  # scores arrive as QK makes them, weights leave as they are made
            values = max(head_dim // channels * context * v_slow, one_pass)
            gaps = head_dim // channels * T.loop_restart_cycles + (head_dim // channels - 1) * T.memory_access_cycles
            av_free = max(qk_free, av_free) + values + gaps
            continue
        buffer_free = av_before if modules.input_buffers == "double" else av_free
        loaded = max(qk_free, softmax_free + one_pass)  # the first softmax pass reads scores as they come
        if modules.softmax == "serial":
            write = max(loaded + one_pass, buffer_free)  # the third feeds AV
            softmax_free = write + one_pass
        else:  # each pass is a process of its own, with two buffers before and behind it
            softmax_free = loaded
            second_free = max(loaded, second_free) + one_pass
            write = max(second_free, third_free, buffer_free)
            third_free = write + one_pass
        av_before, av_free = av_free, max(write + one_pass, av_free)
        for read in range(head_dim // channels):
            latency = T.memory_access_cycles if read else 0
            av_free += latency + context * v_slow + T.loop_restart_cycles
    return av_free


def step(point: DesignPoint, model: ModelConfig, device: Device, context: int, clock: float) -> float:
    """Cycles of one decode step at one context."""
    design, modules = point.decode, point.decode.modules
    hidden, ffn = model.hidden_dim, model.ffn_dim
    q_dim, kv_dim = model.n_q_heads * model.head_dim, model.n_kv_heads * model.head_dim
    tb, w, t4 = design.block_parallelism, design.weight_parallelism, design.vector_parallelism
    stretched = slowdown(point, "weights", {"weights"}, device, clock)
    caches = {"k_cache", "v_cache"}
    k_slow, v_slow = (slowdown(point, role, caches, device, clock) for role in ("k_cache", "v_cache"))
    output = 1.0
    if modules.dequantizer == "unpipelined":  # int -> float, two products, a sum, one after the other
        output = sum(T.operators[name].latency_cycles for name in ("int_to_float", "fmul", "fmul", "fadd"))
    apart = {frozenset(group) for group in modules.linear_groups}
    side_by_side = not any({"gate", "up"} <= group for group in apart)

    def linear(d_in: int, d_out: int, beside: float = 0.0, share: float = 1.0, on_chip: bool = False) -> float:
        cycles = 0.0
        for _ in range(0, d_out, tb * w):
            streaming = d_in if on_chip else max(d_in, d_in * stretched * share)
            cycles += max(streaming, tb * w * share + w * output, beside) + T.loop_restart_cycles
        return cycles

    def lanes(role: str) -> float:
        port = next(port for port in point.memory_map.ports if port.stage == "decode" and role in port.roles)
        return min(t4, port.width_bits / 32)

    kept = set(modules.on_chip_projections)
    norm, quant = 2 * hidden / t4, 2 * hidden / tb
    query = linear(hidden, q_dim, on_chip="q" in kept)
    layer = norm + quant + linear(hidden, 2 * kv_dim, on_chip="k" in kept) + query
    attention = attention_step(
        context, model.n_kv_heads if modules.kv_read == "per_kv_head" else model.n_q_heads, model.head_dim,
        design.head_parallelism, design.key_parallelism, design.value_parallelism, k_slow, v_slow, modules,
    )  # fmt: skip
    if modules.overlap_attention == "on":  # two machines, a job a query pass
        jobs = math.ceil(q_dim / (tb * w))
        query_done = attended = 0.0
        for _ in range(jobs):
            query_done += query / jobs
            attended = max(attended, query_done) + attention / jobs
        attention = attended - query
    layer += attention
    layer += 2 * q_dim / tb + linear(q_dim, hidden, on_chip="o" in kept)
    layer += norm + quant
    if side_by_side:
        layer += linear(hidden, ffn, share=2.0)
    else:
        layer += linear(hidden, ffn, on_chip="gate" in kept) + linear(hidden, ffn, on_chip="up" in kept)
    size, loops = next(b for b in (1, 12, 20, 28, 36, 44, 76, 140) if math.log2(ffn / b).is_integer()), [ffn, ffn]
    base = size
    if size > 1:
        loops += [ffn, ffn * size / 2]
    stages = 0
    while size < ffn:
        loops += [ffn, ffn / 2]
        size *= 2
        stages += 1
    if modules.hadamard == "serial":
        layer += sum(loop / tb + T.loop_restart_cycles for loop in loops)
    else:  # takes in the last pass, then its last value is out after all delays and adders
        tree = math.ceil(math.log2(base)) if base > 1 else 0
        layer += min(tb * w, ffn) / modules.hadamard_width
        layer += (ffn - 1) / modules.hadamard_width + (stages + tree) * T.operators["fadd"].latency_cycles
    layer += 2 * ffn / tb + linear(ffn, hidden, on_chip="down" in kept)
    layer += 4 * (1.5 * w + w * output)  # drains with dequantization
    layer += hidden / lanes("io") + 2 * T.memory_access_cycles + T.decode_chain_depth_cycles
    cycles = model.n_layers * layer
    rows = -(-model.vocab_size // 4096) * 4096
    if modules.process_granularity == "array":  # one list, a logit a cycle
        cycles += norm + quant + linear(hidden, rows, beside=tb * w) + T.sampler_tail_cycles
    else:
        cycles += norm + quant + linear(hidden, rows, beside=w * T.sampler_insert_cycles)
        cycles += w * T.sampler_insert_cycles + T.top_k * tb * T.sampler_merge_cycles + T.sampler_tail_cycles
    return cycles + hidden / lanes("embedding")


PAIRS = (
    ("llama-3.2-1b", "u280"),
    ("smollm2-135m", "u280"),
    ("qwen2.5-1.5b", "u55c"),
    ("qwen3-0.6b", "v80"),
    ("llama-3.1-8b", "v80"),
)


@pytest.mark.parametrize(("model_name", "device_name"), PAIRS)
def test_random_designs(
    space_of: Callable[[str, str], DesignSpace],
    element_points: Callable[[DesignSpace, int, int], list[DesignPoint]],
    model_name: str,
    device_name: str,
) -> None:
    """The same structure step by step: equal but for rounding, the mean over 10 contexts too."""
    model, device = load_model(model_name), load_device(device_name)
    workload = Workload(prompt_tokens=201, output_tokens=11)
    points = element_points(space_of(model_name, device_name), 20, 3)
    for point in points:  # of several sets of modules
        batch = DesignBatch.from_points([point], device)
        cost = price_decode(batch.decode, Context(model, device, workload, W4A4KV8))
        clock = float(cost.clock_mhz[0])
        assert cost.first_cycles[0] == pytest.approx(step(point, model, device, 201, clock), rel=1e-12), point.decode
        mean = sum(step(point, model, device, context, clock) for context in range(202, 212)) / 10
        assert cost.cycles[0] == pytest.approx(mean, rel=1e-12), point.decode


@pytest.mark.parametrize("name", ["flexllm-u280", "flexllm-u280-base", "flexllm-u280-wide"])
def test_published_designs(name: str) -> None:
    model, device, point = load_model("llama-3.2-1b"), load_device("u280"), load_design(name)
    workload = Workload(prompt_tokens=1536, output_tokens=1)
    batch = DesignBatch.from_points([point], device)
    cost = price_decode(batch.decode, Context(model, device, workload, W4A4KV8))
    truth = step(point, model, device, 1536, float(cost.clock_mhz[0]))
    assert cost.first_cycles[0] == pytest.approx(truth, rel=1e-12)


VARIANTS: dict[str, dict[str, Any]] = {
    "pipelined dequantizer": {"dequantizer": "pipelined"},
    "pipelined softmax": {"softmax": "pipelined"},
    "wide softmax": {"softmax_width": 4},
    "wide pipelined softmax, two score buffers": {"softmax": "pipelined", "softmax_width": 2, "input_buffers": "double"},
    "two score buffers": {"input_buffers": "double"},
    "a read a KV head": {"kv_read": "per_kv_head"},
    "streaming Hadamard": {"hadamard": "streaming", "hadamard_width": 16},
    "narrow streaming Hadamard": {"hadamard": "streaming", "hadamard_width": 4},
    "attention beside the queries": {"overlap_attention": "on", "dequantizer": "pipelined"},
    "gate beside up": {"linear_groups": [["q", "k", "v", "o", "gate", "down", "lm_head"], ["up"]]},
    "attention weights on the chip": {"on_chip_projections": ["q", "k", "v", "o"]},
    "all of it": {
        "dequantizer": "pipelined", "softmax": "pipelined", "softmax_width": 2, "kv_read": "per_kv_head",
        "hadamard": "streaming", "hadamard_width": 16, "overlap_attention": "on", "input_buffers": "double",
    },
}  # fmt: skip


@pytest.mark.parametrize("variant", list(VARIANTS))
@pytest.mark.parametrize("name", ["flexllm-u280", "flexllm-u280-base"])
def test_variants(name: str, variant: str) -> None:
    model, device, base = load_model("llama-3.2-1b"), load_device("u280"), load_design(name)
    modules = DecodeModules.model_validate(VARIANTS[variant])
    point = base.model_copy(update={"decode": base.decode.model_copy(update={"modules": modules})})
    for context in (17, 1024, 1999):
        workload = Workload(prompt_tokens=context, output_tokens=1)
        cost = price_decode(DesignBatch.from_points([point], device).decode, Context(model, device, workload, W4A4KV8))
        truth = step(point, model, device, context, float(cost.clock_mhz[0]))
        assert cost.first_cycles[0] == pytest.approx(truth, rel=1e-12), context


# Slopes that cross, that are equal (64 + 8 cycles over 24 keys = 3), and that never meet; ranges shorter than a tile.
@pytest.mark.parametrize(
    ("keys", "channels", "k_slow", "v_slow"),
    [
        (32, 32, 1.0, 1.0),
        (24, 64, 1.0, 1.0),
        (2, 2, 1.0, 1.0),
        (64, 64, 1.0, 1.57),
        (64, 64, 3.1, 1.0),
        (16, 64, 1.0, 1.0),
        (22, 64, 1.0, 2.5),
        (18, 32, 1.3, 1.0),
    ],
)
@pytest.mark.parametrize(("prompt", "output"), [(1, 1), (1, 2), (5, 7), (1, 700), (1000, 130), (4095, 3)])
def test_mean_over_contexts(keys: int, channels: int, k_slow: float, v_slow: float, prompt: int, output: int) -> None:
    """The sum in closed form is the sum over every context."""
    model = load_model("llama-3.2-1b")
    workload = Workload(prompt_tokens=prompt, output_tokens=output)
    for heads in (1, 8):
        first, mean = decode_attention_cycles(
            workload, model.n_q_heads, model.head_dim, np.array([heads]), np.array([keys]), np.array([channels]),
            np.array([k_slow]), np.array([v_slow]), T,
        )  # fmt: skip

        def at(context: int, heads: int = heads) -> float:
            return attention_step(context, model.n_q_heads, model.head_dim, heads, keys, channels, k_slow, v_slow)

        assert first[0] == pytest.approx(at(prompt), rel=1e-12)
        if output > 1:
            steps = [at(context) for context in range(prompt + 1, prompt + output)]
            assert mean[0] == pytest.approx(sum(steps) / len(steps), rel=1e-12)
        else:
            assert mean[0] == 0.0


def test_mean_key_tiles() -> None:
    keys = np.array([1, 2, 7, 32, 64])
    for prompt, output in ((1, 1), (1, 2), (31, 3), (1000, 200)):
        workload = Workload(prompt_tokens=prompt, output_tokens=output)
        contexts = range(prompt + (1 if output > 1 else 0), prompt + output)
        expected = [sum(math.ceil(c / int(k)) for c in contexts) / len(contexts) for k in keys]
        np.testing.assert_allclose(mean_key_tiles(workload, keys), expected, rtol=1e-14)


def test_lm_head_on_ports_of_its_own() -> None:
    """From one 512-bit DDR port every step waits for its weights; the bytes move from the one role to the other."""
    model, device, base = load_model("llama-3.2-1b"), load_device("u280"), load_design("flexllm-u280")
    port = MemoryPort(name="head", stage="decode", roles=("weights_lm_head",), memory="ddr", channel=0, width_bits=512)
    ports = base.memory_map.model_copy(update={"ports": (*base.memory_map.ports, port)})
    apart = base.model_copy(update={"memory_map": ports})
    setup = StageSetup(model, Workload(prompt_tokens=1024, output_tokens=1))
    plain, moved = (evaluate_decode(DesignBatch.from_points([point], device).decode, setup) for point in (base, apart))
    head_bytes = 131_072 * 2048 / 2
    assert moved.traffic_bytes["weights_lm_head"][0] == head_bytes
    assert moved.traffic_bytes["weights"][0] == plain.traffic_bytes["weights"][0] - head_bytes
    # 1024 lanes of 4 bits are 8 words of 512 bits a step; DDR gives less than a word a cycle.
    memory = device.memory("ddr")
    rate = min(memory.memory_port_bytes_per_s, memory.channel_sustained_bytes_per_s * memory.efficiency)
    word_cycles = max(1.0, 64 * 292e6 / rate)
    expected = 128 * (2048 * 8 * word_cycles + 8)
    cycles = {module.name: float(module.critical[0]) for module in moved.modules}
    assert cycles["lm_head"] == pytest.approx(expected, rel=1e-12)


def test_wider_lm_head_weights_over_the_same_ports() -> None:
    """8-bit rows over ports that bring 4 bits a lane and cycle: two cycles a step."""
    model, device, base = load_model("llama-3.2-1b"), load_device("u280"), load_design("flexllm-u280")
    scheme = W4A4KV8.model_copy(update={"lm_head_weight_bits": 8})
    workload = Workload(prompt_tokens=1024, output_tokens=1)
    batch = DesignBatch.from_points([base], device).decode
    cost = evaluate_decode(batch, StageSetup(model, workload, scheme))
    cycles = {module.name: float(module.critical[0]) for module in cost.modules}
    assert cycles["lm_head"] == 128 * (2 * 2048 + 8)
    layers = 16 * 29 * 2048 * 512
    assert cost.traffic_bytes["weights"][0] == layers + 131_072 * 2048
