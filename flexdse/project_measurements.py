"""What was measured of a project in a folder: `flexdse calibrate PROJECT`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cost_models.measured import MeasuredProject
from flexdse.attached_reports import attached_reports, project_sha256
from hls_gen.manifest import load_manifest
from spec.calibration import Measurement
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.simulation_report import SimulationReport
from spec.strict import load_document, validate

SIMULATION = "reports/simulate.json"


def project_measurements(project: Path) -> tuple[Measurement, ...]:
    """Cycles of the timed simulation and resources of attached reports, each with its lineage.

    Raises:
        InputError: nothing measured in the project, or a report that is not of it.
        ProjectDamagedError: not a project.
    """
    inputs = load_manifest(project).inputs
    measured = MeasuredProject(
        validate(DesignPoint, inputs.design),
        validate(ModelConfig, inputs.model),
        validate(Device, inputs.device),
        inputs.workload,
        project_sha256(project),
    )
    found: list[Measurement] = []
    simulation = project / SIMULATION
    if simulation.is_file():
        report = validate(SimulationReport, load_document(simulation, "simulation report"))
        found += measured.simulated(report, hashlib.sha256(simulation.read_bytes()).hexdigest())
    for one in attached_reports(project):
        found += measured.attached(one)
    if not found:
        raise InputError(
            "nothing was measured of this project",
            field="project",
            value=str(project),
            rule=f"{SIMULATION} of a run that passed, or reports of csynth or implementation",
            hint="flexdse simulate, or flexdse report import REPORT --project DIR",
        )
    return tuple(found)
