"""The rules of spec/numerics.md, "bf16", in exact rational arithmetic: those of exact.py with 8 bits of significand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from tests.hls_gen import exact
from tests.hls_gen.exact import Exact, canonical, whole


class Bf16(Exact):
    """One bf16; an operation has the format of its first operand."""

    SIGNIFICAND_BITS = 8


def narrow(x: Exact) -> Exact:
    """An fp32 as bf16."""
    return Bf16.rounded(x.value, x.negative)


def wide(x: Exact) -> Exact:
    """A bf16 as fp32."""
    return Exact(x.magnitude, x.negative)


def exp(x: Exact) -> Exact:
    fixed = math.floor(min(x.magnitude, Fraction(88)) * 2**12) * (-1 if x.negative else 1)
    power = fixed * round(Fraction(math.log2(math.e)) * 2**14) + 2**17 >> 18
    exponent, index = power >> 8, power & 0xFF
    significand = exact.exp2_entry(index) + 2**17 >> 18
    return Bf16.rounded(Fraction(significand) * Fraction(2) ** (exponent - 7) if exponent >= -126 else Fraction(0))


def rms_norm(x: list[Exact], gamma: list[Exact], epsilon: Exact) -> list[Exact]:
    mean = exact.sum_of_squares([wide(value) for value in x]) / whole(len(x))
    factor = narrow(exact.rsqrt(mean + epsilon))
    return [value * factor * weight for value, weight in zip(x, gamma, strict=True)]


def softmax(scores: list[Exact], keys: int, bits: int) -> tuple[list[int], Exact]:
    largest = max(scores[:keys], key=lambda score: score.value)
    top = narrow(whole(2**bits - 1))
    weights = [min(2**bits - 1, round((exp(score - largest) * top).value)) for score in scores[:keys]]
    return weights + [0] * (len(scores) - keys), whole(sum(weights))


def swiglu(gate: Exact, up: Exact) -> Exact:
    return gate / (narrow(whole(1)) + exp(-gate)) * up


def quantize(x: list[Exact], bits: int, *, symmetric: bool, reciprocal: bool) -> tuple[Exact, Exact, list[int]]:
    """Scale, minimum and integers of one token."""
    values = [canonical(value) for value in x]
    low, high = min(values, key=lambda v: v.value), max(values, key=lambda v: v.value)
    levels = whole(2 ** (bits - 1) - 1 if symmetric else 2**bits - 1)
    extent = Exact(max(low.magnitude, high.magnitude), False) if symmetric else wide(high) - wide(low)
    scale = narrow(extent / levels)
    minimum = Bf16(Fraction(0), False) if symmetric else low
    if scale.magnitude == 0:
        return scale, minimum, [0] * len(x)
    top = int(levels.value)
    integers = []
    for value in values:
        offset = value if symmetric else value - minimum
        steps = offset * narrow(levels / extent) if reciprocal else offset / scale
        integers.append(max(-top, min(top, round(steps.value))))
    return scale, minimum, integers


def dequantize(total: int, scale: Exact, channel_scale: Exact) -> Exact:
    return Bf16.rounded(Fraction(total)) * scale * channel_scale


def hadamard(x: list[Exact], base: np.ndarray) -> list[Exact]:
    return exact.hadamard(x, base, narrow(exact.near(1 / math.sqrt(len(x)))))
