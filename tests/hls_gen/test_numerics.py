"""spec/vectors against exact rational arithmetic, and the golden reference against spec/vectors.

`FLEXDSE_WRITE_VECTORS=1 pytest tests/hls_gen/test_numerics.py` writes the vectors anew after a change of the rules.
"""

from __future__ import annotations

import json
import os
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spec
from hls_gen.golden import linear as golden
from hls_gen.golden.stimulus import activations, layer_weights

DEQUANTIZE_OPERANDS = ("token_scale", "token_min", "channel_scale", "row_sum")
VECTORS = Path(spec.__file__).parent / "vectors" / "w4a4_linear.json"


class Exact:
    """One fp32 value as an exact rational and a sign (which zeros need too)."""

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
    def rounded(cls, exact: Fraction, negative_zero: bool = False) -> Exact:
        """Nearest fp32, ties to even; below the normal range a zero of the sign."""
        negative = exact < 0 or (exact == 0 and negative_zero)
        magnitude = abs(exact)
        if magnitude == 0:
            return cls(Fraction(0), negative)
        exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
        if Fraction(2) ** exponent > magnitude:
            exponent -= 1
        grid = Fraction(2) ** (max(exponent, -126) - 23)
        nearest = round(magnitude / grid) * grid  # Python rounds a Fraction's ties to even
        if nearest < Fraction(2) ** -126:
            return cls(Fraction(0), negative)
        assert nearest < Fraction(2) ** 128, "the vectors stay finite"
        return cls(nearest, negative)

    @property
    def bits(self) -> int:
        if self.magnitude == 0:
            return int(self.negative) << 31
        return struct.unpack("<I", struct.pack("<f", float(self.value)))[0]

    def __add__(self, other: Exact) -> Exact:
        return self.rounded(self.value + other.value, self.negative and other.negative)

    def __sub__(self, other: Exact) -> Exact:
        return self + Exact(other.magnitude, not other.negative)

    def __mul__(self, other: Exact) -> Exact:
        return self.rounded(self.value * other.value, self.negative != other.negative)

    def __truediv__(self, other: Exact) -> Exact:
        return self.rounded(self.value / other.value, self.negative != other.negative)


def whole(number: int) -> Exact:
    return Exact.rounded(Fraction(number))


def exact_quantize(x: list[int]) -> tuple[Exact, Exact, list[int]]:
    values = [Exact(value.magnitude, value.negative and value.magnitude != 0) for value in map(Exact.of_bits, x)]
    low, high = min(values, key=lambda v: v.value), max(values, key=lambda v: v.value)
    scale = (high - low) / whole(15)
    if scale.magnitude == 0:
        return scale, low, [0] * len(x)
    return scale, low, [min(15, round(((value - low) / scale).value)) for value in values]


def exact_row_sum(weights: list[int], scale: int) -> Exact:
    return whole(sum(weights)) * Exact.of_bits(scale)


def exact_dequantize(total: int, scale: Exact, low: Exact, channel_scale: Exact, row_sum: Exact) -> Exact:
    return whole(total) * scale * channel_scale + low * row_sum


def hexadecimal(bits: int) -> str:
    return f"{bits:08x}"


def hexadecimals(bits: list[int]) -> list[str]:
    return [hexadecimal(value) for value in bits]


def bits_of(values: np.ndarray) -> list[int]:
    return [int(bits) for bits in np.ascontiguousarray(values, dtype=np.float32).view(np.uint32).ravel()]


def random_bits(rng: np.random.Generator, count: int, low_exponent: int, high_exponent: int) -> list[int]:
    exponents = rng.integers(low_exponent + 127, high_exponent + 127, count)
    return [
        int(s) << 31 | int(e) << 23 | int(f)
        for s, e, f in zip(rng.integers(0, 2, count), exponents, rng.integers(0, 2**23, count), strict=True)
    ]


def quantize_inputs(rng: np.random.Generator) -> dict[str, list[int]]:
    cases = {
        "typical": bits_of(rng.standard_normal(24)),
        "outlier": bits_of(np.concatenate([rng.standard_normal(15), [40.0]])),
        "constant": [0x3FC00000] * 5,
        "constant negative": [0xC1280000] * 3,
        "all zero": [0, 0x80000000, 0, 0x80000000],
        "one value": [0xBF19999A],
        "subnormals only": [1, 0x007FFFFF, 0x80000001, 0x807FFFFF],
        "subnormals beside normals": [1, 0x3F800000, 0x80400000, 0xBF000000],
        "scale underflows": [0x00800000, 0x00800001, 0x00800002],
        "smallest scale": [0x00000000, 0x02700000, 0x01000000],
        "largest magnitudes": [0x7E800000, 0xFE800000, 0, 0x7E000000],
        "ties": bits_of(np.array([0, 15, 0.5, 1.5, 2.5, 3.5, 13.5, 14.5, 7.5])),
        "just beside ties": [0, 0x41700000, 0x3EFFFFFF, 0x3F000001, 0x3FBFFFFF, 0x3FC00001, 0x41680001, 0x4167FFFF],
        "negative range": bits_of(-np.array([1.0, 2.0, 3.25, 16.0])),
    }
    for i in range(12):
        cases[f"random {i}"] = random_bits(rng, 16, -20, 20)
    return cases


def solve(section: str, case: dict[str, Any]) -> dict[str, Any]:
    """The expected values of a case, by exact arithmetic."""
    if section == "quantize":
        scale, low, q = exact_quantize([int(bits, 16) for bits in case["x"]])
        return {"scale": hexadecimal(scale.bits), "min": hexadecimal(low.bits), "q": q}
    if section == "row_sum":
        return {"row_sum": hexadecimal(exact_row_sum(case["weights"], int(case["scale"], 16)).bits)}
    if section == "dequantize":
        operands = [Exact.of_bits(int(case[name], 16)) for name in DEQUANTIZE_OPERANDS]
        return {"y": hexadecimal(exact_dequantize(case["sum"], *operands).bits)}
    y = []
    for row in case["x"]:
        scale, low, q = exact_quantize([int(bits, 16) for bits in row])
        results = []
        for channel, bits in zip(case["weights"], case["scales"], strict=True):
            total = sum(a * b for a, b in zip(q, channel, strict=True))
            channel_scale, row_sum = Exact.of_bits(int(bits, 16)), exact_row_sum(channel, int(bits, 16))
            results.append(hexadecimal(exact_dequantize(total, scale, low, channel_scale, row_sum).bits))
        y.append(results)
    return {"y": y}


def make_vectors() -> dict[str, Any]:
    """All cases, from seeded inputs."""
    rng = np.random.default_rng(20260128)
    cases: dict[str, list[dict[str, Any]]] = {
        "quantize": [{"name": name, "x": hexadecimals(x)} for name, x in quantize_inputs(rng).items()],
        "row_sum": [
            {"weights": [int(w) for w in rng.integers(-8, 8, length)], "scale": hexadecimal(scale)}
            for length in (1, 2, 7, 300)
            for scale in (0x3C23D70A, 0x0D800000, 0x00000000, 0x3F7FFFFF)
        ],
        "dequantize": [],
        "linear": [],
    }
    sums = [0, 1, -1, 105 * 8192, -120 * 8192, 2**21 - 1, -(2**21), 12345, -54321]
    for i in range(48):
        operands = [random_bits(rng, 1, *exponents)[0] for exponents in ((-12, 4), (-8, 8), (-12, 0), (-8, 8))]
        operands[0] &= 0x7FFFFFFF
        operands[2] &= 0x7FFFFFFF
        if i >= 36:  # near and below the smallest normal number
            operands[0] = random_bits(rng, 1, -126, -110)[0] & 0x7FFFFFFF
            operands[3] = random_bits(rng, 1, -126, -120)[0]
        if i >= 45:
            operands[:2] = [0x00400000, 0x80000000]
        named = dict(zip(DEQUANTIZE_OPERANDS, hexadecimals(operands), strict=True))
        cases["dequantize"].append({"sum": sums[i % len(sums)], **named})
    for tokens, d_out, d_in in ((12, 6, 32), (2, 5, 100)):
        layer = layer_weights(rng, d_out, d_in)
        x = [hexadecimals(bits_of(token)) for token in activations(rng, tokens, d_in)]
        scales = hexadecimals(bits_of(layer.scales))
        cases["linear"].append({"x": x, "weights": layer.weights.tolist(), "scales": scales})
    solved = {name: [{**case, **solve(name, case)} for case in section] for name, section in cases.items()}
    return {"schema": "flexdse/vectors/w4a4_linear/v1", **solved}


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


def fp32(text: str | list[Any]) -> np.ndarray:
    if isinstance(text, str):
        return np.array([int(text, 16)], dtype=np.uint32).view(np.float32)
    return np.array(
        [[int(v, 16) for v in row] if isinstance(row, list) else int(row, 16) for row in text], dtype=np.uint32
    ).view(np.float32)


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if os.environ.get("FLEXDSE_WRITE_VECTORS"):
        VECTORS.write_text(as_text(make_vectors()))
    return json.loads(VECTORS.read_text())


@pytest.mark.parametrize("section", ["quantize", "row_sum", "dequantize", "linear"])
def test_vectors_equal_exact_rational_arithmetic(section: str, vectors: dict[str, Any]) -> None:
    assert vectors[section]
    for case in vectors[section]:
        expected = solve(section, case)
        assert {name: case[name] for name in expected} == expected


def test_exact_arithmetic_is_right_on_known_values() -> None:
    assert Exact.of_bits(0x00000001).bits == 0
    assert Exact.rounded(Fraction(1, 3)).bits == 0x3EAAAAAB
    assert Exact.rounded(Fraction(2**24 + 1)).bits == 0x4B800000  # a tie, to even
    assert Exact.rounded(-Fraction(1, 2**127)).bits == 0x80000000


def test_golden_quantize(vectors: dict[str, Any]) -> None:
    for case in vectors["quantize"]:
        tokens = golden.quantize_tokens(fp32([case["x"]]))
        assert tokens.q[0].tolist() == case["q"], case["name"]
        assert hexadecimal(bits_of(tokens.scale)[0]) == case["scale"], case["name"]
        assert hexadecimal(bits_of(tokens.minimum)[0]) == case["min"], case["name"]


def test_golden_row_sum(vectors: dict[str, Any]) -> None:
    for case in vectors["row_sum"]:
        got = golden.row_sums(np.array([case["weights"]], dtype=np.int8), fp32(case["scale"]))
        assert hexadecimal(bits_of(got)[0]) == case["row_sum"]


def test_golden_dequantize(vectors: dict[str, Any]) -> None:
    for case in vectors["dequantize"]:
        token = golden.QuantizedTokens(np.zeros((1, 1), np.int64), fp32(case["token_scale"]), fp32(case["token_min"]))
        got = golden.dequantize(np.array([[case["sum"]]]), token, fp32(case["channel_scale"]), fp32(case["row_sum"]))
        assert hexadecimal(bits_of(got)[0]) == case["y"], case


def test_golden_linear(vectors: dict[str, Any]) -> None:
    for case in vectors["linear"]:
        got = golden.linear(fp32(case["x"]), np.array(case["weights"], dtype=np.int8), fp32(case["scales"]))
        assert [[hexadecimal(bits_of(v)[0]) for v in row] for row in got] == case["y"]
