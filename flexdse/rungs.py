"""The rungs of the ladder of promotion: what runs each on this machine, what it measures, or what is missing for it."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from dse.objectives import Goals
from dse.promotion import RungResult, RungRunner
from flexdse.quality_inputs import QualityInputs
from flexdse.rung_results import RungResults
from spec.built_design import as_built
from spec.calibration import CalibratedMetric, MeasuredProvenance, Measurement
from spec.cost_report import CostReport
from spec.design_point import DesignPoint
from spec.errors import FlexDSEError, ToolNotFoundError
from spec.exploration import ExplorationRequest
from spec.synthesis_report import SynthesisStepReport
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION
from spec.workload import STAGES, Stage, Workload

RESOURCES: tuple[CalibratedMetric, ...] = ("lut", "ff", "dsp", "bram_18k", "uram")


@dataclass(slots=True)
class Bench:
    """Where promoted designs are built: each is generated once, and every rung works on the same project."""

    request: ExplorationRequest
    folder: Path
    on_log: Callable[[str], None] = lambda _: None
    quality: QualityInputs = field(default_factory=QualityInputs)
    _projects: dict[str, Path] = field(default_factory=dict)

    def project(self, design: DesignPoint) -> Path:
        """The project of a design: the one that an earlier promotion left, if it is still as it was generated."""
        from hls_gen.project import generate_project

        key = design.canonical_key()
        if key not in self._projects:
            where = self.folder / key
            request = self.request
            if not self._stands(where, design):
                generate_project(design, request.model, request.device, request.workload, where, force=True)
            self._projects[key] = where
        return self._projects[key]

    def project_digest(self, design: DesignPoint) -> str:
        """Names the project of a design by its content: the manifest holds the hash of every file."""
        from hls_gen.manifest import MANIFEST_NAME

        return hashlib.sha256((self.project(design) / MANIFEST_NAME).read_bytes()).hexdigest()

    def _stands(self, where: Path, design: DesignPoint) -> bool:
        """Whether `where` holds the project of a design, each text as this version renders it and no file changed."""
        from hls_gen.errors import ProjectDamagedError
        from hls_gen.manifest import changed_files, describe, load_manifest
        from hls_gen.plan import plan_project
        from hls_gen.render import render

        if not where.is_dir():
            return False
        try:
            manifest = load_manifest(where)
            changed = changed_files(where, manifest)
        except ProjectDamagedError:
            return False
        request = self.request
        versions = (manifest.flexdse_version, manifest.model_version, manifest.timing_table_version)
        if changed or versions != (FLEXDSE_VERSION, MODEL_VERSION, DEFAULT_TIMING_TABLE.version):
            return False
        texts = render(plan_project(design, request.model, request.device, request.workload, manifest.inputs.seed))
        return all(manifest.files.get(name) == describe(text.encode()) for name, text in texts.items())

    def priced(self, design: DesignPoint, workload: Workload | None = None) -> CostReport:
        """What the models say of a design as it is built."""
        from cost_models.report import evaluate_point

        request = self.request
        # As the generator builds it: what is measured is a generated project.
        return evaluate_point(as_built(design), request.model, request.device, workload or request.workload)

    def measurement(
        self,
        design: DesignPoint,
        provenance: MeasuredProvenance,
        stage: Stage,
        metric: CalibratedMetric,
        *,
        predicted: float,
        measured: float,
        source: str,
    ) -> Measurement | None:
        """A measurement beside its prediction; None where either is zero and there is no ratio."""
        if predicted <= 0 or measured <= 0:
            return None
        return Measurement(
            provenance=provenance,
            device=self.request.device.name,
            model_version=MODEL_VERSION,
            timing_table_version=DEFAULT_TIMING_TABLE.version,
            design_key=design.canonical_key(),
            stage=stage,
            module=None,
            metric=metric,
            predicted=predicted,
            measured=measured,
            source=source,
        )


@dataclass(frozen=True, slots=True)
class Rung:
    """`missing`: why it cannot run here for a request, None if it can. `runner`: what takes a design through it. `tool`: what
    a result depends on beside the project and the versions of models; None where the rung keeps its results itself.
    """

    what: str
    missing: Callable[[ExplorationRequest, QualityInputs], str | None]
    runner: Callable[[Bench], RungRunner]
    tool: Callable[[], str] | None


def kept(name: str, bench: Bench, results: RungResults) -> RungRunner:
    """The runner of a rung that runs nothing twice: what it said of a project of the same content before, it says again."""
    rung, run = RUNGS[name], RUNGS[name].runner(bench)
    if rung.tool is None:
        return run
    tool = rung.tool()

    def once(design: DesignPoint) -> RungResult:
        inputs = {
            "rung": name, "project": bench.project_digest(design), "design_key": design.canonical_key(), "tool": tool,
            "model_version": MODEL_VERSION, "timing_table_version": DEFAULT_TIMING_TABLE.version,
            "flexdse_version": FLEXDSE_VERSION,
        }  # fmt: skip
        found = results.get(inputs)
        if found is not None:
            bench.on_log(f"{name} of {inputs['design_key']}: known from an earlier run")
            return found
        result = run(design)
        results.put(inputs, result)
        return result

    return once


def _nothing(_: ExplorationRequest, __: QualityInputs) -> str | None:
    return None


# --- quality: the scheme measured on the model's weights


def _quality_missing(request: ExplorationRequest, inputs: QualityInputs) -> str | None:
    from flexdse.quality_verification import check_verifiable
    from spec.quality import PrecisionPlan
    from spec.scheme_names import scheme_named
    from spec.space_overrides import SpaceOverrides

    try:
        schemes = (request.space or SpaceOverrides()).quant_schemes
        check_verifiable(request.model.name, [PrecisionPlan(scheme=scheme_named(name)) for name in schemes], inputs)
    except FlexDSEError as error:
        return error.message if error.hint is None else f"{error.message}: {error.hint}"
    return None


def _quality(bench: Bench) -> RungRunner:
    from flexdse.quality_verification import quality_rung

    goals = Goals.of_request(bench.request)
    bounds = [c.bound for c in goals.constraints if c.expression.text == "quality" and c.relation == "<="]
    checkpoint = bench.quality.checkpoint_of(bench.request.model.name)
    rung = quality_rung(checkpoint, min(bounds, default=None), inputs=bench.quality, progress=bench.on_log)

    def run(design: DesignPoint) -> RungResult:
        passed, detail = rung(design)
        return RungResult(passed, detail, changes_models=True)

    return run


# --- csim: bit-exact C simulation


def _ours() -> str:
    """Nothing beside the project: what is simulated is of this version, and any compiler of the language will do."""
    return "flexdse"


def _csim(bench: Bench) -> RungRunner:
    from hls_gen.toolchain.csim import run_csim

    def run(design: DesignPoint) -> RungResult:
        report = run_csim(bench.project(design))
        return RungResult(report.passed, report.summary_line())

    return run


# --- timed_sim: cycles of the generated C++ with time


def _simulator_missing(_: ExplorationRequest, __: QualityInputs) -> str | None:
    from hls_gen.intervals.frontend import find_clang

    try:
        find_clang()
    except ToolNotFoundError as error:
        return error.message
    return None


def _timed_sim(bench: Bench) -> RungRunner:
    from hls_gen.simulate.project import simulate_project

    workload = bench.request.workload

    def run(design: DesignPoint) -> RungResult:
        # The decode step in the middle: its context is the mean of all steps, and the law is linear in the context.
        middle = workload.prompt_tokens + workload.output_tokens // 2
        report = simulate_project(bench.project(design), position=middle - 1, on_log=bench.on_log)
        if not report.passed:
            return RungResult(False, report.summary_line())
        predicted = {
            "prefill": bench.priced(design).prefill.cycles,
            # With two tokens out the mean step after the first is the step at prompt + 1 keys.
            "decode": bench.priced(design, Workload(prompt_tokens=middle - 1, output_tokens=2)).decode.cycles,
        }
        found, texts = [], []
        for stage in STAGES:
            simulated = report.stage(stage)
            if simulated is None or simulated.cycles is None:
                continue
            cycles = simulated.cycles
            ours, keys = predicted[stage], "prompt" if stage == "prefill" else f"{middle} keys"
            text = f"timed simulation, {keys}"
            found.append(
                bench.measurement(design, "timed_sim", stage, "cycles", predicted=ours, measured=cycles, source=text)
            )
            texts.append(f"{stage} {cycles:,} cycles, the model says {ours / cycles - 1:+.1%}")
        return RungResult(True, "; ".join(texts), tuple(one for one in found if one is not None))

    return run


# --- open synthesis, csynth, post_route


def _open_missing(_: ExplorationRequest, __: QualityInputs) -> str | None:
    if find_spec("hls_gen.toolchain.open.synthesize") is None:
        return "open synthesis of whole projects is not part of this version"
    return None if find_spec("pyosys") is not None else "pyosys is not installed (pip install pyosys)"


def _open_synthesis(bench: Bench) -> RungRunner:
    from flexdse.commands.service import synthesis_cache
    from hls_gen.toolchain.open.synthesize import OpenSynthesisOptions, synthesize_open

    cache = synthesis_cache()

    def run(design: DesignPoint) -> RungResult:
        report = synthesize_open(bench.project(design), OpenSynthesisOptions(cache_dir=cache), on_log=bench.on_log)
        return RungResult(report.passed, _used(report) + "; leaves mapped, nothing placed")

    return run


def _yosys() -> str:
    return f"pyosys {importlib.metadata.version('pyosys')}"


def _vitis_version() -> str:
    from hls_gen.toolchain.vitis.find import find_vitis

    return find_vitis().name


def _vitis_missing(_: ExplorationRequest, __: QualityInputs) -> str | None:
    from hls_gen.toolchain.vitis.find import find_vitis

    try:
        find_vitis()
    except ToolNotFoundError as error:
        return error.message
    return None


def _vivado_missing(request: ExplorationRequest, inputs: QualityInputs) -> str | None:
    from hls_gen.toolchain.vitis.find import find_vivado

    return _vitis_missing(request, inputs) or ("Vivado was not found" if find_vivado() is None else None)


def _vitis(provenance: MeasuredProvenance, steps: Sequence[str]) -> Callable[[Bench], RungRunner]:
    def runner(bench: Bench) -> RungRunner:
        from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project

        def run(design: DesignPoint) -> RungResult:
            reports = synthesize_project(
                bench.project(design), SynthesisOptions(steps=tuple(steps)), on_log=bench.on_log
            )
            last = reports[-1]
            if not all(report.passed for report in reports):
                failed = [
                    f"{kernel.kernel}: {kernel.failure.message}"
                    for report in reports for kernel in report.kernels if kernel.failure is not None
                ]  # fmt: skip
                return RungResult(False, "; ".join(failed) or f"{last.step} failed")
            return RungResult(True, _used(last), tuple(_resources(bench, design, last, provenance)))

        return run

    return runner


def _resources(
    bench: Bench, design: DesignPoint, report: SynthesisStepReport, provenance: MeasuredProvenance
) -> list[Measurement]:
    priced = bench.priced(design)
    found = []
    for kernel in report.kernels:
        used = kernel.reports[0].resources if kernel.reports else None
        if used is None:
            continue
        predicted = (priced.prefill if kernel.stage == "prefill" else priced.decode).resources
        source = f"{kernel.reports[0].tool} {kernel.reports[0].tool_version or ''}".strip()
        for name in RESOURCES:
            count, ours = getattr(used, name), float(getattr(predicted, name))
            if count is not None:
                found.append(
                    bench.measurement(
                        design, provenance, kernel.stage, name, predicted=ours, measured=float(count), source=source
                    )
                )
    return [one for one in found if one is not None]


def _used(report: SynthesisStepReport) -> str:
    texts = []
    for kernel in report.kernels:
        used = kernel.reports[0].resources if kernel.reports else None
        if used is None:
            texts.append(f"{kernel.stage}: no counts")
            continue
        counts = [f"{getattr(used, name):,} {name}" for name in RESOURCES if getattr(used, name) is not None]
        texts.append(f"{kernel.stage} {', '.join(counts)}")
    return "; ".join(texts)


# In the order of the ladder (dse.promotion.LADDER), without "analytical", which is where designs come from.
RUNGS: Mapping[str, Rung] = {
    "quality": Rung("perplexity of the scheme, measured on the model's weights", _quality_missing, _quality, None),
    "csim": Rung("bit-exact C simulation of the generated project", _nothing, _csim, _ours),
    "timed_sim": Rung("cycles by timed simulation of the generated C++", _simulator_missing, _timed_sim, _ours),
    "open_synthesis": Rung("LUT and FF of the leaves by open tools", _open_missing, _open_synthesis, _yosys),
    "csynth": Rung("C synthesis by Vitis HLS", _vitis_missing, _vitis("csynth", ("csynth",)), _vitis_version),
    "post_route": Rung(
        "placed and routed kernels by Vivado",
        _vivado_missing,
        _vitis("post_route", ("csynth", "export", "impl")),
        _vitis_version,
    ),
}


def missing_rungs(
    request: ExplorationRequest, names: Sequence[str] = tuple(RUNGS), quality: QualityInputs | None = None
) -> dict[str, str]:
    """Rungs that cannot run here, with the reason; `quality`: what the rung of that name measures with."""
    inputs = quality or QualityInputs()
    found = {name: RUNGS[name].missing(request, inputs) for name in names if name in RUNGS}
    return {name: reason for name, reason in found.items() if reason is not None}
