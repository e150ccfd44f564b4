"""Each header of the C++ library against a naive reference, in C++ (`hls_gen/library/test/`)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hls_gen.render import library_headers

pytestmark = pytest.mark.needs_program("g++")

DEADLOCK_EXIT_CODE = 86
PROTOCOL_EXIT_CODE = 87

# Directives that the library may use; g++ ignores all of them, so only this list knows a typing error.
KNOWN_DIRECTIVES = {
    "aggregate", "array_partition", "bind_op", "bind_storage", "dataflow", "dependence", "inline", "interface", "loop_flatten", "loop_tripcount", "pipeline",
    "unroll",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "mode"),
    [(name, "strict") for name in ("pe", "systolic_linear", "gemv", "memory")] + [("pe", "fast"), ("memory", "fast")],
)
def test_header_against_reference(name: str, mode: str, gxx: Any, library: Path, tmp_path: Path) -> None:
    flags = ["-DFLEXDSE_FAST_CSIM"] if mode == "fast" else []
    compiled = gxx("-O0", *flags, library / "test" / f"test_{name}.cpp", "-o", tmp_path / name)
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    finished = subprocess.run([tmp_path / name], capture_output=True, text=True, timeout=120, check=False)
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
        assert "#pragma once" in text or not name.endswith(".hpp"), name


def test_synthesis_never_sees_the_host_side() -> None:
    """What is below host/ must be included only where __SYNTHESIS__ is not defined."""
    for name, text in library_headers().items():
        if "/host/" in name or name.startswith("tb/"):
            continue
        for line in re.findall(r'^#include "flexdse_hls/host/.*$', text, re.MULTILINE):
            before = text[: text.index(line)]
            assert "#ifdef __SYNTHESIS__" in before, name
            assert "#else" in before[before.index("#ifdef __SYNTHESIS__") :], name
