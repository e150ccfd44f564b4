"""What fits a card: caps of utilization, CLBs, SLRs, power, and the three states of an estimate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cost_models.arrays import ResourceArrays
from cost_models.bands import resource_band
from cost_models.clb import CLB_BAND, CLB_CAP, CLB_PER_LUT_FRACTION, clb_fraction
from cost_models.evaluate import Context, evaluate_batch, price_decode
from cost_models.feasibility import power_rule, resource_rules, used_fractions
from cost_models.fits import fits
from cost_models.report import evaluate_point
from cost_models.resources import Part
from cost_models.slr import UTILIZATION_CAPS, slr_capacity
from cost_models.verdict import fit, open_limits, violations
from spec.catalog import load_design, load_device, load_model, load_published_design
from spec.design_batch import DesignBatch
from spec.legality import Rule
from spec.quant_scheme import W4A4KV8
from spec.resources import RESOURCE_NAMES
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
CONTEXT = Context(LLAMA, U280, WORKLOAD, W4A4KV8)


def test_caps_are_those_of_the_sources() -> None:
    """UltraFast (UG949): DSP, BRAM, URAM 80 %, FF 50 %."""
    assert UTILIZATION_CAPS == {"lut": 0.55, "ff": 0.50, "dsp": 0.80, "bram_18k": 0.80, "uram": 0.80}
    assert CLB_CAP == 0.85


@pytest.mark.parametrize("kind", RESOURCE_NAMES)
def test_one_resource_too_many(kind: str) -> None:
    """At the cap with the shell a design fits, and past the low end of the band it does not; between, nobody knows."""
    room = UTILIZATION_CAPS[kind] * getattr(U280.total, kind) - getattr(U280.shell, kind)
    low, _ = resource_band(kind, U280)
    too_many = UTILIZATION_CAPS[kind] * getattr(U280.total, kind) / (1 + low) - getattr(U280.shell, kind)
    counts = {name: np.zeros(3) for name in RESOURCE_NAMES}
    counts[kind] = np.array([np.floor(room), np.floor(too_many), np.floor(too_many) + 1])
    batch = DesignBatch.from_points([load_design("flexllm-u280")] * 3, U280).decode
    cost = replace(price_decode(batch, CONTEXT), resources=ResourceArrays(**counts), parts={"sampler": Part()})
    rules = {rule.constraint: rule for rule in resource_rules(cost, batch, U280)}
    rule = rules.pop(f"{kind}_utilization")
    assert rule.broken.tolist() == [False, False, True]
    assert rule.open.tolist() == [True, True, False]
    if kind == "lut":
        del rules["clb_utilization"]  # CLBs follow from LUTs
    assert not any(any(other.broken) for other in rules.values())


def test_used_fraction_counts_the_shell() -> None:
    nothing = ResourceArrays(*(np.zeros(1) for _ in RESOURCE_NAMES))
    for name, fraction in used_fractions(nothing, U280).items():
        assert fraction[0] == getattr(U280.shell, name) / getattr(U280.total, name)


def rule_of(demand: float, bound: float, low: float, high: float) -> Rule:
    return Rule("cap", "here", np.array([demand]), np.array([bound]), "things", "too many", ("fewer",), low, high)


@given(st.floats(0.01, 100), st.floats(0.01, 100), st.floats(-0.9, 0), st.floats(0, 3))
def test_the_three_states_part_the_line(demand: float, bound: float, low: float, high: float) -> None:
    """Exactly one state for any demand; a wider band never turns a verdict around, it only takes it back."""
    rule = rule_of(demand, bound, low, high)
    broken, undecided = violations([rule]), open_limits([rule])
    assert len(broken) + len(undecided) <= 1
    verdict = fit(broken, undecided)
    if demand * (1 + high) <= bound:
        assert verdict == "fits"
    elif demand * (1 + low) > bound:
        assert verdict == "does_not_fit"
    else:
        assert verdict == "within_band"
    sharp = rule_of(demand, bound, 0.0, 0.0)
    assert not sharp.open[0]
    if verdict != "within_band":
        assert bool(sharp.broken[0]) == (verdict == "does_not_fit")


def test_the_verdicts_on_many_designs_are_those_on_each() -> None:
    """Of several widths and schemes, among them each of the three states."""
    names = ("flexllm-u280", "flexllm-u280-base", "flexllm-u280-wide", "flexllm-u280-hmt")
    points = [load_design(name) for name in names]
    for blocks in (4, 32, 64, 128):
        wide = points[0].decode.model_copy(update={"block_parallelism": blocks})
        points.append(points[0].model_copy(update={"decode": wide}))
    found = fits(points, LLAMA, U280, WORKLOAD)
    assert found == [evaluate_point(point, LLAMA, U280, WORKLOAD).fit for point in points]
    assert set(found) == {"fits", "within_band", "does_not_fit"}
    assert fits([], LLAMA, U280, WORKLOAD) == []


def test_the_search_holds_predictions_and_the_verdict_the_band() -> None:
    """What is feasible at the prediction has no violation; what has a violation is infeasible in both readings."""
    points = [load_design(f"flexllm-u280{kind}") for kind in ("", "-base", "-wide")]
    batch = DesignBatch.from_points(points, U280)
    strict = evaluate_batch(batch, replace(CONTEXT, caps_at="prediction"))
    lenient = evaluate_batch(batch, CONTEXT)
    assert np.all(strict.excess >= lenient.excess)
    for i, point in enumerate(points):
        report = evaluate_point(point, LLAMA, U280, WORKLOAD)
        assert bool(lenient.feasible[i]) == (report.violations == ())
        assert (report.fit == "does_not_fit") == bool(report.violations)
        if strict.feasible[i]:
            assert report.violations == ()
    assert strict.feasible.tolist() == [True, True, False]


def test_excess_is_the_largest_relative_one() -> None:
    """What NSGA-II descends on: (demand - bound) / bound of the worst rule at the low end of its band."""
    design = load_design("flexllm-u280")
    large = design.model_copy(update={"decode": design.decode.model_copy(update={"block_parallelism": 64})})
    batch = DesignBatch.from_points([design, large], U280)
    costs = evaluate_batch(batch, CONTEXT)
    assert costs.feasible.tolist() == [True, False]
    report = evaluate_point(large, LLAMA, U280, WORKLOAD)
    assert {"port_feeds_lanes", "lut_utilization", "clb_utilization"} <= {v.constraint for v in report.violations}

    def low(constraint: str) -> float:
        kind = next((kind for kind in (*RESOURCE_NAMES, "clb") if constraint in (f"{kind}_utilization",
                     f"slr_largest_unit_{kind}", f"slr_memory_side_{kind}")), None)  # fmt: skip
        return resource_band(kind, U280)[0] if kind else 0.0

    worst = max((v.demand * (1 + low(v.constraint)) - v.bound) / max(abs(v.bound), 1.0) for v in report.violations)
    assert costs.excess[1] == pytest.approx(worst)
    assert costs.excess[0] <= 0


# Routed designs: used fractions of LUTs and of CLBs. The first two set the coefficient, the others check it.
PACKED = [
    ("FlexLLM prefill, U280", 0.39, 0.66),
    ("FlexLLM decode, U280", 0.44, 0.76),
    ("FlexLLM prefill, V80", 0.37, 0.58),
    ("FlexLLM decode, V80", 0.42, 0.75),
    ("Prometheus 2mm, XCU55C SLR0", 0.6440, 0.9620),
    ("Prometheus 2mm, XCU55C SLR1", 0.1441, 0.2177),
    ("LUT-LLM, V80", 1_358_000 / 2_574_208, 0.80),
]


@pytest.mark.parametrize(("name", "lut", "clb"), PACKED)
def test_clb_packing_of_routed_designs(name: str, lut: float, clb: float) -> None:
    ratio = clb / float(clb_fraction(lut))
    assert 1 + CLB_BAND[0] <= ratio <= 1 + CLB_BAND[1], name


def test_the_packing_coefficient_is_the_mean_of_the_two_that_it_names() -> None:
    assert pytest.approx((0.66 / 0.39 + 0.76 / 0.44) / 2, abs=0.005) == CLB_PER_LUT_FRACTION


def test_predicted_clbs_of_the_measured_pair() -> None:
    """The LUT law and the packing together: 66 and 76 % were measured."""
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, WORKLOAD)
    measured = load_published_design("flexllm-u280").measured
    assert report.prefill.clb_fraction == pytest.approx(measured["prefill_clb_fraction"], rel=0.05)
    assert report.decode.clb_fraction == pytest.approx(measured["decode_clb_fraction"], rel=0.05)


def test_an_slr_holds_what_the_caps_and_its_shell_leave() -> None:
    """SLR0 of the U280 by hand: its part of the shell is 38,880 / 140,160 of it, the share of what it withholds."""
    lut, ff, dsp, bram, uram, clb = slr_capacity(U280.slrs[0], U280)
    shell_lut = 107_629 * 38_880 // 140_160
    assert lut == pytest.approx(0.55 * 439_680 - shell_lut)
    assert clb == pytest.approx(0.85 * 439_680 - CLB_PER_LUT_FRACTION * shell_lut)
    assert (ff, dsp, uram) == (pytest.approx(0.5 * 879_360 - 37_749), pytest.approx(0.8 * 2880 - 1), 256)
    assert bram == pytest.approx(0.8 * 1344 - 391 * 144 // 480, abs=12)


@pytest.mark.parametrize("watts", [224.9, 225.1 / 0.85])
def test_power_above_the_limit_of_the_card(watts: float) -> None:
    """225 W, with the card's band of 15 %."""
    (rule,) = power_rule("decode", np.array([watts]), U280)
    assert bool(rule.broken[0]) == (watts * 0.85 > 225.0)
    assert list(power_rule("decode", np.array([1e9]), load_device("u55c"))) == []  # its idle power is not known
