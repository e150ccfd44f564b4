"""Linear engines: the prefill systolic array and the decode GEMV engine.

Laws are loop-exact for FlexLLM's modules (repository Crazy-James26/FlexLLM @09a6534, Linear_Layer.h): one multiply
column an iteration, one restart of `loop_restart_cycles` for each pass over the input.
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ceil_div


def systolic_cycles(
    d_in: int,
    d_out: int,
    weight_parallelism: IntArray | FloatArray,
    slowdown: FloatArray,
    restart_cycles: float,
    blocks_per_pass: int = 1,
    double_buffered: bool = False,
    beside: FloatArray | float = 0.0,
) -> FloatArray:
    """Cycles of `blocks_per_pass` = M token blocks through an output-stationary TP x WP array, (n_points,).

    Fill of the input buffers, then for each `weight_parallelism` output channels one pass over the input of each block,
    all M with the same tile of weights: `M d_in + ceil(d_out / WP) max(M (d_in + restart), d_in slowdown + restart)`.
    With M = 1 weights stream beside the multipliers, `d_in + ceil(d_out / WP) (d_in slowdown + restart)`; with more, the
    next tile arrives while this one is used. `slowdown` >= 1: cycles that a beat of weights takes. A double-buffered
    input is filled while the array works on the blocks before. `beside`: cycles in which the scales of a pass arrive, hidden
    under it unless they take longer.
    """
    passes = ceil_div(d_out, weight_parallelism)
    each = d_in * slowdown + restart_cycles
    if blocks_per_pass > 1:
        each = np.maximum(blocks_per_pass * (d_in + restart_cycles), each)
    each = np.maximum(each, beside)
    work = passes * each
    fill = float(blocks_per_pass * d_in)
    return np.asarray(np.maximum(work, fill) if double_buffered else fill + work)


def gemv_cycles(
    d_in: int,
    d_out: int,
    lanes: IntArray | FloatArray,
    slowdown: FloatArray | float,
    restart_cycles: float,
    beside: FloatArray | IntArray | float = 0.0,
) -> FloatArray:
    """Cycles of one GEMV call, (n_points,): `ceil(d_out / lanes) * (max(d_in * slowdown, beside) + restart)`.

    `lanes` = block_parallelism x weight_parallelism output channels side by side. `beside`: cycles of what goes on
    beside a pass (scales in, outputs out, insertion into the top-k lists) and hides under it unless it is longer. The
    fill of the input banks is counted with the vector passes in `decode.py`.
    """
    return ceil_div(d_out, lanes) * (np.maximum(d_in * slowdown, beside) + restart_cycles)
