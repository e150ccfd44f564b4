"""Cost of a floorplan: `make bench-floorplan` writes build/bench/floorplan.json.

CPU seconds of one core for each stage of the catalog designs: the verdict alone (any assignment, as the search asks for
it) and the assignment with the fewest crossings (as `evaluate` shows it). The yardstick is pricing the same design.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.record import bench_record
from cost_models.report import evaluate_point
from dse.floorplan import plan_floorplan
from dse.placement import SEED, solver_name
from spec.catalog import load_design, load_device, load_model
from spec.workload import STAGES, Workload

OUTPUT = Path("build/bench/floorplan.json")
DESIGNS = (
    ("flexllm-u280", "u280"),
    ("flexllm-u280-base", "u280"),
    ("flexllm-u280-wide", "u280"),
    ("flexllm-v80", "v80"),
)
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
RUNS = 5


def least_cpu_s(work: Callable[[], object]) -> float:
    """Least CPU seconds of `RUNS` runs."""
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def main() -> None:
    """Measure, print, write."""
    OUTPUT.unlink(missing_ok=True)
    model = load_model("llama-3.2-1b")
    rows: list[dict[str, Any]] = []
    for name, card in DESIGNS:
        design, device = load_design(name), load_device(card)
        pricing_s = least_cpu_s(lambda d=design, c=device: evaluate_point(d, model, c, WORKLOAD))  # type: ignore[misc]
        for stage in STAGES:

            def plan(optimise: bool, d: Any = design, c: Any = device, s: Any = stage) -> Any:
                return plan_floorplan(d, model, c, WORKLOAD, stage=s, optimise=optimise, levers=False)

            shown = plan(True)
            rows.append(
                {
                    "design": name,
                    "device": card,
                    "stage": stage,
                    "status": shown.status,
                    "crossing_bits": shown.bitstreams[0].crossing_bits,
                    "verdict_cpu_s": least_cpu_s(lambda: plan(False)),
                    "optimum_cpu_s": least_cpu_s(lambda: plan(True)),
                    "pricing_cpu_s": pricing_s,
                }
            )
            print(rows[-1])
    slowest = max(row["verdict_cpu_s"] for row in rows)
    record = {
        **bench_record(seed=SEED),
        "solver": solver_name(),
        "verdict_cpu_s_max": slowest,
        "optimum_cpu_s_max": max(row["optimum_cpu_s"] for row in rows),
        "reference": {"pricing_cpu_s": min(row["pricing_cpu_s"] for row in rows)},
        "ratio": slowest / min(row["pricing_cpu_s"] for row in rows),
        "rows": rows,
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
