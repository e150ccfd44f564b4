"""A linear layer of any quantization scheme that we build, spec/numerics.md "Linear layers"."""

from __future__ import annotations

import numpy as np

from hls_gen.golden.elementary import Int64
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.number_format import FP32, NumberFormat
from hls_gen.golden.quantization import QuantizedTokens, Symmetry, dequantize, dequantize_symmetric
from spec.quantized_checkpoint import QuantizedLinear

FP32_EXACT = 2**24  # integers up to here are exact in fp32
BLOCK_WEIGHTS = 2**18  # weights in fp32 at a time: they stay in the cache


def integer_product(q: Int64, weights: np.ndarray) -> Int64:
    """(tokens, d_in) times (d_out, d_in) to (tokens, d_out), exact: fp32 products over inputs short enough for it."""
    largest_weight = max(int(weights.max(initial=0)), -int(weights.min(initial=0)), 1)
    largest = max(int(np.abs(q).max(initial=0)), 1) * largest_weight
    span = min(max(FP32_EXACT // largest, 1), max(q.shape[1], 1))
    rows = max(BLOCK_WEIGHTS // span, 1)
    block = np.empty(
        (rows, span), dtype=np.float32
    )  # one for all: a fresh fp32 copy of each layer costs more than its product
    total = np.zeros((len(q), len(weights)), dtype=np.int64)
    for first in range(0, q.shape[1], span):
        inputs = q[:, first : first + span].astype(np.float32)
        for row in range(0, len(weights), rows):
            some = weights[row : row + rows, first : first + span]
            part = block[: some.shape[0], : some.shape[1]]
            part[...] = some
            total[:, row : row + rows] += (inputs @ part.T).astype(np.int64)
    return total


def project_tokens(
    tokens: QuantizedTokens, linear: QuantizedLinear, symmetry: Symmetry, number: NumberFormat = FP32
) -> Fp32:
    """The layer on quantized activations: groups of input channels one after the other, then the bias."""
    d_in = linear.weight.shape[1]
    groups = linear.scale.shape[1]
    size = d_in // groups
    y: Fp32 | None = None
    for group in range(groups):
        inputs = slice(group * size, (group + 1) * size)
        sums = integer_product(tokens.q[:, inputs], linear.weight[:, inputs])
        if symmetry is Symmetry.SYMMETRIC:
            term = dequantize_symmetric(sums, tokens, linear.scale[:, group], number)
        else:
            term = dequantize(sums, tokens, linear.scale[:, group], linear.row_sum[:, group], number)
        y = term if y is None else number.add(y, term)
    assert y is not None
    return y if linear.bias is None else number.add(y, number.rounded(linear.bias)[None, :])
