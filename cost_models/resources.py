"""Resources of each stage's kernel, module by module: multiplier arrays, non-linear lanes, buffers, adapters, control.

Each module of the breakdown has a part; AXI adapters and process control have parts of their own. The kernel is their
sum. `process_granularity` chooses the inventory: of FlexLLM's kernels (`element`), or of those that our library builds
(`array`), whose DSP slices and memories are those of the generated sources.
"""

from __future__ import annotations

from cost_models.kernels.adapters import AXI_ADAPTERS, DATAFLOW_CONTROL, adapter_amounts
from cost_models.kernels.element_decode import element_decode_parts
from cost_models.kernels.element_prefill import element_prefill_parts
from cost_models.kernels.library_decode import library_decode_parts
from cost_models.kernels.library_prefill import library_prefill_parts
from cost_models.kernels.parts import Amount, Part, Parts, RowParts, module_arrays, total_resources
from cost_models.kernels.projections import (
    FFN_PROJECTIONS,
    PROJECTION_MODULES,
    array_owner,
    engine_calls,
    group_width,
    hadamard_blocks,
    longest_input,
    projection_dims,
    shared_arrays,
    weight_bits,
)
from cost_models.stage_setup import StageSetup
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.module_choices import DecodeModules, PrefillModules

__all__ = [
    "AXI_ADAPTERS",
    "DATAFLOW_CONTROL",
    "FFN_PROJECTIONS",
    "PROJECTION_MODULES",
    "Amount",
    "Part",
    "Parts",
    "RowParts",
    "adapter_amounts",
    "array_owner",
    "decode_parts",
    "engine_calls",
    "group_width",
    "hadamard_blocks",
    "longest_input",
    "module_arrays",
    "prefill_parts",
    "projection_dims",
    "shared_arrays",
    "total_resources",
    "weight_bits",
]


def prefill_parts(batch: PrefillBatch, modules: PrefillModules, setup: StageSetup) -> Parts:
    """Resources of the prefill kernel by module, shell not included."""
    if modules.process_granularity == "array":
        return library_prefill_parts(batch, modules, setup)
    return element_prefill_parts(batch, modules, setup)


def decode_parts(batch: DecodeBatch, modules: DecodeModules, setup: StageSetup) -> Parts:
    """Resources of the decode kernel by module, shell not included."""
    if modules.process_granularity == "array":
        return library_decode_parts(batch, modules, setup)
    return element_decode_parts(batch, modules, setup)
