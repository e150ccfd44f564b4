"""What was measured of a project in a folder: `flexdse calibrate PROJECT`."""

from __future__ import annotations

from pathlib import Path

from flexdse.attached_reports import attached_reports
from flexdse.measured_project import project_of
from hls_gen.toolchain.vitis.records import file_hash
from spec.calibration import Measurement
from spec.errors import InputError
from spec.simulation_report import SimulationReport
from spec.strict import load_document, validate
from spec.synthesis_report import SynthesisStepReport

SIMULATION = "reports/simulate.json"
SYNTHESES = ("reports/open_synthesis.json", "reports/csynth.json", "reports/impl.json")


def project_measurements(project: Path) -> tuple[Measurement, ...]:
    """Cycles of the timed simulation, resources of the syntheses and of attached reports, each with its lineage.

    Raises:
        InputError: nothing measured in the project, or a report that is not of it.
        ProjectDamagedError: not a project.
    """
    measured = project_of(project)
    found: list[Measurement] = []
    simulation = project / SIMULATION
    if simulation.is_file():
        report = validate(SimulationReport, load_document(simulation, "simulation report"))
        found += measured.simulated(report, file_hash(simulation))
    for name in SYNTHESES:
        path = project / name
        if path.is_file():
            step = validate(SynthesisStepReport, load_document(path, "synthesis report"))
            found += measured.step(step, file_hash(path))
    for one in attached_reports(project):
        found += measured.attached(one)
    if not found:
        raise InputError(
            "nothing was measured of this project",
            field="project",
            value=str(project),
            rule=f"{SIMULATION} of a run that passed, of the files and FIFO depths that were generated, {', '.join(SYNTHESES)}, or attached reports of csynth or implementation",
            hint="flexdse simulate, flexdse synthesize, or flexdse report import REPORT --project DIR",
        )
    return tuple(found)
