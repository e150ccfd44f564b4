"""What was measured of a project, beside what the models of now predict for the same design."""

from __future__ import annotations

from cost_models.report import evaluate_point
from spec.attached_report import AttachedReport, Lineage
from spec.calibration import MEASURED_PROVENANCES, CalibratedMetric, MeasuredProvenance, Measurement
from spec.cost_report import CostReport
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.simulation_report import SimulationReport
from spec.synthesis_report import SynthesisReport
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION
from spec.workload import STAGES, Stage, Workload

RESOURCES: tuple[CalibratedMetric, ...] = ("lut", "ff", "dsp", "bram_18k", "uram")


class MeasuredProject:
    """Measurements of one project; each design is priced once for each workload that a report is of."""

    def __init__(
        self, design: DesignPoint, model: ModelConfig, device: Device, workload: Workload, project_sha256: str
    ) -> None:
        """`project_sha256`: of its manifest, which holds that of each file."""
        self._design, self._model, self._device, self._workload = design, model, device, workload
        self._key, self._sha256 = design.canonical_key(), project_sha256
        self._priced: dict[Workload, CostReport] = {}

    def simulated(self, report: SimulationReport, report_sha256: str) -> list[Measurement]:
        """Cycles of the timed simulation of both stages; a decode step against the law at its very context."""
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
                    f"timed simulation, {report.pipeline_style}", report_sha256,
                )
            )  # fmt: skip
        return found

    def attached(self, one: AttachedReport) -> list[Measurement]:
        """Resources of a kernel in a report that was attached."""
        return self.synthesized(one.stage, one.report, f"{one.file_name}: {one.lineage.run}", one.lineage.report_sha256)

    def synthesized(self, stage: Stage, report: SynthesisReport, source: str, report_sha256: str) -> list[Measurement]:
        """Resources of a kernel in a report of a step of synthesis; none in one of another fidelity."""
        provenance, used = report.provenance, report.resources
        if provenance not in MEASURED_PROVENANCES or used is None:
            return []
        predicted = getattr(self._report(self._workload), stage).resources
        pairs = ((name, float(getattr(predicted, name)), getattr(used, name)) for name in RESOURCES)
        return [
            self._measurement(provenance, stage, name, expected, float(count), source, report_sha256)
            for name, expected, count in pairs
            if count and expected > 0
        ]

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
