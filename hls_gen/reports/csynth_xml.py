"""csynth.xml of the whole design, and <module>_csynth.xml of one module: Vivado HLS 2020.1 and Vitis HLS since."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from hls_gen.reports.document import clock_report, report_document
from hls_gen.reports.errors import unreadable
from hls_gen.reports.readings import (
    absence,
    count,
    count_range,
    cycle_range,
    cycle_statistics,
    node_span,
    real,
    resource_counts,
)
from hls_gen.reports.source import ReportText
from hls_gen.reports.xml_tree import Node, read_xml
from spec.synthesis_report import Absent, CycleStatistics, LoopRow, ModuleRow, SynthesisReport, measured

# Large, and nothing of it is in the document.
_SKIP = frozenset({"InterfaceSummary", "BindNodes", "RTLDesignHierarchy", "FIFOInformation", "Args", "Interfaces",
                   "ReportHWInterface", "ReportSWInterface", "ReportBurst", "ResolutionUrl"})  # fmt: skip

_NOT_PIPELINED = {"no", "none", "-"}
_NO_TIMING = Absent("C synthesis estimates the clock, it does no timing analysis")
_NO_POWER = Absent("C synthesis estimates no power")
_NOT_BUILT = Absent("known only after implementation")


class _Place(NamedTuple):
    file: str
    line: int


class _Pragma(NamedTuple):
    place: _Place
    function: str
    ii: int | Absent


def parse_csynth_xml(report: ReportText) -> SynthesisReport:
    """The estimates of C synthesis.

    Raises:
        ReportUnreadableError: no complete csynth.xml.
    """
    root = read_xml(report, ("profile",), _SKIP)
    user = root.child("UserAssignments")
    performance = root.child("PerformanceEstimates")
    area = root.child("AreaEstimates/Resources")
    for name, section in (("UserAssignments", user), ("PerformanceEstimates", performance), ("AreaEstimates", area)):
        if section is None:
            raise unreadable(
                report.path,
                f"is no report of C synthesis: <{name}> is missing",
                "a profile with UserAssignments, PerformanceEstimates and AreaEstimates",
                "give the csynth.xml in syn/report",
            )
    assert user is not None
    assert performance is not None
    assert area is not None
    unit = user.value("unit")
    if unit not in (None, "ns"):
        raise unreadable(report.path, f"gives times in {unit}", "times in ns", "take the file anew")
    overall = performance.child("SummaryOfOverallLatency")
    top = user.value("TopModelName")
    modules, loops = _modules(root, top or "")
    if not modules:
        loops = _loops(performance, top or "", _pragmas(root))
    values = {node.tag: node.text for node in area.children}
    device = root.child("AreaEstimates/AvailableResources")
    version = root.value("ReportVersion/Version")
    return report_document(
        provenance="csynth",
        kind="csynth_xml",
        tool=_tool(version, values),
        tool_version=absence(version, "tool version") or version or "",
        part=absence(user.value("Part"), "part") or user.value("Part") or "",
        top=absence(top, "top function") or top or "",
        clock=clock_report(
            real(user.value("TargetClockPeriod"), "target clock period"),
            real(user.value("ClockUncertainty"), "clock uncertainty"),
            real(performance.value("SummaryOfTimingAnalysis/EstimatedClockPeriod"), "estimated clock period"),
            _NOT_BUILT,
        ),
        latency=Absent("the report has no latency summary")
        if overall is None
        else cycle_statistics(
            count(overall.value("Best-caseLatency"), "best-case latency"),
            count(overall.value("Average-caseLatency"), "average-case latency"),
            count(overall.value("Worst-caseLatency"), "worst-case latency"),
        ),
        interval=Absent("the report has no interval") if overall is None else _interval(overall),
        resources=resource_counts(values, "the design"),
        available=Absent("the report has no available resources")
        if device is None
        else resource_counts({node.tag: node.text for node in device.children}, "the device"),
        available_per_slr=Absent("csynth.xml does not divide the device into regions"),
        timing=_NO_TIMING,
        power=_NO_POWER,
        modules=modules,
        loops=loops,
    )


def _tool(version: str | None, resources: dict[str, str]) -> str:
    year = re.match(r"(\d{4})\.(\d)", version or "")
    old = year is not None and (int(year[1]), int(year[2])) < (2020, 2)
    return "Vivado HLS" if "DSP48E" in resources or old else "Vitis HLS"


def _interval(overall: Node) -> CycleStatistics:
    average = Absent("C synthesis gives no average interval")
    if overall.child("Interval-min") is None and overall.child("DataflowPipelineThroughput") is not None:
        low, high = node_span(overall.child("DataflowPipelineThroughput"), "interval")
    else:
        low, high = count(overall.value("Interval-min"), "interval"), count(overall.value("Interval-max"), "interval")
    return cycle_statistics(low, average, high)


def _modules(root: Node, top: str) -> tuple[tuple[ModuleRow, ...], tuple[LoopRow, ...]]:
    pragmas = _pragmas(root)
    rows: list[ModuleRow] = []
    loops: list[LoopRow] = []
    for module in root.all("ModuleInformation/Module"):
        name = module.value("Name") or top
        performance = module.child("PerformanceEstimates")
        area = module.child("AreaEstimates/Resources")
        if performance is None or area is None:
            continue
        overall = "SummaryOfOverallLatency"
        pipeline = performance.value(f"{overall}/PipelineType")
        rows.append(
            measured(
                ModuleRow,
                name=name,
                pipeline=absence(pipeline, "pipeline type") or pipeline,
                latency=cycle_range(
                    (
                        count(performance.value(f"{overall}/Best-caseLatency"), "latency"),
                        count(performance.value(f"{overall}/Worst-caseLatency"), "latency"),
                    )
                ),
                interval=cycle_range(node_span(performance.child(f"{overall}/PipelineInitiationInterval"), "interval")),
                estimated_clock_ns=real(
                    performance.value("SummaryOfTimingAnalysis/EstimatedClockPeriod"), "estimated clock period"
                ),
                resources=resource_counts({node.tag: node.text for node in area.children}, "the module"),
                issues=_issues(performance.child("SummaryOfViolations")),
            )
        )
        loops += _loops(performance, name, pragmas)
    return tuple(rows), tuple(loops)


def _issues(violations: Node | None) -> tuple[str, ...]:
    if violations is None:
        return ()
    found = (violations.value("IssueType"), violations.value("ViolationType"))
    return tuple(issue for issue in found if issue and issue != "-")


def _loops(performance: Node, module: str, pragmas: list[_Pragma]) -> tuple[LoopRow, ...]:
    summary = performance.child("SummaryOfLoopLatency")
    if summary is None:
        return ()
    violations = _violations(performance.child("SummaryOfViolations/SummaryOfLoopViolations"))
    places = sorted(place for place in map(_place, violations.values()) if place is not None)
    rows: list[LoopRow] = []

    def walk(node: Node, parent: str) -> None:
        for loop in node.children:
            if loop.child("Latency") is None and loop.child("TripCount") is None:
                continue
            name = loop.value("Name") or loop.tag
            violation = violations.get(name)
            rows.append(_loop(loop, module, name, parent, violation, _asked(violation, module, pragmas, places)))
            walk(loop, name)

    walk(summary, "")
    return tuple(rows)


def _violations(node: Node | None) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for child in node.children if node else ():
        if child.child("SourceLocation") is not None or child.child("IssueType") is not None:
            found[child.value("Name") or child.tag] = child
            found.update(_violations(child))
    return found


def _loop(loop: Node, module: str, name: str, parent: str, violation: Node | None, asked: int | Absent) -> LoopRow:
    kind = loop.value("PipelineType")
    if kind is None:
        pipelined = loop.child("PipelineII") is not None
    else:
        pipelined = kind.lower() not in _NOT_PIPELINED
    not_pipelined = Absent("the loop is not pipelined")
    depth = loop.child("PipelineDepth") or loop.child("IterationLatency")
    return measured(
        LoopRow,
        module=module,
        name=name,
        parent=parent,
        pipelined=pipelined,
        trip_count=count_range(node_span(loop.child("TripCount"), "trip count")),
        latency=cycle_range(node_span(loop.child("Latency"), "latency")),
        depth=cycle_range(node_span(depth, "iteration latency")),
        ii_asked_cycles=asked if pipelined else not_pipelined,
        ii_achieved_cycles=node_span(loop.child("PipelineII"), "initiation interval")[1]
        if pipelined
        else not_pipelined,
        issues=_issues(violation),
    )


def _place(node: Node | None) -> _Place | None:
    """`src/gemm.cpp:83`, or several behind each other where functions were inlined: the first is the loop's own."""
    return _place_of((node.value("SourceLocation") or "").split("~")[0]) if node else None


def _place_of(text: str) -> _Place | None:
    """The folder differs between the sections of one report, so only the file's name counts."""
    found = re.fullmatch(r"(?:.*/)?(?P<file>[^/]+):(?P<line>\d{1,9})", text)
    return _Place(found["file"], int(found["line"])) if found else None


def _pragmas(root: Node) -> list[_Pragma]:
    pragmas = []
    for node in root.all("PragmaReport/Pragma"):
        place = _place_of(node.attributes.get("location", ""))
        if node.attributes.get("type") != "pipeline" or node.attributes.get("status") != "valid" or place is None:
            continue
        ii = re.search(r"\bII\s*=\s*(\d{1,9})\b", node.attributes.get("options", ""), re.IGNORECASE)
        asked = int(ii[1]) if ii else Absent("the pipeline pragma asks for no certain interval")
        pragmas.append(_Pragma(place, node.attributes.get("parentFunction", ""), asked))
    return sorted(pragmas, key=lambda pragma: pragma.place)


def _asked(violation: Node | None, module: str, pragmas: list[_Pragma], loops: list[_Place]) -> int | Absent:
    """The interval of the pipeline pragma that stands in the loop: the next one behind the loop's line, no loop between.

    `pragmas` and `loops` are sorted by place.
    """
    unknown = Absent("the report names no pipeline pragma of this loop")
    place = _place(violation)
    if place is None:
        return unknown
    index = bisect_left(pragmas, place, key=lambda pragma: pragma.place)
    if index == len(pragmas) or pragmas[index].place.file != place.file:
        return unknown
    pragma = pragmas[index]
    # A loop becomes <function>_Pipeline_<loop>; the pragma report writes names in small letters.
    of_this_function = module.lower().startswith(pragma.function.lower())
    loop_between = bisect_right(loops, place) < bisect_right(loops, pragma.place)
    return pragma.ii if of_this_function and not loop_between else unknown
