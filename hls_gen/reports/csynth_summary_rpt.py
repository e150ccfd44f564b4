"""csynth.rpt: the synthesis summary of the whole design as text, a tree of modules and loops."""

from __future__ import annotations

import re

from hls_gen.reports.csynth_rpt import general_information, tool_version
from hls_gen.reports.document import report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import absence, count_range, cycle_range, cycle_statistics, resource_counts, span
from hls_gen.reports.source import ReportText
from hls_gen.reports.tables import find_tables
from spec.synthesis_report import Absent, LoopRow, ModuleRow, SynthesisReport, measured

TITLE = re.compile(r"^== Synthesis Summary Report of '(?P<top>[^']+)'\s*$", re.MULTILINE)

_MODULES = "Modules & Loops"
_LATENCY = "Latency (cycles)"
_ONE_LATENCY = Absent("the summary gives one latency, the longest")
_ONE_INTERVAL = Absent("the summary gives one interval, the longest")


def parse_csynth_summary_rpt(report: ReportText) -> SynthesisReport:
    """The estimates of C synthesis for the design, its modules and loops.

    Raises:
        ReportUnreadableError: truncated, or no such report.
    """
    title = TITLE.search(report.text)
    table = next(
        (table for table in find_tables(report) if table.has_columns(_MODULES, _LATENCY, "Interval", "LUT")), None
    )
    records = table.records() if table else []
    if title is None or not records:
        raise unreadable(
            report.path,
            "is truncated: the performance and resource estimates are missing",
            "a table of modules and loops",
            "run C synthesis again: it ended before the report was complete",
        )
    modules, loops = _rows(records)
    first = records[0]
    part = general_information(report, "Target device")
    return report_document(
        provenance="csynth",
        kind="csynth_summary_rpt",
        tool="Vitis HLS",
        tool_version=tool_version(report),
        part=absence(part, "target device") or part or "",
        top=title["top"],
        clock=Absent("the summary gives slacks only: see csynth.xml or the report of the top module"),
        latency=cycle_statistics(_ONE_LATENCY, _ONE_LATENCY, span(first[_LATENCY], "latency")[1]),
        interval=cycle_statistics(_ONE_INTERVAL, _ONE_INTERVAL, span(first["Interval"], "interval")[1]),
        resources=resource_counts(_used(first), "the design"),
        available=Absent("the summary gives percentages only: see csynth.xml"),
        available_per_slr=Absent("the summary does not divide the device into regions"),
        timing=Absent("C synthesis estimates the clock, it does no timing analysis"),
        power=Absent("C synthesis estimates no power"),
        modules=modules,
        loops=loops,
    )


def _used(record: dict[str, str]) -> dict[str, str]:
    """`600 (14%)` is 600."""
    names = ("BRAM", "DSP", "FF", "LUT", "URAM")
    return {name: record[name].partition("(")[0] for name in names if name in record}


def _rows(records: list[dict[str, str]]) -> tuple[tuple[ModuleRow, ...], tuple[LoopRow, ...]]:
    """Rows marked `+` are modules, `o` loops; what is indented deeper belongs to the row above."""
    modules: list[ModuleRow] = []
    loops: list[LoopRow] = []
    above: list[tuple[int, str, str]] = []  # indentation, mark, name
    for record in records:
        label = record[_MODULES].strip()
        mark, name = label[:1], label[1:].strip().removesuffix("*")
        if mark not in ("+", "o") or not name:
            continue
        depth = len(record[_MODULES]) - len(record[_MODULES].lstrip())
        while above and above[-1][0] >= depth:
            above.pop()
        issue = record.get("Issue Type", "-")
        issues = () if issue in ("-", "") else (f"{issue} Violation",)
        if mark == "+":
            modules.append(_module(name, record, issues))
        else:
            module = next((outer for _, kind, outer in reversed(above) if kind == "+"), "")
            parent = above[-1][2] if above and above[-1][1] == "o" else ""
            loops.append(_loop(name, module, parent, record, issues))
        above.append((depth, mark, name))
    return tuple(modules), tuple(loops)


def _module(name: str, record: dict[str, str], issues: tuple[str, ...]) -> ModuleRow:
    return measured(
        ModuleRow,
        name=name,
        pipeline=absence(record.get("Pipelined"), "pipeline type") or record["Pipelined"],
        latency=cycle_range((_ONE_LATENCY, span(record[_LATENCY], "latency")[1])),
        interval=cycle_range((_ONE_INTERVAL, span(record["Interval"], "interval")[1])),
        estimated_clock_ns=Absent("the summary gives slacks only"),
        resources=resource_counts(_used(record), "the module"),
        issues=issues,
    )


def _loop(name: str, module: str, parent: str, record: dict[str, str], issues: tuple[str, ...]) -> LoopRow:
    pipelined = record.get("Pipelined") == "yes"
    not_pipelined = Absent("the loop is not pipelined")
    return measured(
        LoopRow,
        module=module,
        name=name,
        parent=parent,
        pipelined=pipelined,
        trip_count=count_range(span(record.get("Trip Count"), "trip count")),
        latency=cycle_range((_ONE_LATENCY, span(record[_LATENCY], "latency")[1])),
        depth=cycle_range(span(record.get("Iteration Latency"), "iteration latency")),
        ii_asked_cycles=Absent("the summary names no asked interval") if pipelined else not_pipelined,
        ii_achieved_cycles=span(record["Interval"], "initiation interval")[1] if pipelined else not_pipelined,
        issues=issues,
    )
