"""Integer values of a loop nest, iteration by iteration: addresses and branch conditions, as far as counters fix them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hls_gen.intervals.ir import Function, Instruction, Loop, Operand, blocks_in_order

Values = npt.NDArray[np.int64]

UNKNOWN_TRIP = 1 << 20  # a bound that is no constant: long enough for every dependence that matters
_WINDOW = 1024  # consecutive iterations looked at: a longer distance than this hides any latency
_MAX_WINDOWS = 5


@dataclass(frozen=True, slots=True)
class Counter:
    """An induction variable: its phi, first value and step; or, with `later`, its value from the second iteration on."""

    phi: int
    start: Operand
    step: int
    later: int | None = None


@dataclass(frozen=True, slots=True)
class CountedLoop:
    """A loop with its counters. `trip`: iterations, None where no constant bounds it."""

    loop: Loop
    counters: tuple[Counter, ...]
    trip: int | None


def counted(function: Function, loop: Loop) -> CountedLoop:
    """The counters of a loop and how often it runs."""
    counters = []
    for number in function.block_instructions[loop.header]:
        phi = function.instructions[number]
        if phi.opcode != "phi":
            break
        if not phi.type.startswith("i") or len(phi.operands) != 2:
            continue
        inner = next((i for i, b in enumerate(phi.blocks) if b in loop.blocks), None)
        if inner is None:
            continue
        if phi.operands[inner].kind == "integer":  # a flag of the first iteration
            counters.append(Counter(number, phi.operands[1 - inner], 0, phi.operands[inner].number))
            continue
        step = _step(function, phi.operands[inner], number)
        if step is not None:
            counters.append(Counter(number, phi.operands[1 - inner], step))
    return CountedLoop(loop, tuple(counters), _trip(function, loop, counters))


def _step(function: Function, operand: Operand, phi: int) -> int | None:
    if operand.kind != "instruction":
        return None
    update = function.instructions[operand.number]
    if update.opcode not in ("add", "sub", "or"):
        return None
    left, right = update.operands[:2]
    if left.kind == "instruction" and left.number == phi and right.kind == "integer":
        return -right.number if update.opcode == "sub" else right.number
    return None


def _trip(function: Function, loop: Loop, counters: list[Counter]) -> int | None:
    """Iterations until an exit on a counter against a constant; the least of several exits, None without one."""
    trips: list[int] = []
    for block in loop.blocks:
        branch = function.instructions[function.block_instructions[block][-1]]
        if branch.opcode != "br" or len(branch.operands) != 3 or branch.operands[0].kind != "instruction":
            continue
        exits = [target not in loop.blocks for target in function.successors[block]]
        if not any(exits):
            continue
        leaves_when = function.successors[block][0] not in loop.blocks
        flag = next((c for c in counters if c.phi == branch.operands[0].number and c.later is not None), None)
        if flag is not None:
            if (
                flag.start.kind == "integer"
                and bool(flag.start.number) != leaves_when
                and bool(flag.later) == leaves_when
            ):
                trips.append(2)
            continue
        compare = function.instructions[branch.operands[0].number]
        if (
            compare.opcode != "icmp"
            or compare.operands[1].kind != "integer"
            or compare.operands[0].kind != "instruction"
        ):
            continue
        bound = compare.operands[1].number
        for counter in counters:
            if counter.start.kind != "integer" or counter.later is not None:
                continue
            tested = compare.operands[0].number
            offset = 0 if tested == counter.phi else None
            if _step(function, compare.operands[0], counter.phi) is not None:
                offset = counter.step
            if offset is None:
                continue
            trip = _first(counter.start.number + offset, counter.step, compare.predicate, bound, leaves_when)
            if trip is not None:
                trips.append(trip)
    return min(trips, default=None)


def _first(value: int, step: int, predicate: str, bound: int, wanted: bool) -> int | None:
    """Number of the first iteration, from 1, in which `value predicate bound` is `wanted`."""
    compare = _COMPARISONS.get(predicate)
    if step == 0 or compare is None:
        return None
    steps: int = max(0, -(-(bound - value) // step)) if (bound - value) * step >= 0 else 0
    n: int
    for n in (0, *range(max(1, steps - 2), steps + 3)):
        if bool(compare(value + n * step, bound)) == wanted:
            return n + 1
    return None


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    **dict.fromkeys(("slt", "ult"), operator.lt),
    **dict.fromkeys(("sle", "ule"), operator.le),
    **dict.fromkeys(("sgt", "ugt"), operator.gt),
    **dict.fromkeys(("sge", "uge"), operator.ge),
}


class Iterations:
    """Sampled iterations of a nest, outermost loop first, and the integer values in them.

    The sample holds a window of consecutive iterations from the start of the nest and one around each carry of an
    outer counter, so that the short dependences across the end of an inner loop are seen too.
    """

    def __init__(self, function: Function, nest: list[CountedLoop], around: list[CountedLoop]) -> None:
        """`around`: loops around the nest, which stand still at their second iteration."""
        self._function = function
        trips = [loop.trip or UNKNOWN_TRIP for loop in nest]
        total = 1
        for trip in trips:
            total *= trip
        starts = {0}
        inner = 1
        for trip in reversed(trips[1:]):
            inner *= trip
            if inner >= _WINDOW and len(starts) < _MAX_WINDOWS:
                starts.add(inner - _WINDOW // 2)
        flat = np.concatenate(
            [np.arange(s, min(s + _WINDOW, total), dtype=np.int64) for s in sorted(starts) if s < total]
        )
        self.flat = np.unique(flat)
        self._memo: dict[int, Values | None] = {}
        self._edges: dict[tuple[int, int], npt.NDArray[np.bool_]] = {}
        self._by_data = False
        self.executed: dict[int, npt.NDArray[np.bool_]] = {}
        rest, indices = self.flat, []
        for trip in reversed(trips):
            indices.append(rest % trip)
            rest = rest // trip
        for counted_loop in around:
            self._fill(counted_loop, np.full(len(self.flat), min(1, (counted_loop.trip or 2) - 1), dtype=np.int64))
        # From the outside in: an inner counter may start at an outer one.
        for counted_loop, index in zip(nest, reversed(indices), strict=True):
            self._fill(counted_loop, index)

    def _fill(self, counted_loop: CountedLoop, index: Values) -> None:
        for counter in counted_loop.counters:
            start = self.value(counter.start)
            if start is None:
                start = np.zeros_like(index)  # an unknown start shifts every address alike
            if counter.later is not None:
                self._memo[counter.phi] = np.where(index == 0, start, counter.later)
            else:
                self._memo[counter.phi] = start + counter.step * index

    def __len__(self) -> int:
        return len(self.flat)

    def follow(self, loop: Loop) -> None:
        """Finds in which sampled iterations each block of the innermost loop runs; it may where data decide."""
        function, n = self._function, len(self.flat)
        self.executed = {block: np.zeros(n, dtype=bool) for block in loop.blocks}
        self.executed[loop.header][:] = True
        for block in blocks_in_order(function, loop.blocks):
            end = function.instructions[function.block_instructions[block][-1]]
            for target, way in self._ways(end, function.successors[block]):
                if target not in self.executed or target == loop.header:
                    continue
                taken = self.executed[block] & way
                self._edges[block, target] = self._edges.get((block, target), np.zeros(n, dtype=bool)) | taken
                self.executed[target] |= taken

    def _ways(self, end: Instruction, targets: Sequence[int]) -> list[tuple[int, npt.NDArray[np.bool_]]]:
        """The targets of a jump with the sampled iterations that may take each."""
        always = np.ones(len(self.flat), dtype=bool)
        if len(targets) < 2:
            return [(target, always) for target in targets]
        tested = self.value(end.operands[0])
        if tested is None:
            self._by_data = True
            return [(target, always) for target in targets]
        if end.opcode == "br":
            return [(targets[0], tested != 0), (targets[1], tested == 0)]
        cases = [(target, tested == value) for target, value in zip(targets[1:], end.cases, strict=True)]
        return [*cases, (targets[0], ~np.any([way for _, way in cases], axis=0))]

    def chosen(self, phi: Instruction, values: Sequence[Values | None]) -> Values | None:
        """What a phi inside the loop takes, given the values of its operands; None where data decide."""
        edges = [self._edges.get((block, phi.block)) for block in phi.blocks]
        if self._by_data or any(edge is None for edge in edges):
            return None
        result = np.zeros(len(self.flat), dtype=np.int64)
        for edge, value in zip(edges, values, strict=True):
            if edge is None or value is None:
                return None
            result = np.where(edge, value, result)
        return result

    def value(self, operand: Operand) -> Values | None:
        """Values in each sampled iteration, (n_samples,); None where data decides."""
        if operand.kind == "integer":
            return np.full(len(self.flat), operand.number, dtype=np.int64)
        if operand.kind != "instruction":
            return None
        number = operand.number
        if number not in self._memo:
            self._memo[number] = None  # a cycle that is no counter stays unknown
            self._memo[number] = self._compute(self._function.instructions[number])
        return self._memo[number]

    def _compute(self, instruction: Instruction) -> Values | None:
        if instruction.opcode in ("zext", "sext", "trunc", "freeze"):
            return self.value(instruction.operands[0])
        if instruction.opcode == "phi" and self._edges:
            return self.chosen(instruction, [self.value(o) for o in instruction.operands])
        if instruction.opcode == "select":
            condition, yes, no = (self.value(o) for o in instruction.operands)
            return (
                np.where(condition != 0, yes, no)
                if condition is not None and yes is not None and no is not None
                else None
            )
        if instruction.opcode not in _OPERATIONS and instruction.opcode != "icmp":
            return None
        left, right = (self.value(o) for o in instruction.operands[:2])
        if left is None or right is None:
            return None
        if instruction.opcode == "icmp":
            compare = _COMPARISONS.get(instruction.predicate)
            return np.asarray(compare(left, right), dtype=np.int64) if compare is not None else None
        if instruction.opcode in ("udiv", "sdiv", "urem", "srem") and not np.all(right):
            return None
        return np.asarray(_OPERATIONS[instruction.opcode](left, right), dtype=np.int64)


_OPERATIONS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "shl": np.left_shift,
    "lshr": np.right_shift,
    "ashr": np.right_shift,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "udiv": np.floor_divide,
    "sdiv": np.floor_divide,
    "urem": np.remainder,
    "srem": np.remainder,
}
