"""report_utilization: of the whole device, 7 series to Versal, and with -slr of each super logic region."""

from __future__ import annotations

import re

from hls_gen.reports.banner import read_banner
from hls_gen.reports.document import report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import count, real
from hls_gen.reports.source import ReportText
from hls_gen.reports.tables import Table, find_tables
from spec.synthesis_report import (
    Absent,
    ResourceCounts,
    ResourceFractions,
    SlrCrossing,
    SlrRow,
    SynthesisReport,
    measured,
)

TITLE = "Utilization Design Information"

# Site types by device family; a trailing * marks a footnote.
_SITES = {
    "lut": ("CLB LUTs", "Slice LUTs"),
    "ff": ("CLB Registers", "Slice Registers", "Registers"),
    "dsp": ("DSPs", "DSP Slices"),
    "bram_18k": ("Block RAM Tile",),
    "uram": ("URAM",),
}
_TILE_BRAM_18K = 2  # a block RAM tile holds two 18 kbit block RAMs
_SLR = re.compile(r"SLR[0-9]+")
_SLR_COLUMN = re.compile(r"Site Type|SLR[0-9]+( %)?")
_NO_CYCLES = Absent("Vivado knows no cycles of the kernel")
_NO_CLOCK = Absent("a utilization report gives no clock: see report_timing_summary")
_NO_TIMING = Absent("a utilization report gives no timing: see report_timing_summary")
_NO_POWER = Absent("a utilization report gives no power: see report_power")


def parse_utilization_rpt(report: ReportText) -> SynthesisReport:
    """What a design uses of its device, and of each region.

    Raises:
        ReportUnreadableError: truncated, or no such report.
    """
    banner = read_banner(report)
    tables = find_tables(report)
    device = _by_site([table for table in tables if table.has_columns("Site Type", "Used", "Available")])
    by_slr = next((table for table in tables if table.has_columns("Site Type", "SLR0")), None)
    unknown = [name for name in by_slr.header if not _SLR_COLUMN.fullmatch(name)] if by_slr else []
    if by_slr and unknown:
        raise unreadable(
            report.path,
            f"is damaged: the column {unknown[0][:40]!r} is of no region",
            "columns of SLR0, SLR1, ... and their shares",
            "take the report as the tool wrote it",
            by_slr.line,
        )
    slrs = _slrs(by_slr) if by_slr else ()
    if (_site(device, "lut") is None or _site(device, "ff") is None) if device else not slrs:
        raise unreadable(
            report.path,
            "is truncated: the tables of LUTs and registers are missing",
            "tables by site type",
            "run report_utilization again, without -hierarchical",
        )
    used = _counts(device, "Used", "the design") if device else _sum([slr.resources for slr in slrs])
    no_device = Absent("the report of the regions gives no totals of the device")
    return report_document(
        provenance=banner.provenance,
        kind="utilization_rpt" if device else "slr_utilization_rpt",
        tool="Vivado",
        tool_version=banner.tool_version,
        part=banner.part,
        top=banner.design,
        clock=_NO_CLOCK,
        latency=_NO_CYCLES,
        interval=_NO_CYCLES,
        resources=used,
        available=_counts(device, "Available", "the device") if device else no_device,
        available_per_slr=Absent("the report gives no totals of a region"),
        timing=_NO_TIMING,
        power=_NO_POWER,
        slrs=slrs,
        slr_crossings=_crossings(tables),
    )


def _by_site(tables: list[Table]) -> dict[str, dict[str, str]]:
    """Site type to its row; of several rows the first, which is the total."""
    found: dict[str, dict[str, str]] = {}
    for table in tables:
        for record in table.records():
            found.setdefault(record["Site Type"].strip().rstrip("*"), record)
    return found


def _site(device: dict[str, dict[str, str]], name: str) -> dict[str, str] | None:
    return next((device[site] for site in _SITES[name] if site in device), None)


def _blocks(name: str, text: str | None, what: str) -> int | Absent:
    number = real(text, what)
    if isinstance(number, Absent) or name != "bram_18k":
        return count(text, what)
    return count(f"{number * _TILE_BRAM_18K:.3f}", what)


def _counts(device: dict[str, dict[str, str]], column: str, whose: str) -> ResourceCounts:
    found: dict[str, int | Absent] = {}
    for name, sites in _SITES.items():
        row = _site(device, name)
        found[name] = (
            _blocks(name, row.get(column), f"{sites[0]} of {whose}")
            if row is not None
            else Absent(f"the report has no row {' or '.join(sites)}")
        )
    return measured(ResourceCounts, **found)


def _slrs(table: Table) -> tuple[SlrRow, ...]:
    sites = _by_site([table])
    rows = []
    for slr in (name for name in table.header if _SLR.fullmatch(name)):
        fractions: dict[str, float | Absent] = {}
        for name in _SITES:
            percent = real((_site(sites, name) or {}).get(f"{slr} %"), f"share of {name} in {slr}")
            fractions[name] = percent if isinstance(percent, Absent) else percent / 100
        rows.append(
            measured(
                SlrRow,
                name=slr,
                resources=_counts(sites, slr, slr),
                utilization=measured(ResourceFractions, **fractions),
            )
        )
    return tuple(rows)


def _sum(parts: list[ResourceCounts]) -> ResourceCounts:
    total: dict[str, int | Absent] = {}
    for name in _SITES:
        values = [getattr(part, name) for part in parts]
        known = [value for value in values if value is not None]
        total[name] = sum(known) if len(known) == len(values) else Absent(f"{name} of some region is not known")
    return measured(ResourceCounts, **total)


def _crossings(tables: list[Table]) -> tuple[SlrCrossing, ...]:
    rows = []
    for table in tables:
        if table.header[:2] != ("", "Used"):
            continue
        for record in table.records():
            found = re.fullmatch(r"(SLR\d+) <-> (SLR\d+)", record[""].strip())
            if found:
                rows.append(
                    measured(
                        SlrCrossing,
                        between=(found[1], found[2]),
                        sll_used=count(record["Used"], "used SLLs"),
                        sll_available=count(record.get("Available"), "available SLLs"),
                    )
                )
    return tuple(rows)
