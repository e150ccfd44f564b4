"""Variants of the modules in whole kernels: generated, clean, bit-exact, of the size that the plan says."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from hls_gen.errors import SimulationDeadlockError
from hls_gen.lint import lint_project
from hls_gen.plan import plan_project
from hls_gen.planning.decode import weight_words
from hls_gen.planning.unrolled import check_operations, decode_operations
from hls_gen.project import generate_project
from hls_gen.render import render
from hls_gen.toolchain.csim import run_csim
from spec.catalog import load_design, load_device, load_model
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.workload import Workload

FAST_PREFILL = {
    "input_buffers": "double", "hadamard": "streaming", "softmax": "pipelined", "kv_read": "per_kv_head",
    "attention_mask": "causal_skip", "quantizer": "reciprocal",
}  # fmt: skip
FAST_DECODE = {
    "input_buffers": "double", "hadamard": "streaming", "hadamard_width": 2, "softmax": "pipelined",
    "kv_read": "per_kv_head", "quantizer": "reciprocal", "weight_buffer_beats": 32,
}  # fmt: skip


def with_shared_ports(
    design: DesignPoint, width_bits: int, engine_splits: int = 2, d_in_splits: int = 1
) -> DesignPoint:
    """Six weight ports of decode, a cache of each of the three head lanes behind the weights of each."""
    data = design.model_dump(mode="json", by_alias=True)
    data["prefill"]["modules"].update(FAST_PREFILL)
    parts = {"d_in_splits": d_in_splits, "process_granularity": "array"} if d_in_splits > 1 else {}
    data["decode"]["modules"].update({**FAST_DECODE, **parts})
    data["decode"]["engine_splits"] = engine_splits
    taken = {"weights", "k_cache", "v_cache"}
    ports = [p for p in data["memory_map"]["ports"] if p["stage"] != "decode" or not taken & set(p["roles"])]
    like = next(p for p in data["memory_map"]["ports"] if p["stage"] == "decode" and "weights" in p["roles"])
    ports += [
        {**like, "name": f"w_{i}", "roles": ["weights", "k_cache" if i < 3 else "v_cache"], "channel": i,
         "width_bits": width_bits}
        for i in range(6)
    ]  # fmt: skip
    data["memory_map"]["ports"] = ports
    return DesignPoint.model_validate(data)


def with_narrow_caches(design: DesignPoint) -> DesignPoint:
    """Attention of prefill takes 8 channels of keys and values at once, ports of 32 bits bring 4 in a cycle."""
    data = design.model_dump(mode="json", by_alias=True)
    data["prefill"].update(key_parallelism=8, value_parallelism=8)
    data["prefill"]["modules"]["process_granularity"] = "array"
    return DesignPoint.model_validate(data)


@pytest.fixture(scope="module", params=[2, pytest.param(1, marks=pytest.mark.slow)])
def fast_project(
    request: pytest.FixtureRequest, tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """Every variant at once; decode takes two words of a port for a step of its engine, prefill joins beats of caches.
    `params`: parts of decode's lanes that share out the input channels."""
    folder = tmp_path_factory.mktemp("variants") / "fast"
    design = with_narrow_caches(with_shared_ports(tiny_design, 32, d_in_splits=request.param))
    return generate_project(design, tiny_model, u280, workload, folder)


@pytest.mark.needs_program("g++")
def test_ports_that_run_ahead_are_bit_exact_and_stop_where_their_buffers_are_too_small(fast_project: Path) -> None:
    """An engine of two sub-engines, caches behind weights, the newest keys and values by the hidden state."""
    assert lint_project(fast_project) == ()
    report = run_csim(fast_project)
    assert report.passed
    assert {(m.stage, m.module) for m in report.modules} >= {("decode", "attention"), ("decode", "gemv")}
    # The unit's FIFO holds all scores of a unit: with fewer the maximum never comes.
    source = fast_project / "src" / "prefill.cpp"
    text = source.read_text()
    assert "kMaxTokens * kGroups> held_scores" in text
    source.write_text(text.replace("kMaxTokens * kGroups> held_scores", "8> held_scores"))
    config = fast_project / "include" / "flexdse_hls" / "softmax.hpp"
    header = config.read_text()
    config.write_text(header.replace("FLEXDSE_REQUIRE(units == 0 || keys * GROUPS <= HELD", "FLEXDSE_REQUIRE(true"))
    with pytest.raises(SimulationDeadlockError, match="held_scores"):
        run_csim(fast_project)


def test_beats_are_joined_only_where_a_port_is_narrow(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    """The cache lies in the port's words; a project whose ports are as wide as attention has no trace of it."""
    wide, narrow = (
        plan_project(design, tiny_model, u280, workload)
        for design in (with_shared_ports(tiny_design, 32), with_narrow_caches(with_shared_ports(tiny_design, 32)))
    )
    assert (narrow.prefill.key_parallelism, narrow.prefill.key_layout) == (8, wide.prefill.key_layout)
    header = "include/flexdse_hls/join_beats.hpp"
    built, without = render(narrow), render(wide)
    assert "join_beats<kKeyBeat, kKeyChunk" in built["src/prefill.cpp"]
    assert header in built
    assert header not in without
    assert not any("beat" in text.lower() for name, text in without.items() if name.startswith("src/prefill"))


def test_beats_that_make_no_whole_words_are_refused(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    """12 keys of 8 bits from a port of 64: one beat and a half; and 12 channels do not divide a head of 16."""
    data = with_narrow_caches(with_shared_ports(tiny_design, 32)).model_dump(mode="json", by_alias=True)
    data["prefill"]["key_parallelism"] = 12
    for port in data["memory_map"]["ports"]:
        if port["stage"] == "prefill" and "k_cache" in port["roles"]:
            port["width_bits"] = 64
    with pytest.raises(InputError, match="whole beats of a port of k_cache") as refused:
        plan_project(DesignPoint.model_validate(data), tiny_model, u280, workload)
    assert refused.value.field == "prefill.k_cache"


def test_words_of_run_ahead_are_those_of_the_weights(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    """Channels of an absent sub-engine of a ragged last pass are neither stored nor streamed."""
    plans = {
        bits: plan_project(with_shared_ports(tiny_design, bits), tiny_model, u280, workload).decode for bits in (32, 64)
    }
    assert {bits: plan.sub_engines for bits, plan in plans.items()} == {32: 2, 64: 1}
    # 96 channels a pass: o and down have one, qkv 192 and gate|up 384 channels; of 48 a half pass: 2, 2, 4 and 8.
    assert [linear.passes for linear in plans[64].linears] == [2, 1, 4, 1]
    assert [linear.passes for linear in plans[32].linears] == [4, 2, 8, 2]
    assert plans[32].layer_weight_words == 2 * plans[64].layer_weight_words
    assert plans[32].unit_lanes * 2 * 6 == plans[64].unit_lanes * 6 == 96


def test_lanes_that_share_out_input_channels_leave_no_padding(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    """96 lanes in two parts compute 48 channels a pass in half of the steps: o and down, of 96 channels, fill them as before."""
    whole, parted = (
        plan_project(with_shared_ports(tiny_design, 64, d_in_splits=splits), tiny_model, u280, workload).decode
        for splits in (1, 2)
    )
    assert [linear.passes for linear in parted.linears] == [2 * linear.passes for linear in whole.linears]
    assert parted.layer_weight_words == whole.layer_weight_words
    head = parted.head
    assert weight_words(parted, 0, 60) == 2 * (
        head.d_in // 2
    )  # 60 rows of lm_head: two passes of 48 in half of the steps
    assert weight_words(whole, 0, 48) == head.d_in
    assert weight_words(parted, 0, 48) == head.d_in // 2  # half of the lanes would have lain idle


def test_a_design_without_parts_is_what_it_was(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    """One part is the default: the same key, and no word of parts in what is generated for the design."""
    data = with_shared_ports(tiny_design, 32).model_dump(mode="json", by_alias=True)
    assert data["decode"]["modules"].pop("d_in_splits") == 1
    before = DesignPoint.model_validate(data)
    assert before.canonical_key() == with_shared_ports(tiny_design, 32, d_in_splits=1).canonical_key()
    texts = render(plan_project(before, tiny_model, u280, workload))
    for name, text in texts.items():
        if name.startswith(("src/", "tb/", "host/design", "include/config")):
            assert not re.search(r"DInSplits|take_part|add_parts|port_unit|[pP]artAcc", text), name
    parted = render(plan_project(with_shared_ports(tiny_design, 32, d_in_splits=2), tiny_model, u280, workload))
    assert "add_parts<kDInSplits" in parted["src/decode.cpp"]
    assert parted["src/prefill.cpp"] == texts["src/prefill.cpp"]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"engine_splits": 4}, "decode.engine_splits", "share a port"),
        ({"weight_parallelism": 26}, "decode.weight_parallelism", "does not divide into the 3 words"),
    ],
)
def test_buffers_that_can_not_be_built_are_refused(
    changes: dict[str, Any], field: str, words: str, tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device,
    workload: Workload,
) -> None:  # fmt: skip
    data = with_shared_ports(tiny_design, 32).model_dump(mode="json", by_alias=True)
    data["decode"].update(changes)
    with pytest.raises(InputError, match=words) as refused:
        plan_project(DesignPoint.model_validate(data), tiny_model, u280, workload)
    assert refused.value.field == field


def test_streaming_transform_needs_words_in_flight(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    """192 = 12 x 16: rows of the base of 16 channels; at 4 a cycle their sums would wait for each other."""
    data = with_shared_ports(tiny_design, 32).model_dump(mode="json", by_alias=True)
    data["decode"]["modules"]["hadamard_width"] = 4
    with pytest.raises(InputError, match="is not 4 values wide") as refused:
        plan_project(DesignPoint.model_validate(data), tiny_model, u280, workload)
    assert refused.value.field == "decode.modules.hadamard_width"
    assert refused.value.hint == "use 2 or less"


def wide_decode(design: DesignPoint) -> DesignPoint:
    """4,096 lanes on 32 ports of 256 bits that carry weights and caches: two words of a port for a step of the engine."""
    data = design.model_dump(mode="json", by_alias=True)
    data["decode"].update(
        block_parallelism=32, weight_parallelism=128, engine_splits=2, head_parallelism=8, key_parallelism=32,
        value_parallelism=32, vector_parallelism=16,
    )  # fmt: skip
    data["decode"]["modules"].update({**FAST_DECODE, "hadamard_width": 8, "weight_buffer_beats": 4096})
    ports = [port for port in data["memory_map"]["ports"] if port["stage"] == "prefill"]

    def add(name: str, roles: list[str], memory: str, channel: int, width_bits: int) -> None:
        like = {**ports[0], "stage": "decode", "name": name, "roles": roles}
        ports.append({**like, "memory": memory, "channel": channel, "width_bits": width_bits})

    for i in range(32):
        cache = ["k_cache" if i % 4 else "v_cache"] if i % 2 == 0 else []
        add(f"w_{i}", ["weights", *cache], "hbm", i, 256)
    for name, role, channel, width in (
        ("scales", "scales", 0, 512), ("io", "io", 1, 512), ("norm", "norm_weights", 1, 256), ("emb", "embedding", 0, 512)
    ):  # fmt: skip
        add(name, [role], "ddr", channel, width)
    data["memory_map"]["ports"] = ports
    return DesignPoint.model_validate(data)


def test_widest_decode_stays_a_block_diagram() -> None:
    """At most 400 lines and 200 processes, with every port of the card and two sub-engines."""
    plan = plan_project(
        wide_decode(load_design("flexllm-u280")), load_model("llama-3.2-1b"), load_device("u280"),
        Workload(prompt_tokens=1024, output_tokens=1024),
    )  # fmt: skip
    source = render(plan)["src/decode.cpp"]
    assert plan.decode.sub_engines == 2
    assert len(source.splitlines()) <= 400
    assert 150 < source.count("FLEXDSE_PROCESS(") <= 200


def test_kernel_that_unrolls_too_much_is_refused(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    decode = plan_project(tiny_design, tiny_model, u280, workload).decode
    assert 96 < decode_operations(decode) < 1000  # 96 lanes, attention of three head lanes, vector lanes of four
    prefill = plan_project(tiny_design, tiny_model, u280, workload).prefill
    huge = dataclasses.replace(prefill, token_parallelism=1000)
    with pytest.raises(InputError, match=r"the prefill kernel unrolls \d{6} operations") as refused:
        check_operations(huge, decode)
    assert refused.value.field == "prefill.token_parallelism"
    with pytest.raises(InputError, match="the decode kernel unrolls") as refused:
        check_operations(prefill, dataclasses.replace(decode, weight_parallelism=30_000))
    assert refused.value.field == "decode.weight_parallelism"
