"""Elementary functions of spec/numerics.md, bit for bit: integer steps in int64, fp32 steps one rounding each."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from hls_gen.golden import fp32
from hls_gen.golden.exp_table import EXP2_TABLE
from hls_gen.golden.fp32 import Fp32

Int64 = npt.NDArray[np.int64]

EXP_LIMIT = np.float32(88)  # exp(88) is finite in fp32, exp(-88) is a zero
LOG2E_Q30 = 1549082005  # nearest integer of log2(e) * 2^30
LN2_Q17 = 90852  # nearest integer of ln(2) * 2^17

LOG2E_Q14 = 23637  # nearest integer of log2(e) * 2^14

RSQRT_SEED = 0x5F375A86
RSQRT_STEPS = 3

SQUARE_FRACTION_BITS = 44
LARGEST_SQUARE = np.float32(2.0**46 - 2.0**22)  # the largest fp32 below 2^46


def exp(x: Fp32) -> Fp32:
    """e^x of finite `x` of any shape; arguments beyond 88 count as 88, below -88 as -88."""
    limited = np.clip(fp32.flush(np.asarray(x, dtype=np.float32)), -EXP_LIMIT, EXP_LIMIT)
    fixed = np.trunc(limited.astype(np.float64) * 2.0**24).astype(np.int64)
    power = (fixed * LOG2E_Q30) >> 30  # x / ln(2), 24 fraction bits
    exponent = power >> 24
    fraction = power & 0xFFFFFF
    base = EXP2_TABLE[fraction >> 16]
    rest = ((fraction & 0xFFFF) * LN2_Q17 + 2**15) >> 16  # 25 fraction bits
    growth = rest + ((rest * rest) >> 26)
    significand = base + ((base * growth) >> 25)
    rounded = (significand + 2) >> 2
    bits = ((exponent + 127) << 23) + (rounded - 2**23)  # a significand of 2^24 carries into the exponent
    return np.where(exponent < -126, 0, bits).astype(np.uint32).view(np.float32)


def exp_bf16(x: Fp32) -> Fp32:
    """e^x of bf16 `x` of any shape, as bf16; arguments beyond 88 count as 88, below -88 as -88."""
    limited = np.clip(fp32.flush(np.asarray(x, dtype=np.float32)), -EXP_LIMIT, EXP_LIMIT)
    fixed = np.trunc(limited.astype(np.float64) * 2.0**12).astype(np.int64)
    power = (fixed * LOG2E_Q14 + 2**17) >> 18  # x / ln(2), 8 fraction bits
    exponent = power >> 8
    significand = (EXP2_TABLE[power & 0xFF] + 2**17) >> 18  # 7 fraction bits
    bits = ((exponent + 127) << 23) + ((significand - 2**7) << 16)
    return np.where(exponent < -126, 0, bits).astype(np.uint32).view(np.float32)


def rsqrt(v: Fp32) -> Fp32:
    """1 / sqrt(v) of normal `v` > 0, any shape."""
    v = np.ascontiguousarray(v, dtype=np.float32)
    y = (np.uint32(RSQRT_SEED) - (v.view(np.uint32) >> np.uint32(1))).view(np.float32)
    half = fp32.multiply(np.float32(0.5), v)
    for _ in range(RSQRT_STEPS):
        y = fp32.multiply(y, fp32.subtract(np.float32(1.5), fp32.multiply(fp32.multiply(half, y), y)))
    return y


def integer_to_fp32(value: int, exponent: int = 0) -> np.float32:
    """`value` * 2^exponent rounded once to nearest even; the result is a normal number or zero."""
    dropped = max(abs(value).bit_length() - 24, 0)
    significand = round(Fraction(value, 2**dropped))  # Python rounds a Fraction's ties to even
    return np.float32(float(Fraction(significand) * Fraction(2) ** (dropped + exponent)))


def integers_to_fp32(values: Int64) -> Fp32:
    """Integers of any shape, |value| < 2^63, each rounded once to nearest even."""
    return values.astype(np.float32)


def sum_of_squares(x: Fp32) -> Fp32:
    """Sum of x * x over the last axis: squares rounded to fp32, cut to 44 fraction bits, summed as integers."""
    with np.errstate(over="ignore"):  # an infinite square counts as the largest
        squares = np.minimum(fp32.multiply(x, x), LARGEST_SQUARE).astype(np.float64)
    whole = np.floor(squares)
    rest = np.floor((squares - whole) * 2.0**SQUARE_FRACTION_BITS)
    wholes = whole.astype(np.int64).sum(axis=-1)
    rests = rest.astype(np.int64).sum(axis=-1)
    totals = [
        integer_to_fp32((int(w) << SQUARE_FRACTION_BITS) + int(r), -SQUARE_FRACTION_BITS)
        for w, r in zip(wholes.ravel(), rests.ravel(), strict=True)
    ]
    return np.array(totals, dtype=np.float32).reshape(wholes.shape)
