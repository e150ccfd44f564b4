"""Multiply-accumulate units and non-linear lanes: counted by hand, and against open synthesis of the same structures."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_models.evaluate import Context, price_decode, price_prefill
from cost_models.macs import lut_multiplier, mac_cost
from cost_models.nonlinear import FLEXLLM_FABRIC, OPERATORS, Fabric, lane_cost, module_operators
from cost_models.onchip import fifo_blocks
from cost_models.report import evaluate_point
from cost_models.stage_cost import StageCost
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint, SystemChoices
from spec.module_choices import DecodeModules, PrefillModules
from spec.quant_scheme import W4A4KV8
from spec.timing import DEFAULT_TIMING_TABLE as T
from spec.workload import Stage, Workload

LLAMA, U280, V80 = load_model("llama-3.2-1b"), load_device("u280"), load_device("v80")
BASE = load_design("flexllm-u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)


def with_modules(stage: Stage, **choices: Any) -> DesignPoint:
    model = {"prefill": PrefillModules, "decode": DecodeModules}[stage]
    side = getattr(BASE, stage)
    return BASE.model_copy(update={stage: side.model_copy(update={"modules": model.model_validate(choices)})})


def priced(stage: Stage, point: DesignPoint, device: Any = U280, fmt: Any = "fp32") -> StageCost:
    context = Context(LLAMA, device, WORKLOAD, W4A4KV8, system=SystemChoices(nonlinear_format=fmt))
    batch = DesignBatch.from_points([point], device)
    return price_prefill(batch.prefill, context) if stage == "prefill" else price_decode(batch.decode, context)


def test_macs_a_dsp() -> None:
    """A 128-MAC int4 unit packed by four takes 32 DSP48E2 in open synthesis of a public RTL library, int8 by two 64."""
    assert 128 * mac_cost("prefill", "dsp4", 4, 4, 256).dsp == 32
    assert 128 * mac_cost("prefill", "dsp2", 8, 8, 256).dsp == 64
    assert 128 * mac_cost("prefill", "dsp1", 8, 8, 256).dsp == 128
    assert mac_cost("decode", "lut", 4, 4, 256).dsp == 0


def test_lut_of_a_multiplier() -> None:
    """A 4 x 4 product: 14 LUT after pairing, 18 as a table, 26 as a netlist, by open synthesis for UltraScale+."""
    assert 14 <= lut_multiplier(4, 4) <= 26
    # A LUT array of 8 x 16 int4 elements, K = 256: 11,153 LUT and 6,141 FF of open synthesis.
    unit = mac_cost("prefill", "lut", 4, 4, 256)
    assert 128 * unit.lut == pytest.approx(11_153, rel=0.35)
    assert 128 * unit.ff == pytest.approx(6_141, rel=0.80)


@pytest.mark.parametrize(("stage", "bits"), list(itertools.product(("prefill", "decode"), (4, 8))))
def test_denser_elements_trade_dsp_for_lut(stage: Stage, bits: int) -> None:
    names = ("dsp1", "dsp2", "dsp4", "lut") if bits == 4 else ("dsp1", "dsp2", "lut")
    found = [mac_cost(stage, name, bits, bits, 2048) for name in names]  # type: ignore[arg-type]
    assert [unit.dsp for unit in found] == sorted((unit.dsp for unit in found), reverse=True)
    assert [unit.lut for unit in found] == sorted(unit.lut for unit in found)


@pytest.mark.parametrize("stage", ["prefill", "decode"])
@pytest.mark.parametrize(("element", "share"), [("dsp1", 2.0), ("dsp4", 0.5), ("lut", 0.0)])
def test_linear_elements_of_a_kernel(stage: Stage, element: str, share: float) -> None:
    plain, other = priced(stage, BASE), priced(stage, with_modules(stage, linear_pe=element))
    macs = 8 * (2 * 24 + 3 * 96) if stage == "prefill" else 16 * 64
    assert other.resources.dsp[0] - plain.resources.dsp[0] == macs / 2 * (share - 1)
    assert other.cycles[0] == plain.cycles[0]
    if share < 1:
        assert other.resources.lut[0] > plain.resources.lut[0]


def test_lanes_counted_by_hand() -> None:
    cost = lane_cost("quant", T)
    assert (cost.dsp, cost.lut) == (2, 2 * 239 + 198 + 994)
    reciprocal = lane_cost("quant", T, quantizer="reciprocal")
    assert (reciprocal.dsp, reciprocal.lut) == (2 + 3, 2 * 239 + 198 + 78)
    symmetric = W4A4KV8.model_copy(update={"activation_symmetry": "symmetric"})
    assert module_operators("quant", symmetric, "divider") == {"fcmp": 1, "fdiv": 1}
    assert module_operators("dequant", symmetric, "divider") == {"fmul": 2, "int_to_float": 1}
    static = W4A4KV8.model_copy(update={"activation_scale": "static_per_tensor", "activation_symmetry": "symmetric"})
    assert module_operators("quant", static, "divider") == {"fdiv": 1}
    zero_points = W4A4KV8.model_copy(update={"weight_symmetry": "asymmetric"})
    assert module_operators("dequant", zero_points, "divider") == {"fmul": 4, "fadd": 2, "int_to_float": 1}
    dynamic = W4A4KV8.model_copy(update={"attention_scale": "dynamic_per_token"})
    assert module_operators("static_quant", dynamic, "divider") == {"fdiv": 1, "fcmp": 2}
    assert module_operators("swish", W4A4KV8, "reciprocal") == OPERATORS["swish"]  # a divisor of its own a value


def test_dividers_are_a_large_part_of_the_luts() -> None:
    for stage in ("prefill", "decode"):
        divider, free = priced(stage, BASE), priced(stage, with_modules(stage, quantizer="reciprocal"))
        assert free.resources.lut[0] < 0.95 * divider.resources.lut[0]
        assert free.resources.dsp[0] > divider.resources.dsp[0]
        assert free.cycles[0] == divider.cycles[0]


@pytest.mark.parametrize("stage", ["prefill", "decode"])
def test_narrower_formats_are_smaller(stage: Stage) -> None:
    fp32, bf16, fixed = (priced(stage, BASE, fmt=fmt) for fmt in ("fp32", "bf16", "fixed"))
    for kind in ("dsp", "lut", "bram_18k"):
        full = getattr(fp32.resources, kind)[0]
        assert getattr(bf16.resources, kind)[0] < full
        assert getattr(fixed.resources, kind)[0] < full
    assert bf16.cycles[0] == fp32.cycles[0]


def test_a_dsp58_adds_or_multiplies_fp32_by_itself() -> None:
    versal = Fabric("dsp58", "fp32")
    assert (versal.operator("fadd", T).dsp, versal.operator("fmul", T).dsp) == (1, 1)
    assert FLEXLLM_FABRIC.operator("fadd", T).dsp + FLEXLLM_FABRIC.operator("fmul", T).dsp == 5
    assert versal.operator("fdiv", T) == T.operators["fdiv"]
    on_versal, on_u280 = priced("prefill", BASE, V80), priced("prefill", BASE)
    # 8 lanes of 149 DSP of adders (2), multipliers (3) and exponentials (7 each, of softmax and swish).
    exponentials = 8 * 2 * 7
    ours = on_versal.resources.dsp[0] - 1344 - 128 - exponentials
    theirs = on_u280.resources.dsp[0] - 1344 - 128 - exponentials
    assert 0.33 < ours / theirs < 0.5


def test_shares_of_modules_sum_and_arrays_have_one_owner() -> None:
    for stage, point in itertools.product(
        ("prefill", "decode"),
        (BASE, with_modules("prefill", linear_groups=[["q", "k", "v", "o", "gate", "up", "down"]]),
         with_modules("decode", linear_groups=[["q", "k", "v", "o"], ["gate", "up", "down"], ["lm_head"]])),
    ):  # fmt: skip
        cost = priced(stage, point)
        for kind, amount in cost.resources.items():
            assert sum(getattr(part, kind)[0] for part in cost.module_resources.values()) == pytest.approx(amount[0])
        for module, owners in cost.shared_arrays.items():
            for owner in owners.split(", "):
                assert module != owner
                assert cost.module_resources[owner].dsp[0] > 0


def test_separate_engines_cost_an_engine_each() -> None:
    one, two = (
        priced("decode", BASE),
        priced(
            "decode", with_modules("decode", linear_groups=[["q", "k", "v", "o", "gate", "up", "down"], ["lm_head"]])
        ),
    )
    assert two.resources.dsp[0] - one.resources.dsp[0] == 16 * 64 / 2
    assert two.cycles[0] == one.cycles[0]


def test_score_fifos_grow_with_the_prompt() -> None:
    def blocks(stage: Stage, prompt: int) -> tuple[float, float]:
        context = Context(LLAMA, U280, Workload(prompt_tokens=prompt, output_tokens=8), W4A4KV8)
        batch = DesignBatch.from_points([BASE], U280)
        cost = price_prefill(batch.prefill, context) if stage == "prefill" else price_decode(batch.decode, context)
        return float(cost.resources.bram_18k[0]), float(cost.resources.uram[0])

    for stage in ("prefill", "decode"):
        found = [blocks(stage, prompt) for prompt in (64, 1024, 2048, 8192)]
        assert found[0][0] < found[1][0] < found[2][0]
        assert found[3][1] > found[2][1]  # from 4096 words on in URAM
    assert (fifo_blocks(100, 64).bram_18k, fifo_blocks(100, 64).uram) == (0.0, 0.0)
    assert (float(fifo_blocks(1024, 64).bram_18k), fifo_blocks(1024, 64).uram) == (4.0, 0.0)
    assert (float(fifo_blocks(4096, 64).bram_18k), float(fifo_blocks(4096, 64).uram)) == (0.0, 1.0)


def test_group_scales_cost_traffic_and_lanes() -> None:
    grouped = W4A4KV8.model_copy(update={"weight_scale": "per_group", "weight_group_size": 128})
    context = Context(LLAMA, U280, WORKLOAD, W4A4KV8)
    batch = DesignBatch.from_points([BASE], U280)
    plain, fine = price_prefill(batch.prefill, context), price_prefill(batch.prefill, replace(context, scheme=grouped))
    assert fine.traffic_bytes["scales_gate"][0] == 16 * plain.traffic_bytes["scales_gate"][0]
    assert fine.traffic_bytes["scales_down"][0] == 64 * plain.traffic_bytes["scales_down"][0]
    assert fine.resources.dsp[0] > plain.resources.dsp[0]
    slow, fast = price_decode(batch.decode, replace(context, scheme=grouped)), price_decode(batch.decode, context)
    assert slow.cycles[0] > 2 * fast.cycles[0]  # 16 scales a channel over a port of one a cycle


GROUP = 32
# Matrices of a layer and the head of Llama 3.2 1B by module, (d_in, d_out); K and V side by side in one.
MATRICES = {
    "kv_proj": [(2048, 1024)], "q_proj": [(2048, 2048)], "o_proj": [(2048, 2048)],
    "gate_up_proj": [(2048, 8192), (2048, 8192)], "down_proj": [(8192, 2048)], "lm_head": [(2048, 131_072)],
}  # fmt: skip


@pytest.mark.parametrize("apart", [False, True])
def test_group_scales_matrix_by_matrix(apart: bool) -> None:
    """One scale a cycle over a 64-bit port bounds every call: cycles and bytes are those of the same scales."""
    choices = {"linear_groups": [["q", "k", "v", "o", "gate", "down", "lm_head"], ["up"]]} if apart else {}
    point = with_modules("decode", **choices)
    grouped = W4A4KV8.model_copy(update={"weight_scale": "per_group", "weight_group_size": GROUP})
    cost = price_decode(DesignBatch.from_points([point], U280).decode, Context(LLAMA, U280, WORKLOAD, grouped))
    outputs = 64 * sum(T.operators[name].latency_cycles for name in ("int_to_float", "fmul", "fmul", "fadd"))
    spent = {module.name: float(module.critical[0]) for module in cost.modules}
    scales = 0
    for module, matrices in MATRICES.items():
        times = 1 if module == "lm_head" else LLAMA.n_layers
        cycles = 0
        for d_in, d_out in matrices:
            here = sum(len(range(0, d_in, GROUP)) for _ in range(d_out))
            scales += times * here
            drains = 0.5 if apart and module == "gate_up_proj" else 1  # both engines drain at the same time
            cycles += here + drains * d_out // 1024 * (outputs + T.loop_restart_cycles)
        assert spent[module] == times * cycles, module
    assert cost.traffic_bytes["scales"][0] == 8 * scales


@given(
    stage=st.sampled_from(["prefill", "decode"]),
    element=st.sampled_from(["dsp1", "dsp2", "dsp4", "lut"]),
    bits=st.tuples(st.integers(2, 15), st.integers(2, 15)),
    d_in=st.integers(2, 65_536),
)
def test_wider_operands_never_cost_less(stage: Stage, element: Any, bits: tuple[int, int], d_in: int) -> None:
    weight, operand = bits
    here = mac_cost(stage, element, weight, operand, d_in)
    for wider in (
        mac_cost(stage, element, weight + 1, operand, d_in),
        mac_cost(stage, element, weight, operand + 1, d_in),
    ):
        assert wider.dsp >= here.dsp
        assert wider.lut >= here.lut
        assert wider.ff >= here.ff


def test_wider_activations_never_make_a_smaller_kernel() -> None:
    """One multiplier a DSP: from 5 to 16 bits the accumulator in the DSP takes no more out of the base than was in it."""
    for stage in ("prefill", "decode"):
        point = with_modules(stage, linear_pe="dsp1")
        batch = DesignBatch.from_points([point], U280)
        found = []
        for bits in range(4, 17):
            scheme = W4A4KV8.model_copy(update={"activation_bits": bits})
            context = Context(LLAMA, U280, WORKLOAD, scheme)
            cost = price_prefill(batch.prefill, context) if stage == "prefill" else price_decode(batch.decode, context)
            found.append([float(getattr(cost.resources, kind)[0]) for kind in ("lut", "ff", "dsp")])
        for narrow, wide in itertools.pairwise(found):
            assert all(a <= b for a, b in zip(narrow, wide, strict=True))


@pytest.mark.parametrize("apart", [False, True])
def test_keys_and_values_on_the_chip_are_stored_as_they_are_read(apart: bool) -> None:
    """512 + 512 channels on 1024 lanes: one pass of one engine, or a half-empty pass on each of two."""
    groups = {"linear_groups": [["q", "k", "o", "gate", "up", "down", "lm_head"], ["v"]]} if apart else {}
    streamed = priced("decode", with_modules("decode", **groups))
    kept = priced("decode", with_modules("decode", on_chip_projections=["k", "v"], **groups))
    passes, steps = (2 if apart else 1), 16 * 2048
    bits = passes * steps * 1024 * 4
    assert streamed.traffic_bytes["weights"][0] - kept.traffic_bytes["weights"][0] == bits / 8
    blocks = passes * (steps // 4096) * 57  # 57 of 72 bits for 1024 x 4
    assert kept.resources.uram[0] - streamed.resources.uram[0] == blocks
    assert kept.cycles[0] <= streamed.cycles[0]


def test_breakdown_says_where_a_shared_array_is() -> None:
    report = evaluate_point(BASE, LLAMA, U280, WORKLOAD)
    rows = {(row.stage, row.module): row for row in report.breakdown}
    assert rows["prefill", "kv_proj"].dsp is None
    assert rows["prefill", "kv_proj"].dsp_in == "q_proj, o_proj"
    assert rows["decode", "lm_head"].dsp_in == "gate_up_proj"
    assert rows["decode", "gate_up_proj"].dsp == 512
    assert rows["decode", "gate_up_proj"].dsp_in is None
    for stage in ("prefill", "decode"):
        assert sum(row.share or 0.0 for row in report.breakdown if row.stage == stage) == pytest.approx(1.0)
