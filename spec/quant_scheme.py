"""QuantScheme: bit-widths and how scales are found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spec.strict import StrictModel

Bits = Annotated[int, Field(ge=2, le=16)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class QuantScheme(StrictModel):
    """Weights are symmetric per output channel; activations as said; KV cache and attention operands symmetric."""

    name: Name
    weight_bits: Bits
    activation_bits: Bits
    kv_bits: Bits
    attention_bits: Bits
    lm_head_weight_bits: Bits
    activation_scale: Literal["dynamic_per_token"] = "dynamic_per_token"
    activation_symmetry: Literal["asymmetric"] = "asymmetric"
    weight_scale: Literal["per_channel"] = "per_channel"
    attention_scale: Literal["static_per_head"] = "static_per_head"
    online_hadamard: Literal["down_proj"] = "down_proj"


W4A4KV8 = QuantScheme(
    name="w4a4kv8", weight_bits=4, activation_bits=4, kv_bits=8, attention_bits=8, lm_head_weight_bits=4
)

SCHEMES = {W4A4KV8.name: W4A4KV8}
