"""The body of the jobs of `benchmarks.chaos`: it keeps a journal that no database has a say on, and leaves a file."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """Takes the seconds that it was told. The name of the exploration holds the orders."""
    orders = json.loads(job_input["request"]["name"])
    token = secrets.token_hex(8)
    _write(orders, "start", token)
    if orders["poison"]:
        os.kill(os.getpid(), signal.SIGKILL)
    steps = max(1, round(orders["seconds"] / 0.05))
    for step in range(steps):
        time.sleep(orders["seconds"] / steps)
        report({"phase": "chaos", "step": step})
    folder = Path(job_input["folder"])
    (folder / "result.json").write_text(json.dumps({"number": orders["number"], "token": token}))
    _write(orders, "end", token)
    return {
        "versions": {"flexdse_version": "0", "model_version": "0", "timing_table_version": "0"},
        "front": [],
        "record": {
            "space_size": 1,
            "evaluations": 1,
            "feasible_evaluations": 0,
            "seconds": orders["seconds"],
            "designs_per_s": 1.0,
            "exact": False,
            "hypervolume": None,
            "exact_hypervolume": None,
            "hypervolume_ratio": None,
            "reference_point": [],
            "ideal_point": [],
        },
        "files": [{"path": "result.json", "media_type": "application/json"}],
    }


def _write(orders: dict[str, Any], what: str, token: str) -> None:
    line = json.dumps({"number": orders["number"], "what": what, "token": token, "pid": os.getpid()})
    descriptor = os.open(orders["journal"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())  # one write: lines of several processes do not mix
    finally:
        os.close(descriptor)
