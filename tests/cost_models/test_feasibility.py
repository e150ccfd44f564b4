"""What fits a card: caps of utilization, capacity of memories, and how far off a design is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cost_models.arrays import ResourceArrays
from cost_models.evaluate import Context, evaluate_batch, price_decode
from cost_models.feasibility import UTILIZATION_CAPS, resource_rules, used_fractions
from cost_models.power import stage_power_w
from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.quant_scheme import W4A4KV8
from spec.resources import RESOURCE_NAMES
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
CONTEXT = Context(LLAMA, U280, WORKLOAD, W4A4KV8)


def test_caps_are_those_of_the_sources() -> None:
    """UltraFast (UG949): DSP, BRAM, URAM 80 %, FF 50 %. LUT 55 %, where FlexLLM's CLBs would be at 95 %."""
    assert UTILIZATION_CAPS == {"lut": 0.55, "ff": 0.50, "dsp": 0.80, "bram_18k": 0.80, "uram": 0.80}
    assert 0.76 / 0.44 * UTILIZATION_CAPS["lut"] == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize("kind", RESOURCE_NAMES)
def test_one_resource_too_many(kind: str) -> None:
    """At the cap with the shell a design fits; one more does not. The other kinds say nothing."""
    room = UTILIZATION_CAPS[kind] * getattr(U280.total, kind) - getattr(U280.shell, kind)
    counts = {name: np.zeros(2) for name in RESOURCE_NAMES}
    counts[kind] = np.array([np.floor(room), np.floor(room) + 1])
    cost = price_decode(DesignBatch.from_points([load_design("flexllm-u280")] * 2, U280).decode, CONTEXT)
    broken = {
        rule.constraint: rule.broken.tolist()
        for rule in resource_rules(replace(cost, resources=ResourceArrays(**counts)), U280)
    }
    assert broken.pop(f"{kind}_utilization") == [False, True]
    assert not any(any(values) for values in broken.values())


def test_used_fraction_counts_the_shell() -> None:
    nothing = ResourceArrays(*(np.zeros(1) for _ in RESOURCE_NAMES))
    for name, fraction in used_fractions(nothing, U280).items():
        assert fraction[0] == getattr(U280.shell, name) / getattr(U280.total, name)


def test_excess_is_the_largest_relative_one() -> None:
    """What NSGA-II descends on: (demand - bound) / bound of the worst rule, and below zero where all hold."""
    batch = DesignBatch.from_points([load_design("flexllm-u280"), load_design("flexllm-u280-wide")], U280)
    costs = evaluate_batch(batch, CONTEXT)
    assert costs.feasible.tolist() == [True, False]
    report = evaluate_point(load_design("flexllm-u280-wide"), LLAMA, U280, WORKLOAD)
    worst = max((v.demand - v.bound) / max(abs(v.bound), 1.0) for v in report.violations)
    assert costs.excess[1] == pytest.approx(worst)
    assert {v.constraint for v in report.violations} == {"lut_utilization"}
    assert costs.excess[0] <= 0


def test_power_by_hand() -> None:
    """Idle, fabric by LUT and clock with the shell in it, HBM by the byte: 3.92 pJ a bit."""
    lut, clock, rate = np.array([400_000.0]), np.array([292.0]), np.array([100e9])
    total, dynamic = stage_power_w(lut, clock, rate, U280)
    assert dynamic[0] == pytest.approx(7.2e-8 * (400_000 + 107_629) * 292 + 3.92e-12 * 8 * 100e9)
    assert total[0] == pytest.approx(41.66 + dynamic[0])
    total, _ = stage_power_w(lut, clock, rate, load_device("u55c"))
    assert np.isnan(total[0])
