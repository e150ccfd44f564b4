"""The document of `evaluate`: the arrays of the models, told once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cost_models.evaluate import Context, evaluate_batch
from cost_models.report import evaluate_document, evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.design_batch import DesignBatch
from spec.errors import InputError
from spec.metrics import METRICS
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)


def test_report_repeats_the_batch() -> None:
    """Every metric of the document is the one of the vectorised evaluation, bit for bit."""
    designs = [load_design(name) for name in ("flexllm-u280-base", "flexllm-u280", "flexllm-u280-wide")]
    batch = DesignBatch.from_points(designs, U280)
    costs = evaluate_batch(batch, Context(LLAMA, U280, WORKLOAD, batch.quant_scheme))
    for i, design in enumerate(designs):
        report = evaluate_point(design, LLAMA, U280, WORKLOAD)
        assert set(report.metrics) == set(METRICS)
        for name, values in costs.metrics.items():
            assert report.metrics[name] == (None if np.isnan(values[i]) else float(values[i])), name
        assert report.ttft_s == report.metrics["ttft_s"]
        assert report.prefill.latency_s == report.metrics["prefill_latency_s"]
        assert (not report.violations) == bool(costs.feasible[i])


def test_document_is_json_with_its_versions() -> None:
    document = evaluate_document(load_design("flexllm-u280"), LLAMA, U280, WORKLOAD)
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text) == document
    assert {"schema", "flexdse_version", "model_version", "timing_table_version", "inputs"} <= set(document)
    assert document["provenance"] == "analytical"
    assert document["quality"]["value"] == document["metrics"]["quality"]


def test_breakdown_sums_to_the_stages() -> None:
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, WORKLOAD)
    for stage in ("prefill", "decode"):
        rows = [row for row in report.breakdown if row.stage == stage]
        part = getattr(report, stage)
        assert sum(row.cycles for row in rows) == pytest.approx(part.cycles, rel=1e-12)
        assert sum(row.dsp or 0 for row in rows) == part.resources.dsp
        assert all(row.source for row in rows)
    assert report.prefill.cycles == pytest.approx(report.prefill.latency_s * 304e6)
    assert report.prefill.bound_by.startswith("down_proj")


def test_utilization_is_of_the_whole_card_with_its_shell() -> None:
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, WORKLOAD)
    for stage in (report.prefill, report.decode):
        for name, count in stage.resources.as_dict().items():
            shell, total = getattr(U280.shell, name), getattr(U280.total, name)
            # The report rounds counts up to whole resources.
            assert getattr(stage.utilization, name) == pytest.approx((count + shell) / total, abs=1.0 / total)


def test_memory_part() -> None:
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, U280, WORKLOAD)
    assert report.memory.weight_bytes == (16 * (2048 * (2048 * 2 + 512 * 2) + 3 * 2048 * 8192) + 2048 * 128_256) // 2
    assert report.memory.kv_cache_bytes == 2 * 16 * 512 * 2047
    decode = [c for c in report.memory.channels if c.stage == "decode"]
    assert report.memory.hbm_bytes_per_s == pytest.approx(sum(c.bytes_per_s for c in decode))
    assert {c.channel for c in decode} >= set(range(5, 13)) | set(range(16, 24))
    prefill = [c for c in report.memory.channels if c.stage == "prefill"]
    assert report.memory.prefill_hbm_bytes_per_s == pytest.approx(sum(c.bytes_per_s for c in prefill))


def test_workload_beyond_the_models_context() -> None:
    with pytest.raises(InputError) as caught:
        evaluate_point(
            load_design("flexllm-u280"),
            load_model("smollm2-135m"),
            U280,
            Workload(prompt_tokens=8000, output_tokens=194),
        )
    text = str(caught.value)
    for word in ("workload", "8193", "8192", "shorten"):
        assert word in text


def test_clock_above_the_card_is_said_and_not_priced() -> None:
    design = load_design("flexllm-u280")
    clocks = design.clock_target_mhz.model_copy(update={"prefill": 450.0})
    report = evaluate_point(design.model_copy(update={"clock_target_mhz": clocks}), LLAMA, U280, WORKLOAD)
    assert report.prefill.clock_mhz == report.prefill.achievable_clock_mhz == U280.clock.max_mhz
    assert report.prefill.clock_target_mhz == 450.0
    assert any("450" in note for note in report.assumptions)
    assert [v.constraint for v in report.violations] == ["clock_target"]
    assert report.fit == "does_not_fit"


def test_designs_of_two_schemes_do_not_mix() -> None:
    design = load_design("flexllm-u280")
    other = design.model_copy(update={"quant_scheme": design.quant_scheme.model_copy(update={"name": "other"})})
    with pytest.raises(InputError, match="schemes"):
        DesignBatch.from_points([design, other], U280)
    with pytest.raises(InputError, match="no designs"):
        DesignBatch.from_points([], U280)


def test_card_without_idle_power_has_no_energy_but_dynamic() -> None:
    report = evaluate_point(load_design("flexllm-u280"), LLAMA, load_device("u55c"), WORKLOAD)
    for name in ("energy_j", "energy_j_per_token", "power_w"):
        assert report.metrics[name] is None
        assert "u55c" in report.missing[name]
    dynamic = report.metrics["dynamic_energy_j_per_token"]
    assert dynamic is not None
    assert np.isfinite(dynamic)
