"""A number followed to its formula: the arithmetic holds, and every name leads to a law that is there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from cost_models.calibrate import fit
from cost_models.evaluate import Context
from cost_models.formula import evaluated
from cost_models.formulas import Evaluated, lines
from cost_models.report import evaluate_point
from spec.calibration import Measurement
from spec.catalog import load_design, load_device, load_model
from spec.design_point import DesignPoint
from spec.errors import UnknownNameError
from spec.metrics import METRICS
from spec.resources import RESOURCE_NAMES
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION
from spec.workload import STAGES, Workload

ROOT = Path(__file__).resolve().parents[2]


def of_our_library(point: DesignPoint) -> DesignPoint:
    stages = {
        stage: design.model_copy(update={"modules": design.modules.model_copy(update={"process_granularity": "array"})})
        for stage, design in (("prefill", point.prefill), ("decode", point.decode))
    }
    return point.model_copy(update=stages)


@cache
def priced(ours: bool, design: str = "flexllm-u280", prompt_tokens: int = 128) -> Evaluated:
    model, workload = load_model("llama-3.2-1b"), Workload(prompt_tokens=prompt_tokens, output_tokens=9)
    point = load_design(design)
    device = load_device("v80" if design.endswith("v80") else "u280")
    point = of_our_library(point) if ours else point
    document = evaluate_point(point, model, device, workload).model_dump(mode="json")
    return Evaluated(
        document, point, Context(model, device, workload, point.quant_scheme, hmt=point.hmt, system=point.system)
    )


def co_resident() -> Evaluated:
    one = priced(ours=True)
    both = one.design.model_copy(update={"deployment": "co_resident"})
    context = replace(one.context, system=both.system)
    document = evaluate_point(both, one.model, one.device, one.workload).model_dump(mode="json")
    return Evaluated(document, both, context)


def calibrated() -> Evaluated:
    one = priced(ours=False)
    measured = [
        Measurement(
            provenance="post_route", device="u280", device_digest=one.device.content_digest(), model_version=MODEL_VERSION,
            timing_table_version=DEFAULT_TIMING_TABLE.version, design_key="0" * 16, stage="prefill", module=None,
            metric=metric, predicted=1000.0, measured=1200.0, source="made up",
        )
        for metric in ("lut", "dsp", "power_w", "latency_s")
    ]  # fmt: skip
    table = fit(measured)
    document = evaluate_point(one.design, one.model, one.device, one.workload, calibration=table)
    return Evaluated(document.model_dump(mode="json"), one.design, replace(one.context, calibration=table))


CASES: dict[str, Callable[[], Evaluated]] = {
    "published": lambda: priced(ours=False),
    "of our library": lambda: priced(ours=True),
    "search's own": lambda: priced(False, "flexdse-u280"),
    "V80": lambda: priced(False, "flexllm-v80"),
    "HMT": lambda: priced(False, "flexllm-u280-hmt", 3000),
    "co-resident": co_resident,
    "calibrated": calibrated,
}
# The document counts whole resources, rounded up; shares, clock and power rest on the counts before that.
ROUNDED = 5e-4


@pytest.mark.parametrize("case", CASES)
def test_every_formula_gives_its_number(case: str) -> None:
    one = CASES[case]()
    values = one.values()
    assert set(METRICS) <= set(one.names())
    for name in one.names():
        formula = one.formula(name)
        if formula.expression is not None:
            last = name.rpartition(".")[2]
            counted = name.partition("_")[2] in RESOURCE_NAMES or ".resources." in name
            rest = any(word in name for word in ("utilization", "clb", "clock_mhz", "power", "energy"))
            tolerance = ROUNDED if rest or last == "active_j" else 1e-9
            expected = values[name]
            assert evaluated(formula.expression, values) == (
                None if expected is None else pytest.approx(expected, rel=tolerance, abs=1.0 if counted else 0.0)
            ), name
        else:
            assert formula.text, name
        for file in (word.rstrip(",") for word in formula.law.split()):
            assert not file.endswith(".py") or (ROOT / file).is_file(), formula.law
            assert not file.endswith(".py") or all(
                word in (ROOT / file).read_text() for word in functions(formula.law, file)
            )


def functions(law: str, file: str) -> list[str]:
    """Names that follow a file in a law: what a reader looks for in it."""
    rest = law.split(file, 1)[1].split(",")[0].split()
    return [part for word in rest[:1] if re.fullmatch(r"[A-Za-z_][\w.]*", word) for part in word.split(".")]


def test_every_number_of_a_stage_has_a_formula() -> None:
    """LUT to URAM by kernel and part, shares, CLBs, clocks, power, the plug-in: nothing that the report prints is without."""
    one = priced(False, "flexllm-u280-hmt", 3000)
    names = set(one.names())
    for stage in STAGES:
        for name, value in one.document[stage].items():
            if isinstance(value, dict):
                assert {f"{stage}.{name}.{kind}" for kind in value} <= names
            elif isinstance(value, float) and name in ("clb_fraction", "clock_mhz", "achievable_clock_mhz", "power_w"):
                assert f"{stage}.{name}" in names
    assert {f"hmt.{name}" for name in one.document["hmt"]} <= names
    assert {"prefill.hmt_loader.cycles", "prefill.hmt_memory.cycles", "prefill.hmt_memory.uram"} <= names


def test_the_time_of_the_plugin_follows_from_its_symbols() -> None:
    """By hand, from nothing but what the trace prints; no stream of this design is slower than a word a cycle."""
    one = priced(False, "flexllm-u280-hmt", 3000)
    of = one.symbols("prefill.hmt_memory.cycles")
    d, t, lanes, memories, restart = of["D"], of["T"], of["lanes"], of["memories"], of["restart"]

    def call(d_in: float, d_out: float) -> float:
        return d_in / t + math.ceil(d_out / lanes) * (d_in + restart)

    softmax = 3 * (memories / t + restart)
    once = 2 * (d + of["access"]) + d / t + call(d, d) + call(d, memories) + softmax + call(memories, d)
    assert one.values()["prefill.hmt_memory.cycles"] == pytest.approx((of["segments"] - 1) * once)


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
