"""Memory capacity: what lies where, counted by hand and by channel, and what a model needs of a card at all."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_models.capacity import card_need
from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.cost_report import CostReport
from spec.design_point import DesignPoint
from spec.device import Device
from spec.memory_capacity import CapacityReport, MemoryUse
from spec.spread_memory_map import spread_memory_map
from spec.workload import Workload

WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
U280, V80 = load_device("u280"), load_device("v80")
MIB = 2**20


def report_of(design: DesignPoint, model: str, device: Device) -> CostReport:
    return evaluate_point(design, load_model(model), device, WORKLOAD)


def use_of(capacity: CapacityReport, stage: str, memory: str) -> MemoryUse:
    (found,) = (use for use in capacity.memories if (use.stage, use.memory) == (stage, memory))
    return found


def test_the_published_pair_by_hand() -> None:
    """Decode: 16 ports share 620.8 MB of weights, 8 each the keys and values of 2047 tokens: 38.8 + 2 MB a channel."""
    report = report_of(load_design("flexllm-u280"), "llama-3.2-1b", U280)
    decode = use_of(report.capacity, "decode", "hbm")
    cache = 16 * 2047 * 512  # int8 keys of all layers
    assert decode.fullest_channel in range(5, 13)
    assert decode.fullest_channel_bytes == pytest.approx(620.8e6 / 16 + cache / 8, rel=0.001)
    assert decode.fits
    assert decode.shortfall_bytes == 0
    assert not decode.levers
    embedding = next(role for role in report.capacity.roles if role.role == "decode.embedding")
    assert (embedding.memory, embedding.channels) == ("ddr", (1,))
    assert embedding.stored_bytes == 128_256 * 2048 * 4


@pytest.mark.parametrize(("name", "model", "device"), [
    ("flexllm-u280", "llama-3.2-1b", U280), ("flexllm-u280", "llama-3.1-8b", U280), ("flexllm-v80", "llama-3.1-8b", V80),
])  # fmt: skip
def test_channels_hold_what_the_roles_store(name: str, model: str, device: Device) -> None:
    """Summed again from the ports, channel by channel: the fullest one and the total are those of the report; a violation
    stands exactly where a memory does not fit.
    """
    design = load_design(name)
    report = report_of(design, model, device)
    stored = {role.role: role.stored_bytes for role in report.capacity.roles}
    for use in report.capacity.memories:
        held: dict[int, float] = {}
        for port in design.memory_map.ports:
            if (port.stage, port.memory) != (use.stage, use.memory):
                continue
            for role in port.roles:
                ports = design.memory_map.of(use.stage, role)
                held[port.channel] = held.get(port.channel, 0.0) + stored.get(f"{use.stage}.{role}", 0.0) / len(ports)
        assert use.stored_bytes == pytest.approx(sum(held.values()))
        assert use.fullest_channel_bytes == pytest.approx(max(held.values(), default=0.0))
    broken = {(v.where, v.constraint.split("_")[0]) for v in report.violations if v.constraint.endswith("_capacity")}
    assert broken == {(use.stage, use.memory) for use in report.capacity.memories if not use.fits}


def test_following_the_levers_makes_the_8b_model_fit() -> None:
    """FlexLLM's map keeps K and Q of all layers on one channel of 256 MiB: 32 x 4096 x (4096 + 1024) / 2 bytes are 336 MB
    before padding. Each lever names a role and how many channels it needs; doing so, one after the other, ends well.
    """
    design = load_design("flexllm-u280")
    followed = []
    while not (use := use_of(report_of(design, "llama-3.1-8b", U280).capacity, "prefill", "hbm")).fits:
        assert use.even_fraction < 1  # all of it has room on the card
        (lever,) = use.levers
        asked = re.match(r"spread (\w+) over (\d+) channels: \d+ prefill ports of (\d+) bit", lever)
        assert asked, lever
        role, number, bits = asked[1], int(asked[2]), int(asked[3])
        assert role not in followed
        followed.append(role)
        old = design.memory_map.of("prefill", role)
        taken = {port.channel for port in design.memory_map.ports if port.stage == "prefill"} - {p.channel for p in old}
        free = [channel for channel in range(32) if channel not in taken]
        new = tuple(
            old[0].model_copy(update={"name": f"{role}_{i}", "channel": free[i], "width_bits": bits})
            for i in range(number)
        )
        ports = (*new, *(port for port in design.memory_map.ports if port not in old))
        design = design.model_copy(update={"memory_map": design.memory_map.model_copy(update={"ports": ports})})
    assert "weights_kq" in followed
    assert not [v for v in report_of(design, "llama-3.1-8b", U280).violations if v.where == "prefill"]


@pytest.mark.parametrize(("name", "device"), [("flexllm-v80", V80), ("flexllm-u280", U280)])
def test_ports_too_narrow_for_their_lanes_do_not_make_weights_fewer(name: str, device: Device) -> None:
    """W8 through ports made for W4 is refused, and its image is as large as W8 is: q and k of the 8B model, 640 MiB."""
    design = load_design(name)
    wide = design.quant_scheme.model_copy(update={"weight_bits": 8, "lm_head_weight_bits": 8})
    report = report_of(design.model_copy(update={"quant_scheme": wide}), "llama-3.1-8b", device)
    assert any(v.constraint == "port_feeds_lanes" for v in report.violations)
    assert 640 * MIB <= use_of(report.capacity, "prefill", "hbm").fullest_channel_bytes < 643 * MIB


def test_what_lies_in_ddr_is_no_reason_to_leave_the_hbm() -> None:
    """8B at W8: 7.6 GB of weights fit the HBM of the U280 once spread; the 2 GB embedding is in DDR already."""
    design = load_design("flexllm-u280")
    wide = design.quant_scheme.model_copy(update={"weight_bits": 8, "lm_head_weight_bits": 8})
    use = use_of(
        report_of(design.model_copy(update={"quant_scheme": wide}), "llama-3.1-8b", U280).capacity, "decode", "hbm"
    )
    assert not use.fits
    assert "32 channels" in use.levers[0]


def test_what_the_issue_asks_for() -> None:
    """Verdicts at W4 and W8 on both cards: 8.03e9 weights at 8 bit are 89 % of the U280's HBM; all fit, nothing moves."""
    for name in ("smollm2-135m", "qwen2.5-0.5b", "llama-3.1-8b"):
        for device in (U280, V80):
            for bits in (4, 8):
                need = card_need(load_model(name), device, WORKLOAD, bits, 8)
                assert need.fits, need.message
                assert need.relocations == ()
                assert f"W{bits}" in need.message
    eight = card_need(load_model("llama-3.1-8b"), U280, WORKLOAD, 8, 8)
    layers = 32 * (2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14_336)
    head = 4096 * 128_256
    assert eight.weight_bytes == layers + head
    assert eight.hbm_fraction == pytest.approx((layers + head + 2 * 32 * 1024 * 2047) / 2**33, rel=0.003)


def test_what_would_have_to_move() -> None:
    """16-bit weights of the 8B model are 15 GB: lm_head first, then whole layers, until 8 GiB hold the rest."""
    need = card_need(load_model("llama-3.1-8b"), U280, WORKLOAD, 16, 8)
    assert need.fits
    assert need.relocations[0].what == "lm_head"
    assert "of 32 layers" in need.relocations[1].what
    assert need.hbm_fraction is not None
    assert 0.95 < need.hbm_fraction <= 1
    moved = sum(move.moved_bytes for move in need.relocations)
    ddr = 2 * 19.2e9 * 0.94
    assert sum(move.s_per_token for move in need.relocations) == pytest.approx(moved / ddr)
    nowhere = U280.model_copy(update={"ddr": None})
    assert not card_need(load_model("llama-3.1-8b"), nowhere, WORKLOAD, 16, 8).fits


@given(
    st.sampled_from(["smollm2-135m", "llama-3.2-1b", "llama-3.1-8b"]),
    st.sampled_from([U280, V80, load_device("u55c"), U280.model_copy(update={"hbm": None})]),
    st.integers(2, 32),
    st.integers(1, 100_000),
)
def test_nothing_is_lost_when_data_move(name: str, device: Device, bits: int, tokens: int) -> None:
    """HBM and DDR together hold all of it, wherever it lies; HBM is over-full only where there is nowhere to go."""
    model = load_model(name)
    need = card_need(model, device, Workload(prompt_tokens=tokens, output_tokens=1), bits, 8)
    everything = need.weight_bytes + need.scale_bytes + need.kv_cache_bytes + need.embedding_bytes
    held = sum(
        (fraction or 0.0) * memory.capacity_bytes
        for fraction, memory in ((need.hbm_fraction, device.hbm), (need.ddr_fraction, device.ddr))
        if memory is not None
    )
    assert held == pytest.approx(everything)
    if need.hbm_fraction is not None and need.hbm_fraction > 1 and device.ddr is not None:
        assert need.kv_cache_bytes > 0  # all weights have moved, and the cache alone is too large
        moved = sum(move.moved_bytes for move in need.relocations)
        assert moved == pytest.approx(need.weight_bytes + need.scale_bytes)
    assert need.fits == all(fraction is None or fraction <= 1 for fraction in (need.hbm_fraction, need.ddr_fraction))


def test_a_search_map_spreads_the_weights() -> None:
    """The default map of the same sizes: one port each for kq and vo, and the same verdict."""
    design = load_design("flexllm-u280")
    spread = spread_memory_map(design.prefill, design.decode, U280, design.quant_scheme)
    report = report_of(design.model_copy(update={"memory_map": spread}), "llama-3.1-8b", U280)
    use = use_of(report.capacity, "prefill", "hbm")
    assert math.isfinite(use.fullest_channel_bytes)
    assert use.fits == (use.fullest_channel_bytes <= 256 * MIB)
