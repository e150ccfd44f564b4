"""report_power: what Vivado estimates for the chip, and how sure it is."""

from __future__ import annotations

from hls_gen.reports.banner import read_banner
from hls_gen.reports.document import report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import absence, real
from hls_gen.reports.source import ReportText
from hls_gen.reports.tables import Table, find_tables
from spec.synthesis_report import Absent, PowerComponent, PowerReport, SynthesisReport, measured

TITLE = "Power Report"

_TOTAL = "Total On-Chip Power (W)"
_NO_CYCLES = Absent("Vivado knows no cycles of the kernel")
_NO_RESOURCES = Absent("a power report gives no resources: see report_utilization")


def parse_power_rpt(report: ReportText) -> SynthesisReport:
    """The power estimate.

    Raises:
        ReportUnreadableError: truncated before the summary, or no such report.
    """
    banner = read_banner(report)
    tables = find_tables(report)
    summary = next((found for found in map(_pairs, tables) if _TOTAL in found), None)
    if summary is None:
        raise unreadable(
            report.path, "is truncated: the summary is missing", f"a summary with {_TOTAL}", "run report_power again"
        )
    confidence = summary.get("Confidence Level")
    return report_document(
        provenance=banner.provenance,
        kind="power_rpt",
        tool="Vivado",
        tool_version=banner.tool_version,
        part=banner.part,
        top=banner.design,
        clock=Absent("a power report gives no clock: see report_timing_summary"),
        latency=_NO_CYCLES,
        interval=_NO_CYCLES,
        resources=_NO_RESOURCES,
        available=_NO_RESOURCES,
        available_per_slr=_NO_RESOURCES,
        timing=Absent("a power report gives no timing: see report_timing_summary"),
        power=measured(
            PowerReport,
            total_w=_watts(summary.get(_TOTAL), "total power"),
            dynamic_w=_watts(summary.get("Dynamic (W)"), "dynamic power"),
            static_w=_watts(summary.get("Device Static (W)"), "static power"),
            junction_c=real(summary.get("Junction Temperature (C)"), "junction temperature"),
            confidence=absence(confidence, "confidence level") or confidence or "",
            components=_components(tables),
        ),
    )


def _pairs(table: Table) -> dict[str, str]:
    """A table of two columns without a header."""
    rows = [row for block in table.blocks for row in block]
    return {row[0].strip(): row[1] for row in rows} if rows and len(rows[0]) == 2 else {}


def _watts(text: str | None, what: str) -> float | Absent:
    if text is not None and text.strip().startswith("<"):
        return Absent(f"{what} is below what the report shows ({text.strip()} W)")
    return real(text, what)


def _components(tables: list[Table]) -> tuple[PowerComponent, ...]:
    table = next((table for table in tables if table.has_columns("On-Chip", "Power (W)")), None)
    return tuple(
        measured(
            PowerComponent,
            name=record["On-Chip"].strip(),
            power_w=_watts(record["Power (W)"], f"power of {record['On-Chip'].strip()}"),
        )
        for record in (table.records() if table else ())
        if record["On-Chip"].strip() != "Total"
    )
