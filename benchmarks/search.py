"""How near the samplers come to the exact front, and in what time: `make bench-search`.

Llama-3.2-1B on the U280, 1024 tokens in and out, the default space and objectives. Hypervolume on log-scaled objectives
against the nadir of the exact front, as a share of the exact front's; the median of five seeds. Writes
build/bench/search.json and, beside it, plots of the share against evaluations and seconds for every method. Exit code 1:
a bar is missed; the record is written all the same and names it.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.record import bench_record
from dse.exact import ExactFront, ExactSearch
from dse.explore import search_arms
from dse.objectives import Goals
from dse.pareto import Archive, hypervolume, ideal_and_nadir
from dse.placed_front import Floorplanner, placed_exact_front
from dse.progress import Reporter
from dse.study import StudyResult, Trace, run_study
from spec.catalog import load_device, load_model
from spec.errors import ToolNotFoundError
from spec.exploration import ExplorationRequest
from spec.metrics import DEFAULT_OBJECTIVES
from spec.workload import Workload

FOLDER = Path("build/bench")
SEEDS = range(5)
NSGA2_BUDGET, BEST_BUDGET = 20_000, 5_000
BEST = "stagewise"
# Methods that are only drawn, with budgets that end within a minute or two.
DRAWN = {"nsga3": 20_000, "qmc": 20_000, "tpe": 400, "gp": 60}
ARCHIVE_POINTS = 1_000_000
# (where in the record, comparison, bar)
BARS: tuple[tuple[str, Literal["<", ">="], float], ...] = (
    ("space_size", ">=", 1e12),
    ("exact.seconds", "<", 60.0),
    ("exact.peak_memory_bytes", "<", 2e9),
    ("nsga2_20000.hypervolume_ratio", ">=", 0.97),
    ("nsga2_20000.gap_closed", ">=", 0.70),
    ("nsga2_20000.seconds", "<", 60.0),
    ("nsga2_20000.overhead_s_per_evaluation", "<", 1e-3),
    ("best_5000.hypervolume_ratio", ">=", 0.99),
    ("archive.seconds", "<", 2.0),
)


def main() -> int:
    request = ExplorationRequest(
        model=load_model("llama-3.2-1b"),
        device=load_device("u280"),
        workload=Workload(prompt_tokens=1024, output_tokens=1024),
        objectives=DEFAULT_OBJECTIVES,
    )
    goals, arms = Goals.of_request(request), search_arms(request)
    reporter = Reporter(None, None, 1)
    enumeration = ExactSearch(arms, goals, reporter)
    started = time.perf_counter()
    exact = enumeration.front()
    models_s = time.perf_counter() - started
    placed, floorplan = placed_exact_front(enumeration, Floorplanner(arms, reporter))
    exact_s = time.perf_counter() - started
    scaled = goals.scaled(exact.values)
    nadir = ideal_and_nadir(scaled)[1]
    whole = hypervolume(scaled, nadir)

    def share(front: Any) -> float:
        return hypervolume(goals.scaled(front), nadir) / whole if len(front) else 0.0

    curves: dict[str, list[tuple[int, float, float]]] = {}

    def run(method: str, budget: int, seed: int, *, draw: bool = False) -> tuple[float, StudyResult]:
        trace: list[Trace] | None = [] if draw else None
        found = run_study(arms, goals, Reporter(None, None, 1), method=method, budget=budget, seed=seed, trace=trace)
        if trace is not None:
            step = max(1, len(trace) // 40)
            curves[method] = [(t.evaluations, t.seconds, share(t.front)) for t in (*trace[::step], trace[-1])]
        ratio = share(found.front)
        print(f"{method} {budget} seed {seed}: {ratio:.4f} in {found.seconds:.1f} s", file=sys.stderr)
        return ratio, found

    # The gap is measured to uniform random designs at the same budget.
    random = {
        budget: statistics.median(
            run("random", budget, seed, draw=seed == 0 and budget == NSGA2_BUDGET)[0] for seed in SEEDS
        )
        for budget in (BEST_BUDGET, NSGA2_BUDGET)
    }
    document: dict[str, Any] = bench_record(seed=0)
    document["space_size"] = exact.space_size
    document["exact"] = {
        **_exact_record(exact, exact_s), "models_s": models_s, "front_size_with_floorplan": len(placed.values),
        "floorplan": floorplan.model_dump(mode="json"),
    }  # fmt: skip
    for key, method, budget in (("nsga2_20000", "nsga2", NSGA2_BUDGET), (f"best_{BEST_BUDGET}", BEST, BEST_BUDGET)):
        runs = [run(method, budget, seed, draw=seed == 0) for seed in SEEDS]
        ratio = statistics.median(value for value, _ in runs)
        overhead = statistics.median((found.seconds - found.model_s) / found.evaluations for _, found in runs)
        document[key] = {
            "method": method,
            "evaluations": budget,
            "told": "objectives and the quantities of both halves" if method == BEST else "objectives",
            "hypervolume_ratio": ratio,
            "hypervolume_ratio_of_seeds": [value for value, _ in runs],
            "random_hypervolume_ratio": random[budget],
            "gap_closed": (ratio - random[budget]) / (1.0 - random[budget]),
            "seconds": statistics.median(found.seconds for _, found in runs),
            "overhead_s_per_evaluation": overhead,
        }
    document["not_run"] = {}
    for method, budget in DRAWN.items():
        try:
            run(method, budget, 0, draw=True)
        except ToolNotFoundError as error:
            document["not_run"][method] = f"{error.message}; {error.hint}"
    document["archive"] = _archive_record()
    document["curves"] = {
        method: [dict(zip(("evaluations", "seconds", "hypervolume_ratio"), point, strict=True)) for point in points]
        for method, points in curves.items()
    }
    document["reference"] = {
        "what": "uniform random designs at the same budget",
        "hypervolume_ratio": random[NSGA2_BUDGET],
    }
    document["ratio"] = document["nsga2_20000"]["hypervolume_ratio"] / max(random[NSGA2_BUDGET], 1e-9)
    document["bars"] = missed_bars(document)
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "search.json").write_text(json.dumps(document, indent=1) + "\n")
    plot(curves, FOLDER)
    shown = {
        name: document[name] for name in ("nsga2_20000", f"best_{BEST_BUDGET}", "exact", "archive", "not_run", "bars")
    }
    print(json.dumps(shown, indent=1))
    return 0 if document["bars"]["met"] else 1


def missed_bars(document: dict[str, Any]) -> dict[str, Any]:
    """Whether the record holds every bar, and those that it does not."""
    missed = []
    for where, comparison, bar in BARS:
        value: Any = document
        for key in where.split("."):
            value = value[key]
        if not (value < bar if comparison == "<" else value >= bar):
            missed.append(f"{where} = {value:.4g}, asked for {comparison} {bar:g}")
    return {"met": not missed, "missed": missed}


def _exact_record(exact: ExactFront, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "enumeration_s": exact.enumeration_s,
        "merge_s": exact.merge_s,
        "stage_designs": exact.priced,
        "front_size": len(exact.values),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def _archive_record() -> dict[str, Any]:
    """A million evaluations of four objectives in the blocks of a search, into the archive of non-dominated designs."""
    values = np.random.default_rng(0).random((ARCHIVE_POINTS, 4))
    archive = Archive(4)
    started = time.perf_counter()
    for start in range(0, ARCHIVE_POINTS, 20_000):
        archive.add(values[start : start + 20_000], np.arange(start, start + 20_000))
    return {
        "points": ARCHIVE_POINTS,
        "objectives": 4,
        "seconds": time.perf_counter() - started,
        "kept": len(archive.index),
    }


def plot(curves: dict[str, list[tuple[int, float, float]]], folder: Path) -> None:
    """Share of the exact hypervolume against evaluations and against seconds, as SVG and PNG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    # Okabe and Ito's palette, told apart without colour by the markers.
    styles = {"random": ("#999999", "o"), "qmc": ("#e69f00", "s"), "tpe": ("#56b4e9", "^"), "nsga2": ("#0072b2", "D"),
              "nsga3": ("#009e73", "v"), "gp": ("#cc79a7", "P"), BEST: ("#d55e00", "*")}  # fmt: skip
    for name, column, label in (("evaluations", 0, "evaluations"), ("seconds", 1, "seconds, models included")):
        figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
        for method, points in curves.items():
            color, marker = styles[method]
            axes.plot(
                [point[column] for point in points], [point[2] for point in points],
                color=color, marker=marker, markersize=4, markevery=4, linewidth=1.4, label=method,
            )  # fmt: skip
        axes.axhline(1.0, color="black", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", xlabel=label, ylabel="share of the exact front's hypervolume", ylim=(0, 1.03))
        axes.legend(loc="lower right", frameon=False)
        axes.grid(alpha=0.25)
        for ending in ("svg", "png"):
            figure.savefig(folder / f"search_{name}.{ending}", dpi=150)
        pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
