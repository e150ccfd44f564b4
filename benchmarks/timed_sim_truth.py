"""Simulated cycles of foreign HLS C++ against its RTL co-simulation: `make bench-timed-sim-truth`.

The truth are the co-simulation reports of Stream-HLS's public designs (see ii_truth.py, which finds the corpus). Nothing of the timed
simulation was fitted to them: the operator delays behind the derived intervals were chosen on one half of the designs
(`fitted`) for their intervals, the other half (`held_out`) was left out of that too. Writes
build/bench/timed-sim-truth.json and a plot beside it; exits with 1 where a bar is missed.

A design takes up to minutes. `--resume` takes those that an earlier run finished from build/bench/timed-sim-truth/, as long as the
simulator is the same; `--budget-s N` starts no design after N seconds, and the record says how many were left out.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ii_truth import UNUSED_HEADERS, Compared, corpus, reorders_sums
from benchmarks.record import bench_record
from hls_gen import intervals, simulate
from hls_gen.reports import parse_report
from hls_gen.simulate.unit import simulate_unit
from spec.errors import FlexDSEError

RESULT = Path("build/bench/timed-sim-truth.json")
FINISHED = RESULT.with_suffix("")
BARS = {"median_abs_error": 0.05, "p90_abs_error": 0.20}
_SIMULATOR = (Path(simulate.__file__).parent, Path(intervals.__file__).parent)


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


def simulator_hash() -> str:
    """Of all that decides the cycles of a design."""
    digest = hashlib.sha256()
    for folder in _SIMULATOR:
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".hpp", ".cpp", ".h")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def finished_file(design: str, simulator: str) -> Path:
    """Where the result of a design is kept."""
    return FINISHED / f"{hashlib.sha256(design.encode()).hexdigest()[:16]}-{simulator}.json"


def kept(design: str, simulator: str) -> Timed | None:
    """The result of an earlier run."""
    path = finished_file(design, simulator)
    return Timed(**json.loads(path.read_text())) if path.is_file() else None


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(prog="benchmarks.timed_sim_truth")
    parser.add_argument("--resume", action="store_true", help="take what an earlier run finished")
    parser.add_argument("--budget-s", type=float, default=float("inf"), help="start no design after so many seconds")
    options = parser.parse_args()
    FINISHED.mkdir(parents=True, exist_ok=True)
    started, simulator = time.perf_counter(), simulator_hash()
    jobs = sorted(designs(corpus()), key=lambda job: job[3])
    rows = [row for job in jobs if options.resume and (row := kept(job[0], simulator)) is not None]
    done = {row.design for row in rows}
    waiting = [job for job in jobs if job[0] not in done]
    with ProcessPoolExecutor(min(4, len(os.sched_getaffinity(0)))) as pool:
        running: set[Future[Timed]] = set()
        while waiting or running:
            while waiting and len(running) < 4 and time.perf_counter() - started < options.budget_s:
                running.add(pool.submit(timed, waiting.pop(0)))
            if not running:
                break
            ready, running = wait(running, return_when=FIRST_COMPLETED)
            for future in ready:
                row = future.result()
                rows.append(row)
                finished_file(row.design, simulator).write_text(json.dumps(asdict(row)))
                print(row.design, row.cosim_cycles, row.simulated_cycles, row.relative_error, row.note, flush=True)
    rows.sort(key=lambda row: (row.cosim_cycles, row.design))
    record = {
        **bench_record(seed=None),
        "reference": "RTL co-simulation of Stream-HLS's public designs (Vitis HLS 2023.2, fp32)",
        "bars": BARS,
        "seconds": time.perf_counter() - started,
        "designs_of_corpus": len(jobs),
        "not_simulated_yet": len(waiting),
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
    held_out = record["held_out"]
    record["ratio"] = held_out["median_abs_error"]
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    plot(rows, RESULT.with_suffix(".svg"))
    print(json.dumps({part: record[part] for part in ("all", "held_out", "not_simulated_yet")}))
    complete = not waiting and all(row.simulated_cycles is not None for row in rows)
    return 0 if complete and all(held_out[name] <= bar for name, bar in BARS.items()) else 1


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
    sys.exit(main())
