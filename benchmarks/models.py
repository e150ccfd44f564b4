"""Speed of the cost models on one core: `make bench-models` writes build/bench/models.json.

Joint designs, drawn evenly from the default space of Llama-3.2-1B on the U280, priced with every metric and every
constraint. The yardstick of the same run is a fixed kernel of NumPy operations on arrays of the models' chunk size.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.record import bench_record
from cost_models.evaluate import CHUNK_POINTS, Context, evaluate_batch
from dse.space import design_space
from spec.catalog import load_device, load_model
from spec.design_batch import DesignBatch
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

OUTPUT = Path("build/bench/models.json")
MODEL, DEVICE = "llama-3.2-1b", "u280"
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
SEED = 20_260_115
DESIGNS = 400_000
RUNS = 7
BAR_DESIGNS_PER_S = 300_000
KERNEL_OPERATIONS = 100


def pin_to_one_core() -> None:
    """Stay on one core: caches stay warm, and no thread of any library runs beside."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def best(work: Callable[[], object]) -> tuple[float, float]:
    """Least CPU seconds and least wall seconds of `RUNS` runs."""
    cpu, wall = [], []
    for _ in range(RUNS):
        started = time.process_time(), time.perf_counter()
        work()
        cpu.append(time.process_time() - started[0])
        wall.append(time.perf_counter() - started[1])
    return min(cpu), min(wall)


def yardstick(points: int) -> None:
    """`KERNEL_OPERATIONS` elementwise float64 operations a point: multiply, add, maximum and divide in turn."""
    a, b = np.linspace(1, 2, CHUNK_POINTS), np.linspace(2, 3, CHUNK_POINTS)
    for _ in range(points // CHUNK_POINTS):
        x = a
        for _ in range(KERNEL_OPERATIONS // 4):
            x = np.maximum(x * b + a, b) / b


def main() -> None:
    """Measure, print, write."""
    OUTPUT.unlink(missing_ok=True)
    pin_to_one_core()
    load_average = os.getloadavg()
    space = design_space(load_model(MODEL), load_device(DEVICE))
    rng = np.random.default_rng(SEED)
    batch = DesignBatch(
        space.prefill_at(rng.integers(0, space.prefill.size, DESIGNS)),
        space.decode_at(rng.integers(0, space.decode.size, DESIGNS)),
        W4A4KV8,
    )
    context = Context(space.model, space.device, WORKLOAD, W4A4KV8)
    feasible = float(evaluate_batch(batch, context).feasible.mean())  # and a warm-up
    cpu_s, wall_s = best(lambda: evaluate_batch(batch, context))
    kernel_points = DESIGNS // CHUNK_POINTS * CHUNK_POINTS
    kernel_cpu_s, _ = best(lambda: yardstick(kernel_points))
    rate, reference = DESIGNS / cpu_s, kernel_points / kernel_cpu_s
    record = {
        **bench_record(seed=SEED),
        "load_average": load_average,  # before the runs, which are a load themselves
        "designs_per_s_one_core": rate,
        "designs_per_s_one_core_wall": DESIGNS / wall_s,
        "reference": reference,
        "reference_unit": f"points/s of {KERNEL_OPERATIONS} elementwise float64 NumPy operations",
        "ratio": rate / reference,
        "bar_designs_per_s": BAR_DESIGNS_PER_S,
        "model": MODEL,
        "device": DEVICE,
        "workload": WORKLOAD.model_dump(),
        "space_size": space.size,
        "designs": DESIGNS,
        "runs": RUNS,
        "feasible_fraction": feasible,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    verdict = "reached" if rate >= BAR_DESIGNS_PER_S else "MISSED"
    print(f"{rate:,.0f} designs/s on one core (CPU time, best of {RUNS}; {DESIGNS / wall_s:,.0f} by the clock)")
    print(f"bar {BAR_DESIGNS_PER_S:,}: {verdict}")
    print(f"{rate / reference:.2f} of raw NumPy ({reference:,.0f} points/s of {KERNEL_OPERATIONS} operations)")
    print(f"load average {load_average[0]:.2f}; written to {OUTPUT}")


if __name__ == "__main__":
    main()
