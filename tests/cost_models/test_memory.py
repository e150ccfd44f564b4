"""The port law, traffic of channels, capacity: by hand, and in limits that an architect knows without a model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models.evaluate import Context, evaluate_batch, price_decode, price_prefill
from cost_models.feasibility import stored_bytes
from cost_models.memory import channel_bytes, ddr_bytes, fullest_channel_bytes, hbm_bytes, stream_slowdown
from cost_models.report import evaluate_point
from dse.space import DesignSpace
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch, StagePlacements, saturation_mhz
from spec.design_point import DesignPoint
from spec.device import Device
from spec.memory_map import MemoryMap, MemoryPort
from spec.module_choices import PrefillModules
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

LLAMA, U280, V80 = load_model("llama-3.2-1b"), load_device("u280"), load_device("v80")
FLEXLLM = load_design("flexllm-u280")
CONTEXT = Context(LLAMA, U280, Workload(prompt_tokens=1024, output_tokens=1024), W4A4KV8)


def with_ports(ports: list[MemoryPort]) -> DesignPoint:
    return FLEXLLM.model_copy(update={"memory_map": MemoryMap(ports=tuple(ports))})


def changed(stage: str, role: str, **changes: object) -> DesignPoint:
    """FlexLLM's pair with all ports of one role changed."""
    ports = FLEXLLM.memory_map.ports
    return with_ports([p.model_copy(update=changes) if p.stage == stage and role in p.roles else p for p in ports])


def test_port_law_by_hand() -> None:
    assert U280.hbm is not None
    hbm = U280.hbm.model_copy(update={"channel_sustained_bytes_per_s": 13.28125e9, "efficiency": 0.92})
    # One 256-bit port on a channel: 14.4 GB/s on the memory side of the port, 13.28125 x 0.92 = 12.21875 of the channel.
    assert saturation_mhz(hbm, 256, 256) == pytest.approx(12.21875e9 / 32 / 1e6)
    assert saturation_mhz(hbm, 512, 512) == pytest.approx(12.21875e9 / 64 / 1e6)  # 191 MHz: 300 is 1.57 times too fast
    # Two ports on one channel share it by width.
    assert saturation_mhz(hbm, 128, 256) == pytest.approx(12.21875e9 / 32 / 1e6)
    # A memory side that is slower than the channel sets the limit.
    assert saturation_mhz(hbm.model_copy(update={"memory_port_mhz": 100.0}), 256, 256) == pytest.approx(100.0)


def test_streams_of_one_group_share_a_channel_and_turns_do_not() -> None:
    """gate and up stream together; decode's weights and caches take turns, K and V run together."""
    apart = DesignBatch.from_points([FLEXLLM], U280)
    clock = 304.0
    assert stream_slowdown(apart.prefill, "weights_gate")[0] == 1.0
    together = changed("prefill", "weights_up", channel=1)  # three up ports beside one gate port: 4 x 128 bits
    crowded = DesignBatch.from_points([together], U280)
    assert U280.hbm is not None
    channel = U280.hbm.channel_sustained_bytes_per_s * U280.hbm.efficiency
    expected = 4 * 128 / 8 * clock * 1e6 / channel
    assert stream_slowdown(crowded.prefill, "weights_gate")[0] == pytest.approx(expected)
    assert stream_slowdown(crowded.prefill, "weights_up")[0] == pytest.approx(expected)
    assert stream_slowdown(crowded.prefill, "weights_down")[0] == 1.0
    assert stream_slowdown(apart.decode, "weights")[0] == 1.0  # although the caches are on the same ports


def test_stream_in_ddr_keeps_the_pace_of_ddr() -> None:
    """A role that a user maps to DDR is paced by DDR, on a card that has HBM too."""
    design = changed("prefill", "weights_down", memory="ddr", channel=1, width_bits=512)
    batch = DesignBatch.from_points([design], U280)
    assert U280.ddr is not None
    channel = U280.ddr.channel_sustained_bytes_per_s * U280.ddr.efficiency
    expected = 3 * 512 / 8 * 304e6 / channel  # three 512-bit ports on one DDR channel
    assert stream_slowdown(batch.prefill, "weights_down")[0] == pytest.approx(expected)
    moved = price_prefill(batch.prefill, CONTEXT).traffic_bytes
    assert ddr_bytes(batch.prefill, moved)[0] == moved["weights_down"][0]
    assert hbm_bytes(batch.prefill, moved)[0] == pytest.approx(
        sum(float(b[0]) for role, b in moved.items() if role != "weights_down")
    )


@st.composite
def _scrambled(draw: st.DrawFn) -> DesignPoint:
    """FlexLLM's pair with its HBM ports on any channels, several on one, some roles in DDR."""
    channels = draw(st.lists(st.integers(0, 5), min_size=42, max_size=42))
    in_ddr = draw(st.sets(st.sampled_from(["weights_gate", "io", "scales", "embedding"])))
    ports = []
    for port, channel in zip(FLEXLLM.memory_map.ports, channels, strict=False):
        memory = "ddr" if set(port.roles) & in_ddr else "hbm"
        ports.append(port.model_copy(update={"memory": memory, "channel": channel % (2 if memory == "ddr" else 6)}))
    return with_ports(ports)


@settings(max_examples=60, deadline=None)
@given(st.lists(_scrambled(), min_size=1, max_size=3))
def test_channels_add_up(points: list[DesignPoint]) -> None:
    """Bytes over the channels are the bytes of the roles, each once; the fullest channel is the fullest."""
    batch = DesignBatch.from_points(points, U280)
    for stage, part, cost in (
        ("prefill", batch.prefill, price_prefill(batch.prefill, CONTEXT)),
        ("decode", batch.decode, price_decode(batch.decode, CONTEXT)),
    ):
        amounts = cost.traffic_bytes
        fullest = fullest_channel_bytes(part, amounts)
        for i, point in enumerate(points):
            by_channel: dict[int, float] = {}
            for role, amount in amounts.items():
                ports = [p for p in point.memory_map.ports if p.stage == stage and role in p.roles]
                for port in ports:
                    if port.memory == "hbm":
                        by_channel[port.channel] = by_channel.get(port.channel, 0.0) + float(amount[i]) / len(ports)
            assert channel_bytes(part, amounts, i) == pytest.approx(by_channel)
            assert fullest[i] == pytest.approx(max(by_channel.values()))
            assert hbm_bytes(part, amounts)[i] == pytest.approx(sum(by_channel.values()))
            total = sum(float(amount[i]) for amount in amounts.values())
            assert hbm_bytes(part, amounts)[i] + ddr_bytes(part, amounts)[i] == pytest.approx(total)


@pytest.mark.parametrize(
    ("model_name", "device_name"),
    [("llama-3.2-1b", "u280"), ("qwen3-0.6b", "v80"), ("smollm2-135m", "u280"), ("qwen2.5-1.5b", "u55c")],
)
def test_no_channel_of_a_legal_design_is_overloaded(
    space_of: Callable[[str, str], DesignSpace],
    random_points: Callable[[DesignSpace, int, int], list[DesignPoint]],
    model_name: str,
    device_name: str,
) -> None:
    """Mean traffic of every channel in both stages stays below what the channel sustains."""
    workload = Workload(prompt_tokens=513, output_tokens=200)
    for point in random_points(space_of(model_name, device_name), 40, 11):
        report = evaluate_point(point, load_model(model_name), load_device(device_name), workload)
        for channel in report.memory.channels:
            assert channel.bytes_per_s <= channel.limit_bytes_per_s * (1 + 1e-9), (channel, point)
        assert {channel.stage for channel in report.memory.channels} == {"prefill", "decode"}


def test_bandwidth_bound_decode_meets_the_roofline(with_hbm: Callable[..., Device]) -> None:
    """At a tenth of the channel rate weights and caches take the time of their bytes, and nothing less."""
    slow = with_hbm(U280, channel_sustained_bytes_per_s=1.4e9, efficiency=1.0)
    context = Context(LLAMA, slow, Workload(prompt_tokens=8000, output_tokens=1), W4A4KV8)
    batch = DesignBatch.from_points([FLEXLLM], slow)
    cost = price_decode(batch.decode, context)
    clock = 292e6
    seconds = {module.name: float(module.critical[0]) / clock for module in cost.modules}
    linear_s = sum(seconds[name] for name in ("kv_proj", "q_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head"))
    roof_s = float(cost.traffic_bytes["weights"][0]) / (16 * 1.4e9)
    assert roof_s <= linear_s <= 1.001 * roof_s  # 8 cycles of restart a pass of 13,700
    # Of the caches V sets the pace. Of four head iterations the first waits for its keys (a quarter), and each loads
    # the scores (S cycles of 13 S).
    value_s = float(cost.traffic_bytes["v_cache"][0]) / (8 * 1.4e9)
    assert value_s <= seconds["attention"] <= (1 + 1 / 4) * (1 + 1.3 / 13) * value_s
    report = evaluate_point(FLEXLLM, LLAMA, slow, Workload(prompt_tokens=8000, output_tokens=2))
    assert report.decode.bound_by == "attention (hbm)"
    assert {row.bound_by for row in report.breakdown if row.module in ("gate_up_proj", "lm_head")} == {"hbm"}


def test_bandwidth_bound_prefill_meets_the_roofline(with_hbm: Callable[..., Device]) -> None:
    slow = with_hbm(U280, channel_sustained_bytes_per_s=0.1e9, efficiency=1.0)
    batch = DesignBatch.from_points([FLEXLLM], slow)
    cost = price_prefill(batch.prefill, Context(LLAMA, slow, Workload(prompt_tokens=1025, output_tokens=1), W4A4KV8))
    seconds = float(cost.cycles[0]) / 304e6
    # Each 128-bit port moves 16 bytes a beat: K of every block over its port, then down over each of its three. The
    # first block goes through Q, O and gate before.
    beats = 16 * 128 * (22 * 2048 + 22 * 8192)
    first = 16 * (86 * 2048 + 86 * 2048 + 86 * 2048)
    assert beats * 16 / 0.1e9 <= seconds <= 1.002 * (beats + first) * 16 / 0.1e9


def test_more_bandwidth_ends_at_the_compute_bound(with_hbm: Callable[..., Device]) -> None:
    """Latency falls with bandwidth, and not below one beat a cycle."""
    step_s = []
    for rate in (0.5e9, 1e9, 4e9, 12e9, 20e9, 90e9):
        card = with_hbm(U280, channel_sustained_bytes_per_s=rate, memory_port_mhz=2000.0)
        batch = DesignBatch.from_points([FLEXLLM], card)
        step_s.append(
            float(evaluate_batch(batch, Context(LLAMA, card, CONTEXT.workload, W4A4KV8)).metrics["tpot_s"][0])
        )
    assert step_s == sorted(step_s, reverse=True)
    assert step_s[-1] == step_s[-2]


def test_traffic_counts_whole_port_words(
    space_of: Callable[[str, str], DesignSpace], random_points: Callable[[DesignSpace, int, int], list[DesignPoint]]
) -> None:
    """Beats x word, for each role whose surplus lanes are fetched and dropped."""
    workload = Workload(prompt_tokens=101, output_tokens=1)
    context = Context(LLAMA, U280, workload, W4A4KV8)
    for point in random_points(space_of("llama-3.2-1b", "u280"), 30, 4):
        point = point.model_copy(update={"prefill": point.prefill.model_copy(update={"modules": PrefillModules()})})
        design, ports = point.prefill, point.memory_map
        cost = price_prefill(DesignBatch.from_points([point], U280).prefill, context)
        step = int(np.lcm(max(design.token_parallelism, design.key_parallelism), 4))
        tokens = -(-100 // step) * step
        blocks = tokens // design.token_parallelism
        key_word = ports.of("prefill", "k_cache")[0].width_bits // 8
        beats = blocks * 32 * (tokens // design.key_parallelism) * 64
        assert cost.traffic_bytes["k_cache"][0] == 16 * (beats * key_word + tokens * 512)
        value_word = ports.of("prefill", "v_cache")[0].width_bits // 8
        beats = blocks * 32 * (64 // design.value_parallelism) * tokens
        assert cost.traffic_bytes["v_cache"][0] == 16 * (beats * value_word + tokens * 512)
        down = ports.of("prefill", "weights_down")
        beats = blocks * -(-2048 // design.ffn_weight_parallelism) * 8192
        assert cost.traffic_bytes["weights_down"][0] == 16 * beats * sum(p.width_bits for p in down) / 8


def test_stored_bytes_by_hand() -> None:
    """FlexLLM's pair: 24 of 32 lanes of a kq word are used, so a quarter of that image is padding."""
    batch = DesignBatch.from_points([FLEXLLM], U280)
    prefill = stored_bytes(price_prefill(batch.prefill, CONTEXT), batch.prefill, LLAMA, CONTEXT.workload, W4A4KV8)
    assert prefill["weights_kq"][0] == 16 * (22 + 86) * 2048 * 16  # passes over kv_dim and q_dim, 128-bit words
    assert prefill["weights_down"][0] == 16 * 22 * 8192 * 48
    assert prefill["k_cache"][0] == 16 * 1023 * 512
    decode = stored_bytes(price_decode(batch.decode, CONTEXT), batch.decode, LLAMA, CONTEXT.workload, W4A4KV8)
    assert decode["weights"][0] == 16 * 29 * 2048 * 512 + 131072 * 2048 / 2
    assert decode["v_cache"][0] == 16 * 2047 * 512
    assert decode["embedding"][0] == 128_256 * 2048 * 4
    # The fullest channel holds a sixteenth of the weights and an eighth of one cache.
    assert fullest_channel_bytes(batch.decode, decode)[0] == pytest.approx(
        decode["weights"][0] / 16 + decode["v_cache"][0] / 8
    )


def test_capacity_violation_says_by_how_much() -> None:
    """Llama-3.1-8B on the U280: the kq weights of prefill alone overflow one 256 MiB channel."""
    model = load_model("llama-3.1-8b")
    report = evaluate_point(FLEXLLM, model, U280, Workload(prompt_tokens=128, output_tokens=128))
    found = {(v.constraint, v.where): v for v in report.violations}
    capacity = found["hbm_channel_capacity", "prefill"]
    assert capacity.bound == 2**28
    assert capacity.demand > 32 * (4096 * (1024 + 4096)) / 2
    assert capacity.unit == "bytes"
    assert capacity.levers


def test_placements_of_equal_maps_are_one() -> None:
    batch = DesignBatch.from_points([FLEXLLM, FLEXLLM, load_design("flexllm-u280-base")], U280)
    assert len(batch.prefill.placements) == 2
    assert batch.prefill.placement.tolist() == [0, 0, 1]


def test_channels_beyond_the_card_are_kept_for_legality() -> None:
    """They carry nothing, so that no index runs over; the rule refuses them."""
    design = changed("decode", "scales", channel=200)
    placements = StagePlacements.of([[p for p in design.memory_map.ports if p.stage == "decode"]], "decode", U280)
    assert placements.hbm_ports.highest_channel[0] == 200
    report = evaluate_point(design, LLAMA, U280, CONTEXT.workload)
    assert ("memory_channel", "decode") in {(v.constraint, v.where) for v in report.violations}
