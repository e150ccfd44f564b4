"""Leaf RTL against the C++ library, under Verilator."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hls_gen.errors import CompileError
from hls_gen.toolchain.open.leaf_check import CHECKED_LEAVES, check_leaves
from hls_gen.toolchain.open.leaves import LEAF_KINDS, Leaf, leaf
from hls_gen.toolchain.open.rtl import simulation_sources
from hls_gen.toolchain.open.verilator import build_bench, find_verilator, run_bench
from spec.errors import ToolNotFoundError
from spec.library_units import DSP4
from spec.timing import DEFAULT_TIMING_TABLE

pytestmark = pytest.mark.needs_program("verilator", "g++")

VECTORS = 100_000


def test_every_leaf_equals_the_library_bit_for_bit(programs: Path) -> None:
    for check in check_leaves(CHECKED_LEAVES, VECTORS, programs):
        assert check.vectors >= VECTORS, check
        assert check.differing == 0, check
        assert check.values > VECTORS // 10, check
        assert check.measured_latency_cycles == check.leaf.latency_cycles, check


def test_every_leaf_kind_is_checked_by_itself_or_as_a_part() -> None:
    checked = {one.module for one in CHECKED_LEAVES}
    parts = {
        "mac_single",
        "mac_pair_packed",
        "mac_pair_split",
        "mac_quad",
        "mac_lut",
        "packed_pair_fields",
        "drain_row",
    }
    assert checked | parts == set(LEAF_KINDS)
    assert {name for name, kind in LEAF_KINDS.items() if kind.check is None} == parts


def test_latencies_are_those_of_the_timing_table() -> None:
    operators = DEFAULT_TIMING_TABLE.operators
    assert leaf("fp_add", EXPONENT=8, FRACTION=23, LATENCY=7).latency_cycles == operators["fadd"].latency_cycles
    assert leaf("fp_multiply", EXPONENT=8, FRACTION=23).latency_cycles == operators["fmul"].latency_cycles
    assert leaf("int_to_fp", IN=32).latency_cycles == operators["int_to_float"].latency_cycles


def _mutated(folder: Path, module: str, old: str, new: str) -> list[Path]:
    """Copies of all RTL, with one change."""
    copies = [Path(shutil.copy(path, folder / path.name)) for path in simulation_sources()]
    target = folder / f"{module}.sv"
    text = target.read_text()
    assert text.count(old) == 1, (module, old)
    target.write_text(text.replace(old, new))
    return copies


MUTATIONS: list[tuple[str, str, str, Leaf]] = [
    ("field_accumulators", "product[(i > 0 ? i * FIELD : 1) - 1]", "1'b0",
     leaf("mac_tile", ROWS=2, COLUMNS=2, KIND=DSP4, X_BITS=4, X_SIGNED=0, W_BITS=4, ACC=18)),
    ("fp_multiply", "| (before_rounding == 0 & (&cut))", "", leaf("fp_multiply", EXPONENT=8, FRACTION=23)),
    ("fp_multiply", "(sticky | cut[0])", "1'b1", leaf("fp_multiply", EXPONENT=8, FRACTION=23)),
    ("fp_add", "|shifted[G:0]", "shifted[G]", leaf("fp_add", EXPONENT=8, FRACTION=23, LATENCY=7)),
    ("fp_add", "is_zero ? zero_sign_4 : sign_4", "sign_4", leaf("fp_add", EXPONENT=8, FRACTION=23, LATENCY=7)),
    ("round_to_integer", "(parts[24] || |parts[22:0])", "1'b1", leaf("round_to_integer", BITS=8, SIGNED=1)),
    ("exact_sum", "exponent < 8'(127 - 44)", "1'b0", leaf("exact_sum")),
    ("fifo_memory", "total != BITS'(DEPTH)", "total != BITS'(DEPTH - 1)", leaf("fifo_memory", WIDTH=8, DEPTH=40, ULTRA=0)),
    ("drain_row", "load ? finished : shifted", "finished",
     leaf("mac_tile", ROWS=1, COLUMNS=4, KIND=1, X_BITS=4, X_SIGNED=0, W_BITS=4, ACC=19)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "old", "new", "victim"),
    [
        pytest.param(*m, marks=() if number == 1 else pytest.mark.slow, id=f"{m[0]}-{number}")
        for number, m in enumerate(MUTATIONS)
    ],
)
def test_a_wrong_module_is_found(module: str, old: str, new: str, victim: Leaf, tmp_path: Path) -> None:
    rtl = _mutated(tmp_path, module, old, new)
    check = check_leaves([victim], VECTORS, tmp_path / "programs", rtl=rtl)[0]
    assert check.differing > 0
    assert not check.passed


@pytest.mark.slow
def test_a_wrong_latency_is_found(tmp_path: Path) -> None:
    rtl = _mutated(tmp_path, "value_range", "if (first || key < min_key) min_key <= key;",
                   "late <= key; if (first || late < min_key) min_key <= late;")  # fmt: skip
    text = (tmp_path / "value_range.sv").read_text()
    (tmp_path / "value_range.sv").write_text(text.replace("  always_ff", "  logic [31:0] late;\n  always_ff"))
    assert not check_leaves([leaf("value_range")], 10_000, tmp_path / "programs", rtl=rtl)[0].passed


def test_rtl_that_verilator_refuses(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="Verilator refused the RTL"):
        build_bench("broken", {"broken.sv": "module broken(input clk; endmodule"}, "int main() {}", tmp_path)


def test_a_program_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "module one(input logic clk, input logic [7:0] a, output logic [7:0] y);\n always_ff @(posedge clk) y <= a + 1;\nendmodule\n"
    bench = (
        '#include <cstdio>\n#include "Vone.h"\nint main(int, char** argv) {\n  Vone m;\n  m.a = argv[1][0];\n'
        '  m.clk = 0; m.eval(); m.clk = 1; m.eval();\n  std::printf("{\\"y\\": %d}\\n", m.y);\n}\n'
    )
    rtl = [tmp_path / "one.sv"]
    rtl[0].write_text(source)
    program = build_bench("one", {}, bench, tmp_path / "cache", rtl=rtl)
    built = program.stat().st_mtime_ns
    assert run_bench(program, ["a"]) == [{"y": ord("b")}]
    assert build_bench("one", {}, bench, tmp_path / "cache", rtl=rtl) == program
    assert program.stat().st_mtime_ns == built
    monkeypatch.chdir(tmp_path)  # a relative folder is the same folder
    assert run_bench(build_bench("one", {}, bench, Path("cache"), rtl=rtl), ["a"]) == [{"y": ord("b")}]
    assert not list((tmp_path / "cache").rglob("*.partial"))


def test_without_verilator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolNotFoundError) as caught:
        find_verilator()
    assert "apt install verilator" in str(caught.value.hint)
