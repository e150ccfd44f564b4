"""Whether a report belongs to a project: the same part, the same clock, the same kernel."""

from __future__ import annotations

import re
from pathlib import Path

from hls_gen.reports.errors import ReportMismatchError
from spec.synthesis_report import SynthesisReport

# Reports print a period with two or three digits behind the point.
_PERIOD_TOLERANCE_NS = 0.006


def same_part(one: str, other: str) -> bool:
    """Whether two names are of one part. Vivado leaves out hyphens, `xc`, package and speed, depending on the report."""
    short, long = sorted((_bare(one), _bare(other)), key=len)
    return bool(short) and long.startswith(short)


def _bare(part: str) -> str:
    return re.sub(r"[^a-z0-9]", "", part.lower()).removeprefix("xc")


def check_target(
    report: SynthesisReport, source: Path, *, part: str | None, clock_period_ns: float | None, top: str | None
) -> None:
    """Refuse a report of another part, clock or kernel. What the report does not say is not compared.

    Raises:
        ReportMismatchError: naming both values.
    """
    if part is not None and report.part is not None and not same_part(part, report.part):
        raise _mismatch(source, "part", report.part, part)
    target = report.clock.target_ns if report.clock else None
    if clock_period_ns is not None and target is not None and abs(target - clock_period_ns) > _PERIOD_TOLERANCE_NS:
        raise _mismatch(source, "clock", f"{target:g} ns", f"{clock_period_ns:g} ns")
    if top is not None and report.top is not None and report.provenance in ("csynth", "cosim") and report.top != top:
        raise _mismatch(source, "kernel", report.top, top)


def _mismatch(source: Path, what: str, found: str, wanted: str) -> ReportMismatchError:
    return ReportMismatchError(
        f"the report is of another {what}: {found}, not {wanted}",
        field=what,
        value=found,
        rule=f"the {what} of the project: {wanted}",
        hint=f"give the report of this project, or generate the project for this {what}",
        source=str(source),
    )
