"""`flexdse synthesize DIR`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson, Server

if TYPE_CHECKING:
    from spec.resources import ResourceVector
    from spec.synthesis_report import KernelStep, ModuleRow, SlrRow, SynthesisReport, SynthesisStepReport

_BACKENDS = ("auto", "vitis", "open")
_VENDOR_STEPS = "csim,csynth,cosim,export"
OPEN_HEADER = ["unit", "instances", "LUT", "FF", "DSP", "BRAM18", "URAM"]


def synthesize(
    directory: Annotated[Path, typer.Argument(help="Folder of a generated project.")],
    backend: Annotated[
        str, typer.Option("--backend", help="vitis; open, without vendor tools; auto: vitis where it is installed.")
    ] = "auto",
    part: Annotated[str | None, typer.Option("--part", help="Another part than the project's (vitis).")] = None,
    clock_mhz: Annotated[
        float | None, typer.Option("--clock-mhz", help="Another clock, for both kernels (vitis).")
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option("--steps", help=f"Some of csim,csynth,cosim,export,impl,link (vitis); default {_VENDOR_STEPS}."),
    ] = None,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout-s", min=1, max=10**8, help="Time limit of each step.")
    ] = None,
    memory_limit_gib: Annotated[
        float | None,
        typer.Option("--memory-limit-gib", min=0.1, max=2**20, help="Memory limit of each step (vitis)."),
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Run again what was done before (vitis).")] = False,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", help="Folder of results that projects share; default FLEXDSE_HOME/synthesis."),
    ] = None,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Resources of both kernels: by the vendor's tools, or in the open, as ranges and without a clock.

    vitis: simulate, synthesize, co-simulate, export; on request implement and link. Goes on where an earlier run stopped.
    open: leaf units of the project as RTL, mapped by Yosys once and kept, added up. Each step leaves reports/<step>.json.
    """
    from spec.errors import UnknownNameError

    reports: tuple[SynthesisStepReport, ...]
    if backend not in _BACKENDS:
        raise UnknownNameError("backend", backend, _BACKENDS, field="backend")
    if server is not None:
        reports = _there(
            server,
            directory,
            {
                "backend": backend,
                "steps": [step.strip() for step in steps.split(",") if step.strip()] if steps is not None else None,
                "part": part,
                "clock_mhz": clock_mhz,
                "timeout_s": timeout_s,
            },
            here_only={"--memory-limit-gib": memory_limit_gib, "--restart": restart or None, "--cache": cache},
        )
        backend = "open" if reports[0].backend == "open" else "vitis"
    elif (backend := _found_backend() if backend == "auto" else backend) == "open":
        _refuse_vendor_options({"--part": part, "--clock-mhz": clock_mhz, "--steps": steps,
                                "--memory-limit-gib": memory_limit_gib, "--restart": restart or None})  # fmt: skip
        reports = (_open(directory, cache, timeout_s),)
    else:
        reports = _vitis(
            directory, steps or _VENDOR_STEPS, part, clock_mhz, timeout_s, memory_limit_gib, restart, cache
        )
    if as_json:
        from spec.documents import envelope

        documents = [report.model_dump(mode="json", by_alias=True) for report in reports]
        passed = all(report.passed for report in reports)
        emit_json({**envelope("synthesis/v1"), "backend": backend, "passed": passed, "steps": documents})
    elif backend == "open":
        _show_open(reports[0], directory)
    else:
        _show(reports)


def _found_backend() -> str:
    from hls_gen.toolchain.vitis.find import find_vitis
    from spec.errors import ToolNotFoundError

    try:
        find_vitis()
    except ToolNotFoundError:
        note("backend open: no Vitis is installed")
        return "open"
    note("backend vitis")
    return "vitis"


def _there(
    server: str, directory: Path, options: dict[str, Any], here_only: dict[str, object]
) -> tuple[SynthesisStepReport, ...]:
    from flexdse.remote_projects import run_there
    from spec.errors import InputError
    from spec.strict import validate
    from spec.synthesis_report import SynthesisStepReport

    for name, value in here_only.items():
        if value is not None:
            raise InputError(
                f"{name} is about this machine",
                field=name,
                value=str(value),
                rule="a service has its own limits and folders",
                hint=f"leave {name} out, or run without --server",
            )
    given = {name: value for name, value in options.items() if value is not None}
    return tuple(validate(SynthesisStepReport, one) for one in run_there(server, directory, "synthesize", given))


def _refuse_vendor_options(given: dict[str, object]) -> None:
    from spec.errors import InputError

    for name, value in given.items():
        if value is not None:
            raise InputError(
                f"{name} has no meaning without vendor tools",
                field=name,
                value=value,
                rule="--backend open counts the project as it is, for its own part, and runs no steps",
                hint=f"leave {name} out, or use --backend vitis",
            )


def _cache_folder(given: Path | None) -> Path:
    from flexdse.commands.service import synthesis_cache

    return given or synthesis_cache()


def _open(directory: Path, cache: Path | None, timeout_s: float | None) -> SynthesisStepReport:
    from dse.region_shares import region_shares
    from flexdse.measured_project import project_inputs
    from hls_gen.toolchain.open.synthesize import OpenSynthesisOptions, synthesize_open

    shares = region_shares(*project_inputs(directory))  # refuses what is no project, before a folder is made
    options = OpenSynthesisOptions(_cache_folder(cache), region_shares=shares)
    if timeout_s is not None:
        options = replace(options, timeout_s=timeout_s)
    return synthesize_open(directory, options, on_log=note)


def _vitis(
    directory: Path,
    steps: str,
    part: str | None,
    clock_mhz: float | None,
    timeout_s: float | None,
    memory_limit_gib: float | None,
    restart: bool,
    cache: Path | None,
) -> tuple[SynthesisStepReport, ...]:
    from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project

    return synthesize_project(
        directory,
        SynthesisOptions(
            steps=tuple(step.strip() for step in steps.split(",") if step.strip()),
            part=part,
            clock_mhz=clock_mhz,
            timeout_s=timeout_s,
            memory_limit_bytes=round(memory_limit_gib * 2**30) if memory_limit_gib is not None else None,
            restart=restart,
            shared=_cache_folder(cache) / "vitis",
        ),
        on_log=note,
    )


def _show(reports: tuple[SynthesisStepReport, ...]) -> None:
    emit(table([_row(kernel) for report in reports for kernel in report.kernels],
               ["step", "kernel", "status", "seconds", "cycles", "LUT", "FF", "DSP", "BRAM18", "URAM"],
               text=("kernel", "status")))  # fmt: skip


def _row(kernel: KernelStep) -> list[str]:
    measured = kernel.reports[0] if kernel.reports else None
    cycles = measured.latency.max_cycles if measured is not None and measured.latency is not None else None
    used = measured.resources if measured is not None else None
    counts = [getattr(used, name) if used is not None else None for name in ("lut", "ff", "dsp", "bram_18k", "uram")]
    status = f"{kernel.status} (before)" if kernel.reused else kernel.status
    numbers = ["-" if value is None else f"{value:,}" for value in (cycles, *counts)]
    return [kernel.step, kernel.kernel, status, f"{kernel.seconds:.1f}", *numbers]


def _show_open(report: SynthesisStepReport, directory: Path) -> None:
    from flexdse.measured_project import project_of

    models = project_of(directory)
    for kernel in report.kernels:
        measured = kernel.reports[0]
        emit(f"{kernel.kernel} on {measured.part}, open_synthesis (Yosys {report.tool_version})")
        emit(table(open_rows(measured), OPEN_HEADER))
        emit(models_line(models.resources(kernel.stage)))
        emit()
    if models.built_otherwise:
        note(models.built_otherwise)
    for assumption in dict.fromkeys(line for kernel in report.kernels for line in kernel.reports[0].assumptions):
        note(f"assumed: {assumption}")
    note("no clock is claimed: nothing was placed or routed")


def models_line(priced: ResourceVector) -> str:
    """What the cost models say of a kernel as it was built: beside the report, never in its columns."""
    return (
        f"the models say, analytical: LUT {priced.lut:,}, FF {priced.ff:,}, DSP {priced.dsp:,}, "
        f"BRAM18 {priced.bram_18k:,}, URAM {priced.uram:,}"
    )


def open_rows(measured: SynthesisReport) -> list[list[str]]:
    """The table of a kernel: its units, their sum, the share of the card, and what each region holds."""
    rows = [_unit_row(row) for row in measured.modules]
    rows += [_region_row(slr) for slr in measured.slrs]
    units = len(measured.modules)
    return [*rows[:units], _unit_row(measured), _used(measured), *rows[units:]]


def _region_row(row: SlrRow) -> list[str]:
    most, least = row.resources, row.resources_at_least or row.resources
    ranges = [f"{getattr(least, name):,} .. {getattr(most, name):,}" for name in ("lut", "ff")]
    return [row.name, "", *ranges, f"{most.dsp:,}", f"{most.bram_18k:,}", f"{most.uram:,}"]


def _unit_row(row: ModuleRow | SynthesisReport) -> list[str]:
    from spec.synthesis_report import ModuleRow

    most, least = row.resources, row.resources_at_least
    assert most is not None
    assert least is not None
    ranges = [f"{getattr(least, name):,} .. {getattr(most, name):,}" for name in ("lut", "ff")]
    name, instances = (row.name, f"{row.instances:,}") if isinstance(row, ModuleRow) else ("kernel", "1")
    return [name, instances, *ranges, f"{most.dsp:,}", f"{most.bram_18k:,}", f"{most.uram:,}"]


def _used(report: SynthesisReport) -> list[str]:
    """The kernel as fractions of the card, shell not counted."""
    most, least, card = report.resources, report.resources_at_least, report.available
    assert most is not None
    assert least is not None
    assert card is not None

    def percent(used: int | None, available: int | None) -> str:
        return "-" if not available or used is None else f"{used / available:.1%}"

    ranges = [
        f"{percent(getattr(least, name), getattr(card, name))} .. {percent(getattr(most, name), getattr(card, name))}"
        for name in ("lut", "ff")
    ]
    blocks = [percent(getattr(most, name), getattr(card, name)) for name in ("dsp", "bram_18k", "uram")]
    return ["of the card", "", *ranges, *blocks]
