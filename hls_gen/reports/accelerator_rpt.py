"""report_accelerator_utilization of a Vitis link: the kernels beside the platform, against the user budget."""

from __future__ import annotations

from hls_gen.reports.banner import read_banner
from hls_gen.reports.document import report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import count, real
from hls_gen.reports.source import ReportText
from hls_gen.reports.tables import find_tables
from spec.synthesis_report import Absent, InstanceRow, ResourceCounts, SynthesisReport, measured

TITLE = "Accelerator Utilization Design Information"

_COLUMNS = {"lut": "LUT", "ff": "REG", "dsp": "DSP", "bram_18k": "BRAM", "uram": "URAM"}
_NOT_KERNELS = {"Platform", "User Budget", "Used Resources", "Unused Resources"}
_NO_CYCLES = Absent("Vivado knows no cycles of the kernel")


def parse_accelerator_rpt(report: ReportText) -> SynthesisReport:
    """What all kernels use together, of the budget beside the platform, and each of them.

    Raises:
        ReportUnreadableError: truncated, or no such report.
    """
    banner = read_banner(report)
    table = next((table for table in find_tables(report) if table.has_columns("Name", *_COLUMNS.values())), None)
    records = {record["Name"].strip(): record for record in table.records()} if table else {}
    if table is None or "Used Resources" not in records or "User Budget" not in records:
        raise unreadable(
            report.path,
            "is truncated: the rows of budget and used resources are missing",
            "a table with User Budget and Used Resources",
            "run report_accelerator_utilization again",
        )
    return report_document(
        provenance=banner.provenance,
        kind="accelerator_utilization_rpt",
        tool="Vivado",
        tool_version=banner.tool_version,
        part=banner.part,
        top=banner.design,
        clock=Absent("a utilization report gives no clock: see report_timing_summary"),
        latency=_NO_CYCLES,
        interval=_NO_CYCLES,
        resources=_counts(records["Used Resources"], "the kernels"),
        available=_counts(records["User Budget"], "the user budget"),
        available_per_slr=Absent("the report does not divide the device into regions"),
        timing=Absent("a utilization report gives no timing: see report_timing_summary"),
        power=Absent("a utilization report gives no power: see report_power"),
        instances=_instances(table.records()),
    )


def _counts(record: dict[str, str], whose: str) -> ResourceCounts:
    """Cells are `435 [ 23.95%]`; BRAM counts tiles of two 18 kbit block RAMs."""
    found: dict[str, int | Absent] = {}
    for name, column in _COLUMNS.items():
        text, what = record[column].partition("[")[0], f"{column} of {whose}"
        tiles = real(text, what) if name == "bram_18k" else None
        found[name] = count(f"{tiles * 2:.3f}", what) if isinstance(tiles, float) else count(text, what)
    return measured(ResourceCounts, **found)


def _instances(records: list[dict[str, str]]) -> tuple[InstanceRow, ...]:
    rows = []
    kernel = ""
    for record in records:
        name = record["Name"].strip()
        if name in _NOT_KERNELS:
            continue
        is_instance = record["Name"].startswith("    ")
        kernel = kernel if is_instance else name
        rows.append(
            measured(
                InstanceRow, name=name, parent=kernel if is_instance else "", resources=_counts(record, "the instance")
            )
        )
    return tuple(rows)
