"""The one registry of module variants: what each needs to be priced, generated and measured.

A variant enters the default search space only with a cost law. Where `hls_template` is None the module is priced by
the published structure of FlexLLM and not generated yet; the reports say so for each design.
"""

from __future__ import annotations

from dataclasses import dataclass

from spec.workload import Stage


@dataclass(frozen=True, slots=True)
class ModuleVariant:
    """One way to build a module. `cost_law` is `module:function` in cost_models; `hls_template` a library header."""

    name: str
    stages: tuple[Stage, ...]
    cost_law: str
    hls_template: str | None
    timing_entry: str
    leaf_rtl: str | None = None


VARIANTS: tuple[ModuleVariant, ...] = (
    ModuleVariant("linear.systolic_int4", ("prefill",), "linear:systolic_cycles", "systolic_linear.h", "loop_restart"),
    ModuleVariant("linear.gemv_int4", ("decode",), "linear:gemv_cycles", "gemv.h", "loop_restart"),
    ModuleVariant("quant.dynamic_per_token", ("prefill", "decode"), "nonlinear:OPERATORS", "quantize.h", "operators"),
    ModuleVariant("dequant.per_channel", ("prefill", "decode"), "nonlinear:OPERATORS", "dequantize.h", "operators"),
    ModuleVariant("attention.qk_int8", ("prefill", "decode"), "attention:qk_cycles", None, "loop_restart"),
    ModuleVariant("attention.av_int8", ("prefill", "decode"), "attention:av_cycles", None, "loop_restart"),
    ModuleVariant("attention.softmax_fp32", ("prefill", "decode"), "attention:softmax_cycles", None, "operators"),
    ModuleVariant(
        "hadamard.serial_fp32", ("prefill", "decode"), "transforms:serial_hadamard_cycles", None, "operators"
    ),
    ModuleVariant("norm.rms_fp32", ("prefill", "decode"), "nonlinear:OPERATORS", None, "operators"),
    ModuleVariant("rope.fp32", ("prefill", "decode"), "nonlinear:OPERATORS", None, "operators"),
    ModuleVariant("swiglu.fp32", ("prefill", "decode"), "nonlinear:OPERATORS", None, "operators"),
    ModuleVariant("residual.fp32", ("prefill", "decode"), "nonlinear:OPERATORS", None, "operators"),
    ModuleVariant("sampler.top_k", ("decode",), "decode:evaluate_decode", None, "sampler"),
)
