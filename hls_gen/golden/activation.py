"""SwiGLU of spec/numerics.md."""

from __future__ import annotations

import numpy as np

from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.number_format import FP32, NumberFormat


def silu(x: Fp32, number: NumberFormat = FP32) -> Fp32:
    """x * sigmoid(x), any shape."""
    return number.divide(x, number.add(np.float32(1), number.exp(np.negative(x))))


def swiglu(gate: Fp32, up: Fp32, number: NumberFormat = FP32) -> Fp32:
    """silu(gate) * up, any shape."""
    return number.multiply(silu(gate, number), up)
