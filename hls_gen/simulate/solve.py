"""Runs the solver on a trace and reads its answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hls_gen.errors import SimulationError, SimulationTimeoutError
from hls_gen.simulate.build import solver_program
from hls_gen.toolchain.processes import Finished, run_program

# Cycles around the parts of a process (Vitis HLS's state machines): a state to enter a loop and one to leave it, one for
# each iteration of a loop that is not pipelined, one to start the processes of a region and one to see them done.
REGION_CYCLES = 2
ITERATION_CYCLES = 1


@dataclass(frozen=True, slots=True)
class SolvedProcess:
    """A process of a region: number of its record, index of its parent, cycles since the region began, stalls.

    `region_stall`: cycles in which it waits for the processes of a region of its own.
    """

    record: int
    parent: int
    start: int
    end: int
    empty_stall: int
    full_stall: int
    memory_stall: int
    region_stall: int


@dataclass(frozen=True, slots=True)
class SolvedStream:
    """A FIFO of a region; writer and reader are indices of processes, -1 for none."""

    number: int
    words: int
    empty_stall: int
    full_stall: int
    places: int
    writer: int
    reader: int


@dataclass(frozen=True, slots=True)
class SolvedRegion:
    """A dataflow region. `critical`: (kind p, s or m; number; cycles) along the critical path."""

    node: int
    file: str
    line: int
    cycles: int
    processes: tuple[SolvedProcess, ...]
    streams: tuple[SolvedStream, ...]
    critical: tuple[tuple[str, int, int], ...]
    ports: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SolvedBlock:
    """A process that waits for ever: cause (empty, full), stream, access; in the ring; nobody is left to serve it."""

    record: int
    cause: str
    stream: int
    access: int
    in_ring: bool
    other_has_ended: bool


@dataclass(frozen=True, slots=True)
class Solution:
    """`cycles` None: deadlock. `order`: nodes of the regions in the order in which they run, with repetitions."""

    cycles: int | None
    order: tuple[int, ...]
    regions: dict[int, SolvedRegion]
    blocked: tuple[SolvedBlock, ...]


def solve(trace: Path, schedule: Path, deadline: float, *, unbounded: bool = False) -> tuple[Solution, int | None]:
    """Cycles of a trace; and with `unbounded` those with FIFOs without bounds.

    Raises:
        SimulationTimeoutError: `deadline` passed.
        SimulationError: the solver failed.
    """
    lines = _run([trace, schedule, *(["unbounded"] if unbounded else [])], trace, deadline)
    more = json.loads(lines[1]).get("cycles") if unbounded else None
    return _solution(json.loads(lines[0])), more


def smallest_depths(
    trace: Path, schedule: Path, groups: Sequence[Sequence[int]], deadline: float
) -> tuple[int, list[int]]:
    """Cycles without bounds, and the least depth of each group of FIFOs at which none is lost."""
    path = schedule.with_suffix(".groups")
    path.write_text("".join(" ".join(map(str, group)) + "\n" for group in groups))
    answer = json.loads(_run([trace, schedule, path], trace, deadline)[1])
    return int(answer["cycles"]), [int(depth) for depth in answer["smallest"]]


def _run(arguments: Sequence[str | Path], trace: Path, deadline: float) -> list[str]:
    finished = run_program([solver_program(deadline), *arguments], trace.parent, deadline)
    check_time(finished, "solving for the cycles")
    if finished.returncode != 0:
        raise SimulationError(
            f"the solver of the timed simulation failed: {finished.output[-300:]}",
            field="project",
            value=str(trace.parent),
            rule="a whole trace and schedule",
            hint="simulate again; free some memory",
        )
    return finished.output.splitlines()


def check_time(finished: Finished, what: str) -> None:
    """Raises where a program was ended because its time was over."""
    if finished.timed_out:
        raise SimulationTimeoutError(
            f"{what} took too long and was ended",
            field="timeout_s",
            value=round(finished.seconds, 1),
            rule="compilation and simulation end within the time limit",
            hint="raise the time limit, or simulate fewer tokens",
        )


def _solution(document: dict[str, Any]) -> Solution:
    if "deadlock" in document:
        return Solution(None, (), {}, tuple(SolvedBlock(*block) for block in document["deadlock"]))
    regions = {
        region["node"]: SolvedRegion(
            region["node"],
            region["file"],
            region["line"],
            region["cycles"],
            tuple(SolvedProcess(*process) for process in region["processes"]),
            tuple(SolvedStream(*stream) for stream in region["streams"]),
            tuple((kind, number, cycles) for kind, number, cycles in region["critical"]),
            tuple((number, stall) for number, stall in region["ports"]),
        )
        for region in document["regions"]
    }
    order = tuple(node for node, times in document["order"] for _ in range(times))
    return Solution(document["cycles"], order, regions, ())
