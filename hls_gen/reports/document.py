"""Puts a report document together, with the versions that every document of ours carries."""

from __future__ import annotations

from spec.synthesis_report import (
    Absent,
    ClockReport,
    CosimResult,
    CycleStatistics,
    InstanceRow,
    LoopRow,
    ModuleRow,
    PowerReport,
    ReportKind,
    ResourceCounts,
    SlrCrossing,
    SlrRow,
    SynthesisProvenance,
    SynthesisReport,
    TimingSummary,
    measured,
)
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION


def report_document(
    *,
    provenance: SynthesisProvenance,
    kind: ReportKind,
    tool: str,
    tool_version: str | Absent,
    part: str | Absent,
    top: str | Absent,
    clock: ClockReport | Absent,
    latency: CycleStatistics | Absent,
    interval: CycleStatistics | Absent,
    resources: ResourceCounts | Absent,
    available: ResourceCounts | Absent,
    available_per_slr: ResourceCounts | Absent,
    timing: TimingSummary | Absent,
    power: PowerReport | Absent,
    cosim: CosimResult | None = None,
    modules: tuple[ModuleRow, ...] = (),
    loops: tuple[LoopRow, ...] = (),
    instances: tuple[InstanceRow, ...] = (),
    slrs: tuple[SlrRow, ...] = (),
    slr_crossings: tuple[SlrCrossing, ...] = (),
) -> SynthesisReport:
    """A SynthesisReport of what a parser found."""
    return measured(
        SynthesisReport,
        flexdse_version=FLEXDSE_VERSION,
        model_version=MODEL_VERSION,
        timing_table_version=DEFAULT_TIMING_TABLE.version,
        provenance=provenance,
        kind=kind,
        tool=tool,
        tool_version=tool_version,
        part=part,
        top=top,
        clock=clock,
        latency=latency,
        interval=interval,
        resources=resources,
        available=available,
        available_per_slr=available_per_slr,
        timing=timing,
        power=power,
        cosim=cosim,
        modules=modules,
        loops=loops,
        instances=instances,
        slrs=slrs,
        slr_crossings=slr_crossings,
    )


def clock_report(
    target: float | Absent, uncertainty: float | Absent, estimated: float | Absent, achieved: float | Absent
) -> ClockReport:
    """Clock periods in ns."""
    return measured(
        ClockReport, target_ns=target, uncertainty_ns=uncertainty, estimated_ns=estimated, achieved_ns=achieved
    )
