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


def quantize_static_range(xp: Arrays, x: Array, low: Array, scale: Array, bits: int) -> Quantized:
    """q = nearest((x - low) * (1 / scale)) clipped to 0 .. 2^bits - 1; the asymmetric grid with its range given."""
    q = xp.clip(xp.rint((x - low) * (1.0 / scale)), 0.0, float(2**bits - 1))
    return Quantized(q, scale, low, bits)


@dataclass(frozen=True, eq=False)
class PreparedWeight:
    """A weight in the layout of the product: integers with a scale for each group of a channel, or plain fp32 values."""

    values: Array  # (d_in, d_out) fp32: integers, or the weights themselves
    scale: Array | None  # (groups, d_out)
    row_sum: Array  # (groups, d_out): fp32(sum of integers) * scale; (1, d_out), the plain sum, of unquantized weights
    integer_sum: Array | None  # (groups, d_out)
    largest: int  # magnitude of the integers


def prepare(xp: Arrays, weight: RoundedWeight) -> PreparedWeight:
    """`weight` ready for `linear`."""
    groups = weight.scale.shape[1]
    integers = weight.integers.astype(np.float32)
    # Exact in any order: at 8 bits up to 2^17 channels stay below 2^24.
    size = integers.shape[1] // groups
    sums = (integers.reshape(-1, size) @ np.ones(size, dtype=np.float32)).reshape(len(integers), groups).T
    scale = np.ascontiguousarray(weight.scale.T)
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
    return PreparedWeight(xp.transpose(xp.asarray(weight)), None, xp.asarray(row_sum[None]), None, 0)


def linear(xp: Arrays, x: Quantized, weight: PreparedWeight) -> Array:
    """y = ((fp32(A) * s_x) * s_w) + (min * R), (tokens, d_out) in fp32; with groups the sum of such terms, in order."""
    if x.bits >= FLOAT_BITS:
        return _float_input(xp, x.q, weight)
    if weight.scale is None:
        y = xp.matmul(x.q, weight.values) * x.scale
        return y if x.minimum is None else y + x.minimum * weight.row_sum
    size = x.q.shape[-1] // len(weight.scale)
    y = None
    for group in range(len(weight.scale)):
        term = (_sums(xp, x, weight, group, size) * x.scale) * weight.scale[group]
        if x.minimum is not None:
            term = term + x.minimum * weight.row_sum[group]
        y = term if y is None else y + term
    return y


def _float_input(xp: Arrays, x: Array, weight: PreparedWeight) -> Array:
    if weight.scale is None:
        return xp.matmul(x, weight.values)
    size = x.shape[-1] // len(weight.scale)
    y = None
    for group in range(len(weight.scale)):
        channels = slice(group * size, (group + 1) * size)
        term = xp.matmul(x[:, channels], weight.values[channels]) * weight.scale[group]
        y = term if y is None else y + term
    return y


def _sums(xp: Arrays, x: Quantized, weight: PreparedWeight, group: int, size: int) -> Array:
    """fp32(A) of a group, rounded once. Unsigned q are centred first: half the magnitude, so longer exact products."""
    channels = slice(group * size, (group + 1) * size)
    q, values = x.q[:, channels], weight.values[channels]
    centre = 0.0 if x.minimum is None else float(2 ** (x.bits - 1))
    bound = 2 ** (x.bits - 1) * weight.largest
    sums = xp.integer_sums(q - centre if centre else q, values, bound)
    if not centre:
        return _to_fp32(sums)
    assert weight.integer_sum is not None  # integers, since there are sums of them
    correction = weight.integer_sum[group] * centre  # fp64
    # Where both parts are exact in fp32, their fp32 sum is the one rounding of A.
    if size * bound <= EXACT_FP32:
        return sums + _to_fp32(correction)
    return _to_fp32(sums + correction)


def _to_fp32(values: Array) -> Array:
    return values.astype(np.float32) if isinstance(values, np.ndarray) else values.float()
