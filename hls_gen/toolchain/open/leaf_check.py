"""Leaf RTL against the C++ library: random operands, values bit for bit, and the latency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hls_gen.toolchain.open.leaves import Leaf, Port, leaf
from hls_gen.toolchain.open.verilator import build_bench, run_bench
from spec.library_units import DSP1, DSP2_PACKED, DSP2_SPLIT, DSP4, LUT

_TOP = "leaf_bench"
_WARNINGS = ("UNOPTFLAT", "WIDTH")  # a chain of slices that Verilator takes for a loop; integer parameters of 32 bits


@dataclass(frozen=True, slots=True)
class LeafCheck:
    """How a leaf compares. `measured_latency_cycles`: the only shift at which all results agree; None: not a pipeline."""

    leaf: Leaf
    vectors: int
    values: int
    differing: int
    measured_latency_cycles: int | None

    @property
    def passed(self) -> bool:
        """All values equal, and as late as the leaf says."""
        return self.differing == 0 and self.vectors > 0 and self.measured_latency_cycles == self.leaf.latency_cycles


def _tile(rows: int, columns: int, kind: int, bits: tuple[int, int], acc: int, x_signed: int = 0) -> Leaf:
    return leaf(
        "mac_tile", ROWS=rows, COLUMNS=columns, KIND=kind, X_BITS=bits[0], X_SIGNED=x_signed, W_BITS=bits[1], ACC=acc
    )


def _dot(terms: int, rows: int, kind: int, acc: int) -> Leaf:
    return leaf("dot_product", TERMS=terms, ROWS=rows, KIND=kind, X_BITS=8, X_SIGNED=1, W_BITS=8, ACC=acc)


# Every module, kind and sign at least once, in odd sizes.
CHECKED_LEAVES: tuple[Leaf, ...] = (
    _tile(2, 4, DSP2_PACKED, (4, 4), 19),
    _tile(1, 4, DSP2_PACKED, (4, 4), 20, 1),
    _tile(3, 2, DSP2_PACKED, (8, 4), 20, 1),
    _tile(2, 4, DSP2_SPLIT, (8, 8), 24),
    _tile(1, 2, DSP2_SPLIT, (8, 8), 27, 1),
    _tile(2, 4, DSP4, (4, 4), 18),
    _tile(2, 2, DSP4, (4, 4), 21, 1),
    _tile(2, 2, DSP1, (8, 8), 32),
    _tile(1, 2, DSP1, (4, 4), 19, 1),
    _tile(2, 2, LUT, (4, 4), 19),
    _tile(2, 2, LUT, (8, 8), 26, 1),
    _dot(8, 2, DSP2_SPLIT, 19),
    _dot(5, 1, DSP1, 18),
    _dot(4, 1, LUT, 18),
    leaf("fp_multiply", EXPONENT=8, FRACTION=23),
    leaf("fp_add", EXPONENT=8, FRACTION=23, LATENCY=7),
    leaf("fp_add", EXPONENT=8, FRACTION=23, LATENCY=6, SUBTRACT=1),
    leaf("fp_multiply", EXPONENT=8, FRACTION=7),
    leaf("fp_add", EXPONENT=8, FRACTION=7, LATENCY=4),
    leaf("int_to_fp", IN=32),
    leaf("int_to_fp", IN=20),
    leaf("round_to_integer", BITS=8, SIGNED=1),
    leaf("round_to_integer", BITS=4, SIGNED=0),
    leaf("quantize_lane", BITS=8),
    leaf("value_range"),
    leaf("exact_sum"),
    leaf("candidate_list", MAX_K=5),
    leaf("hadamard_word", CHANNELS=4, ADD_LATENCY=7),
    leaf("fifo_registers", WIDTH=37, DEPTH=2),
    leaf("fifo_registers", WIDTH=8, DEPTH=20),
    leaf("fifo_memory", WIDTH=72, DEPTH=300, ULTRA=0),
    leaf("fifo_memory", WIDTH=40, DEPTH=40, ULTRA=1),
    leaf("buffer_1w1r", WIDTH=64, DEPTH=1024, ULTRA=0),
    leaf("loop_nest", LOOPS=3, BITS=16),
)


def check_leaves(
    leaves: Sequence[Leaf],
    vectors: int,
    cache: Path,
    *,
    seed: int = 1,
    rtl: Sequence[Path] = (),
    timeout_s: float = 600.0,
) -> list[LeafCheck]:
    """Simulate `leaves` together, at least `vectors` random operands each. `rtl`: other files than those of `hls_gen/rtl`.

    Raises:
        ToolNotFoundError: Verilator or g++ is missing.
        CompileError, SimulationError, SimulationTimeoutError: a tool failed.
    """
    names = [f"u{number}" for number in range(len(leaves))]
    program = build_bench(
        _TOP,
        {f"{_TOP}.sv": _wrapper(leaves, names)},
        _bench(leaves, names),
        cache,
        rtl=rtl,
        warnings=_WARNINGS,
        timeout_s=timeout_s,
    )
    cycles = vectors * 2 + 10_000  # 1 in 8 cycles stalls, FIFOs and drains idle at times
    rows = run_bench(program, [str(cycles), str(seed)], timeout_s=timeout_s)
    found = {row["name"]: row for row in rows}
    return [
        LeafCheck(one, row["vectors"], row["values"], row["differing"], row["latency_cycles"])
        for one, name in zip(leaves, names, strict=True)
        for row in (found[name],)
    ]


def _range(port: Port) -> str:
    return f"[{port.bits - 1}:0] " if port.bits > 1 else ""


def _wrapper(leaves: Sequence[Leaf], names: Sequence[str]) -> str:
    """A module of all leaves side by side, ports prefixed by the leaf's name."""
    header, body = ["input logic clk", "input logic reset", "input logic enable"], []
    for one, name in zip(leaves, names, strict=True):
        ports = one.kind.ports(one.values)
        header += [f"{'output' if p.is_output else 'input'} logic {_range(p)}{name}_{p.name}" for p in ports]
        parameters = ", ".join(f".{key}({value})" for key, value in one.parameters)
        pins = [f".{pin}" for pin in one.kind.controls] + [f".{p.name}({name}_{p.name})" for p in ports]
        body.append(f"  {one.module} {f'#({parameters}) ' if parameters else ''}{name} ({', '.join(pins)});")
    return f"module {_TOP} (\n  " + ",\n  ".join(header) + "\n);\n" + "\n".join(body) + "\nendmodule\n"


def _bench(leaves: Sequence[Leaf], names: Sequence[str]) -> str:
    made = []
    for one, name in zip(leaves, names, strict=True):
        latency = [] if one.latency_cycles is None else [str(one.latency_cycles)]
        arguments = [f'"{name}"', *latency, *(f"model.{name}_{p.name}" for p in one.kind.ports(one.values))]
        if one.kind.check is None:
            raise ValueError(f"{one.title} is checked as a part of another leaf")
        made.append(f"  checks.push_back(std::make_unique<{one.kind.check(one.values)}>({', '.join(arguments)}));")
    return "\n".join(
        [
            '#include "arithmetic_checks.hpp"',
            '#include "mac_checks.hpp"',
            '#include "stream_checks.hpp"',
            f'#include "V{_TOP}.h"',
            "int main(int, char** argv) {",
            "  using namespace flexdse_bench;",
            f"  V{_TOP} model;",
            "  std::vector<std::unique_ptr<check>> checks;",
            *made,
            "  return run(model, checks, std::atol(argv[1]), static_cast<std::uint64_t>(std::atol(argv[2])));",
            "}",
            "",
        ]
    )
