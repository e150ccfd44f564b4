"""Nothing is synthesized twice: an equal project in another folder takes what an earlier one has made."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project
from hls_gen.toolchain.vitis.errors import SynthesisStepError
from spec.synthesis_report import SynthesisStepReport

if TYPE_CHECKING:
    from tests.vitis.conftest import StandIn

DEFAULT = ("csim", "csynth", "cosim", "export")


@pytest.fixture
def other(generated: Path, tmp_path: Path) -> Path:
    """The same project, generated elsewhere."""
    return Path(shutil.copytree(generated, tmp_path / "other"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "shared"


def run(project: Path, cache: Path, *steps: str, **options: object) -> tuple[SynthesisStepReport, ...]:
    chosen = SynthesisOptions(steps=steps or DEFAULT, shared=cache, **options)  # type: ignore[arg-type]
    return synthesize_project(project, chosen)


def test_an_equal_project_runs_no_tool(tools: StandIn, project: Path, other: Path, cache: Path) -> None:
    first = run(project, cache)
    shutil.rmtree(project)  # as a job of the service removes its folder
    tools.forget()
    second = run(other, cache)
    assert tools.calls == []
    assert all(kernel.reused for report in second for kernel in report.kernels)
    for one, two in zip(first, second, strict=True):
        for before, after in zip(one.kernels, two.kernels, strict=True):
            assert (before.key, before.reports, before.artifacts) == (after.key, after.reports, after.artifacts)
    assert (other / "build/vitis/decode/decode.xo").read_bytes()
    assert run(other, cache)[1].kernels[0].reused  # and again from the folder itself
    assert tools.calls == []


def test_a_further_step_gets_a_project_of_the_tool(tools: StandIn, project: Path, other: Path, cache: Path) -> None:
    """The tool's own project can not move: what builds on it runs it once more, and loses nothing that was taken."""
    run(project, cache, "csynth", "cosim")
    tools.forget()
    reports = run(other, cache, "csynth", "cosim", "export")
    assert sorted(tools.calls) == sorted(["csynth prefill", "export prefill", "csynth decode", "export decode"])
    assert [report.kernels[0].reused for report in reports] == [True, True, False]
    tools.forget()
    assert all(kernel.reused for report in run(other, cache, "csynth", "cosim", "export") for kernel in report.kernels)
    assert tools.calls == []


def test_another_clock_or_version_and_restart_are_made_anew(
    old_tools: StandIn, project: Path, other: Path, cache: Path
) -> None:
    run(project, cache, "csynth")
    old_tools.forget()
    run(other, cache, "csynth", clock_mhz=200.0)
    assert old_tools.calls == ["csynth prefill", "csynth decode"]
    old_tools.install("vitis_hls", "v++", "vivado", version="2023.1")
    run(other, cache, "csynth")
    assert len(old_tools.calls) == 4
    old_tools.install("vitis_hls", "v++", "vivado", version="2023.2")
    run(other, cache, "csynth", restart=True)
    assert len(old_tools.calls) == 6


def test_edited_sources_are_other_sources(old_tools: StandIn, project: Path, other: Path, cache: Path) -> None:
    run(project, cache, "csynth")
    old_tools.forget()
    source = other / "src" / "decode.cpp"
    source.write_text(source.read_text() + "// mine\n")
    run(other, cache, "csynth")
    assert "csynth decode" in old_tools.calls


def test_a_failure_is_not_shared_and_timing_that_is_not_met_is(
    old_tools: StandIn, project: Path, other: Path, cache: Path
) -> None:
    old_tools.modes(**{"csynth decode": "license"})
    with pytest.raises(SynthesisStepError):
        run(project, cache, "csynth")
    old_tools.modes()
    old_tools.forget()
    run(other, cache, "csynth")
    assert old_tools.calls == ["csynth decode"]
    old_tools.modes(**{"impl prefill": "timing"})
    with pytest.raises(SynthesisStepError) as first:
        run(other, cache, "impl")
    assert first.value.cause == "timing_not_met"
    old_tools.modes()
    old_tools.forget()
    with pytest.raises(SynthesisStepError) as second:
        run(project, cache, "csynth", "impl")
    assert second.value.cause == "timing_not_met"
    assert not any(call.startswith("impl prefill") for call in old_tools.calls)


def test_a_damaged_entry_is_made_again(old_tools: StandIn, project: Path, other: Path, cache: Path) -> None:
    run(project, cache, "csynth")
    (report,) = [path for path in cache.rglob("csynth.xml") if "prefill" in str(path)]
    report.write_text(report.read_text().replace("41000", "14000"))
    record = next(path for path in cache.rglob("record.json") if json.loads(path.read_text())["kernel"] == "decode")
    record.write_text("{")
    old_tools.forget()
    found = run(other, cache, "csynth")[0]
    assert old_tools.calls == ["csynth prefill", "csynth decode"]
    assert found.kernels[0].reports[0].resources is not None
    assert found.kernels[0].reports[0].resources.lut == 41000


def test_two_runs_of_the_same_make_it_once(old_tools: StandIn, project: Path, other: Path, cache: Path) -> None:
    done: list[tuple[SynthesisStepReport, ...]] = []
    runs = [threading.Thread(target=lambda p=p: done.append(run(p, cache, "csynth"))) for p in (project, other)]
    for one in runs:
        one.start()
    for one in runs:
        one.join(120)
    assert len(done) == 2
    assert sorted(old_tools.calls) == ["csynth decode", "csynth prefill"]


def test_a_folder_that_can_not_be_written_shares_nothing(old_tools: StandIn, project: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log: list[str] = []
    options = SynthesisOptions(steps=("csynth",), shared=tmp_path / "file" / "shared")
    assert synthesize_project(project, options, on_log=log.append)[0].passed
    assert any("is not kept for other projects" in line for line in log)
