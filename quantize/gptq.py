"""GPTQ: rounding one input channel after another, each error paid for by the channels still open (arXiv 2210.17323)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quantize.rounding import RoundedWeight, grid_scale, to_grid

Fp32 = npt.NDArray[np.float32]
Fp64 = npt.NDArray[np.float64]

DAMPING = 0.01  # fraction of the mean diagonal added to the Hessian, as in the paper's code
BLOCK_CHANNELS = 128  # channels whose errors are applied to the rest at once, as in the paper's code


def gptq(weight: Fp32, hessian: Fp64, bits: int) -> RoundedWeight:
    """`weight` (d_out, d_in) at `bits`, symmetric, one scale per output channel.

    `hessian` (d_in, d_in) is the mean of x x^T over calibration activations x. Channels are taken in the order of falling
    diagonal. The scale is the clip of least squared error of plain rounding.
    """
    scale = grid_scale(weight, bits, clip=True)
    order = np.argsort(-np.diag(hessian), kind="stable")
    factor = _upper_factor(hessian[np.ix_(order, order)])
    open_weights = np.ascontiguousarray(weight.T[order])  # (d_in, d_out): a channel is one contiguous row
    row_scale = np.ascontiguousarray(scale[:, 0])
    integers = np.empty_like(open_weights)
    d_in = len(open_weights)
    for first in range(0, d_in, BLOCK_CHANNELS):
        last = min(first + BLOCK_CHANNELS, d_in)
        errors = np.empty((last - first, weight.shape[0]), dtype=np.float32)
        for j in range(first, last):
            integers[j] = to_grid(open_weights[j], row_scale, bits)
            error = (open_weights[j] - integers[j] * row_scale) / factor[j, j]
            errors[j - first] = error
            if j + 1 < last:
                open_weights[j + 1 : last] -= factor[j, j + 1 : last, None] * error
        if last < d_in:
            open_weights[last:] -= factor[first:last, last:].T @ errors
    result = np.empty_like(integers)
    result[order] = integers
    return RoundedWeight(np.ascontiguousarray(result.T).astype(np.int16), scale)


def _upper_factor(hessian: Fp64) -> Fp32:
    """Upper U with U^T U = inverse of the damped Hessian; channels that never fire count as if they did once."""
    damped = hessian.astype(np.float64).copy()
    diagonal = np.arange(len(damped))
    dead = damped[diagonal, diagonal] <= 0
    damped[diagonal[dead], diagonal[dead]] = 1.0
    damped[diagonal, diagonal] += DAMPING * damped[diagonal, diagonal].mean()
    inverse = np.linalg.inv(damped)
    return np.linalg.cholesky((inverse + inverse.T) / 2).T.astype(np.float32)
