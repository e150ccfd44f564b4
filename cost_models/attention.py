"""Attention: QK, softmax and AV of both stages, as FlexLLM computes them (MHA.h): every key, masked or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ceil_div
from spec.module_choices import DecodeModules, SoftmaxForm
from spec.timing import TimingTable
from spec.workload import Workload

FLEXLLM_DECODE_MODULES = DecodeModules()
SOFTMAX_PASSES = 3  # maximum, exponential and sum, normalise (FlexLLM Softmax.h)


def softmax_interval(form: SoftmaxForm, width: int) -> float:
    """Cycles a score of one head between two heads: three passes one after the other, or side by side on three heads."""
    return (SOFTMAX_PASSES if form == "serial" else 1) / width


def prefill_qk_cycles(
    tokens: IntArray,
    n_heads: int,
    head_dim: int,
    keys: IntArray,
    slowdown: FloatArray,
    restart_cycles: float,
    double_buffered: bool = False,
) -> FloatArray:
    """QK of one token block over `n_heads` query heads, (n_points,): `H (dh + ceil(L/KP) (max(dh, KP) x + restart))`.

    `dh` loads the queries of a head; with two buffers that happens beside the head before.
    """
    passes = ceil_div(tokens, keys)
    load = 0 if double_buffered else head_dim
    return n_heads * (load + passes * (np.maximum(head_dim, keys) * slowdown + restart_cycles))


def prefill_av_cycles(
    tokens: IntArray,
    n_heads: int,
    head_dim: int,
    channels: IntArray,
    slowdown: FloatArray,
    restart_cycles: float,
    width: int = 1,
    double_buffered: bool = False,
) -> FloatArray:
    """AV of one token block over `n_heads` query heads, (n_points,): `H (L / width + (dh/VP) (L x + restart))`."""
    work = (head_dim // channels) * (tokens * slowdown + restart_cycles)
    load = tokens / width
    return np.asarray(n_heads * (np.maximum(load, work) if double_buffered else load + work))


def prefill_softmax_cycles(tokens: IntArray, n_heads: int, form: SoftmaxForm = "serial", width: int = 1) -> FloatArray:
    """Softmax of one token block over `n_heads` query heads: its passes over the scores of each head."""
    return np.asarray(softmax_interval(form, width) * n_heads * tokens, dtype=np.float64)


def decode_attention_cycles(
    workload: Workload,
    n_heads: int,
    head_dim: int,
    heads: IntArray,
    keys: IntArray,
    channels: IntArray,
    k_slowdown: FloatArray,
    v_slowdown: FloatArray,
    timing: TimingTable,
    modules: DecodeModules = FLEXLLM_DECODE_MODULES,
) -> tuple[FloatArray, FloatArray]:
    """Attention of one layer: cycles of the first decode step, and the mean over the further steps, (n_points,) each.

    Head iterations flow through QK -> softmax -> AV: the first passes all three, the others add the slowest. At
    context S, with w = softmax_width, `a + 2S/w + v + (ceil(H/HP) - 1) max(a, 3S/w, S/w + v)` with
    `a = ceil(S/KP) (max(dh, KP) + restart)` and `v = (dh/VP) (S + restart) + (dh/VP - 1) access` (FlexLLM dec_MHA_qxk,
    dec_MHA_Softmax, dec_MHA_axv): each pass over the values but the first opens a new burst with nothing to hide its
    latency. With `process_granularity: array` the softmax reads beside QK and writes beside AV: `a + max(S/w, v)` and
    `max(a, S/w, v)`. A pipelined softmax has S/w in place of 3S/w in the maximum, two AV buffers max(S/w, v) for S/w + v. H are
    the query heads, each of which reads its own copy of the keys and values; or the KV heads, where the query heads of
    a group share a read. The mean is exact over every context, and costs the same for any number of them.
    """
    k_tile = np.maximum(head_dim, keys) * k_slowdown + timing.loop_restart_cycles
    passes = head_dim // channels
    v_fixed = passes * timing.loop_restart_cycles + np.maximum(passes - 1, 0) * timing.memory_access_cycles
    v_slope = passes * v_slowdown
    iterations = ceil_div(n_heads, heads)
    load = 1 / modules.softmax_width
    exposed = (SOFTMAX_PASSES - 1) * load
    softmax = softmax_interval(modules.softmax, modules.softmax_width)
    if modules.process_granularity == "array":
        # Our units: the maximum is found while QK makes the scores, weights leave for AV as they are made.
        exposed, softmax = 0.0, load
        v_slope, av_slope = np.maximum(v_slope, load), np.maximum(v_slope, load)
    elif modules.input_buffers == "double":
        # max(load S, v) and 3S/w or S/w: the softmax is never faster than the load, so v stands alone.
        av_slope = v_slope
    else:
        av_slope = load + v_slope

    s = workload.prompt_tokens
    a, v = ceil_div(s, keys) * k_tile, v_slope * s + v_fixed
    slowest = np.maximum(np.maximum(a, softmax * s), av_slope * s + v_fixed)
    first = a + exposed * s + v + (iterations - 1) * slowest

    low, high = s + 1, workload.context_tokens
    steps = high - low + 1
    if steps == 0:
        return first, np.zeros(len(keys))
    contexts = steps * (low + high) / 2
    a_sum = (_sum_of_ceilings(high, keys) - _sum_of_ceilings(low - 1, keys)) * k_tile
    v_sum = v_slope * contexts + steps * v_fixed
    slowest_sum = _sum_of_slowest(low, high, keys, k_tile, av_slope, v_fixed, softmax)
    return first, (a_sum + exposed * contexts + v_sum + (iterations - 1) * slowest_sum) / steps


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
    low: int,
    high: int,
    keys: IntArray,
    k_tile: FloatArray,
    v_slope: FloatArray,
    v_fixed: FloatArray,
    softmax: float,
) -> FloatArray:
    """Sum of `max(ceil(S / keys) k_tile, softmax S, v_slope S + v_fixed)` over S = low .. high, (n_points,).

    The tiles are stairs between two straight lines, `k_tile S / keys` and `k_tile (S + keys - 1) / keys`; the other two
    are a convex broken line M. Where M is nowhere below the upper line the sum is that of M, where it is nowhere above
    the lower one that of the stairs; only the designs in between are summed remainder by remainder.
    """
    slope = k_tile / keys
    # M bends where its lines cross; against a straight line it is lowest at an end or there, highest at an end.
    gap = v_slope - softmax
    bend = np.clip(np.divide(-v_fixed, gap, out=np.full(len(keys), float(low)), where=gap != 0), low, high)
    lowest, at_bend, highest = (np.maximum(softmax * s, v_slope * s + v_fixed) for s in (low, bend, high))
    above = (lowest >= slope * (low + keys - 1)) & (highest >= slope * (high + keys - 1))
    above &= at_bend >= slope * (bend + keys - 1)
    below = (lowest <= slope * low) & (highest <= slope * high)
    contexts, steps = (high - low + 1) * (low + high) / 2, high - low + 1
    # The lines of M cross at most once: with `first` contexts on the one, the rest on the other.
    first = np.floor(bend) - (low - 1)
    first_sum = (low + np.floor(bend)) * first / 2
    before, after = softmax * first_sum, v_slope * (contexts - first_sum) + v_fixed * (steps - first)
    other_before, other_after = v_slope * first_sum + v_fixed * first, softmax * (contexts - first_sum)
    broken_line = np.maximum(before, other_before) + np.maximum(after, other_after)
    stairs = (_sum_of_ceilings(high, keys) - _sum_of_ceilings(low - 1, keys)) * k_tile
    total = np.where(above, broken_line, stairs)
    between = np.flatnonzero(~(above | below))
    if len(between):
        total[between] = _sum_by_remainder(
            low, high, keys[between], k_tile[between], v_slope[between], v_fixed[between], softmax
        )
    return total


def _sum_by_remainder(
    low: int,
    high: int,
    keys: IntArray,
    k_tile: FloatArray,
    v_slope: FloatArray,
    v_fixed: FloatArray,
    softmax: float,
) -> FloatArray:
    """`_sum_of_slowest` of any design. Among the contexts with one remainder S mod keys all three are straight lines.
    Between two crossings of the lines one of them is the highest throughout, so the sum of the maximum is the largest of
    the three sums.
    """
    starts = np.cumsum(keys) - keys
    point = np.repeat(np.arange(len(keys)), keys)
    step = keys[point]
    remainder = np.arange(len(point)) - starts[point]
    s = low + (remainder - low) % step
    last = (high - s) // step  # index of the last context of this remainder, -1 where there is none
    tile = k_tile[point]
    lines = (
        (ceil_div(s, step) * tile, tile),
        (softmax * s, softmax * step),
        (v_slope[point] * s + v_fixed[point], v_slope[point] * step),
    )
    crossings = []
    for i, j in ((0, 1), (0, 2), (1, 2)):
        (start, rise), (other_start, other_rise) = lines[i], lines[j]
        gap = rise - other_rise
        crossing = np.divide(other_start - start, gap, out=np.zeros(len(point)), where=gap != 0)
        crossings.append(np.clip(np.floor(crossing), -1, last))
    total = np.zeros(len(point))
    before: FloatArray = np.full(len(point), -1.0)
    for end in (*in_order(crossings), last.astype(np.float64)):
        count = end - before
        index_sum = (before + 1 + end) * count / 2
        sums = [start * count + rise * index_sum for start, rise in lines]
        total += np.maximum(np.maximum(sums[0], sums[1]), sums[2])
        before = end
    return np.asarray(np.add.reduceat(total, starts))


def in_order(columns: Sequence[FloatArray]) -> list[FloatArray]:
    """The columns sorted point by point: the i-th result holds the i-th smallest of each point.

    Exchanging neighbours in whole arrays is several times as fast as sorting along the short axis.
    """
    found = list(columns)
    for end in range(len(found) - 1, 0, -1):
        for i in range(end):
            low, high = np.minimum(found[i], found[i + 1]), np.maximum(found[i], found[i + 1])
            found[i], found[i + 1] = low, high
    return found


def causal_steady_cycles(
    blocks: IntArray,
    blocks_per_step: IntArray,
    step_tokens: IntArray,
    attention: Sequence[tuple[FloatArray, FloatArray]],
    others: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Sum over `blocks` of the slowest stage where attention skips later keys, and the slowest of the first block.

    A block computes keys up to the end of its step of `step_tokens` tokens; `blocks_per_step` blocks share a step.
    `attention`: (cycles at zero tokens, cycles a token) of QK, softmax and AV of a block, each a straight line in the
    tokens seen; `others`: the slowest of the other stages, the same for every block. Between two crossings of the lines
    one of them is the highest throughout, so the sum of the maximum is the sum of each between its crossings.
    """
    n_steps: FloatArray = (blocks // blocks_per_step).astype(np.float64)
    lines = [(start, slope * step_tokens) for start, slope in attention] + [(others, np.zeros_like(others))]
    crossings = []
    for i, (start, rise) in enumerate(lines):
        for other_start, other_rise in lines[i + 1 :]:
            gap = rise - other_rise
            crossing = np.divide(other_start - start, gap, out=np.zeros_like(gap), where=gap != 0)
            crossings.append(np.clip(np.floor(crossing), 0, n_steps))
    total, before = np.zeros(len(n_steps)), np.zeros_like(n_steps)
    for end in (*in_order(crossings), n_steps):
        count = end - before
        index_sum = (before + 1 + end) * count / 2
        total += np.maximum.reduce([start * count + rise * index_sum for start, rise in lines])
        before = end
    first = np.maximum.reduce([start + rise for start, rise in lines])
    return np.asarray(total * blocks_per_step), np.asarray(first)
