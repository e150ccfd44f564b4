"""Which variants of the modules the generator has templates for; a design with another is refused before any file is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.module_choices import FLEXLLM_DECODE_GROUPS, FLEXLLM_PREFILL_GROUPS

_BOTH: dict[str, tuple[Any, ...]] = {
    "attention_pe": ("dsp2", "dsp1", "lut"),
    "input_buffers": ("single", "double"),
    "hadamard": ("serial", "streaming"),
    "softmax_width": (1,),
    "kv_read": ("per_query_head", "per_kv_head"),
    "quantizer": ("divider", "reciprocal"),
}
AVAILABLE: dict[str, dict[str, tuple[Any, ...]]] = {
    "prefill.modules": {
        **_BOTH,
        "linear_pe": ("dsp2", "dsp1", "dsp4", "lut"),
        "linear_groups": (FLEXLLM_PREFILL_GROUPS,),
        "hadamard_width": (1,),
        "attention_mask": ("full", "causal_skip"),
        "token_blocks_per_weight_pass": (1,),
    },
    "decode.modules": {
        **_BOTH,
        "linear_pe": ("dsp2", "dsp1", "lut"),
        "linear_groups": (FLEXLLM_DECODE_GROUPS,),
        "overlap_attention": ("off",),
        "on_chip_projections": ((),),
    },
    "quant_scheme": {
        "weight_bits": (4, 8),
        "activation_bits": (4, 8),
        "kv_bits": (4, 8),
        "attention_bits": (8,),
        "activation_scale": ("dynamic_per_token",),
        "activation_symmetry": ("asymmetric", "symmetric"),
        "weight_scale": ("per_channel",),
        "attention_scale": ("static_per_head",),
        "weight_symmetry": ("symmetric",),
        "online_hadamard": ("none", "down_proj", "qk", "qk_and_down_proj"),
    },
    "memory_map": {"kv_layout": ("per_stage",), "weight_copies": ("per_stage",)},
    "": {"nonlinear_format": ("fp32", "bf16")},
}


def _object(design: DesignPoint, path: str) -> Any:
    found: Any = design
    for name in filter(None, path.split(".")):
        found = getattr(found, name)
    return found


def _refusals(design: DesignPoint, model: ModelConfig) -> Iterator[tuple[str, Any, str]]:
    """(field, value, what is available)."""
    for path, fields in AVAILABLE.items():
        holder = _object(design, path)
        for name, values in fields.items():
            value = getattr(holder, name)
            if value not in values:
                yield f"{path}.{name}".lstrip("."), value, " or ".join(str(known) for known in values)
    scheme = design.quant_scheme
    if scheme.lm_head_weight_bits != scheme.weight_bits:
        yield "quant_scheme.lm_head_weight_bits", scheme.lm_head_weight_bits, f"weight_bits = {scheme.weight_bits}"
    for stage, modules in (("prefill", design.prefill.modules), ("decode", design.decode.modules)):
        if modules.hadamard == "serial" and modules.hadamard_width != 1:
            yield f"{stage}.modules.hadamard_width", modules.hadamard_width, "1 for hadamard: serial"
    if design.memory_map.of("decode", "weights_lm_head"):
        yield "memory_map.ports", "weights_lm_head", "lm_head on the ports of weights"
    if model.qkv_bias and model.qk_norm:
        yield "model.qk_norm", True, "models with a bias of Q, K and V or with QK-norm, not both"
    if model.output_bias:
        yield "model.output_bias", True, "models without a bias of o_proj"


def refuse_unbuilt(design: DesignPoint, model: ModelConfig) -> None:
    """Raise for the first choice that no template builds.

    Raises:
        InputError: names the field, its value, and what is available.
    """
    for field, value, available in _refusals(design, model):
        shown = value.model_dump() if hasattr(value, "model_dump") else value
        raise InputError(
            f"no template builds {field} = {shown} yet",
            field=field,
            value=shown,
            rule=f"available: {available}",
            hint="choose one of them to generate a project; the design can be evaluated all the same",
        )
