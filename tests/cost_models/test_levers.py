"""Levers of designs that do not fit: each was tried, and does what it says."""

from __future__ import annotations

from typing import Any

from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.cost_report import CostReport
from spec.design_point import DesignPoint
from spec.violation import Violation
from spec.workload import Workload

LLAMA, U280 = load_model("llama-3.2-1b"), load_device("u280")
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)


def report(point: DesignPoint) -> CostReport:
    return evaluate_point(point, LLAMA, U280, WORKLOAD)


def violation(point: DesignPoint, constraint: str) -> Violation | None:
    return next((v for v in report(point).violations if v.constraint == constraint), None)


def decode(point: DesignPoint, **modules: Any) -> DesignPoint:
    changed = point.decode.modules.model_copy(update=modules)
    return point.model_copy(update={"decode": point.decode.model_copy(update={"modules": changed})})


def test_the_buffer_that_fills_the_urams_is_named_and_halving_it_helps() -> None:
    design = load_design("flexdse-u280")
    w8 = design.model_copy(
        update={"quant_scheme": design.quant_scheme.model_copy(update={"weight_bits": 8, "lm_head_weight_bits": 8})}
    )
    broken = violation(w8, "uram_utilization")
    assert broken is not None
    half = design.decode.modules.weight_buffer_beats // 2
    assert broken.levers[0].startswith(f"lower decode.modules.weight_buffer_beats to {half} ")
    smaller = decode(w8, weight_buffer_beats=half)
    assert violation(smaller, "uram_utilization") is None
    used = report(smaller).decode.utilization.uram
    assert f"(uram_utilization {used:,.4g} fraction then)" in broken.levers[0]


def test_weights_on_the_chip_are_named() -> None:
    on_chip = decode(load_design("flexllm-u280"), on_chip_projections=("k", "v"))
    broken = violation(on_chip, "slr_largest_unit_uram")
    assert broken is not None
    assert broken.levers[0].startswith("leave decode.modules.on_chip_projections empty ")


def test_a_design_that_fits_has_none() -> None:
    assert report(load_design("flexllm-u280")).violations == ()
