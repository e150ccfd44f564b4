"""<module>_csynth.rpt: the report of one module as text, of Vivado HLS and Vitis HLS."""

from __future__ import annotations

import re
from collections.abc import Callable

from hls_gen.reports.document import clock_report, report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import (
    absence,
    all_absent,
    count,
    count_range,
    cycle_range,
    cycle_statistics,
    real,
    resource_counts,
    span,
)
from hls_gen.reports.source import ReportText
from hls_gen.reports.tables import Table, find_tables
from spec.synthesis_report import (
    Absent,
    LoopRow,
    ModuleRow,
    ResourceCounts,
    SynthesisReport,
    measured,
)

TITLE = re.compile(r"^== (?P<tool>Vivado|Vitis) HLS Report for '(?P<top>[^']+)'\s*$", re.MULTILINE)

_NO_AVERAGE = Absent("the text report gives no average")


def general_information(report: ReportText, name: str) -> str | None:
    """The value of a line such as `* Target device:  xcu280-fsvh2892-2L-e`."""
    found = re.search(rf"^[ \t]*\* {re.escape(name)}:(.*)$", report.text, re.MULTILINE)
    return found[1].strip() if found else None


def tool_version(report: ReportText) -> str | Absent:
    """`2023.2` of `2023.2 (Build 4023990 on Oct 11 2023)`."""
    version = general_information(report, "Version")
    return absence(version, "tool version") or (version or "").split()[0]


def parse_csynth_rpt(report: ReportText) -> SynthesisReport:
    """The estimates of C synthesis for one module.

    Raises:
        ReportUnreadableError: truncated, or no such report.
    """
    title = TITLE.search(report.text)
    tables = find_tables(report)
    timing = _one(report, tables, "timing summary", lambda table: table.has_columns("Clock", "Target", "Estimated"))
    latency = _one(report, tables, "latency summary", _is_latency_summary)
    usage = _one(report, tables, "utilization summary", lambda table: table.has_columns("Name", "BRAM_18K", "LUT"))
    clock = timing.records()[0]
    cycles, columns = latency.rows[0], _cycle_columns(latency)
    by_row = {row[0].strip(): dict(zip(usage.header, row, strict=True)) for row in usage.rows}
    if "Total" not in by_row:
        raise _truncated(report, "the total of the utilization summary")
    assert title is not None
    part = general_information(report, "Target device")
    return report_document(
        provenance="csynth",
        kind="csynth_rpt",
        tool=f"{title['tool']} HLS",
        tool_version=tool_version(report),
        part=absence(part, "target device") or part or "",
        top=title["top"],
        clock=clock_report(
            real(clock.get("Target"), "target clock period"),
            real(clock.get("Uncertainty"), "clock uncertainty"),
            real(clock.get("Estimated"), "estimated clock period"),
            Absent("known only after implementation"),
        ),
        latency=cycle_statistics(
            count(cycles[columns[0]], "latency"), _NO_AVERAGE, count(cycles[columns[1]], "latency")
        ),
        interval=cycle_statistics(
            count(cycles[columns[2]], "interval"), _NO_AVERAGE, count(cycles[columns[3]], "interval")
        ),
        resources=resource_counts(by_row["Total"], "the module"),
        available=_row(by_row, "Available", "the device"),
        available_per_slr=_row(by_row, "Available SLR", "a region"),
        timing=Absent("C synthesis estimates the clock, it does no timing analysis"),
        power=Absent("C synthesis estimates no power"),
        modules=_modules(tables),
        loops=_loops(tables, title["top"]),
    )


def _is_latency_summary(table: Table) -> bool:
    return "Instance" not in table.header and "Loop Name" not in table.header and len(_cycle_columns(table)) == 4


def _cycle_columns(table: Table) -> tuple[int, ...]:
    """Columns of shortest and longest latency, and of shortest and longest interval, by their heads."""
    heads = list(enumerate(table.header))
    latency = [i for i, head in heads if head.startswith("Latency") and "absolute" not in head]
    interval = [i for i, head in heads if head.startswith("Interval")]
    return (*latency, *interval) if (len(latency), len(interval)) == (2, 2) else ()


def _one(report: ReportText, tables: list[Table], what: str, suits: Callable[[Table], bool]) -> Table:
    found = next((table for table in tables if table.header and table.rows and suits(table)), None)
    if found is None:
        raise _truncated(report, f"the {what}")
    return found


def _truncated(report: ReportText, what: str) -> Exception:
    return unreadable(
        report.path,
        f"is truncated: {what} is missing",
        "timing, latency and utilization of a module",
        "run C synthesis again: it ended before the report was complete",
    )


def _row(by_row: dict[str, dict[str, str]], name: str, whose: str) -> ResourceCounts | Absent:
    if name not in by_row:
        return Absent(f"the report has no row {name!r}")
    return resource_counts(by_row[name], whose)


def _modules(tables: list[Table]) -> tuple[ModuleRow, ...]:
    """The instances in the module. Latency and resources stand in two tables."""
    instances = [table for table in tables if table.header[:2] == ("Instance", "Module")]
    performance = next((table for table in instances if _cycle_columns(table)), None)
    area = next((table for table in instances if "LUT" in table.header), None)
    columns = _cycle_columns(performance) if performance else ()
    resources = {record["Instance"].strip(): record for record in area.records()} if area else {}
    rows = []
    for row in performance.rows if performance else ():
        used = resources.get(row[0].strip())
        rows.append(
            measured(
                ModuleRow,
                name=row[1],
                pipeline=absence(row[-1], "pipeline type") or row[-1],
                latency=cycle_range((count(row[columns[0]], "latency"), count(row[columns[1]], "latency"))),
                interval=cycle_range((count(row[columns[2]], "interval"), count(row[columns[3]], "interval"))),
                estimated_clock_ns=Absent("the text report gives no clock of each instance"),
                resources=resource_counts(used, "the instance")
                if used is not None
                else all_absent(ResourceCounts, "the report has no resources of this instance"),
            )
        )
    return tuple(rows)


def _loops(tables: list[Table], module: str) -> tuple[LoopRow, ...]:
    table = next((table for table in tables if table.header[:1] == ("Loop Name",) and len(table.header) == 8), None)
    rows: list[LoopRow] = []
    above: list[str] = []
    for cells in table.rows if table else ():
        label = cells[0].strip()
        name = label.lstrip("+-").strip()
        level = len(label) - len(label.lstrip("+"))
        if not name or not label.startswith(("-", "+")):
            continue
        pipelined = cells[7].strip() == "yes"
        not_pipelined = Absent("the loop is not pipelined")
        del above[level:]
        rows.append(
            measured(
                LoopRow,
                module=module,
                name=name,
                parent=above[-1] if above else "",
                pipelined=pipelined,
                trip_count=count_range(span(cells[6], "trip count")),
                latency=cycle_range((count(cells[1], "latency"), count(cells[2], "latency"))),
                depth=cycle_range(span(cells[3], "iteration latency")),
                ii_asked_cycles=count(cells[5], "target interval") if pipelined else not_pipelined,
                ii_achieved_cycles=count(cells[4], "achieved interval") if pipelined else not_pipelined,
            )
        )
        above.append(name)
    return tuple(rows)
