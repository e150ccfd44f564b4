"""export_impl.xml and <top>_export.rpt: the figures that Vitis HLS takes over from Vivado, after logic synthesis or routing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hls_gen.reports.document import clock_report, report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import RESOURCE_TAGS, absence, count, real
from hls_gen.reports.source import ReportText
from hls_gen.reports.xml_tree import Node, read_xml
from spec.synthesis_report import (
    Absent,
    ClockReport,
    ReportKind,
    ResourceCounts,
    SynthesisProvenance,
    SynthesisReport,
    TimingSummary,
    measured,
)

RPT_MARK = "Implementation tool: Xilinx Vivado"

_SKIP = frozenset({"RtlModules", "TimingPaths"})
_NO_CYCLES = Absent("an implementation knows no cycles")
_UNNAMED = Absent("the export report does not name it")


def parse_export_xml(report: ReportText) -> SynthesisReport:
    """Figures after implementation (export_impl.xml) or logic synthesis (export_syn.xml).

    Raises:
        ReportUnreadableError: truncated, or it does not say which of the two.
    """
    root = read_xml(report, ("profile",), _SKIP)
    timing, area = root.child("TimingReport"), root.child("AreaReport/Resources")
    if timing is None or area is None:
        raise unreadable(
            report.path,
            f"lacks <{'TimingReport' if timing is None else 'AreaReport'}>",
            "a profile with TimingReport and AreaReport",
            "give the export_impl.xml in impl/report/verilog",
        )
    times = _texts(timing)
    run, version = root.value("RunData/RUN_TYPE"), root.value("RunData/VIVADO_VERSION")
    device = root.child("AreaReport/AvailableResources")
    part = next((node.attributes.get("VALUE") for node in root.all("GeneralInfo/item")
                 if node.attributes.get("NAME") == "Target device"), None)  # fmt: skip
    available = _texts(device) if device else {}
    return _document(
        report,
        "export_xml",
        _provenance(report, run or "", times.get("CP_ROUTE")),
        absence(version, "Vivado version") or (version or "").lstrip("v."),
        part or _UNNAMED,
        _texts(area),
        available,
        clock_report(
            real(times.get("TargetClockPeriod", times.get("CP_TARGET")), "target clock period"),
            _UNNAMED,
            Absent("the design is built, nothing is estimated"),
            real(times.get("AchievedClockPeriod", times.get("CP_FINAL")), "achieved clock period"),
        ),
        {"TRUE": True, "FALSE": False}.get(times.get("TIMING_MET", "").upper()),
        times,
    )


def parse_export_rpt(report: ReportText) -> SynthesisReport:
    """The same as text.

    Raises:
        ReportUnreadableError: truncated, or no such report.
    """
    found_lines = re.findall(r"^([A-Za-z][A-Za-z -]*):[ \t](.*)$", report.text, re.MULTILINE)
    lines = {name: value.strip() for name, value in found_lines}
    stage = re.search(r"^#=== Post-(Implementation|Synthesis) Resource usage ===", report.text, re.MULTILINE)
    if stage is None or "CP required" not in lines:
        raise unreadable(
            report.path,
            f"is truncated: the {'resource usage' if stage is None else 'final timing'} is missing",
            "resource usage and final timing",
            "run the export with implementation again",
        )
    after = "post-implementation" if stage[1] == "Implementation" else "post-synthesis"
    found = re.search(r"\d{4}\.\d+(\.\d+)?", lines.get("Implementation tool", ""))
    met = True if re.search(r"^Timing met", report.text, re.MULTILINE) else None
    part = lines.get("Device target")
    return _document(
        report,
        "export_rpt",
        "post_route" if stage[1] == "Implementation" else "post_synth",
        found[0] if found else Absent("the report has no Vivado version"),
        absence(part, "device target") or part or "",
        lines,
        {},
        clock_report(
            real(lines.get("CP required"), "required clock period"),
            _UNNAMED,
            Absent("the design is built, nothing is estimated"),
            real(lines.get(f"CP achieved {after}"), "achieved clock period"),
        ),
        False if re.search(r"^Timing not met", report.text, re.MULTILINE) else met,
        {},
    )


def _texts(node: Node) -> dict[str, str]:
    return {child.tag: child.text.strip() for child in node.children}


def _provenance(report: ReportText, run: str, routed: str | None) -> SynthesisProvenance:
    """Files of old versions tell it by name only."""
    name = report.path.name.lower()
    if run.lower().startswith("impl") or (not run and "export_impl" in name):
        return "post_route"
    if run.lower().startswith("syn") or (not run and "export_syn" in name):
        return "post_synth"
    if not isinstance(real(routed, "routed"), Absent):
        return "post_route"
    raise unreadable(
        report.path,
        "does not say whether the design was implemented or only synthesized",
        "RunData/RUN_TYPE, or the tool's own file name: export_impl.xml, export_syn.xml",
        "give the file under the name that the tool gave it",
    )


def _resources(used: Mapping[str, str], available: Mapping[str, str]) -> tuple[ResourceCounts, ResourceCounts | Absent]:
    """BRAM counts 18 kbit blocks here. Vitis HLS writes 0 of 0 for what it did not find in Vivado's report."""
    counts: dict[str, int | Absent] = {}
    totals: dict[str, int | Absent] = {}
    for name, tags in RESOURCE_TAGS.items():
        tag = next((tag for tag in tags if tag in used), tags[0])
        counts[name] = count(used.get(tag), f"{tag} of the design")
        totals[name] = count(available.get(tag), f"{tag} of the device")
        if counts[name] == 0 and totals[name] == 0:
            counts[name] = totals[name] = Absent(f"0 of 0 {tag}: the tool found no such row in Vivado's report")
    no_device = Absent("the report has no available resources")
    return measured(ResourceCounts, **counts), measured(ResourceCounts, **totals) if available else no_device


def _document(
    report: ReportText,
    kind: ReportKind,
    provenance: SynthesisProvenance,
    version: str | Absent,
    part: str | Absent,
    used: Mapping[str, str],
    available: Mapping[str, str],
    clock: ClockReport,
    met: bool | None,
    times: Mapping[str, str],
) -> SynthesisReport:
    resources, device = _resources(used, available)
    none = Absent("the export report gives setup slack only")
    return report_document(
        provenance=provenance,
        kind=kind,
        tool="Vivado",
        tool_version=version,
        part=part,
        top=_UNNAMED,
        clock=clock,
        latency=_NO_CYCLES,
        interval=_NO_CYCLES,
        resources=resources,
        available=device,
        available_per_slr=Absent("the export report does not divide the device into regions"),
        timing=measured(
            TimingSummary,
            met=Absent("the design has no path between registers") if met is None else met,
            wns_ns=real(times.get("WNS_FINAL", times.get("SLACK_FINAL")), "worst negative slack"),
            tns_ns=real(times.get("TNS_FINAL"), "total negative slack"),
            failing_endpoints=none,
            total_endpoints=none,
            whs_ns=none,
            ths_ns=none,
            wpws_ns=none,
            tpws_ns=none,
        ),
        power=Absent("the export report gives no power"),
    )
