"""One synthesis of a project by the tools of the vendor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project
from spec.errors import InputError, UnknownNameError
from workers.tasks.project_files import pack, unpack
from workers.tasks.tool_log import tool_log

_BACKENDS = ("auto", "vitis")
_OPTIONS = ("steps", "part", "clock_mhz", "timeout_s", "memory_limit_bytes")


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The reports of all steps.

    Raises:
        FlexDSEError: bad options, no tool, or a step that failed; the job then fails with that as its cause.
    """
    options = _options(job_input["options"])
    folder = Path(job_input["folder"])
    project = unpack(folder / "project.zip", folder / "project")
    report({"phase": "synthesize"})
    reports = synthesize_project(project, options, on_log=tool_log)
    pack(project, folder / "reports.zip", (project / "reports").rglob("*"))
    return {
        "passed": all(each.passed for each in reports),
        "reports": [{"step": each.step, "document": each.model_dump(mode="json", by_alias=True)} for each in reports],
        "files": [{"path": "reports.zip", "media_type": "application/zip"}],
    }


def _options(given: dict[str, Any]) -> SynthesisOptions:
    known = dict(given)
    backend = known.pop("backend", "auto")
    if backend not in _BACKENDS:
        raise UnknownNameError("backend", backend, _BACKENDS, field="options.backend")
    for name in known:
        if name not in _OPTIONS:
            raise UnknownNameError("option", name, _OPTIONS, field="options")
    if "steps" in known:
        if not isinstance(known["steps"], list):
            raise InputError("not a list", field="options.steps", value=known["steps"], rule="a list of steps")
        known["steps"] = tuple(known["steps"])
    return SynthesisOptions(**known)
