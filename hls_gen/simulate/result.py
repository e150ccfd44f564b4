"""From a solved trace to the stage of a report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hls_gen.intervals.derive import DerivedLoop
from hls_gen.intervals.report import demangled
from hls_gen.simulate.schedule import PortTiming, ScheduledLoop
from hls_gen.simulate.solve import Solution, SolvedBlock, SolvedRegion
from hls_gen.simulate.trace import Trace
from spec.simulation_report import (
    BlockedProcess,
    CriticalPart,
    SimulatedLoop,
    SimulatedMemoryPort,
    SimulatedModule,
    SimulatedStep,
    SimulatedStream,
    SimulationFailure,
    SourcePlace,
)

_MOST_CRITICAL = 12


@dataclass(frozen=True, slots=True)
class Sizes:
    """How often each region ran in the whole stage, and what it is called: (name, node, times)."""

    steps: tuple[tuple[str, int, int], ...]


def steps_of(sizes: Sizes, solution: Solution, trace: Trace) -> tuple[SimulatedStep, ...]:
    """Steps of equal name and cycles together, in the order of their first."""
    times: dict[tuple[str, int], int] = defaultdict(int)
    node_of: dict[tuple[str, int], int] = {}
    for name, node, count in sizes.steps:
        key = (name, solution.regions[node].cycles)
        times[key] += count
        node_of.setdefault(key, node)
    found = []
    for (name, cycles), count in times.items():
        region = solution.regions[node_of[name, cycles]]
        place = SourcePlace(file=_relative(region.file), line=region.line)
        critical = _critical(region, trace)
        found.append(SimulatedStep(name=name, times=count, cycles=cycles, place=place, critical=critical))
    return tuple(found)


def _relative(file: str) -> str:
    parts = file.split("/")
    for root in ("src", "include"):
        if root in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(root) :])
    return parts[-1]


def _critical(region: SolvedRegion, trace: Trace) -> tuple[CriticalPart, ...]:
    whole = max(1, region.cycles)
    merged: dict[tuple[Literal["process", "stream", "memory"], str], int] = defaultdict(int)
    for kind, number, cycles in region.critical:
        if kind == "p":
            merged["process", trace.processes[number].call if number >= 0 else "start"] += cycles
        elif kind == "s":
            merged["stream", trace.streams[number].name] += cycles
        else:
            merged["memory", trace.ports[number]] += cycles
    largest = sorted(merged.items(), key=lambda item: -item[1])[:_MOST_CRITICAL]
    return tuple(
        CriticalPart(kind=kind, name=name, cycles=cycles, fraction=min(1.0, cycles / whole))
        for (kind, name), cycles in largest
    )


def modules_of(sizes: Sizes, solution: Solution, trace: Trace) -> tuple[SimulatedModule, ...]:
    """The processes by function, the most critical first."""
    working: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    stalls: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    critical: dict[str, int] = defaultdict(int)
    for _, node, count in sizes.steps:
        region = solution.regions[node]
        for process in region.processes:
            record = trace.processes[process.record]
            waited = process.empty_stall + process.full_stall + process.memory_stall + process.region_stall
            working[record.function][record.call] += count * max(0, process.end - process.start - waited)
            for i, stall in enumerate((process.empty_stall, process.full_stall, process.memory_stall)):
                stalls[record.function][i] += count * stall
        for kind, number, cycles in region.critical:
            if kind == "p" and number >= 0:
                critical[trace.processes[number].function] += count * cycles
    found = [
        SimulatedModule(
            module=name,
            processes=len(calls),
            working_cycles=max(calls.values()),
            critical_cycles=critical[name],
            empty_stall_cycles=stalls[name][0],
            full_stall_cycles=stalls[name][1],
            memory_stall_cycles=stalls[name][2],
        )
        for name, calls in working.items()
    ]
    return tuple(sorted(found, key=lambda module: (-module.critical_cycles, -module.working_cycles, module.module)))


def streams_of(
    sizes: Sizes, solution: Solution, trace: Trace, depths: Mapping[str, int] | None
) -> tuple[SimulatedStream, ...]:
    """Every FIFO that carried something, those whose writers waited longest first."""
    found: dict[int, SimulatedStream] = {}
    for _, node, count in sizes.steps:
        region = solution.regions[node]
        for stream in region.streams:
            if stream.words == 0:
                continue
            record = trace.streams[stream.number]
            before = found.get(stream.number)
            writer = trace.processes[region.processes[stream.writer].record].function if stream.writer >= 0 else None
            reader = trace.processes[region.processes[stream.reader].record].function if stream.reader >= 0 else None
            found[stream.number] = SimulatedStream(
                stream=record.name,
                depth=(depths or {}).get(record.name, record.depth),
                used_depth=max(stream.places, before.used_depth if before else 0),
                words=count * stream.words + (before.words if before else 0),
                empty_stall_cycles=count * stream.empty_stall + (before.empty_stall_cycles if before else 0),
                full_stall_cycles=count * stream.full_stall + (before.full_stall_cycles if before else 0),
                writer=writer,
                reader=reader,
            )
    return tuple(sorted(found.values(), key=lambda s: (-s.full_stall_cycles, -s.empty_stall_cycles, s.stream)))


def ports_of(
    sizes: Sizes, solution: Solution, trace: Trace, timing: Mapping[str, PortTiming]
) -> tuple[SimulatedMemoryPort, ...]:
    """Every port that a process waited for."""
    stalls: dict[int, int] = defaultdict(int)
    critical: dict[int, int] = defaultdict(int)
    for _, node, count in sizes.steps:
        for number, stall in solution.regions[node].ports:
            stalls[number] += count * stall
        for kind, number, cycles in solution.regions[node].critical:
            if kind == "m":
                critical[number] += count * cycles
    found = [
        SimulatedMemoryPort(
            port=trace.ports[number],
            stall_cycles=stall,
            critical_cycles=critical[number],
            cycles_per_word=max(1.0, timing.get(trace.ports[number], PortTiming()).cycles_per_word),
        )
        for number, stall in stalls.items()
    ]
    return tuple(sorted(found, key=lambda port: (-port.critical_cycles, -port.stall_cycles, port.port)))


def loops_of(
    loops: Mapping[int, ScheduledLoop], derived: Sequence[DerivedLoop] = ()
) -> tuple[tuple[SimulatedLoop, ...], tuple[SimulatedLoop, ...]]:
    """Loops that cannot have the interval that they ask for, and loops whose interval is not known.

    With those belong requests among `derived` that no loop could be judged for.
    """
    names = demangled([loop.site.function for loop in loops.values()])
    missed: dict[tuple[str, str, int], SimulatedLoop] = {}
    unknown: dict[tuple[str, str, int], SimulatedLoop] = {}
    for loop in loops.values():
        site = loop.site
        if site.kind != "p":
            continue
        entry = SimulatedLoop(
            function=names[site.function],
            place=SourcePlace(file=site.file, line=site.line),
            loop=site.label or f"line {site.line}",
            requested=loop.requested,
            derived=loop.derived,
            reason=loop.reason,
        )
        key = (site.function, site.file, site.line)
        if loop.derived is None:
            unknown[key] = entry
        elif loop.requested is not None and loop.derived > loop.requested:
            missed[key] = entry
    for request in derived:
        if request.is_request:
            unknown["", request.file, request.line] = SimulatedLoop(
                function="",
                place=SourcePlace(file=request.file, line=request.line),
                loop=request.names[0],
                requested=request.requested,
                derived=None,
                reason=request.reason,
            )
    return tuple(missed.values()), tuple(unknown.values())


def deadlock_of(blocked: Sequence[SolvedBlock], trace: Trace, depths: Mapping[str, int] | None) -> SimulationFailure:
    """The named deadlock: the ring first, or the process that nobody is left to serve."""
    found = []
    for block in blocked:
        stream, access = trace.streams[block.stream], trace.accesses[block.access]
        found.append(
            BlockedProcess(
                process=trace.processes[block.record].function if block.record >= 0 else "the top function",
                waits_to="read" if block.cause == "empty" else "write",
                stream=stream.name,
                depth=(depths or {}).get(stream.name, stream.depth),
                place=SourcePlace(file=access.file, line=access.line),
                in_ring=block.in_ring,
                other_has_ended=block.other_has_ended,
            )
        )
    ring = [process for process in found if process.in_ring]
    starved = [process for process in found if process.other_has_ended]
    # Of a ring, the FIFO that is too shallow is among those that are full.
    named = sorted(ring or starved or found, key=lambda process: process.waits_to == "read")
    rest = [process for process in found if process not in named]
    verdict: Literal["deadlock", "past_input"] = "deadlock"
    if not ring and named and all(process.waits_to == "read" for process in named):
        verdict = "past_input"
    return SimulationFailure(
        verdict=verdict,
        message="; ".join(str(process) for process in named),
        place=named[0].place,
        blocked=(*named, *rest),
    )
