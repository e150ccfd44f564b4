"""The registry of module variants names things that exist: a law, a template, timing entries."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import hls_gen
from cost_models.coefficients import DSP58_FP32_DSP, FIXED_OPERATORS
from cost_models.nonlinear import OPERATORS
from cost_models.report import evaluate_point
from spec.bf16_operators import BF16_OPERATORS
from spec.catalog import load_design, load_device, load_model
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.variants import VARIANTS, ModuleVariant, selected_variants
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
        "add_bias.hpp", "block_io.hpp", "dataflow.hpp", "decode_memory.hpp", "decode_steps.hpp", "dequantized_channel.hpp",
        "exp_table.hpp", "fp32.hpp", "fp32_io.hpp", "hadamard_signs.hpp", "hbm_word.hpp", "ints.hpp", "join_beats.hpp", "lanes.hpp",
        "load_scales.hpp", "prefill_steps.hpp", "quantized_token.hpp", "repeat_words.hpp", "resize_words.hpp", "route_words.hpp", "stream.hpp",
        "token_io.hpp", "vector_io.hpp",
    }  # fmt: skip
    registered = {header for variant in VARIANTS for header in variant.hls_templates}
    headers = {str(path.relative_to(LIBRARY)) for folder in (LIBRARY, LIBRARY / "hmt") for path in folder.glob("*.hpp")}
    assert headers - plumbing == registered


def test_operators_of_every_instance_have_a_cost() -> None:
    known = set(DEFAULT_TIMING_TABLE.operators)
    assert set(BF16_OPERATORS) == set(FIXED_OPERATORS) == known
    assert set(DSP58_FP32_DSP) <= known
    assert {name for parts in OPERATORS.values() for name in parts} <= set(DEFAULT_TIMING_TABLE.operators)


@pytest.mark.parametrize("design", ["flexllm-u280", "flexllm-u280-hmt"])
def test_a_report_names_what_is_not_generated(design: str) -> None:
    """Of what the design has: a plug-in that it lacks is not named."""
    point = load_design(design)
    workload = Workload(prompt_tokens=8, output_tokens=8)
    report = evaluate_point(point, load_model("llama-3.2-1b"), load_device("u280"), workload)
    note = next(text for text in report.assumptions if "not generated yet" in text)
    for variant in VARIANTS:
        has = variant in selected_variants(point) and not variant.name.startswith("deployment.")
        assert (variant.name in note.split(": ")[1].split(", ")) == (has and not variant.hls_templates)
