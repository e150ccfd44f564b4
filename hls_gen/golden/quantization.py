"""Quantizers of spec/numerics.md in all their modes, and what the dequantizers make of the integer sums."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from hls_gen.golden import fp32
from hls_gen.golden.elementary import Int64, integers_to_fp32
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.number_format import FP32, NumberFormat


class Symmetry(StrEnum):
    """Where the range of a quantizer lies."""

    SYMMETRIC = "symmetric"  # -Q..Q, zero is zero
    ASYMMETRIC = "asymmetric"  # 0..2^bits - 1 from the smallest value up


class Quotient(StrEnum):
    """How a dynamic quantizer scales: a division a value, or one a token and a product a value. The bits differ."""

    DIVIDE = "divide"
    RECIPROCAL = "reciprocal"


class QuantizedTokens(NamedTuple):
    """`q` (tokens, d); `scale` and `minimum` (tokens,): x is about q * scale + minimum, which is 0 if symmetric."""

    q: Int64
    scale: Fp32
    minimum: Fp32


def canonical(x: Fp32) -> Fp32:
    """A zero of either sign and a subnormal become +0."""
    return np.where(np.abs(x) < fp32.SMALLEST_NORMAL, np.float32(0), x)


def nearest(x: Fp32) -> Int64:
    """Nearest integer, ties to even."""
    return np.rint(x).astype(np.int64)


def _steps(
    offset: Fp32, scale: Fp32, extent: Fp32, levels: np.float32, quotient: Quotient, number: NumberFormat
) -> Fp32:
    """`offset` (tokens, d) in steps of `scale` (tokens,), of which `levels` make the `extent`; 0 where scale is 0."""
    spread = scale > 0
    if quotient is Quotient.DIVIDE:
        steps = number.divide(offset, np.where(spread, scale, np.float32(1))[:, None])
    else:
        factor = fp32.divide(np.broadcast_to(levels, extent.shape), np.where(spread, extent, np.float32(1)))
        steps = number.multiply(offset, number.rounded(factor)[:, None])
    return np.where(spread[:, None], steps, np.float32(0))


def quantize_asymmetric(
    x: Fp32, bits: int, quotient: Quotient = Quotient.DIVIDE, number: NumberFormat = FP32
) -> QuantizedTokens:
    """Each token of `x` (tokens, d) by its own minimum and range."""
    levels = np.float32(2**bits - 1)
    values = canonical(x)
    minimum = values.min(axis=1)
    extent = fp32.subtract(values.max(axis=1), minimum)
    scale = number.rounded(fp32.divide(extent, levels))
    steps = _steps(number.subtract(values, minimum[:, None]), scale, extent, levels, quotient, number)
    return QuantizedTokens(nearest(np.minimum(steps, levels)), scale, minimum)


def quantize_symmetric(
    x: Fp32, bits: int, quotient: Quotient = Quotient.DIVIDE, number: NumberFormat = FP32
) -> QuantizedTokens:
    """Each token of `x` (tokens, d) by its own largest magnitude."""
    top = np.float32(2 ** (bits - 1) - 1)
    values = canonical(x)
    extent = np.abs(values).max(axis=1)
    scale = number.rounded(fp32.divide(extent, top))
    steps = _steps(values, scale, extent, top, quotient, number)
    return QuantizedTokens(nearest(np.clip(steps, -top, top)), scale, np.zeros_like(scale))


def quantize_dynamic(
    x: Fp32, bits: int, symmetry: Symmetry, quotient: Quotient = Quotient.DIVIDE, number: NumberFormat = FP32
) -> QuantizedTokens:
    """Activations (tokens, d), a scale for each token."""
    return (quantize_symmetric if symmetry is Symmetry.SYMMETRIC else quantize_asymmetric)(x, bits, quotient, number)


def inverse_scales(scales: Fp32) -> Fp32:
    """What a static quantizer multiplies with; of a scale of 0, which only zeros have, 0."""
    return np.where(scales > 0, fp32.divide(np.float32(1), np.where(scales > 0, scales, np.float32(1))), np.float32(0))


def quantize_static(x: Fp32, inverse: Fp32, bits: int, number: NumberFormat = FP32) -> Int64:
    """`x` by given scales, symmetric, clipped to two's complement; `inverse` broadcasts to x."""
    top = 2 ** (bits - 1)
    position = np.clip(number.multiply(x, inverse), np.float32(-top), np.float32(top - 1))
    return nearest(position)


def row_sums(weights: np.ndarray, scales: Fp32) -> Fp32:
    """Sum of the dequantized weights of each output channel; `weights` (d_out, d_in), `scales` (d_out,)."""
    return fp32.multiply(integers_to_fp32(weights.sum(axis=1, dtype=np.int64)), scales)


def dequantize(
    sums: Int64, tokens: QuantizedTokens, scales: Fp32, channel_row_sums: Fp32, number: NumberFormat = FP32
) -> Fp32:
    """Results (tokens, d_out) of the integer `sums` (tokens, d_out) of asymmetric activations."""
    return number.add(
        dequantize_symmetric(sums, tokens, scales, number),
        number.multiply(tokens.minimum[:, None], number.rounded(channel_row_sums)[None, :]),
    )


def dequantize_symmetric(sums: Int64, tokens: QuantizedTokens, scales: Fp32, number: NumberFormat = FP32) -> Fp32:
    """Results (tokens, d_out) of the integer `sums` (tokens, d_out) of symmetric activations."""
    of_token = number.multiply(number.of_integers(sums), tokens.scale[:, None])
    return number.multiply(of_token, number.rounded(scales)[None, :])
