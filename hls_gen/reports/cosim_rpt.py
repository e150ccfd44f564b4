"""<top>_cosim.rpt: what simulation of the generated RTL measured."""

from __future__ import annotations

from hls_gen.reports.document import report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import count, cycle_statistics
from hls_gen.reports.source import ReportText
from spec.synthesis_report import Absent, CosimResult, SynthesisReport, measured

_UNNAMED = Absent("a co-simulation report does not name it")
_NOT_SYNTHESIS = Absent("co-simulation measures cycles only")

MARKS = ("Simulation tool", "Latency(Clock Cycles)")


def parse_cosim_rpt(report: ReportText) -> SynthesisReport:
    """Cycles of the simulated RTL. Latency and interval are those of one call of the kernel.

    Raises:
        ReportUnreadableError: truncated, or no such report.
    """
    rows: dict[str, list[str]] = {}
    for line in report.text.splitlines():
        first, *cells = (cell.strip() for cell in line.strip().strip("|").split("|"))
        if first in ("VHDL", "Verilog") and len(cells) in (7, 8) and line.rstrip().endswith("|"):
            rows[first.lower()] = cells
    complete = report.text.rstrip().endswith("+")  # the table's last rule
    if not rows or not complete:
        raise unreadable(
            report.path,
            "is truncated: the table of Verilog and VHDL is not complete",
            "a row with status, latency and interval",
            "run co-simulation again: it ended before the report was complete",
        )
    rtl = next((rtl for rtl, cells in rows.items() if cells[0].lower() in ("pass", "fail")), None)
    status, *cells = rows[rtl or next(iter(rows))]
    total = cells[6] if len(cells) == 7 else None  # not in older versions
    return report_document(
        provenance="cosim",
        kind="cosim_rpt",
        tool="Vitis HLS",
        tool_version=_UNNAMED,
        part=_UNNAMED,
        top=_UNNAMED,
        clock=_NOT_SYNTHESIS,
        latency=cycle_statistics(*(count(cell, "latency") for cell in cells[:3])),
        interval=cycle_statistics(
            *(count(cell, "interval, which takes two calls of the kernel") for cell in cells[3:6])
        ),
        resources=_NOT_SYNTHESIS,
        available=_NOT_SYNTHESIS,
        available_per_slr=_NOT_SYNTHESIS,
        timing=_NOT_SYNTHESIS,
        power=_NOT_SYNTHESIS,
        cosim=measured(
            CosimResult,
            rtl=rtl or Absent("no RTL was simulated"),
            status={"pass": "pass", "fail": "fail"}.get(status.lower(), "not_run"),
            total_execution_cycles=count(total, "total execution time"),
        ),
    )
