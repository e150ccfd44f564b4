"""Speed of the cost models on one core: `make bench-models` writes build/bench/models.json.

`designs_per_s_one_core`: joint designs of the default space of Llama-3.2-1B on the U280, as a search prices them: blocks
of prefill designs against blocks of decode designs, every stage design with all laws and constraints, every pair with all
metrics. `independent_pairs_per_s`: pairs drawn at random, each priced with both of its stages; what they share are values of
columns, and a quarter of the decode designs, as there are few more than pairs. Beside them, in the same run and on the same core, a fixed kernel of NumPy operations, and the evaluations a second of chipleap's own
exploration of Llama-3.2-1B decode, if its package can be installed.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import bench_record
from cost_models.evaluate import CHUNK_POINTS, Context, evaluate_batch, evaluate_product
from dse.space import DesignSpace, design_space
from spec.catalog import load_device, load_model
from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

OUTPUT = Path("build/bench/models.json")
MODEL, DEVICE = "llama-3.2-1b", "u280"
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
SEED = 20_260_115
DESIGNS = 400_000
BLOCK = 1_500  # stage designs of a block: 2.25 million pairs
RUNS = 5
BAR_DESIGNS_PER_S = 1_000_000
BAR_MEMORY_BYTES = 1_000_000_000
BAR_OVER_PEER = 100
KERNEL_OPERATIONS = 100

PEER = "chipleap==0.3.0"
PEER_FOLDER = Path("build/bench/peer-chipleap-0.3.0")
# Its example is this very workload, decode of Llama-3.2-1B at a context of 1024; explore() prices about 2,150 designs.
PEER_SCRIPT = """
import json, sys, time
from importlib.resources import files
from chipleap.explore import explore
from chipleap.spec import load_spec
spec = load_spec(str(files("chipleap").joinpath("data/example-spec.yaml")))
explore(spec, samples=50)
best = 0.0
for seed in range(3):
    started = time.process_time()
    found = explore(spec, samples=2000, seed=seed)
    best = max(best, found.evaluated / (time.process_time() - started))
print(json.dumps(best))
"""


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


def stage_designs(space: DesignSpace, n: int) -> tuple[PrefillBatch, DecodeBatch]:
    """`n` designs of each stage, drawn evenly."""
    rng = np.random.default_rng(SEED)
    return (
        space.prefill_at(rng.integers(0, space.prefill.size, n)),
        space.decode_at(rng.integers(0, space.decode.size, n)),
    )


def price_all(prefill: PrefillBatch, decode: DecodeBatch, context: Context) -> int:
    """Number of feasible pairs, every pair priced with every metric."""
    return sum(int(np.count_nonzero(costs.feasible)) for _, costs in evaluate_product(prefill, decode, context))


def peak_bytes(work: Callable[[], object]) -> int:
    """Most memory that Python and NumPy held at a time beyond what was there."""
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def peer_designs_per_cpu_s() -> tuple[float | None, str]:
    """chipleap's evaluations a CPU second, measured now on this core, or why there is none."""
    try:
        if not (PEER_FOLDER / "chipleap").is_dir():
            install = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(PEER_FOLDER),
                PEER,
            ]
            subprocess.run(install, check=True, capture_output=True, timeout=300)
        environment = {**os.environ, "PYTHONPATH": str(PEER_FOLDER)}
        ran = subprocess.run(
            [sys.executable, "-c", PEER_SCRIPT],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
            timeout=600,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return None, f"{PEER} could not be run: {type(error).__name__}"
    return float(ran.stdout), f"{PEER}, its example (Llama-3.2-1B decode, context 1024), best of three explorations"


def main() -> None:
    """Measure, print, write."""
    OUTPUT.unlink(missing_ok=True)
    pin_to_one_core()
    load_average = os.getloadavg()  # before the runs, which are a load themselves
    space = design_space(load_model(MODEL), load_device(DEVICE))
    context = Context(space.model, space.device, WORKLOAD, W4A4KV8)

    block = stage_designs(space, BLOCK)
    feasible = price_all(*block, context) / BLOCK**2  # and a warm-up
    cpu_s, wall_s = best(lambda: price_all(*block, context))
    half = (block[0].take(slice(0, BLOCK // 2)), block[1])
    half_cpu_s, _ = best(lambda: price_all(*half, context))
    rate = BLOCK**2 / cpu_s

    pairs = DesignBatch(*stage_designs(space, DESIGNS), W4A4KV8)
    one_set: dict[str, Any] = {"module_set": None}  # one set of modules a stage, as the laws are vectorised
    pairs = replace(
        pairs,
        prefill=replace(pairs.prefill, modules=pairs.prefill.modules[:1], **one_set),
        decode=replace(pairs.decode, modules=pairs.decode.modules[:1], **one_set),
    )
    pairs_cpu_s, _ = best(lambda: evaluate_batch(pairs, context))
    memory = peak_bytes(lambda: price_all(*block, context))
    kernel_points = DESIGNS // CHUNK_POINTS * CHUNK_POINTS
    kernel_cpu_s, _ = best(lambda: yardstick(kernel_points))
    reference = kernel_points / kernel_cpu_s
    peer, peer_note = peer_designs_per_cpu_s()
    record = {
        **bench_record(seed=SEED),
        "load_average": load_average,
        "designs_per_s_one_core": rate,
        "designs_per_s_one_core_wall": BLOCK**2 / wall_s,
        "independent_pairs_per_s": DESIGNS / pairs_cpu_s,
        "time_of_half_the_designs": half_cpu_s / cpu_s,
        "peak_memory_bytes": memory,
        "reference": reference,
        "reference_unit": f"points/s of {KERNEL_OPERATIONS} elementwise float64 NumPy operations",
        "ratio": rate / reference,
        "peer_designs_per_cpu_s": peer,
        "peer": peer_note,
        "over_peer": None if peer is None else rate / peer,
        "independent_pairs_over_peer": None if peer is None else DESIGNS / pairs_cpu_s / peer,
        "bar_designs_per_s": BAR_DESIGNS_PER_S,
        "bar_memory_bytes": BAR_MEMORY_BYTES,
        "bar_over_peer": BAR_OVER_PEER,
        "model": MODEL,
        "device": DEVICE,
        "workload": WORKLOAD.model_dump(),
        "space_size": space.size,
        "stage_designs": BLOCK,
        "designs": BLOCK**2,
        "independent_pairs": DESIGNS,
        "runs": RUNS,
        "feasible_fraction": feasible,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def verdict(reached: bool) -> str:
        return "reached" if reached else "MISSED"

    print(f"{rate:,.0f} joint designs/s on one core (CPU time, best of {RUNS}; {BLOCK**2 / wall_s:,.0f} by the clock)")
    print(f"bar {BAR_DESIGNS_PER_S:,}: {verdict(rate >= BAR_DESIGNS_PER_S)}; {BLOCK:,} x {BLOCK:,} stage designs")
    print(f"{DESIGNS / pairs_cpu_s:,.0f} pairs/s drawn at random, both stages of each priced")
    print(f"peak memory {memory / 1e6:,.0f} MB, bar 1,000 MB: {verdict(memory < BAR_MEMORY_BYTES)}")
    print(f"half the prefill designs take {half_cpu_s / cpu_s:.2f} of the time")
    if peer is None:
        print(f"no peer: {peer_note}")
    else:
        print(f"{peer:,.0f} designs/CPU-s of {peer_note}: {rate / peer:,.0f} times as fast, pairs "
              f"{DESIGNS / pairs_cpu_s / peer:,.0f}; bar {BAR_OVER_PEER}: {verdict(rate / peer >= BAR_OVER_PEER)}")  # fmt: skip
    print(f"load average {load_average[0]:.2f}; written to {OUTPUT}")


if __name__ == "__main__":
    main()
