"""What a step left behind: finds its reports, reads them, and holds them against what was asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hls_gen.manifest import ManifestCase
from hls_gen.reports import parse_report
from hls_gen.reports.errors import ReportMismatchError, ReportUnreadableError
from hls_gen.reports.target import check_target
from hls_gen.toolchain.vitis.causes import failure
from hls_gen.toolchain.vitis.find import Vitis
from hls_gen.toolchain.vitis.jobs import KernelJob
from hls_gen.toolchain.vitis.records import artifact
from hls_gen.toolchain.vitis.runner import Ended
from hls_gen.toolchain.vitis.scripts import linked_file, results_folder
from spec.synthesis_report import StepArtifact, StepFailure, SynthesisReport, SynthesisStep

_CASE_MARK = "@case "
_CSIM_PASSED = "CSim done with 0 errors"

# Reports of Vivado beside export_impl.xml, and of a link.
_IMPL_EXTRAS = ("*_utilization_routed.rpt", "*_timing_routed.rpt", "*_timing_summary_routed.rpt", "*_power_routed.rpt")
_LINK_EXTRAS = ("*kernel_util_routed.rpt", "*slr_util_routed.rpt", "*timing_summary*.rpt", "*power_routed.rpt")


class Outcome(NamedTuple):
    """What a step gave: either `failure`, or results; timing that is not met has both."""

    failure: StepFailure | None
    reports: tuple[SynthesisReport, ...] = ()
    artifacts: tuple[StepArtifact, ...] = ()
    compared_values: int | None = None
    differing_values: int | None = None


def stale_outputs(job: KernelJob, step: SynthesisStep, vitis: Vitis) -> list[Path]:
    """What an earlier run of the step left, and must not be taken for the result of this one."""
    results = results_folder(job, step, vitis)
    if step == "cosim":
        return sorted(results.glob("sim/report/*_cosim.rpt"))
    if step == "export":
        return [job.kernel_object]
    if step == "impl":
        return [*sorted(results.glob("impl/report/*/export_impl.xml")), *_extras(results / "impl", _IMPL_EXTRAS)]
    return [linked_file(job)] if step == "link" else []


def collect(
    job: KernelJob,
    step: SynthesisStep,
    vitis: Vitis,
    ended: Ended,
    cases: tuple[ManifestCase, ...],
    note: Callable[[str], None],
) -> Outcome:
    """The results of a step whose tool ended without an error."""
    try:
        if step == "csim":
            return _csim(job, ended, cases)
        if step == "export":
            return _file(job, job.kernel_object)
        if step == "link":
            return _link(job, vitis, note)
        return _measured(job, step, vitis, note)
    except ReportUnreadableError as error:
        return Outcome(failure("report_damaged", error.message))
    except ReportMismatchError as error:
        return Outcome(failure("report_mismatch", error.message))


def _csim(job: KernelJob, ended: Ended, cases: tuple[ManifestCase, ...]) -> Outcome:
    """Passed only if the tool says so, and each planned comparison was made and found no difference."""
    made = {}
    for line in ended.marks:
        if line.startswith(_CASE_MARK):
            try:
                case = json.loads(line.removeprefix(_CASE_MARK))
                made[(case["module"], case["linear"])] = (int(case["compared_values"]), int(case["differences"]))
            except (ValueError, KeyError, TypeError):
                return Outcome(failure("report_damaged", f"a comparison that can not be read: {line[:100]}"))
    planned = [case for case in cases if case.stage == job.stage]
    compared, differing = sum(one for one, _ in made.values()), sum(other for _, other in made.values())
    if not any(_CSIM_PASSED in line for line in ended.marks):
        return Outcome(failure("report_missing", f"the tool did not say {_CSIM_PASSED!r}"))
    missing = [case for case in planned if made.get((case.module, case.linear), (0, 0))[0] != case.values]
    if missing or not planned:
        where = f"{missing[0].module} {missing[0].linear}" if missing else job.kernel
        return Outcome(
            failure("report_missing", f"not all values were compared: {where}"),
            compared_values=compared,
            differing_values=differing,
        )
    if differing:
        return Outcome(
            failure("results_differ", f"{differing} of {compared} values differ"),
            compared_values=compared,
            differing_values=differing,
        )
    return Outcome(None, compared_values=compared, differing_values=0)


def _file(job: KernelJob, path: Path) -> Outcome:
    if not path.is_file() or path.stat().st_size == 0:
        return Outcome(
            failure("report_missing", f"{path.name} was not written, though the tool ended without an error")
        )
    return Outcome(None, artifacts=(artifact(job.project, path),))


def _main_report(job: KernelJob, step: SynthesisStep, results: Path) -> Path | None:
    """The place where this version leaves it; else, for the next version, anywhere below."""
    wanted = {
        "csynth": (results / "syn/report/csynth.xml", results / f"syn/report/{job.kernel}_csynth.xml"),
        "cosim": (results / f"sim/report/{job.kernel}_cosim.rpt",),
        "impl": (results / "impl/report/verilog/export_impl.xml",),
    }[step]
    name = {"csynth": "csynth.xml", "cosim": f"{job.kernel}_cosim.rpt", "impl": "export_impl.xml"}[step]
    return next((path for path in (*wanted, *sorted(results.parent.rglob(name))) if path.is_file()), None)


def _measured(job: KernelJob, step: SynthesisStep, vitis: Vitis, note: Callable[[str], None]) -> Outcome:
    results = results_folder(job, step, vitis)
    path = _main_report(job, step, results)
    if path is None:
        return Outcome(failure("report_missing", f"no report of {step}, though the tool ended without an error"))
    report = parse_report(path)
    check_target(report, path, part=job.part, clock_period_ns=float(job.period_ns), top=job.kernel)
    if step == "csynth" and report.tool_version and not _same_release(report.tool_version, vitis.hls.version):
        raise ReportMismatchError(f"the report is of version {report.tool_version}, not {vitis.hls.version}")
    reports = [_of_this_run(report, job, vitis)]
    kept = [artifact(job.project, path)]
    if step == "impl":
        for extra in _extras(results / "impl", _IMPL_EXTRAS):
            _add(job, extra, reports, kept, note)
    return Outcome(_verdict(report), tuple(reports), tuple(kept))


def _verdict(report: SynthesisReport) -> StepFailure | None:
    if report.cosim is not None and report.cosim.status != "pass":
        what = (
            "no RTL was simulated" if report.cosim.status == "not_run" else "the RTL gives other results than the C++"
        )
        return failure("report_missing" if report.cosim.status == "not_run" else "results_differ", what)
    if report.timing is not None and report.timing.met is False:
        clock = report.clock
        reached = f": {clock.achieved_ns:g} ns instead of {clock.target_ns:g} ns" if (
            clock and clock.achieved_ns is not None and clock.target_ns is not None) else ""  # fmt: skip
        return failure("timing_not_met", f"timing is not met after routing{reached}")
    return None


def _same_release(one: str, other: str) -> bool:
    return one.split(".")[:2] == other.split(".")[:2]


def _of_this_run(report: SynthesisReport, job: KernelJob, vitis: Vitis) -> SynthesisReport:
    """The same report with what it does not name itself, but this run knows."""
    known: dict[str, str] = {"part": job.part, "top": job.kernel}
    if report.tool == "Vitis HLS":
        known["tool_version"] = vitis.hls.version
    filled = {name: value for name, value in known.items() if getattr(report, name) is None}
    missing = {name: reason for name, reason in report.missing.items() if name not in filled}
    return report.model_copy(update={**filled, "missing": missing})


def _extras(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return [path for pattern in patterns for path in sorted(folder.rglob(pattern)) if path.is_file()]


def _add(
    job: KernelJob, path: Path, reports: list[SynthesisReport], kept: list[StepArtifact], note: Callable[[str], None]
) -> None:
    """A report beside the main one: used where it can be read, never a reason to fail."""
    try:
        report = parse_report(path)
        check_target(report, path, part=job.part, clock_period_ns=None, top=None)
    except (ReportUnreadableError, ReportMismatchError) as error:
        note(f"left out {path.name}: {error.message}")
        return
    reports.append(report)
    kept.append(artifact(job.project, path))


def _link(job: KernelJob, vitis: Vitis, note: Callable[[str], None]) -> Outcome:
    linked = _file(job, linked_file(job))
    if linked.failure is not None:
        return linked
    reports: list[SynthesisReport] = []
    kept = list(linked.artifacts)
    for path in _extras(results_folder(job, "link", vitis), _LINK_EXTRAS):
        _add(job, path, reports, kept, note)
    verdicts = [verdict for verdict in map(_verdict, reports) if verdict is not None]
    return Outcome(verdicts[0] if verdicts else None, tuple(reports), tuple(kept))
