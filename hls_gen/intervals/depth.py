"""How many cycles one iteration of a pipelined loop takes from its first access to its last."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hls_gen.intervals.delays import Delays
from hls_gen.intervals.ir import Function, Loop, blocks_in_order
from hls_gen.intervals.recurrence import Edge

# Outside of a recurrence operators have all their registers: fp32 latencies at 300 MHz as in the timing table, 3 cycles
# of a DSP multiplier, 2 of a RAM (address and output register). One cycle tests the exit condition.
LATENCIES = Delays(
    floating={"fadd": 7.0, "fsub": 7.0, "fmul": 4.0, "fdiv": 12.0, "frem": 20.0, "fcmp": 2.0, "fneg": 0.0},
    call=14.0,
    integer_multiply=3.0,
    load=2.0,
)
_CONTROL_CYCLES = 1


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


def iteration_schedule(function: Function, loop: Loop, edges: Sequence[Edge]) -> IterationSchedule:
    """The longest path of one iteration, and when it meets its streams; `edges` with LATENCIES as delays."""
    order = {
        number: position
        for position, number in enumerate(
            number for block in blocks_in_order(function, loop.blocks) for number in function.block_instructions[block]
        )
    }
    behind: dict[int, list[Edge]] = defaultdict(list)
    for edge in edges:
        if edge.distance == 0 and order[edge.source] < order[edge.sink]:
            behind[edge.source].append(edge)
    start = dict.fromkeys(order, 0.0)
    end = 0.0
    offsets: dict[tuple[str, int, bool], int] = {}
    for number in order:
        instruction = function.instructions[number]
        if instruction.volatile:
            key = (*instruction.stream_position, instruction.opcode == "store")
            offsets[key] = max(offsets.get(key, 0), math.floor(start[number] + 1e-9))
        end = max(end, start[number] + LATENCIES.of(instruction))
        for edge in behind[number]:
            start[edge.sink] = max(start[edge.sink], start[number] + edge.delay)
    return IterationSchedule(
        math.ceil(end - 1e-9) + _CONTROL_CYCLES, tuple(StreamOffset(*key, cycles) for key, cycles in offsets.items())
    )
