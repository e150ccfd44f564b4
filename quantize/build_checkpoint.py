"""From a weight bank to the QuantizedCheckpoint that a generated design is fed with."""

from __future__ import annotations

import numpy as np

from quantize.integer_linear import FLOAT_BITS
from quantize.precision import Precision, online_rotations
from quantize.weight_bank import WeightBank, rotations_of
from spec.errors import InputError
from spec.quant_scheme import QuantScheme
from spec.quantized_checkpoint import (
    CheckpointHeader,
    QuantizedCheckpoint,
    Tensors,
    content_sha256,
    linear_names,
    row_sums,
)
from spec.versions import FLEXDSE_VERSION

MAX_WEIGHT_BITS = 8


def build_checkpoint(bank: WeightBank, precision: Precision) -> QuantizedCheckpoint:
    """The integers, scales and row sums of the bank's model at `precision`.

    Raises:
        InputError: a scheme that the file cannot hold: unquantized or asymmetric weights, activations or attention in
            floating point, scales of attention that are not static.
    """
    scheme = precision.scheme
    _check_scheme(scheme, precision, bank)
    config, tensors = bank.config, _float_tensors(bank, precision)
    bits = precision.all_weight_bits(config)
    for name in linear_names(config):
        bank.progress(f"writing {name}")
        weight = bank.rounded(name, bits[name])
        tensors[f"{name}.weight"] = weight.integers.astype(np.int8)
        tensors[f"{name}.scale"] = weight.scale
        tensors[f"{name}.row_sum"] = row_sums(tensors[f"{name}.weight"], weight.scale)
        bias = bank.bias((name,))
        if bias is not None:
            tensors[f"{name}.bias"] = bias
    rotations = rotations_of(scheme, bank.folded)
    header = CheckpointHeader(
        flexdse_version=FLEXDSE_VERSION,
        model=config,
        quant_scheme=scheme,
        weight_rounding=bank.rounding,
        weight_bits=bits,
        folded_rotations=tuple(r for r in rotations if r in ("r1", "r2")),
        online_rotations=online_rotations(scheme),
        norms_folded=True,
        rotation_seed=bank.seed,
        source=bank.model.source,
        calibration=bank.calibration.text,
        content_sha256=content_sha256(tensors),
    )
    return QuantizedCheckpoint(header, tensors)


def _float_tensors(bank: WeightBank, precision: Precision) -> Tensors:
    config = bank.config
    tensors: Tensors = {
        "embed_tokens.weight": bank.embedding,
        "norm.weight": bank.rotated["norm.weight"],
        "rope.inverse_frequencies": bank.inverse_frequencies,
    }
    for i in range(config.n_layers):
        layer = f"layers.{i}"
        names = ["input_layernorm.weight", "post_attention_layernorm.weight"]
        if config.qk_norm:
            names += ["self_attn.q_norm.weight", "self_attn.k_norm.weight"]
        tensors.update({f"{layer}.{name}": bank.rotated[f"{layer}.{name}"] for name in names})
        for operand, group in (("q", "attention"), ("k", "key"), ("v", "value")):
            bits = precision.bits(group, i)  # type: ignore[arg-type]
            tensors[f"{layer}.self_attn.{operand}_scale"] = bank.static_scale(f"{layer}.self_attn.{operand}", bits)
    return tensors


def _check_scheme(scheme: QuantScheme, precision: Precision, bank: WeightBank) -> None:
    def refuse(message: str, field: str, value: object, rule: str, hint: str) -> InputError:
        return InputError(message, field=field, value=value, rule=rule, hint=hint)

    widest = max(precision.all_weight_bits(bank.config).values())
    if widest > MAX_WEIGHT_BITS:
        raise refuse("weights too wide for a quantized checkpoint", "weight_bits", widest,
                     f"at most {MAX_WEIGHT_BITS}, of lm_head too", "lower weight_bits or lm_head_weight_bits")  # fmt: skip
    if scheme.weight_symmetry != "symmetric":
        raise refuse("asymmetric weights have no place in the file", "weight_symmetry", scheme.weight_symmetry,
                     "symmetric", "take symmetric weights")  # fmt: skip
    if scheme.activation_scale != "dynamic_per_token":
        raise refuse("static activation scales have no place in the file", "activation_scale", scheme.activation_scale,
                     "dynamic_per_token", "take dynamic scales")  # fmt: skip
    if scheme.attention_scale != "static_per_head":
        raise refuse("dynamic attention scales have no place in the file", "attention_scale", scheme.attention_scale,
                     "static_per_head", "take static scales")  # fmt: skip
    for field in ("activation_bits", "kv_bits", "attention_bits"):
        if getattr(scheme, field) >= FLOAT_BITS:
            raise refuse(f"{field} of {FLOAT_BITS} stands for floating point", field, FLOAT_BITS,
                         f"below {FLOAT_BITS} in a checkpoint for integer hardware", "choose a width")  # fmt: skip
