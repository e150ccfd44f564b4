"""A seeded checkpoint of random weights for any model: what the C simulation runs where no real weights are given."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from hls_gen.golden.fp32 import Fp32
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.quantized_checkpoint import (
    CalibrationText,
    CheckpointHeader,
    CheckpointSource,
    QuantizedCheckpoint,
    check_tensors,
    content_sha256,
    has_bias,
    linear_names,
    linear_shape,
    row_sums,
)
from spec.versions import FLEXDSE_VERSION

CLIP_DEVIATIONS = 3.0  # a weight beyond so many standard deviations is clipped
STATIC_DEVIATIONS = 3.5  # a query, key or value beyond so many is clipped: a few are, so that clipping is exercised
OUTPUT_GAIN = 0.5  # o_proj and down_proj: the residual stream then grows slowly over the layers


@lru_cache(maxsize=8)
def _normal_integers(bits: int) -> bytes:
    """Integers of `bits` distributed as rounded normal numbers, one for each byte that is drawn (an eighth of the time of
    drawing normal numbers); the first stands for what is clipped at the lower end.
    """
    top = 2 ** (bits - 1) - 1
    normal = NormalDist(0.0, top / CLIP_DEVIATIONS)
    values = np.clip(np.rint([normal.inv_cdf((draw + 0.5) / 256) for draw in range(256)]), -top - 1, top).astype(
        np.int8
    )
    values[0] = -top - 1
    return values.tobytes()


def _linear(rng: np.random.Generator, shape: tuple[int, int], bits: int, groups: int, gain: float) -> dict[str, Fp32]:
    """Integers of `bits` and scales such that unit inputs give outputs of the standard deviation `gain`."""
    d_out, d_in = shape
    top = 2 ** (bits - 1) - 1
    drawn = rng.bytes(d_out * d_in).translate(_normal_integers(bits))
    weight = np.frombuffer(drawn, dtype=np.int8).reshape(shape)
    spread = rng.lognormal(0.0, 0.2, (d_out, groups))
    scale = (spread * gain * CLIP_DEVIATIONS / top / math.sqrt(d_in)).astype(np.float32)
    return {"weight": weight, "scale": scale, "row_sum": row_sums(weight, scale)}


def synthetic_checkpoint(
    model: ModelConfig, scheme: QuantScheme, seed: int, static_deviations: float = STATIC_DEVIATIONS
) -> QuantizedCheckpoint:
    """Random integers, scales, norms and biases in the format of spec/quantized_checkpoint.py.

    `static_deviations`: standard deviations of queries, keys and values that their static scales reach.
    """
    rng = np.random.default_rng(seed)
    tensors: dict[str, npt.NDArray[np.generic]] = {}
    bits: dict[str, int] = {}
    for name in linear_names(model):
        d_out, d_in = linear_shape(model, name)
        bits[name] = scheme.lm_head_weight_bits if name == "lm_head" else scheme.weight_bits
        groups = d_in // scheme.weight_group_size if scheme.weight_group_size else 1
        gain = OUTPUT_GAIN if name.endswith(("o_proj", "down_proj")) else 1.0
        for part, array in _linear(rng, (d_out, d_in), bits[name], groups, gain).items():
            tensors[f"{name}.{part}"] = array
        if has_bias(model, name):
            tensors[f"{name}.bias"] = rng.normal(0, 0.2, d_out).astype(np.float32)
    tensors["embed_tokens.weight"] = rng.standard_normal((model.vocab_size, model.hidden_dim), dtype=np.float32)

    def gamma(dim: int) -> Fp32:
        return rng.lognormal(0.0, 0.2, dim).astype(np.float32)

    tensors["norm.weight"] = gamma(model.hidden_dim)
    exponents = np.arange(0, model.head_dim, 2, dtype=np.float64) / model.head_dim
    tensors["rope.inverse_frequencies"] = (model.rope_theta**-exponents).astype(np.float32)
    kv_top, operand_top = 2 ** (scheme.kv_bits - 1) - 1, 2 ** (scheme.attention_bits - 1) - 1
    for layer in range(model.n_layers):
        prefix = f"layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}{norm}.weight"] = gamma(model.hidden_dim)
        if model.qk_norm:
            for operand in "qk":
                tensors[f"{prefix}self_attn.{operand}_norm.weight"] = gamma(model.head_dim)

        def static(heads: int, step: float) -> Fp32:
            return (static_deviations * step * rng.lognormal(0.0, 0.1, heads)).astype(np.float32)

        tensors[f"{prefix}self_attn.q_scale"] = static(model.n_q_heads, 1 / operand_top / math.sqrt(model.head_dim))
        tensors[f"{prefix}self_attn.k_scale"] = static(model.n_kv_heads, 1 / kv_top)
        tensors[f"{prefix}self_attn.v_scale"] = static(model.n_kv_heads, 1 / kv_top)
    nothing = hashlib.sha256(b"").hexdigest()
    header = CheckpointHeader(
        flexdse_version=FLEXDSE_VERSION,
        model=model,
        quant_scheme=scheme,
        weight_rounding="rtn",
        weight_bits=bits,
        folded_rotations=(),
        online_rotations=(
            *(("r3",) if scheme.transforms_heads else ()),
            *(("r4",) if scheme.transforms_down_input else ()),
        ),
        norms_folded=False,
        rotation_seed=0,
        source=CheckpointSource(kind="arrays", name=f"random weights, seed {seed}", sha256=nothing),
        calibration=CalibrationText(name="none", sha256=nothing, windows=1, window_tokens=2),
        content_sha256=content_sha256(tensors),
    )
    check_tensors(header, tensors)
    return QuantizedCheckpoint(header, tensors)
