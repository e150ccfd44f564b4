"""Non-linear operations: spec/vectors against exact arithmetic, the golden reference and the C++ library against them.

`FLEXDSE_WRITE_VECTORS=1 pytest tests/hls_gen/test_nonlinear_vectors.py` writes the vectors anew after a change of a rule.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spec
from hls_gen.golden import elementary, quantization
from hls_gen.golden.activation import swiglu
from hls_gen.golden.exp_table import EXP2_TABLE
from hls_gen.golden.hadamard import hadamard
from hls_gen.golden.normalization import rms_norm
from hls_gen.golden.quantization import Quotient, Symmetry
from hls_gen.golden.rope import RopeTable, rope
from hls_gen.golden.sampling import Sampling, Xorshift32, choose
from hls_gen.golden.softmax import softmax
from hls_gen.golden.stimulus import activations
from spec.hadamard import BASES
from spec.hadamard_matrix import hadamard_matrix
from tests.hls_gen import exact, nonlinear_solutions
from tests.hls_gen.exact import Exact, as_lines, as_text, exacts, fp32_of, fp32_rows, hex_of, random_bits
from tests.hls_gen.nonlinear_inputs import SECTIONS, Case, hexa, make_inputs

VECTORS = Path(spec.__file__).parent / "vectors" / "nonlinear.json"


def solve(section: str, case: Case) -> Case:
    """The expected values of a case, by exact arithmetic."""
    if section == "sum_of_squares":
        return {"y": exact.sum_of_squares(exacts(case["x"])).hex}
    if section == "dequantize_symmetric":
        scales = [Exact.of_hex(case[name]) for name in ("token_scale", "channel_scale")]
        return {"y": exact.dequantize(case["sum"], scales[0], exact.whole(0), scales[1], None).hex}
    return nonlinear_solutions.solve(section, case, exact, Exact)


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    if os.environ.get("FLEXDSE_WRITE_VECTORS"):
        solved = {s: [{**case, **solve(s, case)} for case in cases] for s, cases in make_inputs().items()}
        VECTORS.write_text(as_text({"schema": "flexdse/vectors/nonlinear/v1", **solved}))
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
    if section in ("exp", "rsqrt"):
        return {"y": hex_of(getattr(elementary, section)(fp32_of(case["x"])))}
    if section == "sum_of_squares":
        return {"y": hex_of(elementary.sum_of_squares(fp32_of(case["x"])))[0]}
    if section == "rms_norm":
        y = rms_norm(fp32_of(case["x"]), fp32_of(case["gamma"]), float(fp32_of(case["epsilon"])[0]))
        return {"y": [hex_of(row) for row in y]}
    if section == "rope":
        y = rope(fp32_of(case["x"]), RopeTable(fp32_of(case["cos"]), fp32_of(case["sin"])))
        return {"y": [[hex_of(head) for head in token] for token in y]}
    if section == "softmax":
        scores = fp32_of(case["scores"])
        rows, keys = scores.shape[1:]
        valid = np.arange(keys)[None, :] <= case["first_position"] + np.arange(rows)[:, None]
        found = softmax(scores, np.broadcast_to(valid, scores.shape), case["bits"])
        sums = elementary.integers_to_fp32(found.sums)
        return {"weights": found.weights.tolist(), "sums": [hex_of(head) for head in sums]}
    if section == "swiglu":
        return {"y": hex_of(swiglu(fp32_of(case["gate"]), fp32_of(case["up"])))}
    if section == "quantize":
        symmetry = Symmetry.SYMMETRIC if case["symmetric"] else Symmetry.ASYMMETRIC
        quotient = Quotient.RECIPROCAL if case["reciprocal"] else Quotient.DIVIDE
        found_q = quantization.quantize_dynamic(fp32_of([case["x"]]), case["bits"], symmetry, quotient)
        return {"scale": hex_of(found_q.scale)[0], "min": hex_of(found_q.minimum)[0], "q": found_q.q[0].tolist()}
    if section == "quantize_static":
        return {"q": quantization.quantize_static(fp32_of(case["x"]), fp32_of(case["inverse"]), case["bits"]).tolist()}
    if section == "dequantize_symmetric":
        token = quantization.QuantizedTokens(
            np.zeros((1, 1), np.int64), fp32_of(case["token_scale"]), np.zeros(1, np.float32)
        )
        y = quantization.dequantize_symmetric(np.array([[case["sum"]]]), token, fp32_of(case["channel_scale"]))
        return {"y": hex_of(y)[0]}
    if section == "hadamard":
        return {"y": hex_of(hadamard(fp32_of(case["x"])))}
    sampling = Sampling(case["top_k"], float(fp32_of(case["inverse_temperature"])[0]), case["seed"])
    random = Xorshift32(sampling.seed)
    return {"tokens": [choose(row, sampling, random) for row in fp32_of(case["logits"])]}


@pytest.mark.parametrize("section", SECTIONS)
def test_golden_equals_vectors(section: str, vectors: dict[str, Any]) -> None:
    for case in vectors[section]:
        got = golden(section, case)
        assert {name: case[name] for name in got} == got


def test_every_hadamard_base_has_a_vector(vectors: dict[str, Any]) -> None:
    assert {case["base"] for case in vectors["hadamard"]} == set(BASES)


def test_exp_table_is_exact() -> None:
    assert [exact.exp2_entry(i) for i in range(256)] == EXP2_TABLE.tolist()


def test_stated_error_of_exp() -> None:
    """numerics.md: below 2.0e-7 relative over the whole range, against float64."""
    dense = np.concatenate(
        [
            np.linspace(-87.3, 88, 600_001).astype(np.float32),
            np.linspace(-1, 1, 400_001).astype(np.float32),
            np.ldexp(np.linspace(1, 2, 20_001), -12).astype(np.float32),
        ]
    )
    truth = np.exp(dense.astype(np.float64))
    assert np.abs(elementary.exp(dense) / truth - 1).max() < 2.0e-7
    assert (elementary.exp(np.array([-88.0, -1e30], np.float32)) == 0).all()
    assert elementary.exp(np.array([1e30], np.float32)) == elementary.exp(np.array([88.0], np.float32))


def test_stated_error_of_rsqrt() -> None:
    """numerics.md: below 1.7e-7 relative; two octaves stand for all, as the exponent enters by its parity only."""
    bits = np.arange(np.float32(1).view(np.uint32), np.float32(4).view(np.uint32), 13, dtype=np.uint32)
    v = bits.view(np.float32)
    for power in (-40, 0, 60):
        scaled = np.ldexp(v, power).astype(np.float32)
        assert np.abs(elementary.rsqrt(scaled) * np.sqrt(scaled.astype(np.float64)) - 1).max() < 1.7e-7


def test_stated_error_of_silu() -> None:
    """numerics.md: below 3.6e-7 relative where exp does not leave the range."""
    x = np.linspace(-80, 80, 400_002).astype(np.float32)  # without 0
    truth = x.astype(np.float64) / (1 + np.exp(-x.astype(np.float64)))
    got = swiglu(x, np.ones_like(x))
    assert np.abs(got / truth - 1).max() < 3.6e-7


def test_sum_of_squares_has_no_order() -> None:
    rng = np.random.default_rng(3)
    x = (rng.standard_normal(4096) * np.exp2(rng.integers(-12, 12, 4096))).astype(np.float32)
    total = elementary.sum_of_squares(x)
    for _ in range(5):
        assert elementary.sum_of_squares(rng.permutation(x)) == total
    assert abs(float(total) / float((x.astype(np.float64) ** 2).sum()) - 1) < 1e-7


def test_rms_norm_is_near_the_real_one() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((5, 576)).astype(np.float32) * np.float32(0.05)
    gamma = rng.lognormal(0, 0.3, 576).astype(np.float32)
    truth = x / np.sqrt((x.astype(np.float64) ** 2).mean(axis=1, keepdims=True) + 1e-5) * gamma
    assert np.abs(rms_norm(x, gamma, 1e-5) / truth - 1).max() < 6e-7


def test_hadamard_is_the_matrix_and_its_own_inverse() -> None:
    rng = np.random.default_rng(5)
    for order in (1, 4, 24, 80, 28, 576, 176, 76, 280, 1536):
        x = rng.standard_normal((3, order)).astype(np.float32)
        y = hadamard(x)
        matrix = hadamard_matrix(order) / math.sqrt(order)
        assert np.abs(y - x @ matrix.T).max() < 3e-6
        assert np.abs(y.astype(np.float64) @ matrix - x).max() < 3e-6
    blocks = rng.standard_normal((2, 96)).astype(np.float32)
    assert (hadamard(blocks, 24) == hadamard(blocks.reshape(8, 24)).reshape(2, 96)).all()


def test_sampling_follows_the_distribution() -> None:
    logits = np.log(np.array([0.5, 0.1, 0.25, 0.1, 0.05], dtype=np.float64)).astype(np.float32)
    random = Xorshift32(12345)
    counts = np.bincount([choose(logits, Sampling(4), random) for _ in range(4000)], minlength=5) / 4000
    assert np.abs(counts - np.array([0.5, 0.1, 0.25, 0.1, 0.0]) / 0.95).max() < 0.04
    greedy = Sampling(1, seed=5)
    assert {choose(logits, greedy, random) for _ in range(10)} == {0}


def sweep() -> dict[str, list[Case]]:
    """More and larger cases, whose expected values the golden reference gives."""
    rng = np.random.default_rng(77)

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    def rows(values: np.ndarray) -> list[Any]:
        return fp32_rows(values)

    cases: dict[str, list[Case]] = {section: [] for section in SECTIONS}
    cases["exp"].append({"x": hexa(random_bits(rng, 4000, -28, 8))})
    cases["rsqrt"].append({"x": hexa([bits & 0x7FFFFFFF for bits in random_bits(rng, 2000, -60, 60)])})
    for exponents in ((-30, 30), (-8, 8), (20, 24)):
        cases["sum_of_squares"].append({"x": hexa(random_bits(rng, 3000, *exponents))})
    for d in (16, 96, 136):
        case = {"epsilon": hex_of(np.array([1e-6]))[0], "gamma": hex_of(normal(d)), "x": rows(normal(8, d, scale=5))}
        cases["rms_norm"].append(case)
    for head_dim, heads in ((8, 5), (16, 2)):
        angles = rng.uniform(0, 6.28, (8, head_dim // 2))
        cases["rope"].append(
            {"cos": rows(np.cos(angles)), "sin": rows(np.sin(angles)), "x": rows(normal(8, heads, head_dim))}
        )
    for bits, heads, rows_of_block, keys, first in (
        (8, 3, 4, 64, 60),
        (8, 1, 1, 50, 49),
        (12, 1, 2, 33, 12),
        (16, 3, 1, 20, 5),
    ):
        scores = rows(normal(heads, rows_of_block, keys, scale=4))
        cases["softmax"].append({"bits": bits, "first_position": first, "scores": scores})
    cases["swiglu"].append({"gate": hex_of(normal(512, scale=8)), "up": hex_of(normal(512))})
    for x in activations(rng, 28, 48):
        for symmetric in (True, False):
            for bits in (4, 6, 8, 16):
                for reciprocal in (True, False):
                    cases["quantize"].append(
                        {"symmetric": symmetric, "bits": bits, "reciprocal": reciprocal, "x": hex_of(x)}
                    )
    for bits in (4, 8):
        cases["quantize_static"].append(
            {"bits": bits, "inverse": hex_of(np.array([31.7]))[0], "x": hex_of(normal(256, scale=2))}
        )
    for total in rng.integers(-(2**31), 2**31, 64):
        scales = dict(zip(("token_scale", "channel_scale"), hex_of(np.abs(normal(2, scale=0.01))), strict=True))
        cases["dequantize_symmetric"].append({"sum": int(total), **scales})
    for base, order in (
        (1, 8),
        (1, 32),
        (12, 12),
        (12, 96),
        (20, 40),
        (28, 28),
        (44, 44),
        (76, 76),
        (140, 140),
        (28, 112),
    ):
        for spread in (1.0, 1e6):
            cases["hadamard"].append({"base": base, "x": hex_of(normal(order, scale=spread))})
    for top_k in (1, 3, 8):
        logits = np.round(normal(8, 200, scale=3), 1)
        case = {"top_k": top_k, "inverse_temperature": hex_of(np.array([0.9]))[0], "seed": 4, "logits": rows(logits)}
        cases["sample"].append(case)
    return {section: [{**case, **golden(section, case)} for case in found] for section, found in cases.items()}


@pytest.fixture(scope="module")
def library_program(gxx: Any, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ test of the non-linear headers, in the strict mode of C simulation; test_bf16.py builds it in the fast one."""
    program = tmp_path_factory.mktemp("nonlinear") / "strict"
    compiled = gxx("-O0", library / "test" / "test_nonlinear.cpp", "-o", program)
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    return program


@pytest.mark.needs_program("g++")
def test_library_equals_vectors_and_golden(library_program: Path, vectors: dict[str, Any], tmp_path: Path) -> None:
    for name, cases in {"vectors": {s: vectors[s] for s in SECTIONS}, "sweep": sweep()}.items():
        (tmp_path / name).write_text(as_lines(cases))
        finished = subprocess.run(
            [library_program, tmp_path / name], capture_output=True, text=True, timeout=120, check=False
        )
        assert finished.returncode == 0, finished.stderr[-2000:]
        assert finished.stdout == f"nonlinear: ok, {sum(map(len, cases.values()))} cases\n"


@pytest.mark.needs_program("g++")
def test_a_wrong_bit_is_found(library_program: Path, vectors: dict[str, Any], tmp_path: Path) -> None:
    """Each section's comparison bites: the last word of its first case, one bit off, fails."""
    for section in SECTIONS:
        line = as_lines({section: vectors[section][:1]}).strip()
        head, word = line.rsplit(" ", 1)
        (tmp_path / section).write_text(f"{head} {int(word, 16) ^ 1:08x}\n")
        finished = subprocess.run(
            [library_program, tmp_path / section], capture_output=True, text=True, timeout=60, check=False
        )
        assert finished.returncode == 1, section
        assert section in finished.stderr


@pytest.mark.needs_program("g++")
def test_data_path_and_least_fifo_depths(gxx: Any, library: Path, tmp_path: Path) -> None:
    program = tmp_path / "data_path"
    compiled = gxx("-O0", library / "test" / "test_data_path.cpp", "-o", program)
    assert compiled.returncode == 0, compiled.stderr[-3000:]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)

    finished = run()
    assert finished.stdout == "data_path: ok\n", finished.stderr
    for mistake, stream in (("residual", "test.skip (full, depth 5)"), ("scales", "test.scales (full, depth 2)")):
        stuck = run(mistake)
        assert stuck.returncode == 86, stuck.stderr
        assert "DEADLOCK" in stuck.stderr
        assert f"waits to write {stream}" in stuck.stderr
