"""Functions of optimized LLVM IR as plain data: instructions by number, blocks, natural loops."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import llvmlite.binding as llvm
from llvmlite.binding.value import ValueKind

_DBG = re.compile(r"!dbg !(\d+)")
_LOOP = re.compile(r"!llvm\.loop !(\d+)")
_PREDICATE = re.compile(r"= [if]cmp (?:\w+ )*?(eq|ne|[su][gl][te]|[ou](?:eq|ne|gt|ge|lt|le)|ord|uno|true|false) ")
_CASE = re.compile(r"^    i\d+ (-?\d+), label", re.MULTILINE)
_METADATA = re.compile(r"^!(\d+) = (.*)$", re.MULTILINE)
_LOCATION = re.compile(r"!DILocation\(line: (\d+)(?:, column: \d+)?, scope: !(\d+)")
_BODY = re.compile(r"^define [^\n]*?@\"?([\w.$]+)\"?\(([^\n]*)\{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_REFERENCE = re.compile(r"!(\d+)")

OperandKind = Literal["instruction", "argument", "global", "integer", "constant", "block"]


@dataclass(frozen=True, slots=True)
class Operand:
    """What an instruction takes: an instruction or a block by number, a name, or an integer."""

    kind: OperandKind
    number: int = 0
    name: str = ""


@dataclass(slots=True)
class Instruction:
    """One instruction. `blocks`: where the values of a phi come from. `element_type`: of a getelementptr or an
    alloca. `factor_bits`, of a mul: of its narrower factor, before it was extended. `cases`: values of a switch, in the order of its targets after the first. `position`: file and line; `written_at`: those of
    the call in the function itself that it was inlined with; `stream_position`, of a volatile access: where the stream's read or
    write is called.
    """

    number: int
    opcode: str
    name: str
    type: str
    block: int
    operands: tuple[Operand, ...]
    blocks: tuple[int, ...] = ()
    volatile: bool = False
    predicate: str = ""
    element_type: str = ""
    cases: tuple[int, ...] = ()
    position: tuple[str, int] = ("", 0)
    loop_metadata: str = ""
    stream_position: tuple[str, int] = ("", 0)
    written_at: tuple[str, int] = ("", 0)
    factor_bits: int = 0


@dataclass(slots=True)
class Loop:
    """A natural loop. `blocks` holds those of inner loops too; `line`: of its `for`, `file`: as debug locations say."""

    header: int
    latch: int
    blocks: frozenset[int]
    file: str
    line: int
    parent: Loop | None = None
    children: list[Loop] = field(default_factory=list)


@dataclass(slots=True)
class Function:
    """A function: `arguments` by name in order, `pointers` those that are; `file` and `line` of its definition."""

    name: str
    file: str
    line: int
    arguments: tuple[str, ...]
    pointers: frozenset[str]
    instructions: list[Instruction]
    block_instructions: list[list[int]]
    successors: list[tuple[int, ...]]
    loops: list[Loop]

    def predecessors(self) -> list[list[int]]:
        """Blocks that jump to each block."""
        found: list[list[int]] = [[] for _ in self.successors]
        for block, targets in enumerate(self.successors):
            for target in targets:
                found[target].append(block)
        return found


class DebugInfo:
    """File and line behind the numbers of debug metadata."""

    def __init__(self, ir: str) -> None:
        self._nodes = dict(_METADATA.findall(ir))
        self._written_at: dict[str, tuple[str, int]] = {}

    def position(self, number: str) -> tuple[str, int]:
        """File and line of a DILocation; empty and 0 where the IR does not say."""
        match = _LOCATION.search(self._nodes.get(number, ""))
        return (self.file(match[2]), int(match[1])) if match else ("", 0)

    def stream_position(self, number: str) -> tuple[str, int]:
        """File and line of the call of a stream's read or write that was inlined here."""
        for _ in range(64):
            file, line = self.position(number)
            caller = re.search(r"inlinedAt: !(\d+)", self._nodes.get(number, ""))
            if caller is None or not file.endswith("hls_stream.h"):
                return file, line
            number = caller[1]
        return "", 0

    def written_at(self, number: str) -> tuple[str, int]:
        """File and line in the function itself, of the outermost call that was inlined."""
        if number not in self._written_at:
            caller = re.search(r"inlinedAt: !(\d+)", self._nodes.get(number, ""))
            self._written_at[number] = self.written_at(caller[1]) if caller else self.position(number)
        return self._written_at[number]

    def file(self, scope: str) -> str:
        """Path of the file of a scope."""
        for _ in range(64):
            node = self._nodes.get(scope, "")
            match = re.search(r'filename: "([^"]*)", directory: "([^"]*)"', node)
            if match:
                return match[1] if match[1].startswith("/") else f"{match[2]}/{match[1]}"
            found = re.search(r"file: !(\d+)", node) or re.search(r"scope: !(\d+)", node)
            if found is None:
                return ""
            scope = found[1]
        return ""

    def loop_position(self, number: str) -> tuple[str, int]:
        """File and line of the `for` that an !llvm.loop node belongs to."""
        for reference in _REFERENCE.findall(self._nodes.get(number, ""))[1:]:
            if "!DILocation(" in self._nodes.get(reference, ""):
                return self.position(reference)
        return "", 0

    def subprogram(self, number: str) -> tuple[str, int]:
        """File and line of a DISubprogram."""
        node = self._nodes.get(number, "")
        line = re.search(r"\bline: (\d+)", node)
        return self.file(number), int(line[1]) if line else 0


def parse(ir: str) -> list[Function]:
    """The defined functions of a module."""
    module = llvm.parse_assembly(ir)
    debug = DebugInfo(ir)
    bodies = {match[1]: match for match in _BODY.finditer(ir)}
    found = []
    for function in module.functions:
        if not function.is_declaration:
            body = bodies[function.name]
            # An instruction that LLVM prints by itself has other metadata numbers: the text is the one to ask.
            lines = re.findall(r"^  [^\s\]].*$(?:\n    .*$)*", body[3], re.MULTILINE)
            subprogram = _DBG.search(body[2])
            found.append(_function(function, debug, subprogram[1] if subprogram else "", lines))
    return found


def _element_type(text: str) -> str:
    begin = re.search(r"getelementptr (?:inbounds |nuw |nusw )*", text)
    if begin is None:
        return ""
    depth = 0
    for offset in range(begin.end(), len(text)):
        if text[offset] in "[{<(":
            depth += 1
        elif text[offset] in "]}>)":
            depth -= 1
        elif text[offset] == "," and depth == 0:
            return text[begin.end() : offset]
    return ""


def _allocated(text: str) -> str:
    match = re.search(r"= alloca ([^,]*)", text)
    return match[1] if match else ""


def _function(function: llvm.ValueRef, debug: DebugInfo, subprogram: str, lines: list[str]) -> Function:
    blocks = list(function.blocks)
    block_number = {block: number for number, block in enumerate(blocks)}
    values = {}
    order: list[tuple[llvm.ValueRef, int]] = []
    for number, block in enumerate(blocks):
        for value in block.instructions:
            values[value] = len(order)
            order.append((value, number))

    if len(lines) != len(order):
        raise ValueError(f"{function.name}: {len(order)} instructions in {len(lines)} lines")

    def operand(value: llvm.ValueRef) -> Operand:
        if value in values:
            return Operand("instruction", values[value])
        if value in block_number:
            return Operand("block", block_number[value])
        kind = value.value_kind
        if kind is ValueKind.argument:
            return Operand("argument", name=value.name)
        if kind in (ValueKind.function, ValueKind.global_variable):
            return Operand("global", name=value.name)
        integer = re.fullmatch(r"i\d+ (-?\d+|true|false)", str(value).strip())
        if integer is None:
            return Operand("constant", name=str(value)[:80])
        return Operand("integer", int({"true": "1", "false": "0"}.get(integer[1], integer[1])))

    instructions = []
    for number, (value, block) in enumerate(order):
        text = lines[number]
        opcode = value.opcode
        dbg, loop = _DBG.search(text), _LOOP.search(text)
        predicate = _PREDICATE.search(text) if opcode in ("icmp", "fcmp") else None
        volatile = opcode in ("load", "store") and f"{opcode} volatile" in text
        instructions.append(
            Instruction(
                number,
                opcode,
                value.name,
                str(value.type),
                block,
                tuple(operand(o) for o in value.operands),
                tuple(block_number[b] for b in value.incoming_blocks) if opcode == "phi" else (),
                volatile,
                predicate[1] if predicate else "",
                _element_type(text) if opcode == "getelementptr" else _allocated(text),
                tuple(int(value) for value in _CASE.findall(text)) if opcode == "switch" else (),
                debug.position(dbg[1]) if dbg else ("", 0),
                loop[1] if loop else "",
                debug.stream_position(dbg[1]) if dbg and volatile else ("", 0),
                debug.written_at(dbg[1]) if dbg else ("", 0),
            )
        )
    for instruction in instructions:
        if instruction.opcode == "mul" and instruction.type.startswith("i"):
            width = int(instruction.type[1:])
            instruction.factor_bits = min(_significant_bits(instructions, o, width) for o in instruction.operands)
    inside: list[list[int]] = [[] for _ in blocks]
    for instruction in instructions:
        inside[instruction.block].append(instruction.number)
    successors = [_targets(instructions[numbers[-1]]) for numbers in inside]
    file, line = debug.subprogram(subprogram)
    found = Function(
        function.name,
        file,
        line,
        tuple(argument.name for argument in function.arguments),
        frozenset(argument.name for argument in function.arguments if str(argument.type).startswith("ptr")),
        instructions,
        inside,
        successors,
        [],
    )
    found.loops = _loops(found, debug)
    return found


def _significant_bits(instructions: Sequence[Instruction], operand: Operand, width: int) -> int:
    """Bits of an integer of `width` that may differ from its sign: an extension adds none, a mask or shift leaves some."""
    if operand.kind == "integer":
        return operand.number.bit_length() + 1
    if operand.kind != "instruction":
        return width
    value = instructions[operand.number]
    own = int(value.type[1:]) if re.fullmatch(r"i\d+", value.type) else width
    last = value.operands[-1] if value.operands else operand
    match value.opcode:
        case "sext" | "zext":
            inner = instructions[last.number].type if last.kind == "instruction" else ""
            known = int(inner[1:]) if re.fullmatch(r"i\d+", inner) else own
            return _significant_bits(instructions, last, known) + (value.opcode == "zext")
        case "and" if last.kind == "integer" and last.number >= 0:
            return min(own, last.number.bit_length() + 1)
        case "lshr" | "ashr" if last.kind == "integer":
            return own - last.number
    return own


def _targets(end: Instruction) -> tuple[int, ...]:
    """Where a block's last instruction jumps to. A conditional branch holds its targets in the order false, true."""
    blocks = [operand.number for operand in end.operands if operand.kind == "block"]
    return tuple(blocks[::-1] if end.opcode == "br" else blocks)


def _dominators(function: Function) -> list[set[int]]:
    everything = set(range(len(function.successors)))
    predecessors = function.predecessors()
    dominators = [everything.copy() for _ in function.successors]
    dominators[0] = {0}
    changed = True
    while changed:
        changed = False
        for block in range(1, len(dominators)):
            of_predecessors: Iterable[set[int]] = [dominators[p] for p in predecessors[block]]
            new = set.intersection(*of_predecessors) if predecessors[block] else set()
            new = new | {block}
            if new != dominators[block]:
                dominators[block] = new
                changed = True
    return dominators


def _loops(function: Function, debug: DebugInfo) -> list[Loop]:
    dominators = _dominators(function)
    predecessors = function.predecessors()
    bodies: dict[int, tuple[int, set[int]]] = {}
    for block, targets in enumerate(function.successors):
        for header in targets:
            if header not in dominators[block]:
                continue
            body = bodies.setdefault(header, (block, {header}))[1]
            waiting = [block]
            while waiting:
                member = waiting.pop()
                if member not in body:
                    body.add(member)
                    waiting.extend(predecessors[member])
    loops = []
    for header, (latch, body) in bodies.items():
        metadata = next(
            (
                i.loop_metadata
                for b in body
                if header in function.successors[b]
                for i in (function.instructions[function.block_instructions[b][-1]],)
                if i.loop_metadata
            ),
            "",
        )
        file, line = debug.loop_position(metadata) if metadata else ("", 0)
        loops.append(Loop(header, latch, frozenset(body), file, line))
    loops.sort(key=lambda loop: len(loop.blocks))
    for i, loop in enumerate(loops):
        loop.parent = next((outer for outer in loops[i + 1 :] if loop.header in outer.blocks), None)
        if loop.parent is not None:
            loop.parent.children.append(loop)
    return loops


def blocks_in_order(function: Function, blocks: frozenset[int]) -> list[int]:
    """`blocks` of a loop, or of the whole function, in the order in which one iteration passes them (reverse postorder)."""
    visited: set[int] = set()
    order: list[int] = []
    start = next((loop.header for loop in function.loops if loop.blocks == blocks), 0)
    waiting: list[tuple[int, bool]] = [(start, False)]
    while waiting:
        block, done = waiting.pop()
        if done:
            order.append(block)
        elif block not in visited and block in blocks:
            visited.add(block)
            waiting.append((block, True))
            waiting.extend((target, False) for target in function.successors[block])
    return order[::-1]
