"""Laws of our library against cycles that timed simulation counted on the generated C++ (`python -m benchmarks.timed_sim_runs`)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cost_models.array_decode import DecodeLaw
from cost_models.array_prefill import PrefillLaw
from cost_models.decode import stored_weight_bytes
from cost_models.report import evaluate_point
from cost_models.stage_setup import StageSetup
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.fifo_depths import least_depths
from spec.model_config import ModelConfig
from spec.strict import validate
from spec.workload import Workload

STORED = json.loads((Path(__file__).parent / "simulated_designs.json").read_text())
MODEL = validate(ModelConfig, STORED["model"])
DEVICE = load_device(STORED["device"])
# What the simulator itself leaves open on so small a model: a cycle or two of each loop, a thousand loops.
TOLERANCE = 0.08


def law(one: dict[str, Any], prompt_tokens: int) -> tuple[DesignPoint, Workload]:
    return validate(DesignPoint, one["design"]), Workload(prompt_tokens=prompt_tokens, output_tokens=2)


@pytest.mark.parametrize("one", STORED["designs"], ids=lambda one: one["source_key"][:8])
def test_prefill_and_decode_take_the_simulated_cycles(one: dict[str, Any]) -> None:
    point, workload = law(one, one["prompt_tokens"])
    prefill = evaluate_point(point, MODEL, DEVICE, workload).prefill.cycles
    assert prefill == pytest.approx(one["cycles"]["prefill"], rel=TOLERANCE)
    point, workload = law(one, one["context"])
    decode = evaluate_point(point, MODEL, DEVICE, workload).decode.cycles
    assert decode == pytest.approx(one["cycles"]["decode"], rel=TOLERANCE)


def test_gate_and_up_wait_for_the_quantizer_of_down() -> None:
    """The last two designs differ in the FIFO before that quantizer alone: the whole of the next block, and 8 words."""
    cycles = {}
    for one in STORED["designs"][-2:]:
        point, workload = law(one, one["prompt_tokens"])
        depth = point.prefill.modules.quantizer_fifo_depth
        cycles[depth] = evaluate_point(point, MODEL, DEVICE, workload).prefill.cycles, one["cycles"]["prefill"]
    predicted, simulated = (cycles[8][i] / cycles[None][i] for i in (0, 1))
    assert simulated > 1.04
    assert predicted == pytest.approx(simulated, rel=0.03)


def test_lanes_in_parts_read_the_weights_and_no_padding() -> None:
    """8,192 lanes, two words of a port a step: 2,048 output channels fill them in four parts, and half of a word in one."""
    design, model, card = load_design("flexdse-v80"), load_model("llama-3.2-1b"), load_device("v80")
    d, ff, qkv = model.hidden_dim, model.ffn_dim, model.q_dim + 2 * model.kv_dim
    weights = model.n_layers * (qkv * d + d * model.q_dim + 3 * ff * d) // 2  # bytes in 4 bits
    stored = {}
    for parts in (1, 4):
        modules = design.decode.modules.model_copy(update={"d_in_splits": parts})
        point = design.model_copy(update={"decode": design.decode.model_copy(update={"modules": modules})})
        setup = StageSetup(model, Workload(prompt_tokens=64, output_tokens=2), point.quant_scheme)
        stored[parts] = stored_weight_bytes(DesignBatch.from_points([point], card).decode, setup)[0][0]
    # In one part K and V, Q, O and down each take a pass of 4,096 channels.
    padded = model.n_layers * (2 * 4096 * d + 4096 * model.q_dim + 2 * ff * d + 4096 * ff) // 2
    assert stored == {1: padded, 4: weights}


@pytest.mark.parametrize("one", STORED["designs"], ids=lambda one: one["source_key"][:8])
def test_the_mean_over_contexts_is_that_of_its_tokens(one: dict[str, Any]) -> None:
    point, workload = law(one, 200)
    batch = DesignBatch.from_points([point], DEVICE).decode
    steps = DecodeLaw(batch, StageSetup(MODEL, workload, point.quant_scheme))
    singles = [sum(steps.tokens(keys, keys).values())[0] for keys in range(201, 301)]
    assert sum(steps.tokens(201, 300).values())[0] == pytest.approx(np.mean(singles), rel=2e-3)
    assert all(a <= b for a, b in pairwise(singles))


@pytest.mark.parametrize("one", STORED["designs"], ids=lambda one: one["source_key"][:8])
def test_more_tokens_and_shallower_residual_fifos_take_longer(one: dict[str, Any]) -> None:
    point, workload = law(one, 65)
    batch = DesignBatch.from_points([point], DEVICE).prefill

    def cycles(tokens: int, residual: int | None = None) -> float:
        modules = batch.modules[0].model_copy(update={"residual_fifo_depth": residual})
        law = PrefillLaw(replace(batch, modules=(modules,)), StageSetup(MODEL, workload, point.quant_scheme))
        kv, main = law.layer(tokens)
        return float(kv[0] + main.cycles[0])

    lengths = [cycles(tokens) for tokens in (8, 16, 64, 128, 512)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]
    least = least_depths(batch.modules[0], MODEL).residual
    assert least == 2 * MODEL.hidden_dim  # the simulation stops for ever 8 words below, and runs at it
    assert cycles(64, least) >= cycles(64, 2 * least) >= cycles(64, 4 * least)


def test_a_cache_port_may_be_as_many_times_narrower_as_heads_share_a_word() -> None:
    """Words of 64 channels from ports of 512 to 64 bits: one to eight beats for the four query heads of a KV head."""
    model, workload = load_model("llama-3.2-1b"), Workload(prompt_tokens=1024, output_tokens=1024)
    base = load_design("flexdse-u280")
    assert base.prefill.key_parallelism == base.prefill.value_parallelism == 64
    assert model.gqa_group == 4
    cycles, refused, dsp = {}, {}, set()
    for width in (512, 256, 128, 64):
        ports = [
            port.model_copy(update={"width_bits": width})
            if port.stage == "prefill" and {"k_cache", "v_cache"} & set(port.roles)
            else port
            for port in base.memory_map.ports
        ]
        point = base.model_copy(update={"memory_map": base.memory_map.model_copy(update={"ports": tuple(ports)})})
        report = evaluate_point(point, model, DEVICE, workload)
        cycles[width] = report.prefill.cycles
        refused[width] = {found.constraint for found in report.violations}
        dsp.add(report.prefill.resources.dsp)
    assert cycles[256] == pytest.approx(cycles[512], rel=1e-5)  # a token takes two words to write
    assert cycles[128] == pytest.approx(cycles[512], rel=0.001)
    assert cycles[64] > 1.05 * cycles[512]  # the port, not the array, is what attention waits for
    assert refused == {512: set(), 256: set(), 128: set(), 64: {"port_feeds_lanes"}}
    assert len(dsp) == 1
