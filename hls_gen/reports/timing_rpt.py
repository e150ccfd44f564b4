"""report_timing_summary: slack of the design and of each clock, and whether the constraints are met."""

from __future__ import annotations

import re

from hls_gen.reports.banner import read_banner
from hls_gen.reports.document import clock_report, report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import count, real
from hls_gen.reports.source import ReportText
from spec.synthesis_report import Absent, ClockReport, ClockRow, SynthesisReport, TimingSummary, measured

TITLE = "Timing Summary Report"

_MET = "All user specified timing constraints are met"
_NOT_MET = "Timing constraints are not met"
_UNCONSTRAINED = "There are no user specified timing constraints"
_NO_CYCLES = Absent("Vivado knows no cycles of the kernel")
_NO_RESOURCES = Absent("a timing report gives no resources: see report_utilization")


def parse_timing_rpt(report: ReportText) -> SynthesisReport:
    """Slacks after synthesis, placement or routing.

    Raises:
        ReportUnreadableError: truncated before the summary, or no such report.
    """
    banner = read_banner(report)
    summary = _table(report.text, "Design Timing Summary")
    if not summary:
        raise unreadable(
            report.path,
            "is truncated: the design timing summary is missing",
            "a Design Timing Summary with WNS and TNS",
            "run report_timing_summary again",
        )
    values = summary[0]
    clocks = _clocks(report.text)
    return report_document(
        provenance=banner.provenance,
        kind="timing_summary_rpt",
        tool="Vivado",
        tool_version=banner.tool_version,
        part=banner.part,
        top=banner.design,
        clock=_clock(clocks),
        latency=_NO_CYCLES,
        interval=_NO_CYCLES,
        resources=_NO_RESOURCES,
        available=_NO_RESOURCES,
        available_per_slr=_NO_RESOURCES,
        timing=measured(
            TimingSummary,
            met=_met(report.text),
            wns_ns=real(values.get("WNS(ns)"), "worst negative slack"),
            tns_ns=real(values.get("TNS(ns)"), "total negative slack"),
            failing_endpoints=count(values.get("TNS Failing Endpoints"), "failing endpoints"),
            total_endpoints=count(values.get("TNS Total Endpoints"), "endpoints"),
            whs_ns=real(values.get("WHS(ns)"), "worst hold slack"),
            ths_ns=real(values.get("THS(ns)"), "total hold slack"),
            wpws_ns=real(values.get("WPWS(ns)"), "worst pulse width slack"),
            tpws_ns=real(values.get("TPWS(ns)"), "total pulse width slack"),
            clocks=clocks,
        ),
        power=Absent("a timing report gives no power: see report_power"),
    )


def _met(text: str) -> bool | Absent:
    if _NOT_MET in text:
        return False
    if _MET in text:
        return True
    if _UNCONSTRAINED in text:
        return Absent("the design has no timing constraints")
    return Absent("the report does not say whether the constraints are met")


def _section(text: str, title: str) -> list[str]:
    """The lines of a section, whose title stands in a box of dashes."""
    start = re.search(rf"^\| {re.escape(title)}\s*$", text, re.MULTILINE)
    if start is None:
        return []
    end = re.search(r"^-{20,}\n\| ", text[start.end() :], re.MULTILINE)
    return text[start.end() : start.end() + end.start() if end else len(text)].splitlines()


def _table(text: str, title: str) -> list[dict[str, str]]:
    """Columns whose heads are underlined by dashes. Values end where the dashes end; a column may be empty in a row."""
    lines = _section(text, title)
    heads = next((i for i, line in enumerate(lines) if re.fullmatch(r"\s*-{3,}(\s+-{3,})+\s*", line)), None)
    if heads is None or heads == 0:
        return []
    ends = [found.end() for found in re.finditer(r"-+", lines[heads])]
    spans = list(zip([0, *ends], ends, strict=False))
    names = [lines[heads - 1][start:end].strip() for start, end in spans]
    rows = []
    for line in lines[heads + 1 :]:
        if not line.strip():
            break
        cells = [line[start:end].strip() for start, end in spans]
        if names[0] == "Clock":  # a name is longer than its head, and reaches to the next value
            name, *value = re.split(r" {2,}", line[: ends[1]].strip())
            cells[:2] = [name, value[0] if value else ""]
        rows.append(dict(zip(names, cells, strict=True)))
    return rows


def _clocks(text: str) -> tuple[ClockRow, ...]:
    slacks = {row["Clock"]: row for row in _table(text, "Intra Clock Table") if "Clock" in row}
    rows = []
    for line in _section(text, "Clock Summary"):
        name, brace, behind = line.strip().partition(" {")  # name {waveform} period frequency
        values = behind.partition("}")[2].split()
        if not brace or len(values) != 2:
            continue
        slack = slacks.get(name.strip(), {})
        rows.append(
            measured(
                ClockRow,
                name=name.strip(),
                period_ns=real(values[0], "period"),
                wns_ns=real(slack.get("WNS(ns)"), "worst negative slack of the clock"),
                tns_ns=real(slack.get("TNS(ns)"), "total negative slack of the clock"),
            )
        )
    return tuple(rows)


def _clock(clocks: tuple[ClockRow, ...]) -> ClockReport | Absent:
    if len(clocks) != 1:
        return Absent(f"the design has {len(clocks)} clocks: see timing.clocks")
    period, slack = clocks[0].period_ns, clocks[0].wns_ns
    achieved = round(period - slack, 6) if period is not None and slack is not None and slack < period else None
    return clock_report(
        Absent("the clock has no period") if period is None else period,
        Absent("the summary gives no uncertainty"),
        Absent("the design is built, nothing is estimated"),
        Absent("the clock has no slack") if achieved is None else achieved,
    )
