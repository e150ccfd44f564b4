"""Choices that our library has no template for, and streams beside weights and caches that memory does not keep pace with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cost_models.evaluate import Context, summarise_decode, summarise_prefill
from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.cost_report import CostReport
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.strict import validate
from spec.workload import STAGES, Stage, Workload

LLAMA, U280, V80 = load_model("llama-3.2-1b"), load_device("u280"), load_device("v80")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)


def changed(name: str, **choices: Any) -> DesignPoint:
    """A catalog design with other values: `decode__modules__softmax_width=2`."""
    document = load_design(name).model_dump(mode="json", by_alias=True)
    for path, value in choices.items():
        *outer, last = path.split("__")
        place = document
        for key in outer:
            place = place[key]
        place[last] = value
    return validate(DesignPoint, document)


def priced(point: DesignPoint, device: Any = U280) -> CostReport:
    return evaluate_point(point, LLAMA, device, WORKLOAD)


OURS = priced(load_design("flexdse-u280"))

LESS_WORK: list[tuple[Stage, dict[str, Any]]] = [
    ("decode", {"decode__modules__softmax_width": 2}),
    ("decode", {"decode__modules__overlap_attention": "on"}),
    ("decode", {"decode__modules__on_chip_projections": ["lm_head"]}),
    ("decode", {"decode__modules__on_chip_projections": ["q", "k", "v", "o"]}),
    ("decode", {"quant_scheme__activation_scale": "static_per_tensor"}),
    ("prefill", {"prefill__modules__softmax_width": 2}),
    ("prefill", {"prefill__modules__hadamard_width": 2}),
]


@pytest.mark.parametrize(("stage", "choices"), LESS_WORK, ids=lambda value: str(value))
def test_a_choice_that_takes_work_away_is_never_slower(stage: Stage, choices: dict[str, Any]) -> None:
    """None of them has a template: the law of the nearest design of our library must not be left for another family."""
    report = priced(changed("flexdse-u280", **choices))
    before, after = getattr(OURS, stage).cycles, getattr(report, stage).cycles
    assert 0.9 * before < after <= before * (1 + 1e-12)
    for other in STAGES:
        modules = [module.cycles for module in report.breakdown if module.stage == other]
        assert sum(modules) == pytest.approx(getattr(report, other).cycles, rel=1e-12)


def test_dearer_quantization_is_not_faster() -> None:
    asymmetric = priced(changed("flexdse-u280", quant_scheme__weight_symmetry="asymmetric"))
    assert asymmetric.prefill.cycles >= OURS.prefill.cycles
    assert asymmetric.decode.cycles >= OURS.decode.cycles


def test_the_unpipelined_dequantizer_costs_an_array_its_cycles() -> None:
    """64 outputs of 21 cycles and 1,024 scales a pass, more than its 2,048 cycles."""
    slow, fast = (
        priced(
            changed(
                "flexllm-u280", decode__modules__process_granularity="array", decode__modules__dequantizer=dequantizer
            )
        ).decode.cycles
        for dequantizer in ("unpipelined", "pipelined")
    )
    assert 1.1 * fast < slow < 1.2 * fast


def test_a_chunk_of_unbuilt_designs_is_the_loop_over_them() -> None:
    points = [
        changed("flexdse-u280", decode__modules__softmax_width=2, prefill__modules__softmax_width=w) for w in (1, 2)
    ]
    batch = DesignBatch.from_points(points, U280)
    ctx = Context(LLAMA, U280, WORKLOAD, points[0].quant_scheme)
    for i, point in enumerate(points):
        one = DesignBatch.from_points([point], U280)
        for law, whole, alone in (
            (summarise_prefill, batch.prefill, one.prefill),
            (summarise_decode, batch.decode, one.decode),
        ):
            assert law(whole, ctx).step_s[i] == law(alone, ctx).step_s[0]  # type: ignore[arg-type]


def test_scales_of_groups_take_the_cycles_of_their_port() -> None:
    """Gate: 96 lanes, one {scale, row sum} of 64 bits a beat, so 96 x 2048 / group cycles a pass of 2,056."""
    cycles = {}
    for group in (128, 32, 8):
        scheme = {"quant_scheme__weight_scale": "per_group", "quant_scheme__weight_group_size": group}
        cycles[group] = priced(changed("flexllm-u280", **scheme)).prefill.cycles
    assert cycles[128] == priced(load_design("flexllm-u280")).prefill.cycles
    passes, fill = -(-8192 // 96), 2048.0
    slowest = fill + passes * 96 * (2048 / 8)  # of gate beside up, the slowest stage
    assert cycles[8] == pytest.approx(16 * 128 * slowest, rel=0.15)
    # Down has 8192 inputs: at groups of 32 its scales take 96 x 256 cycles a pass, the most of all.
    assert cycles[32] == pytest.approx(16 * 128 * (8192 + 22 * 96 * 256), rel=0.15)


def scales_on_ddr(ports: int, bits: int) -> DesignPoint:
    document = changed(
        "flexllm-v80", quant_scheme__weight_scale="per_group", quant_scheme__weight_group_size=32
    ).model_dump(mode="json", by_alias=True)
    layout = document["memory_map"]["ports"]
    (scales,) = (port for port in layout if port["stage"] == "decode" and "scales" in port["roles"])
    place = {"memory": "ddr", "channel": 0, "width_bits": bits, "roles": ["scales"]}
    document["memory_map"]["ports"] = [port for port in layout if port is not scales] + [
        {**scales, **place, "name": f"scales_{i}"} for i in range(ports)
    ]
    return validate(DesignPoint, document)


@pytest.mark.parametrize("ports", [1, 4, 16])
def test_scales_come_no_faster_than_their_memory_gives_them(ports: int) -> None:
    """The bytes of a token over the rate of the one DDR channel: no number of ports is faster."""
    report = priced(scales_on_ddr(ports, 512), V80)
    assert V80.ddr is not None
    rate = V80.ddr.channel_sustained_bytes_per_s * V80.ddr.efficiency
    of_layers = LLAMA.n_layers * LLAMA.layer_linear_weights / 32 * 8
    of_head = LLAMA.vocab_size * LLAMA.hidden_dim / 32 * 8
    assert report.decode.tpot_s is not None
    assert report.decode.tpot_s >= (of_layers + of_head) / rate
    assert not [violation for violation in report.violations if violation.constraint == "ddr_rate"]


def test_streams_that_ask_too_much_of_ddr_together_are_refused() -> None:
    """Weights and scales of decode on one channel: a pass takes the longer of the two streams, but their bytes add up."""
    document = load_design("flexllm-u280").model_dump(mode="json", by_alias=True)
    for port in document["memory_map"]["ports"]:
        if port["stage"] == "decode" and not {"weights", "scales"}.isdisjoint(port["roles"]):
            port["memory"] = "ddr"
            port["width_bits"] = 512 if "scales" in port["roles"] else port["width_bits"]
        if port["memory"] == "ddr":
            port["channel"] = 0
    document["quant_scheme"] |= {"weight_scale": "per_group", "weight_group_size": 32}
    document["decode"]["modules"]["dequantizer"] = "pipelined"
    report = priced(validate(DesignPoint, document))
    (found,) = (violation for violation in report.violations if violation.constraint == "ddr_rate")
    assert found.where == "decode"
    assert U280.ddr is not None
    assert found.bound == pytest.approx(U280.ddr.channel_sustained_bytes_per_s * U280.ddr.efficiency)
    assert found.demand > found.bound
    assert np.isfinite(found.demand)
