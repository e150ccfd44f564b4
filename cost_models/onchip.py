"""On-chip memories: how many BRAM18 or URAM blocks a buffer of given depth and width takes."""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray

# Aspect ratios of an 18 kbit block RAM in true or simple dual port mode (UG573): depth x width.
_BRAM18_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
_URAM_DEPTH, _URAM_WIDTH = 4096, 72  # UG573


def bram18_blocks(depth: FloatArray | float, width_bits: FloatArray | float) -> FloatArray:
    """BRAM18 blocks of a depth x width buffer in its cheapest aspect ratio, elementwise."""
    options = [np.ceil(np.asarray(depth) / d) * np.ceil(np.asarray(width_bits) / w) for d, w in _BRAM18_SHAPES]
    return np.asarray(np.minimum.reduce(options))


def uram_blocks(depth: FloatArray | float, width_bits: FloatArray | float) -> FloatArray:
    """URAM blocks of a depth x width buffer, elementwise."""
    return np.asarray(np.ceil(np.asarray(depth) / _URAM_DEPTH) * np.ceil(np.asarray(width_bits) / _URAM_WIDTH))
