"""How many cycles one iteration of a pipelined loop takes from its first access to its last."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hls_gen.intervals.accesses_per_iteration import handed_on, overwritten_stores
from hls_gen.intervals.delays import Delays
from hls_gen.intervals.ir import Function, Loop, blocks_in_order
from hls_gen.intervals.memory import Access
from hls_gen.intervals.recurrence import Edge

# Outside of a recurrence operators have all their registers: fp32 latencies at 300 MHz as in the timing table, 3 cycles
# of a DSP multiplier, 2 of a RAM (address and output register). One cycle tests the exit condition.
LATENCIES = Delays(
    floating={
        "fadd": 7.0,
        "fsub": 7.0,
        "fmul": 4.0,
        "fdiv": 12.0,
        "frem": 20.0,
        "fcmp": 2.0,
        "fneg": 0.0,
        "sitofp": 6.0,
        "uitofp": 6.0,
    },
    call=14.0,
    integer_multiply=3.0,
    load=2.0,
)
_CONTROL_CYCLES = 1
# Rounds in which what earlier iterations leave behind may still move an operation.
_CARRIED_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class StreamOffset:
    """The cycle of an iteration in which a stream is read or written, counted from its first."""

    file: str
    line: int
    is_write: bool
    cycles: int


@dataclass(frozen=True, slots=True)
class IterationSchedule:
    """One iteration of a pipelined loop, each operation as early as its operands allow. `depth` in whole cycles."""

    depth: int
    offsets: tuple[StreamOffset, ...]


def iteration_schedule(
    function: Function,
    loop: Loop,
    edges: Sequence[Edge],
    interval: int,
    found: Sequence[Access],
    reorders_sums: bool = False,
    sunk: Sequence[int] = (),
) -> IterationSchedule:
    """Each operation as early as its operands allow, those of earlier iterations too, and when it meets its streams.

    `edges` with LATENCIES as delays. `interval`: of the loop, in cycles. `found`: its accesses. `reorders_sums`: a sum of several terms
    is a tree of adders (`config_compile -unsafe_math_optimizations`), as high as the times at which its terms arrive make it, also
    where the sum so far goes through a word of memory. `sunk`: instructions of the iteration that the compiler moved behind the
    loop, in their order; they end with it.
    """
    order = {
        number: position
        for position, number in enumerate(
            number for block in blocks_in_order(function, loop.blocks) for number in function.block_instructions[block]
        )
    }
    inner: frozenset[int] = frozenset()
    if reorders_sums:
        edges = _without_detours(function, edges, handed_on(found, edges, order))
        inner = _inner_sums(function, edges, overwritten_stores(found))
    registers = {access.instruction for access in found if access.array.in_registers}
    ahead: dict[int, list[Edge]] = defaultdict(list)
    carried = []
    for edge in edges:
        if edge.distance == 0 and order[edge.source] < order[edge.sink]:
            ahead[edge.sink].append(edge)
        elif edge.distance > 0:
            carried.append(edge)
    start = _starts(function, order, ahead, inner, {})
    # What an earlier iteration computed may come later than all else that an operation waits for. A cycle of such dependences
    # is timed by its own, shorter delays (delays.py); with these latencies it would never settle.
    for _ in range(_CARRIED_ROUNDS):
        least: dict[int, float] = {}
        for edge in carried:
            ready = _end(start[edge.source], edge.delay) - interval * edge.distance
            least[edge.sink] = max(ready, least.get(edge.sink, 0.0))
        moved = _starts(function, order, ahead, inner, least)
        if moved == start:
            break
        start = moved
    else:
        start = _starts(function, order, ahead, inner, {})
    delays = {n: 0.0 if n in registers else LATENCIES.of(function.instructions[n]) for n in order}
    end = max((_end(start[number], delay) for number, delay in delays.items()), default=0.0)
    end = max(end, _end_of(function, sunk, {n: _end(start[n], delay) for n, delay in delays.items()}))
    return _schedule(function, order, start, end)


def straight_schedule(function: Function, inside: Sequence[int], registers: set[int]) -> IterationSchedule:
    """Straight code, each of its instructions, in their order, as early as its operands among them allow. `registers`: loads of no RAM."""
    start: dict[int, float] = {}
    done: dict[int, float] = {}
    for number in inside:
        instruction = function.instructions[number]
        start[number] = max(
            (done.get(o.number, 0.0) for o in instruction.operands if o.kind == "instruction"), default=0.0
        )
        done[number] = _end(start[number], 0.0 if number in registers else LATENCIES.of(instruction))
    return _schedule(function, inside, start, max(done.values(), default=0.0))


def _schedule(function: Function, order: Iterable[int], start: Mapping[int, float], end: float) -> IterationSchedule:
    offsets: dict[tuple[str, int, bool], int] = {}
    for number in order:
        instruction = function.instructions[number]
        if instruction.volatile:
            key = (*instruction.stream_position, instruction.opcode == "store")
            offsets[key] = max(offsets.get(key, 0), math.floor(start[number] + 1e-9))
    return IterationSchedule(
        math.ceil(end - 1e-9) + _CONTROL_CYCLES, tuple(StreamOffset(*key, cycles) for key, cycles in offsets.items())
    )


def _end_of(function: Function, sunk: Sequence[int], done: dict[int, float]) -> float:
    """When the last of those behind the loop that depend on its iteration has its result, each as early as its operands allow.

    `done`: when the instructions of the loop have theirs; those behind it are added.
    """
    last = 0.0
    for number in sunk:
        instruction = function.instructions[number]
        operands = [done[o.number] for o in instruction.operands if o.kind == "instruction" and o.number in done]
        if not operands:  # the same in all iterations
            continue
        done[number] = _end(max(operands), LATENCIES.of(instruction))
        last = max(last, done[number])
    return last


def _end(start: float, delay: float) -> float:
    """When a result is there: operators with registers end on a clock edge, whatever part of a cycle was over before them."""
    return math.floor(start + 1e-9) + delay if delay >= 1 else start + delay


def _starts(
    function: Function,
    order: Mapping[int, int],
    ahead: Mapping[int, Sequence[Edge]],
    inner: frozenset[int],
    least: Mapping[int, float],
) -> dict[int, float]:
    """The first cycle of each instruction, not before those of `least`."""
    start: dict[int, float] = {}
    terms: dict[int, list[float]] = {}  # of sums: when each of their terms arrives
    for number in order:
        ready = least.get(number, 0.0)
        for edge in ahead.get(number, ()):
            ready = max(ready, _end(start[edge.source], edge.delay))
        instruction = function.instructions[number]
        if inner and instruction.opcode in _SUMS:
            arrivals = [
                ready_term for edge in ahead.get(number, ()) for ready_term in _arrivals(edge, start, terms, inner)
            ]
            arrivals += [least.get(number, 0.0)] * max(0, 2 - len(ahead.get(number, ())))
            terms[number] = arrivals
            adder = LATENCIES.of(instruction)
            ready = max(least.get(number, 0.0), _tree(arrivals, adder) - adder)
        start[number] = ready
    return start


_SUMS = frozenset(("fadd", "fsub"))


def _without_detours(function: Function, edges: Sequence[Edge], stores: Mapping[int, int]) -> list[Edge]:
    """`edges` with what goes through a word of memory and back, load by store, directly to its use."""

    def value(load: int) -> int | None:
        while load in stores:
            operand = function.instructions[stores[load]].operands[0]
            if operand.kind != "instruction":
                return None
            load = operand.number
        return load

    found = []
    for edge in edges:
        if edge.sink in stores and function.instructions[edge.source].opcode == "store":
            continue
        source = value(edge.source)
        if source == edge.source:
            found.append(edge)
        elif source is not None:
            found.append(Edge(source, edge.sink, LATENCIES.of(function.instructions[source]), edge.distance))
    return found


def _inner_sums(function: Function, edges: Sequence[Edge], overwritten: frozenset[int]) -> frozenset[int]:
    """Additions whose only use is another addition of the same iteration."""
    read = {edge.source for edge in edges}
    uses: dict[int, list[Edge]] = defaultdict(list)
    for edge in edges:
        if edge.sink not in overwritten or edge.sink in read:
            uses[edge.source].append(edge)
    return frozenset(
        number
        for number, of in uses.items()
        if function.instructions[number].opcode in _SUMS
        and len(of) == 1
        and of[0].distance == 0
        and function.instructions[of[0].sink].opcode in _SUMS
    )


def _arrivals(
    edge: Edge, start: Mapping[int, float], terms: Mapping[int, Sequence[float]], inner: frozenset[int]
) -> Sequence[float]:
    """When what comes along an edge is there: a term, or all terms of a sum."""
    return terms[edge.source] if edge.source in inner else [_end(start[edge.source], edge.delay)]


def _tree(arrivals: Sequence[float], adder: float) -> float:
    """When the sum is there if always the two earliest terms are added."""
    waiting = list(arrivals)
    heapq.heapify(waiting)
    while len(waiting) > 1:
        first = heapq.heappop(waiting)
        heapq.heapreplace(waiting, _end(max(first, waiting[0]), adder))
    return waiting[0] if waiting else 0.0
