"""Quantized linear layers in the arithmetic of spec/numerics.md: exact integer sums, each fp32 operation rounded once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from quantize.arrays import EXACT_FP32, Array, Arrays
from quantize.rounding import RoundedWeight

SMALLEST_NORMAL = 2.0**-126
FLOAT_BITS = 16  # a width of 16 bits stands for "not quantized", fp32 in the evaluator


class Quantized(NamedTuple):
    """x is about q * scale + minimum; `q` integers held as fp32, the others one a token; minimum None if symmetric."""

    q: Array
    scale: Array
    minimum: Array | None
    bits: int


def _canonical(xp: Arrays, x: Array) -> Array:
    """A zero of either sign and subnormals as +0."""
    return xp.where(xp.abs(x) >= SMALLEST_NORMAL, x, 0.0)


def quantize_asymmetric(xp: Arrays, x: Array, bits: int) -> Quantized:
    """Dynamic, per token: q from 0 to 2^bits - 1, s = (max - min) / (2^bits - 1), zero point `min` in fp32."""
    levels = float(2**bits - 1)
    c = _canonical(xp, x)
    low = xp.min(c)
    scale = _canonical(xp, (xp.max(c) - low) / levels)
    spread = scale > 0
    q = xp.rint((c - low) / xp.where(spread, scale, scale + 1.0))
    q = xp.where(spread, xp.clip(q, 0.0, levels), 0.0)
    return Quantized(q, scale, low, bits)


def quantize_symmetric(xp: Arrays, x: Array, bits: int) -> Quantized:
    """Dynamic, per token: s = absmax / Q, q = nearest(x / s) in -Q..Q, Q = 2^(bits-1) - 1."""
    top = float(2 ** (bits - 1) - 1)
    c = _canonical(xp, x)
    scale = _canonical(xp, xp.max(xp.abs(c)) / top)
    spread = scale > 0
    q = xp.clip(xp.rint(c / xp.where(spread, scale, scale + 1.0)), -top, top)
    return Quantized(xp.where(spread, q, 0.0), scale, None, bits)


def quantize_static(xp: Arrays, x: Array, inverse: Array, bits: int) -> Array:
    """q = nearest(x * inverse) clipped to the signed range; `inverse` (one over the scale) broadcasts against `x`."""
    return xp.clip(xp.rint(x * inverse), float(-(2 ** (bits - 1))), float(2 ** (bits - 1) - 1))


@dataclass(frozen=True, eq=False)
class PreparedWeight:
    """A weight in the layout of the product. Either integers with one scale a channel, or plain fp32 values."""

    values: Array  # (d_in, d_out) fp32: integers, or the weights themselves
    scale: Array | None  # (d_out,)
    row_sum: Array  # (d_out,): fp32(sum of integers) * scale, or the plain sum
    integer_sum: Array | None  # (d_out,)
    largest: int  # magnitude of the integers


def prepare(xp: Arrays, weight: RoundedWeight) -> PreparedWeight:
    """`weight` ready for `linear`. With several groups a channel, the products are of the dequantized values."""
    if weight.scale.shape[1] > 1:
        return prepare_float(xp, weight.values())
    integers = weight.integers.astype(np.float32)
    # Exact in any order: at 8 bits up to 2^17 channels stay below 2^24.
    sums = integers @ np.ones(integers.shape[1], dtype=np.float32)
    scale = np.ascontiguousarray(weight.scale[:, 0])
    return PreparedWeight(
        values=xp.transpose(xp.asarray(integers)),
        scale=xp.asarray(scale),
        row_sum=xp.asarray(np.multiply(sums, scale, dtype=np.float32)),
        integer_sum=xp.asarray(sums.astype(np.float64)),
        largest=max(int(weight.integers.max(initial=1)), -int(weight.integers.min(initial=-1))),
    )


def prepare_float(xp: Arrays, weight: np.ndarray[Any, np.dtype[np.float32]]) -> PreparedWeight:
    """Unquantized weights (d_out, d_in)."""
    row_sum = weight.sum(axis=1, dtype=np.float64).astype(np.float32)
    return PreparedWeight(xp.transpose(xp.asarray(weight)), None, xp.asarray(row_sum), None, 0)


def linear(xp: Arrays, x: Quantized, weight: PreparedWeight) -> Array:
    """y = ((fp32(A) * s_x) * s_w) + (min * R), the product of the linear layer (tokens, d_out) in fp32."""
    if x.bits >= FLOAT_BITS:
        product = xp.matmul(x.q, weight.values)
        return product if weight.scale is None else product * weight.scale
    if weight.scale is None or weight.integer_sum is None:
        scaled = xp.matmul(x.q, weight.values) * x.scale
    else:
        scaled = (_sums(xp, x, weight) * x.scale) * weight.scale
    return scaled if x.minimum is None else scaled + x.minimum * weight.row_sum


def _sums(xp: Arrays, x: Quantized, weight: PreparedWeight) -> Array:
    """fp32(A), rounded once. Unsigned q are centred first: half the magnitude, so fewer and longer exact products."""
    centre = 0.0 if x.minimum is None else float(2 ** (x.bits - 1))
    bound = 2 ** (x.bits - 1) * weight.largest
    sums = xp.integer_sums(x.q - centre if centre else x.q, weight.values, bound)
    if not centre:
        return _to_fp32(sums)
    assert weight.integer_sum is not None  # integers, since there are sums of them
    correction = weight.integer_sum * centre  # fp64
    # Where both parts are exact in fp32, their fp32 sum is the one rounding of A.
    if x.q.shape[-1] * bound <= EXACT_FP32:
        return sums + _to_fp32(correction)
    return _to_fp32(sums + correction)


def _to_fp32(values: Array) -> Array:
    return values.astype(np.float32) if isinstance(values, np.ndarray) else values.float()
