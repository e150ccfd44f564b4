"""A checkpoint before quantization: fp32 arrays under the names of spec/quantized_checkpoint.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from spec.errors import InputError, echo
from spec.model_config import ModelConfig
from spec.quantized_checkpoint import CheckpointSource, has_bias, linear_names, linear_shape

Fp32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FloatModel:
    """`tensors` hold `<linear>.weight` (d_out, d_in), `.bias`, norms and `embed_tokens.weight`; lm_head is always there."""

    config: ModelConfig
    tensors: dict[str, Fp32]
    inverse_frequencies: Fp32  # (head_dim / 2,)
    source: CheckpointSource

    def __getitem__(self, name: str) -> Fp32:
        return self.tensors[name]

    def with_tensors(self, tensors: dict[str, Fp32]) -> FloatModel:
        """The same model with some tensors replaced."""
        return replace(self, tensors={**self.tensors, **tensors})


def expected_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor that the model must have."""
    hidden = (config.hidden_dim,)
    shapes: dict[str, tuple[int, ...]] = {
        "embed_tokens.weight": (config.vocab_size, config.hidden_dim),
        "norm.weight": hidden,
    }
    for name in linear_names(config):
        shapes[f"{name}.weight"] = linear_shape(config, name)
        if has_bias(config, name):
            shapes[f"{name}.bias"] = linear_shape(config, name)[:1]
    for i in range(config.n_layers):
        shapes[f"layers.{i}.input_layernorm.weight"] = hidden
        shapes[f"layers.{i}.post_attention_layernorm.weight"] = hidden
        if config.qk_norm:
            shapes[f"layers.{i}.self_attn.q_norm.weight"] = (config.head_dim,)
            shapes[f"layers.{i}.self_attn.k_norm.weight"] = (config.head_dim,)
    return shapes


def check_complete(config: ModelConfig, tensors: dict[str, Fp32], source: str) -> None:
    """Each tensor of the model there, in its shape, finite.

    Raises:
        InputError: naming the first tensor that is missing, of another shape, or not finite.
    """
    for name, shape in expected_shapes(config).items():
        array = tensors.get(name)
        if array is None:
            raise InputError(
                f"the checkpoint lacks the tensor {echo(name)}",
                field=name,
                value=None,
                rule=f"a {config.n_layers}-layer model of this kind has it",
                hint="give the whole checkpoint; an interrupted download leaves files out",
                source=source,
            )
        if array.shape != shape:
            raise InputError(
                f"tensor {echo(name)} does not fit the configuration",
                field=name,
                value="x".join(map(str, array.shape)),
                rule=f"shape {'x'.join(map(str, shape))}",
                hint="the weights belong to another configuration: take both from one checkpoint",
                source=source,
            )
        if not np.isfinite(array).all():
            raise InputError(
                f"tensor {echo(name)} holds NaN or infinity",
                field=name,
                value="not finite",
                rule="finite weights",
                hint="the file is damaged or was saved by a diverged training run",
                source=source,
            )


# What older checkpoints keep although config.json gives it.
_REDUNDANT_TENSORS = ("rotary_emb.inv_freq", "self_attn.masked_bias")


def check_nothing_left(config: ModelConfig, left: Iterable[str], source: str) -> None:
    """No tensor of a layer that the configuration knows nothing of: without it another model would be measured.

    Raises:
        InputError: naming the first such tensor.
    """
    for name in left:
        if name.startswith("layers.") and not name.endswith(_REDUNDANT_TENSORS):
            raise InputError(
                f"the configuration has no place for the tensor {echo(name)} of the checkpoint",
                field=name,
                value=name,
                rule=f"tensors of the {config.n_layers}-layer model that config.json describes",
                hint="the weights belong to another configuration: take both from one checkpoint",
                source=source,
            )
