"""plan_project: the numbers of a project, and what it refuses before any file is written."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cost_models import linear as cost_model
from dse.space import design_space
from hls_gen.errors import IllegalDesignError
from hls_gen.plan import plan_project
from hls_gen.planning import cycle_laws
from hls_gen.planning.csim import csim_model
from spec.catalog import load_design, load_device, load_model
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.workload import Workload

ONE_K = Workload(prompt_tokens=1024, output_tokens=1024)


def changed(design: DesignPoint, **changes: Any) -> DesignPoint:
    """The design with some values replaced: `prefill__token_parallelism=3`, `kernels=[...]`, or `ports=function`."""
    data = design.model_dump(mode="json", by_alias=True)
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = data
        for parent in parents:
            target = target[parent]
        target[last] = value(target[last]) if callable(value) else value
    return DesignPoint.model_validate(data)


def test_flexllm_pair() -> None:
    plan = plan_project(load_design("flexllm-u280"), load_model("llama-3.2-1b"), load_device("u280"), ONE_K)
    cycles = {(row.stage, row.module, row.linear): row.cycles for row in plan.cycles}
    # Closed forms of FlexLLM's arrays at its published sizes, with 8 cycles restart a pass.
    assert cycles["prefill", "kq.systolic_array", "q"] == 2048 + 86 * (2048 + 8)
    assert cycles["prefill", "kq.systolic_array", "k"] == 2048 + 22 * (2048 + 8)
    assert cycles["prefill", "gate.systolic_array", "gate"] == 2048 + 86 * (2048 + 8)
    assert cycles["prefill", "down.systolic_array", "down"] == 8192 + 22 * (8192 + 8)
    assert cycles["prefill", "down.quantize_dynamic", "down"] == 2 * 8192 + 8
    assert cycles["decode", "gemv", "qkv"] == 3 * (2048 + 8)
    assert cycles["decode", "gemv", "down"] == 2 * (8192 + 8)
    assert cycles["decode", "dequantize_vector", "o"] == 2 * 1024
    assert plan.prefill.token_blocks == 128  # of 1,023 tokens: the last one of the prompt goes through decode
    assert len(plan.decode.units) == len(plan.decode.weight_ports) == 16
    assert plan.decode.kernel.clock_period_ns == "3.424"
    assert plan.prefill.io_port.bank == "HBM[16]"
    modules = {"rms_norm", "rope", "quantize_static", "attention", "residual", "swiglu", "hadamard"}
    assert {case.module for case in plan.csim.cases if case.stage == "prefill"} == {*modules, "systolic"}
    assert {case.module for case in plan.csim.cases if case.stage == "decode"} == {
        *modules, "gemv", "embedding", "sampler",
    }  # fmt: skip


@pytest.mark.parametrize("design", ["flexllm-u280-base", "flexllm-u280-wide"])
def test_other_published_designs_can_be_generated(design: str) -> None:
    assert plan_project(load_design(design), load_model("llama-3.2-1b"), load_device("u280"), ONE_K).csim.cases


def test_laws_are_those_of_the_cost_models() -> None:
    """One law for the price and for the README of the project."""
    no_stall = np.ones(1)
    for d_in, d_out, width in ((2048, 2048, 24), (576, 1536, 40), (8192, 2048, 96), (64, 5, 8)):
        expected = cost_model.systolic_cycles(d_in, d_out, np.array([width]), no_stall, 8.0)
        assert cycle_laws.systolic_cycles(d_in, d_out, width, 8) == expected[0]
        expected = cost_model.systolic_cycles(d_in, d_out, np.array([width]), no_stall, 8.0, double_buffered=True)
        assert cycle_laws.systolic_cycles(d_in, d_out, width, 8, fill_overlaps=True) == expected[0]
    for d_in, d_out, groups, lanes in ((2048, 8192, 16, 64), (576, 1536, 12, 24), (192, 1001, 4, 8)):
        expected = cost_model.gemv_cycles(d_in, d_out, np.array([groups * lanes]), no_stall, 8.0)
        assert cycle_laws.gemv_cycles(d_in, d_out, groups, lanes, 8) == expected[0]


def test_plan_is_a_value(tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload) -> None:
    plan = plan_project(tiny_design, tiny_model, u280, workload, seed=4)
    assert plan == plan_project(tiny_design, tiny_model, u280, workload, seed=4)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.seed = 5  # type: ignore[misc]


def test_ports_cut_groups_in_the_tiny_design(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    decode = plan_project(tiny_design, tiny_model, u280, workload).decode
    assert (len(decode.weight_ports), decode.units_per_port, decode.unit_lanes, decode.unit_groups) == (3, 2, 16, 2)
    assert [unit.group_offset for unit in decode.units] == [0, 16, 8, 0, 16, 8]
    assert [unit.split for unit in decode.units] == [0, 0, 0, 1, 1, 1]
    assert decode.head.d_out == 1004  # 1001 rows of vocabulary in whole words of four groups


def test_csim_keeps_widths_and_a_ragged_last_pass_of_lm_head(tiny_model: ModelConfig) -> None:
    llama = load_model("llama-3.2-1b")
    small = csim_model(llama, 1024)
    assert (small.n_layers, small.vocab_size) == (1, 2 * 1024 + 341)
    assert small.model_copy(update={"n_layers": 16, "vocab_size": llama.vocab_size}) == llama
    assert csim_model(tiny_model, 96).n_layers == 2


UNBUILT: list[tuple[dict[str, Any], str]] = [
    ({"prefill__modules__softmax_width": 2}, "prefill.modules.softmax_width"),
    ({"decode__modules__hadamard_width": 2}, "decode.modules.hadamard_width"),  # of a serial transform
    (
        {"prefill__modules__hadamard": "streaming", "prefill__modules__hadamard_width": 2},
        "prefill.modules.hadamard_width",
    ),
    ({"decode__modules__on_chip_projections": ("o",)}, "decode.modules.on_chip_projections"),
    ({"quant_scheme__attention_scale": "dynamic_per_token"}, "quant_scheme.attention_scale"),
]


@pytest.mark.parametrize(("changes", "field"), UNBUILT, ids=[field for _, field in UNBUILT])
def test_variant_without_a_template_is_refused_by_name(
    changes: dict[str, Any],
    field: str,
    tiny_design: DesignPoint,
    tiny_model: ModelConfig,
    u280: Device,
    workload: Workload,
) -> None:
    with pytest.raises(InputError, match="no template builds") as refused:
        plan_project(changed(tiny_design, **changes), tiny_model, u280, workload)
    assert refused.value.field == field
    assert (refused.value.rule or "").startswith("available: ")


def widths(role: str, bits: int) -> Any:
    return lambda ports: [{**port, "width_bits": bits} if role in port["roles"] else port for port in ports]


def merged_roles(ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The gate scales ride on the port of the up scales."""
    kept = [port for port in ports if "scales_gate" not in port["roles"]]
    return [{**p, "roles": ["scales_up", "scales_gate"]} if "scales_up" in p["roles"] else p for p in kept]


def doubled(role: str) -> Any:
    def double(ports: list[dict[str, Any]]) -> list[dict[str, Any]]:
        extra = next(port for port in ports if role in port["roles"])
        return [*ports, {**extra, "name": "extra"}]

    return double


ILLEGAL: list[tuple[dict[str, Any], str]] = [
    ({"prefill__qkvo_weight_parallelism": 9}, "qkvo_weight_parallelism"),
    ({"prefill__ffn_weight_parallelism": 30}, "ffn_weight"),
    ({"prefill__ffn_weight_blocks": 3}, "ffn_weight"),
    ({"prefill__qkvo_weight_parallelism": 98}, "weight"),
    ({"decode__block_parallelism": 5}, "block_parallelism"),
    ({"decode__weight_parallelism": 25}, "weight_parallelism"),
    ({"decode__weight_parallelism": 48}, "weight"),
    ({"decode__engine_splits": 3}, "engine_splits"),
    ({"memory_map__ports": widths("weights_gate", 32)}, "weights_gate"),
    ({"memory_map__ports": widths("scales_kq", 32)}, "memory_map.ports"),
    ({"memory_map__ports": widths("weights", 64)}, "weights"),
    ({"memory_map__ports": merged_roles}, "memory_map.ports"),
    ({"memory_map__ports": doubled("io")}, "memory_map.ports"),
    ({"memory_map__ports": doubled("scales_vo")}, "memory_map.ports"),
    ({"memory_map__ports": lambda ports: [{**p, "channel": 40} for p in ports]}, ""),
    ({"kernels": [{"module": "prefill", "kernel": "p"}]}, "kernels"),
    ({"kernels": [{"module": "prefill", "kernel": "p"}, {"module": "decode", "kernel": "d"},
                  {"module": "decode.gemv", "kernel": "e"}]}, "kernels"),
    ({"quant_scheme__weight_bits": 8}, "weights"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "field"), ILLEGAL, ids=[f"{i}" for i in range(len(ILLEGAL))])
def test_illegal_design_is_refused(
    changes: dict[str, Any],
    field: str,
    tiny_design: DesignPoint,
    tiny_model: ModelConfig,
    u280: Device,
    workload: Workload,
) -> None:
    with pytest.raises(InputError) as refused:
        plan_project(changed(tiny_design, **changes), tiny_model, u280, workload)
    error = refused.value
    assert field in (error.field or "")
    assert error.rule
    assert error.hint
    assert error.exit_code == (3 if isinstance(error, IllegalDesignError) else 2)
    assert "value" in str(error)


def test_model_with_too_long_dot_products_is_refused(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    model = tiny_model.model_copy(update={"ffn_dim": 24576})
    with pytest.raises(InputError, match=r"too long|overflows"):
        plan_project(tiny_design, model, u280, workload)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_out_of_range(
    seed: int, tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, workload: Workload
) -> None:
    with pytest.raises(InputError, match="seed"):
        plan_project(tiny_design, tiny_model, u280, workload, seed)


@pytest.mark.parametrize("model_name", ["llama-3.2-1b", "smollm2-135m", "qwen2.5-1.5b"])
@pytest.mark.parametrize("device_name", ["u280", "v80"])
def test_whatever_the_search_may_choose_can_be_generated(model_name: str, device_name: str) -> None:
    """The search space and the library agree on what is legal."""
    model, device = load_model(model_name), load_device(device_name)
    space = design_space(model, device)
    rng = np.random.default_rng(1)
    prefill = space.prefill.columns(rng.integers(0, space.prefill.size, 25))
    decode = space.decode.columns(rng.integers(0, space.decode.size, 25))
    for i in range(25):
        design = space.design_point(
            {name: int(column[i]) for name, column in prefill.items()},
            {name: int(column[i]) for name, column in decode.items()},
        )
        assert plan_project(design, model, device, ONE_K).csim.cases
