"""RMSNorm of spec/numerics.md, over a token's channels; QK-norm is the same over the channels of a head."""

from __future__ import annotations

import numpy as np

from hls_gen.golden import fp32
from hls_gen.golden.elementary import rsqrt, sum_of_squares
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.number_format import FP32, NumberFormat


def rms_norm(x: Fp32, gamma: Fp32, epsilon: float, number: NumberFormat = FP32) -> Fp32:
    """`x` (..., d) normalised over the last axis and scaled by `gamma` (d,)."""
    mean = fp32.divide(sum_of_squares(x), np.float32(x.shape[-1]))
    factor = number.rounded(rsqrt(fp32.add(mean, np.float32(epsilon))))
    return number.multiply(number.multiply(x, factor[..., None]), gamma)
