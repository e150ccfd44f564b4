"""Branches that a word of a stream decides, where they decide what is read, written or repeated.

A simulation without values cannot follow them: how often a stream is accessed is then a matter of data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hls_gen.intervals.frontend import Translation
from hls_gen.intervals.ir import Function, Instruction, Operand


@dataclass(frozen=True, slots=True)
class Steered:
    """Where such a branch is. `file` as reports name it."""

    file: str
    line: int


def steered_by_words(functions: Sequence[Function], translation: Translation) -> list[Steered]:
    """The branches in the order of the functions; what a called function returns is not followed."""
    found: list[Steered] = []
    for function in functions:
        words = _of_words(function)
        for block, targets in enumerate(function.successors):
            branch = function.instructions[function.block_instructions[block][-1]]
            decided = any(o.kind == "instruction" and o.number in words for o in branch.operands)
            if decided and len(set(targets)) > 1 and _matters(function, block, targets):
                file, line = branch.written_at if branch.written_at[0] in translation.names else branch.position
                found.append(Steered(translation.names.get(file, file), line))
    return list(dict.fromkeys(found))


def _of_words(function: Function) -> set[int]:
    """Instructions whose results depend on a word of a stream, also through arrays."""
    words = {i.number for i in function.instructions if i.volatile and i.opcode == "load"}
    arrays: set[tuple[str, int, str]] = set()
    while True:
        before = len(words) + len(arrays)
        for instruction in function.instructions:
            known = any(o.kind == "instruction" and o.number in words for o in instruction.operands)
            if instruction.opcode == "store" and not instruction.volatile:
                value, address = instruction.operands[0], instruction.operands[-1]
                if value.kind == "instruction" and value.number in words:
                    arrays.add(_base(function, address))
            elif known or (
                instruction.opcode == "load"
                and not instruction.volatile
                and _base(function, instruction.operands[0]) in arrays
            ):
                words.add(instruction.number)
        if len(words) + len(arrays) == before:
            return words


def _base(function: Function, address: Operand) -> tuple[str, int, str]:
    """What a pointer starts from."""
    while address.kind == "instruction":
        made: Instruction = function.instructions[address.number]
        if made.opcode not in ("getelementptr", "bitcast"):
            break
        address = made.operands[0]
    return address.kind, address.number, address.name


def _matters(function: Function, block: int, targets: Sequence[int]) -> bool:
    """Whether one way passes an access of a stream or a call that another does not, or leaves a loop."""
    if any(block in loop.blocks and not set(targets) <= loop.blocks for loop in function.loops):
        return True
    ways = [_reached(function, target, block) for target in targets]
    only = ways[0].union(*ways[1:]) - ways[0].intersection(*ways[1:])
    inside = (function.instructions[n] for b in only for n in function.block_instructions[b])
    return any(i.volatile or (i.opcode == "call" and not _is_declaration(i)) for i in inside)


def _is_declaration(call: Instruction) -> bool:
    return bool(call.operands) and call.operands[-1].name.startswith("llvm.")


def _reached(function: Function, start: int, without: int) -> set[int]:
    seen, open_ = {without}, [start]
    while open_:
        block = open_.pop()
        if block not in seen:
            seen.add(block)
            open_ += function.successors[block]
    return seen
