"""How many cycles one iteration of a pipelined loop takes from its first access to its last."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hls_gen.intervals.accesses_per_iteration import handed_on, overwritten_stores
from hls_gen.intervals.delays import Delays
from hls_gen.intervals.ir import Function, Loop, blocks_in_order
from hls_gen.intervals.memory import Access
from hls_gen.intervals.recurrence import Edge
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable


def _latencies(timing: TimingTable) -> Delays:
    """Outside of a recurrence operators have all their registers."""
    cycles = {name: float(operator.latency_cycles) for name, operator in timing.operators.items()}
    return Delays(
        floating={
            "fadd": cycles["fadd"],
            "fsub": cycles["fadd"],
            "fmul": cycles["fmul"],
            "fdiv": cycles["fdiv"],
            "frem": 20.0,
            "fcmp": cycles["fcmp"],
            "fneg": 0.0,
            "sitofp": cycles["int_to_float"],
            "uitofp": cycles["int_to_float"],
        },
        call=cycles["fexp"],
        integer_multiply=3.0,  # a DSP multiplier
        load=2.0,  # a RAM: address and output register
        address=0.0,  # is in that
        local_read_after_write=0.0,  # counts where it closes a recurrence, and the interval is that of the loop then
    )


LATENCIES = _latencies(DEFAULT_TIMING_TABLE)
# One cycle tests the exit condition.
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
    turns = _turns(function, found, order)
    for before, after in turns.next_ones:
        ahead[after].append(Edge(before, after, 1.0, 0))
    start = _settled(function, order, ahead, inner, carried, interval, {})
    # Accesses of one stream come to their end before those of the next iteration begin: the first ones wait where they can.
    held: dict[int, float] = {}
    for _ in range(_CARRIED_ROUNDS):
        late = {first: start[last] - (interval - 1) for first, last in turns.farthest_ones}
        late = {first: cycle for first, cycle in late.items() if cycle > start[first]}
        if not late:
            break
        held |= late
        start = _settled(function, order, ahead, inner, carried, interval, held)
    delays = {n: 0.0 if n in registers else LATENCIES.of(function.instructions[n]) for n in order}
    end = max((_end(start[number], delay) for number, delay in delays.items()), default=0.0)
    end = max(end, _end_of(function, sunk, {n: _end(start[n], delay) for n, delay in delays.items()}))
    return _schedule(function, order, start, end, found)


def _settled(
    function: Function,
    order: Mapping[int, int],
    ahead: Mapping[int, Sequence[Edge]],
    inner: frozenset[int],
    carried: Sequence[Edge],
    interval: int,
    held: Mapping[int, float],
) -> dict[int, float]:
    """The first cycle of each instruction, with what earlier iterations leave behind, and not before those of `held`."""
    start = _starts(function, order, ahead, inner, held)
    # What an earlier iteration computed may come later than all else that an operation waits for. A cycle of such dependences
    # is timed by its own, shorter delays (delays.py); with these latencies it would never settle.
    for _ in range(_CARRIED_ROUNDS):
        least = dict(held)
        for edge in carried:
            ready = _end(start[edge.source], edge.delay) - interval * edge.distance
            least[edge.sink] = max(ready, least.get(edge.sink, 0.0))
        moved = _starts(function, order, ahead, inner, least)
        if moved == start:
            return start
        start = moved
    return _starts(function, order, ahead, inner, held)


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


@dataclass(frozen=True, slots=True)
class _Turns:
    """Pairs of accesses of one stream that an iteration does both of, in the order of the program: each with the next, and with the last."""

    next_ones: tuple[tuple[int, int], ...]
    farthest_ones: tuple[tuple[int, int], ...]


def _turns(function: Function, found: Sequence[Access], order: Mapping[int, int]) -> _Turns:
    """A FIFO takes and gives a word a cycle, in the order of the program."""
    by_stream: dict[tuple[str, bool, int], list[Access]] = defaultdict(list)
    for access in found:
        if access.is_stream and access.instruction in order:
            by_stream[_stream_of(access)].append(access)

    def both(before: Access, after: Access) -> bool:
        together = bool(np.any(before.executed & after.executed))
        return together and _leads_to(function, before.instruction, after.instruction, order)

    next_ones, farthest_ones = [], []
    for group in by_stream.values():
        group.sort(key=lambda access: order[access.instruction])
        for i, access in enumerate(group):
            covered = np.zeros_like(access.executed)
            for before in reversed(group[:i]):
                if np.any(before.executed & access.executed & ~covered) and both(before, access):
                    next_ones.append((before.instruction, access.instruction))
                    covered |= before.executed
            last = next((a for a in reversed(group[i + 1 :]) if both(access, a)), None)
            if last is not None:
                farthest_ones.append((access.instruction, last.instruction))
    return _Turns(tuple(next_ones), tuple(farthest_ones))


def _stream_of(access: Access) -> tuple[str, bool, int]:
    index = -1 if access.address is None else int(access.address.flat[0])
    return access.array.name, access.is_store, index


def _leads_to(function: Function, before: int, after: int, order: Mapping[int, int]) -> bool:
    """Whether one iteration can pass both instructions: not where they stand on the two sides of a branch."""
    target = function.instructions[after].block
    open_, seen = [function.instructions[before].block], set[int]()
    while open_:
        block = open_.pop()
        if block == target:
            return True
        if block in seen:
            continue
        seen.add(block)
        # Forward only: what follows the end of the iteration is another one.
        first = order[function.block_instructions[block][-1]]
        open_ += [s for s in function.successors[block] if order.get(function.block_instructions[s][0], -1) > first]
    return False


def _schedule(
    function: Function, order: Iterable[int], start: Mapping[int, float], end: float, found: Sequence[Access] = ()
) -> IterationSchedule:
    """`found`: the accesses; of several of a line to one stream the first counts, the others follow it a cycle apart."""
    streams = {access.instruction: _stream_of(access) for access in found if access.is_stream}
    first: dict[tuple[str, int, bool, tuple[str, bool, int] | int], int] = {}
    for number in order:
        instruction = function.instructions[number]
        if instruction.volatile:
            place = (*instruction.stream_position, instruction.opcode == "store", streams.get(number, number))
            first.setdefault(place, math.floor(start[number] + 1e-9))
    offsets: dict[tuple[str, int, bool], int] = {}
    for (file, line, is_write, _), cycles in first.items():
        offsets[file, line, is_write] = max(offsets.get((file, line, is_write), 0), cycles)
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
