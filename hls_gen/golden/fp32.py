"""fp32 operations of spec/numerics.md: one rounding each, subnormal operands and results are zeros of their sign."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Fp32 = npt.NDArray[np.float32]
Operand = Fp32 | np.float32

SMALLEST_NORMAL = np.float32(2.0**-126)


def flush(values: Operand) -> Fp32:
    """Subnormals to zero of the same sign, any shape."""
    return np.where(np.abs(values) < SMALLEST_NORMAL, np.copysign(np.float32(0), values), values)


def add(a: Operand, b: Operand) -> Fp32:
    return flush(np.add(flush(a), flush(b), dtype=np.float32))


def subtract(a: Operand, b: Operand) -> Fp32:
    return flush(np.subtract(flush(a), flush(b), dtype=np.float32))


def multiply(a: Operand, b: Operand) -> Fp32:
    return flush(np.multiply(flush(a), flush(b), dtype=np.float32))


def divide(a: Operand, b: Operand) -> Fp32:
    return flush(np.divide(flush(a), flush(b), dtype=np.float32))
