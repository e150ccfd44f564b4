"""Cycles of the analytical model against timed simulation of the generated C++: `make bench-model-vs-timed-sim`.

Random legal designs of several catalog models, both stages of each: prefill of a prompt of 128 tokens and one decoded token
behind it. The model gets nothing of a design but the design. Writes build/bench/model-vs-timed-sim.json and a plot beside it;
designs that a run before this one finished are read from build/bench/model-vs-timed-sim/ with --resume.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import bench_record
from cost_models.report import evaluate_point
from hls_gen.project import generate_project
from hls_gen.random_designs import random_project
from hls_gen.simulate.project import simulate_project
from spec.catalog import load_device, load_model
from spec.errors import FlexDSEError
from spec.workload import STAGES, Workload

RESULT = Path("build/bench/model-vs-timed-sim.json")
ROWS = Path("build/bench/model-vs-timed-sim")
MODELS = ("smollm2-135m", "qwen2.5-0.5b", "smollm2-360m", "qwen3-0.6b", "llama-3.2-1b")
PROMPT_TOKENS = 129  # 128 in prefill; the second output token attends to 130 keys
SEED = 0


def compared(number: int, seed: int) -> list[dict[str, Any]]:
    """Both stages of one random design."""
    name = MODELS[number % len(MODELS)]
    model, device = load_model(name), load_device("u280")
    drawn = random_project(np.random.default_rng([seed, number]), model, device, number)
    # Two output tokens: the time of a further token is that of the second one, at position PROMPT_TOKENS.
    workload = Workload(prompt_tokens=PROMPT_TOKENS, output_tokens=2)
    priced = evaluate_point(drawn.design, model, device, workload)
    started = time.process_time()
    with tempfile.TemporaryDirectory(prefix="flexdse-bench-") as scratch:
        project = generate_project(drawn.design, model, device, workload, Path(scratch) / "p", seed=number)
        report = simulate_project(project, position=PROMPT_TOKENS, timeout_s=3600)
    rows = []
    for stage in STAGES:
        simulated = report.stage(stage)
        assert simulated is not None
        predicted = priced.prefill.cycles if stage == "prefill" else priced.decode.cycles
        rows.append(
            {
                "number": number,
                "model": name,
                "stage": stage,
                "design": drawn.design.canonical_key(),
                "predicted_cycles": predicted,
                "simulated_cycles": simulated.cycles,
                "failure": simulated.failure.message if simulated.failure else None,
                "relative_error": predicted / simulated.cycles - 1 if simulated.cycles else None,
                "loops_missed": len(simulated.loops_missed),
                "loops_unknown": len(simulated.loops_unknown),
                "modules": drawn.design.model_dump(mode="json")[stage],
                "critical": {m.module: m.critical_cycles for m in simulated.modules[:8]},
                "cpu_s": time.process_time() - started,
            }
        )
    return rows


def _kept(number: int, seed: int, resume: bool) -> list[dict[str, Any]]:
    path = ROWS / f"{seed}-{number}.json"
    if resume and path.is_file():
        return list(json.loads(path.read_text()))
    try:
        rows = compared(number, seed)
    except FlexDSEError as error:
        rows = [{"number": number, "model": MODELS[number % len(MODELS)], "error": str(error), "relative_error": None}]
    ROWS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows))
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Errors by size: n stages, median and 95th percentile."""
    errors = sorted(abs(row["relative_error"]) for row in rows if row["relative_error"] is not None)
    if not errors:
        return {"n": 0, "median_abs_error": None, "p95_abs_error": None}
    return {
        "n": len(errors),
        "median_abs_error": statistics.median(errors),
        "p95_abs_error": float(np.quantile(errors, 0.95)),
    }


def main() -> None:
    """Write build/bench/model-vs-timed-sim.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--designs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--workers", type=int, default=min(4, len(os.sched_getaffinity(0))))
    arguments = parser.parse_args()
    RESULT.unlink(missing_ok=True)
    if not arguments.resume:
        shutil.rmtree(ROWS, ignore_errors=True)
    record = bench_record(seed=arguments.seed)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(arguments.workers) as pool:
        jobs = [pool.submit(_kept, n, arguments.seed, arguments.resume) for n in range(arguments.designs)]
        for job in jobs:
            rows += job.result()
            for row in rows[-len(STAGES) :]:
                print(row["number"], row["model"], row.get("stage"), row["relative_error"], flush=True)
    both = [row for row in rows if "stage" in row]
    record.update(
        {
            "designs": arguments.designs,
            **summary(both),
            "bars": {"median_abs_error": 0.02, "p95_abs_error": 0.08},
            "prefill": summary([row for row in both if row["stage"] == "prefill"]),
            "decode": summary([row for row in both if row["stage"] == "decode"]),
            "without_result": [row for row in rows if row["relative_error"] is None],
            "reference": "timed simulation of the generated project",
            "rows": both,
        }
    )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    plot(both, RESULT.with_suffix(".svg"))
    print(json.dumps({key: record[key] for key in ("n", "median_abs_error", "p95_abs_error", "prefill", "decode")}))


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Predicted over simulated cycles by stage."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    for stage, marker in (("prefill", "o"), ("decode", "s")):
        points = [
            (r["simulated_cycles"], r["predicted_cycles"])
            for r in rows
            if r["stage"] == stage and r["simulated_cycles"]
        ]
        if points:
            axes.scatter(
                [s for s, _ in points], [p / s for s, p in points], marker=marker, s=18, alpha=0.7, label=stage
            )
    axes.axhline(1, color="0.5", linewidth=0.8)
    axes.axhspan(0.92, 1.08, color="0.9", zorder=0)
    axes.set_xscale("log")
    axes.set_xlabel("simulated cycles")
    axes.set_ylabel("analytical model / simulated")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
