"""The W4A4 linear layer of spec/numerics.md, written to be read; the C++ library must equal it bit for bit."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hls_gen.golden import fp32
from hls_gen.golden.fp32 import Fp32

LEVELS = np.array(15, dtype=np.float32)  # highest uint4


class QuantizedTokens(NamedTuple):
    """`q` (tokens, d_in) from 0 to 15; `scale` and `minimum` (tokens,): x is about q * scale + minimum."""

    q: npt.NDArray[np.int64]
    scale: Fp32
    minimum: Fp32


def quantize_tokens(x: Fp32) -> QuantizedTokens:
    """Quantize activations `x` (tokens, d_in), each token by its own range."""
    canonical = np.where(np.abs(x) < fp32.SMALLEST_NORMAL, np.float32(0), x)
    minimum = canonical.min(axis=1)
    scale = fp32.divide(fp32.subtract(canonical.max(axis=1), minimum), LEVELS)
    spread = scale > 0
    divisor = np.where(spread, scale, np.float32(1))
    position = fp32.divide(fp32.subtract(canonical, minimum[:, None]), divisor[:, None])
    q = np.minimum(np.rint(position), LEVELS).astype(np.int64)
    return QuantizedTokens(np.where(spread[:, None], q, 0), scale, minimum)


def row_sums(weights: npt.NDArray[np.int8], scales: Fp32) -> Fp32:
    """Sum of the dequantized weights of each output channel; `weights` (d_out, d_in), `scales` (d_out,)."""
    return fp32.multiply(weights.sum(axis=1, dtype=np.int64).astype(np.float32), scales)


def dequantize(sums: npt.NDArray[np.int64], tokens: QuantizedTokens, scales: Fp32, channel_row_sums: Fp32) -> Fp32:
    """fp32 results (tokens, d_out) of the integer `sums` (tokens, d_out)."""
    scaled = fp32.multiply(fp32.multiply(sums.astype(np.float32), tokens.scale[:, None]), scales[None, :])
    return fp32.add(scaled, fp32.multiply(tokens.minimum[:, None], channel_row_sums[None, :]))


def linear(x: Fp32, weights: npt.NDArray[np.int8], scales: Fp32) -> Fp32:
    """The layer: `x` (tokens, d_in), `weights` (d_out, d_in), `scales` (d_out,) to (tokens, d_out)."""
    tokens = quantize_tokens(x)
    # Every partial sum is an integer below 2^24 ("Accumulate"): the fast fp32 product is exact in any order.
    product = tokens.q.astype(np.float32) @ weights.astype(np.float32).T
    return dequantize(product.astype(np.int64), tokens, scales, row_sums(weights, scales))
