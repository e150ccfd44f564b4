"""What bits buy on a card whose memory is fast, and on one whose memory is not: `make bench-quality_fronts`.

The two explorations of docs/quality.md, as it prints them. Their tables there are rewritten, and build/bench/quality_fronts.json
has the figures. Bits must buy speed where a step of decode waits for its weights: the bar is the ratio of the fastest W8A8KV8
design's time of an output token to the fastest W4A8KV8 design's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.page_section import put_section
from benchmarks.record import bench_record
from spec.versions import MODEL_VERSION

OUT = Path("build/bench/quality_fronts.json")
PAGE = Path("docs/quality.md")
SPACES = Path("examples/spaces")
SPEEDUP_BAR = 1.5  # half the bytes of weights; caches, norms and softmax do not shrink with them


class Example(NamedTuple):
    """One exploration of docs/quality.md."""

    name: str  # of its section
    device: str
    space: Path

    def command(self, out: str) -> list[str]:
        """What the page prints, with a folder for the result."""
        return [
            "explore", "--model", "smollm2-135m", "--device", self.device, "--prompt-tokens", "128", "--output-tokens", "128",
            "--objectives", "tpot_s,energy_j_per_token,quality", "--space", str(self.space), "--out", out,
        ]  # fmt: skip


HBM = Example("front-hbm", "u280", SPACES / "smollm2-135m-precision.yaml")
DDR = Example("front-ddr", "examples/devices/u280-ddr.yaml", SPACES / "smollm2-135m-precision-ddr.yaml")


class Row(NamedTuple):
    """The fastest design that the front has of a scheme."""

    scheme: str
    tpot_s: float
    energy_j_per_token: float
    quality: float
    designs: int  # of the scheme on the front


def rows_of(front: list[dict[str, Any]]) -> list[Row]:
    """One row a scheme, the best quality first."""
    by_scheme: dict[str, list[dict[str, Any]]] = {}
    for entry in front:
        by_scheme.setdefault(entry["design"]["quant_scheme"]["name"], []).append(entry["metrics"])
    rows = []
    for scheme, metrics in by_scheme.items():
        best = min(metrics, key=lambda one: (one["tpot_s"], one["energy_j_per_token"]))
        rows.append(Row(scheme, best["tpot_s"], best["energy_j_per_token"], best["quality"], len(metrics)))
    return sorted(rows, key=lambda row: row.quality)


def explored(example: Example) -> list[Row]:
    """The rows of an exploration, run as its command line says."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "flexdse.cli", *example.command(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        print(done.stdout)
        return rows_of(json.loads((Path(folder) / "front.json").read_text()))


def section(rows: list[Row]) -> str:
    """The table of the page."""
    lines = ["| scheme | time per output token | energy per output token | perplexity |", "|---|---:|---:|---:|"]
    for row in rows:
        lines.append(
            f"| {row.scheme.upper()} | {row.tpot_s * 1e3:.3f} ms | {row.energy_j_per_token:.4f} J | {row.quality:+.1%} |"
        )
    return "\n".join(lines) + f"\n\n(`make bench-quality_fronts`, model version {MODEL_VERSION})\n"


def speedup(rows: list[Row]) -> float | None:
    """How many times faster four bits of weights are than eight; None where one of the two is not on the front."""
    found = {row.scheme: row.tpot_s for row in rows}
    return found["w8a8kv8"] / found["w4a8kv8"] if {"w8a8kv8", "w4a8kv8"} <= found.keys() else None


def main() -> None:
    """Explore, write the record and the tables."""
    fronts = {example.name: explored(example) for example in (HBM, DDR)}
    ratio = speedup(fronts[DDR.name])
    missed = (
        []
        if ratio is not None and ratio >= SPEEDUP_BAR
        else [f"speed of 4 bits over 8: {ratio}, at least {SPEEDUP_BAR}"]
    )
    record = {
        **bench_record(seed=None),
        "model_version": MODEL_VERSION,
        "fronts": {name: [row._asdict() for row in rows] for name, rows in fronts.items()},
        "speedup": {name: speedup(rows) for name, rows in fronts.items()},
        "reference": SPEEDUP_BAR,
        "ratio": None if ratio is None else ratio / SPEEDUP_BAR,
        "missed": missed,
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(record, indent=1) + "\n")
    for example in (HBM, DDR):
        put_section(PAGE, example.name, section(fronts[example.name]))
    print(f"W4A8KV8 over W8A8KV8: {record['speedup']}; wrote {OUT} and the tables of {PAGE}")
    if missed:
        raise SystemExit("bars missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
