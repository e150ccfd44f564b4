"""Timed simulation against RTL of the same units under Verilator: `make bench-rtl-truth`.

Fifteen units composed of the library's functions, and the same written by hand in SystemVerilog of the leaves that open synthesis maps
(hls_gen/simulate/rtl_truth.py). The RTL's values are compared with those of the C++ bit for bit, its cycles with the timed simulation's:
within 1 %, or 2 cycles where that is more. Writes build/bench/rtl-truth.json and a plot beside it; exits with 1 where a unit misses.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.record import bench_record
from hls_gen.simulate.rtl_truth import CASES, Comparison, compare
from hls_gen.toolchain.open.verilator import find_verilator

RESULT = Path("build/bench/rtl-truth.json")
CACHE = Path("build/rtl-truth")


def row_of(found: Comparison) -> dict[str, object]:
    """One unit in the record."""
    return {
        "unit": found.case.name,
        "what": found.case.title,
        "rtl_cycles": found.rtl.cycles,
        "simulated_cycles": found.simulated_cycles,
        "difference_cycles": found.difference_cycles,
        "verdict": found.verdict or None,
        "meant_to_deadlock": found.case.deadlocks,
        "values": found.rtl.values,
        "differing_values": found.rtl.differing,
        "passed": found.passed,
    }


def plot(rows: list[Comparison], path: Path) -> None:
    """Difference in cycles over the cycles of the RTL, and the bar."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "flexdse"
    from matplotlib import pyplot

    known = [row for row in rows if row.difference_cycles is not None and row.rtl.cycles is not None]
    figure, axes = pyplot.subplots(figsize=(6.5, 4))
    reach = range(100, 1 + max(2000, *(row.rtl.cycles or 0 for row in known)))
    bar = [max(2.0, 0.01 * cycles) for cycles in reach]
    axes.fill_between(list(reach), bar, [-b for b in bar], color="0.9", label="bar: 1 % or 2 cycles")
    axes.axhline(0, color="0.5", linewidth=0.8)
    axes.scatter([row.rtl.cycles or 0 for row in known], [row.difference_cycles or 0 for row in known], s=18)
    for row in known:
        axes.annotate(row.case.name, (row.rtl.cycles or 0, row.difference_cycles or 0), fontsize=6, rotation=30)
    axes.set_xlabel("cycles of the RTL (Verilator)")
    axes.set_ylabel("timed simulation - RTL (cycles)")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """Runs the comparison."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    rows = compare(CASES, CACHE)
    errors = [
        abs(row.difference_cycles) / row.rtl.cycles
        for row in rows
        if row.difference_cycles is not None and row.rtl.cycles
    ]
    record = {
        **bench_record(seed=None),
        "reference": f"hand-written RTL of the same units, {find_verilator().version}",
        "bar": "1 % or 2 cycles, whichever is larger; equal values; deadlocks in both",
        "seconds": time.perf_counter() - started,
        "ratio": max(errors, default=None),
        "passed": sum(row.passed for row in rows),
        "rows": [row_of(row) for row in rows],
    }
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    for row in rows:
        print(
            f"{'ok  ' if row.passed else 'MISS'} {row.case.name:20} RTL {row.rtl.cycles} simulated {row.simulated_cycles} "
            f"{row.verdict} {row.rtl.values} values, {row.rtl.differing} differ"
        )
    plot(rows, RESULT.with_suffix(".svg"))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
