"""GPTQ: rounding one input channel after another, each error paid for by the channels still open (arXiv 2210.17323)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quantize.rounding import Grid, RoundedWeight

Fp32 = npt.NDArray[np.float32]
Fp64 = npt.NDArray[np.float64]

DAMPING = 0.01  # fraction of the mean diagonal added to the Hessian, as in the paper's code
BLOCK_CHANNELS = 128  # channels whose errors are applied to the rest at once, as in the paper's code


def gptq(weight: Fp32, hessian: Fp64, grid: Grid) -> RoundedWeight:
    """`weight` (d_out, d_in) on `grid`, whose scales may be per channel or per group of input channels.

    `hessian` (d_in, d_in) is the mean of x x^T over calibration activations x. Channels are taken in the order of falling
    diagonal. The grid is fixed before the first channel is rounded, so a channel keeps the scale of its own group
    whatever the order ("static groups" of the paper's code).
    """
    order = np.argsort(-np.diag(hessian), kind="stable")
    factor = _upper_factor(hessian[np.ix_(order, order)])
    open_weights = np.ascontiguousarray(weight.T[order])  # (d_in, d_out): a channel is one contiguous row
    d_in = len(open_weights)
    group_of = order // (d_in // grid.scale.shape[1])
    scales, lowest = np.ascontiguousarray(grid.scale.T), np.ascontiguousarray(grid.lowest.T)  # (groups, d_out)
    integers = np.empty_like(open_weights)
    for first in range(0, d_in, BLOCK_CHANNELS):
        last = min(first + BLOCK_CHANNELS, d_in)
        errors = np.empty((last - first, weight.shape[0]), dtype=np.float32)
        for j in range(first, last):
            scale = scales[group_of[j]]
            integers[j] = grid.nearest(open_weights[j], scale, lowest[group_of[j]])
            error = (open_weights[j] - integers[j] * scale) / factor[j, j]
            errors[j - first] = error
            if j + 1 < last:
                open_weights[j + 1 : last] -= factor[j, j + 1 : last, None] * error
        if last < d_in:
            open_weights[last:] -= factor[first:last, last:].T @ errors
    result = np.empty_like(integers)
    result[order] = integers
    return RoundedWeight(np.ascontiguousarray(result.T).astype(np.int16), grid.scale)


def _upper_factor(hessian: Fp64) -> Fp32:
    """Upper U with U^T U = inverse of the damped Hessian; channels that never fire count as if they did once."""
    damped = hessian.astype(np.float64).copy()
    diagonal = np.arange(len(damped))
    dead = damped[diagonal, diagonal] <= 0
    damped[diagonal[dead], diagonal[dead]] = 1.0
    damped[diagonal, diagonal] += DAMPING * damped[diagonal, diagonal].mean()
    inverse = np.linalg.inv(damped)
    return np.linalg.cholesky((inverse + inverse.T) / 2).T.astype(np.float32)
