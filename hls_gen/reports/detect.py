"""Tells what kind of report a file is by its content, never by its name, and reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from hls_gen.reports import (
    accelerator_rpt,
    cosim_rpt,
    csynth_rpt,
    csynth_summary_rpt,
    export,
    power_rpt,
    timing_rpt,
    utilization_rpt,
)
from hls_gen.reports.csynth_xml import parse_csynth_xml
from hls_gen.reports.errors import unreadable
from hls_gen.reports.source import ReportText, read_report
from spec.errors import InputError
from spec.synthesis_report import SynthesisReport

Parser = Callable[[ReportText], SynthesisReport]

_HEAD_CHARS = 200_000  # all titles stand at the start
_KNOWN = (
    "csynth.xml, <module>_csynth.xml, csynth.rpt, <module>_csynth.rpt, <top>_cosim.rpt, export_impl.xml, <top>_export.rpt, "
    "report_utilization (also -slr), report_accelerator_utilization, report_timing_summary, report_power"
)


def parse_report(path: Path) -> SynthesisReport:
    """Read any report of C synthesis, co-simulation or implementation.

    Raises:
        ReportUnreadableError: no report, not a whole one, or a hostile file.
    """
    report = read_report(Path(path))
    try:
        return _parser(report)(report)
    except ValidationError as error:
        raise _refused(report, error) from error
    except InputError as error:
        error.source = error.source or str(report.path)
        raise


def _refused(report: ReportText, error: ValidationError) -> Exception:
    entry = error.errors()[0]
    place, problem, rule = [str(part) for part in entry["loc"]], entry["msg"], entry["msg"]
    inner = entry.get("ctx", {}).get("error")
    if isinstance(inner, InputError):  # its text has several lines, of which each has its own place here
        place += [inner.field] if inner.field else []
        problem, rule = inner.message, inner.rule or inner.message
    return unreadable(
        report.path,
        f"holds a value that can not be: {'.'.join(place)}: {problem}",
        rule,
        "take the report anew from the tool",
    )


def _parser(report: ReportText) -> Parser:
    text = report.text.lstrip()
    if text.startswith("<"):
        return _xml_parser(report)
    parser = _text_parser(report, text[:_HEAD_CHARS])
    if not text.endswith("\n"):
        raise unreadable(
            report.path,
            "is truncated: its last line has no end, so a number there may have lost digits",
            "text of whole lines, as the tools write it",
            "run the tool again: it ended before the report was complete",
            report.text.count("\n") + 1,
        )
    return parser


def _text_parser(report: ReportText, head: str) -> Parser:
    if csynth_rpt.TITLE.search(head):
        return csynth_rpt.parse_csynth_rpt
    if csynth_summary_rpt.TITLE.search(head):
        return csynth_summary_rpt.parse_csynth_summary_rpt
    if all(mark in head for mark in cosim_rpt.MARKS):
        return cosim_rpt.parse_cosim_rpt
    if export.RPT_MARK in head:
        return export.parse_export_rpt
    vivado: dict[str, Parser] = {
        accelerator_rpt.TITLE: accelerator_rpt.parse_accelerator_rpt,
        utilization_rpt.TITLE: utilization_rpt.parse_utilization_rpt,
        timing_rpt.TITLE: timing_rpt.parse_timing_rpt,
        power_rpt.TITLE: power_rpt.parse_power_rpt,
    }
    titles = [line.strip() for line in head.splitlines() if line.strip() in vivado]
    if titles:
        return vivado[titles[0]]
    raise _foreign(report)


def _xml_parser(report: ReportText) -> Parser:
    if re.search(r"<RptDoc\b", report.text[:4000]):
        raise unreadable(
            report.path,
            "is a Vivado report in XML form, which is not read yet",
            f"one of {_KNOWN}",
            "write it as text: the same report command with -file x.rpt and without -format xml",
        )
    is_export = (
        re.search(r"<(TimingReport|AreaReport|RunData)\b", report.text) and "<UserAssignments" not in report.text
    )
    return export.parse_export_xml if is_export else parse_csynth_xml


def _foreign(report: ReportText) -> Exception:
    if re.search(r"^\| Tool Version\s*: Vivado", report.text[:_HEAD_CHARS], re.MULTILINE):
        command = re.search(r"^\| Command\s*: (\S+)", report.text[:_HEAD_CHARS], re.MULTILINE)
        problem = f"is a Vivado report of another kind or is truncated ({command[1][:60] if command else 'no command'})"
    else:
        problem = "is no report that we know"
    return unreadable(report.path, problem, f"one of {_KNOWN}", "give one of these, as the tool wrote it")
