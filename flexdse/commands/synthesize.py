"""`flexdse synthesize DIR`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson

if TYPE_CHECKING:
    from spec.synthesis_report import KernelStep, SynthesisStepReport

_BACKENDS = ("auto", "vitis", "open")


def synthesize(
    directory: Annotated[Path, typer.Argument(help="Folder of a generated project.")],
    backend: Annotated[str, typer.Option("--backend", help="auto or vitis.")] = "auto",
    part: Annotated[str | None, typer.Option("--part", help="Another part than the project's.")] = None,
    clock_mhz: Annotated[float | None, typer.Option("--clock-mhz", help="Another clock, for both kernels.")] = None,
    steps: Annotated[
        str, typer.Option("--steps", help="Some of csim,csynth,cosim,export,impl,link.")
    ] = "csim,csynth,cosim,export",
    timeout_s: Annotated[float | None, typer.Option("--timeout-s", min=1, help="Time limit of each step.")] = None,
    memory_limit_gib: Annotated[
        float | None, typer.Option("--memory-limit-gib", min=0.1, help="Memory limit of each step.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Run again what was done before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the vendor tools on both kernels: simulate, synthesize, co-simulate, export; on request implement and link.

    Goes on where an earlier run stopped. Each step leaves reports/<step>.json in the project.
    """
    from spec.errors import InputError, UnknownNameError

    if backend not in _BACKENDS:
        raise UnknownNameError("backend", backend, _BACKENDS, field="backend")
    if backend == "open":
        raise InputError(
            "the open backend is not built yet",
            field="backend",
            value=backend,
            rule="auto or vitis",
            hint="use --backend vitis on a machine with AMD Vitis; flexdse evaluate prices a design without any tool",
        )
    from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project

    reports = synthesize_project(
        directory,
        SynthesisOptions(
            steps=tuple(step.strip() for step in steps.split(",") if step.strip()),
            part=part,
            clock_mhz=clock_mhz,
            timeout_s=timeout_s,
            memory_limit_bytes=round(memory_limit_gib * 2**30) if memory_limit_gib is not None else None,
            restart=restart,
        ),
        on_log=note,
    )
    if as_json:
        from spec.documents import envelope

        documents = [report.model_dump(mode="json", by_alias=True) for report in reports]
        passed = all(report.passed for report in reports)
        emit_json({**envelope("synthesis/v1"), "backend": "vitis", "passed": passed, "steps": documents})
    else:
        _show(reports)


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
