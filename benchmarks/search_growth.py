"""Growth of the exact enumeration: time a design and peak memory to 10^8 designs: `make bench-search_growth`.

Writes build/bench/search_growth.json and a plot beside it; exit code 1 where one of the two is not constant.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import bench_record
from cost_models.evaluate import summarise_decode
from dse.distinct import MAX_REMEMBERED
from dse.exact import BLOCK_DESIGNS
from dse.explore import search_arms
from dse.objectives import Goals
from dse.reserve import MAX_RESERVE_BYTES
from dse.stage_front import StageFront
from spec.catalog import load_device, load_model
from spec.exploration import ExplorationRequest
from spec.metrics import DEFAULT_OBJECTIVES
from spec.space_overrides import SpaceOverrides
from spec.workload import Workload

FOLDER = Path("build/bench")
# Stage designs priced one after the other, tenfold each time; the default space of a stage is some 10^7.
GROWTH_DESIGNS = (10**5, 10**6, 10**7, 10**8)
# Constant time a design and flat memory, as far as a machine repeats itself.
MAX_TIME_GROWTH, MAX_MEMORY_GROWTH = 1.25, 1.5


def growth() -> dict[str, Any]:
    """Time a design and memory of the exact enumeration against the number of designs, each size in a process of its own:
    only there is the peak of memory that of the size alone.
    """
    points = []
    for designs in GROWTH_DESIGNS:
        command = [sys.executable, "-m", "benchmarks.search_growth", "--enumerate", str(designs)]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        print(f"growth {designs:,}: {found['seconds_per_design'] * 1e6:.2f} us a design, "
              f"{found['peak_memory_bytes'] / 1e6:.0f} MB", file=sys.stderr)  # fmt: skip
        points.append(found)
    times = [point["seconds_per_design"] for point in points]
    memory = [point["peak_memory_bytes"] for point in points]
    return {
        "points": points,
        "time_per_design_last_to_first_million": times[-1] / times[1],
        "memory_last_to_ten_million": memory[-1] / memory[-2],
        "peak_memory_bytes": max(memory),
        # What grows at first, and where it ends: hashes of distinct designs, and what the stage front has dropped.
        "memory_bound_bytes": memory[0] + 2 * MAX_REMEMBERED * np.dtype(np.uint64).itemsize + MAX_RESERVE_BYTES,
    }


def enumerate_designs(designs: int) -> dict[str, Any]:
    """Enumerate so many legal decode designs of Llama-3.2-1B on the U280 (block by block into the stage front), of a space
    with all legal vector lanes, clock targets in steps of 1 MHz.
    """
    model, device = load_model("llama-3.2-1b"), load_device("u280")
    overrides = SpaceOverrides(
        extend={
            "decode.clock_mhz": tuple(range(150, 300)),
            "decode.vector_parallelism": tuple(v for v in range(1, 129) if model.hidden_dim % (4 * v) == 0),
        }
    )
    request = ExplorationRequest(
        model=model, device=device, workload=Workload(prompt_tokens=1024, output_tokens=1024),
        objectives=DEFAULT_OBJECTIVES, space=overrides,
    )  # fmt: skip
    goals, (arm,) = Goals.of_request(request), search_arms(request)
    nothing = np.zeros(0, dtype=np.int64)
    front = StageFront.empty("decode", arm, goals.drivers("decode", arm.context.system), nothing)
    if front.legal < designs:
        raise SystemExit(f"the space has {front.legal:,} decode designs")
    # Scattered evenly over the space, so that every size sees the same mixture of designs.
    step = front.legal // designs
    started = time.perf_counter()
    for start in range(0, designs, BLOCK_DESIGNS):
        index = np.arange(start, min(start + BLOCK_DESIGNS, designs), dtype=np.int64) * step
        front.absorb(index, summarise_decode(arm.space.decode_at(index), arm.context))
    seconds = time.perf_counter() - started
    return {
        "designs": designs,
        "seconds": seconds,
        "seconds_per_design": seconds / designs,
        "front_size": len(front.index),
        "distinct": front.counter.count,
        "distinct_is_exact": front.counter.exact,
        "peak_memory_bytes": _peak_memory_bytes(),
    }


def _peak_memory_bytes() -> int:
    """Of this process alone: `ru_maxrss` would count what the parent had when it started us."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


def plot_growth(found: dict[str, Any], folder: Path) -> None:
    """Microseconds a design and peak memory against the number of designs."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    designs = [point["designs"] for point in found["points"]]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(7.2, 3.0), layout="constrained")
    left.plot(designs, [point["seconds_per_design"] * 1e6 for point in found["points"]], "o-", color="#0072b2")
    right.plot(designs, [point["peak_memory_bytes"] / 1e6 for point in found["points"]], "s-", color="#d55e00")
    for axes, label in ((left, "microseconds a design"), (right, "peak memory, MB")):
        axes.set(xscale="log", xlabel="designs enumerated", ylabel=label, ylim=(0, None))
        axes.grid(alpha=0.25)
    for ending in ("svg", "png"):
        figure.savefig(folder / f"search_growth.{ending}", dpi=150)
    pyplot.close(figure)


def main() -> int:
    found = growth()
    document = {
        **bench_record(seed=0), **found,
        "reference": {"what": "10^6 designs", "seconds_per_design": found["points"][1]["seconds_per_design"]},
        "ratio": found["time_per_design_last_to_first_million"],
    }  # fmt: skip
    FOLDER.mkdir(parents=True, exist_ok=True)
    missed = []
    if document["ratio"] > MAX_TIME_GROWTH:
        missed.append(f"10^8 designs take {document['ratio']:.2f} times as long a design as 10^6")
    if document["memory_last_to_ten_million"] > MAX_MEMORY_GROWTH:
        missed.append(f"10^8 designs take {document['memory_last_to_ten_million']:.2f} times the memory of 10^7")
    if document["peak_memory_bytes"] > document["memory_bound_bytes"]:
        missed.append(
            f"{document['peak_memory_bytes']:,} bytes at the peak, {document['memory_bound_bytes']:,} is the bound"
        )
    document["bars"] = {"met": not missed, "missed": missed}
    (FOLDER / "search_growth.json").write_text(json.dumps(document, indent=1) + "\n")
    plot_growth(found, FOLDER)
    print(json.dumps(document, indent=1))
    return 0 if not missed else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--enumerate"]:
        print(json.dumps(enumerate_designs(int(sys.argv[2]))))
        sys.exit(0)
    sys.exit(main())
