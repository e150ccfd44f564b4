"""What was measured of a project, beside what the models of now predict for the same design."""

from __future__ import annotations

from cost_models.report import evaluate_point
from spec.attached_report import AttachedReport, Lineage
from spec.built_design import as_built, built_otherwise
from spec.calibration import MAX_RATIO, MEASURED_PROVENANCES, CalibratedMetric, MeasuredProvenance, Measurement
from spec.cost_report import CostReport
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.report_match import matched_report
from spec.resources import ResourceVector
from spec.simulation_report import SimulationReport
from spec.synthesis_report import SynthesisReport, SynthesisStepReport
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION
from spec.workload import STAGES, Stage, Workload

RESOURCES: tuple[CalibratedMetric, ...] = ("lut", "ff", "dsp", "bram_18k", "uram")

_STYLES = {"stp": "stalling pipelines", "flp": "flushing pipelines"}  # UG1399, config_compile -pipeline_style


class MeasuredProject:
    """Measurements of one project, beside the prices of its design as the generator built it (`as_built`), each priced
    once for each workload that a report is of.
    """

    def __init__(
        self, design: DesignPoint, model: ModelConfig, device: Device, workload: Workload, project_sha256: str
    ) -> None:
        """`project_sha256`: of its manifest, which holds that of each file."""
        self._design, self._model, self._device, self._workload = as_built(design), model, device, workload
        self._key, self._sha256 = self._design.canonical_key(), project_sha256
        self._asked_key = design.canonical_key()
        self.built_otherwise = built_otherwise(design)
        self._clock_mhz: dict[Stage, float] = {
            "prefill": design.clock_target_mhz.prefill,
            "decode": design.clock_target_mhz.decode,
        }
        self._priced: dict[tuple[Workload, int], CostReport] = {}

    def resources(self, stage: Stage) -> ResourceVector:
        """What the models say of the resources of a kernel as it was built, shell not included."""
        found: ResourceVector = getattr(self._report(self._workload), stage).resources
        return found

    def simulated(self, report: SimulationReport, report_sha256: str) -> list[Measurement]:
        """Cycles of the timed simulation of both stages; a decode step against the law at its very context, a run of fewer
        layers against a model of as many. None of one with other FIFO depths: it is of another design.
        """
        if not report.passed or report.modified_files or report.other_depths:
            return []
        found = []
        for stage in STAGES:
            simulated = report.stage(stage)
            if simulated is None or not simulated.cycles:
                continue
            if stage == "prefill":
                workload = Workload(prompt_tokens=simulated.tokens + 1, output_tokens=1)
                predicted = self._report(workload, simulated.layers).prefill.cycles
            else:
                # With two tokens out the mean step after the first is the step at prompt + 1 keys.
                workload = Workload(prompt_tokens=max(simulated.position or 1, 1), output_tokens=2)
                predicted = self._report(workload, simulated.layers).decode.cycles
            found.append(
                self._measurement(
                    "timed_sim", stage, "cycles", predicted, float(simulated.cycles),
                    f"FlexDSE {report.flexdse_version}, {_STYLES[report.pipeline_style]}{self._part(simulated.layers)}",
                    report_sha256,
                )
            )  # fmt: skip
        return found

    def attached(self, one: AttachedReport) -> list[Measurement]:
        """Resources of a kernel in a report that was attached."""
        return self.synthesized(one.stage, one.report, f"{one.file_name}: {one.lineage.run}", one.lineage.report_sha256)

    def step(self, step: SynthesisStepReport, report_sha256: str) -> list[Measurement]:
        """Resources of both kernels in a step that passed, in the open or by the vendor's tools.

        Raises:
            InputError: the step was run for another part or clock than the project's.
        """
        if not step.passed:
            return []
        source, found = f"{step.step}: {step.tool} {step.tool_version}", []
        for kernel in step.kernels:
            for one in kernel.reports:
                matched_report(
                    one,
                    part_number=self._device.part_number,
                    clock_target_mhz=self._clock_mhz,
                    stage=kernel.stage,
                    source=f"reports/{step.step}.json",
                )
                found += self.synthesized(kernel.stage, one, source, report_sha256)
        return found

    def synthesized(self, stage: Stage, report: SynthesisReport, source: str, report_sha256: str) -> list[Measurement]:
        """Resources of a kernel in a report of synthesis; none in one of another fidelity (cosim, power, timing)."""
        provenance, used, least = report.provenance, report.resources, report.resources_at_least
        if provenance not in MEASURED_PROVENANCES or used is None:
            return []
        predicted, found = self.resources(stage), []
        for name in RESOURCES:
            count, expected = getattr(used, name), float(getattr(predicted, name))
            low = getattr(least, name) if least is not None else None
            if count and expected > 0:
                found.append(
                    self._measurement(
                        provenance, stage, name, expected, float(count), source, report_sha256,
                        at_least=float(low) if low and low < count else None,
                    )
                )  # fmt: skip
        return found

    def _report(self, workload: Workload, layers: int | None = None) -> CostReport:
        layers = self._model.n_layers if layers is None else layers
        if (workload, layers) not in self._priced:
            model = self._model.model_copy(update={"n_layers": layers})
            self._priced[workload, layers] = evaluate_point(self._design, model, self._device, workload)
        return self._priced[workload, layers]

    def _part(self, layers: int) -> str:
        return "" if layers == self._model.n_layers else f", {layers} of {self._model.n_layers} layers"

    def _measurement(
        self,
        provenance: MeasuredProvenance,
        stage: Stage,
        metric: CalibratedMetric,
        predicted: float,
        measured: float,
        source: str,
        report_sha256: str,
        at_least: float | None = None,
    ) -> Measurement:
        if not 1 / MAX_RATIO <= measured / predicted <= MAX_RATIO:
            raise InputError(
                f"{metric} of {stage} is {measured:,.0f} in the report and {predicted:,.0f} by the models: not the same kernel",
                field=f"{stage}.{metric}",
                value=measured,
                rule=f"within a factor of {MAX_RATIO:g} of what the models say of this project",
                hint="attach the report of the project's whole kernel, not of one of its modules or of another design",
                source=source,
            )
        return Measurement(
            provenance=provenance,
            device=self._device.name,
            device_digest=self._device.content_digest(),
            model_version=MODEL_VERSION,
            timing_table_version=DEFAULT_TIMING_TABLE.version,
            design_key=self._key,
            stage=stage,
            module=None,
            metric=metric,
            predicted=predicted,
            measured=measured,
            measured_at_least=at_least,
            source=source,
            lineage=Lineage(
                model_version=MODEL_VERSION,
                timing_table_version=DEFAULT_TIMING_TABLE.version,
                design_key=self._asked_key,
                project_sha256=self._sha256,
                run=source,
                report_sha256=report_sha256,
            ),
        )
