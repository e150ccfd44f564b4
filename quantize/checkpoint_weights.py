"""A QuantizedCheckpoint as the parameters of the decoder: what the hardware holds is what is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantize.arrays import Arrays
from quantize.float_model import Fp32
from quantize.integer_linear import PreparedWeight, prepare
from quantize.rounding import RoundedWeight
from quantize.weight_bank import joined
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.quantized_checkpoint import QuantizedCheckpoint


@dataclass(eq=False)
class CheckpointWeights:
    """Serves exactly the widths that the checkpoint was made for."""

    checkpoint: QuantizedCheckpoint
    xp: Arrays

    @property
    def config(self) -> ModelConfig:
        return self.checkpoint.model

    @property
    def inverse_frequencies(self) -> Fp32:
        return self.checkpoint["rope.inverse_frequencies"]

    @property
    def embedding(self) -> Fp32:
        return self.checkpoint["embed_tokens.weight"]

    def linear(self, names: tuple[str, ...], bits: tuple[int, ...]) -> PreparedWeight:
        parts = []
        for name, wanted in zip(names, bits, strict=True):
            held = self.checkpoint.header.weight_bits[name]
            if held != wanted:
                raise InputError(
                    f"the checkpoint holds {name} at {held} bits",
                    field="weight_bits",
                    value=wanted,
                    rule=f"{held}, as it was quantized",
                    hint="quantize the model again at the other width",
                )
            layer = self.checkpoint.linear(name)
            parts.append(RoundedWeight(layer.weight.astype(np.int16), layer.scale))
        return prepare(self.xp, joined(parts))

    def norm(self, name: str) -> Fp32 | None:
        gamma: Fp32 = self.checkpoint[f"{name}.weight"]
        return None if (gamma == 1).all() else gamma

    def bias(self, names: tuple[str, ...]) -> Fp32 | None:
        parts = [self.checkpoint.tensors.get(f"{name}.bias") for name in names]
        found = [part for part in parts if part is not None]
        return np.concatenate(found) if found else None

    def static_scale(self, site: str, bits: int) -> Fp32:
        scale: Fp32 = self.checkpoint[f"{site}_scale"]
        return scale

    def static_range(self, site: str, bits: int) -> tuple[np.float32, np.float32]:
        raise InputError(
            "a quantized checkpoint has no static scales of activations",
            field="activation_scale",
            value="static_per_tensor",
            rule="dynamic_per_token, as every checkpoint is",
            hint="measure the scheme on the unquantized checkpoint",
        )
