"""Each header of the C++ library against a naive reference, in C++ (`hls_gen/library/test/`)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import spec
from hls_gen.render import library_headers

pytestmark = pytest.mark.needs_program("g++")

DEADLOCK_EXIT_CODE = 86
PROTOCOL_EXIT_CODE = 87

# Directives that the library may use; g++ ignores all of them, so only this list knows a typing error.
KNOWN_DIRECTIVES = {
    "aggregate",
    "array_partition", "bind_op", "bind_storage", "dataflow", "inline", "interface", "loop_flatten", "loop_tripcount", "pipeline",
    "unroll",
}  # fmt: skip


def fp32_list(values: list[str]) -> str:
    return "{" + ", ".join(f"0x{value}u" for value in values) + "}"


def flat(rows: list[list[Any]]) -> list[Any]:
    return [value for row in rows for value in row]


def vectors_header() -> str:
    """spec/vectors as C++."""
    vectors = json.loads((Path(spec.__file__).parent / "vectors" / "w4a4_linear.json").read_text())
    text = """#pragma once
#include <cstdint>
#include <vector>
using words = std::vector<std::uint32_t>;
struct quantize_case { const char* name; words x; std::uint32_t scale, min; std::vector<int> q; };
struct dequantize_case { int sum; std::uint32_t token_scale, token_min, channel_scale, row_sum, y; };
struct linear_case { int tokens, d_out, d_in; words x; std::vector<int> weights; words scales, y; };
"""
    rows = []
    for case in vectors["quantize"]:
        q = "{" + ", ".join(map(str, case["q"])) + "}"
        rows.append(f'{{"{case["name"]}", {fp32_list(case["x"])}, 0x{case["scale"]}u, 0x{case["min"]}u, {q}}}')
    text += "const std::vector<quantize_case> kQuantizeCases = {\n" + ",\n".join(rows) + "};\n"
    names = ("token_scale", "token_min", "channel_scale", "row_sum", "y")
    rows = [f"{{{c['sum']}, {', '.join(f'0x{c[name]}u' for name in names)}}}" for c in vectors["dequantize"]]
    text += "const std::vector<dequantize_case> kDequantizeCases = {\n" + ",\n".join(rows) + "};\n"
    rows = []
    for case in vectors["linear"]:
        sizes = f"{len(case['x'])}, {len(case['weights'])}, {len(case['x'][0])}"
        weights = "{" + ", ".join(map(str, flat(case["weights"]))) + "}"
        x, y = fp32_list(flat(case["x"])), fp32_list(flat(case["y"]))
        rows.append(f"{{{sizes}, {x}, {weights}, {fp32_list(case['scales'])}, {y}}}")
    return text + "const std::vector<linear_case> kLinearCases = {\n" + ",\n".join(rows) + "};\n"


@pytest.mark.parametrize("name", ["pe", "systolic_linear", "gemv", "memory", "numerics"])
def test_header_against_reference(name: str, gxx: Any, library: Path, tmp_path: Path) -> None:
    (tmp_path / "vectors.hpp").write_text(vectors_header())
    compiled = gxx(library / "test" / f"test_{name}.cpp", "-I", tmp_path, "-o", tmp_path / name)
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    finished = subprocess.run([tmp_path / name], capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"{name}: ok")


def test_stream_and_its_mistakes(gxx: Any, library: Path, tmp_path: Path) -> None:
    program = tmp_path / "stream"
    compiled = gxx(library / "test" / "test_stream.cpp", "-o", program)
    assert compiled.returncode == 0, compiled.stderr[-3000:]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20, check=False)

    assert run().stdout == "stream: ok\n"

    shallow = run("shallow")
    assert shallow.returncode == DEADLOCK_EXIT_CODE
    assert "DEADLOCK" in shallow.stderr
    assert "process split waits to write test.odd (full, depth 3)" in shallow.stderr
    assert "process join waits to read test.even (empty, depth 2)" in shallow.stderr

    two_writers = run("two_writers")
    assert two_writers.returncode == PROTOCOL_EXIT_CODE
    assert "stream test.shared is written by two processes" in two_writers.stderr

    unread = run("unread")
    assert unread.returncode == PROTOCOL_EXIT_CODE
    assert "stream test.forgotten ends with 3 values that nobody read" in unread.stderr

    testbench = run("testbench")
    assert testbench.returncode == DEADLOCK_EXIT_CODE
    assert "the testbench waits to read test.empty" in testbench.stderr


def test_every_hls_directive_is_known() -> None:
    for name, text in library_headers().items():
        for directive in re.findall(r"#pragma\s+HLS\s+(\S+)", text):
            assert directive in KNOWN_DIRECTIVES, f"{name}: {directive}"


def test_every_header_says_what_it_is_for() -> None:
    headers = library_headers()
    assert headers
    for name, text in headers.items():
        assert text.startswith("// Purpose: "), name
        assert "#pragma once" in text, name


def test_synthesis_never_sees_the_host_side() -> None:
    """What is below host/ must be included only where __SYNTHESIS__ is not defined."""
    for name, text in library_headers().items():
        if "/host/" in name or name.startswith("tb/"):
            continue
        for line in re.findall(r'^#include "flexdse_hls/host/.*$', text, re.MULTILINE):
            before = text[: text.index(line)]
            assert "#ifdef __SYNTHESIS__" in before, name
            assert "#else" in before[before.index("#ifdef __SYNTHESIS__") :], name
