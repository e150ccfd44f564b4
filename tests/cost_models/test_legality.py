"""Each rule refuses just what breaks it, as a typed violation that names demand, bound and a way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cost_models.report import evaluate_document, evaluate_point
from spec.catalog import load_design, load_device, load_model, names, resolve_design
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.legality import rules
from spec.memory_map import MemoryMap, MemoryPort
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules
from spec.violation import Violation
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
FLEXLLM = load_design("flexllm-u280")
WORKLOAD = Workload(prompt_tokens=128, output_tokens=128)

Change = Callable[[], DesignPoint]


def broken(design: DesignPoint, model: ModelConfig = LLAMA, device: Device = U280) -> dict[str, Violation]:
    return {v.constraint: v for v in evaluate_point(design, model, device, WORKLOAD).violations}


def stage(name: str, **changes: int) -> DesignPoint:
    """FlexLLM's pair with parameters of a stage changed and its ports left as they are."""
    return FLEXLLM.model_copy(update={name: getattr(FLEXLLM, name).model_copy(update=changes)})


def ports(stage_name: str, role: str, **changes: Any) -> DesignPoint:
    """FlexLLM's pair with the ports of a role changed."""
    changed = [
        port.model_copy(update=changes) if port.stage == stage_name and role in port.roles else port
        for port in FLEXLLM.memory_map.ports
    ]
    return FLEXLLM.model_copy(update={"memory_map": MemoryMap(ports=tuple(changed))})


def parts(d_in_splits: int, granularity: str, **changes: int) -> DesignPoint:
    """FlexLLM's pair with lanes of decode that share out input channels."""
    modules = {"d_in_splits": d_in_splits, "process_granularity": granularity}
    decode = FLEXLLM.decode.model_copy(update={"modules": DecodeModules.model_validate(modules), **changes})
    return FLEXLLM.model_copy(update={"decode": decode})


def with_port(**port: Any) -> DesignPoint:
    added = MemoryPort.model_validate(port)
    return FLEXLLM.model_copy(update={"memory_map": MemoryMap(ports=(*FLEXLLM.memory_map.ports, added))})


def one_port_in_ddr() -> DesignPoint:
    first = next(p for p in FLEXLLM.memory_map.ports if "weights_gate" in p.roles)
    moved = [
        p.model_copy(update={"memory": "ddr", "channel": 0}) if p is first else p for p in FLEXLLM.memory_map.ports
    ]
    return FLEXLLM.model_copy(update={"memory_map": MemoryMap(ports=tuple(moved))})


def test_the_published_designs_are_legal() -> None:
    for name in names("designs"):
        design, device = load_design(name), load_device("v80" if "v80" in name else "u280")
        batch = DesignBatch.from_points([design], device)
        assert [rule.constraint for rule in rules(batch, LLAMA, device) if rule.broken[0]] == [], name


@pytest.mark.parametrize("model_name", ["smollm2-135m", "qwen2.5-0.5b"])
def test_an_example_design_is_legal_for_small_models(model_name: str) -> None:
    """3 and 2 KV heads: none of FlexLLM's U280 designs is legal, the small example is and fits the card."""
    model, device = load_model(model_name), load_device("u280")
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    for name in names("designs"):
        if name.startswith("flexllm-u280"):
            batch = DesignBatch.from_points([load_design(name)], device)
            assert any(rule.broken[0] for rule in rules(batch, model, device)), name
    small = Path(__file__).parents[2] / "examples" / "designs" / "small-u280.yaml"
    document = evaluate_document(resolve_design(str(small)), model, device, workload)
    assert document["fit"] == "fits"
    assert document["violations"] == []


CASES: dict[str, tuple[str, Change, float, float]] = {
    # name: (constraint, design, demand, bound)
    "odd token lanes": ("even_lanes", lambda: stage("prefill", token_parallelism=9), 1, 0),
    "odd weight lanes": ("even_lanes", lambda: stage("decode", weight_parallelism=63), 1, 0),
    "blocks do not divide lanes": ("ffn_blocks", lambda: stage("prefill", ffn_weight_parallelism=100), 4, 0),
    # 40 lanes in 3 blocks of 13 (even lanes aside): 8192 channels take 205 passes, a third of them 210.
    "blocks need other passes": ("ffn_block_passes", lambda: stage("prefill", ffn_weight_parallelism=40), 5, 0),
    "neither width divides": ("token_key_widths", lambda: stage("prefill", key_parallelism=12), 4, 0),
    "more keys than head_dim": ("keys_per_pass", lambda: stage("prefill", key_parallelism=128), 128, 64),
    "more decode keys": ("keys_per_pass", lambda: stage("decode", key_parallelism=128), 128, 64),
    "channels do not divide": ("value_channels", lambda: stage("prefill", value_parallelism=24), 16, 0),
    "more lanes than channels": ("weight_lanes", lambda: stage("prefill", qkvo_weight_parallelism=4096), 4096, 2048),
    "narrow port": ("port_feeds_lanes", lambda: ports("prefill", "weights_kq", width_bits=64), 96, 64),
    "narrow cache port": ("port_feeds_lanes", lambda: ports("prefill", "k_cache", width_bits=64), 128, 64),
    "weight ports of decode": ("port_feeds_lanes", lambda: stage("decode", weight_parallelism=128), 4096, 0),
    "a port short of a block": ("port_per_block", lambda: stage("prefill", ffn_weight_blocks=2), 1, 0),
    "more heads than ports": ("port_per_head", lambda: stage("decode", head_parallelism=16), 16, 8),
    "heads do not divide": ("kv_heads", lambda: stage("decode", head_parallelism=16), 8, 0),  # of 8; of 32 it would
    "banks do not divide": ("input_banks", lambda: stage("decode", block_parallelism=24), 8, 0),
    "splits do not divide": ("engine_splits", lambda: stage("decode", engine_splits=3), 1, 0),
    "vector lanes do not divide": ("vector_lanes", lambda: stage("decode", vector_parallelism=24), 32, 0),
    "channel that is not there": ("memory_channel", lambda: ports("prefill", "io", channel=32), 32, 31),
    "DDR channel that is not there": ("memory_channel", lambda: ports("decode", "embedding", channel=2), 2, 1),
    "port too wide": ("port_width", lambda: ports("prefill", "io", width_bits=1024), 1024, 512),
    "DDR port too wide": ("port_width", lambda: ports("decode", "embedding", width_bits=1024), 1024, 512),
    "role in two memories": ("one_memory_per_role", one_port_in_ddr, 1, 0),
    "two streams on a port": (
        "streams_per_port",
        lambda: with_port(
            name="extra", stage="decode", roles=["k_cache", "v_cache"], memory="hbm", channel=30, width_bits=256
        ),
        2,
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_rule(name: str) -> None:
    constraint, design, demand, bound = CASES[name]
    found = broken(design())
    assert constraint in found, list(found)
    violation = found[constraint]
    assert (violation.demand, violation.bound) == (demand, bound)
    assert violation.levers
    assert violation.unit
    assert violation.where.split(".")[0] in ("prefill", "decode")


def test_memory_that_the_card_does_not_have() -> None:
    u55c = load_device("u55c")
    assert broken(FLEXLLM, device=u55c)["ddr_missing"].demand == 1  # the embedding
    no_hbm = U280.model_copy(update={"hbm": None})
    found = [v for v in evaluate_point(FLEXLLM, LLAMA, no_hbm, WORKLOAD).violations if v.constraint == "hbm_missing"]
    assert [(v.where, v.demand) for v in found] == [("prefill", 21), ("decode", 19)]


def test_more_ports_than_channels() -> None:
    narrow = U280.hbm.model_copy(update={"channels": 16}) if U280.hbm else None
    found = broken(FLEXLLM, device=U280.model_copy(update={"hbm": narrow}))
    assert found["hbm_ports"].bound == 16


def test_models_that_no_design_can_mend() -> None:
    for changes, constraint in (
        ({"ffn_dim": 14_336 + 4096}, "packed_accumulator"),  # longer than 2^14
        ({"ffn_dim": 8192 + 64}, "hadamard_order"),  # 129 x 64: no base of ours
    ):
        assert constraint in broken(FLEXLLM, LLAMA.model_copy(update=changes))


def with_modules(side: str, **choices: Any) -> DesignPoint:
    modules = {"prefill": PrefillModules, "decode": DecodeModules}[side].model_validate(choices)
    design = getattr(FLEXLLM, side)
    return FLEXLLM.model_copy(update={side: design.model_copy(update={"modules": modules})})


def with_scheme(**changes: Any) -> DesignPoint:
    return FLEXLLM.model_copy(update={"quant_scheme": FLEXLLM.quant_scheme.model_copy(update=changes)})


VARIANT_CASES: dict[str, tuple[str, Change, float, float]] = {
    "wide operands in a dense element": (
        "operand_bits", lambda: with_modules("prefill", attention_pe="dsp2").model_copy(
            update={"quant_scheme": FLEXLLM.quant_scheme.model_copy(update={"attention_bits": 12})}), 12, 8),
    "a width between powers of two": (
        "power_of_two", lambda: with_modules("decode", hadamard="streaming", hadamard_width=12), 8, 0),
    "more scores than keys": ("softmax_width", lambda: with_modules("prefill", softmax_width=32), 32, 16),
    "groups do not divide": (
        "weight_groups", lambda: with_scheme(weight_scale="per_group", weight_group_size=96), 32, 0),
    "blocks do not divide": ("hadamard_blocks", lambda: with_scheme(hadamard_block=96), 32, 0),
    "attention where the weights are": (
        "cache_apart", lambda: with_modules("decode", overlap_attention="on"), 1, 0),
    "half of the fused weights on the chip": (
        "fused_kv", lambda: with_modules("decode", on_chip_projections=["v"]), 1, 0),
    "parts of element processes": ("d_in_splits", lambda: parts(2, "element", engine_splits=2), 2, 1),
    "parts do not divide the engine's": ("d_in_splits", lambda: parts(4, "array", engine_splits=2), 2, 0),
    "results outlast a dot product": ("d_in_splits", lambda: parts(2, "array", weight_parallelism=2048), 4096, 2048),
}  # fmt: skip


@pytest.mark.parametrize("name", list(VARIANT_CASES))
def test_rule_of_a_variant(name: str) -> None:
    constraint, design, demand, bound = VARIANT_CASES[name]
    violation = broken(design())[constraint]
    assert (violation.demand, violation.bound) == (demand, bound)
    assert violation.levers
    assert constraint not in broken(FLEXLLM)


def test_elements_that_do_not_pack_have_no_packed_accumulator() -> None:
    longer = LLAMA.model_copy(update={"ffn_dim": 2**15})
    for element, held in (("dsp2", False), ("dsp1", True), ("lut", True)):
        point = with_modules("prefill", linear_pe=element)
        modules = point.decode.modules.model_copy(update={"linear_pe": element})
        point = point.model_copy(update={"decode": point.decode.model_copy(update={"modules": modules})})
        assert ("packed_accumulator" not in broken(point, longer)) == held


def test_rules_of_a_batch_are_those_of_each_design() -> None:
    designs = [case[1]() for case in CASES.values()]
    together = [rule.broken for rule in rules(DesignBatch.from_points(designs, U280), LLAMA, U280)]
    for i, design in enumerate(designs):
        alone = [bool(rule.broken[0]) for rule in rules(DesignBatch.from_points([design], U280), LLAMA, U280)]
        assert alone == [bool(column[i]) for column in together]
    assert np.any(together, axis=0).all()
