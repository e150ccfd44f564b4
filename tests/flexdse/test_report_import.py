"""`flexdse report import` and `flexdse calibrate PROJECT`: a report made elsewhere, through lineage, to a factor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flexdse.cli import app
from hls_gen.project import generate_project
from spec.catalog import load_design, load_device, load_model
from spec.workload import Workload

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
    generate_project(load_design("flexllm-u280"), load_model("llama-3.2-1b"), load_device("u280"), workload, folder)
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
        ({"top": "matmul"}, "which kernel"),
    ],
)
def test_a_report_of_something_else_is_refused(
    project: Path, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    outcome = run("report", "import", report(tmp_path, **changes), "--project", project)
    assert outcome.exit_code != 0
    assert said in (outcome.output + str(outcome.exception) + repr(getattr(outcome.exception, "message", "")))
    assert not (project / "reports" / "attached").exists() or not list((project / "reports" / "attached").iterdir())


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
