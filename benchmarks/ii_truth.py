"""Derived initiation intervals against those of Vitis HLS: `make bench-ii-truth`.

The truth are the public reports of Stream-HLS (UCLA-VAST/Stream-HLS, MIT): over a hundred fp32 designs of seven
generators, each loop with the interval that Vitis HLS 2023.2 gave it. The corpus is not part of this repository: it is
cloned to build/corpora, or read from the checkout that FLEXDSE_STREAM_HLS names.

Designs are split by a hash of their name: operator delays were chosen on one half (`fitted`), the other one (`held_out`)
was left out. Writes build/bench/ii-truth.json and a plot beside it; exits with 1 where a bar is missed.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import bench_record
from hls_gen.intervals.report import interval_report
from hls_gen.reports import parse_report
from spec.errors import FlexDSEError
from spec.interval_report import LoopInterval

REPOSITORY = "https://github.com/UCLA-VAST/Stream-HLS"
DESIGNS = "FPGA2025_Artificats"
RESULT = Path("build/bench/ii-truth.json")
BARS = {"designs": 30, "judged_fraction": 0.95, "recall": 0.9, "precision": 0.8}
# Vendor headers that some files include and none of them uses.
UNUSED_HEADERS = ("ap_fixed.h",)


@dataclass(frozen=True, slots=True)
class Compared:
    """One loop of one design: what Vitis HLS gave it, and what was derived (None: unknown, or not found). `asked`: what its
    pragma asks Vitis HLS for.
    """

    design: str
    loop: str
    vitis: int
    derived: int | None
    note: str
    asked: int = 1

    @property
    def held_out(self) -> bool:
        """Whether the design was left out of choosing the delays."""
        return hashlib.sha256(self.design.encode()).digest()[0] % 2 == 1


def corpus() -> Path:
    """The folder of designs, cloned on first use."""
    given = os.environ.get("FLEXDSE_STREAM_HLS")
    if given:
        return Path(given) / DESIGNS
    target = Path("build/corpora/Stream-HLS")
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "clone", "--depth", "1", REPOSITORY, str(target)], check=True)
    return target / DESIGNS


def designs(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Each design's C++ file and its csynth.xml."""
    for report in sorted(folder.rglob("syn/report/csynth.xml")):
        project = report.parents[3]
        for place in (project, project.parent):
            sources = [p for p in (*place.glob("*.cpp"), *place.glob("src/*.cpp")) if not p.name.endswith("_tb.cpp")]
            sources = [p for p in sources if len(sources) == 1 or p.stem in project.name]
            if sources:
                yield sources[0], report
                break


def compare(job: tuple[str, Path, Path, Path]) -> list[Compared]:
    """The pipelined loops of one design."""
    design, source, report, headers = job
    truth = [loop for loop in parse_report(report).loops if loop.pipelined and loop.ii_achieved_cycles]
    try:
        ours_of_all = interval_report(source, include=[headers], unsafe_math=reorders_sums(source)).loops
    except FlexDSEError as error:
        return [
            Compared(design, loop.name, int(loop.ii_achieved_cycles or 0), None, str(error)[:200]) for loop in truth
        ]
    found = []
    for loop in truth:
        ours = _find(loop.name, ours_of_all)
        derived_interval = ours.derived if ours is not None else None
        reason = "no loop of this name is left after optimization" if ours is None else ours.reason
        asked = (ours.requested if ours is not None else None) or 1
        found.append(Compared(design, loop.name, int(loop.ii_achieved_cycles or 0), derived_interval, reason, asked))
    return found


def reorders_sums(source: Path) -> bool:
    """Whether the design's script lets the tool reorder sums."""
    scripts = [*source.parent.glob("*.tcl"), *source.parent.parent.glob("*.tcl")]
    return any(
        re.search(r"^\s*config_compile.*unsafe_math", script.read_text(errors="replace"), re.MULTILINE)
        for script in scripts
    )


def _find(name: str, loops: tuple[LoopInterval, ...]) -> LoopInterval | None:
    """The loop that Vitis HLS calls `name`: labels of the flattened nest, or VITIS_LOOP_<line>_<number> each."""
    lines = re.findall(r"VITIS_LOOP_(\d+)_\d+", name)
    for loop in loops:
        if "_".join(loop.loop) == name or loop.loop[-1] == name or (lines and int(lines[-1]) == loop.line):
            return loop
    return next((loop for loop in loops if name.endswith(f"_{loop.loop[-1]}")), None)


def score(every: list[Compared]) -> dict[str, Any]:
    """Recall and precision of 'Vitis cannot pipeline it at 1', and how many intervals are equal, of the loops whose pragma asks
    for 1: where it asks for more nobody knows what Vitis could have done. How many derived intervals are at most what was
    given to those is told apart.
    """
    rows = [row for row in every if row.asked == 1]
    others = [row for row in every if row.asked > 1 and row.derived is not None]
    judged = [row for row in rows if row.derived is not None]
    slow = [row for row in judged if row.vitis > 1]
    called_slow = [row for row in judged if row.derived is not None and row.derived > 1]
    both = [row for row in slow if row.derived is not None and row.derived > 1]
    return {
        "designs": len({row.design for row in rows}),
        "loops": len(rows),
        "judged": len(judged),
        "judged_fraction": len(judged) / len(rows) if rows else None,
        "vitis_above_1": len(slow),
        "recall": len(both) / len(slow) if slow else None,
        "precision": len(both) / len(called_slow) if called_slow else None,
        "equal_fraction": sum(row.derived == row.vitis for row in judged) / len(judged) if judged else None,
        "asked_for_more": len(others),
        "asked_for_more_within_given": sum(row.derived is not None and row.derived <= row.vitis for row in others),
    }


def plot(rows: list[Compared], path: Path) -> None:
    """Derived against given intervals, the area of a dot is the number of loops."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "flexdse"
    from matplotlib import pyplot

    counts: dict[tuple[int, int], int] = {}
    for row in rows:
        if row.derived is not None:
            counts[row.vitis, row.derived] = counts.get((row.vitis, row.derived), 0) + 1
    figure, axes = pyplot.subplots(figsize=(5, 4.5))
    axes.plot([1, 128], [1, 128], color="0.7", linewidth=1)
    axes.scatter(
        [vitis for vitis, _ in counts],
        [derived for _, derived in counts],
        s=[20 * math.sqrt(n) for n in counts.values()],
        alpha=0.6,
    )
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    axes.set_xlabel("interval of Vitis HLS 2023.2 (cycles)")
    axes.set_ylabel("derived interval (cycles)")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """Runs the comparison."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    folder = corpus()
    headers = RESULT.parent.parent / "corpora" / "headers"
    headers.mkdir(parents=True, exist_ok=True)
    for name in UNUSED_HEADERS:
        (headers / name).write_text("#pragma once\n")
    jobs = [(str(report.parents[3].relative_to(folder)), source, report, headers) for source, report in designs(folder)]
    started = time.perf_counter()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        rows = [row for found in pool.map(compare, jobs) for row in found]
    record = {
        **bench_record(seed=None),
        "reference": "Vitis HLS 2023.2 csynth of Stream-HLS's public designs (U280 and U200, fp32)",
        "bars": BARS,
        "ratio": score(rows)["recall"],
        "seconds": time.perf_counter() - started,
        "all": score(rows),
        "held_out": score([row for row in rows if row.held_out]),
        "fitted": score([row for row in rows if not row.held_out]),
        "different": [
            {
                "design": row.design,
                "loop": row.loop,
                "vitis": row.vitis,
                "derived": row.derived,
                "asked": row.asked,
                "because": row.note,
            }
            for row in rows
            if row.derived != row.vitis
        ],
    }
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    plot(rows, RESULT.with_suffix(".svg"))
    for part in ("all", "held_out"):
        figures = record[part]
        print(
            f"{part}: {figures['judged']} of {figures['loops']} loops of {figures['designs']} designs judged, recall "
            f"{figures['recall']:.3f}, precision {figures['precision']:.3f}, {figures['equal_fraction']:.3f} equal"
        )
    held_out = record["held_out"]
    return 0 if all((held_out[name] or 0) >= bar for name, bar in BARS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
