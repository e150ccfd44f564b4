"""Every class of failure, in both generations: the cause, the line that says it, and a way out."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hls_gen.toolchain.vitis import SynthesisOptions, runner, synthesize_project
from hls_gen.toolchain.vitis.causes import WAYS_OUT
from hls_gen.toolchain.vitis.errors import SynthesisStepError
from spec.synthesis_report import KernelStep

if TYPE_CHECKING:
    from tests.vitis.conftest import StandIn

FAILURES = [
    ("csim", "compile_error", "source_refused", "'x' was not declared in this scope"),
    ("csim", "csim_differs", "results_differ", "returns nonzero value"),
    ("csim", "silent_difference", "results_differ", "values differ"),
    ("csim", "some_values", "report_missing", "not all values were compared"),
    ("csim", "no_report", "report_missing", "CSim done with 0 errors"),
    ("csynth", "license", "license", "A valid license was not found for feature 'Synthesis'"),
    ("csynth", "missing_part", "missing_part", "Part 'xcu280-fsvh2892-2L-e' is not installed"),
    ("csynth", "part_not_supported", "missing_part", "not installed or does not have an appropriate license"),
    ("csynth", "xform", "source_refused", "[XFORM 203-504] Stop unrolling loop 'Channel'"),
    ("csynth", "pragma", "source_refused", "Unsupported aggregate pragma/directive on variable 'a'"),
    ("csynth", "disk_full", "disk_full", "No space left on device"),
    ("csynth", "killed", "out_of_memory", 'Killed                  "$RDI_PROG"'),
    ("csynth", "bad_alloc", "out_of_memory", "std::bad_alloc"),
    ("csynth", "sigkill", "out_of_memory", "Killed"),
    ("csynth", "segfault", "tool_crashed", "SIGSEGV"),
    ("csynth", "odd", "tool_failed", "exit code 3"),
    ("csynth", "no_report", "report_missing", "no report of csynth"),
    ("csynth", "damaged", "report_damaged", "truncated"),
    ("csynth", "other_part", "report_mismatch", "another part: xcu55c-fsvh2892-2L-e"),
    ("csynth", "other_clock", "report_mismatch", "another clock: 5 ns"),
    ("csynth", "other_version", "report_mismatch", "of version 2019.1"),
    ("cosim", "fails", "results_differ", "the RTL gives other results"),
    ("cosim", "deadlock", "deadlock", "DEADLOCK DETECTED"),
    ("cosim", "no_report", "report_missing", "no report of cosim"),
    ("export", "no_report", "report_missing", "prefill.xo was not written"),
    ("impl", "no_report", "report_missing", "no report of impl"),
    ("link", "timing", "timing_not_met", "[VPL 101-2] design did not meet timing"),
    ("link", "missing_platform", "missing_platform", "Failed to open platform"),
    ("link", "no_report", "report_missing", "prefill.xclbin was not written"),
]


def fail(project: Path, *steps: str, **options: Any) -> tuple[SynthesisStepError, KernelStep]:
    with pytest.raises(SynthesisStepError) as caught:
        synthesize_project(project, SynthesisOptions(steps=steps, **options))
    report = caught.value.report
    assert report is not None
    assert not report.passed
    return caught.value, report.kernels[-1]


def check(error: SynthesisStepError, record: KernelStep, cause: str, says: str) -> None:
    assert record.failure is not None
    assert (error.cause, record.failure.cause, record.status) == (cause, cause, "failed")
    assert says in record.failure.message
    assert says in error.message
    assert record.failure.way_out == WAYS_OUT[record.failure.cause]
    problem = error.to_problem()
    assert problem["type"] == f"urn:flexdse:problem:synthesis_{cause}"
    assert problem["errors"][0]["hint"]
    assert error.exit_code == 1


@pytest.mark.parametrize(("step", "mode", "cause", "says"), FAILURES, ids=lambda value: str(value)[:20])
def test_cause(tools: StandIn, done: Path, step: str, mode: str, cause: str, says: str) -> None:
    tools.modes(**{step: mode})
    error, record = fail(done, step, restart=True)
    check(error, record, cause, says)
    assert (done / record.log).is_file()
    assert len(record.reports) == (1 if mode == "fails" else 0)  # a co-simulation that failed was still measured


def test_a_synthesis_that_a_unified_tool_forgot(new_tools: StandIn, project: Path) -> None:
    """Only vitis_hls can synthesize and co-simulate in one go; here the step fails and says what to run."""
    new_tools.modes(cosim="forgets")
    with pytest.raises(SynthesisStepError) as caught:
        synthesize_project(project, SynthesisOptions(steps=("csynth", "cosim")))
    assert caught.value.cause == "missing_synthesis"
    assert "csynth" in str(caught.value.hint)


def test_the_end_of_the_log_is_in_the_message(old_tools: StandIn, project: Path) -> None:
    old_tools.modes(csynth="odd")
    error, _ = fail(project, "csynth")
    assert "something odd" in error.message


def test_a_stale_report_is_not_taken_for_the_new_one(tools: StandIn, done: Path) -> None:
    tools.modes(csynth="no_report", cosim="no_report", export="no_report")
    for step in ("cosim", "export", "csynth"):
        assert json.loads((done / "reports" / f"{step}.json").read_text())["passed"] is True
        error, record = fail(done, step, restart=True)
        check(error, record, "report_missing", "")
        assert json.loads((done / "reports" / f"{step}.json").read_text())["passed"] is False


def test_memory_limit(tools: StandIn, project: Path) -> None:
    tools.modes(csynth="hog")
    error, record = fail(project, "csynth", memory_limit_bytes=150 * 2**20)
    check(error, record, "out_of_memory", "more than the limit of 0.15 GiB")
    assert record.peak_memory_bytes is not None
    assert record.peak_memory_bytes > 150 * 2**20


def test_time_limit(tools: StandIn, project: Path) -> None:
    tools.modes(csynth="hang")
    error, record = fail(project, "csynth", timeout_s=1.0)
    check(error, record, "timeout", "did not end within 1 s")
    assert len(tools.pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in tools.pids)  # the detached child too


def test_full_disk_while_the_log_is_written(old_tools: StandIn, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(_self: object, _line: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(runner._Log, "line", no_room)
    with pytest.raises(SynthesisStepError) as caught:
        synthesize_project(project, SynthesisOptions(steps=("csynth",)))
    assert caught.value.cause == "disk_full"
    monkeypatch.undo()


def test_a_folder_that_can_not_be_written(old_tools: StandIn, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "build").write_text("a file where a folder should be")
    with pytest.raises(SynthesisStepError, match="can not be written"):
        synthesize_project(project, SynthesisOptions(steps=("csynth",)))
