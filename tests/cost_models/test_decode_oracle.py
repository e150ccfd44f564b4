"""The decode law against a slow re-derivation, one context and one head iteration at a time, written apart from it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from cost_models.attention import decode_attention_cycles, mean_key_tiles
from cost_models.evaluate import Context, price_decode
from dse.space import DesignSpace
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8
from spec.timing import DEFAULT_TIMING_TABLE
from spec.workload import Workload

T = DEFAULT_TIMING_TABLE


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
    context: int, n_q_heads: int, head_dim: int, heads: int, keys: int, channels: int, k_slow: float, v_slow: float
) -> float:
    """QK -> softmax -> AV, head iteration by head iteration, each module as soon as it and its input are free."""
    tiles = -(-context // keys)
    qk_free = softmax_free = av_free = 0.0
    for _ in range(math.ceil(n_q_heads / heads)):
        for _ in range(tiles):
            qk_free += max(head_dim, keys) * k_slow + T.loop_restart_cycles
        loaded = max(qk_free, softmax_free + context)  # the first softmax pass reads scores as they come
        write = max(loaded + context, av_free)  # the third feeds AV
        softmax_free = write + context
        av_free = write + context
        for read in range(head_dim // channels):
            latency = T.memory_access_cycles if read else 0
            av_free += latency + context * v_slow + T.loop_restart_cycles
    return av_free


def step(point: DesignPoint, model: ModelConfig, device: Device, context: int) -> float:
    """Cycles of one decode step at one context."""
    design = point.decode
    clock = min(point.clock_target_mhz.decode, device.clock.max_mhz)
    hidden, ffn = model.hidden_dim, model.ffn_dim
    q_dim, kv_dim = model.n_q_heads * model.head_dim, model.n_kv_heads * model.head_dim
    tb, w, t4 = design.block_parallelism, design.weight_parallelism, design.vector_parallelism
    stretched = slowdown(point, "weights", {"weights"}, device, clock)
    caches = {"k_cache", "v_cache"}
    k_slow, v_slow = (slowdown(point, role, caches, device, clock) for role in ("k_cache", "v_cache"))

    def linear(d_in: int, d_out: int, beside: float = 0.0) -> float:
        cycles = 0.0
        for _ in range(0, d_out, tb * w):
            cycles += max(d_in * stretched, tb * w + w, beside) + T.loop_restart_cycles
        return cycles

    def lanes(role: str) -> float:
        port = next(port for port in point.memory_map.ports if port.stage == "decode" and role in port.roles)
        return min(t4, port.width_bits / 32)

    norm, quant = 2 * hidden / t4, 2 * hidden / tb
    layer = norm + quant + linear(hidden, 2 * kv_dim) + linear(hidden, q_dim)
    layer += attention_step(
        context, model.n_q_heads, model.head_dim, design.head_parallelism, design.key_parallelism,
        design.value_parallelism, k_slow, v_slow,
    )  # fmt: skip
    layer += 2 * q_dim / tb + linear(q_dim, hidden)
    layer += norm + quant + linear(hidden, ffn) + linear(hidden, ffn)
    size, loops = next(b for b in (1, 12, 20, 28, 44, 76, 140) if math.log2(ffn / b).is_integer()), [ffn, ffn]
    if size > 1:
        loops += [ffn, ffn * size / 2]
    while size < ffn:
        loops += [ffn, ffn / 2]
        size *= 2
    layer += sum(loop / tb + T.loop_restart_cycles for loop in loops)
    layer += 2 * ffn / tb + linear(ffn, hidden)
    layer += 4 * (1.5 * w + w)  # drains with dequantization
    layer += hidden / lanes("io") + 2 * T.memory_access_cycles + T.decode_chain_depth_cycles
    cycles = model.n_layers * layer
    rows = -(-model.vocab_size // 4096) * 4096
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
    random_points: Callable[[DesignSpace, int, int], list[DesignPoint]],
    model_name: str,
    device_name: str,
) -> None:
    """The same structure step by step: equal but for rounding, the mean over 10 contexts too."""
    model, device = load_model(model_name), load_device(device_name)
    workload = Workload(prompt_tokens=201, output_tokens=11)
    points = random_points(space_of(model_name, device_name), 20, 3)
    batch = DesignBatch.from_points(points, device)
    cost = price_decode(batch.decode, Context(model, device, workload, W4A4KV8))
    for i, point in enumerate(points):
        assert cost.first_cycles[i] == pytest.approx(step(point, model, device, 201), rel=1e-12), point.decode
        mean = sum(step(point, model, device, context) for context in range(202, 212)) / 10
        assert cost.cycles[i] == pytest.approx(mean, rel=1e-12), point.decode


@pytest.mark.parametrize("name", ["flexllm-u280", "flexllm-u280-base", "flexllm-u280-wide"])
def test_published_designs(name: str) -> None:
    model, device, point = load_model("llama-3.2-1b"), load_device("u280"), load_design(name)
    workload = Workload(prompt_tokens=1536, output_tokens=1)
    batch = DesignBatch.from_points([point], device)
    cost = price_decode(batch.decode, Context(model, device, workload, W4A4KV8))
    assert cost.first_cycles[0] == pytest.approx(step(point, model, device, 1536), rel=1e-12)


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
