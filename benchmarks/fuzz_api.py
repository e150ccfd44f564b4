"""Schemathesis over a running service: every operation of the contract, wrong and right, until it has tried enough; once on
SQLite, once on PostgreSQL.

    make fuzz-api

Fails on an answer of 500 and above, on a status, media type or document that the contract does not name. Event streams
are left out: they do not end. What is submitted ends at once, so the machine is not kept busy by searches.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks.record import bench_record
from db.settings import DATABASE_VARIABLE
from flexdse.serve import Address, start_background
from spec.errors import InputError
from tests.servers import postgres_server

TARGET = Path("build/bench/fuzz_api.json")
SEED = 20_261_122
CASES = 2_000
EXAMPLES = 15
PHASES = "examples,coverage,fuzzing,stateful"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
NOT_TRIED = "^watch_"
BODIES = dict.fromkeys(("explore", "generate", "csim", "simulate", "synthesize"), "benchmarks.fuzz_api:nothing")


def nothing(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The body of every job here."""
    raise InputError("jobs of this service do nothing", field="job", rule="it is there to be asked wrong things")


def run(address: Address, *, examples: int, seed: int, phases: str = PHASES) -> tuple[int, int, str]:
    """(exit code, cases, output) of one run."""
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        f"{address.url}/api/v1/openapi.json",
        *("--url", address.url),
        *("--phases", phases),
        *("--checks", ",".join(CHECKS)),
        *("--max-examples", str(examples)),
        *("--seed", str(seed)),
        *("--exclude-operation-id-regex", NOT_TRIED),
        *("--request-timeout", "60"),
        *("--generation-database", "none"),
        *("--suppress-health-check", "too_slow"),  # how long it takes to make a case up says nothing of the service
        "--no-color",
    ]
    for name, value in address.headers.items():
        command += ["-H", f"{name}: {value}"]
    httpx.get(f"{address.url}/api/v1/openapi.json", timeout=120).raise_for_status()  # made at its first use
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as folder:  # it leaves files where it runs
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    output = done.stdout + done.stderr
    found = re.search(r"(\d[\d,]*) generated", output)
    return done.returncode, int(found.group(1).replace(",", "")) if found else 0, output


def fuzz(environment: Mapping[str, str]) -> dict[str, Any]:
    """Runs on a service with that environment until there were enough cases, or one fails."""
    cases = 0
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="flexdse-fuzz-") as folder:
        home = Path(folder) / "home"
        with start_background(
            home=home, port=0, bodies=BODIES, log=Path(folder) / "log", environment=environment
        ) as service:
            while cases < CASES:
                seed = SEED + len(runs)
                code, tried, output = run(service.address, examples=EXAMPLES, seed=seed)
                runs.append({"seed": seed, "cases": tried, "failed": code != 0})
                cases += tried
                sys.stdout.write(output)
                if code or not tried:
                    break
    return {"cases": cases, "runs": runs, "passed": cases >= CASES and not any(one["failed"] for one in runs)}


def main() -> int:
    """On both databases; the exit code of the process."""
    record = bench_record(seed=SEED)
    found = {**record, "cases_wanted": CASES, "checks": CHECKS, "phases": PHASES, "sqlite": fuzz({})}
    with postgres_server() as server, server.new_database() as url:
        found["postgresql"] = fuzz({DATABASE_VARIABLE: url})
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if found["sqlite"]["passed"] and found["postgresql"]["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
