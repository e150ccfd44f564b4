"""The section of docs/validation.md on simulated cycles and derived intervals, from the records that the benchmarks left.

A benchmark that was not run here keeps the row and the plot that the page already has: the page can be rebuilt on a machine
without the corpus, and says nothing that no run has found.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import ii_truth, timed_sim_truth

BENCH = Path("build/bench")
IMAGES = Path("docs/images")

HEAD = """
## Cycles and intervals without vendor tools

What [timed simulation](simulation.md) and [derived intervals](intervals.md) give, held against others. A plot and a row are those of the
last complete run of the benchmark.

| benchmark | against | result | bar | |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A benchmark: its record, what it is held against, its result in words, and whether the bar is met."""

    name: str
    against: str
    result: Callable[[Mapping[str, Any]], str]
    bar: str
    met: Callable[[Mapping[str, Any]], bool]


def _rtl(record: Mapping[str, Any]) -> str:
    largest = max(
        (abs(r["difference_cycles"]) for r in record["rows"] if r["difference_cycles"] is not None), default=0
    )
    return f"{record['passed']} of {len(record['rows'])} units within the bar, largest difference {largest} cycles"


def _corpus(record: Mapping[str, Any]) -> str:
    held_out = record["held_out"]
    if not held_out["n"]:
        return "none of the designs left out was simulated"
    return (
        f"{held_out['n']} of {held_out['designs']} designs left out: median {held_out['median_abs_error']:.1%}, "
        f"90th percentile {held_out['p90_abs_error']:.1%}"
    )


def _intervals(record: Mapping[str, Any]) -> str:
    held_out = record["held_out"]
    return f"{held_out['designs']} designs left out: recall {held_out['recall']:.3f}, precision {held_out['precision']:.3f}"


def _within_bars(record: Mapping[str, Any]) -> bool:
    held_out = record["held_out"]
    whole = not record["not_simulated_yet"] and held_out["n"] == held_out["designs"]
    return whole and all(
        held_out[name] is not None and held_out[name] <= bar for name, bar in timed_sim_truth.BARS.items()
    )


def _above_bars(record: Mapping[str, Any]) -> bool:
    return all((record["held_out"][name] or 0) >= bar for name, bar in ii_truth.BARS.items())


COMPARISONS = (
    Comparison(
        "rtl-truth",
        "RTL of the same units, by hand, under Verilator",
        _rtl,
        "1 % or 2 cycles each",
        lambda record: record["passed"] == len(record["rows"]),
    ),
    Comparison(
        "timed-sim-truth",
        "RTL co-simulation of Stream-HLS's designs (Vitis HLS 2023.2)",
        _corpus,
        "median 5 %, 90th percentile 20 %",
        _within_bars,
    ),
    Comparison(
        "ii-truth",
        "intervals that Vitis HLS 2023.2 gave the same designs",
        _intervals,
        "recall 0.9, precision 0.8",
        _above_bars,
    ),
)


def cycles_section(page: Path, comparisons: tuple[Comparison, ...] = COMPARISONS) -> str:
    """The section; plots of the records found are copied to docs/images."""
    before = page.read_text() if page.is_file() else ""
    lines, plots = [], []
    for comparison in comparisons:
        record, plot = BENCH / f"{comparison.name}.json", BENCH / f"{comparison.name}.svg"
        image = IMAGES / f"{comparison.name}.svg"
        if record.is_file() and plot.is_file():
            found = json.loads(record.read_text())
            met = "met" if comparison.met(found) else "**not met**"
            lines.append(
                f"| `make bench-{comparison.name}` | {comparison.against} | {comparison.result(found)} | {comparison.bar} | {met} |"
            )
            IMAGES.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(plot, image)
        else:
            lines += re.findall(rf"^\| `make bench-{comparison.name}` \|.*$", before, re.MULTILINE)
        if image.is_file():
            plots.append(f"![make bench-{comparison.name}](images/{comparison.name}.svg)")
    return HEAD + "\n".join(lines) + "\n\n" + "\n".join(plots) + "\n" if lines else ""
