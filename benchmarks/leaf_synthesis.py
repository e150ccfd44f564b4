"""Leaf RTL and open synthesis: `make bench-leaf-synthesis`, written to build/bench/leaf-synthesis.json.

Every leaf against the C++ library; a catalog design cold and warm; random projects and the catalog's kernels against the cost
models: DSP slices and memories by rule, LUT and FF inside the range or not. `ratio`: of the figures that meet their bar.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.page_section import put_section
from benchmarks.record import bench_record
from cost_models.report import evaluate_point
from dse.region_shares import region_shares
from flexdse.commands.synthesize import OPEN_HEADER, models_line, open_rows
from flexdse.console import table
from flexdse.measured_project import project_inputs, project_of
from hls_gen.project import generate_project
from hls_gen.random_designs import random_project, sweep_models
from hls_gen.toolchain.open.cache import ResultCache
from hls_gen.toolchain.open.leaf_check import CHECKED_LEAVES, check_leaves
from hls_gen.toolchain.open.mapping import leaf_row, map_leaves, yosys_version
from hls_gen.toolchain.open.synthesize import OpenSynthesisOptions, synthesize_open
from hls_gen.toolchain.open.verilator import find_verilator
from spec.built_design import as_built
from spec.catalog import load_design, load_device, load_model, names
from spec.synthesis_report import SynthesisReport, SynthesisStepReport
from spec.workload import Workload

BAR_FRACTION = 0.03  # DSP slices and memories of the cost models
WARM_BAR_S, COLD_BAR_S = 5.0, 300.0
EXACT = ("dsp", "bram_18k", "uram")
PAGE, SAMPLE_SECTION = Path("docs/open_synthesis.md"), "open-synthesis-sample"
MODELS_SECTION = "open-synthesis-models"
SAMPLE_UNITS = ("lane_unit", "rope", "swiglu", "fifos", "axi_adapters")


def _rows(report: SynthesisReport, analytical: Any) -> Iterator[dict[str, Any]]:
    least, most = report.resources_at_least, report.resources
    assert least is not None
    assert most is not None
    for name in ("lut", "ff", *EXACT):
        low, high, model = getattr(least, name), getattr(most, name), getattr(analytical, name)
        row = {"resource": name, "least": low, "most": high, "analytical": model}
        if name in EXACT:
            error = 0.0 if model == high else abs(model - high) / high if high else float("inf")
            yield row | {
                "error_fraction": None if error == float("inf") else error,
                "equal": model == high,
                "met": error <= BAR_FRACTION,
            }
        else:
            place = (model - low) / (high - low) if high > low else None
            yield row | {"error_fraction": None, "place_in_range": place, "met": low <= model <= high}


def _random_projects(count: int, seed: int, cache: Path) -> list[dict[str, Any]]:
    device, models, workload = load_device("u280"), sweep_models(), Workload(prompt_tokens=16, output_tokens=4)
    folder = Path("build/leaf-synthesis")
    found = []
    for number in range(count):
        model = models[number % len(models)]
        drawn = random_project(np.random.default_rng([seed, number]), model, device, number)
        project = folder / str(number)
        generate_project(drawn.design, model, device, workload, project, force=True, seed=number)
        report = synthesize_open(project, OpenSynthesisOptions(cache))
        analytical = evaluate_point(as_built(drawn.design), model, device, workload)
        for kernel in report.kernels:
            rows = list(_rows(kernel.reports[0], getattr(analytical, kernel.stage).resources))
            found.append({"number": number, "model": model.name, "stage": kernel.stage, "resources": rows})
            print(number, model.name, kernel.stage,
                  *(f"{r['resource']} {r['analytical']:.0f} of {r['least']}..{r['most']}{'' if r['met'] else ' !'}" for r in rows),
                  flush=True)  # fmt: skip
        shutil.rmtree(project)
    return found


def _catalog_kernels(cache: Path) -> list[dict[str, Any]]:
    model, workload = load_model("llama-3.2-1b"), Workload(prompt_tokens=1024, output_tokens=1024)
    folder, found = Path("build/leaf-synthesis/catalog"), []
    for name in names("designs"):
        design, device = load_design(name), load_device(name.split("-")[1])
        if design.hmt is not None:  # the generator has no template of the plug-in
            continue
        generate_project(design, model, device, workload, folder, force=True)
        analytical = evaluate_point(as_built(design), model, device, workload)
        for kernel in synthesize_open(folder, OpenSynthesisOptions(cache)).kernels:
            rows = list(_rows(kernel.reports[0], getattr(analytical, kernel.stage).resources))
            found.append({"design": name, "stage": kernel.stage, "resources": rows})
            print(
                name, kernel.stage, *(f"{r['resource']} {r['met']} {r.get('place_in_range')}" for r in rows), flush=True
            )
        shutil.rmtree(folder)
    return found


def models_section(random: list[dict[str, Any]], catalog: list[dict[str, Any]]) -> str:
    """How the cost models stand to both sets of kernels: rows of the page."""
    lines = ["| cost models (`array`) | DSP equal | BRAM18 equal | URAM equal | LUT in range | at | FF in range | at |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for title, kernels in (("random projects, fp32 and bf16", random), ("catalog designs", catalog)):
        cells = [f"{len(kernels)} kernels: {title}"]
        for name in (*EXACT, "lut", "ff"):
            rows = [row for kernel in kernels for row in kernel["resources"] if row["resource"] == name]
            cells.append(str(sum(row["equal" if name in EXACT else "met"] for row in rows)))
            places = [row["place_in_range"] for row in rows if row.get("place_in_range") is not None]
            if places:
                cells.append(f"{100 * min(places):.0f} .. {100 * max(places):.0f} %")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _quartiles(places: list[float | None]) -> list[float] | None:
    known = [place for place in places if place is not None]
    return [float(value) for value in np.quantile(known, (0.25, 0.5, 0.75))] if known else None


def sample(report: SynthesisStepReport, project: Path) -> str:
    """What the two commands print of decode, shortened: the sample of docs/open_synthesis.md."""
    kernel = next(kernel for kernel in report.kernels if kernel.stage == "decode")
    priced = project_of(project).resources("decode")
    rows = open_rows(kernel.reports[0])
    units = len(kernel.reports[0].modules)
    shown = [row for row in rows[:units] if row[0] in SAMPLE_UNITS] + [["..."] + [""] * 6] + rows[units:]
    lines = [
        "```",
        "$ flexdse generate --design flexllm-u280 --model llama-3.2-1b --device u280 --out project",
        "$ flexdse synthesize project --backend open            # --json; --cache DIR; default FLEXDSE_HOME/synthesis",
        f"decode on {report.part}, open_synthesis (Yosys {report.tool_version})",
        table(shown, OPEN_HEADER),
        models_line(priced),
        "```",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Write build/bench/leaf-synthesis.json; exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--projects", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    record = bench_record(seed=arguments.seed)
    cache = Path("build/leaf-synthesis/leaves")
    shutil.rmtree(cache, ignore_errors=True)

    checks = check_leaves(
        CHECKED_LEAVES, arguments.vectors, Path("build/leaf-synthesis/programs"), seed=arguments.seed + 1
    )
    for check in checks:
        print("equal" if check.passed else "DIFFERENT", check.leaf.title, check.vectors, "vectors", flush=True)

    device, model = load_device("u280"), load_model("llama-3.2-1b")
    project = Path("build/leaf-synthesis/flexllm-u280")
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    generate_project(load_design("flexllm-u280"), model, device, workload, project, force=True)
    seconds = []
    for _ in range(2):
        started = time.monotonic()
        options = OpenSynthesisOptions(cache, region_shares=region_shares(*project_inputs(project)))
        report = synthesize_open(project, options)
        seconds.append(time.monotonic() - started)
    put_section(PAGE, SAMPLE_SECTION, sample(report, project))
    print(f"flexllm-u280: cold {seconds[0]:.1f} s, warm {seconds[1]:.1f} s", flush=True)

    compared, catalog = _random_projects(arguments.projects, arguments.seed, cache), _catalog_kernels(cache)
    put_section(PAGE, MODELS_SECTION, models_section(compared, catalog))
    mapped = map_leaves(CHECKED_LEAVES, ResultCache(cache))
    verdicts = [check.passed for check in checks]
    verdicts += [seconds[0] < COLD_BAR_S, seconds[1] < WARM_BAR_S]
    verdicts += [row["met"] for stage in [*compared, *catalog] for row in stage["resources"]]
    summary = {
        name: {
            "stages": len(compared),
            "met": sum(row["met"] for stage in compared for row in stage["resources"] if row["resource"] == name),
            "equal": sum(row["equal"] for stage in compared for row in stage["resources"] if row["resource"] == name)
            if name in EXACT
            else None,
            "place_in_range_quartiles": _quartiles(
                [
                    row.get("place_in_range")
                    for stage in compared
                    for row in stage["resources"]
                    if row["resource"] == name
                ]
            ),
        }
        for name in ("lut", "ff", *EXACT)
    }
    document = {
        **record,
        "verilator": find_verilator().version,
        "yosys": yosys_version(),
        "cold_s": seconds[0],
        "warm_s": seconds[1],
        "leaves": [
            {
                **leaf_row(check.leaf, mapped.counts[check.leaf]),
                "vectors": check.vectors,
                "values": check.values,
                "differing": check.differing,
                "latency_cycles": check.measured_latency_cycles,
                "passed": check.passed,
            }
            for check in checks
        ],
        "random_projects": compared,
        "catalog": catalog,
        "summary": summary,
        "reference": len(verdicts),
        "ratio": sum(verdicts) / len(verdicts),
    }
    target = Path("build/bench/leaf-synthesis.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(summary))
    if not all(verdicts):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
