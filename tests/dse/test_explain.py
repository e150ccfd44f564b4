"""Explanations against the plain evaluation of the designs that they speak of."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dse.explain as explain
from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.metrics import METRICS
from spec.workload import Workload

MODEL, DEVICE = load_model("smollm2-135m"), load_device("u280")
WORKLOAD = Workload(prompt_tokens=128, output_tokens=64)
NAMES = ("ttft_s", "tpot_s", "max_utilization")


@pytest.fixture(scope="module")
def design() -> DesignPoint:
    """A small legal design: eight decode lanes of eight."""
    space = explain.design_space(MODEL, DEVICE)
    prefill = {"module_set": 0, "token_parallelism": 4, "key_parallelism": 4, "qkvo_weight_parallelism": 16,
               "ffn_weight_parallelism": 32, "ffn_weight_blocks": 1, "value_parallelism": 8, "clock_mhz": 300}  # fmt: skip
    decode = {"module_set": 0, "block_parallelism": 8, "weight_parallelism": 16, "weight_port_bits": 256, "engine_splits": 2,
              "head_parallelism": 1, "key_parallelism": 16, "value_parallelism": 16, "vector_parallelism": 4,
              "clock_mhz": 300}  # fmt: skip
    return space.design_point(prefill, decode)


def test_every_step_is_the_design_with_one_knob_changed(design: DesignPoint) -> None:
    found = explain.sensitivity(design, MODEL, DEVICE, WORKLOAD, NAMES)
    base = evaluate_point(design, MODEL, DEVICE, WORKLOAD).metrics
    assert found["metrics"] == {name: base[name] for name in NAMES}
    knobs = {entry["knob"]: entry for entry in found["knobs"]}
    assert {"prefill.token_parallelism", "decode.block_parallelism", "decode.vector_parallelism"} <= set(knobs)
    entry = knobs["decode.vector_parallelism"]
    assert entry["value"] == 4
    for step in entry["steps"]:
        changed = design.model_copy(
            update={"decode": design.decode.model_copy(update={"vector_parallelism": step["to"]})}
        )
        after = evaluate_point(changed, MODEL, DEVICE, WORKLOAD).metrics
        assert step["metrics"] == {name: after[name] for name in NAMES}
        assert step["change"]["tpot_s"] == pytest.approx(after["tpot_s"] / base["tpot_s"] - 1)  # type: ignore[operator]
        assert step["change"]["ttft_s"] is not None
    below, above = entry["steps"]
    assert below["to"] < 4 < above["to"]
    strengths = [
        max(abs(c) for s in e["steps"] for c in s["change"].values()) if e["steps"] else 0 for e in found["knobs"]
    ]
    assert strengths == sorted(strengths, reverse=True)


def test_binding_names_the_slowest_module(design: DesignPoint) -> None:
    found = explain.binding(design, MODEL, DEVICE, WORKLOAD)
    report = evaluate_point(design, MODEL, DEVICE, WORKLOAD)
    for stage in ("prefill", "decode"):
        rows = [row for row in report.breakdown if row.stage == stage]
        assert found["stages"][stage]["slowest_modules"][0]["module"] == max(rows, key=lambda row: row.cycles).module
    assert len(found["binds"]) >= 2


def test_nearest_design_meets_the_target(design: DesignPoint) -> None:
    now = evaluate_point(design, MODEL, DEVICE, WORKLOAD).metrics["decode_tokens_per_s"]
    assert now is not None
    target = f"decode_tokens_per_s >= {1.5 * now}"
    found = explain.nearest(design, MODEL, DEVICE, WORKLOAD, target)
    assert not found["met"]
    assert found["changes_needed"] >= 1
    for option in found["designs"]:
        other = DesignPoint.model_validate(option["design"])
        report = evaluate_point(other, MODEL, DEVICE, WORKLOAD)
        assert report.metrics["decode_tokens_per_s"] >= 1.5 * now  # type: ignore[operator]
        assert not report.violations
        assert option["metrics"] == report.metrics
        assert other.prefill == design.prefill  # the target is of decode alone
    assert len(found["designs"][0]["changes"]) == found["changes_needed"]
    met = explain.nearest(design, MODEL, DEVICE, WORKLOAD, f"decode_tokens_per_s >= {now / 2}")
    assert (met["met"], met["changes_needed"]) == (True, 0)


def test_target_out_of_reach_says_what_binds(design: DesignPoint) -> None:
    found = explain.nearest(design, MODEL, DEVICE, WORKLOAD, "decode_tokens_per_s >= 1e9")
    assert found["changes_needed"] is None
    assert found["designs"] == []
    assert found["best_possible"] < 1e9
    assert "cycles" in found["reason"]


def test_comparison_lists_the_differences_only(design: DesignPoint) -> None:
    other = design.model_copy(update={"decode": design.decode.model_copy(update={"vector_parallelism": 8})})
    found = explain.compare_designs(design, other, MODEL, DEVICE, WORKLOAD)
    assert found["knobs"] == [{"knob": "decode.vector_parallelism", "first": 4, "second": 8}]
    rows = {row["name"]: row for row in found["metrics"]}
    assert set(rows) <= set(METRICS)
    assert rows["tpot_s"]["better"] == "second"
    assert rows["ttft_s"]["unit"] == "s"


def test_catalog_design_with_ports_of_its_own_is_refused_with_a_way_out() -> None:
    design = load_design("flexllm-u280")
    odd = design.model_copy(update={"clock_target_mhz": design.clock_target_mhz.model_copy(update={"prefill": 250.5})})
    with pytest.raises(InputError, match="not in the search space"):
        explain.place_of(odd, load_model("llama-3.2-1b"), DEVICE, Workload(prompt_tokens=64, output_tokens=8))


def test_explain_is_light() -> None:
    """The service imports it at its start."""
    line = "import sys, dse.explain; print([m for m in ('pandas', 'scipy', 'optuna', 'ortools', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
