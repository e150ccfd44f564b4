"""Causal attention with grouped queries on int8 (or narrower) operands, spec/numerics.md "Attention"."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hls_gen.golden import fp32
from hls_gen.golden.elementary import Int64, integers_to_fp32
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.number_format import FP32, NumberFormat
from hls_gen.golden.quantization import inverse_scales
from hls_gen.golden.softmax import softmax
from spec.quantized_checkpoint import QuantizedCheckpoint


class AttentionConstants(NamedTuple):
    """What the modules of one layer multiply with: `q_inverse`, `score_factor` per query head, the others per KV head."""

    q_inverse: Fp32
    k_inverse: Fp32
    v_inverse: Fp32
    score_factor: Fp32
    v_scale: Fp32


def attention_constants(checkpoint: QuantizedCheckpoint, layer: int, number: NumberFormat = FP32) -> AttentionConstants:
    """From the static scales of the checkpoint; the scale of the queries is that of q / sqrt(head_dim)."""
    prefix = f"layers.{layer}.self_attn."
    q_scale, k_scale, v_scale = (checkpoint[f"{prefix}{operand}_scale"] for operand in "qkv")
    per_query_head = np.repeat(k_scale, checkpoint.model.gqa_group)
    root = np.float32(1 / math.sqrt(checkpoint.model.head_dim))
    divisor = np.where(q_scale > 0, q_scale, np.float32(1))
    exact = AttentionConstants(
        q_inverse=np.where(q_scale > 0, fp32.divide(root, divisor), np.float32(0)),
        k_inverse=inverse_scales(k_scale),
        v_inverse=inverse_scales(v_scale),
        score_factor=fp32.multiply(q_scale, per_query_head),
        v_scale=v_scale,
    )
    return AttentionConstants(*(number.rounded(values) for values in exact))


class Attention(NamedTuple):
    """`scores` (fp32) and `weights` (integers), (query heads, tokens, keys); `output` (tokens, query heads, head_dim)."""

    scores: Fp32
    weights: Int64
    output: Fp32


def attention(
    q: Int64, k: Int64, v: Int64, constants: AttentionConstants, probability_bits: int, number: NumberFormat = FP32
) -> Attention:
    """`q` (tokens, query heads, head_dim) of the last tokens; `k`, `v` (keys, KV heads, head_dim) of all so far."""
    tokens, q_heads, _ = q.shape
    keys, kv_heads, _ = k.shape
    position = keys - tokens + np.arange(tokens)
    valid = np.broadcast_to(np.arange(keys)[None, :] <= position[:, None], (tokens, keys))
    scores, weights, outputs = [], [], []
    for head in range(q_heads):
        kv_head = head * kv_heads // q_heads
        # Sums of integers below 2^53: exact in float64, in any order.
        sums = (q[:, head].astype(np.float64) @ k[:, kv_head].astype(np.float64).T).astype(np.int64)
        score = number.multiply(number.of_integers(sums), constants.score_factor[head])
        found = softmax(score, valid, probability_bits, number)
        mixed = (found.weights.astype(np.float64) @ v[:, kv_head].astype(np.float64)).astype(np.int64)
        factor = number.rounded(fp32.divide(constants.v_scale[kv_head], integers_to_fp32(found.sums)))
        scores.append(score)
        weights.append(found.weights)
        outputs.append(number.multiply(number.of_integers(mixed), factor[:, None]))
    return Attention(np.stack(scores), np.stack(weights), np.stack(outputs, axis=1))
