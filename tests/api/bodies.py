"""Bodies of jobs for the tests of the interface: quick, and with every kind of file that a real one leaves."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from spec.errors import InputError
from spec.versions import MODEL_VERSION
from tests.workers import bodies

EVALUATIONS = 1000
# What a report that is attached to the project takes from it.
MANIFEST = {"schema": "flexdse/manifest/v1", "model_version": MODEL_VERSION, "timing_table_version": "2"}
PROJECT_FILES = {"README.md": "# A project\n", "src/top.cpp": "int main() { return 0; }\n", "manifest.json": "{}\n"}

Report = Callable[[Any], None]


def evaluation_columns() -> dict[str, list[Any]]:
    """What the search of these tests priced."""
    rows = range(EVALUATIONS)
    return {
        "prefill.token_parallelism": [1 + row % 64 for row in rows],
        "ttft_s": [1.0 + row / EVALUATIONS for row in rows],
        "tpot_s": [0.01 - row / 1e6 for row in rows],
        "feasible": [row % 3 > 0 for row in rows],
        "violated": [
            None if row % 3 > 0 else ("hbm_capacity" if row < EVALUATIONS // 2 else "lut_utilization") for row in rows
        ],
    }


def evaluations_table() -> pa.Table:
    """The same as the worker publishes it."""
    table = pa.table(evaluation_columns())
    names = table.column("violated").dictionary_encode()
    return table.set_column(4, "violated", names).replace_schema_metadata({"rows_are": "sampled"})


def explore(job_input: dict[str, Any], report: Report) -> dict[str, Any]:
    """As `tests.workers.bodies:timed`, with the file of evaluations."""
    sys.stdout.write("exploring\n")
    result = bodies.timed(job_input, report)
    parquet.write_table(evaluations_table(), Path(job_input["folder"]) / "evaluations.parquet", row_group_size=300)
    return {**result, "files": [{"path": "evaluations.parquet", "media_type": "application/vnd.apache.parquet"}]}


def generate(job_input: dict[str, Any], report: Report) -> dict[str, Any]:
    """A project of three files; it fails where its seed says so."""
    sys.stdout.write("generating\n")
    if job_input["seed"] == 13:
        raise InputError("this one cannot be built", field="seed", value=13, rule="any other")
    report({"phase": "generate"})
    with zipfile.ZipFile(Path(job_input["folder"]) / "project.zip", "w") as archive:
        for name, text in PROJECT_FILES.items():
            archive.writestr(name, text)
    return {
        "manifest": MANIFEST,
        "manifest_sha256": "0" * 64,
        "files": [{"path": "project.zip", "media_type": "application/zip"}],
    }


def csim(job_input: dict[str, Any], report: Report) -> dict[str, Any]:
    """A simulation that is content."""
    for line in ("compiling", "csim: PASS (bit-exact, 7 values)"):
        sys.stdout.write(f"{line}\n")
    report({"phase": "run"})
    return {"passed": True, "reports": [{"step": "csim", "document": {"passed": True, "values": 7}}]}
