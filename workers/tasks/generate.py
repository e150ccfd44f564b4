"""One project: from a design to the zip file of its sources."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hls_gen.project import generate_project
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.workload import Workload
from workers.tasks.project_files import pack
from workers.tasks.tool_log import log_file, tool_log


def run(job_input: dict[str, Any], report: Callable[[Any], None]) -> dict[str, Any]:
    """The manifest of the project; its files are `project.zip` in the folder of the job.

    Raises:
        FlexDSEError: the design cannot be built; the job then fails with that as its cause.
    """
    folder = Path(job_input["folder"])
    report({"phase": "generate"})
    project = generate_project(
        DesignPoint.model_validate(job_input["design"]),
        ModelConfig.model_validate(job_input["model"]),
        Device.model_validate(job_input["device"]),
        Workload.model_validate(job_input["workload"]),
        folder / "project",
        seed=job_input["seed"],
        on_log=tool_log,
    )
    report({"phase": "pack"})
    tool_log("packing project.zip")
    log_file(pack(project, folder / "project.zip"))
    manifest = (project / "manifest.json").read_bytes()
    return {
        "manifest": json.loads(manifest),
        "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
        "files": [{"path": "project.zip", "media_type": "application/zip"}],
    }
