"""The rules of spec/numerics.md in exact rational arithmetic with one explicit rounding per operation: slow, and plain."""

from __future__ import annotations

import json
import math
import struct
from fractions import Fraction
from typing import Any

import numpy as np


class Exact:
    """One fp32 value as an exact rational and a sign (which zeros need too)."""

    SIGNIFICAND_BITS = 24

    def __init__(self, magnitude: Fraction, negative: bool) -> None:
        self.magnitude = magnitude
        self.negative = negative

    @property
    def value(self) -> Fraction:
        return -self.magnitude if self.negative else self.magnitude

    @classmethod
    def of_bits(cls, bits: int) -> Exact:
        exponent, fraction = bits >> 23 & 0xFF, bits & 0x7FFFFF
        assert exponent != 255, "the domain is finite"
        if exponent == 0:  # zero, or a subnormal that counts as one
            return cls(Fraction(0), bool(bits >> 31))
        return cls(Fraction(fraction + 2**23) * Fraction(2) ** (exponent - 150), bool(bits >> 31))

    @classmethod
    def of_hex(cls, text: str) -> Exact:
        return cls.of_bits(int(text, 16))

    @classmethod
    def rounded(cls, exact: Fraction, negative_zero: bool = False) -> Exact:
        """Nearest value of the format, ties to even; below the normal range a zero of the sign."""
        negative = exact < 0 or (exact == 0 and negative_zero)
        magnitude = abs(exact)
        if magnitude == 0:
            return cls(Fraction(0), negative)
        exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
        if Fraction(2) ** exponent > magnitude:
            exponent -= 1
        grid = Fraction(2) ** (max(exponent, -126) - cls.SIGNIFICAND_BITS + 1)
        nearest = round(magnitude / grid) * grid  # Python rounds a Fraction's ties to even
        if nearest < Fraction(2) ** -126:
            return cls(Fraction(0), negative)
        assert nearest < Fraction(2) ** 128, "the vectors stay finite"
        return cls(nearest, negative)

    @property
    def bits(self) -> int:
        if self.magnitude == 0:
            return int(self.negative) << 31
        bits: int = struct.unpack("<I", struct.pack("<f", float(self.value)))[0]
        return bits

    @property
    def hex(self) -> str:
        return f"{self.bits:08x}"

    def __neg__(self) -> Exact:
        return type(self)(self.magnitude, not self.negative)

    def __add__(self, other: Exact) -> Exact:
        return self.rounded(self.value + other.value, self.negative and other.negative)

    def __sub__(self, other: Exact) -> Exact:
        return self.rounded(self.value - other.value, self.negative and not other.negative)

    def __mul__(self, other: Exact) -> Exact:
        return self.rounded(self.value * other.value, self.negative != other.negative)

    def __truediv__(self, other: Exact) -> Exact:
        return self.rounded(self.value / other.value, self.negative != other.negative)


def whole(number: int) -> Exact:
    return Exact.rounded(Fraction(number))


def near(number: float) -> Exact:
    """The fp32 nearest to a double."""
    return Exact.rounded(Fraction(number))


ONE, HALF, THREE_HALVES = whole(1), near(0.5), near(1.5)


def canonical(x: Exact) -> Exact:
    return type(x)(x.magnitude, x.negative and x.magnitude != 0)


def exp2_entry(index: int) -> int:
    """Nearest integer of 2^(index / 256 + 25), proved by comparing 256th powers of integers."""
    entry = round(2.0 ** (index / 256 + 25))
    power = 2 ** (index + 26 * 256)  # of twice the exact value
    assert (2 * entry - 1) ** 256 < power < (2 * entry + 1) ** 256
    return entry


def exp(x: Exact) -> Exact:
    limited = min(x.magnitude, Fraction(88))
    fixed = math.floor(limited * 2**24) * (-1 if x.negative else 1)
    power = fixed * round(Fraction(math.log2(math.e)) * 2**30) >> 30
    exponent, fraction = power >> 24, power & 0xFFFFFF
    base = exp2_entry(fraction >> 16)
    a = (fraction & 0xFFFF) * 90852 + 2**15 >> 16
    growth = a + (a * a >> 26)
    significand = base + (base * growth >> 25)
    return Exact.rounded(Fraction(significand + 2 >> 2) * Fraction(2) ** (exponent - 23))


def rsqrt(v: Exact) -> Exact:
    y = Exact.of_bits(0x5F375A86 - (v.bits >> 1))
    half = HALF * v
    for _ in range(3):
        y = y * (THREE_HALVES - half * y * y)
    return y


def sum_of_squares(x: list[Exact]) -> Exact:
    largest = Fraction(2**46 - 2**22)
    squares = [largest if value.magnitude >= 2**23 else min((value * value).value, largest) for value in x]
    cut = [math.floor(square * 2**44) for square in squares]
    return Exact.rounded(Fraction(sum(cut), 2**44))


def rms_norm(x: list[Exact], gamma: list[Exact], epsilon: Exact) -> list[Exact]:
    factor = rsqrt(sum_of_squares(x) / whole(len(x)) + epsilon)
    return [value * factor * weight for value, weight in zip(x, gamma, strict=True)]


def rope(x: list[Exact], cos: list[Exact], sin: list[Exact]) -> list[Exact]:
    """One head of one token."""
    half = len(cos)
    low, high = x[:half], x[half:]
    first = [low[i] * cos[i] - high[i] * sin[i] for i in range(half)]
    return first + [high[i] * cos[i] + low[i] * sin[i] for i in range(half)]


def softmax(scores: list[Exact], keys: int, bits: int) -> tuple[list[int], Exact]:
    """Weights and their sum of one row of which the first `keys` scores count."""
    largest = max(scores[:keys], key=lambda score: score.value)
    top = whole(2**bits - 1)
    weights = [round((exp(score - largest) * top).value) for score in scores[:keys]]
    return weights + [0] * (len(scores) - keys), whole(sum(weights))


def swiglu(gate: Exact, up: Exact) -> Exact:
    return gate / (ONE + exp(-gate)) * up


def quantize(x: list[Exact], bits: int, *, symmetric: bool, reciprocal: bool = False) -> tuple[Exact, Exact, list[int]]:
    """Scale, minimum and integers of one token."""
    values = [canonical(value) for value in x]
    low, high = min(values, key=lambda v: v.value), max(values, key=lambda v: v.value)
    levels = whole(2 ** (bits - 1) - 1 if symmetric else 2**bits - 1)
    minimum = whole(0) if symmetric else low
    extent = Exact(max(low.magnitude, high.magnitude), False) if symmetric else high - low
    scale = extent / levels
    if scale.magnitude == 0:
        return scale, minimum, [0] * len(x)
    top = int(levels.value)
    integers = []
    for value in values:
        offset = value if symmetric else value - minimum
        steps = offset * (levels / extent) if reciprocal else offset / scale
        integers.append(max(-top, min(top, round(steps.value))))
    return scale, minimum, integers


def quantize_static(x: Exact, inverse: Exact, bits: int) -> int:
    top = 2 ** (bits - 1)
    return max(-top, min(top - 1, round((x * inverse).value)))


def dequantize(total: int, scale: Exact, low: Exact, channel_scale: Exact, row_sum: Exact | None) -> Exact:
    scaled = whole(total) * scale * channel_scale
    return scaled if row_sum is None else scaled + low * row_sum


def row_sum(weights: list[int], scale: Exact) -> Exact:
    return whole(sum(weights)) * scale


def hadamard(x: list[Exact], base: np.ndarray, factor: Exact | None = None) -> list[Exact]:
    """One vector; `base` (b, b) of +1 and -1; `factor` 1 / sqrt(order) in fp32."""
    values, rows = list(x), len(base)
    power = len(x) // rows
    stride = 1
    while stride < power:
        for i in range(len(x)):
            if i % power // stride % 2 == 0:
                u, v = values[i], values[i + stride]
                values[i], values[i + stride] = u + v, u - v
        stride *= 2
    result = []
    factor = factor or near(1 / math.sqrt(len(x)))
    for row in range(rows):
        for j in range(power):
            terms = [values[b * power + j] if base[row, b] > 0 else -values[b * power + j] for b in range(rows)]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            result.append(total * factor)
    return result


def xorshift32(state: int) -> int:
    state ^= state << 13 & 0xFFFFFFFF
    state ^= state >> 17
    return state ^ (state << 5 & 0xFFFFFFFF)


def sample(logits: list[Exact], top_k: int, inverse_temperature: Exact, word: int) -> int:
    order = sorted(range(len(logits)), key=lambda i: (-logits[i].value, i))[:top_k]
    largest = canonical(logits[order[0]])
    weights = [math.floor(exp((canonical(logits[i]) - largest) * inverse_temperature).value * 2**30) for i in order]
    threshold = word * sum(weights) >> 32
    return next(order[i] for i in range(top_k) if sum(weights[: i + 1]) > threshold)


def hexadecimal(bits: int) -> str:
    return f"{bits:08x}"


def hexadecimals(bits: list[int]) -> list[str]:
    return [hexadecimal(value) for value in bits]


def bits_of(values: np.ndarray) -> list[int]:
    return [int(bits) for bits in np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).ravel()]


def hex_of(values: np.ndarray) -> list[str]:
    """fp32 values as hexadecimal words."""
    return hexadecimals(bits_of(values))


def fp32_of(text: str | list[Any]) -> np.ndarray:
    """Hexadecimal words, also nested, as fp32."""
    flat = np.array([int(word, 16) for word in np.asarray(text).ravel()], dtype=np.uint32).view(np.float32)
    return flat.reshape(np.asarray(text).shape) if not isinstance(text, str) else flat


def exacts(text: list[str], number: type[Exact] = Exact) -> list[Exact]:
    return [number.of_hex(word) for word in text]


def hexes(values: list[Exact]) -> list[str]:
    return [value.hex for value in values]


def random_bits(rng: np.random.Generator, count: int, low_exponent: int, high_exponent: int) -> list[int]:
    exponents = rng.integers(low_exponent + 127, high_exponent + 127, count)
    return [
        int(s) << 31 | int(e) << 23 | int(f)
        for s, e, f in zip(rng.integers(0, 2, count), exponents, rng.integers(0, 2**23, count), strict=True)
    ]


def as_text(vectors: dict[str, Any]) -> str:
    """JSON with one case a line."""
    sections = []
    for name, value in vectors.items():
        if isinstance(value, list):
            cases = ",\n".join("    " + json.dumps(case, separators=(", ", ": ")) for case in value)
            sections.append(f'  "{name}": [\n{cases}\n  ]')
        else:
            sections.append(f'  "{name}": {json.dumps(value)}')
    return "{\n" + ",\n".join(sections) + "\n}\n"


def encoded(value: Any) -> list[str]:
    """A value of a case, of whatever nesting, as 32-bit words in hexadecimal."""
    if isinstance(value, list):
        return [word for part in value for word in encoded(part)]
    return [value if isinstance(value, str) else f"{int(value) & 0xFFFFFFFF:08x}"]


def shape_of(value: Any) -> list[str]:
    return [str(size) for size in np.asarray(value).shape]


def as_lines(cases: dict[str, list[dict[str, Any]]]) -> str:
    """Cases as the C++ test reads them: a section, then name, rank, sizes and words of each field."""
    lines = []
    for section, rows in cases.items():
        for case in rows:
            fields = [
                " ".join([name, str(len(shape_of(value))), *shape_of(value), *encoded(value)])
                for name, value in case.items()
            ]
            lines.append(" ".join([section, str(len(fields)), *fields]))
    return "\n".join(lines) + "\n"


def fp32_rows(values: np.ndarray) -> list[Any]:
    """Nested lists of hexadecimal words in the shape of `values`."""
    return np.array([f"{bits:08x}" for bits in bits_of(values)]).reshape(values.shape).tolist()
