"""Floorplans: FlexLLM's designs stand, limits hold in every SLR, and nothing that fits is refused beforehand."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models.arrays import ResourceArrays
from cost_models.evaluate import Context, price_decode, price_prefill
from cost_models.feasibility import resource_rules
from cost_models.slr import KINDS, adapter_resources, slr_capacity
from cost_models.stage_cost import StageCost
from cost_models.streams import stage_streams
from dse import placement
from dse.floorplan import StageUnits, plan_floorplan, problem_of, stage_units
from dse.placement import assign
from dse.verdict import evaluation_with_floorplan
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch
from spec.design_point import DesignPoint, KernelPlacement
from spec.device import Device
from spec.errors import ToolNotFoundError, UnknownNameError
from spec.floorplan import Floorplan
from spec.resources import RESOURCE_NAMES
from spec.spread_memory_map import spread_memory_map
from spec.workload import Stage, Workload

pytest.importorskip("ortools", reason="OR-Tools")

LLAMA, U280, V80 = load_model("llama-3.2-1b"), load_device("u280"), load_device("v80")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
PAIR = load_design("flexllm-u280")


def priced(
    point: DesignPoint, stage: Stage, device: Device = U280
) -> tuple[StageCost, PrefillBatch | DecodeBatch, StageUnits]:
    batch = DesignBatch.from_points([point], device)
    context = Context(LLAMA, device, WORKLOAD, point.quant_scheme, hmt=point.hmt, system=point.system)
    if stage == "prefill":
        cost, part = price_prefill(batch.prefill, context), batch.prefill
        return cost, part, stage_units(cost, part, point, device)
    cost, decode = price_decode(batch.decode, context), batch.decode
    return cost, decode, stage_units(cost, decode, point, device)


@cache
def plan_of(name: str, device: str) -> Floorplan:
    return plan_floorplan(load_design(name), LLAMA, load_device(device), WORKLOAD)


@pytest.mark.parametrize("name", ["flexllm-u280", "flexllm-u280-base"])
def test_the_designs_that_ran_are_placed(name: str) -> None:
    """At the predicted resources, every cap held, the fewest crossings proven."""
    plan = plan_of(name, "u280")
    assert plan.status == "placed"
    assert [bitstream.stages for bitstream in plan.bitstreams] == [("prefill",), ("decode",)]
    for bitstream in plan.bitstreams:
        assert bitstream.proven_optimal
        for region in bitstream.regions:
            assert region.clb_fraction <= 0.82  # the fullest SLR that was seen to route
            assert region.lut_fraction <= 0.55
            assert region.ff_fraction <= 0.50
            assert max(region.dsp_fraction, region.bram_18k_fraction, region.uram_fraction) <= 0.80
        assert all(boundary.fraction is not None and boundary.fraction <= 0.70 for boundary in bitstream.boundaries)


def test_adapters_stand_beside_their_memory() -> None:
    """HBM and DDR[0] of the U280 at SLR0; the V80's HBM at SLR2 and its DDR at SLR0."""
    for name, device, where in (
        ("flexllm-u280", "u280", {"axi_hbm": "SLR0", "axi_ddr": "SLR0"}),
        ("flexllm-v80", "v80", {"axi_hbm": "SLR2", "axi_ddr": "SLR0"}),
    ):
        decode = plan_of(name, device).bitstreams[1]
        found = {p.module.split(".")[1]: p.slr for p in decode.placements if ".axi_" in p.module}
        assert found == where


@pytest.mark.parametrize(("index", "stage"), [(0, "prefill"), (1, "decode")])
def test_the_slrs_hold_the_kernel_and_the_shell_once(index: int, stage: Stage) -> None:
    """Summed over the SLRs: each unit once, and the card's shell."""
    bitstream = plan_of("flexllm-u280", "u280").bitstreams[index]
    cost, _, units = priced(PAIR, stage)
    assert sorted(p.module for p in bitstream.placements) == sorted(units.names)
    for kind in RESOURCE_NAMES:
        used = sum(getattr(region.used, kind) for region in bitstream.regions)
        expected = float(getattr(cost.resources, kind)[0]) + getattr(U280.shell, kind)
        assert used == pytest.approx(expected, abs=len(bitstream.regions))


def test_the_crossings_are_those_of_the_streams() -> None:
    """Counted again, stream by stream, from the placement alone."""
    for index, stage in ((0, "prefill"), (1, "decode")):
        bitstream = plan_of("flexllm-u280", "u280").bitstreams[index]
        at = {p.module: int((p.slr or "SLR9")[3:]) for p in bitstream.placements}
        _, _, units = priced(PAIR, stage)  # type: ignore[arg-type]
        crossing = [0, 0]
        for stream in units.streams:
            slrs = [at[unit] for unit in stream.units]
            for boundary in (0, 1):
                crossing[boundary] += stream.bits if min(slrs) <= boundary < max(slrs) else 0
        assert [boundary.stream_bits for boundary in bitstream.boundaries] == crossing
        assert bitstream.crossing_bits == sum(crossing)


# FlexLLM's own pins, slot rows as SLRs (its floorplan constraints): the gate array in row 2, up in row 1, down in row 0;
# the engine's halves in row 2, QK and AV with their KV managers in row 0.
FLEXLLM_PINS: dict[Stage, dict[str, str]] = {
    "prefill": {
        **{f"prefill.gate_up_proj_{i}": "SLR2" for i in range(3)},
        **{f"prefill.gate_up_proj_{i}": "SLR1" for i in range(3, 6)},
        "prefill.down_proj": "SLR0",
    },
    "decode": {"decode.gate_up_proj": "SLR2", "decode.attention": "SLR0"},
}


@pytest.mark.parametrize("stage", ["prefill", "decode"])
def test_flexllms_own_floorplan_is_possible_and_ours_crosses_no_more(stage: Literal["prefill", "decode"]) -> None:
    kernels = tuple(KernelPlacement(module=m, kernel="k", slr=slr) for m, slr in FLEXLLM_PINS[stage].items())
    pinned = plan_floorplan(PAIR.model_copy(update={"kernels": kernels}), LLAMA, U280, WORKLOAD, stage=stage)
    assert pinned.status in ("placed", "within_band")
    (bitstream,) = pinned.bitstreams
    at = {p.module: p.slr for p in bitstream.placements}
    for module, slr in FLEXLLM_PINS[stage].items():
        assert {where for name, where in at.items() if name == module or name.startswith(f"{module}_")} == {slr}
    free = plan_of("flexllm-u280", "u280").bitstreams[0 if stage == "prefill" else 1]
    assert free.crossing_bits is not None
    assert bitstream.crossing_bits is not None
    if pinned.status == "placed":
        assert free.crossing_bits <= bitstream.crossing_bits


def test_a_refusal_says_what_where_and_by_how_much() -> None:
    """The 512-bit decode engine that FlexLLM never released: too large even at the low end of the bands."""
    plan = plan_floorplan(load_design("flexllm-u280-wide"), LLAMA, U280, WORKLOAD, stage="decode")
    assert plan.status == "refused"
    (bitstream,) = plan.bitstreams
    assert not bitstream.placements
    assert bitstream.shortfalls
    for shortfall in bitstream.shortfalls:
        assert shortfall.demand > shortfall.bound
        assert shortfall.where.startswith("decode SLR")
        assert shortfall.constraint.startswith("floorplan_")
        assert shortfall.levers


def test_the_named_lever_makes_it_fit() -> None:
    """A decode engine in one part, twice FlexLLM's: the levers are tried, and doing what one says is enough."""
    large = PAIR.decode.model_copy(update={"engine_splits": 1, "block_parallelism": 32})
    plan = plan_floorplan(PAIR.model_copy(update={"decode": large}), LLAMA, U280, WORKLOAD, stage="decode")
    assert plan.status == "refused"
    levers = plan.bitstreams[0].shortfalls[0].levers
    assert levers
    for lever in levers:
        verb, parameter, before, after = re.match(r"(raise|lower) decode\.(\w+) from (\d+) to (\d+)", lever).groups()  # type: ignore[union-attr]
        assert (int(after) > int(before)) == (verb == "raise")
        mended = PAIR.model_copy(update={"decode": large.model_copy(update={parameter: int(after)})})
        assert plan_floorplan(mended, LLAMA, U280, WORKLOAD, stage="decode").status in ("placed", "within_band")


def test_one_kernel_is_one_slr() -> None:
    small = plan_floorplan(load_design("flexllm-u280-base"), LLAMA, U280, WORKLOAD, stage="decode", max_kernels=2)
    assert small.status == "placed"
    assert len({p.kernel for p in small.bitstreams[0].placements}) == 2
    one = plan_floorplan(PAIR, LLAMA, U280, WORKLOAD, stage="decode", max_kernels=1)
    assert one.status == "refused"


def test_co_resident_stages_share_the_slrs() -> None:
    """Both stages of a pair that fits twice over on a V80: one bitstream, and both shells once."""
    point = PAIR.model_copy(update={"deployment": "co_resident"})
    plan = plan_floorplan(point, LLAMA, V80, WORKLOAD, optimise=False)
    (bitstream,) = plan.bitstreams
    assert bitstream.stages == ("prefill", "decode")
    stages = {p.module.split(".")[0] for p in bitstream.placements}
    assert stages == {"prefill", "decode"}
    used = sum(region.used.lut for region in bitstream.regions)
    both = sum(float(priced(PAIR, stage, V80)[0].resources.lut[0]) for stage in ("prefill", "decode"))
    assert used == pytest.approx(both + V80.shell.lut, abs=3)


def test_our_two_kernels_of_one_bitstream_have_a_floorplan() -> None:
    plan = plan_floorplan(load_design("flexdse-u280-coresident"), LLAMA, U280, WORKLOAD, optimise=False)
    assert plan.status in ("placed", "within_band")
    (both,) = plan.bitstreams
    assert both.stages == ("prefill", "decode")


def test_pins_on_what_is_not_there_are_named() -> None:
    for module, slr, words in (
        ("decode.gate_up_projj", "SLR0", "gate_up_proj"),
        ("decode.attention", "SLR7", "SLR0"),
    ):
        point = PAIR.model_copy(update={"kernels": (KernelPlacement(module=module, kernel="k", slr=slr),)})
        with pytest.raises(UnknownNameError, match=words):
            plan_floorplan(point, LLAMA, U280, WORKLOAD, stage="decode")


def test_a_solver_without_time_says_that_it_does_not_know() -> None:
    """Neither placed nor refused, and nothing invented in between."""
    plan = plan_floorplan(PAIR, LLAMA, U280, WORKLOAD, stage="prefill", deterministic_limit=0.0)
    assert plan.status == "unknown"
    (bitstream,) = plan.bitstreams
    assert not bitstream.placements
    assert not bitstream.shortfalls
    assert bitstream.crossing_bits is None


def test_one_design_has_one_floorplan() -> None:
    again = plan_floorplan(PAIR, LLAMA, U280, WORKLOAD, stage="decode")
    assert again.bitstreams[0] == plan_of("flexllm-u280", "u280").bitstreams[1]


@pytest.mark.parametrize("splits", [2, 4])
def test_leaving_out_twins_loses_no_better_assignment(splits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchangeable units are tried in one order only: without that, the optimum is the same."""
    parts = PAIR.decode.model_copy(update={"engine_splits": splits})
    problem = problem_of([priced(PAIR.model_copy(update={"decode": parts}), "decode")[2]], U280)
    assert any(unit.twin_of is not None for unit in placement.with_twins(problem).units)
    with_twins = assign(problem)
    monkeypatch.setattr(placement, "with_twins", lambda problem: problem)
    without = assign(problem)
    assert with_twins.proven_optimal
    assert without.proven_optimal
    assert sum(problem.crossings(with_twins.regions)) == sum(problem.crossings(without.regions))
    assert problem.filling(with_twins.regions) == problem.filling(without.regions)


def test_adapters_add_up_to_what_the_laws_count() -> None:
    for stage in ("prefill", "decode"):
        cost, _, _ = priced(PAIR, stage)  # type: ignore[arg-type]
        ports = [port for port in PAIR.memory_map.ports if port.stage == stage]
        ours = adapter_resources(len(ports), sum(port.width_bits for port in ports))
        law = cost.module_resources["axi_adapters"]
        for kind in RESOURCE_NAMES:
            assert float(getattr(ours, kind)) == pytest.approx(float(getattr(law, kind)[0])), kind


def test_every_unit_has_a_stream() -> None:
    """A unit without wires would be placed at random."""
    for name in ("flexllm-u280", "flexllm-u280-base", "flexllm-u280-wide", "flexllm-u280-hmt"):
        point = load_design(name)
        for stage in ("prefill", "decode"):
            _, _, units = priced(point, stage)  # type: ignore[arg-type]
            wired = {unit for stream in units.streams for unit in stream.units}
            assert wired == set(units.names)


@st.composite
def points(draw: st.DrawFn) -> tuple[DesignPoint, Device]:
    """Designs from small to far too large, with the ports that feed them."""
    device = draw(st.sampled_from([U280, V80]))
    blocks = draw(st.sampled_from([1, 2, 3, 4]))
    prefill = PAIR.prefill.model_copy(
        update={
            "token_parallelism": draw(st.sampled_from([2, 4, 8, 12, 16, 24])),
            "qkvo_weight_parallelism": draw(st.sampled_from([8, 16, 24, 32, 64])),
            "ffn_weight_blocks": blocks,
            "ffn_weight_parallelism": blocks * draw(st.sampled_from([8, 16, 32, 64])),
        }
    )
    splits = draw(st.sampled_from([1, 2, 4]))
    decode = PAIR.decode.model_copy(
        update={
            "block_parallelism": splits * draw(st.sampled_from([2, 4, 8])),
            "weight_parallelism": draw(st.sampled_from([16, 32, 64, 128])),
            "engine_splits": splits,
            "head_parallelism": draw(st.sampled_from([2, 4, 8])),
        }
    )
    lanes = decode.block_parallelism * decode.weight_parallelism
    widths = [128, 256] if device is V80 else [128, 256, 512]
    bits = draw(st.sampled_from([width for width in widths if 4 * lanes <= 64 * width] or [widths[-1]]))
    memory_map = spread_memory_map(prefill, decode, device, PAIR.quant_scheme, bits)
    return PAIR.model_copy(update={"prefill": prefill, "decode": decode, "memory_map": memory_map}), device


@given(points(), st.sampled_from(["prefill", "decode"]), st.booleans())
@settings(max_examples=120, deadline=None)
def test_nothing_that_can_be_placed_is_refused_beforehand(
    drawn: tuple[DesignPoint, Device], stage: Stage, at_low_end: bool
) -> None:
    """Truth: the exact solver. The fast conditions may let through what it refuses, never the other way round."""
    point, device = drawn
    cost, batch, units = priced(point, stage, device)
    found = assign(problem_of([units], device, at_low_end=at_low_end), optimise=False)
    if found.outcome != "assigned":
        return
    for rule in resource_rules(cost, batch, device):
        low = rule.relative_low if at_low_end else 0.0
        assert float(rule.demand[0]) * (1 + low) <= float(rule.bound[0]) * (1 + 1e-9), rule.constraint


def test_the_fast_conditions_refuse_something() -> None:
    """Not empty: an engine in one part that no SLR holds, and adapters that overflow SLR0."""
    whole = PAIR.decode.model_copy(update={"engine_splits": 1, "block_parallelism": 64})
    large = PAIR.model_copy(update={"decode": whole})
    cost, batch, _ = priced(large, "decode")
    broken = {rule.constraint for rule in resource_rules(cost, batch, U280) if rule.broken[0]}
    assert "slr_largest_unit_clb" in broken
    ports = tuple(
        port.model_copy(update={"width_bits": 1024}) if port.memory == "hbm" else port for port in PAIR.memory_map.ports
    )
    wide = PAIR.model_copy(update={"memory_map": PAIR.memory_map.model_copy(update={"ports": ports})})
    cost, batch, _ = priced(wide, "decode")
    side = [rule for rule in resource_rules(cost, batch, U280) if rule.constraint == "slr_memory_side_bram_18k"]
    assert side[0].demand[0] > side[0].bound[0]


def test_units_divide_a_module_without_a_rest() -> None:
    cost, _, units = priced(PAIR, "prefill")
    total = np.sum([demand[:5] for demand in units.demand], axis=0)
    expected = [float(getattr(cost.resources, kind)[0]) for kind in RESOURCE_NAMES]
    np.testing.assert_allclose(total, expected, rtol=1e-9)
    assert len(KINDS) == len(slr_capacity(U280.slrs[0], U280)) == 6
    assert sum(name.startswith("prefill.gate_up_proj_") for name in units.names) == 6  # gate and up, three blocks each
    nothing = replace(cost, parts={})
    assert isinstance(nothing.resources, ResourceArrays)
    assert stage_streams("prefill", PAIR, {"norm_and_quant": ["prefill.norm_and_quant"]})


def test_the_solver_is_loaded_by_the_first_plan_and_not_before() -> None:
    script = "import sys, dse.floorplan, dse.verdict; sys.exit('ortools' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_without_the_solver_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the evaluation goes on without a floorplan."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ToolNotFoundError, match="pip install ortools"):
        plan_floorplan(PAIR, LLAMA, U280, WORKLOAD)
    document = evaluation_with_floorplan(PAIR, LLAMA, U280, WORKLOAD)
    assert document["floorplan"] is None
    assert "ortools" in document["floorplan_missing"]
    assert document["violations"] == []
