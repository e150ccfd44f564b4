"""Whether a tool report is of a project: its part, kernel and clock."""

from __future__ import annotations

from collections.abc import Mapping

from spec.errors import InputError
from spec.synthesis_report import SynthesisReport
from spec.workload import STAGES, Stage

CLOCK_TOLERANCE = 0.01  # a target printed to a hundredth of a nanosecond

# Reports of the HLS tool on one kernel: they name it, and each run of it writes a form that has the clock.
_OF_A_KERNEL = ("csynth_xml", "csynth_rpt", "csynth_summary_rpt", "cosim_rpt", "export_xml", "export_rpt")


def matched_report(
    report: SynthesisReport,
    *,
    part_number: str,
    clock_target_mhz: Mapping[Stage, float],
    stage: Stage | None = None,
    source: str | None = None,
) -> tuple[Stage, tuple[str, ...]]:
    """The kernel that `report` is of, and what was compared with the project.

    `stage`: where the report's top does not say it. `source`: the file, for messages.

    Raises:
        InputError: it is of another part, clock or kernel, or names none.
    """
    try:
        part = _check_part(report, part_number)
        where = _stage(report, stage)
        return where, (part, _kernel(report, where), _check_clock(report, clock_target_mhz[where], where))
    except InputError as error:
        error.source = source
        raise


def _refuse(what: str, value: object, rule: str, hint: str) -> InputError:
    return InputError(what, field="report", value=value, rule=rule, hint=hint)


def _check_part(report: SynthesisReport, part_number: str) -> str:
    expected = part_number.lower()
    if report.part is None:
        raise _refuse("the report names no part", None, f"a report for {part_number}",
                      "attach one that names its part (csynth.xml, report_utilization)")  # fmt: skip
    part = report.part.lower()
    # Reports shorten a part to its device, package and speed grade, with or without dashes: a prefix of one another.
    one, other = part.replace("-", ""), expected.replace("-", "")
    if not (one.startswith(other) or (len(one) >= 12 and other.startswith(one))):
        raise _refuse("the report is of another part", report.part, f"the project's part, {part_number}",
                      "attach it to a project for that part")  # fmt: skip
    return f"part {report.part}"


def _stage(report: SynthesisReport, stage: Stage | None) -> Stage:
    top = report.top.lower() if report.top is not None else None
    if report.kind in _OF_A_KERNEL and top is not None:
        if top not in STAGES:
            raise _refuse("the report is of another kernel than the project's", report.top, f"top {' or '.join(STAGES)}",
                          "attach the report of the kernel itself: csynth.xml of the project's own synthesis")  # fmt: skip
        named = [name for name in STAGES if name == top]
    else:
        named = [name for name in STAGES if top is not None and name in top]
    if stage is None:
        if len(named) != 1:
            raise _refuse("the report's top does not say which kernel it is of", report.top,
                          "a top with prefill or decode in its name", "name it: --stage prefill or --stage decode")  # fmt: skip
        return named[0]
    if named and stage not in named:
        raise _refuse(f"the report is not of the {stage} kernel", report.top, f"a top of {stage}",
                      f"leave --stage out, or give --stage {named[0]}")  # fmt: skip
    return stage


def _kernel(report: SynthesisReport, where: Stage) -> str:
    """What stands behind the kernel: the report's own top, or the word of whoever attached it."""
    if report.top is not None and where in report.top.lower():
        return f"kernel {where}"
    return f"no kernel: {where} was given, the report's top is {report.top or 'not named'}"


def _check_clock(report: SynthesisReport, clock_target_mhz: float, stage: Stage) -> str:
    target = report.clock.target_ns if report.clock is not None else None
    if target is None:
        if report.provenance == "csynth":
            raise _refuse("the report names no clock, and what C synthesis counts depends on it", None,
                          f"a report at {clock_target_mhz:g} MHz that says so", "attach csynth.xml of the same run: it names the clock")  # fmt: skip
        return "no clock: the report names none"
    asked = 1000.0 / clock_target_mhz
    if abs(target / asked - 1) > CLOCK_TOLERANCE:
        raise _refuse(f"the report is of another clock than the project's {stage}", f"{target:g} ns",
                      f"{asked:.3f} ns within {CLOCK_TOLERANCE:.0%}",
                      "synthesize at the project's clock, or generate a project with that clock target")  # fmt: skip
    return f"clock {target:g} ns"
