"""Types and unit tests of the TypeScript, and the client that is generated from the OpenAPI document."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

DASHBOARD = Path(__file__).parents[2] / "dashboard"

pytestmark = pytest.mark.needs_program("node")

Run = Callable[..., str]


@pytest.fixture
def run(node_modules: Path, require_program: Callable[[str], Path]) -> Run:
    """Runs a tool of the dashboard, and returns what it printed."""
    node = require_program("node")

    def run_tool(tool: str, *arguments: str) -> str:
        finished = subprocess.run(
            [node, node_modules / tool, *arguments],
            cwd=DASHBOARD,
            env={**os.environ, "NO_COLOR": "1", "CI": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        output = finished.stdout + finished.stderr
        assert finished.returncode == 0, output
        return output

    return run_tool


def test_unit_tests_pass(run: Run) -> None:
    assert " passed" in run("vitest/vitest.mjs", "run", "--reporter=dot")


def test_types_hold(run: Run) -> None:
    run("typescript/bin/tsc", "--noEmit")


def test_committed_types_are_generated_from_the_openapi_document(run: Run, tmp_path: Path) -> None:
    generated = tmp_path / "schema.d.ts"
    run("openapi-typescript/bin/cli.js", "openapi.json", "--output", str(generated), "--alphabetize")
    assert generated.read_text() == (DASHBOARD / "src" / "client" / "schema.d.ts").read_text()
