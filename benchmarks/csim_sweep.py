"""Random legal designs through generation and C simulation: `make csim-sweep`, written to build/bench/csim_sweep.json.

Both stages of each; odd dimensions, biases, QK-norm, and Llama-3.2-1B's widths on one layer in every tenth design.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import bench_record
from hls_gen.lint import lint_project
from hls_gen.project import generate_project
from hls_gen.random_designs import random_project, sweep_models
from hls_gen.toolchain.csim import run_csim
from spec.catalog import load_device
from spec.errors import FlexDSEError
from spec.workload import Workload


def main() -> None:
    """Write build/bench/csim_sweep.json; exit code 1 where a design fails."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--designs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    record = bench_record(seed=arguments.seed)
    device = load_device("u280")
    models = sweep_models()
    folder = Path("build/csim-sweep")
    rows: list[dict[str, Any]] = []
    for number in range(arguments.designs):
        model = models[number % len(models)]
        drawn = random_project(np.random.default_rng([arguments.seed, number]), model, device, number)
        project = folder / str(number)
        workload = Workload(prompt_tokens=16, output_tokens=4)
        generate_project(drawn.design, model, device, workload, project, force=True, seed=number)
        row: dict[str, Any] = {
            "design": drawn.design.canonical_key(),
            "model": model.name,
            "scheme": drawn.design.quant_scheme.model_dump(mode="json"),
            "lint": [str(finding) for finding in lint_project(project)],
        }
        try:
            report = run_csim(project)
        except FlexDSEError as error:  # a failure of this design: the others still run, and the sweep fails at its end
            row |= {"passed": False, "error": str(error), "compared_values": None, "seconds": None}
            line = f"csim: FAIL ({error.args[0]})"
        else:
            row |= {"passed": report.passed, "compared_values": report.compared_values, "seconds": report.seconds}
            line = report.summary_line()
        rows.append(row)
        print(number, model.name, line, f"lint: {len(row['lint'])} finding(s)", flush=True)
        if row["passed"]:
            shutil.rmtree(project)  # a failed one stays to be looked at
    good = sum(row["passed"] and not row["lint"] for row in rows)
    document = {**record, "designs": rows, "reference": len(rows), "ratio": good / len(rows)}
    target = Path("build/bench/csim_sweep.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1) + "\n")
    if good < len(rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
