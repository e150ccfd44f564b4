"""One synthesis of a project: by the tools of the vendor, or in the open."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dse.region_shares import region_shares
from hls_gen.manifest import load_manifest
from hls_gen.toolchain.open.synthesize import OpenSynthesisOptions, synthesize_open
from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project
from hls_gen.toolchain.vitis.find import find_vitis
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError, ToolNotFoundError, UnknownNameError
from spec.model_config import ModelConfig
from spec.strict import validate
from spec.synthesis_report import SynthesisStepReport
from workers.tasks.project_files import pack, unpack
from workers.tasks.tool_log import tool_log

_BACKENDS = ("auto", "vitis", "open")
_VENDOR_OPTIONS = ("steps", "part", "clock_mhz", "timeout_s", "memory_limit_bytes")
_OPEN_OPTIONS = ("timeout_s",)


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The reports of all steps; the open backend has one.

    Raises:
        FlexDSEError: bad options, no tool, or a step that failed; the job then fails with that as its cause.
    """
    options = dict(job_input["options"])
    backend = _backend(options.pop("backend", "auto"))
    folder = Path(job_input["folder"])
    project = unpack(folder / "project.zip", folder / "project")
    report({"phase": "synthesize", "backend": backend})
    reports: tuple[SynthesisStepReport, ...]
    if backend == "open":
        reports = (_open(project, options),)
    else:
        reports = synthesize_project(
            project, replace(_vendor_options(options), shared=_cache() / "vitis"), on_log=tool_log
        )
    pack(project, folder / "reports.zip", (project / "reports").rglob("*"))
    return {
        "passed": all(each.passed for each in reports),
        "reports": [{"step": each.step, "document": each.model_dump(mode="json", by_alias=True)} for each in reports],
        "files": [{"path": "reports.zip", "media_type": "application/zip"}],
    }


def _backend(asked: str) -> str:
    if asked not in _BACKENDS:
        raise UnknownNameError("backend", asked, _BACKENDS, field="options.backend")
    if asked != "auto":
        return asked
    try:
        find_vitis()
    except ToolNotFoundError:
        return "open"
    return "vitis"


def _open(project: Path, options: dict[str, Any]) -> SynthesisStepReport:
    _check_names(options, _OPEN_OPTIONS)
    inputs = load_manifest(project).inputs
    shares = region_shares(
        validate(DesignPoint, inputs.design),
        validate(ModelConfig, inputs.model),
        validate(Device, inputs.device),
        inputs.workload,
    )
    return synthesize_open(project, OpenSynthesisOptions(_cache(), region_shares=shares, **options), on_log=tool_log)


def _cache() -> Path:
    """Results on this host, by content: mapped leaves and steps of the vendor's tools. No job makes one a second time."""
    return Path(os.environ.get("FLEXDSE_HOME") or "~/.local/share/flexdse").expanduser() / "synthesis"


def _check_names(options: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in options:
        if name not in known:
            raise UnknownNameError("option", name, known, field="options")


def _vendor_options(given: dict[str, Any]) -> SynthesisOptions:
    _check_names(given, _VENDOR_OPTIONS)
    known = dict(given)
    if "steps" in known:
        if not isinstance(known["steps"], list):
            raise InputError("not a list", field="options.steps", value=known["steps"], rule="a list of steps")
        known["steps"] = tuple(known["steps"])
    return SynthesisOptions(**known)
