"""Attention: QK, softmax and AV of both stages, as FlexLLM computes them (MHA.h): every key, masked or not."""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ceil_div
from spec.timing import TimingTable
from spec.workload import Workload

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
    workload: Workload,
    n_q_heads: int,
    head_dim: int,
    heads: IntArray,
    keys: IntArray,
    channels: IntArray,
    k_slowdown: FloatArray,
    v_slowdown: FloatArray,
    timing: TimingTable,
) -> tuple[FloatArray, FloatArray]:
    """Attention of one layer: cycles of the first decode step, and the mean over the further steps, (n_points,) each.

    Head iterations flow through QK -> softmax -> AV: the first passes all three, the others add the slowest. At
    context S, `a + 2S + v + (ceil(Hq/HP) - 1) max(a, 3S, S + v)` with `a = ceil(S/KP) (max(dh, KP) + restart)` and
    `v = (dh/VP) (S + restart) + (dh/VP - 1) access` (FlexLLM dec_MHA_qxk, dec_MHA_Softmax, dec_MHA_axv): each pass
    over the values but the first opens a new burst with nothing to hide its latency. Every query head reads its own
    copy of the keys and values. The mean is exact over every context, and costs the same for any number of them.
    """
    k_tile = np.maximum(head_dim, keys) * k_slowdown + timing.loop_restart_cycles
    passes = head_dim // channels
    v_fixed = passes * timing.loop_restart_cycles + np.maximum(passes - 1, 0) * timing.memory_access_cycles
    v_slope = passes * v_slowdown
    iterations = ceil_div(n_q_heads, heads)

    s = workload.prompt_tokens
    a, v = ceil_div(s, keys) * k_tile, v_slope * s + v_fixed
    slowest = np.maximum(np.maximum(a, float(SOFTMAX_PASSES * s)), s + v)
    first = a + 2 * s + v + (iterations - 1) * slowest

    low, high = s + 1, workload.context_tokens
    steps = high - low + 1
    if steps == 0:
        return first, np.zeros(len(keys))
    contexts = steps * (low + high) / 2
    a_sum = (_sum_of_ceilings(high, keys) - _sum_of_ceilings(low - 1, keys)) * k_tile
    v_sum = v_slope * contexts + steps * v_fixed
    slowest_sum = _sum_of_slowest(low, high, keys, k_tile, 1 + v_slope, v_fixed)
    return first, (a_sum + 2 * contexts + v_sum + (iterations - 1) * slowest_sum) / steps


def mean_key_tiles(workload: Workload, keys: IntArray) -> FloatArray:
    """Mean of `ceil(S / keys)` over the contexts of the further decode steps (of the first if there is no other)."""
    low = workload.prompt_tokens + (1 if workload.output_tokens > 1 else 0)
    high = workload.context_tokens
    return (_sum_of_ceilings(high, keys) - _sum_of_ceilings(low - 1, keys)) / float(high - low + 1)


def _sum_of_ceilings(last: int, divisor: IntArray) -> IntArray:
    """Sum of `ceil(S / divisor)` over S = 1 .. last."""
    full, rest = last // divisor, last % divisor
    return np.asarray(divisor * (full * (full + 1) // 2) + rest * (full + 1))


def _sum_of_slowest(
    low: int, high: int, keys: IntArray, k_tile: FloatArray, v_slope: FloatArray, v_fixed: FloatArray
) -> FloatArray:
    """Sum of `max(ceil(S / keys) k_tile, 3 S, v_slope S + v_fixed)` over S = low .. high, (n_points,).

    Among the contexts with one remainder S mod keys all three are straight lines. Between two crossings of the lines
    one of them is the highest throughout, so the sum of the maximum is the largest of the three sums.
    """
    if len(keys) == 0:
        return np.zeros(0)
    starts = np.cumsum(keys) - keys
    point = np.repeat(np.arange(len(keys)), keys)
    step = keys[point]
    remainder = np.arange(len(point)) - starts[point]
    s = low + (remainder - low) % step
    last = (high - s) // step  # index of the last context of this remainder, -1 where there is none
    tile = k_tile[point]
    lines = (
        (ceil_div(s, step) * tile, tile),
        (float(SOFTMAX_PASSES) * s, float(SOFTMAX_PASSES) * step),
        (v_slope[point] * s + v_fixed[point], v_slope[point] * step),
    )
    crossings = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        (start, rise), (other_start, other_rise) = lines[i], lines[j]
        gap = rise - other_rise
        crossing = np.divide(other_start - start, gap, out=np.zeros(len(point)), where=gap != 0)
        crossings.append(np.clip(np.floor(crossing), -1, last))
    first_crossing, middle, last_crossing = np.sort(np.stack(crossings), axis=0)
    total = np.zeros(len(point))
    before: FloatArray = np.full(len(point), -1.0)
    for end in (first_crossing, middle, last_crossing, last.astype(np.float64)):
        count = end - before
        index_sum = (before + 1 + end) * count / 2
        sums = [start * count + rise * index_sum for start, rise in lines]
        total += np.maximum(np.maximum(sums[0], sums[1]), sums[2])
        before = end
    return np.asarray(np.add.reduceat(total, starts))
