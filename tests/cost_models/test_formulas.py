"""A number followed to its formula: the arithmetic holds, and every name leads to a law that is there."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest

from cost_models.evaluate import Context
from cost_models.formulas import Evaluated, evaluated, lines
from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.design_point import DesignPoint
from spec.errors import UnknownNameError
from spec.metrics import METRICS
from spec.resources import RESOURCE_NAMES
from spec.workload import Workload

ROOT = Path(__file__).resolve().parents[2]


def of_our_library(point: DesignPoint) -> DesignPoint:
    stages = {
        stage: design.model_copy(update={"modules": design.modules.model_copy(update={"process_granularity": "array"})})
        for stage, design in (("prefill", point.prefill), ("decode", point.decode))
    }
    return point.model_copy(update=stages)


@cache
def priced(ours: bool) -> Evaluated:
    model, device, workload = (
        load_model("llama-3.2-1b"),
        load_device("u280"),
        Workload(prompt_tokens=128, output_tokens=9),
    )
    point = load_design("flexllm-u280")
    point = of_our_library(point) if ours else point
    document = evaluate_point(point, model, device, workload).model_dump(mode="json")
    between_s = Context(model, device, workload, point.quant_scheme, hmt=point.hmt, system=point.system).between_s
    return Evaluated(document, point, model, device, workload, between_s)


@pytest.mark.parametrize("ours", [False, True])
def test_every_formula_gives_its_number(ours: bool) -> None:
    one = priced(ours)
    values = one.values()
    assert set(METRICS) <= set(one.names())
    for name in one.names():
        formula = one.formula(name)
        if formula.expression is not None:
            # The document counts whole resources, rounded up.
            rounding = 1.0 if name.partition("_")[2] in RESOURCE_NAMES else 0.0
            assert evaluated(formula.expression, values) == pytest.approx(values[name], rel=1e-9, abs=rounding), name
        else:
            assert formula.text, name
        for file in (word for word in formula.law.split() if word.endswith(".py")):
            assert (ROOT / file).is_file(), formula.law


@pytest.mark.parametrize("ours", [False, True])
def test_a_trace_reaches_every_module_and_names_what_it_is_counted_from(ours: bool) -> None:
    one = priced(ours)
    steps = one.trace("e2e_latency_s")
    names = [step.name for step in steps]
    assert len(names) == len(set(names))
    modules = {f"{m['stage']}.{m['module']}.cycles" for m in one.document["breakdown"]}
    assert modules <= set(names)
    for step in steps:
        if step.name in modules:
            assert step.symbols["layers"] == (1 if "lm_head" in step.name or "sampler" in step.name else 16)
            assert step.source.startswith("hls_gen/library" if ours else "FlexLLM")
    text = "\n".join(lines(steps))
    assert "decode.cycles / (decode.clock_mhz * 1000000)" in text
    assert "spec/timing.py" in text


def test_projections_of_the_published_decode_follow_from_their_symbols() -> None:
    """By hand, from nothing but what the trace prints."""
    one = priced(ours=False)
    values = one.values()
    for module in ("kv_proj", "q_proj", "o_proj", "gate_up_proj", "down_proj", "lm_head"):
        of = one.symbols(f"decode.{module}.cycles")
        passes = math.ceil(of["d_out"] / (of["TB"] * of["W"]))
        a_pass = max(of["d_in"] * of["slowdown"], of["outputs of a pass"]) + of["restart"]
        assert values[f"decode.{module}.cycles"] == pytest.approx(of["layers"] * passes * a_pass), module


def test_a_name_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownNameError, match="tpot"):
        priced(False).trace("tpot")
