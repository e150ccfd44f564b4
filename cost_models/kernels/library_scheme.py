"""Units of our library under a quantization scheme: number formats, and what schemes add that the library does not build."""

from __future__ import annotations

from dataclasses import dataclass

from spec import library_units as units
from spec.library_memories import Count, ceil_div
from spec.library_units import LeafUse, MacFormat, UnitParts
from spec.module_choices import Quantizer
from spec.quant_scheme import QuantScheme


@dataclass(frozen=True, slots=True)
class LinearFormat:
    """Operands of a linear array; `asymmetric`: activations have a zero point."""

    mac: MacFormat
    asymmetric: bool

    @classmethod
    def of(cls, scheme: QuantScheme, group: tuple[str, ...]) -> LinearFormat:
        """Of the projections of a group, whose widest weights it takes."""
        bits = {scheme.lm_head_weight_bits if name == "lm_head" else scheme.weight_bits for name in group}
        asymmetric = scheme.activation_symmetry == "asymmetric"
        return cls(MacFormat(not asymmetric, scheme.activation_bits, max(bits)), asymmetric)

    def group_scales(self, scheme: QuantScheme, macs: Count) -> UnitParts:
        """Scaling and adding up of partial sums, where weights have a scale a group of inputs."""
        if scheme.weight_group_size is None:
            return UnitParts()
        number = ceil_div(macs, scheme.weight_group_size)
        return UnitParts(operators={"fmul": number, "fadd": number, "int_to_float": number})


@dataclass(frozen=True, slots=True)
class AttentionFormats:
    """Operands of scores and of weighted values; `dynamic`: heads are quantized by their own range."""

    scores: MacFormat
    values: MacFormat
    dynamic: bool

    @classmethod
    def of(cls, scheme: QuantScheme) -> AttentionFormats:
        """Queries are signed, the weights of softmax are not."""
        return cls(
            MacFormat(True, scheme.attention_bits, scheme.kv_bits),
            MacFormat(False, scheme.attention_bits, scheme.kv_bits),
            scheme.attention_scale == "dynamic_per_token",
        )

    def ranges(self, lanes: Count) -> UnitParts:
        """What a dynamic quantizer of heads has beside a static one."""
        return UnitParts(leaves=[LeafUse("value_range", {}, lanes)] if self.dynamic else [])


def quantizer(
    scheme: QuantScheme, form: Quantizer, tokens: Count, channels: Count, max_words: Count, value_bits: int
) -> UnitParts:
    """The quantizer before an array: dynamic as built, or with a scale that is known before."""
    if scheme.activation_scale == "static_per_tensor":
        made = units.quantize_static(tokens * channels, channels, scheme.activation_bits, value_bits)
        if scheme.activation_symmetry == "asymmetric":
            made.operators["fadd"] = tokens * channels
        return made
    asymmetric = scheme.activation_symmetry == "asymmetric"
    return units.quantize_dynamic(
        tokens, channels, max_words, scheme.activation_bits, asymmetric, form == "divider", value_bits
    )


def dequantizer_extra(scheme: QuantScheme, lanes: Count) -> UnitParts:
    """Of weights with a zero point: a product and an addition more a lane, of the activations' sum."""
    if scheme.weight_symmetry == "symmetric":
        return UnitParts()
    return UnitParts(operators={"fmul": lanes, "fadd": lanes})
