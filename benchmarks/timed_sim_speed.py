"""How long timed simulation takes for a whole Llama-3.2-1B: `make bench-timed-sim-speed`.

A decode step of all layers at context 1,024 and a prefill block of the catalog design `flexllm-u280`, each from a project that was just
generated: compiling, deriving intervals, running and solving, on one core. Writes build/bench/timed-sim-speed.json; exits with 1 where
a stage takes 60 s of that core or more, or is not simulated.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.record import bench_record
from hls_gen.project import generate_project
from hls_gen.simulate.project import simulate_project
from spec.catalog import load_device, load_model, load_published_design
from spec.workload import STAGES, Stage, Workload

RESULT = Path("build/bench/timed-sim-speed.json")
DESIGN, DEVICE, MODEL = "flexllm-u280", "u280", "llama-3.2-1b"
CONTEXT = 1024
LIMIT_S = 60.0  # of one core, for a stage


def _core_s() -> float:
    """Seconds of a processor that this program and those that it started and waited for have had."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def measured(project: Path, stage: Stage, block_tokens: int) -> dict[str, Any]:
    """Seconds of one core, and on the clock of the wall, for one stage."""
    prompt_tokens = block_tokens + 1 if stage == "prefill" else CONTEXT
    core, wall = _core_s(), time.monotonic()
    found = simulate_project(project, prompt_tokens=prompt_tokens, stages=(stage,)).stage(stage)
    return {
        "tokens": found.tokens if found is not None else None,
        "layers": found.layers if found is not None else None,
        "cycles": found.cycles if found is not None else None,
        "core_s": round(_core_s() - core, 2),
        "wall_s": round(time.monotonic() - wall, 2),
    }


def main() -> int:
    """Generates the project, simulates both stages on one core, writes the record; 1 where one takes too long."""
    RESULT.unlink(missing_ok=True)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    device = load_device(DEVICE)
    design = load_published_design(DESIGN).design
    with tempfile.TemporaryDirectory(prefix="flexdse-timed-sim-speed-") as scratch:
        workload = Workload(prompt_tokens=CONTEXT, output_tokens=CONTEXT)
        project = generate_project(design, load_model(MODEL), device, workload, Path(scratch) / "project", seed=0)
        stages: dict[str, dict[str, Any]] = {
            stage: measured(project, stage, design.prefill.token_parallelism) for stage in STAGES
        }
    slowest = max(one["core_s"] for one in stages.values())
    passed = slowest < LIMIT_S and all(one["cycles"] is not None for one in stages.values())
    record = {
        **bench_record(seed=None),
        "design": DESIGN,
        "reference": f"{LIMIT_S:g} s of one core a stage",
        "ratio": slowest / LIMIT_S,
        **stages,
        "passed": passed,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
