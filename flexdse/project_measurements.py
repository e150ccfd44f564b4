"""What was measured of a project, beside what the models of now predict for the same design: `flexdse calibrate PROJECT`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cost_models.report import evaluate_point
from flexdse.attached_reports import attached_reports, project_sha256
from hls_gen.manifest import ProjectManifest, load_manifest
from spec.attached_report import Lineage
from spec.calibration import MEASURED_PROVENANCES, CalibratedMetric, MeasuredProvenance, Measurement
from spec.cost_report import CostReport
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.simulation_report import SimulationReport
from spec.strict import load_document, validate
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION
from spec.workload import STAGES, Stage, Workload

SIMULATION = "reports/simulate.json"
RESOURCES: tuple[CalibratedMetric, ...] = ("lut", "ff", "dsp", "bram_18k", "uram")


def project_measurements(project: Path) -> tuple[Measurement, ...]:
    """Cycles of the timed simulation and resources of attached reports, each with its lineage.

    Raises:
        InputError: nothing measured in the project, or a report that is not of it.
        ProjectDamagedError: not a project.
    """
    reader = _Reader(project, load_manifest(project))
    found = [*reader.simulated(), *reader.attached()]
    if not found:
        raise InputError(
            "nothing was measured of this project",
            field="project",
            value=str(project),
            rule=f"{SIMULATION} of a run that passed, or reports of csynth or implementation",
            hint="flexdse simulate, or flexdse report import REPORT --project DIR",
        )
    return tuple(found)


class _Reader:
    def __init__(self, project: Path, manifest: ProjectManifest) -> None:
        inputs = manifest.inputs
        self._project, self._key, self._workload = project, inputs.design_key, inputs.workload
        self._design = validate(DesignPoint, inputs.design)
        self._model, self._device = validate(ModelConfig, inputs.model), validate(Device, inputs.device)
        self._sha256 = project_sha256(project)
        self._priced: dict[Workload, CostReport] = {}

    def simulated(self) -> list[Measurement]:
        """Cycles of the timed simulation of both stages; a decode step against the law at its very context."""
        path = self._project / SIMULATION
        if not path.is_file():
            return []
        report = validate(SimulationReport, load_document(path, "simulation report"))
        if not report.passed or report.modified_files:
            return []
        found = []
        for stage in STAGES:
            simulated = report.stage(stage)
            if simulated is None or not simulated.cycles:
                continue
            if stage == "prefill":
                workload = Workload(prompt_tokens=simulated.tokens + 1, output_tokens=1)
                predicted = self._report(workload).prefill.cycles
            else:
                # With two tokens out the mean step after the first is the step at prompt + 1 keys.
                workload = Workload(prompt_tokens=max(simulated.position or 1, 1), output_tokens=2)
                predicted = self._report(workload).decode.cycles
            found.append(
                self._measurement(
                    "timed_sim", stage, "cycles", predicted, float(simulated.cycles),
                    f"timed simulation, {report.pipeline_style}", hashlib.sha256(path.read_bytes()).hexdigest(),
                )
            )  # fmt: skip
        return found

    def attached(self) -> list[Measurement]:
        """Resources of the kernels in reports that were attached."""
        found = []
        for one in attached_reports(self._project):
            provenance, used = one.report.provenance, one.report.resources
            if provenance not in MEASURED_PROVENANCES or used is None:
                continue
            predicted = getattr(self._report(self._workload), one.stage).resources
            for name in RESOURCES:
                count = getattr(used, name)
                if count:
                    found.append(
                        self._measurement(
                            provenance, one.stage, name, float(getattr(predicted, name)), float(count),
                            f"{one.file_name}: {one.lineage.run}", one.lineage.report_sha256,
                        )
                    )  # fmt: skip
        return [one for one in found if one.predicted > 0]

    def _report(self, workload: Workload) -> CostReport:
        if workload not in self._priced:
            self._priced[workload] = evaluate_point(self._design, self._model, self._device, workload)
        return self._priced[workload]

    def _measurement(
        self,
        provenance: MeasuredProvenance,
        stage: Stage,
        metric: CalibratedMetric,
        predicted: float,
        measured: float,
        source: str,
        report_sha256: str,
    ) -> Measurement:
        return Measurement(
            provenance=provenance,
            device=self._device.name,
            model_version=MODEL_VERSION,
            timing_table_version=DEFAULT_TIMING_TABLE.version,
            design_key=self._key,
            stage=stage,
            module=None,
            metric=metric,
            predicted=predicted,
            measured=measured,
            source=source,
            lineage=Lineage(
                model_version=MODEL_VERSION,
                timing_table_version=DEFAULT_TIMING_TABLE.version,
                design_key=self._key,
                project_sha256=self._sha256,
                run=source,
                report_sha256=report_sha256,
            ),
        )
