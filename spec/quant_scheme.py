"""QuantScheme: bit-widths and how scales are found."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from spec.errors import InputError
from spec.strict import StrictModel

MIN_BITS, MAX_BITS = 2, 16


def check_bits(value: Any, field: str) -> Any:
    """`value`, unless it is an integer that is no width.

    Raises:
        InputError: it is one.
    """
    if isinstance(value, int) and not isinstance(value, bool) and not MIN_BITS <= value <= MAX_BITS:
        raise InputError(
            f"{field} of {value} bits is no width",
            field=field,
            value=value,
            rule=f"{MIN_BITS} to {MAX_BITS} bits; {MAX_BITS} stands for not quantized",
            hint=f"take {MIN_BITS if value < MIN_BITS else MAX_BITS}, or a width between: 4 and 8 are the usual ones",
        )
    return value


def _width(value: Any, info: ValidationInfo) -> Any:
    return check_bits(value, info.field_name or "bits")


Bits = Annotated[int, BeforeValidator(_width), Field(ge=MIN_BITS, le=MAX_BITS)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
OnlineHadamard = Literal["down_proj", "qk", "qk_and_down_proj", "none"]

# Fields that came after the first designs had been written down; at their defaults they are no part of a design's key.
LATER_SCHEME_FIELDS = ("weight_symmetry", "weight_group_size", "hadamard_block")


class QuantScheme(StrictModel):
    """How each operand is quantized. KV cache and attention operands are symmetric integers.

    `weight_group_size`: input channels that share a weight scale, with `weight_scale: per_group` only.
    `online_hadamard`: transforms at run time, R4 before down_proj and R3 on queries and keys after RoPE.
    `hadamard_block`: size of the diagonal blocks of R4; None stands for one block of the whole dimension.
    """

    name: Name
    weight_bits: Bits
    activation_bits: Bits
    kv_bits: Bits
    attention_bits: Bits
    lm_head_weight_bits: Bits
    activation_scale: Literal["dynamic_per_token", "static_per_tensor"] = "dynamic_per_token"
    activation_symmetry: Literal["asymmetric", "symmetric"] = "asymmetric"
    weight_scale: Literal["per_channel", "per_group", "per_tensor"] = "per_channel"
    attention_scale: Literal["static_per_head", "dynamic_per_token"] = "static_per_head"
    online_hadamard: OnlineHadamard = "down_proj"
    weight_symmetry: Literal["symmetric", "asymmetric"] = "symmetric"
    weight_group_size: Annotated[int, Field(ge=8, le=65536)] | None = None
    hadamard_block: Annotated[int, Field(ge=2, le=65536)] | None = None

    @model_validator(mode="after")
    def _groups_have_a_size(self) -> QuantScheme:
        if (self.weight_scale == "per_group") != (self.weight_group_size is not None):
            raise InputError(
                "a group size and scales per group go together",
                field="weight_group_size",
                value=self.weight_group_size,
                rule=f"given with weight_scale: per_group, left out otherwise; it is {self.weight_scale}",
                hint="set weight_scale: per_group and weight_group_size, or neither",
            )
        if self.hadamard_block is not None and self.online_hadamard in ("qk", "none"):
            raise InputError(
                "a block size without a transform before down_proj",
                field="hadamard_block",
                value=self.hadamard_block,
                rule="given with online_hadamard: down_proj or qk_and_down_proj only",
                hint="leave hadamard_block out",
            )
        return self

    @property
    def transforms_down_input(self) -> bool:
        """Whether the input of down_proj is transformed at run time (R4)."""
        return self.online_hadamard in ("down_proj", "qk_and_down_proj")

    @property
    def transforms_heads(self) -> bool:
        """Whether queries and keys are transformed at run time (R3)."""
        return self.online_hadamard in ("qk", "qk_and_down_proj")


W4A4KV8 = QuantScheme(
    name="w4a4kv8", weight_bits=4, activation_bits=4, kv_bits=8, attention_bits=8, lm_head_weight_bits=4
)
