"""SwiGLU of spec/numerics.md."""

from __future__ import annotations

import numpy as np

from hls_gen.golden import fp32
from hls_gen.golden.elementary import exp
from hls_gen.golden.fp32 import Fp32


def silu(x: Fp32) -> Fp32:
    """x * sigmoid(x), any shape."""
    return fp32.divide(x, fp32.add(np.float32(1), exp(np.negative(x))))


def swiglu(gate: Fp32, up: Fp32) -> Fp32:
    """silu(gate) * up, any shape."""
    return fp32.multiply(silu(gate), up)
