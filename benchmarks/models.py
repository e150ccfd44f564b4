"""Speed of the cost models on one core: `make bench-models` writes build/bench/models.json.

`designs_per_s_one_core`: designs of the default space of Llama-3.2-1B on the U280 that are drawn evenly and independently, each
priced with all laws, constraints and metrics of both of its stages, all with the first set of modules of each stage. What they
share are values of columns, and a part of the decode designs, as there are few more of those than designs here.
`several_module_sets_designs_per_s`: the same with the sets of modules that were drawn, which are priced one after the
other. `product_designs_per_s`: as the exact search prices
them, every prefill design of a block with every decode design, each stage design once. Beside them, in the same run and on the
same core, a fixed kernel of NumPy operations, and the evaluations a second of chipleap's own exploration of Llama-3.2-1B
decode, if its package can be installed. Small batches, as samplers ask for them, are timed too. Exit 1 where a bar is missed.
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
from cost_models.evaluate import CHUNK_POINTS, Context, evaluate_batch, evaluate_chunks, evaluate_product
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
SMALL_BATCHES = (1, 100, 1_000, 10_000)
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


def of_one_set(batch: DesignBatch) -> DesignBatch:
    """The same designs with the first set of modules of each stage."""
    one_set: dict[str, Any] = {"module_set": None}
    return replace(
        batch,
        prefill=replace(batch.prefill, modules=batch.prefill.modules[:1], **one_set),
        decode=replace(batch.decode, modules=batch.decode.modules[:1], **one_set),
    )


def price_in_chunks(designs: DesignBatch, context: Context) -> int:
    """Number of feasible designs, every one priced with every metric; only a chunk of metrics exists at a time."""
    return sum(int(np.count_nonzero(costs.feasible)) for _, costs in evaluate_chunks(designs, context))


def main() -> None:
    """Measure, print, write."""
    OUTPUT.unlink(missing_ok=True)
    pin_to_one_core()
    load_average = os.getloadavg()  # before the runs, which are a load themselves
    space = design_space(load_model(MODEL), load_device(DEVICE))
    context = Context(space.model, space.device, WORKLOAD, W4A4KV8)

    mixed = DesignBatch(*stage_designs(space, DESIGNS), W4A4KV8)
    designs = of_one_set(mixed)
    evaluate_batch(designs, context)  # a warm-up
    cpu_s, wall_s = best(lambda: evaluate_batch(designs, context))
    half_cpu_s, _ = best(lambda: evaluate_batch(designs.take(slice(0, DESIGNS // 2)), context))
    mixed_cpu_s, _ = best(lambda: evaluate_batch(mixed, context))
    rate = DESIGNS / cpu_s
    small = {n: best(lambda n=n: evaluate_batch(designs.take(slice(0, n)), context))[0] for n in SMALL_BATCHES}  # type: ignore[misc]

    block = stage_designs(space, BLOCK)
    feasible = price_all(*block, context) / BLOCK**2
    product_cpu_s, _ = best(lambda: price_all(*block, context))
    many = DesignBatch(*stage_designs(space, 4 * DESIGNS), W4A4KV8)
    memory = {
        "evaluate_batch": peak_bytes(lambda: evaluate_batch(designs, context)),
        "evaluate_chunks": peak_bytes(lambda: price_in_chunks(designs, context)),
        "evaluate_chunks_four_times_the_designs": peak_bytes(lambda: price_in_chunks(many, context)),
    }
    peak = max(memory.values())
    kernel_points = DESIGNS // CHUNK_POINTS * CHUNK_POINTS
    kernel_cpu_s, _ = best(lambda: yardstick(kernel_points))
    reference = kernel_points / kernel_cpu_s
    peer, peer_note = peer_designs_per_cpu_s()
    reached = {
        "designs_per_s": rate >= BAR_DESIGNS_PER_S,
        "memory": peak < BAR_MEMORY_BYTES,
        "over_peer": peer is None or rate / peer >= BAR_OVER_PEER,
    }
    record = {
        **bench_record(seed=SEED),
        "load_average": load_average,
        "designs_per_s_one_core": rate,
        "designs_per_s_one_core_wall": DESIGNS / wall_s,
        "several_module_sets_designs_per_s": DESIGNS / mixed_cpu_s,
        "product_designs_per_s": BLOCK**2 / product_cpu_s,
        "small_batches_ms": {str(n): 1000 * seconds for n, seconds in small.items()},
        "time_of_half_the_designs": half_cpu_s / cpu_s,
        "peak_memory_bytes": peak,
        "peak_memory_bytes_of": memory,
        "reference": reference,
        "reference_unit": f"points/s of {KERNEL_OPERATIONS} elementwise float64 NumPy operations",
        "ratio": rate / reference,
        "peer_designs_per_cpu_s": peer,
        "peer": peer_note,
        "over_peer": None if peer is None else rate / peer,
        "bar_designs_per_s": BAR_DESIGNS_PER_S,
        "bar_memory_bytes": BAR_MEMORY_BYTES,
        "bar_over_peer": BAR_OVER_PEER,
        "reached": reached,
        "model": MODEL,
        "device": DEVICE,
        "workload": WORKLOAD.model_dump(),
        "space_size": space.size,
        "designs": DESIGNS,
        "product_stage_designs": BLOCK,
        "runs": RUNS,
        "feasible_fraction": feasible,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def verdict(bar: str) -> str:
        return "reached" if reached[bar] else "MISSED"

    print(f"{rate:,.0f} independent designs/s on one core (CPU time, best of {RUNS}; {DESIGNS / wall_s:,.0f} by the clock), "
          f"bar {BAR_DESIGNS_PER_S:,}: {verdict('designs_per_s')}")  # fmt: skip
    print(f"{DESIGNS / mixed_cpu_s:,.0f} designs/s with the sets of modules of the space, priced one after the other")
    print(f"half of the designs take {half_cpu_s / cpu_s:.2f} of the time")
    print("small batches: " + ", ".join(f"{n:,} in {1000 * seconds:.1f} ms" for n, seconds in small.items()))
    print(
        f"{BLOCK**2 / product_cpu_s:,.0f} designs/s of {BLOCK:,} x {BLOCK:,} stage designs, each stage design priced once"
    )
    print(f"peak memory {peak / 1e6:,.0f} MB, bar 1,000 MB: {verdict('memory')}; in chunks "
          f"{memory['evaluate_chunks'] / 1e6:,.0f} MB, with four times the designs "
          f"{memory['evaluate_chunks_four_times_the_designs'] / 1e6:,.0f} MB")  # fmt: skip
    if peer is None:
        print(f"no peer: {peer_note}")
    else:
        print(f"{peer:,.0f} designs/CPU-s of {peer_note}: {rate / peer:,.0f} times as fast; bar {BAR_OVER_PEER}: "
              f"{verdict('over_peer')}")  # fmt: skip
    print(f"load average {load_average[0]:.2f}; written to {OUTPUT}")
    if not all(reached.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
