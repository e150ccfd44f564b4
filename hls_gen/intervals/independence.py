"""Loops that stand one after the other in a function and do not wait for each other.

Vitis HLS makes a module of each pipelined loop and of each function, and starts a module as soon as those it depends on are
done (ASAP scheduling of the calls of a state machine, UG1399): what shares no array and no value runs at the same time.
Here anything that both touch keeps two of them in order, also an array that both only read: its ports are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hls_gen.intervals.frontend import Translation
from hls_gen.intervals.ir import Function, Instruction, Loop, Operand

# Declarations to the compiler, which do nothing.
_NOTHING = ("llvm.lifetime", "llvm.dbg", "llvm.assume", "llvm.experimental.noalias")
_CALL_DEPTH = 8


@dataclass(frozen=True, slots=True)
class LoopPlace:
    """A loop by its function in intermediate code, its file as reports name it, and the line of its `for`."""

    function: str
    file: str
    line: int


@dataclass(slots=True)
class _Part:
    """A loop, a call of a function with loops, or the instructions between them. `loops`: outermost ones that it runs; `arrays`
    that it touches; `unclear`: it does something that cannot be told apart from what the others do.
    """

    loops: tuple[LoopPlace, ...] = ()
    arrays: set[str] = field(default_factory=set)
    defines: set[int] = field(default_factory=set)
    uses: set[int] = field(default_factory=set)
    unclear: bool = False

    def waits_for(self, earlier: _Part) -> bool:
        if self.unclear or earlier.unclear:
            return True
        return bool(self.arrays & earlier.arrays or self.uses & earlier.defines)


def independent_loops(functions: Sequence[Function], translation: Translation) -> list[tuple[LoopPlace, LoopPlace]]:
    """Pairs of loops, the earlier one first, of which the later need not wait for the earlier, not even through a third."""
    by_name = {function.name: function for function in functions}
    found: dict[tuple[LoopPlace, LoopPlace], bool] = {}
    for function in functions:
        for around in (None, *function.loops):
            for chain in _chains(function, around, by_name, translation.names):
                for first, second, free in _pairs(chain):
                    for pair in ((a, b) for a in first.loops for b in second.loops):
                        found[pair] = free and found.get(pair, True)
    return [pair for pair, free in found.items() if free and pair[0] != pair[1]]


def _pairs(chain: Sequence[_Part]) -> Iterator[tuple[_Part, _Part, bool]]:
    """Each two parts, and whether the second waits for the first neither itself nor through others between them."""
    waits: list[set[int]] = []
    for later, part in enumerate(chain):
        direct = {earlier for earlier in range(later) if part.waits_for(chain[earlier])}
        waits.append(direct.union(*(waits[earlier] for earlier in direct)))
        for earlier in range(later):
            yield chain[earlier], part, earlier not in waits[later]


def _chains(
    function: Function, around: Loop | None, by_name: Mapping[str, Function], names: Mapping[str, str]
) -> Iterator[list[_Part]]:
    """Straight runs of parts in the body of a function, or of one of its loops: no branch lies between them."""
    siblings = {loop.header: loop for loop in function.loops if loop.parent is around}
    if around is not None and len(siblings) < 2:
        return
    inside = around.blocks if around is not None else frozenset(range(len(function.successors)))
    waiting = [around.header if around is not None else 0, *siblings]
    visited: set[int] = set()
    while waiting:
        block: int | None = waiting.pop(0)
        chain: list[_Part] = []
        while block is not None and block not in visited and block in inside:
            visited.add(block)
            loop = siblings.get(block)
            if loop is not None:
                chain.append(_loop_part(function, loop, names))
                targets = {t for b in loop.blocks for t in function.successors[b] if t not in loop.blocks}
            else:
                chain += _straight_parts(function, block, by_name, names)
                targets = set(function.successors[block])
            block = targets.pop() if len(targets) == 1 else None
        if sum(bool(part.loops) for part in chain) > 1:
            yield chain


def _loop_part(function: Function, loop: Loop, names: Mapping[str, str]) -> _Part:
    part = _Part(_places(function, [loop], names))
    for number in (n for block in loop.blocks for n in function.block_instructions[block]):
        _include(part, function, function.instructions[number])
    return part


def _straight_parts(
    function: Function, block: int, by_name: Mapping[str, Function], names: Mapping[str, str]
) -> list[_Part]:
    """The instructions of a block, with the calls of functions that have loops as parts of their own."""
    parts = [_Part()]
    for number in function.block_instructions[block]:
        instruction = function.instructions[number]
        callee = by_name.get(_callee(instruction))
        if callee is not None:
            parts.append(_Part(_loops_run_by(callee, by_name, names, _CALL_DEPTH)))
        _include(parts[-1], function, instruction)
        if callee is not None:
            parts.append(_Part())
    return parts


def _loops_run_by(
    function: Function, by_name: Mapping[str, Function], names: Mapping[str, str], depth: int
) -> tuple[LoopPlace, ...]:
    """The outermost loops of a function and of those that it calls outside of loops."""
    found = list(_places(function, [loop for loop in function.loops if loop.parent is None], names))
    if depth > 0:
        for instruction in function.instructions:
            callee = by_name.get(_callee(instruction))
            if callee is not None:
                found += _loops_run_by(callee, by_name, names, depth - 1)
    return tuple(dict.fromkeys(found))


def _places(function: Function, loops: Iterable[Loop], names: Mapping[str, str]) -> tuple[LoopPlace, ...]:
    return tuple(LoopPlace(function.name, names[loop.file], loop.line) for loop in loops if loop.file in names)


def _callee(instruction: Instruction) -> str:
    return instruction.operands[-1].name if instruction.opcode == "call" and instruction.operands else ""


def _include(part: _Part, function: Function, instruction: Instruction) -> None:
    """Adds what an instruction touches to its part."""
    part.defines.add(instruction.number)
    part.uses |= {operand.number for operand in instruction.operands if operand.kind == "instruction"}
    pointers: Sequence[Operand] = ()
    match instruction.opcode:
        case "load":
            pointers = instruction.operands[:1]
        case "store":
            pointers = instruction.operands[1:2]
        case "call" if not _callee(instruction).startswith(_NOTHING):
            pointers = [o for o in instruction.operands[:-1] if _is_pointer(function, o)]
    part.unclear |= instruction.volatile
    for pointer in pointers:
        bases = _bases(function, pointer, set())
        part.unclear |= not bases
        part.arrays |= bases


def _is_pointer(function: Function, operand: Operand) -> bool:
    if operand.kind == "instruction":
        return function.instructions[operand.number].type == "ptr"
    return operand.kind == "global" or operand.name in function.pointers


def _bases(function: Function, pointer: Operand, seen: set[int]) -> set[str]:
    """The arrays that a pointer may lie in; none where that is not known."""
    if pointer.kind in ("argument", "global"):
        return {f"{pointer.kind} {pointer.name}"}
    if pointer.kind != "instruction":
        return set()
    instruction = function.instructions[pointer.number]
    if instruction.opcode == "alloca":
        return {f"local {instruction.number}"}
    if instruction.opcode == "getelementptr":
        return _bases(function, instruction.operands[0], seen)
    if instruction.opcode in ("phi", "select") and instruction.number not in seen:
        seen.add(instruction.number)
        ways = instruction.operands if instruction.opcode == "phi" else instruction.operands[1:]
        every = [_bases(function, way, seen) for way in ways]
        return set[str]().union(*every) if all(every) else set()
    return set()
