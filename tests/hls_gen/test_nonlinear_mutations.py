"""One flipped line of a non-linear header, and the library's tests fail: they would notice such a mistake."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.hls_gen.exact import as_lines
from tests.hls_gen.test_nonlinear_vectors import SECTIONS, VECTORS

pytestmark = [pytest.mark.slow, pytest.mark.needs_program("g++")]

# Header, its line, the mutant's, and the test that has to notice.
MUTANTS = {
    "offset of the quantizer": (
        "quantized_token", "fp_sub(canonical_value, token.min)", "canonical_value", "nonlinear"),
    "range of the symmetric quantizer": (
        "quantized_token", "const float magnitude = below > above ? below : above;", "const float magnitude = above;",
        "nonlinear"),
    "reciprocal of the quantizer": ("quantized_token", "fp_div(kLevels, range)", "fp_div(1.0f, range)", "nonlinear"),
    "ties of the rounding": ("fp32", "(rest == half && (whole & 1u) != 0)", "rest == half", "nonlinear"),
    "scale of the static quantizer": ("quantize_static", "inverse[i % CP]", "inverse[0] * 1.0001f", "nonlinear"),
    "mask of the weights": ("softmax", "return key <= first_position +", "return key < first_position +", "nonlinear"),
    "mask of the maximum": ("softmax", "visible && now > before", "now > before", "nonlinear"),
    "rounding of exp": ("exp", "(product + 2) >> 2", "product >> 2", "nonlinear"),
    "steps of rsqrt": ("rsqrt", "kSteps = 3", "kSteps = 2", "nonlinear"),
    "limit of a square": ("exact_sum", "kWholeBits = 46", "kWholeBits = 45", "nonlinear"),
    "fraction of a square": ("exact_sum", "} else if (exponent >= -kFractionBits) {", "} else if (exponent >= -30) {",
                             "nonlinear"),
    "epsilon of the norm": ("rms_norm", "fp_add(fp_div(whole.total(), channels), epsilon)",
                            "fp_div(whole.total(), channels)", "nonlinear"),
    "sign of the rotation": ("rope", "fp_add(fp_mul(above[lane], row.cos[lane])",
                             "fp_sub(fp_mul(above[lane], row.cos[lane])", "nonlinear"),
    "argument of silu": ("swiglu", "fp_exp(-x)", "fp_exp(x)", "nonlinear"),
    "sign of a base row": ("hadamard", "negative ? -x : x", "x", "nonlinear"),
    "second half of a butterfly": ("hadamard", "second_half ? x[lane] : -stored[lane]", "x[lane]", "nonlinear"),
    "order of a Paley base": ("hadamard_signs", "(column - row + q) % q", "(row - column + q) % q", "nonlinear"),
    "ties of the sampler": ("sampler", "return key > keys[i] ||", "return key >= keys[i] ||", "nonlinear"),
    "merge of the sampler's lists": ("sampler", "token < tokens[i]", "token > tokens[i]", "nonlinear"),
    "threshold of the sampler": ("sampler", "cumulated > threshold", "cumulated >= threshold + total", "nonlinear"),
    "row sum of the symmetric dequantizer": ("dequantized_channel", "S == symmetry::symmetric ? scaled : ", "", "nonlinear"),
    "residual adder": ("residual", "fp_add(a[lane], b[lane])", "a[lane]", "data_path"),
    "lane of a bias": ("add_bias", "biases[i % CP]", "biases[0]", "data_path"),
    "times of a parameter": ("repeat_words", "out.write(buffer[i]);", "out.write(buffer[0]);", "data_path"),
}  # fmt: skip


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    vectors = json.loads(VECTORS.read_text())
    file = tmp_path_factory.mktemp("cases") / "vectors"
    file.write_text(as_lines({section: vectors[section] for section in SECTIONS}))
    return file


def outcome(program: Path, test: str, cases: Path) -> int:
    arguments = [cases] if test == "nonlinear" else []
    return subprocess.run([program, *arguments], capture_output=True, timeout=120, check=False).returncode


@pytest.mark.parametrize("mutant", MUTANTS)
def test_flipped_line_is_noticed(mutant: str, gxx: Any, library: Path, cases: Path, tmp_path: Path) -> None:
    header, good, bad, test = MUTANTS[mutant]
    include = tmp_path / "include"
    shutil.copytree(library / "include", include)
    file = include / "flexdse_hls" / f"{header}.hpp"
    text = file.read_text()
    assert text.count(good) == 1, "the mutated line is not there, or not alone"
    file.write_text(text.replace(good, bad))
    program = tmp_path / "mutant"
    source = library / "test" / f"test_{test}.cpp"
    compiled = gxx("-O0", "-Wno-error", "-iquote", include, "-I", include, source, "-o", program)
    assert compiled.returncode == 0, compiled.stderr[-2000:]
    assert outcome(program, test, cases) != 0
