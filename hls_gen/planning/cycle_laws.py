"""Expected cycles of the library's modules, as their headers state them; `restart` is that of a loop's next iteration.

They equal the laws of the cost models (`cost_models/linear.py`); pipeline depths and memory latency are left out.
"""

from __future__ import annotations

QUANTIZE_TOKENS_LAW = "2 d_in + TP"
SYSTOLIC_LAW = "d_in + ceil(d_out / WP) (d_in + restart)"
SYSTOLIC_OVERLAPPED_LAW = "ceil(d_out / WP) (d_in + restart)"
DEQUANTIZE_TOKENS_LAW = "ceil(d_out / WP) WP + TP"
QUANTIZE_VECTOR_LAW = "2 d_in / TB + TB"
GEMV_LAW = "ceil(d_out / (TB W)) (d_in + restart)"
GEMV_SPLIT_LAW = "ceil(d_out splits / (TB W)) (d_in / splits + restart)"
DEQUANTIZE_VECTOR_LAW = "ceil(d_out / (TB W)) W TB / pairs"
DEQUANTIZE_SPLIT_LAW = "ceil(d_out splits / (TB W)) W TB / (splits pairs)"


def ceil_div(numerator: int, denominator: int) -> int:
    """Quotient rounded up."""
    return -(-numerator // denominator)


def quantize_tokens_cycles(d_in: int, token_parallelism: int) -> int:
    """Per token block."""
    return 2 * d_in + token_parallelism


def systolic_cycles(d_in: int, d_out: int, weight_parallelism: int, restart: int, fill_overlaps: bool = False) -> int:
    """Per token block; the block may be taken in during the first pass."""
    return (0 if fill_overlaps else d_in) + ceil_div(d_out, weight_parallelism) * (d_in + restart)


def dequantize_tokens_cycles(d_out: int, weight_parallelism: int, token_parallelism: int) -> int:
    """Per token block."""
    return ceil_div(d_out, weight_parallelism) * weight_parallelism + token_parallelism


def quantize_vector_cycles(d_in: int, block_parallelism: int) -> int:
    """Per token."""
    return 2 * d_in // block_parallelism + block_parallelism


def gemv_cycles(d_in: int, d_out: int, block_parallelism: int, weight_parallelism: int, restart: int) -> int:
    """Per token."""
    return ceil_div(d_out, block_parallelism * weight_parallelism) * (d_in + restart)


def dequantize_vector_cycles(d_out: int, block_parallelism: int, weight_parallelism: int, pairs: int) -> int:
    """Per token."""
    lanes = block_parallelism * weight_parallelism
    return ceil_div(d_out, lanes) * lanes // pairs
