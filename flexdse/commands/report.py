"""`flexdse report show FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.console import emit, emit_json, table
from flexdse.options import AsJson

if TYPE_CHECKING:
    from spec.synthesis_report import ResourceCounts, SynthesisReport

report = typer.Typer(help="Reports of Vitis HLS and Vivado.", no_args_is_help=True)

_RESOURCES = ("lut", "ff", "dsp", "bram_18k", "uram")
_MAX_ROWS = 40


@report.command("show")
def show(
    file: Annotated[
        Path,
        typer.Argument(help="csynth.xml or .rpt, _cosim.rpt, export_impl.xml, utilization, timing or power report."),
    ],
    as_json: AsJson = False,
) -> None:
    """What a report of C synthesis, co-simulation or implementation says. The kind is told by the content."""
    from hls_gen.reports import parse_report

    found = parse_report(file)
    if as_json:
        emit_json(_document(found))
    else:
        _show(found)


@report.command("import")
def import_report(
    file: Annotated[Path, typer.Argument(help="A report of csynth, implementation or utilization, made elsewhere.")],
    project: Annotated[Path, typer.Option("--project", help="Folder of the generated project that it is of.")],
    stage: Annotated[
        str | None, typer.Option("--stage", help="prefill or decode, where the report's top does not say it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Attach a report to its project, for `flexdse calibrate`. One of another part or clock is refused."""
    from flexdse.attached_reports import attach_report
    from spec.errors import UnknownNameError
    from spec.workload import STAGES

    if stage is not None and stage not in STAGES:
        raise UnknownNameError("stage", stage, STAGES, field="--stage")
    attached, where = attach_report(file, project, stage)
    if as_json:
        emit_json(attached.model_dump(mode="json", by_alias=True))
    else:
        emit(f"attached to {attached.stage} of design {attached.lineage.design_key}: {where}")
        emit(f"{attached.report.provenance} of {attached.lineage.run}; checked: {', '.join(attached.checked)}")


def _document(found: SynthesisReport) -> dict[str, Any]:
    from spec.documents import envelope

    data = found.model_dump(mode="json", by_alias=True)
    data.pop("schema")
    return {**envelope("synthesis_report/v1"), **data}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,}"


def _counts(counts: ResourceCounts | None) -> list[str]:
    return [_number(getattr(counts, name) if counts is not None else None) for name in _RESOURCES]


def _available_name(found: SynthesisReport) -> str:
    """In the accelerator form it is what the platform leaves to kernels, not the device."""
    return "user budget" if found.kind == "accelerator_utilization_rpt" else "available"


def _show(found: SynthesisReport) -> None:
    from spec.errors import printable

    def text(value: str | None) -> str:
        return "-" if value is None else printable(value)

    top, version = (text(value) if value is not None else "not named" for value in (found.top, found.tool_version))
    emit(f"{found.kind}: {found.provenance}, top {top}, by {found.tool}, version {version}")
    if found.part is not None:
        emit(f"part {text(found.part)}")
    if found.clock is not None:
        named = {"target": found.clock.target_ns, "uncertainty": found.clock.uncertainty_ns,
                 "estimated": found.clock.estimated_ns, "achieved": found.clock.achieved_ns}  # fmt: skip
        emit("clock " + ", ".join(f"{name} {value:g} ns" for name, value in named.items() if value is not None))
    for name, cycles in (("latency", found.latency), ("interval", found.interval)):
        if cycles is not None and (cycles.min_cycles, cycles.max_cycles) != (None, None):
            low, high = (_number(value).replace("-", "not known") for value in (cycles.min_cycles, cycles.max_cycles))
            emit(f"{name} {low} to {high}, in cycles")
    if found.cosim is not None:
        emit(f"co-simulation {found.cosim.status}, {_number(found.cosim.total_execution_cycles)} cycles in all")
    if found.timing is not None:
        met = {True: "met", False: "not met", None: "not known"}[found.timing.met]
        emit(f"timing {met}: WNS {_number(found.timing.wns_ns)} ns, TNS {_number(found.timing.tns_ns)} ns")
    if found.power is not None:
        emit(
            f"power {_number(found.power.total_w)} W: dynamic {_number(found.power.dynamic_w)} W, "
            f"static {_number(found.power.static_w)} W; confidence {text(found.power.confidence)}"
        )
    rows = (
        [["used", *_counts(found.resources)], [_available_name(found), *_counts(found.available)]]
        if found.resources
        else []
    )
    if found.available_per_slr is not None:
        rows.append(["available per SLR", *_counts(found.available_per_slr)])
    rows += [[slr.name, *_counts(slr.resources)] for slr in found.slrs]
    rows += [[text(instance.name), *_counts(instance.resources)] for instance in found.instances]
    if rows:
        emit(table(rows, ["", "LUT", "FF", "DSP", "BRAM18", "URAM"]))
    _show_modules(found)
    for name, reason in found.missing.items():
        emit(f"no {name}: {printable(reason)}")


def _show_modules(found: SynthesisReport) -> None:
    from spec.errors import printable

    modules = [
        [printable(module.name, 60), _number(module.latency.max_cycles), *_counts(module.resources)]
        for module in found.modules[:_MAX_ROWS]
    ]
    loops = [
        [printable(f"{loop.module}: {loop.name}", 80), _number(loop.trip_count.max), _number(loop.ii_asked_cycles),
         _number(loop.ii_achieved_cycles), _number(loop.depth.max_cycles), _number(loop.latency.max_cycles)]
        for loop in found.loops[:_MAX_ROWS]
    ]  # fmt: skip
    if modules:
        emit(table(modules, ["module", "cycles", "LUT", "FF", "DSP", "BRAM18", "URAM"]))
    if loops:
        emit(table(loops, ["loop", "trips", "II asked", "II", "depth", "cycles"]))
    left_out = len(found.modules) + len(found.loops) - len(modules) - len(loops)
    if left_out:
        emit(f"{left_out} more rows: see --json")
