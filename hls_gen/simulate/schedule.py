"""The schedule of a trace's loops: intervals, depths and stream offsets as derived from the code, by loop and instance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hls_gen.intervals.derive import DerivedLoop
from hls_gen.simulate.build import DerivedSchedule
from hls_gen.simulate.trace import Site, Trace

# A loop that is unknown is simulated as asked: II 1 where it asks for nothing, a few registers deep.
_UNKNOWN_DEPTH = 4
# A loop with a constant single iteration is straight code: a cycle to do it, one to go on.
_STRAIGHT_DEPTH = 2


@dataclass(frozen=True, slots=True)
class PortTiming:
    """Of an m_axi port, in kernel cycles: a word's time by the port law, first data of a burst, last write's response."""

    cycles_per_word: float = 1.0
    latency_cycles: int = 0
    response_cycles: int = 0
    prefetched_words: int = 0


@dataclass(frozen=True, slots=True)
class ScheduledLoop:
    """A pipelined loop as it is simulated. `derived` None: unknown for `reason`, simulated as asked."""

    site: Site
    interval: int
    depth: int
    requested: int | None
    derived: int | None
    reason: str
    offsets: Mapping[tuple[str, int, bool], int]


def independent_sites(trace: Trace, derived: DerivedSchedule) -> list[tuple[int, int]]:
    """Numbers of sites of which the second need not wait for the first."""
    functions = {_plain(place.function) for pair in derived.independent for place in pair}
    numbers: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for site in trace.sites:
        numbers[_known_name(site.function, functions), site.file, site.line].append(site.number)
    places = [[numbers[_plain(p.function), p.file, p.line] for p in pair] for pair in derived.independent]
    return [(first, second) for earlier, later in places for first in earlier for second in later]


def _plain(function: str) -> str:
    """Without the number of a copy that the compiler made for some of the callers."""
    return function.split(".")[0] if function.startswith("_Z") else function


def scheduled_loops(trace: Trace, loops: Sequence[DerivedLoop]) -> dict[int, ScheduledLoop]:
    """By number of the site; sequential loops have no schedule of their own."""
    by_place: dict[tuple[str, str, int], DerivedLoop] = {}
    functions: set[str] = set()
    for loop in loops:
        function = _plain(loop.function)
        by_place[function, loop.file, loop.line] = loop
        functions.add(function)
    found: dict[int, ScheduledLoop] = {}
    innermost = [site for site in trace.sites if site.kind == "p"]
    for site in innermost:
        found[site.number] = _scheduled(site, trace, by_place, functions)
    for site in trace.sites:
        if site.kind != "f":
            continue
        inner = [s for s in innermost if s.function == site.function and s.file == site.file and s.line > site.line]
        if inner:
            one = found[min(inner, key=lambda s: s.line).number]
            found[site.number] = ScheduledLoop(
                site, one.interval, one.depth, one.requested, one.derived, one.reason, one.offsets
            )
    return found


def _scheduled(
    site: Site, trace: Trace, by_place: Mapping[tuple[str, str, int], DerivedLoop], functions: set[str]
) -> ScheduledLoop:
    if site.function == "driver":
        return ScheduledLoop(site, int(site.label), 1, None, int(site.label), "", {})
    function = _known_name(site.function, functions)
    derived = by_place.get((function, site.file, site.line))
    if derived is None:
        # The compiler drops an inner loop with one iteration; what is left is the loop around it.
        outer = [
            s.line
            for s in trace.sites
            if s.function == site.function and s.file == site.file and s.kind == "f" and s.line < site.line
        ]
        derived = next(
            (by_place[key] for line in sorted(outer, reverse=True) if (key := (function, site.file, line)) in by_place),
            None,
        )
    if derived is None and function in functions:
        return ScheduledLoop(site, 1, _STRAIGHT_DEPTH, None, 1, "", {})
    if derived is None:
        return ScheduledLoop(site, 1, _UNKNOWN_DEPTH, None, None, "no such loop is left in intermediate code", {})
    offsets = {(o.file, o.line, o.is_write): o.cycles for o in derived.offsets}
    # A loop gets the interval that it asks for, never a shorter one (UG1399, pragma HLS pipeline), or a longer that it needs.
    interval = max(derived.interval or 1, derived.requested or 1)
    depth = derived.depth if derived.depth is not None else _UNKNOWN_DEPTH
    return ScheduledLoop(site, interval, depth, derived.requested, derived.interval, derived.reason, offsets)


def _known_name(function: str, functions: set[str]) -> str:
    """A function with C linkage has its plain name in intermediate code."""
    if function in functions or not function.startswith("_Z"):
        return function
    digits = function.removeprefix("_Z").lstrip("N")
    length = digits[: len(digits) - len(digits.lstrip("0123456789"))]
    plain = digits[len(length) : len(length) + int(length)] if length else ""
    return plain if plain in functions else function


def schedule_text(
    trace: Trace,
    loops: Mapping[int, ScheduledLoop],
    ports: Mapping[str, PortTiming],
    flushing: frozenset[int],
    depths: Mapping[str, int] | None = None,
    independent: Sequence[tuple[int, int]] = (),
) -> str:
    """The schedule as the solver reads it. `flushing`: sites whose pipelines flush. `depths`: other FIFO depths, by name.

    `independent`: sites of which the second need not wait for the first.
    """
    lines = [f"independent {first} {second}" for first, second in independent]
    for number, loop in loops.items():
        lines.append(f"site {number} {loop.site.kind} {loop.interval} {loop.depth} {int(number in flushing)}")
        for access in trace.accesses:
            cycles = loop.offsets.get((access.file, access.line, access.kind == "w"))
            if cycles is not None and access.kind in "rw":
                lines.append(f"offset {number} {access.number} {min(cycles, loop.depth - 1)}")
    for number, name in enumerate(trace.ports):
        timing = ports.get(name)
        if timing is not None:
            beat = max(1000, round(1000 * timing.cycles_per_word))
            lines.append(
                f"port {number} {beat} {timing.latency_cycles} {timing.response_cycles} {timing.prefetched_words}"
            )
    for stream in trace.streams:
        if depths and stream.name in depths:
            lines.append(f"depth {stream.number} {depths[stream.name]}")
    return "\n".join(lines) + "\n"
