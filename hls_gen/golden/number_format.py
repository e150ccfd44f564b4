"""The number formats of the non-linear modules, spec/numerics.md "fp32" and "bf16": their operations on arrays of fp32.

A bf16 is held as the fp32 of its value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hls_gen.golden import fp32
from hls_gen.golden.elementary import Int64, exp, exp_bf16, integers_to_fp32
from hls_gen.golden.fp32 import Fp32, Operand
from spec.module_choices import NonlinearFormat

SIGNIFICAND_BITS = 8


def to_bf16(values: Operand) -> Fp32:
    """The nearest bf16 of each fp32, ties to even; subnormals are zeros of their sign. Any shape."""
    bits = np.asarray(values, dtype=np.float32).view(np.uint32)
    nearest = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return fp32.flush(nearest.view(np.float32))


def integers_to_bf16(values: Int64) -> Fp32:
    """Integers of any shape, |value| < 2^53, each rounded once to nearest even."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    nearest: Fp32 = np.ldexp(np.rint(mantissa * 2.0**SIGNIFICAND_BITS), exponent - SIGNIFICAND_BITS).astype(np.float32)
    return nearest


def _unchanged(values: Operand) -> Fp32:
    return np.asarray(values, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """Operations of one format, each result rounded once. `rounded`: of fp32; `of_integers`: of integers."""

    name: NonlinearFormat
    rounded: Callable[[Operand], Fp32]
    of_integers: Callable[[Int64], Fp32]
    exp: Callable[[Fp32], Fp32]

    # A sum, product or quotient of two 8-bit significands, rounded to fp32 and then to bf16, is the one rounded once:
    # fp32 has more than twice as many bits. So is the grid of the subnormals, which fp32 holds exactly.

    def add(self, a: Operand, b: Operand) -> Fp32:
        """`a` + `b`."""
        return fp32.flush(self.rounded(np.add(fp32.flush(a), fp32.flush(b), dtype=np.float32)))

    def subtract(self, a: Operand, b: Operand) -> Fp32:
        """`a` - `b`."""
        return fp32.flush(self.rounded(np.subtract(fp32.flush(a), fp32.flush(b), dtype=np.float32)))

    def multiply(self, a: Operand, b: Operand) -> Fp32:
        """`a` * `b`."""
        return fp32.flush(self.rounded(np.multiply(fp32.flush(a), fp32.flush(b), dtype=np.float32)))

    def divide(self, a: Operand, b: Operand) -> Fp32:
        """`a` / `b`."""
        return fp32.flush(self.rounded(np.divide(fp32.flush(a), fp32.flush(b), dtype=np.float32)))


FP32 = NumberFormat("fp32", _unchanged, integers_to_fp32, exp)
BF16 = NumberFormat("bf16", to_bf16, integers_to_bf16, exp_bf16)


def number_format(name: NonlinearFormat) -> NumberFormat:
    """By its name in a design.

    Raises:
        KeyError: a format that numerics.md does not define.
    """
    return {"fp32": FP32, "bf16": BF16}[name]
