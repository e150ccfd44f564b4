"""Linear engines: the prefill systolic array and the decode GEMV engine.

Laws are loop-exact for FlexLLM's modules (repository Crazy-James26/FlexLLM @09a6534, Linear_Layer.h): one multiply
column an iteration, one restart of `loop_restart_cycles` for each pass over the input.
"""

from __future__ import annotations

from cost_models.arrays import FloatArray, IntArray, ceil_div

MAC_PER_DSP = 2  # int4 x uint4 and int8 x int8 packed pairs, FlexLLM PE.h i4xi4_pack_2x2_2D / i8xi8_pack_2x2


def systolic_cycles(
    d_in: int, d_out: int, weight_parallelism: IntArray, slowdown: FloatArray, restart_cycles: float
) -> FloatArray:
    """Cycles of one token block through an output-stationary TP x WP array, (n_points,).

    Fill of the single input buffer, then one pass over the input for each `weight_parallelism` output channels:
    `d_in + ceil(d_out / WP) * (d_in * slowdown + restart)`. `slowdown` >= 1 stretches the passes where weights arrive
    slower than one beat a cycle.
    """
    passes = ceil_div(d_out, weight_parallelism)
    return d_in + passes * (d_in * slowdown + restart_cycles)


def gemv_cycles(d_in: int, d_out: int, lanes: IntArray, slowdown: FloatArray, restart_cycles: float) -> FloatArray:
    """Cycles of one GEMV call while weights stream, (n_points,): `ceil(d_out / lanes) * (d_in * slowdown + restart)`.

    `lanes` = block_parallelism x weight_parallelism output channels side by side. The fill of the input banks is
    counted with the vector passes in `decode.py`.
    """
    return ceil_div(d_out, lanes) * (d_in * slowdown + restart_cycles)


def array_dsp(rows: IntArray, columns: IntArray) -> IntArray:
    """DSP slices of a rows x columns array of multiply-accumulates, (n_points,)."""
    return rows * columns // MAC_PER_DSP
