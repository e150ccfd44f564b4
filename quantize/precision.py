"""Which width each tensor of a model has: a QuantScheme, with exceptions for groups of layers."""

from __future__ import annotations

from dataclasses import dataclass

from spec.model_config import ModelConfig
from spec.quality import TensorGroup, WidthOverride, scheme_bits
from spec.quant_scheme import QuantScheme
from spec.quantized_checkpoint import LAYER_LINEARS, Rotation

# The projections of a layer by the group that they belong to.
PROJECTION_GROUPS: dict[str, str] = {
    "self_attn.q_proj": "attention",
    "self_attn.k_proj": "attention",
    "self_attn.v_proj": "attention",
    "self_attn.o_proj": "attention",
    "mlp.gate_proj": "gate_up",
    "mlp.up_proj": "gate_up",
    "mlp.down_proj": "down",
}


@dataclass(frozen=True)
class Precision:
    """Widths of every tensor of a model with `n_layers`; 16 bits stand for "not quantized"."""

    scheme: QuantScheme
    n_layers: int
    overrides: tuple[WidthOverride, ...] = ()

    def bits(self, group: TensorGroup, layer: int) -> int:
        """The width of a tensor group in a layer; the last override that covers it wins."""
        for override in reversed(self.overrides):
            if override.group == group and override.covers(layer, self.n_layers):
                return override.bits
        return scheme_bits(self.scheme, group)

    def weight_bits(self, linear: str) -> int:
        """The width of the linear layer of that name, `layers.3.mlp.up_proj` or `lm_head`."""
        if linear == "lm_head":
            return self.bits("weight.lm_head", 0)
        _, layer, projection = linear.split(".", 2)
        return self.bits(f"weight.{PROJECTION_GROUPS[projection]}", int(layer))  # type: ignore[arg-type]

    def all_weight_bits(self, model: ModelConfig) -> dict[str, int]:
        """The width of each linear layer by its name."""
        names = [f"layers.{i}.{name}" for i in range(model.n_layers) for name in LAYER_LINEARS]
        return {name: self.weight_bits(name) for name in (*names, "lm_head")}


def online_rotations(scheme: QuantScheme) -> tuple[Rotation, ...]:
    """The transforms that the hardware of that scheme performs."""
    r3: tuple[Rotation, ...] = ("r3",) if scheme.transforms_heads else ()
    return (*r3, "r4") if scheme.transforms_down_input else r3
