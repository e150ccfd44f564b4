"""Power and clock laws against what is published, and their limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cost_models.arrays import ResourceArrays
from cost_models.evaluate import Context, price_decode, price_prefill
from cost_models.frequency import (
    CLB_KNEE,
    CLOCK_BAND,
    achievable_clock_mhz,
    achieved_clock_mhz,
    clock_law,
)
from cost_models.power import (
    FF_J,
    HBM_J_PER_BYTE,
    TOGGLE_FACTOR,
    active_j,
    attention_lanes,
    engine_activity,
    fit_toggle_factor,
    linear_lanes,
    stage_power_w,
    toggled_j_per_cycle,
)
from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model, load_published_design
from spec.design_batch import DesignBatch
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

LLAMA, U280, V80 = load_model("llama-3.2-1b"), load_device("u280"), load_device("v80")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
STAGES = ("prefill", "decode")


def published_plateaus() -> dict[str, np.ndarray]:
    """FlexLLM's U280 pair as the paper and its power log give it, none of it from our laws: resources from the table's
    percentages less the shell, activity from multiply-accumulates over lanes, time and clock.
    """
    measured = load_published_design("flexllm-u280").measured
    total, shell = U280.total.as_dict(), U280.shell.as_dict()
    counts = {
        kind: np.array(
            [measured[f"{s}_{kind.removesuffix('_18k')}_fraction"] * total[kind] - shell[kind] for s in STAGES]
        )
        for kind in ("lut", "ff", "bram_18k", "uram")
    }
    layers = LLAMA.n_layers * LLAMA.layer_linear_weights
    macs = np.array([1023 * layers, layers + LLAMA.lm_head_weights])
    lanes = np.array([8 * (2 * 24 + 3 * 96), 16 * 64])
    clock = np.array([304.0, 292.0])
    seconds = np.array([measured["prefill_latency_s"], measured["tpot_s"]])
    return {
        **counts,
        "dsp": np.array([measured["prefill_dsp"], measured["decode_dsp"]]),
        "activity": macs / (lanes * clock * 1e6 * seconds),
        "clock": clock,
        "watts": np.array([measured["prefill_power_w"], measured["decode_power_w"]]),
        "hbm": np.array([76.2e9, 725.6e6]) / seconds,  # traffic by loop bounds
    }


def test_the_one_fitted_factor_and_what_it_leaves() -> None:
    p = published_plateaus()
    resources = ResourceArrays(p["lut"], p["ff"], p["dsp"], p["bram_18k"], p["uram"])
    each = fit_toggle_factor(resources, p["activity"], p["clock"], p["watts"] - 41.66, p["hbm"])
    assert each.tolist() == pytest.approx([0.75, 0.98], abs=0.01)
    assert pytest.approx(each.mean(), abs=0.002) == TOGGLE_FACTOR
    total, _ = stage_power_w(resources, p["activity"], p["clock"], p["hbm"], U280)
    np.testing.assert_allclose(total, p["watts"], rtol=0.032)


def test_modelled_power_of_the_measured_pair() -> None:
    """With our own resources, times and traffic instead of the published ones; the card's band is 15 %."""
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, WORKLOAD)
    for stage, watts in (("prefill", 53.97), ("decode", 57.66)):
        power = getattr(report, stage).power_w
        assert power == pytest.approx(watts, rel=0.06)
        assert watts <= power * (1 + (U280.power.relative_high or 0))
        assert watts >= power * (1 + (U280.power.relative_low or 0))


def test_energy_a_token_is_power_times_time() -> None:
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, WORKLOAD)
    assert report.prefill.power_w is not None
    assert report.decode.power_w is not None
    assert report.prefill.energy_j_per_token == pytest.approx(report.prefill.power_w * report.prefill.latency_s / 1023)
    seconds = report.decode.first_step_s + 1023 * (report.decode.tpot_s or 0)
    assert report.decode.energy_j_per_token == pytest.approx(report.decode.power_w * seconds / 1024)
    # 54 W x 1.65 s / 1024 and 57.7 W x 6.94 ms by the log and the table.
    assert report.prefill.energy_j_per_token == pytest.approx(0.087, rel=0.05)
    assert report.decode.energy_j_per_token == pytest.approx(57.66 * 6.94e-3, rel=0.06)


def test_the_v80_meets_its_one_measurement() -> None:
    """DFVG: 75 W at 300 MHz, 70 % activity assumed; the band holds the 147 W that FlexLLM's ratio asks for."""
    dfvg = ResourceArrays(*(np.array([x]) for x in (2_306_000.0, 4_683_000.0, 8_461.0, 2 * 2_593.0, 1_374.0)))
    total, dynamic = stage_power_w(dfvg, 0.7, np.array([300.0]), np.zeros(1), V80)
    assert total[0] == pytest.approx(75, rel=0.005)
    assert dynamic[0] == pytest.approx(75 - 41.66, rel=0.01)
    report = evaluate_point(load_design("flexllm-v80"), LLAMA, V80, WORKLOAD)
    assert V80.power.relative_high is not None
    assert report.error_band["power_w"].relative_high == V80.power.relative_high


def test_the_band_of_the_v80_holds_what_flexllms_energy_ratio_asks_for() -> None:
    """147 W (see test_references), against the law for the counts that the paper prints for its V80 decode design."""
    projected = load_published_design("flexllm-v80").projected
    total, shell = V80.total.as_dict(), V80.shell.as_dict()
    counts = [
        np.array([projected[f"decode_{kind.removesuffix('_18k')}_fraction"] * total[kind] - shell[kind]])
        for kind in ("lut", "ff", "dsp", "bram_18k", "uram")
    ]
    macs = LLAMA.n_layers * LLAMA.layer_linear_weights + LLAMA.lm_head_weights
    activity = macs / (4096 * 300e6 * projected["tpot_s"])
    rate = np.array([macs / 2 / projected["tpot_s"]])
    power, _ = stage_power_w(ResourceArrays(*counts), activity, np.array([300.0]), rate, V80)
    assert power[0] == pytest.approx(63, rel=0.02)
    assert V80.power.relative_high is not None
    assert power[0] < 147 < power[0] * (1 + V80.power.relative_high)


def test_power_by_hand() -> None:
    """Idle; LUT, DSP, BRAM, URAM by activity; registers always; HBM 3.92 pJ a bit."""
    resources = ResourceArrays(*(np.array([x]) for x in (1e5, 2e5, 1e3, 500.0, 100.0)))
    total, dynamic = stage_power_w(resources, 0.5, np.array([200.0]), np.array([1e11]), U280)
    lut, bram = (1.757 + 3.132) / 488_068 / 180e6, 1.532 / 825 / 180e6
    ff = (0.137 + 2.464) / 665_852 / 180e6
    cycle = 0.5 * (1e5 * lut + 1e3 * 5e-12 + 500 * bram + 100 * 4 * bram) + 2e5 * ff
    assert dynamic[0] == pytest.approx(TOGGLE_FACTOR * cycle * 200e6 + HBM_J_PER_BYTE * 1e11)
    assert total[0] == pytest.approx(41.66 + dynamic[0])
    unknown, still = stage_power_w(resources, 0.5, np.array([200.0]), np.array([1e11]), load_device("u55c"))
    assert np.isnan(unknown[0])
    assert still[0] == pytest.approx(dynamic[0])


amounts = st.floats(0, 1e6)


@given(st.tuples(*[amounts] * 5), st.floats(0, 1), st.floats(0, 1), st.sampled_from(range(5)))
def test_more_hardware_or_work_never_takes_less_energy(
    counts: tuple[float, ...], activity: float, more: float, kind: int
) -> None:
    less = ResourceArrays(*(np.array([count]) for count in counts))
    bigger = ResourceArrays(*(np.array([c * (1 + (i == kind))]) for i, c in enumerate(counts)))
    base = toggled_j_per_cycle(less, activity)[0]
    assert toggled_j_per_cycle(bigger, activity)[0] >= base >= 0
    assert toggled_j_per_cycle(less, min(1.0, activity + more))[0] >= base


def test_activity_is_the_share_of_multiplying_cycles() -> None:
    batch = DesignBatch.from_points([load_design("flexllm-u280")], U280)
    assert linear_lanes(batch.prefill).tolist() == [8 * (2 * 24 + 3 * 96)]
    assert linear_lanes(batch.decode).tolist() == [1024]
    assert attention_lanes(batch.prefill, 4).tolist() == [8 * (16 + 16)]
    assert attention_lanes(batch.decode, 4).tolist() == [8 * (32 + 32)]
    lanes = linear_lanes(batch.decode)
    assert engine_activity(lanes, 1024 * 50.0, np.array([100.0])).tolist() == [0.5]
    assert engine_activity(lanes, 1e9, np.array([1.0])).tolist() == [1.0]
    assert engine_activity(lanes, 0.0, np.array([0.0])).tolist() == [0.0]


def test_attention_that_works_all_the_time_toggles_all_the_time() -> None:
    """63,361 tokens: the linear engines multiply in 1 % of the cycles, AV in nearly all of them."""
    long = Workload(prompt_tokens=63_361, output_tokens=2)
    point = load_design("flexllm-u280")
    report = evaluate_point(point, LLAMA, U280, long)
    ctx = Context(LLAMA, U280, long, point.quant_scheme)
    cost = price_prefill(DesignBatch.from_points([point], U280).prefill, ctx)
    parts = [part for name, part in cost.module_resources.items() if name.startswith("attention_")]
    joules = sum(float(np.asarray(active_j(part))[0]) for part in parts)
    assert cost.attention_j[0] == pytest.approx(joules)
    rows = 63_360
    share = 2 * 16 * 2048 * rows**2 / (256 * float(cost.cycles[0]))
    assert 0.5 < share < 1
    registers = float(cost.resources.ff[0]) * FF_J
    least = 41.66 + TOGGLE_FACTOR * (joules * share + registers) * 304e6
    assert report.prefill.power_w is not None
    assert least < report.prefill.power_w < least + 2  # what is left of the other modules, and the HBM


def test_bytes_from_ddr_cost_energy() -> None:
    """15.7 pJ a bit, four times that of HBM."""
    nothing = ResourceArrays(*(np.zeros(1) for _ in range(5)))
    _, dynamic = stage_power_w(nothing, 0.0, np.array([200.0]), np.zeros(1), U280, ddr_bytes_per_s=np.array([20e9]))
    assert dynamic[0] == pytest.approx(4 * 3.92e-12 * 8 * 20e9)


def test_two_kernels_in_one_bitstream_draw_more_than_one() -> None:
    """The registers of the one that waits are clocked; at the lower clock of a fuller card each draws less by itself."""
    apart = load_design("flexllm-u280-base")
    together = apart.model_copy(update={"deployment": "co_resident"})
    alone, both = (evaluate_point(point, LLAMA, U280, WORKLOAD) for point in (apart, together))
    for stage, other in (("prefill", "decode"), ("decode", "prefill")):
        slower = getattr(both, stage).clock_mhz / getattr(alone, stage).clock_mhz
        waiting = TOGGLE_FACTOR * getattr(both, other).resources.ff * FF_J * getattr(both, other).clock_mhz * 1e6
        working = getattr(alone, stage).power_w - 41.66
        assert slower < 1
        assert getattr(both, stage).power_w == pytest.approx(41.66 + working * slower + waiting, rel=0.01)


def test_the_clock_law_passes_through_its_two_points() -> None:
    """304 MHz at 66 % CLB, 292 at 76 %: fitted, no evidence."""
    assert achievable_clock_mhz(np.array([0.66, 0.76]), 20.0, U280).tolist() == pytest.approx([304.0, 292.0])


def test_the_clock_law_at_a_design_that_it_has_not_seen() -> None:
    """LUT-LLM on the V80: 250 MHz at 80 % CLB with 40 ports; inside the band, at its low side."""
    expected = float(achievable_clock_mhz(0.80, 40.0, V80))
    assert 1 + CLOCK_BAND[0] <= 250 / expected <= 1 + CLOCK_BAND[1]
    allo = float(achievable_clock_mhz(0.5, 20.0, U280))
    assert 1 + CLOCK_BAND[0] <= 245 / allo <= 1 + CLOCK_BAND[1]


@given(st.floats(0, 3), st.floats(0, 3), st.floats(0, 80), st.floats(0, 80), st.sampled_from([U280, V80]))
def test_more_clbs_or_ports_never_raise_the_clock(a: float, b: float, p: float, q: float, device: object) -> None:
    low = achievable_clock_mhz(max(a, b), max(p, q), device)  # type: ignore[arg-type]
    high = achievable_clock_mhz(min(a, b), min(p, q), device)  # type: ignore[arg-type]
    assert 0 < low <= high


def test_ports_cost_clock_on_the_u280_only() -> None:
    """32 ports of 512 bit: 75 MHz less than 28 of 256; the V80's ports have hard wires."""
    slow, fast = achievable_clock_mhz(0.5, np.array([64.0, 28.0]), U280)
    assert fast - slow == pytest.approx(75, rel=0.02)
    assert achievable_clock_mhz(0.5, 64.0, V80) == V80.clock.max_mhz


def test_targets_below_what_is_expected_stand_and_measured_ones_always() -> None:
    asked, expected = np.array([200.0, 300.0, 300.0]), np.array([280.0, 280.0, 280.0])
    assert achieved_clock_mhz(asked, expected).tolist() == [200.0, 280.0, 280.0]
    measured = np.array([False, False, True])
    assert achieved_clock_mhz(asked, expected, measured).tolist() == [200.0, 280.0, 300.0]


def test_the_measured_pair_keeps_its_clocks_and_others_do_not() -> None:
    pair = load_design("flexllm-u280")
    report = evaluate_point(pair, LLAMA, U280, WORKLOAD)
    assert (report.prefill.clock_mhz, report.decode.clock_mhz) == (304.0, 292.0)
    assert report.prefill.achievable_clock_mhz == pytest.approx(304, rel=0.02)
    assert report.decode.achievable_clock_mhz == pytest.approx(292, rel=0.02)
    asked = pair.clock_target_mhz.model_copy(update={"decode": 320.0})
    faster = evaluate_point(pair.model_copy(update={"clock_target_mhz": asked}), LLAMA, U280, WORKLOAD)
    assert faster.decode.clock_mhz == faster.decode.achievable_clock_mhz < 304
    assert pair.model_copy(update={"clock_target_mhz": asked}).canonical_key() != pair.canonical_key()


def test_co_resident_stages_are_clocked_as_on_a_full_card() -> None:
    batch = DesignBatch.from_points([load_design("flexllm-u280-base")], U280).decode
    empty = ResourceArrays(*(np.zeros(1) for _ in range(5)))
    together = clock_law(replace(batch, clock_mhz=np.array([400.0])), U280, "co_resident")(empty)
    assert together[0] == pytest.approx(304 - 120 * (0.85 - CLB_KNEE))


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 3))
def test_the_clock_is_that_of_the_resources(blocks: int) -> None:
    """The laws are priced at the clock that their own resources give."""
    point = load_design("flexllm-u280-base")
    batch = DesignBatch.from_points([point] * blocks, U280)
    context = Context(LLAMA, U280, WORKLOAD, W4A4KV8)
    for cost, part in ((price_prefill(batch.prefill, context), batch.prefill),
                       (price_decode(batch.decode, context), batch.decode)):  # fmt: skip
        np.testing.assert_array_equal(cost.clock_mhz, clock_law(part, U280, "two_bitstreams")(cost.resources))
