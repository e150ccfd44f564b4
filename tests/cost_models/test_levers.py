"""Levers of designs that do not fit: each was tried, and does what it says."""

from __future__ import annotations

import re
from typing import Any

from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.cost_report import CostReport
from spec.design_point import DesignPoint
from spec.violation import Violation
from spec.workload import Workload

CHANGE = re.compile(r"(lower|leave) (prefill|decode)\.(modules\.)?(\w+)(?: to (\d+)| (out|empty))")

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
    (lever,) = (lever for lever in broken.levers if "weight_buffer_beats" in lever)
    assert lever.startswith(f"lower decode.modules.weight_buffer_beats to {half} ")
    smaller = decode(w8, weight_buffer_beats=half)
    assert violation(smaller, "uram_utilization") is None
    used = report(smaller).decode.utilization.uram
    assert f"({100 * used:,.4g} % then)" in lever


def test_weights_on_the_chip_are_named() -> None:
    on_chip = decode(load_design("flexllm-u280"), on_chip_projections=("k", "v"))
    broken = violation(on_chip, "slr_largest_unit_uram")
    assert broken is not None
    assert broken.levers[0].startswith("leave decode.modules.on_chip_projections empty ")


def done(point: DesignPoint, lever: str) -> DesignPoint:
    """The design that a lever asks for."""
    changes = CHANGE.findall(lever)
    assert changes, lever
    for _, stage, of_modules, name, number, missing in changes:
        half = getattr(point, stage)
        value = int(number) if number else None if missing == "out" else ()
        owner = half.modules if of_modules else half
        owner = owner.model_copy(update={name: value})
        point = point.model_copy(update={stage: half.model_copy(update={"modules": owner}) if of_modules else owner})
    return point


def test_a_lever_makes_the_limit_hold_and_a_partial_one_does_not() -> None:
    """A design of the V80 on the U280: doing what a lever says ends its violation and brings no new one; a partial one leaves
    it, or brings another. Both are checked by the report of the changed design.
    """
    design = load_design("flexllm-v80")
    before = report(design).violations
    known = {(v.constraint, v.where) for v in before}
    counts = {"enough": 0, "partial": 0}
    for broken in before:
        if not CHANGE.search(" ".join((*broken.levers, *broken.partial_levers))):
            continue  # of a rule that is not about resources: its own advice
        key = broken.constraint, broken.where
        for lever in (*broken.levers, *broken.partial_levers):
            after = report(done(design, lever)).violations
            found = {(v.constraint, v.where) for v in after}
            if lever in broken.levers:
                counts["enough"] += 1
                assert key not in found, lever
                assert not found - known, lever
            else:
                counts["partial"] += 1
                amount = re.search(r"\(([\d.,]+) % then", lever)
                assert amount is not None
                assert float(amount[1]) > 100 * broken.bound or found - known, lever
                assert ("but breaks" in lever) == bool(
                    [1 for _, where in found - known if where.split(".")[0] == broken.where]
                ), lever
    assert min(counts.values()) >= 3


def test_several_fields_together_where_none_alone_suffices() -> None:
    """Both arrays far too wide at the fewest tokens: no halving of one of them brings the LUTs under the limit."""
    design = load_design("flexllm-u280")
    wide = design.prefill.model_copy(
        update={"token_parallelism": 2, "ffn_weight_parallelism": 16 * 96, "qkvo_weight_parallelism": 64 * 24}
    )
    large = design.model_copy(update={"prefill": wide})
    broken = violation(large, "lut_utilization")
    assert broken is not None
    assert broken.levers
    assert any(" and lower " in lever for lever in broken.levers)
    for lever in broken.levers:
        assert violation(done(large, lever), "lut_utilization") is None


def test_a_design_that_fits_has_none() -> None:
    assert report(load_design("flexllm-u280")).violations == ()
