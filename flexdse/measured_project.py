"""The design of a project in a folder, and what the models say of it."""

from __future__ import annotations

from pathlib import Path

from cost_models.measured import MeasuredProject
from hls_gen.manifest import MANIFEST_NAME, load_manifest
from hls_gen.toolchain.vitis.records import file_hash
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.strict import validate
from spec.workload import Workload


def project_sha256(project: Path) -> str:
    """Hash of a project: of its manifest, which holds that of each file."""
    return file_hash(project / MANIFEST_NAME)


def project_inputs(folder: Path) -> tuple[DesignPoint, ModelConfig, Device, Workload]:
    """What a project was generated from.

    Raises:
        ProjectDamagedError: not a project.
    """
    inputs = load_manifest(folder).inputs
    return (
        validate(DesignPoint, inputs.design),
        validate(ModelConfig, inputs.model),
        validate(Device, inputs.device),
        inputs.workload,
    )


def project_of(folder: Path) -> MeasuredProject:
    """The design of a project as it was built, and the models that price it. Raises as `project_inputs`."""
    return MeasuredProject(*project_inputs(folder), project_sha256(folder))
