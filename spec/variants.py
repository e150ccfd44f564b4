"""The one registry of module variants: what each needs to be priced, generated and measured.

A variant enters the default search space only with a cost law. Where `hls_templates` is empty the module is priced by
the published structure of FlexLLM and not generated yet; the reports say so for each design.
"""

from __future__ import annotations

from dataclasses import dataclass

from spec.workload import Stage


@dataclass(frozen=True, slots=True)
class ModuleVariant:
    """One way to build a module.

    `cost_laws`: `module:name` of functions or tables in cost_models. `hls_templates`: headers of the HLS library.
    `timing_entries`: fields of TimingTable that the laws take.
    """

    name: str
    stages: tuple[Stage, ...]
    cost_laws: tuple[str, ...]
    hls_templates: tuple[str, ...]
    timing_entries: tuple[str, ...]
    leaf_rtl: str | None = None


_BOTH: tuple[Stage, ...] = ("prefill", "decode")
_OPERATORS = ("nonlinear:OPERATORS",)

VARIANTS: tuple[ModuleVariant, ...] = (
    ModuleVariant(
        "linear.systolic_int4",
        ("prefill",),
        ("linear:systolic_cycles",),
        ("systolic_linear.hpp", "pe.hpp", "load_weights.hpp"),
        ("loop_restart_cycles",),
    ),
    ModuleVariant(
        "linear.gemv_int4",
        ("decode",),
        ("linear:gemv_cycles",),
        ("gemv.hpp", "pe.hpp", "load_weights.hpp"),
        ("loop_restart_cycles",),
    ),
    ModuleVariant(
        "quant.dynamic_per_token", _BOTH, _OPERATORS, ("quantize_tokens.hpp", "quantize_vector.hpp"), ("operators",)
    ),
    ModuleVariant(
        "dequant.per_channel", _BOTH, _OPERATORS, ("dequantize_tokens.hpp", "dequantize_vector.hpp"), ("operators",)
    ),
    ModuleVariant(
        "attention.qk_int8",
        _BOTH,
        ("attention:prefill_qk_cycles", "attention:decode_attention_cycles"),
        (),
        ("loop_restart_cycles",),
    ),
    ModuleVariant(
        "attention.av_int8",
        _BOTH,
        ("attention:prefill_av_cycles", "attention:decode_attention_cycles"),
        (),
        ("loop_restart_cycles", "memory_access_cycles"),
    ),
    ModuleVariant(
        "attention.softmax_fp32",
        _BOTH,
        ("attention:prefill_softmax_cycles", "attention:decode_attention_cycles"),
        (),
        ("operators",),
    ),
    ModuleVariant("hadamard.serial_fp32", _BOTH, ("transforms:serial_hadamard_cycles",), (), ("operators",)),
    ModuleVariant("norm.rms_fp32", _BOTH, _OPERATORS, (), ("operators",)),
    ModuleVariant("rope.fp32", _BOTH, _OPERATORS, (), ("operators",)),
    ModuleVariant("swiglu.fp32", _BOTH, _OPERATORS, (), ("operators",)),
    ModuleVariant("residual.fp32", _BOTH, _OPERATORS, (), ("operators", "decode_chain_depth_cycles")),
    ModuleVariant(
        "sampler.top_k",
        ("decode",),
        ("decode:evaluate_decode", "nonlinear:OPERATORS"),
        (),
        ("sampler_merge_cycles", "sampler_insert_cycles", "sampler_tail_cycles", "top_k", "operators"),
    ),
    ModuleVariant(
        "hmt.plugin_fp32",
        ("prefill",),
        ("hmt:evaluate_hmt_prefill", "hmt:plugin_resources"),
        (),
        ("loop_restart_cycles", "memory_access_cycles", "operators"),
    ),
)
