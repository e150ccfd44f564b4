"""The whole path through both generations of tools: steps, reports, resuming, and what is run again when."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project
from hls_gen.toolchain.vitis.errors import ProjectBusyError, StepNotPossibleError, SynthesisStepError
from hls_gen.toolchain.vitis.runner import held
from spec.errors import InputError, ToolNotFoundError, UnknownNameError
from spec.strict import parse_json, validate
from spec.synthesis_report import SynthesisStepReport

if TYPE_CHECKING:
    from tests.vitis.conftest import StandIn

KERNELS = ("prefill", "decode")


def calls_of(*steps: str) -> list[str]:
    return [f"{step} {kernel}" for step in steps for kernel in KERNELS]


def stored(project: Path, name: str) -> SynthesisStepReport:
    return validate(SynthesisStepReport, parse_json((project / "reports" / f"{name}.json").read_text()))


def run(project: Path, *steps: str, **options: object) -> tuple[SynthesisStepReport, ...]:
    return synthesize_project(project, SynthesisOptions(steps=steps, **options))  # type: ignore[arg-type]


def test_every_step(tools: StandIn, project: Path) -> None:
    log: list[str] = []
    steps = ("csim", "csynth", "cosim", "export", "impl", "link")
    reports = synthesize_project(project, SynthesisOptions(steps=steps), on_log=log.append)
    assert tools.calls == calls_of(*steps)
    assert [report.step for report in reports] == list(steps)
    assert all(report.passed for report in reports)
    by_step = {report.step: report for report in reports}

    csim = by_step["csim"].kernels
    assert all(kernel.compared_values and kernel.differing_values == 0 for kernel in csim)
    prefill, decode = (kernel.reports[0] for kernel in by_step["csynth"].kernels)
    assert (prefill.provenance, prefill.top, prefill.part) == ("csynth", "prefill", "xcu280-fsvh2892-2L-e")
    assert prefill.resources is not None
    assert prefill.resources.lut == 41000
    assert decode.resources is not None
    assert decode.resources.lut == 52000
    assert decode.clock is not None
    assert decode.clock.target_ns == 3.42  # 292 MHz
    cosim = by_step["cosim"].kernels[0].reports[0]
    assert (cosim.provenance, cosim.top, cosim.part) == ("cosim", "prefill", "xcu280-fsvh2892-2L-e")
    assert cosim.missing.keys().isdisjoint({"top", "part", "tool_version"})  # this run knows what the file leaves out
    assert by_step["export"].kernels[1].artifacts[0].path == "build/vitis/decode/decode.xo"
    impl = by_step["impl"].kernels[0].reports
    assert [report.kind for report in impl] == ["export_xml", "power_rpt"]
    assert {report.provenance for report in impl} == {"post_route"}
    assert any("left out prefill_utilization_routed.rpt" in line for line in log)
    linked = by_step["link"].kernels[0]
    assert linked.artifacts[0].path.endswith("prefill.xclbin")
    assert [report.kind for report in linked.reports] == [
        "accelerator_utilization_rpt", "slr_utilization_rpt", "timing_summary_rpt"]  # fmt: skip

    for name in ("vitis_csim", "csynth", "cosim", "export", "impl", "link"):
        report = stored(project, name)
        assert report == by_step[report.step]
    assert any("Estimated Fmax" in line for line in log)  # the tool's own lines, live
    assert not any(line.startswith("@case") for line in log)
    assert "Estimated Fmax" in (project / "build/vitis/decode/logs/csynth.log").read_text()


def test_document(old_tools: StandIn, project: Path) -> None:
    run(project, "csynth")
    document = json.loads((project / "reports/csynth.json").read_text())
    assert list(document)[:4] == ["schema", "flexdse_version", "model_version", "timing_table_version"]
    assert (document["schema"], document["tool"], document["tool_version"], document["vivado_version"]) == (
        "flexdse/synthesis_step/v1", "vitis_hls", "2023.2", "2023.2")  # fmt: skip


def test_nothing_is_done_twice(tools: StandIn, done: Path) -> None:
    reports = run(done, "csim", "csynth", "cosim", "export")
    assert tools.calls == []
    assert all(kernel.reused for report in reports for kernel in report.kernels)
    assert reports[1].kernels[0].reports[0].resources is not None


def test_resume_after_a_failure(tools: StandIn, project: Path) -> None:
    tools.modes(**{"csynth decode": "license"})
    with pytest.raises(SynthesisStepError):
        run(project, "csim", "csynth", "cosim")
    failed = stored(project, "csynth")
    assert [kernel.status for kernel in failed.kernels] == ["succeeded", "failed"]
    assert not failed.passed
    assert not (project / "reports/cosim.json").exists()
    tools.modes()
    tools.forget()
    reports = run(project, "csim", "csynth", "cosim")
    assert tools.calls == ["csynth decode", *calls_of("cosim")]
    assert reports[1].kernels[1].attempt == 2


def test_restart(old_tools: StandIn, old_done: Path) -> None:
    run(old_done, "csynth", restart=True)
    assert old_tools.calls == calls_of("csynth")


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ("src/decode.cpp", ["csim", "csynth", "cosim", "export"]),
        ("include/config.hpp", ["csim", "csynth", "cosim", "export"]),
        ("tb/decode_tb.cpp", ["csim", "cosim"]),
        ("README.md", []),
    ],
)
def test_edited_sources_run_again_what_reads_them(
    old_tools: StandIn, old_done: Path, change: str, again: list[str]
) -> None:
    steps = ("csim", "csynth", "cosim", "export")
    with (old_done / change).open("a") as file:
        file.write("\n")
    log: list[str] = []
    synthesize_project(old_done, SynthesisOptions(steps=steps), on_log=log.append)
    assert old_tools.calls == calls_of(*again)
    assert any(f"{change} was edited" in line for line in log)


def test_a_new_synthesis_takes_away_what_was_built_on_the_old_one(old_tools: StandIn, old_done: Path) -> None:
    with (old_done / "src/prefill.cpp").open("a") as file:
        file.write("\n")
    run(old_done, "csynth")
    assert sorted(path.name for path in (old_done / "reports").iterdir()) == ["csynth.json", "vitis_csim.json"]
    with pytest.raises(StepNotPossibleError, match="builds on export"):
        run(old_done, "link")


def test_another_clock_part_or_version_is_another_result(old_tools: StandIn, old_done: Path) -> None:
    report = run(old_done, "csynth", clock_mhz=250.0)[0]
    assert old_tools.calls == calls_of("csynth")
    clocks = [kernel.reports[0].clock for kernel in report.kernels]
    assert [clock.target_ns for clock in clocks if clock] == [4.0, 4.0]
    report = run(old_done, "csynth", part="xcu55c-fsvh2892-2L-e", clock_mhz=250.0)[0]
    assert report.part == "xcu55c-fsvh2892-2L-e"
    old_tools.forget()
    old_tools.install("vitis_hls", "vivado", version="2022.2")
    assert run(old_done, "csynth", part="xcu55c-fsvh2892-2L-e", clock_mhz=250.0)[0].tool_version == "2022.2"
    assert old_tools.calls == calls_of("csynth")


def test_a_result_that_somebody_removed_is_made_again(old_tools: StandIn, old_done: Path) -> None:
    (old_done / "build/vitis/decode/decode.xo").unlink()
    run(old_done, "csynth", "export")
    assert old_tools.calls == ["export decode"]
    (old_done / "build/vitis/prefill/hls/solution/syn/report/csynth.xml").write_text("<profile/>")
    old_tools.forget()
    run(old_done, "csynth", "export")
    assert old_tools.calls == ["csynth prefill", "export prefill"]


def test_a_moved_project_keeps_its_results(old_tools: StandIn, old_done: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.move(old_done, moved)
    run(moved, "csynth")
    assert old_tools.calls == []


def test_steps_in_any_order_run_in_theirs(old_tools: StandIn, project: Path) -> None:
    run(project, "export", "csynth")
    assert old_tools.calls == calls_of("csynth", "export")


def test_a_step_without_the_one_before(old_tools: StandIn, project: Path) -> None:
    with pytest.raises(StepNotPossibleError, match="csynth") as caught:
        run(project, "cosim")
    assert "--steps csynth,cosim" in str(caught.value.hint)


def test_a_tool_that_forgot_its_synthesis_gets_both_with_csynth(old_tools: StandIn, old_done: Path) -> None:
    old_tools.modes(cosim="forgets")
    report = run(old_done, "cosim", restart=True)[0]
    assert report.passed
    assert "csynth_design" in (old_done / "build/vitis/decode/cosim.tcl").read_text()


def test_v80(old_tools: StandIn, project: Path) -> None:
    part = "xcv80-lsva4737-2MHP-e-S"
    reports = run(project, "csynth", "export", part=part)
    assert reports[0].part == part
    assert reports[1].kernels[0].artifacts[0].path.endswith("prefill.zip")
    script = (project / "build/vitis/prefill/csynth.tcl").read_text()
    assert "-flow_target vivado" in script
    with pytest.raises(InputError, match="link takes part and clock from the project"):
        run(project, "link", part=part)


def test_v80_project_is_linked_by_slash(new_tools: StandIn, project: Path) -> None:
    manifest = json.loads((project / "manifest.json").read_text())
    manifest["inputs"]["device"].update(part_number="xcv80-lsva4737-2MHP-e-S", platform=None)
    (project / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ToolNotFoundError, match="slashkit"):
        run(project, "csynth", "export", "link")
    assert new_tools.calls == []
    new_tools.install("slashkit", version="2024.2")
    report = run(project, "csynth", "export", "link")[2]
    assert report.kernels[1].artifacts[0].path.endswith("decode.vbin")


def test_timing_that_is_not_met_is_measured_and_not_tried_again(tools: StandIn, done: Path) -> None:
    tools.modes(impl="not_met")
    with pytest.raises(SynthesisStepError) as caught:
        run(done, "impl")
    assert caught.value.cause == "timing_not_met"
    record = stored(done, "impl").kernels[0]
    assert record.reports[0].timing is not None
    assert record.reports[0].timing.met is False
    tools.forget()
    with pytest.raises(SynthesisStepError):
        run(done, "impl")
    assert tools.calls == []


def test_timing_of_the_linked_card(old_tools: StandIn, old_done: Path) -> None:
    old_tools.modes(link="not_met")
    with pytest.raises(SynthesisStepError) as caught:
        run(old_done, "link")
    assert caught.value.cause == "timing_not_met"
    assert stored(old_done, "link").kernels[0].reports[2].timing is not None


def test_one_synthesis_at_a_time(old_tools: StandIn, project: Path) -> None:
    folder = project / "build/vitis"
    folder.mkdir(parents=True)
    with held(folder / ".lock", 0), pytest.raises(ProjectBusyError):
        run(project, "csynth")
    assert old_tools.calls == []


@pytest.mark.parametrize(
    ("options", "kind", "names"),
    [
        ({"steps": ("csynth", "cosin")}, UnknownNameError, "cosim"),
        ({"steps": ()}, InputError, "no step"),
        ({"part": "xcu280; exec rm"}, InputError, "no part"),
        ({"part": "a}b"}, InputError, "no part"),
        ({"clock_mhz": 0.0}, InputError, "no clock"),
        ({"clock_mhz": 1e9}, InputError, "no clock"),
        ({"clock_mhz": float("nan")}, InputError, "no clock"),
        ({"steps": ("csynth", "export", "link"), "clock_mhz": 250.0}, InputError, "from the project"),
    ],
)
def test_bad_options(
    old_tools: StandIn, project: Path, options: dict[str, object], kind: type[InputError], names: str
) -> None:
    with pytest.raises(kind) as caught:
        synthesize_project(project, SynthesisOptions(**options))  # type: ignore[arg-type]
    assert names in str(caught.value)
    assert old_tools.calls == []


@pytest.mark.parametrize("name", ["a project", "pro{ject", "pro$ject", "projekt-ä"])
def test_paths_that_the_tools_can_not_take(old_tools: StandIn, project: Path, tmp_path: Path, name: str) -> None:
    moved = tmp_path / name
    shutil.move(project, moved)
    with pytest.raises(InputError, match="can not work in this folder"):
        run(moved, "csynth")


def test_a_folder_that_is_no_project(old_tools: StandIn, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no generated project"):
        run(tmp_path, "csynth")


def test_a_record_that_can_not_be_read_counts_as_none(old_tools: StandIn, old_done: Path) -> None:
    (old_done / "build/vitis/decode/records/csynth.json").write_text('{"status": "succeeded"')
    run(old_done, "csynth")
    assert old_tools.calls == ["csynth decode"]
