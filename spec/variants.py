"""The one registry of module variants: what each needs to be priced, generated and measured.

A variant enters the default search space with a cost law, a template of the HLS library and a timing entry
(`searchable_values`); what FlexLLM built is always in it. Where `hls_templates` is empty the module is priced by its law
and not generated yet; the reports say so for each design.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from spec.design_point import DecodeDesign, DesignPoint, PrefillDesign
from spec.module_choices import FLEXLLM_DECODE_GROUPS, FLEXLLM_PREFILL_GROUPS, DecodeModules, PrefillModules
from spec.workload import Stage


@dataclass(frozen=True, slots=True)
class ModuleVariant:
    """One way to build a module.

    `cost_laws`: `module:name` of functions or tables in cost_models. `hls_templates`: headers of the HLS library.
    `timing_entries`: fields of TimingTable that the laws take. `selected_by`: (choice of `PrefillModules`,
    `DecodeModules` or `DesignPoint`, value) pairs that all hold in a design that has the variant; a value of `ANY` stands
    for each but FlexLLM's. Without pairs every design has it.
    """

    name: str
    stages: tuple[Stage, ...]
    cost_laws: tuple[str, ...]
    hls_templates: tuple[str, ...]
    timing_entries: tuple[str, ...]
    selected_by: tuple[tuple[str, Hashable], ...] = ()
    leaf_rtl: str | None = None

    @property
    def complete(self) -> bool:
        """Whether a design with the variant can be priced, generated and timed."""
        return bool(self.cost_laws and self.hls_templates and self.timing_entries)


ANY = "any other"

_PREFILL: tuple[Stage, ...] = ("prefill",)
_DECODE: tuple[Stage, ...] = ("decode",)
_BOTH: tuple[Stage, ...] = ("prefill", "decode")
_OPERATORS = ("nonlinear:OPERATORS",)
_SYSTOLIC, _GEMV = ("systolic_linear.hpp", "pe.hpp", "load_weights.hpp"), ("gemv.hpp", "pe.hpp", "load_weights.hpp")
_QK = ("attention_scores.hpp", "attention_rows.hpp", "pe.hpp", "kv_cache.hpp")
_AV = ("attention_values.hpp", "attention_rows.hpp", "pe.hpp", "kv_cache.hpp")
_RESTART = ("loop_restart_cycles",)
_QK_LAWS = ("attention:prefill_qk_cycles", "attention:decode_attention_cycles", "macs:mac_cost")
_AV_LAWS = ("attention:prefill_av_cycles", "attention:decode_attention_cycles", "macs:mac_cost")
_PES = ("dsp2", "dsp1", "dsp4", "lut")


def _linear(
    pe: str, prefill_templates: tuple[str, ...], decode_templates: tuple[str, ...]
) -> tuple[ModuleVariant, ...]:
    chosen = (("linear_pe", pe),)
    systolic, gemv = ("linear:systolic_cycles", "macs:mac_cost"), ("linear:gemv_cycles", "macs:mac_cost")
    return (
        ModuleVariant(f"linear.systolic_{pe}", _PREFILL, systolic, prefill_templates, _RESTART, chosen),
        ModuleVariant(f"linear.gemv_{pe}", _DECODE, gemv, decode_templates, _RESTART, chosen),
    )


def _attention(pe: str) -> tuple[ModuleVariant, ...]:
    chosen = (("attention_pe", pe),)
    return (
        ModuleVariant(f"attention.qk_{pe}", _BOTH, _QK_LAWS, _QK, _RESTART, chosen),
        ModuleVariant(f"attention.av_{pe}", _BOTH, _AV_LAWS, _AV, (*_RESTART, "memory_access_cycles"), chosen),
    )


VARIANTS: tuple[ModuleVariant, ...] = (
    *_linear("dsp2", _SYSTOLIC, _GEMV),
    *_linear("dsp1", _SYSTOLIC, _GEMV),
    *_linear("dsp4", _SYSTOLIC, ()),
    *_linear("lut", _SYSTOLIC, _GEMV),
    ModuleVariant("linear.element_processes", _BOTH, ("macs:mac_cost", "resources:prefill_parts"), (), _RESTART,
                  (("process_granularity", "element"),)),
    ModuleVariant("linear.array_processes", _BOTH, ("resources:prefill_parts", "resources:decode_parts"),
                  ("systolic_linear.hpp", "gemv.hpp"), _RESTART, (("process_granularity", "array"),)),
    ModuleVariant("linear.prefill_grouping", _PREFILL, ("prefill:evaluate_prefill", "resources:prefill_parts"), (),
                  _RESTART, (("linear_groups", ANY),)),
    ModuleVariant("linear.decode_grouping", _DECODE, ("decode:evaluate_decode", "resources:decode_parts"), (), _RESTART,
                  (("linear_groups", ANY),)),
    ModuleVariant("linear.weight_tile_reuse", _PREFILL, ("linear:systolic_cycles", "resources:prefill_parts"), (),
                  _RESTART, (("token_blocks_per_weight_pass", ANY),)),
    ModuleVariant("linear.double_input_buffer", _PREFILL, ("linear:systolic_cycles", "resources:prefill_parts"), _SYSTOLIC,
                  _RESTART, (("input_buffers", "double"),)),
    ModuleVariant("attention.double_score_buffer", _DECODE, ("attention:decode_attention_cycles",), _AV, _RESTART,
                  (("input_buffers", "double"),)),
    ModuleVariant("linear.weight_buffer", _DECODE, ("weight_stream:chain_cycles",),
                  ("run_ahead.hpp", "integer_io.hpp", "gemv.hpp"), _RESTART,
                  (("weight_buffer_beats", ANY),)),
    ModuleVariant("linear.d_in_split", _DECODE, ("array_decode_engine:EngineUnits", "resources:decode_parts"),
                  ("d_in_parts.hpp", "gemv.hpp"), _RESTART, (("d_in_splits", ANY),)),
    ModuleVariant("linear.on_chip_weights", _DECODE, ("weight_stream:chain_cycles", "resources:decode_parts"), (),
                  _RESTART, (("on_chip_projections", ANY),)),
    ModuleVariant("quant.divider", _BOTH, _OPERATORS, ("quantize_dynamic.hpp", "quantize_static.hpp"), ("operators",),
                  (("quantizer", "divider"),)),
    ModuleVariant("quant.reciprocal", _BOTH, ("nonlinear:module_operators",), ("quantize_dynamic.hpp",
                  "quantize_static.hpp"), ("operators",), (("quantizer", "reciprocal"),)),
    ModuleVariant("dequant.tokens", _PREFILL, _OPERATORS, ("dequantize_tokens.hpp",), ("operators",)),
    ModuleVariant("dequant.unpipelined", _DECODE, ("decode:dequantizer_interval",), (), ("operators",),
                  (("dequantizer", "unpipelined"),)),
    ModuleVariant("dequant.pipelined", _DECODE, ("decode:dequantizer_interval",), ("dequantize_vector.hpp",),
                  ("operators",), (("dequantizer", "pipelined"),)),
    *_attention("dsp2"),
    *_attention("dsp1"),
    *_attention("lut"),
    ModuleVariant("attention.full", _PREFILL, ("prefill:evaluate_prefill",), ("attention_scores.hpp", "key_range.hpp"),
                  _RESTART, (("attention_mask", "full"),)),
    ModuleVariant("attention.causal_skip", _PREFILL, ("attention:causal_steady_cycles",), ("attention_scores.hpp",
                  "key_range.hpp"), _RESTART, (("attention_mask", "causal_skip"),)),
    ModuleVariant("attention.read_per_query_head", _BOTH, ("prefill:prefill_traffic_bytes",
                  "decode:decode_traffic_bytes"), ("kv_cache.hpp",), _RESTART, (("kv_read", "per_query_head"),)),
    ModuleVariant("attention.read_per_kv_head", _BOTH, ("prefill:prefill_traffic_bytes", "decode:decode_traffic_bytes",
                  "attention:decode_attention_cycles"), ("kv_cache.hpp",), _RESTART, (("kv_read", "per_kv_head"),)),
    ModuleVariant("attention.beside_query_projection", _DECODE, ("decode:evaluate_decode",), (), _RESTART,
                  (("overlap_attention", "on"),)),
    ModuleVariant("softmax.serial", _BOTH, ("attention:softmax_interval",), ("softmax.hpp", "attention_softmax.hpp", "exp.hpp"), ("operators",),
                  (("softmax", "serial"),)),
    ModuleVariant("softmax.pipelined", _BOTH, ("attention:softmax_interval",), ("softmax.hpp", "attention_softmax.hpp"), ("operators",),
                  (("softmax", "pipelined"),)),
    ModuleVariant("softmax.wide", _BOTH, ("attention:softmax_interval",), (), ("operators",), (("softmax_width", ANY),)),
    ModuleVariant("hadamard.serial", _BOTH, ("transforms:serial_hadamard_cycles",), ("hadamard.hpp",), ("operators",),
                  (("hadamard", "serial"),)),
    ModuleVariant("hadamard.streaming", _BOTH, ("transforms:streaming_hadamard_interval",
                  "transforms:streaming_hadamard_latency", "transforms:streaming_hadamard_hardware"), ("hadamard.hpp",), ("operators",),
                  (("hadamard", "streaming"),)),
    ModuleVariant("hadamard.wide", _DECODE, ("transforms:streaming_hadamard_interval",), ("hadamard.hpp",), ("operators",),
                  (("hadamard_width", ANY),)),
    ModuleVariant("hadamard.wide_tokens", _PREFILL, ("transforms:streaming_hadamard_interval",), (), ("operators",),
                  (("hadamard_width", ANY),)),
    ModuleVariant("nonlinear.bf16", _BOTH, ("nonlinear:BF16_OPERATORS",), ("bf16.hpp", "real.hpp"), ("operators",),
                  (("nonlinear_format", "bf16"),)),
    ModuleVariant("nonlinear.fixed", _BOTH, ("coefficients:FIXED_OPERATORS",), (), ("operators",),
                  (("nonlinear_format", "fixed"),)),
    ModuleVariant("norm.rms", _BOTH, _OPERATORS, ("rms_norm.hpp", "rsqrt.hpp", "exact_sum.hpp"), ("operators",)),
    ModuleVariant("rope", _BOTH, _OPERATORS, ("rope.hpp",), ("operators",)),
    ModuleVariant("swiglu", _BOTH, _OPERATORS, ("swiglu.hpp", "exp.hpp"), ("operators",)),
    ModuleVariant("residual", _BOTH, _OPERATORS, ("residual.hpp",), ("operators", "decode_chain_depth_cycles")),
    ModuleVariant("sampler.top_k", _DECODE, ("decode:evaluate_decode", "nonlinear:OPERATORS"), ("sampler.hpp",), ("sampler_merge_cycles", "sampler_insert_cycles", "sampler_tail_cycles", "top_k",
                  "operators")),
    ModuleVariant("deployment.two_bitstreams", _BOTH, ("evaluate:combine",), (), (), (("deployment", "two_bitstreams"),)),
    ModuleVariant("deployment.co_resident", _BOTH, ("deployment:co_resident_rules", "evaluate:combine"), (), (),
                  (("deployment", "co_resident"),)),
    ModuleVariant("deployment.two_cards", _BOTH, ("evaluate:combine",), (), (), (("deployment", "two_cards"),)),
    ModuleVariant("hmt.plugin", _PREFILL, ("hmt:evaluate_hmt_prefill", "hmt:plugin_part"),
                  ("hmt/fp32_engine.hpp", "hmt/memory_queue.hpp", "hmt/retrieval.hpp", "hmt/steps.hpp", "hmt/window.hpp"),
                  ("loop_restart_cycles", "memory_access_cycles", "operators"), (("hmt", ANY),)),
)  # fmt: skip

# What FlexLLM builds, by choice: always in the space, generated or not.
_DEFAULTS: dict[str, Any] = {
    **{f"prefill.{name}": field.default for name, field in PrefillModules.model_fields.items()},
    **{f"decode.{name}": field.default for name, field in DecodeModules.model_fields.items()},
    "prefill.linear_groups": FLEXLLM_PREFILL_GROUPS,
    "decode.linear_groups": FLEXLLM_DECODE_GROUPS,
    "deployment": "two_bitstreams",
    "nonlinear_format": "fp32",
    "hmt": None,
}


def _chosen(design: DesignPoint, stage: Stage, choice: str) -> tuple[Any, Any]:
    """(value of a design, FlexLLM's value) of a choice."""
    path = f"{stage}.{choice}"
    if path not in _DEFAULTS:
        return getattr(design, choice), _DEFAULTS[choice]
    side: PrefillDesign | DecodeDesign = getattr(design, stage)
    return getattr(side.modules, choice), _DEFAULTS[path]


def selected_variants(design: DesignPoint) -> tuple[ModuleVariant, ...]:
    """The variants that a design is built of, in the order of the registry."""

    def has(variant: ModuleVariant, stage: Stage) -> bool:
        for choice, value in variant.selected_by:
            chosen, default = _chosen(design, stage, choice)
            if chosen == default if value == ANY else chosen != value:
                return False
        return True

    return tuple(variant for variant in VARIANTS if any(has(variant, stage) for stage in variant.stages))


def searchable_values(stage: Stage, choice: str) -> tuple[Any, ...]:
    """The values of a choice of modules that a default search may take: FlexLLM's, and those of complete variants.

    A choice whose variant is registered for `ANY` value (a width, a number of blocks) is open where that is complete:
    the last element is then `ANY`.
    """
    found = [_DEFAULTS[f"{stage}.{choice}"]]
    for variant in VARIANTS:
        if stage in variant.stages and variant.complete:
            found.extend(value for name, value in variant.selected_by if name == choice and value not in found)
    return tuple(found)
