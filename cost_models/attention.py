"""Attention: QK, softmax and AV of both stages, as FlexLLM computes them (MHA.h): every key, masked or not."""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ceil_div
from spec.timing import TimingTable

SOFTMAX_PASSES = 3  # maximum, exponential and sum, normalise (FlexLLM Softmax.h)


def prefill_qk_cycles(
    tokens: IntArray, n_q_heads: int, head_dim: int, keys: IntArray, slowdown: FloatArray, restart_cycles: float
) -> FloatArray:
    """QK of one token block over all query heads, (n_points,): `Hq (dh + ceil(L/KP) (max(dh, KP) + restart))`."""
    passes = ceil_div(tokens, keys)
    return n_q_heads * (head_dim + passes * (np.maximum(head_dim, keys) * slowdown + restart_cycles))


def prefill_av_cycles(
    tokens: IntArray, n_q_heads: int, head_dim: int, channels: IntArray, slowdown: FloatArray, restart_cycles: float
) -> FloatArray:
    """AV of one token block over all query heads, (n_points,): `Hq (L + (dh/VP) (L + restart))`."""
    return n_q_heads * (tokens + (head_dim // channels) * (tokens * slowdown + restart_cycles))


def prefill_softmax_cycles(tokens: IntArray, n_q_heads: int) -> FloatArray:
    """Softmax of one token block over all query heads: three passes over the scores of each head."""
    return np.asarray(SOFTMAX_PASSES * n_q_heads * tokens, dtype=np.float64)


def decode_attention_cycles(
    contexts: IntArray,
    n_q_heads: int,
    head_dim: int,
    heads: IntArray,
    keys: IntArray,
    channels: IntArray,
    k_slowdown: FloatArray,
    v_slowdown: FloatArray,
    timing: TimingTable,
) -> tuple[FloatArray, FloatArray]:
    """Attention of one layer: cycles at the first context, and the mean over the further contexts, (n_points,) each.

    Head iterations flow through QK -> softmax -> AV: the first passes all three, the others add the slowest:
    `a + 2S + v + (Hq/HP - 1) max(a, 3S, S + v)` with `a = ceil(S/KP) (max(dh, KP) + restart)` and
    `v = (dh/VP) (S + restart) + (dh/VP - 1) access` (FlexLLM dec_MHA_qxk, dec_MHA_Softmax, dec_MHA_axv): each pass
    over the values but the first opens a new burst with nothing to hide its latency. Every query head reads its own
    copy of the keys and values. Exact at each context; `contexts` is (n_steps,), `contexts[0]` the first step.
    """
    s = contexts[np.newaxis, :].astype(np.float64)
    k_tile = np.maximum(head_dim, keys) * k_slowdown + timing.loop_restart_cycles
    a = ceil_div(contexts[np.newaxis, :], keys[:, np.newaxis]) * k_tile[:, np.newaxis]
    passes = (head_dim // channels)[:, np.newaxis]
    v = passes * (s * v_slowdown[:, np.newaxis] + timing.loop_restart_cycles)
    v = v + np.maximum(passes - 1, 0) * timing.memory_access_cycles
    slowest = np.maximum(np.maximum(a, SOFTMAX_PASSES * s), s + v)
    iterations = ceil_div(n_q_heads, heads)[:, np.newaxis]
    cycles = a + 2 * s + v + (iterations - 1) * slowest
    further = cycles[:, 1:].mean(axis=1) if contexts.size > 1 else np.zeros(len(keys))
    return cycles[:, 0], further
