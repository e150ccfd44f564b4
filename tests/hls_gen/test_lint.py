"""The lint: silent on a generated project, and each seeded fault is found by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hls_gen.lint import lint_project, lint_source

pytestmark = pytest.mark.needs_program("g++")

CLEAN = """
template <class T> struct fifo { T read(); void write(T); };
static void copy(fifo<int>& in, fifo<int>& out, int count) {
  int last[4];
#pragma HLS array_partition variable=last complete
Copy:
  for (int i = 0; i < count; ++i) {
#pragma HLS pipeline II=1
    last[i % 4] = in.read();
    out.write(last[i % 4]);
  }
}
void top(fifo<int>& in, fifo<int>& out, int count) {
#pragma HLS dataflow
  fifo<int> middle;
  copy(in, middle, count);
  copy(middle, out, count);
}
"""

FAULTS = {
    "unknown HLS pragma PIPLINE": ("pragma HLS pipeline", "pragma HLS PIPLINE"),
    "pipeline has no option IJ": ("pipeline II=1", "pipeline IJ=1"),
    "array_partition: there is no variable lost": ("variable=last", "variable=lost"),
    "a pragma that is none of HLS": ("#pragma HLS pipeline II=1", "#pragma HSL pipeline II=1"),
    "dynamic allocation": ("  int last[4];", "  int* last = new int[4];"),
    "array last of variable length": ("  int last[4];", "  int last[count];"),
    "call of malloc": ("int last[4];", "int last[4]; malloc(4);"),
    "a loop without a bound: use for with a counter": (
        "for (int i = 0; i < count; ++i)",
        "int i = 0; while (i < count)",
    ),
    "a loop without a bound: for without a condition": ("for (int i = 0; i < count; ++i)", "for (int i = 0;; ++i)"),
    "recursion in copy": ("last[i % 4] = in.read();", "copy(in, out, 1);"),
    "virtual method read": ("T read();", "virtual T read();"),
    "exceptions": ("out.write(last[i % 4]);", "throw 1;"),
    "only declarations and calls in a dataflow region": (
        "  copy(middle, out, count);",
        "  if (count > 0) copy(middle, out, count);",
    ),
    "top has 201 processes, more than 200": ("  copy(in, middle, count);", "  copy(in, middle, count);\n" * 200),
}


def findings(text: str, folder: Path) -> list[str]:
    source = folder / "src" / "top.cpp"
    source.parent.mkdir()
    source.write_text('extern "C" void* malloc(unsigned long);\n' + text)
    return [finding.message for finding in lint_source(source, folder)]


def test_clean_source(tmp_path: Path) -> None:
    assert findings(CLEAN, tmp_path) == []


@pytest.mark.parametrize("message", FAULTS)
def test_each_fault_is_found(message: str, tmp_path: Path) -> None:
    right, wrong = FAULTS[message]
    assert right in CLEAN
    assert any(message in found for found in findings(CLEAN.replace(right, wrong), tmp_path))


def test_generated_project_is_clean(tiny_project: Path, tmp_path: Path) -> None:
    assert lint_project(tiny_project) == ()
    project = tmp_path / "project"
    shutil.copytree(tiny_project, project)
    source = project / "src" / "decode.cpp"
    text = source.read_text()
    assert "#pragma HLS dataflow" in text
    source.write_text(
        text.replace("  FLEXDSE_DATAFLOW_END;", "  if (step.head_vectors) return;\n  FLEXDSE_DATAFLOW_END;")
    )
    assert [(finding.file, "dataflow region" in finding.message) for finding in lint_project(project)] == [
        ("src/decode.cpp", True)
    ]
