"""bf16 of the non-linear modules: vectors against exact arithmetic, the golden reference and the C++ library against them.

`FLEXDSE_WRITE_VECTORS=1 pytest tests/hls_gen/test_bf16.py` writes the vectors anew after a change of a rule.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spec
from hls_gen.golden import quantization
from hls_gen.golden.activation import swiglu
from hls_gen.golden.elementary import integers_to_fp32, sum_of_squares
from hls_gen.golden.hadamard import hadamard
from hls_gen.golden.normalization import rms_norm
from hls_gen.golden.number_format import BF16, to_bf16
from hls_gen.golden.quantization import Quotient, Symmetry
from hls_gen.golden.rope import RopeTable, rope
from hls_gen.golden.sampling import Sampling, Xorshift32, choose
from hls_gen.golden.softmax import softmax
from hls_gen.render import real_header
from tests.hls_gen import exact, exact_bf16, nonlinear_solutions
from tests.hls_gen.exact import Exact, as_lines, as_text, exacts, fp32_of, hex_of
from tests.hls_gen.exact_bf16 import Bf16
from tests.hls_gen.nonlinear_inputs import SECTIONS as FP32_SECTIONS
from tests.hls_gen.nonlinear_inputs import Case, make_inputs

VECTORS = Path(spec.__file__).parent / "vectors" / "nonlinear_bf16.json"
SECTIONS = ("arithmetic", "of_integer", *(section for section in FP32_SECTIONS if section != "rsqrt"))
_IN_FP32 = ("epsilon", "inverse_temperature")  # scalars of a kernel
_NUMBERS = (
    "a", "b", "x", "gamma", "cos", "sin", "scores", "gate", "up", "inverse", "token_scale", "channel_scale", "logits",
)  # fmt: skip


def narrowed(words: Any) -> Any:
    """fp32 patterns of any nesting, rounded to bf16."""
    if isinstance(words, list):
        return [narrowed(part) for part in words]
    return exact_bf16.narrow(Exact.of_hex(words)).hex


def inputs() -> dict[str, list[Case]]:
    """Those of fp32, rounded; and pairs of operands near every corner of the arithmetic."""
    rng = np.random.default_rng(16)
    cases: dict[str, list[Case]] = {"arithmetic": [], "of_integer": []}
    for low, high in ((1, 254), (120, 135), (1, 4)):  # exponents: all, near one another, the least
        sign, exponent, fraction = (rng.integers(0, n, (2, 200)) for n in (2, high - low + 1, 128))
        a, b = (sign << 15 | (exponent + low) << 7 | fraction).astype(np.uint32)
        b[:20] = a[:20] ^ 0x8000  # cancels
        b[20:40] = (a[20:40] ^ 0x8000) + 1  # nearly
        b[40:60] = np.clip(127 - 126 + 127 - (a[40:60] >> 7 & 0xFF) + rng.integers(0, 2, 20), 1, 254) << 7 | 0x7E
        a[60:64], b[62:66] = 0, 0x8000
        cases["arithmetic"].append(
            {name: [f"{word << 16:08x}" for word in part] for name, part in (("a", a), ("b", b))}
        )
    edges = [0, 1, -1, 255, 256, 257, 258, 511, 512, 513, 514, 2**24 + 1, 2**31 - 1, -(2**31), 65407, 65408, 65409]
    cases["of_integer"].append({"x": [*edges, *(int(n) for n in rng.integers(-(2**31), 2**31, 60))]})
    for section, found in make_inputs().items():
        if section != "rsqrt":
            cases[section] = [
                {
                    name: narrowed(value) if name in _NUMBERS and name not in _IN_FP32 else value
                    for name, value in case.items()
                }
                for case in found
            ]
    return cases


def _finite(operation: Any, a: Exact, b: Exact) -> str:
    """The result; of one beyond the range the infinity of its sign."""
    try:
        found: Exact = operation(a, b)
    except AssertionError:
        return "7f800000" if operation(a.value, b.value) > 0 else "ff800000"
    return found.hex


def solve(section: str, case: Case) -> Case:
    """The expected values of a case, by exact arithmetic."""

    def numbers(text: list[str]) -> list[Exact]:
        return exacts(text, Bf16)

    if section == "arithmetic":
        pairs = list(zip(numbers(case["a"]), numbers(case["b"]), strict=True))
        return {
            "sum": [_finite(lambda a, b: a + b, a, b) for a, b in pairs],
            "difference": [_finite(lambda a, b: a - b, a, b) for a, b in pairs],
            "product": [_finite(lambda a, b: a * b, a, b) for a, b in pairs],
            # Not defined by zero: those divide by one.
            "quotient": [
                _finite(lambda a, b: a / b, a, b if b.magnitude else exact_bf16.narrow(exact.ONE)) for a, b in pairs
            ],
        }
    if section == "of_integer":
        return {"y": [exact_bf16.dequantize(n, exact.ONE, exact.ONE).hex for n in case["x"]]}
    if section == "sum_of_squares":
        return {"y": exact.sum_of_squares([exact_bf16.wide(x) for x in numbers(case["x"])]).hex}
    if section == "dequantize_symmetric":
        scales = numbers([case["token_scale"], case["channel_scale"]])
        return {"y": exact_bf16.dequantize(case["sum"], *scales).hex}
    return nonlinear_solutions.solve(section, case, exact_bf16, Bf16)


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if os.environ.get("FLEXDSE_WRITE_VECTORS"):
        solved = {s: [{**case, **solve(s, case)} for case in cases] for s, cases in inputs().items()}
        VECTORS.write_text(as_text({"schema": "flexdse/vectors/nonlinear_bf16/v1", **solved}))
    loaded: dict[str, Any] = json.loads(VECTORS.read_text())
    return loaded


@pytest.mark.parametrize("section", SECTIONS)
def test_vectors_equal_exact_rational_arithmetic(section: str, vectors: dict[str, Any]) -> None:
    assert vectors[section]
    for case in vectors[section]:
        expected = solve(section, case)
        assert {name: case[name] for name in expected} == expected


def golden(section: str, case: Case) -> Case:
    """What the golden reference makes of a case."""
    if section == "arithmetic":
        a, b = fp32_of(case["a"]), fp32_of(case["b"])
        divisor = np.where(np.abs(b) < 2.0**-126, np.float32(1), b)
        with np.errstate(over="ignore"):
            return {
                "sum": hex_of(BF16.add(a, b)),
                "difference": hex_of(BF16.subtract(a, b)),
                "product": hex_of(BF16.multiply(a, b)),
                "quotient": hex_of(BF16.divide(a, divisor)),
            }
    if section == "of_integer":
        return {"y": hex_of(BF16.of_integers(np.array(case["x"])))}
    if section == "exp":
        return {"y": hex_of(BF16.exp(fp32_of(case["x"])))}
    if section == "sum_of_squares":
        return {"y": hex_of(sum_of_squares(fp32_of(case["x"])))[0]}
    if section == "rms_norm":
        y = rms_norm(fp32_of(case["x"]), fp32_of(case["gamma"]), float(fp32_of(case["epsilon"])[0]), BF16)
        return {"y": [hex_of(row) for row in y]}
    if section == "rope":
        y = rope(fp32_of(case["x"]), RopeTable(fp32_of(case["cos"]), fp32_of(case["sin"])), BF16)
        return {"y": [[hex_of(head) for head in token] for token in y]}
    if section == "softmax":
        scores = fp32_of(case["scores"])
        rows, keys = scores.shape[1:]
        valid = np.arange(keys)[None, :] <= case["first_position"] + np.arange(rows)[:, None]
        found = softmax(scores, np.broadcast_to(valid, scores.shape), case["bits"], BF16)
        return {"weights": found.weights.tolist(), "sums": [hex_of(head) for head in integers_to_fp32(found.sums)]}
    if section == "swiglu":
        return {"y": hex_of(swiglu(fp32_of(case["gate"]), fp32_of(case["up"]), BF16))}
    if section == "quantize":
        symmetry = Symmetry.SYMMETRIC if case["symmetric"] else Symmetry.ASYMMETRIC
        quotient = Quotient.RECIPROCAL if case["reciprocal"] else Quotient.DIVIDE
        made = quantization.quantize_dynamic(fp32_of([case["x"]]), case["bits"], symmetry, quotient, BF16)
        return {"scale": hex_of(made.scale)[0], "min": hex_of(made.minimum)[0], "q": made.q[0].tolist()}
    if section == "quantize_static":
        x, inverse = fp32_of(case["x"]), fp32_of(case["inverse"])
        return {"q": quantization.quantize_static(x, inverse, case["bits"], BF16).tolist()}
    if section == "dequantize_symmetric":
        token = quantization.QuantizedTokens(
            np.zeros((1, 1), np.int64), fp32_of(case["token_scale"]), np.zeros(1, np.float32)
        )
        y = quantization.dequantize_symmetric(np.array([[case["sum"]]]), token, fp32_of(case["channel_scale"]), BF16)
        return {"y": hex_of(y)[0]}
    if section == "hadamard":
        return {"y": hex_of(hadamard(fp32_of(case["x"]), number=BF16))}
    sampling = Sampling(case["top_k"], float(fp32_of(case["inverse_temperature"])[0]), case["seed"])
    random = Xorshift32(sampling.seed)
    return {"tokens": [choose(row, sampling, random) for row in fp32_of(case["logits"])]}


@pytest.mark.parametrize("section", SECTIONS)
def test_golden_equals_vectors(section: str, vectors: dict[str, Any]) -> None:
    for case in vectors[section]:
        got = golden(section, case)
        assert {name: case[name] for name in got} == got


def every_bf16(low: float, high: float) -> np.ndarray:
    """All normal bf16 from `low` to `high`."""
    values = (np.arange(1 << 16, dtype=np.uint32) << np.uint32(16)).view(np.float32)
    with np.errstate(invalid="ignore"):
        return np.asarray(values[(np.abs(values) >= 2.0**-126) & (values >= low) & (values <= high)])


def test_stated_errors_of_exp_and_silu() -> None:
    """numerics.md: exp below 0.6 % relative, silu below 1.4 %, over every bf16."""
    x = every_bf16(-87, 88)
    truth = np.exp(x.astype(np.float64))
    assert np.abs(BF16.exp(x) / truth - 1).max() < 0.006
    assert BF16.exp(np.zeros(1, np.float32)) == 1
    x = every_bf16(-80, 80)
    x = x[np.abs(x) >= 2.0**-100]  # half of less is no normal number
    truth = x.astype(np.float64) / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(swiglu(x, np.ones_like(x), BF16) / truth - 1).max() < 0.014


def test_rounding_twice_is_rounding_once() -> None:
    """An operation through fp32 is the one that double precision, which holds all exact results here, rounds once."""
    rng = np.random.default_rng(5)
    a, b = (
        to_bf16((rng.standard_normal(200_000) * np.exp2(rng.integers(-12, 12, 200_000))).astype(np.float32))
        for _ in "ab"
    )

    def once(values: np.ndarray) -> np.ndarray:
        mantissa, exponent = np.frexp(values)
        return np.ldexp(np.rint(mantissa * 256), exponent - 8).astype(np.float32)

    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    assert (BF16.add(a, b) == once(wide_a + wide_b)).all()
    assert (BF16.multiply(a, b) == once(wide_a * wide_b)).all()
    assert (BF16.divide(a, b) == once(wide_a / wide_b)).all()


@pytest.fixture(scope="module")
def library_program(gxx: Any, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ test of the non-linear headers, in bf16, in the fast mode of C simulation."""
    folder = tmp_path_factory.mktemp("bf16")
    (folder / "flexdse_hls").mkdir()
    header = library / "include" / "flexdse_hls" / "real.hpp"
    (folder / "flexdse_hls" / "real.hpp").write_text(real_header(header.read_text(), "bf16"))
    flags = ["-DFLEXDSE_FAST_CSIM", "-O0", "-iquote", folder]
    compiled = gxx(*flags, library / "test" / "test_nonlinear.cpp", "-o", folder / "bf16")
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    return folder / "bf16"


@pytest.mark.needs_program("g++")
def test_library_equals_vectors(library_program: Path, vectors: dict[str, Any], tmp_path: Path) -> None:
    cases = {section: vectors[section] for section in SECTIONS}
    (tmp_path / "cases").write_text(as_lines(cases))
    finished = subprocess.run(
        [library_program, tmp_path / "cases"], capture_output=True, text=True, timeout=120, check=False
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert finished.stdout == f"nonlinear: ok, {sum(map(len, cases.values()))} cases\n"


@pytest.mark.needs_program("g++")
def test_library_arithmetic_on_many_operands(library_program: Path, tmp_path: Path) -> None:
    """The integer code of bf16.hpp against the reference, on operands over the whole range."""
    rng = np.random.default_rng(7)
    bits = rng.integers(0, 1 << 16, (2, 20_000)).astype(np.uint32)
    near = bits[1] & 0x80FF | bits[0] & 0x7F00  # exponents near one another
    bits, near = (np.where((some & 0x7F80) == 0x7F80, some ^ 0x4000, some) for some in (bits, near))  # finite
    cases = []
    for a, b in ((bits[0], bits[1]), (bits[0], near)):
        case = {name: [f"{word << 16:08x}" for word in part] for name, part in (("a", a), ("b", b))}
        cases.append({**case, **golden("arithmetic", case)})
    integers = {"x": [int(n) for n in rng.integers(-(2**31), 2**31, 20_000) >> rng.integers(0, 31, 20_000)]}
    named = {"arithmetic": cases, "of_integer": [{**integers, **golden("of_integer", integers)}]}
    x = hex_of(every_bf16(-200, 200))
    named["exp"] = [{"x": x, **golden("exp", {"x": x})}]
    (tmp_path / "cases").write_text(as_lines(named))
    finished = subprocess.run(
        [library_program, tmp_path / "cases"], capture_output=True, text=True, timeout=120, check=False
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
