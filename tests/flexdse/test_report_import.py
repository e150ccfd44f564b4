"""`flexdse report import` and `flexdse calibrate PROJECT`: a report made elsewhere, through lineage, to a factor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cost_models.report import evaluate_point
from flexdse.application import app
from flexdse.project_measurements import project_measurements
from hls_gen.project import generate_project
from hls_gen.reports import parse_report
from spec.built_design import as_built, built_otherwise
from spec.catalog import load_design, load_device, load_model
from spec.cost_report import CostReport
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.simulation_report import SimulatedStage, SimulationReport
from spec.strict import validate
from spec.synthesis_report import (
    Absent,
    ClockReport,
    KernelStep,
    ResourceCounts,
    SynthesisReport,
    SynthesisStepReport,
    measured,
)
from spec.versions import MODEL_VERSION
from spec.workload import Workload

SUMMARY = Path(__file__).parents[1] / "reports" / "data" / "csynth_summary.rpt"

CSYNTH = """<?xml version="1.0" encoding="UTF-8"?>
<profile>
<ReportVersion><Version>2023.2</Version></ReportVersion>
<UserAssignments><unit>ns</unit><ProductFamily>virtexuplusHBM</ProductFamily><Part>{part}</Part>
<TopModelName>{top}</TopModelName><TargetClockPeriod>{clock}</TargetClockPeriod>
<ClockUncertainty>0.92</ClockUncertainty><FlowTarget>vitis</FlowTarget></UserAssignments>
<PerformanceEstimates><PipelineType>none</PipelineType><SummaryOfTimingAnalysis><unit>ns</unit>
<EstimatedClockPeriod>2.43</EstimatedClockPeriod></SummaryOfTimingAnalysis><SummaryOfOverallLatency>
<unit>clock cycles</unit><Best-caseLatency>undef</Best-caseLatency><Average-caseLatency>undef</Average-caseLatency>
<Worst-caseLatency>undef</Worst-caseLatency><Interval-min>undef</Interval-min><Interval-max>undef</Interval-max>
</SummaryOfOverallLatency></PerformanceEstimates>
<AreaEstimates><Resources><BRAM_18K>1000</BRAM_18K><DSP>1800</DSP><FF>600000</FF><LUT>500000</LUT><URAM>130</URAM>
</Resources><AvailableResources><BRAM_18K>4032</BRAM_18K><DSP>9024</DSP><FF>2607360</FF><LUT>1303680</LUT>
<URAM>960</URAM></AvailableResources></AreaEstimates>
</profile>
"""
GOOD = {"part": "xcu280-fsvh2892-2L-e", "top": "decode", "clock": "3.42"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "p"
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    design, model, device = load_design("flexllm-u280"), load_model("llama-3.2-1b"), load_device("u280")
    generate_project(design, model, device, workload, folder, vectors=False)
    return folder


@pytest.fixture
def project(generated: Path) -> Path:
    for path in (generated / "reports").rglob("*.json"):
        path.unlink()
    return generated


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def report(folder: Path, **changes: str) -> Path:
    path = folder / "csynth.xml"
    path.write_text(CSYNTH.format(**(GOOD | changes)), encoding="utf-8")
    return path


def test_from_a_report_to_a_factor_with_its_lineage(project: Path, tmp_path: Path) -> None:
    attached = run("report", "import", report(tmp_path), "--project", project, "--json")
    assert attached.exit_code == 0
    lineage = json.loads(attached.stdout)["lineage"]
    manifest = json.loads((project / "manifest.json").read_text())
    assert lineage["design_key"] == manifest["inputs"]["design_key"]
    saved = tmp_path / "measured.json"
    outcome = run("calibrate", project, "--save", saved, "--json")
    assert outcome.exit_code == 0
    entries = {e["metric"]: e for e in json.loads(outcome.stdout)["entries"]}
    assert {e["provenance"] for e in entries.values()} == {"csynth"}
    assert entries["lut"]["route_factor"] == 0.75  # published, marked
    assert entries["ff"]["route_factor"] == 0.80
    (lut,) = [m for m in json.loads(saved.read_text())["measurements"] if m["metric"] == "lut"]
    assert (lut["measured"], lut["stage"]) == (500_000, "decode")
    assert lut["lineage"]["report_sha256"] == lineage["report_sha256"]
    assert lut["lineage"]["project_sha256"] == lineage["project_sha256"]
    again = run("calibrate", saved, "--json")
    assert json.loads(again.stdout)["entries"] == json.loads(outcome.stdout)["entries"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"part": "xcu250-figd2104-2L-e"}, "another part"),
        ({"clock": "4.00"}, "another clock"),
        ({"top": "matmul"}, "another kernel"),
        ({"top": "decode_Pipeline_Level"}, "another kernel"),
    ],
)
def test_a_report_of_something_else_is_refused(
    project: Path, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    outcome = run("report", "import", report(tmp_path, **changes), "--project", project)
    assert outcome.exit_code != 0
    assert said in (outcome.output + str(outcome.exception) + repr(getattr(outcome.exception, "message", "")))
    assert not (project / "reports" / "attached").exists() or not list((project / "reports" / "attached").iterdir())


def test_the_word_of_a_person_does_not_make_a_kernel(project: Path, tmp_path: Path) -> None:
    outcome = run("report", "import", report(tmp_path, top="forward"), "--project", project, "--stage", "decode")
    assert isinstance(outcome.exception, InputError)
    assert "another kernel" in outcome.exception.message


def test_a_csynth_report_without_a_clock_is_refused(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "csynth.rpt"
    path.write_text(
        SUMMARY.read_text().replace("'decode_linear'", "'decode'").replace("decode_linear*", "decode*       ")
    )
    assert parse_report(path).clock is None
    outcome = run("report", "import", path, "--project", project)
    assert isinstance(outcome.exception, InputError)
    assert "names no clock" in outcome.exception.message
    assert "csynth.xml" in str(outcome.exception.hint)


def test_a_report_that_cannot_be_of_this_kernel_is_refused(project: Path, tmp_path: Path) -> None:
    path = report(tmp_path)
    path.write_text(path.read_text().replace("<FF>600000</FF>", "<FF>1359</FF>"))
    outcome = run("report", "import", path, "--project", project)
    assert isinstance(outcome.exception, InputError)
    assert "ff of decode is 1,359 in the report" in outcome.exception.message
    assert not list((project / "reports").rglob("*.json"))


def test_generate_and_synthesize_say_what_is_built_otherwise(project: Path) -> None:
    inputs = json.loads((project / "manifest.json").read_text())["inputs"]
    said = built_otherwise(validate(DesignPoint, inputs["design"]))
    assert said is not None
    assert "prefill and decode" in said
    assert built_otherwise(load_design("flexdse-u280")) is None


def test_a_project_without_measurements(project: Path) -> None:
    outcome = run("calibrate", project)
    assert outcome.exit_code != 0
    assert "nothing was measured" in outcome.output + str(outcome.exception)


def test_a_changed_project_disowns_its_reports(project: Path, tmp_path: Path) -> None:
    assert run("report", "import", report(tmp_path), "--project", project).exit_code == 0
    manifest = project / "manifest.json"
    kept = manifest.read_text()
    try:
        manifest.write_text(kept + "\n")
        outcome = run("calibrate", project)
        assert outcome.exit_code != 0
        assert "another state" in outcome.output + str(outcome.exception)
    finally:
        manifest.write_text(kept)


# --- from projects that were simulated and synthesized to a table


def built(project: Path) -> tuple[Any, CostReport, CostReport]:
    """Design of a project, and prices of what the generator builds of it: of its request, and of one decode step."""
    inputs = json.loads((project / "manifest.json").read_text())["inputs"]
    design = validate(DesignPoint, inputs["design"])
    model, device = load_model("llama-3.2-1b"), load_device("u280")
    whole = evaluate_point(as_built(design), model, device, Workload(prompt_tokens=1024, output_tokens=1024))
    step = evaluate_point(as_built(design), model, device, Workload(prompt_tokens=512, output_tokens=2))
    return design, whole, step


def simulated(project: Path, scale: float, layers: int = 16, other_depths: dict[str, int] | None = None) -> None:
    cycles = round(built(project)[2].decode.cycles * scale)
    stage = SimulatedStage(
        stage="decode", kernel="decode", tokens=1, position=512, layers=layers, layers_simulated=layers, clock_mhz=292.0,
        cycles=cycles, latency_s=cycles / 292e6, steps=(), modules=(), streams=(), ports=(), loops_missed=(),
        loops_unknown=(), failure=None,
    )  # fmt: skip
    report = SimulationReport(
        flexdse_version="0", model_version=MODEL_VERSION, timing_table_version="2", compiler_version="x",
        pipeline_style="stp", passed=True, seconds=1.0, modified_files=(), stages=(stage,),
        other_depths=other_depths or {},
    )  # fmt: skip
    (project / "reports" / "simulate.json").write_text(report.model_dump_json(by_alias=True))


def mapped(project: Path, *, dsp: float, lut: tuple[float, float], clock: float | None = None) -> None:
    """reports/open_synthesis.json, or reports/csynth.json at that clock period, with multiples of what is predicted."""
    used = built(project)[1].decode.resources
    most = {name: float(getattr(used, name)) for name in ("lut", "ff", "dsp", "bram_18k", "uram")}
    least = most | {"lut": most["lut"] * lut[0], "dsp": most["dsp"] * dsp}
    most |= {"lut": most["lut"] * lut[1], "dsp": most["dsp"] * dsp}
    whole = {name: round(value) for name, value in most.items()}
    kind = "open_synthesis" if clock is None else "csynth"
    report = measured(
        SynthesisReport,
        flexdse_version="0", model_version=MODEL_VERSION, timing_table_version="2", provenance=kind,
        kind=kind if clock is None else "csynth_xml", tool="pyosys", tool_version="0.70", part=GOOD["part"], top="decode",
        clock=Absent("no clock") if clock is None else measured(
            ClockReport, target_ns=clock, uncertainty_ns=0.1, estimated_ns=clock, achieved_ns=Absent("not placed")),
        resources=ResourceCounts(**whole),
        resources_at_least=ResourceCounts(**{n: round(v) for n, v in least.items()}) if clock is None else None,
        **{name: Absent("not here") for name in ("latency", "interval", "available", "available_per_slr", "timing", "power")},
    )  # fmt: skip
    step = SynthesisStepReport(
        flexdse_version="0", model_version=MODEL_VERSION, timing_table_version="2",
        backend="open" if clock is None else "vitis", step=kind, passed=True, tool="pyosys", tool_version="0.70",
        vivado_version=None, part=GOOD["part"],
        kernels=(KernelStep(stage="decode", kernel="decode", step=kind, key="0" * 64, status="succeeded", attempt=1,
                            clock_mhz=292.0, log="x", reports=(report,)),),
    )  # fmt: skip
    (project / "reports" / f"{kind}.json").write_text(step.model_dump_json(by_alias=True))


@pytest.fixture
def three(project: Path, tmp_path: Path) -> list[Path]:
    """Projects of three designs that differ in nothing that changes cycles or counts: the clock of prefill."""
    folders = []
    for number in range(3):
        folder = tmp_path / str(number)
        (folder / "reports").mkdir(parents=True)
        manifest = json.loads((project / "manifest.json").read_text())
        manifest["inputs"]["design"]["clock_target_mhz"]["prefill"] -= number
        (folder / "manifest.json").write_text(json.dumps(manifest))
        folders.append(folder)
    return folders


def test_what_was_built_is_held_against_the_law_of_what_is_built(three: list[Path], tmp_path: Path) -> None:
    """The design is one of FlexLLM's (`element`); its project, as every project, is `array`."""
    design, whole, step = built(three[0])
    assert design.decode.modules.process_granularity == "element"
    simulated(three[0], 1.0)
    mapped(three[0], dsp=1.0, lut=(0.5, 2.0))
    saved = tmp_path / "measured.json"
    assert run("calibrate", three[0], "--save", saved).exit_code == 0
    found = {m["metric"]: m for m in json.loads(saved.read_text())["measurements"]}
    assert found["cycles"]["predicted"] == step.decode.cycles
    assert found["dsp"]["predicted"] == found["dsp"]["measured"] == whole.decode.resources.dsp
    assert found["lut"]["measured_at_least"] < found["lut"]["predicted"] < found["lut"]["measured"]
    assert {m["lineage"]["design_key"] for m in found.values()} == {design.canonical_key()}
    assert {m["design_key"] for m in found.values()} == {as_built(design).canonical_key()}


def test_a_run_of_some_layers_is_held_against_as_many_and_other_depths_against_nothing(three: list[Path]) -> None:
    simulated(three[0], 0.3, layers=4)
    (part,) = project_measurements(three[0])
    whole = built(three[0])[2].decode.cycles
    assert whole / 4 < part.predicted < whole / 2  # four of sixteen layers, and all of the head
    assert part.source.endswith("4 of 16 layers")
    simulated(three[0], 1.1, other_depths={"decode.x": 1})
    with pytest.raises(InputError, match="nothing was measured"):
        project_measurements(three[0])


def test_simulated_and_mapped_projects_give_factors_of_their_own(three: list[Path]) -> None:
    for folder, scale in zip(three, (1.04, 1.05, 1.06), strict=True):
        simulated(folder, scale)
        mapped(folder, dsp=1.1, lut=(0.5, 2.0))
    outcome = run("calibrate", *three, "--json")
    assert outcome.exit_code == 0, outcome.output
    entries = {(e["provenance"], e["metric"]): e for e in json.loads(outcome.stdout)["entries"]}
    assert {key[0] for key in entries} == {"timed_sim", "open_synthesis"}
    cycles = entries["timed_sim", "cycles"]
    assert cycles["designs"] == 3
    assert cycles["factor"] == pytest.approx(1.05**0.75, rel=1e-3)  # shrunk by a prior that weighs one design
    left_out = cycles["leave_one_out"]
    assert left_out["mean_relative_error_after"] < left_out["mean_relative_error_before"]
    dsp, lut = entries["open_synthesis", "dsp"], entries["open_synthesis", "lut"]
    assert dsp["factor"] == pytest.approx(1.1**0.75, rel=1e-2)
    assert lut["factor"] == 1.0  # a range that holds the prediction says nothing against it
    for entry in (dsp, lut):  # agreement of a tool with our laws narrows nothing
        assert entry["relative_low"] <= entry["uncalibrated_low"]
        assert entry["relative_high"] >= entry["uncalibrated_high"]


def test_a_range_beside_the_prediction_moves_it_to_its_end(three: list[Path]) -> None:
    for folder in three:
        mapped(folder, dsp=1.0, lut=(1.2, 1.5))
    outcome = run("calibrate", *three, "--json")
    (lut,) = [e for e in json.loads(outcome.stdout)["entries"] if e["metric"] == "lut"]
    assert lut["factor"] == pytest.approx(1.2**0.75, rel=1e-3)


def test_fidelities_of_one_column_are_named_and_never_mixed(three: list[Path], tmp_path: Path) -> None:
    for folder in three:
        mapped(folder, dsp=1.0, lut=(0.9, 1.1))
        mapped(folder, dsp=2.0, lut=(1.0, 1.0), clock=3.425)
    table = tmp_path / "table.json"
    outcome = run("calibrate", *three, "--out", table)
    assert "dsp has open_synthesis and csynth" in outcome.stderr
    assert "decode dsp x1.71 (csynth) is far from 1" in outcome.stderr
    entries = {(e["provenance"], e["metric"]): e for e in json.loads(table.read_text())["entries"]}
    assert entries["open_synthesis", "dsp"]["factor"] == 1.0
    assert entries["csynth", "dsp"]["factor"] > 1.5
    request = ("evaluate", "--design", "flexllm-u280", "--model", "llama-3.2-1b", "--device", "u280",
               "--prompt-tokens", 1024, "--output-tokens", 1024, "--calibration", table)  # fmt: skip
    refused = run(*request)
    assert isinstance(refused.exception, InputError)
    assert "two provenances" in refused.exception.message
    assert run("calibrate", *three, "--provenance", "csynth", "--out", table, "--force").exit_code == 0
    assert run(*request).exit_code == 0


def test_a_synthesis_at_another_clock_is_no_measurement_of_the_project(three: list[Path]) -> None:
    mapped(three[0], dsp=1.0, lut=(1.0, 1.0), clock=5.0)
    outcome = run("calibrate", three[0])
    assert isinstance(outcome.exception, InputError)
    assert "another clock" in outcome.exception.message
