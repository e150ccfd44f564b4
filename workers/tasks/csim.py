"""One C simulation of a project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hls_gen.toolchain.csim import run_csim
from workers.tasks.project_files import pack, unpack
from workers.tasks.tool_log import tool_log


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The report of the simulation; a difference is a result too (`passed` false).

    Raises:
        FlexDSEError: it could not be compiled or run; the job then fails with that as its cause.
    """
    folder = Path(job_input["folder"])
    project = unpack(folder / "project.zip", folder / "project")
    report({"phase": "csim"})
    simulated = run_csim(project, mode=job_input["options"].get("mode", "fast"), on_log=tool_log)
    pack(project, folder / "reports.zip", (project / "reports").rglob("*"))
    return {
        "passed": simulated.passed,
        "reports": [{"step": "csim", "document": simulated.model_dump(mode="json", by_alias=True)}],
        "files": [{"path": "reports.zip", "media_type": "application/zip"}],
    }
