"""Timed simulation of one function of HLS C++: a library unit with its drivers, or the top function of foreign code."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from hls_gen.errors import SimulationError
from hls_gen.simulate.build import InstrumentedSources, derived_schedule, library_include, remaining_s
from hls_gen.simulate.harness import unit_main
from hls_gen.simulate.result import (
    Sizes,
    deadlock_of,
    loops_of,
    modules_of,
    ports_of,
    steps_of,
    streams_of,
)
from hls_gen.simulate.schedule import PortTiming, independent_sites, schedule_text, scheduled_loops
from hls_gen.simulate.solve import check_time, solve
from hls_gen.simulate.styles import flushing_sites
from hls_gen.simulate.trace import Trace, read_trace
from hls_gen.toolchain.processes import run_program
from spec.errors import InputError
from spec.simulation_report import SimulatedStage, SimulationFailure, SourcePlace, Verdict

MAX_ACCESSES = 4_000_000_000  # of streams and memories in one run: minutes, and far beyond a decoded token


def run_recorder(program: Path, output: Path, root: Path, arguments: Sequence[str], deadline: float) -> Trace:
    """Runs an instrumented program; the tables of its trace, with a verdict where it broke off.

    Raises:
        SimulationTimeoutError: `deadline` passed.
        SimulationError: the program crashed.
    """
    output.unlink(missing_ok=True)
    finished = run_program([program, output, str(MAX_ACCESSES), *arguments], output.parent, deadline)
    check_time(finished, f"running {program.name.rsplit('-', 1)[0]}")
    if finished.returncode not in (0, 3) or not output.is_file():
        raise SimulationError(
            f"the simulated program ended with exit code {finished.returncode}\n{finished.output[-400:]}",
            field="project",
            value=program.name,
            rule="the program runs to its end",
            hint="run flexdse csim first: it names what is wrong with the values",
        )
    return read_trace(output, root)


# Verdicts that may come of words that were not carried.
_OF_VALUES = ("past_input", "unread")


def stopped(trace: Trace, with_values: bool) -> SimulationFailure | None:
    """The verdict on a program that broke off. `with_values`: of a run that carried them."""
    stop = trace.stop
    if stop is None:
        return None
    message = stop.message
    if stop.kind in _OF_VALUES and not with_values:
        message += (
            "; streams carried no values: where words decide how many follow, simulate with values (--with-values)"
        )
    return SimulationFailure(
        verdict=_verdict(stop.kind), message=message, place=SourcePlace(file=stop.file, line=stop.line)
    )


def _verdict(kind: str) -> Verdict:
    known: dict[str, Verdict] = {
        "past_input": "past_input",
        "unread": "unread",
        "two_owners": "two_owners",
        "unbounded": "unbounded",
        "unsupported": "unsupported",
        "requirement": "requirement",
    }
    return known[kind]


def empty_stage(kernel: str, failure: SimulationFailure | None, **numbers: object) -> SimulatedStage:
    """A stage without cycles, because of `failure`."""
    values: dict[str, object] = {
        "stage": "unit",
        "kernel": kernel,
        "tokens": 0,
        "position": None,
        "layers": 0,
        "layers_simulated": 0,
        "clock_mhz": None,
        "cycles": None,
        "latency_s": None,
        "steps": (),
        "modules": (),
        "streams": (),
        "ports": (),
        "loops_missed": (),
        "loops_unknown": (),
        "failure": failure,
        **numbers,
    }
    return SimulatedStage.model_validate(values)


def simulate_unit(
    source: Path,
    top: str = "top",
    include: Sequence[Path] = (),
    *,
    with_values: bool | None = None,
    unsafe_math: bool = False,
    pipeline_style: Literal["stp", "flp"] = "stp",
    ports: Mapping[str, PortTiming] | None = None,
    depths: Mapping[str, int] | None = None,
    folder: Path | None = None,
    timeout_s: float = 600.0,
) -> SimulatedStage:
    """Simulates `top` of a C++ file, which may include the library's headers; its array and number arguments are zero.

    `include`: further folders with HLS sources. `with_values`: streams carry values; None: where words of streams decide what is
    read, written or repeated. `depths`: other FIFO depths, by name. `folder`: keeps what was compiled for the next call.

    Raises:
        CompileError: clang refused the code.
        ToolNotFoundError: there is no clang.
        SimulationTimeoutError: `timeout_s` passed.
        SimulationError: the program crashed.
    """
    deadline = time.monotonic() + timeout_s
    with tempfile.TemporaryDirectory(prefix="flexdse-simulate-") as scratch:
        work = (folder or Path(scratch)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        roots = [source.resolve().parent, *(path.resolve() for path in include)]
        if not any((root / "flexdse_hls").is_dir() for root in roots):
            roots.append(library_include())
        instrumented = InstrumentedSources(roots, work)
        endless = instrumented.instrumentation.endless_loops()
        if endless:
            place = SourcePlace(file=endless[0].file, line=endless[0].line)
            return empty_stage(
                top, SimulationFailure(verdict="unbounded", message="a loop without a bound", place=place)
            )
        name = f"{roots[0].name}/{source.name}"
        if not instrumented.instrumentation.has_function(name, top):
            raise InputError(
                f"{source.name} defines no function {top}",
                field="top",
                value=top,
                rule="a function of the file",
                hint="name the function that is to be simulated",
            )
        main = unit_main(source.name, top, instrumented.instrumentation.parameters(name, top))

        def recorded(values: bool) -> tuple[Trace, SimulationFailure | None]:
            program = instrumented.program(source.name, main, (), values, deadline, source.stem)
            trace = run_recorder(program, work / f"{source.stem}.trace", work, (), deadline)
            return trace, stopped(trace, values)

        trace, failure = recorded(bool(with_values))
        if failure is not None and failure.verdict not in _OF_VALUES:
            return empty_stage(top, failure)
        derived = derived_schedule(source.resolve(), roots, (), unsafe_math, work, remaining_s(deadline))
        if with_values is None and derived.steered:
            trace, failure = recorded(True)
        if failure is not None:
            return empty_stage(top, failure)
        loops = scheduled_loops(trace, derived.loops)
        timing = ports or {}
        schedule = work / f"{source.stem}.schedule"
        flushing = flushing_sites(trace, instrumented.sources, pipeline_style)
        schedule.write_text(schedule_text(trace, loops, timing, flushing, depths, independent_sites(trace, derived)))
        solution, _ = solve(trace.path, schedule, deadline)
        missed, unknown = loops_of(loops, derived.loops)
        if solution.cycles is None:
            failure = deadlock_of(solution.blocked, trace, depths)
            return empty_stage(top, failure, loops_missed=missed, loops_unknown=unknown)
        sizes = Sizes(tuple((f"region {i}", node, 1) for i, node in enumerate(solution.order)))
        return empty_stage(
            top,
            None,
            cycles=solution.cycles,
            steps=steps_of(sizes, solution, trace),
            modules=modules_of(sizes, solution, trace),
            streams=streams_of(sizes, solution, trace, depths),
            ports=ports_of(sizes, solution, trace, timing),
            loops_missed=missed,
            loops_unknown=unknown,
        )
