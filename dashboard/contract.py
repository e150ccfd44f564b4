"""Write what the page is generated from: the server's OpenAPI document and the registry of metrics and defaults.

.venv/bin/python dashboard/contract.py && npm --prefix dashboard run client
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

from spec.errors import FlexDSEError
from spec.exploration import ExplorationRequest
from spec.metrics import DEFAULT_OBJECTIVES, MAX_OBJECTIVES, METRICS, check_objectives

DASHBOARD = Path(__file__).parent


def openapi_text() -> str:
    """What `python -m api.openapi` prints."""
    command = [sys.executable, "-m", "api.openapi"]
    return subprocess.run(command, cwd=DASHBOARD.parent, capture_output=True, text=True, check=True).stdout


def registry_text() -> str:
    """The metrics, which of them cannot be objectives yet, and what a search takes where nothing is said."""

    def can_be_objective(name: str) -> bool:
        try:
            return check_objectives((name,)) == (name,)
        except FlexDSEError:
            return False

    registry = {
        "metrics": [dataclasses.asdict(metric) for metric in METRICS.values()],
        "default_objectives": DEFAULT_OBJECTIVES,
        "max_objectives": MAX_OBJECTIVES,
        "default_budget": ExplorationRequest.model_fields["budget"].default,
        "not_modelled": [name for name in METRICS if not can_be_objective(name)],
    }
    return json.dumps(registry, indent=2) + "\n"


FILES = {DASHBOARD / "openapi.json": openapi_text, DASHBOARD / "src" / "client" / "registry.json": registry_text}

if __name__ == "__main__":
    for path, text in FILES.items():
        path.write_text(text())
