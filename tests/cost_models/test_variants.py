"""The registry of module variants names things that exist: a law, a template, timing entries."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import hls_gen
from cost_models.nonlinear import (
    DECODE_BLOCK_INSTANCES,
    DECODE_HEAD_INSTANCES,
    DECODE_SINGLE_INSTANCES,
    DECODE_VECTOR_INSTANCES,
    OPERATORS,
    PREFILL_INSTANCES,
)
from cost_models.report import evaluate_point
from spec.catalog import load_design, load_device, load_model
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.variants import VARIANTS, ModuleVariant
from spec.workload import Workload

LIBRARY = Path(next(iter(hls_gen.__path__))) / "library" / "include" / "flexdse_hls"


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_variant(variant: ModuleVariant) -> None:
    assert variant.cost_laws, "a variant without a law is not in the space"
    for law in variant.cost_laws:
        module, name = law.split(":")
        assert hasattr(import_module(f"cost_models.{module}"), name), law
    for header in variant.hls_templates:
        assert (LIBRARY / header).is_file(), header
    for entry in variant.timing_entries:
        assert entry in TimingTable.model_fields, entry
    if variant.leaf_rtl is not None:
        assert (LIBRARY.parent.parent / variant.leaf_rtl).is_file()
    assert variant.stages


def test_names_are_unique() -> None:
    assert len({variant.name for variant in VARIANTS}) == len(VARIANTS)


def test_every_headers_module_is_registered() -> None:
    """The compute modules of the library, as against its plumbing, each belong to a variant."""
    plumbing = {
        "block_io.hpp", "dataflow.hpp", "dequantized_channel.hpp", "fp32.hpp", "hbm_word.hpp", "ints.hpp", "lanes.hpp",
        "load_scales.hpp", "quantized_token.hpp", "stream.hpp", "token_io.hpp", "vector_io.hpp",
    }  # fmt: skip
    registered = {header for variant in VARIANTS for header in variant.hls_templates}
    assert {path.name for path in LIBRARY.glob("*.hpp")} - plumbing == registered


def test_operators_of_every_instance_have_a_cost() -> None:
    instances = (
        PREFILL_INSTANCES,
        DECODE_BLOCK_INSTANCES,
        DECODE_HEAD_INSTANCES,
        DECODE_VECTOR_INSTANCES,
        DECODE_SINGLE_INSTANCES,
    )
    assert set().union(*instances) == set(OPERATORS)
    assert {name for parts in OPERATORS.values() for name in parts} <= set(DEFAULT_TIMING_TABLE.operators)


@pytest.mark.parametrize("design", ["flexllm-u280", "flexllm-u280-hmt"])
def test_a_report_names_what_is_not_generated(design: str) -> None:
    """Of what the design has: a plug-in that it lacks is not named."""
    point = load_design(design)
    workload = Workload(prompt_tokens=8, output_tokens=8)
    report = evaluate_point(point, load_model("llama-3.2-1b"), load_device("u280"), workload)
    note = next(text for text in report.assumptions if "not generated yet" in text)
    for variant in VARIANTS:
        has = point.hmt is not None or not variant.name.startswith("hmt.")
        assert (variant.name in note) == (has and not variant.hls_templates)
