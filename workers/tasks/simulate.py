"""One timed simulation of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hls_gen.simulate.project import simulate_project
from spec.errors import UnknownNameError
from workers.tasks.project_files import pack, unpack
from workers.tasks.tool_log import tool_log

_OPTIONS = (
    "prompt_tokens",
    "position",
    "layers",
    "stages",
    "unbounded",
    "minimize_depths",
    "depths",
    "pipeline_style",
    "with_values",
    "timeout_s",
)


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The report of the simulation; a deadlock is a result too (`passed` false).

    Raises:
        FlexDSEError: bad options, or it could not be compiled or run; the job then fails with that as its cause.
    """
    options = dict(job_input["options"])
    for name in options:
        if name not in _OPTIONS:
            raise UnknownNameError("option", name, _OPTIONS, field="options")
    folder = Path(job_input["folder"])
    project = unpack(folder / "project.zip", folder / "project")
    report({"phase": "simulate"})
    simulated = simulate_project(project, **options, on_log=tool_log)
    pack(project, folder / "reports.zip", (project / "reports").rglob("*"))
    return {
        "passed": simulated.passed,
        "reports": [{"step": "simulate", "document": simulated.model_dump(mode="json", by_alias=True)}],
        "files": [{"path": "reports.zip", "media_type": "application/zip"}],
    }
