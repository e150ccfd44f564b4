"""spec/vectors against exact rational arithmetic, and the golden reference against spec/vectors.

`FLEXDSE_WRITE_VECTORS=1 pytest tests/hls_gen/test_numerics.py` writes the vectors anew after a change of the rules.
"""

from __future__ import annotations

import json
import os
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spec
from hls_gen.golden import projection
from hls_gen.golden import quantization as golden
from hls_gen.golden.quantization import Symmetry
from hls_gen.golden.stimulus import activations, layer_weights
from spec.quantized_checkpoint import QuantizedLinear, row_sums
from tests.hls_gen.exact import (
    Exact,
    as_lines,
    as_text,
    bits_of,
    dequantize,
    exacts,
    fp32_rows,
    hexadecimal,
    hexadecimals,
    quantize,
    random_bits,
    row_sum,
)

DEQUANTIZE_OPERANDS = ("token_scale", "token_min", "channel_scale", "row_sum")
VECTORS = Path(spec.__file__).parent / "vectors" / "w4a4_linear.json"


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
        scale, low, q = quantize(exacts(case["x"]), 4, symmetric=False)
        return {"scale": hexadecimal(scale.bits), "min": hexadecimal(low.bits), "q": q}
    if section == "row_sum":
        return {"row_sum": hexadecimal(row_sum(case["weights"], Exact.of_hex(case["scale"])).bits)}
    if section == "dequantize":
        operands = [Exact.of_hex(case[name]) for name in DEQUANTIZE_OPERANDS]
        return {"y": dequantize(case["sum"], *operands).hex}
    y = []
    for row in case["x"]:
        scale, low, q = quantize(exacts(row), 4, symmetric=False)
        results = []
        for channel, bits in zip(case["weights"], case["scales"], strict=True):
            total = sum(a * b for a, b in zip(q, channel, strict=True))
            channel_scale = Exact.of_hex(bits)
            results.append(dequantize(total, scale, low, channel_scale, row_sum(channel, channel_scale)).hex)
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
        tokens = golden.quantize_asymmetric(fp32([case["x"]]), 4)
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
        weights, scales = np.array(case["weights"], dtype=np.int8), fp32(case["scales"])[:, None]
        layer = QuantizedLinear(weights, scales, row_sums(weights, scales), None)
        tokens = golden.quantize_asymmetric(fp32(case["x"]), 4)
        got = projection.project_tokens(tokens, layer, Symmetry.ASYMMETRIC)
        assert [[hexadecimal(bits_of(v)[0]) for v in row] for row in got] == case["y"]


def linear_cases() -> list[dict[str, Any]]:
    """Layers of other formats, whose expected values the golden reference gives."""
    rng = np.random.default_rng(31)
    found = []
    for symmetric, activation_bits, weight_bits in (
        (True, 8, 4),
        (True, 8, 8),
        (False, 8, 4),
        (False, 8, 8),
        (False, 4, 4),
    ):
        for tokens, d_out, d_in in ((3, 20, 48), (2, 7, 100)):
            top = 2 ** (weight_bits - 1)
            weights = rng.integers(-top, top, (d_out, d_in), dtype=np.int8)
            weights[0], weights[1] = -top, top - 1
            scales = rng.lognormal(-4, 0.3, (d_out, 1)).astype(np.float32)
            x = activations(rng, 2 * tokens, d_in)[:tokens]
            symmetry = Symmetry.SYMMETRIC if symmetric else Symmetry.ASYMMETRIC
            quantized = golden.quantize_dynamic(x, activation_bits, symmetry)
            layer = QuantizedLinear(weights, scales, row_sums(weights, scales), None)
            y = projection.project_tokens(quantized, layer, symmetry)
            formats = {"symmetric": symmetric, "activation_bits": activation_bits, "weight_bits": weight_bits}
            values = {
                "x": fp32_rows(x),
                "weights": weights.tolist(),
                "scales": fp32_rows(scales[:, 0]),
                "y": fp32_rows(y),
            }
            found.append({**formats, **values})
    return found


@pytest.mark.needs_program("g++")
@pytest.mark.parametrize("mode", ["strict", "fast"])
def test_library_equals_vectors_and_golden(
    mode: str, vectors: dict[str, Any], gxx: Any, library: Path, tmp_path: Path
) -> None:
    """Quantizer, dequantization and both engines, end to end."""
    program = tmp_path / "numerics"
    flags = ["-DFLEXDSE_FAST_CSIM"] if mode == "fast" else []
    compiled = gxx("-O0", *flags, library / "test" / "test_numerics.cpp", "-o", program)
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    w4a4 = {"symmetric": False, "activation_bits": 4, "weight_bits": 4}
    quantize_cases = [{k: v for k, v in case.items() if k != "name"} for case in vectors["quantize"]]
    cases = {
        "quantize": quantize_cases,
        "dequantize": vectors["dequantize"],
        "linear": [{**w4a4, **case} for case in vectors["linear"]] + linear_cases(),
    }
    if mode == "fast":  # two formats, for the sake of the compiler's time
        cases["linear"] = [c for c in linear_cases() if (c["symmetric"], c["weight_bits"]) in ((True, 4), (False, 8))]
    (tmp_path / "cases").write_text(as_lines(cases))
    finished = subprocess.run([program, tmp_path / "cases"], capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert finished.stdout == f"numerics: ok, {sum(map(len, cases.values()))} cases\n"
