"""Variants of prefill: each stage against its loops walked one by one, and the line of stages against a line that blocks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models.attention import (
    causal_steady_cycles,
    prefill_av_cycles,
    prefill_qk_cycles,
    prefill_softmax_cycles,
)
from cost_models.evaluate import Context, price_prefill
from cost_models.linear import systolic_cycles
from cost_models.stage_cost import StageCost
from cost_models.transforms import (
    serial_hadamard_cycles,
    streaming_hadamard_hardware,
    streaming_hadamard_interval,
    streaming_hadamard_latency,
)
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.module_choices import PrefillModules
from spec.quant_scheme import W4A4KV8, QuantScheme
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
BASE = load_design("flexllm-u280")
RESTART = 8


def with_modules(**choices: Any) -> DesignPoint:
    modules = PrefillModules.model_validate(choices)
    return BASE.model_copy(update={"prefill": BASE.prefill.model_copy(update={"modules": modules})})


def priced(point: DesignPoint, prompt: int = 1024, scheme: QuantScheme = W4A4KV8) -> StageCost:
    context = Context(LLAMA, U280, Workload(prompt_tokens=prompt, output_tokens=1), scheme, system=point.system)
    return price_prefill(DesignBatch.from_points([point], U280).prefill, context)


def cycles(point: DesignPoint, prompt: int = 1024) -> float:
    return float(priced(point, prompt).cycles[0])


@given(
    d_in=st.integers(2, 60), d_out=st.integers(1, 90), lanes=st.integers(1, 40), blocks=st.integers(1, 5),
    slow=st.floats(1, 6), double=st.booleans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_array_with_a_reused_tile(d_in: int, d_out: int, lanes: int, blocks: int, slow: float, double: bool) -> None:
    """Passes one after the other; the weights of the next pass arrive while this one computes."""
    restart = 3.0
    passes = [min(lanes, d_out - first) for first in range(0, d_out, lanes)]
    work = 0.0
    for _ in passes:
        compute = sum(d_in + restart for _ in range(blocks))
        arrive = d_in * slow + restart
        work += max(compute, arrive) if blocks > 1 else arrive
    fill = sum(d_in for _ in range(blocks))
    expected = max(fill, work) if double else fill + work
    law = systolic_cycles(d_in, d_out, np.array([lanes]), np.array([slow]), restart, blocks, double)
    assert law[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("width", [1, 4])
def test_attention_stages(width: int, double: bool) -> None:
    heads, dh, keys, channels, seen = 6, 64, 16, 32, 240
    qk = av = 0.0
    for _ in range(heads):
        tiles = [max(dh, keys) + RESTART for _ in range(0, seen, keys)]
        qk += sum(tiles) + (0 if double else dh)
        passes = [seen + RESTART for _ in range(0, dh, channels)]
        av += max(sum(passes), seen / width) if double else sum(passes) + seen / width
    one, s = np.array([1.0]), np.array([seen])
    assert prefill_qk_cycles(s, heads, dh, np.array([keys]), one, RESTART, double)[0] == qk
    assert prefill_av_cycles(s, heads, dh, np.array([channels]), one, RESTART, width, double)[0] == av
    assert prefill_softmax_cycles(s, heads, "serial", width)[0] == 3 * seen / width * heads
    assert prefill_softmax_cycles(s, heads, "pipelined", width)[0] == seen / width * heads


LINE = st.tuples(st.floats(0, 400), st.floats(0.1, 9))


@given(
    steps=st.integers(1, 40), per_step=st.integers(1, 3), tokens=st.integers(1, 16), lines=st.lists(LINE, min_size=3, max_size=3),
    others=st.floats(0, 3000),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_sum_of_the_slowest_stage(
    steps: int, per_step: int, tokens: int, lines: list[tuple[float, float]], others: float
) -> None:
    """The closed form is the sum over every block."""
    each = [
        max([others, *(start + slope * tokens * (block // per_step + 1) for start, slope in lines)])
        for block in range(steps * per_step)
    ]
    total, first = causal_steady_cycles(
        np.array([steps * per_step]), np.array([per_step]), np.array([tokens]),
        [(np.array([start]), np.array([slope])) for start, slope in lines], np.array([others]),
    )  # fmt: skip
    assert total[0] == pytest.approx(sum(each), rel=1e-9)
    assert first[0] == pytest.approx(each[0], rel=1e-12)


def blocking_line(stage_times: list[list[float]]) -> float:
    """End of a line of stages; each holds its result until the next takes it. `stage_times[block][stage]`."""
    stages = len(stage_times[0])
    left = [0.0] * stages  # when each stage handed its last block on
    for times in stage_times:
        ready = left[0]
        for stage, time in enumerate(times):
            done = max(ready, left[stage]) + time
            ready = max(done, left[stage + 1]) if stage + 1 < stages else done
            left[stage] = ready
    return left[-1]


@pytest.mark.parametrize("prompt", [257, 1025, 4097])
def test_causal_line_against_a_line_that_blocks(prompt: int) -> None:
    """Phase B as stages that hold one block each: attention grows from block to block, the others do not."""
    point = with_modules(attention_mask="causal_skip")
    full, skipped = priced(with_modules(), prompt), priced(point, prompt)
    busy = {module.name: float(module.busy[0]) for module in full.modules}
    blocks = (prompt - 1) // 8
    per_block = {name: amount / blocks / LLAMA.n_layers for name, amount in busy.items()}
    order = ["q_proj", "attention", "o_proj", "gate_up_proj", "hadamard", "down_proj"]
    attention = ["attention_qk", "attention_softmax", "attention_av"]
    lines = []
    for block in range(blocks):
        seen = math.ceil((block + 1) * 8 / 16) * 16
        heads, dh = 32, 64
        stages = {
            "attention_qk": heads * (dh + seen / 16 * (dh + RESTART)),
            "attention_softmax": heads * 3 * seen,
            "attention_av": heads * (seen + 4 * (seen + RESTART)),
        }
        slowest = max(stages[name] for name in attention)
        lines.append([slowest if name == "attention" else per_block[name] for name in order])
    phase_a = per_block["kv_proj"] * blocks
    truth = phase_a + blocking_line(lines)
    # Heads overlap in the first block, and norms stand before the line: 3 % of a short prompt, less of a long one.
    assert float(skipped.cycles[0]) / LLAMA.n_layers == pytest.approx(truth, rel=0.03)
    assert float(skipped.cycles[0]) <= float(full.cycles[0])
    for role in ("k_cache", "v_cache"):
        assert 0.45 < skipped.traffic_bytes[role][0] / full.traffic_bytes[role][0] < 0.56


FASTER: dict[str, dict[str, Any]] = {
    "streaming Hadamard": {"hadamard": "streaming"},
    "wide streaming Hadamard": {"hadamard": "streaming", "hadamard_width": 4},
    "pipelined softmax": {"softmax": "pipelined"},
    "wide softmax": {"softmax_width": 4},
    "two input buffers": {"input_buffers": "double"},
    "causal skipping": {"attention_mask": "causal_skip"},
    "a read a KV head": {"kv_read": "per_kv_head"},
}


@pytest.mark.parametrize("name", list(FASTER))
@pytest.mark.parametrize("prompt", [9, 300, 1025, 3000])
def test_variants_that_cost_area_never_cost_cycles(name: str, prompt: int) -> None:
    assert cycles(with_modules(**FASTER[name]), prompt) <= cycles(with_modules(), prompt) * (1 + 1e-12)


def test_sharing_arrays_never_saves_cycles_and_splitting_never_costs() -> None:
    finest = [["q"], ["k"], ["v"], ["o"], ["gate"], ["up"], ["down"]]
    one = [["q", "k", "v", "o", "gate", "up", "down"]]
    ffn = [["q", "k"], ["v", "o"], ["gate", "up", "down"]]
    fine, flexllm, shared_ffn, single = (
        cycles(with_modules(linear_groups=groups)) for groups in (finest, BASE.prefill.modules.linear_groups, ffn, one)
    )
    assert fine <= flexllm < shared_ffn < single
    # One FFN array does the work of three in turns: no faster than its sum, no slower than all stages one by one.
    blocks, layers = 128, LLAMA.n_layers
    busy = {m.name: float(m.busy[0]) for m in priced(with_modules()).modules}
    assert shared_ffn > 2 * busy["gate_up_proj"] + busy["down_proj"] - layers * blocks
    assert single < 2 * sum(busy.values())


def test_tile_reuse_divides_weight_traffic_and_keeps_the_work() -> None:
    plain, reused = priced(with_modules()), priced(with_modules(token_blocks_per_weight_pass=4))
    for role in ("weights_kq", "weights_gate", "weights_down"):
        assert reused.traffic_bytes[role][0] == pytest.approx(plain.traffic_bytes[role][0] / 4)
    # Steady state as before; a block is four times as long on its way through the line.
    assert 1.0 < reused.cycles[0] / plain.cycles[0] < 1.12
    assert reused.resources.uram[0] > plain.resources.uram[0]


def test_a_port_too_narrow_for_the_lanes_stalls_a_reused_tile() -> None:
    point = with_modules(token_blocks_per_weight_pass=4)
    ports = [
        port.model_copy(update={"width_bits": 32}) if "weights_down" in port.roles else port
        for port in point.memory_map.ports
    ]
    narrow = point.model_copy(update={"memory_map": point.memory_map.model_copy(update={"ports": tuple(ports)})})
    assert cycles(narrow) == pytest.approx(cycles(point), rel=1e-3)  # four beats a step, four blocks a tile
    thinner = [p.model_copy(update={"width_bits": 32}) if "weights_down" in p.roles else p for p in ports]
    two = with_modules(token_blocks_per_weight_pass=2).model_copy(
        update={"memory_map": point.memory_map.model_copy(update={"ports": tuple(thinner)})}
    )
    assert cycles(two) > 1.7 * cycles(with_modules(token_blocks_per_weight_pass=2))


@pytest.mark.parametrize("dim", [64, 576, 1536, 4864, 8192, 8960, 5632])
@pytest.mark.parametrize("width", [1, 2, 8])
def test_streaming_transform(dim: int, width: int) -> None:
    """Values walked through the delay lines one by one: butterflies of distance s hold back s values."""
    base = next(b for b in (1, 12, 20, 28, 36, 44, 76, 140) if dim % b == 0 and math.log2(dim // b).is_integer())
    delay, adders, distance = base - 1, base * width if base > 1 else 0, base
    depth = math.ceil(math.log2(base)) if base > 1 else 0
    while distance < dim:
        delay += distance
        adders += max(2, width)
        depth += 1
        distance *= 2
    assert streaming_hadamard_latency(dim, width, 7) == pytest.approx(delay / width + 7 * depth)
    assert streaming_hadamard_interval(dim, width) == dim / width
    hardware = streaming_hadamard_hardware(dim, width, 32)
    assert (hardware.adders, hardware.multipliers) == (adders, width)
    assert streaming_hadamard_interval(dim, width) < float(serial_hadamard_cycles(dim, 1, RESTART)) / 8


def test_block_wise_transform_is_shorter() -> None:
    scheme = W4A4KV8.model_copy(update={"hadamard_block": 64})
    whole, blocks = serial_hadamard_cycles(8192, 1, 0.0), serial_hadamard_cycles(64, 1, 0.0, 128)
    assert float(blocks) == 8192 * (2 + 1.5 * 6) < float(whole) == 8192 * (2 + 1.5 * 13)
    point = BASE.model_copy(update={"quant_scheme": scheme})
    assert float(priced(point, scheme=scheme).cycles[0]) < cycles(BASE)
    none = W4A4KV8.model_copy(update={"online_hadamard": "none"})
    bare = priced(BASE.model_copy(update={"quant_scheme": none}), scheme=none)
    assert {m.name: float(m.busy[0]) for m in bare.modules}["hadamard"] == 0.0
    assert bare.module_resources["hadamard"].dsp[0] == 0.0
