"""`flexdse simulate DIR`: cycles, stalls and deadlocks of a generated project by timed simulation of its C++."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson, Server

if TYPE_CHECKING:
    from spec.simulation_report import SimulatedStage, SimulationReport
    from spec.workload import Stage

_MOST_ROWS = 14
_DEEPEST = 2**20  # of a FIFO, as the service takes it


def simulate(
    directory: Annotated[Path, typer.Argument(help="Folder of a generated project.")],
    prompt_tokens: Annotated[
        int | None, typer.Option("--prompt-tokens", help="Tokens of the prompt; those of the project's workload.")
    ] = None,
    position: Annotated[
        int | None, typer.Option("--position", help="Position of the decoded token; the first after the prompt.")
    ] = None,
    layers: Annotated[int | None, typer.Option("--layers", help="Layers; all of the model.")] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="prefill or decode; both.")] = None,
    fifo_depth: Annotated[
        list[str] | None, typer.Option("--fifo-depth", help="STREAM=DEPTH: another depth; may be repeated.")
    ] = None,
    unbounded: Annotated[
        bool, typer.Option("--unbounded", help="Also the cycles with FIFOs without bounds: what their depths cost.")
    ] = False,
    minimize_depths: Annotated[
        bool, typer.Option("--minimize-depths", help="Also the smallest FIFO depths that lose no cycle.")
    ] = False,
    pipeline_style: Annotated[
        str, typer.Option("--pipeline-style", help="stp: pipelines stall as a whole; flp: they flush.")
    ] = "stp",
    with_values: Annotated[
        bool, typer.Option("--with-values", help="Compute with values too: slow, for a check that they steer nothing.")
    ] = False,
    server: Server = None,
    as_json: AsJson = False,
) -> None:
    """Run the project's unmodified C++ with time: cycles a stage and module, stalls, the critical path, deadlocks by name.

    Intervals and pipeline depths are derived from the code. Exit code 1 if a kernel does not run to its end, or a loop
    cannot have the interval that it asks for.
    """
    options: dict[str, Any] = {
        "prompt_tokens": prompt_tokens,
        "position": position,
        "layers": layers,
        "stages": _stages(stage),
        "unbounded": unbounded,
        "minimize_depths": minimize_depths,
        "depths": _depths(fifo_depth or []),
        "pipeline_style": _style(pipeline_style),
        "with_values": with_values,
    }
    report = _there(server, directory, options) if server is not None else _here(directory, options)
    if as_json:
        emit_json(report.model_dump(mode="json", by_alias=True))
    else:
        _show(report)
    if report.modified_files:
        note(f"edited since generation: {', '.join(report.modified_files)}")
    if not report.passed or report.intervals_missed:
        raise typer.Exit(1)


def _here(directory: Path, options: dict[str, Any]) -> SimulationReport:
    from hls_gen.simulate.project import simulate_project

    return simulate_project(
        directory, **options, on_log=lambda line: None if line.startswith("simulate: ") else note(line)
    )


def _there(server: str, directory: Path, options: dict[str, Any]) -> SimulationReport:
    from flexdse.remote_projects import run_there
    from spec.simulation_report import SimulationReport
    from spec.strict import validate

    given = {name: value for name, value in options.items() if value is not None and value != {}}
    (document,) = run_there(server, directory, "simulate", given)
    return validate(SimulationReport, document)


def _stages(name: str | None) -> tuple[Stage, ...]:
    from spec.errors import InputError
    from spec.workload import STAGES

    if name is None:
        return STAGES
    if name not in STAGES:
        raise InputError(
            "no such stage", field="--stage", value=name, rule=" or ".join(STAGES), hint="leave it out for both"
        )
    return (name,)


def _style(name: str) -> Literal["stp", "flp"]:
    from spec.errors import InputError

    if name == "stp":
        return "stp"
    if name == "flp":
        return "flp"
    raise InputError(
        "no such pipeline style",
        field="--pipeline-style",
        value=name,
        rule="stp (stall) or flp (flush)",
        hint="leave it out: stp, the default of Vitis HLS",
    )


def _depths(options: list[str]) -> dict[str, int]:
    from spec.errors import InputError

    found = {}
    for option in options:
        name, _, depth = option.rpartition("=")
        digits = depth.isascii() and depth.isdigit() and len(depth) <= len(str(_DEEPEST))
        if not name or not digits or not 1 <= int(depth) <= _DEEPEST:
            raise InputError(
                "not a FIFO depth",
                field="--fifo-depth",
                value=option,
                rule=f"STREAM=DEPTH with a depth of 1 to {_DEEPEST:,}",
                hint="for example --fifo-depth prefill.x_skip=64; streams are listed by flexdse simulate --json",
            )
        found[name] = int(depth)
    return found


def _show(report: SimulationReport) -> None:
    for stage in report.stages:
        if stage.failure is not None:
            emit(f"{stage.kernel}: {stage.failure.verdict}")
            emit(f"  {stage.failure.place}: {stage.failure.message}")
            if stage.failure.blocked:
                rows = [
                    [
                        "ring" if b.in_ring else "waits",
                        b.process,
                        f"{b.waits_to} {b.stream}",
                        str(b.depth),
                        str(b.place),
                    ]
                    for b in stage.failure.blocked
                ]
                emit(table(rows, ["", "process", "waits to", "depth", "at"], text=("", "process", "waits to", "at")))
            continue
        _show_stage(stage)
    for stage in report.stages:
        for loop in stage.loops_missed:
            emit(f"{loop.place} {loop.loop}: asks for II={loop.requested}, can have {loop.derived}: {loop.reason}")
        for loop in stage.loops_unknown:
            emit(f"{loop.place} {loop.loop}: interval unknown, simulated as asked: {loop.reason}")
    if report.smallest_depths:
        rows = [[d.stage, d.stream, str(d.depth), str(d.smallest_depth)] for d in report.smallest_depths]
        emit(table(rows, ["stage", "FIFO", "depth", "smallest without loss"], text=("stage", "FIFO")))
    emit(report.summary_line())


def _show_stage(stage: SimulatedStage) -> None:
    what = f"{stage.tokens} tokens" if stage.stage == "prefill" else f"token at position {stage.position}"
    time = f" = {1e3 * (stage.latency_s or 0):,.3f} ms at {stage.clock_mhz:g} MHz" if stage.clock_mhz else ""
    emit(f"{stage.kernel}: {what}, {stage.layers} layers: {stage.cycles:,} cycles{time}; provenance: timed_sim")
    if stage.cycles_with_unbounded_fifos is not None:
        emit(f"with FIFOs without bounds: {stage.cycles_with_unbounded_fifos:,} cycles")
    rows = []
    for step in stage.steps:
        most = ", ".join(
            f"{part.name.split('(')[0].split('<')[0].strip('( ')} {100 * part.fraction:.0f} %"
            for part in step.critical[:3]
        )
        rows.append([step.name, str(step.times), f"{step.cycles:,}", f"{step.cycles * step.times:,}", most])
    emit(table(rows, ["step", "times", "cycles each", "cycles", "critical path"], text=("step", "critical path")))
    emit(
        "All in cycles. critical: on the critical path of the stage; busiest: of the process of a module that works most. Waits are "
        "summed over the processes of a module: for a word (empty), for a place (full), for memory."
    )
    rows = [
        [
            m.module,
            str(m.processes),
            f"{m.critical_cycles:,}",
            f"{m.working_cycles:,}",
            f"{m.empty_stall_cycles:,}",
            f"{m.full_stall_cycles:,}",
            f"{m.memory_stall_cycles:,}",
        ]
        for m in stage.modules
    ]
    heads = ["module", "processes", "critical", "busiest", "all wait: empty", "all wait: full", "all wait: memory"]
    _emit_first(rows, heads, ("module",))
    rows = [
        [
            s.stream,
            str(s.depth),
            str(s.used_depth),
            f"{s.full_stall_cycles:,}",
            f"{s.empty_stall_cycles:,}",
            f"{s.writer} -> {s.reader}",
        ]
        for s in stage.streams
        if s.full_stall_cycles
    ]
    if rows:
        heads = ["FIFO", "depth", "used", "writer waits", "reader waits", "between"]
        _emit_first(rows, heads, ("FIFO", "between"))
    rows = [
        [p.port, f"{p.cycles_per_word:.3f}", f"{p.stall_cycles:,}", f"{p.critical_cycles:,}"]
        for p in stage.ports
        if p.stall_cycles
    ]
    if rows:
        _emit_first(rows, ["memory port", "cycles a word", "all wait", "critical"], ("memory port",))


def _emit_first(rows: list[list[str]], heads: list[str], text: tuple[str, ...]) -> None:
    """The first rows of a table, and how many are left."""
    emit(table(rows[:_MOST_ROWS], heads, text=text))
    if len(rows) > _MOST_ROWS:
        emit(f"and {len(rows) - _MOST_ROWS} more, all of them in reports/simulate.json")
