"""Simulated cycles of foreign HLS C++ against its RTL co-simulation: `make bench-timed-sim-truth`.

The truth are the co-simulation reports of Stream-HLS's public designs (see ii_truth.py, which finds the corpus). Nothing of the timed
simulation was fitted to them: the operator delays behind the derived intervals were chosen on one half of the designs
(`fitted`) for their intervals, the other half (`held_out`) was left out of that too. Writes
build/bench/timed-sim-truth.json and a plot beside it.
"""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ii_truth import UNUSED_HEADERS, Compared, corpus, reorders_sums
from benchmarks.record import bench_record
from hls_gen.reports import parse_report
from hls_gen.simulate.unit import simulate_unit
from spec.errors import FlexDSEError

RESULT = Path("build/bench/timed-sim-truth.json")


@dataclass(frozen=True, slots=True)
class Timed:
    """One design: cycles of the simulated RTL, and of the timed simulation (None: why not)."""

    design: str
    cosim_cycles: int
    simulated_cycles: int | None
    note: str

    @property
    def held_out(self) -> bool:
        """As in ii_truth.py."""
        return Compared(self.design, "", 0, None, "").held_out

    @property
    def relative_error(self) -> float | None:
        """Of the simulated cycles."""
        return self.simulated_cycles / self.cosim_cycles - 1 if self.simulated_cycles is not None else None


def designs(folder: Path) -> Iterator[tuple[str, Path, str, int]]:
    """Design, C++ file, top function and cycles of every co-simulation that passed."""
    for report in sorted(folder.rglob("sim/report/*_cosim.rpt")):
        try:
            document = parse_report(report)
        except FlexDSEError:  # without a name, or cut off
            continue
        if document.latency is None or document.latency.max_cycles is None:
            continue
        project = report.parents[3]
        for place in (project, project.parent):
            sources = [p for p in (*place.glob("*.cpp"), *place.glob("src/*.cpp")) if not p.name.endswith("_tb.cpp")]
            sources = [p for p in sources if len(sources) == 1 or p.stem in project.name]
            if sources:
                top = report.name.removesuffix("_cosim.rpt")
                yield str(project.relative_to(folder)), sources[0], top, int(document.latency.max_cycles)
                break


def timed(job: tuple[str, Path, str, int]) -> Timed:
    """One design, simulated."""
    design, source, top, cycles = job
    with tempfile.TemporaryDirectory(prefix="flexdse-bench-") as scratch:
        place = Path(scratch) / "source"
        place.mkdir()
        copy = place / source.name
        copy.write_text(source.read_text())
        for header in UNUSED_HEADERS:
            (place / header).write_text("#pragma once\n")
        try:
            stage = simulate_unit(
                copy, top, unsafe_math=reorders_sums(source), folder=Path(scratch) / "b", timeout_s=1800
            )
        except FlexDSEError as error:
            return Timed(design, cycles, None, str(error)[:300])
    if stage.failure is not None:
        return Timed(design, cycles, None, f"{stage.failure.verdict}: {stage.failure.message[:300]}")
    return Timed(
        design, cycles, stage.cycles, f"{len(stage.loops_unknown)} loops unknown" if stage.loops_unknown else ""
    )


def score(rows: list[Timed]) -> dict[str, Any]:
    """Absolute relative errors."""
    errors = [abs(row.relative_error) for row in rows if row.relative_error is not None]
    return {
        "designs": len(rows),
        "n": len(errors),
        "median_abs_error": statistics.median(errors) if errors else None,
        "p90_abs_error": float(np.quantile(errors, 0.9)) if errors else None,
    }


def main() -> None:
    """Runs the comparison."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with ProcessPoolExecutor(min(4, len(os.sched_getaffinity(0)))) as pool:
        rows = []
        for row in pool.map(timed, sorted(designs(corpus()), key=lambda job: job[3])):
            rows.append(row)
            print(row.design, row.cosim_cycles, row.simulated_cycles, row.relative_error, row.note, flush=True)
    record = {
        **bench_record(seed=None),
        "reference": "RTL co-simulation of Stream-HLS's public designs (Vitis HLS 2023.2, fp32)",
        "bars": {"median_abs_error": 0.05, "p90_abs_error": 0.20},
        "seconds": time.perf_counter() - started,
        "all": score(rows),
        "held_out": score([row for row in rows if row.held_out]),
        "rows": [
            {
                "design": row.design,
                "held_out": row.held_out,
                "cosim_cycles": row.cosim_cycles,
                "simulated_cycles": row.simulated_cycles,
                "relative_error": row.relative_error,
                "note": row.note,
            }
            for row in rows
        ],
    }
    record["ratio"] = record["held_out"]["median_abs_error"]
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    plot(rows, RESULT.with_suffix(".svg"))
    print(json.dumps({part: record[part] for part in ("all", "held_out")}))


def plot(rows: list[Timed], path: Path) -> None:
    """Simulated over co-simulated cycles."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "flexdse"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    for held_out, label in ((False, "delays fitted to its intervals"), (True, "left out")):
        known = [row for row in rows if row.held_out == held_out and row.relative_error is not None]
        axes.scatter(
            [row.cosim_cycles for row in known],
            [1 + (row.relative_error or 0) for row in known],
            s=18,
            alpha=0.7,
            label=label,
        )
    axes.axhline(1, color="0.5", linewidth=0.8)
    axes.axhspan(0.95, 1.05, color="0.9", zorder=0)
    axes.set_xscale("log")
    axes.set_xlabel("cycles of the simulated RTL")
    axes.set_ylabel("timed simulation / RTL")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
