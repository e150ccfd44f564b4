"""Accesses of one pipelined loop to arrays and streams: which word, which bank, in which sampled iterations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hls_gen.intervals.ir import Function, Operand
from hls_gen.intervals.iterations import Iterations, Values
from hls_gen.intervals.source import Partition
from hls_gen.intervals.storage import TRUE_DUAL_PORT, Memory, Ports

_DIMENSION = re.compile(r"\[(\d+) x ")
_COORDINATE_BITS = 21
REGISTER_WORDS = 4  # Vitis HLS keeps arrays of so few words in registers (complete_threshold, UG1399)


@dataclass(frozen=True, slots=True)
class Array:
    """An array as a function sees it. `dims`: 0 where the size is not known, as of the first one of an argument.

    `lent`: an argument that is a local array without a word on its partition in whoever calls.
    """

    name: str
    kind: str
    dims: tuple[int, ...]
    partitions: tuple[Partition, ...] = ()
    memory: Memory | None = None
    lent: bool = False

    @property
    def ports(self) -> Ports:
        """Of one bank."""
        return self.memory.ports if self.memory is not None else TRUE_DUAL_PORT

    @property
    def bundle(self) -> str | None:
        """The memory-mapped port that it is reached through."""
        return self.memory.bundle if self.memory is not None else None

    @property
    def auto_partitioned(self) -> bool:
        """A local array without a word on its partition or its memory: Vitis HLS splits it for throughput by itself.

        (`syn.array_partition.throughput_driven=auto`, the default since 2021.1, UG1399), for the functions that it is handed to too.
        """
        return (self.kind == "local" or self.lent) and not self.partitions and self.memory is None

    @property
    def in_registers(self) -> bool:
        """Whether each word has a register of its own."""
        complete = {p.dim for p in self.partitions if p.kind == "complete" and not p.joined}
        if 0 in complete or (self.dims and all(d + 1 in complete for d in range(len(self.dims)))):
            return True
        return self.kind == "local" and 0 not in self.dims and int(np.prod(self.dims)) <= REGISTER_WORDS


@dataclass(frozen=True, slots=True)
class Access:
    """A load or store. `address`, `bank`: per sampled iteration, (n_samples,); `address` None where data decides.

    `word`: of a part of a structure that moves as one word, the instruction that computes where that is; `moved`: address of
    the word of memory that the element lies in, another one than its own where ARRAY_RESHAPE joins elements.
    """

    instruction: int
    array: Array
    is_store: bool
    is_stream: bool
    address: Values | None
    bank: Values | None
    executed: npt.NDArray[np.bool_]
    word: int | None = None
    moved: Values | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """What pragmas and callers say of a function's arrays, by name: partitions, memories, and the arguments that are local
    arrays of whoever calls. Memories of others: `tables` by parts of their names, `inlined` of functions that are.
    """

    partitions: Mapping[str, Sequence[Partition]]
    memories: Mapping[str, Memory]
    tables: Mapping[str, Memory]
    inlined: Mapping[str, Memory]
    lent: frozenset[str]

    def variable(self, base: str) -> str:
        """The name in the source of an array that the compiler calls `base`."""
        variable = re.sub(r"\.(i|addr)\d*", "", base)
        known = variable in self.partitions or variable in self.memories
        return variable if known else re.sub(r"\d*(\.\d+)+$", "", variable)

    def memory(self, base: str, kind: str) -> Memory | None:
        """What is said of the memory behind an array."""
        variable = self.variable(base)
        if variable in self.memories or kind == "argument":
            return self.memories.get(variable)
        if kind == "global":  # by a mangled name
            return next((memory for name, memory in self.tables.items() if name in base), None)
        return self.inlined.get(variable)


def array_of(function: Function, base: str, kind: str, declared: Declared) -> Array:
    """The array that a pointer starts from."""
    dims: tuple[int, ...] = ()
    if kind == "local":
        for instruction in function.instructions:
            if instruction.opcode == "alloca" and instruction.name == base:
                dims = _shape(instruction.element_type)
    else:
        shapes = [
            _shape(i.element_type)
            for i in function.instructions
            if i.opcode == "getelementptr" and i.operands[0].name == base and i.operands[0].kind == "argument"
        ]
        dims = (0, *max(shapes, key=len, default=()))
    partitions = tuple(declared.partitions.get(declared.variable(base), ()))
    is_lent = kind == "argument" and base in declared.lent
    return Array(base, kind, dims, partitions, declared.memory(base, kind), is_lent)


def _shape(element_type: str) -> tuple[int, ...]:
    return tuple(int(size) for size in _DIMENSION.findall(element_type))


@dataclass(frozen=True, slots=True)
class _Place:
    """`field`: path of a member, each of which is an array of its own. `whole`: a structure moved as one word, of the
    address that instruction `word` computes."""

    base: str
    kind: str
    coordinates: tuple[Values | None, ...]
    field: str = ""
    whole: bool = False
    word: int | None = None


def _place(function: Function, operand: Operand, iterations: Iterations, declared: Declared) -> _Place | None:
    """Base and coordinates of a pointer; None where it is not an array that is known here."""
    zero = np.zeros(len(iterations), dtype=np.int64)
    if operand.kind == "argument":
        return _Place(operand.name, "argument", (zero,))
    if operand.kind == "global":
        return _Place(operand.name, "global", ())
    if operand.kind != "instruction":
        return None
    instruction = function.instructions[operand.number]
    if instruction.opcode in ("phi", "select"):  # one of several words of one array
        ways = instruction.operands if instruction.opcode == "phi" else instruction.operands[1:]
        places = [_place(function, way, iterations, declared) for way in ways]
        known = [place for place in places if place is not None]
        if len(known) < len(places) or len({(place.base, place.kind) for place in known}) > 1:
            return None
        depth = len(known[0].coordinates)
        if instruction.opcode == "select" or any(len(place.coordinates) != depth for place in known):
            return _Place(known[0].base, known[0].kind, (None,) * depth)
        columns = zip(*(place.coordinates for place in known), strict=True)
        return _Place(known[0].base, known[0].kind, tuple(iterations.chosen(instruction, column) for column in columns))
    if instruction.opcode == "alloca":
        return _Place(instruction.name or f"#{instruction.number}", "local", ())
    if instruction.opcode != "getelementptr":
        return None
    parent = _place(function, instruction.operands[0], iterations, declared)
    if parent is None:
        return None
    if parent.whole:
        return parent
    indices = list(instruction.operands[1:])
    structured = instruction.element_type.lstrip("[0123456789 x").startswith(("%", "{"))
    members, whole = [], False
    if structured:
        n_elements = 1 + len(_shape(instruction.element_type))
        members, indices = indices[n_elements:], indices[:n_elements]
        # A structure travels over a port as one word (AGGREGATE, UG1399), and lies in a memory that is chosen for it as one.
        whole = parent.kind == "argument" or declared.memory(parent.base, parent.kind) is not None
    first, *others = (iterations.value(index) for index in indices)
    coordinates = list(parent.coordinates)
    if coordinates:
        last = coordinates[-1]
        coordinates[-1] = last + first if last is not None and first is not None else None
    else:
        # The compiler leaves out leading zeros: what it steps over are parts of the array, of fewer dimensions.
        missing = _dimensions(function, instruction.operands[0]) - len(_shape(instruction.element_type)) - 1
        if missing >= 0 and parent.kind == "local":
            coordinates = [*[np.zeros(len(iterations), dtype=np.int64)] * missing, first]
        elif first is None or np.any(first):
            coordinates = [first]
    field = parent.field
    if members and not whole:
        field += f".{members[0].number}"
        others += [iterations.value(index) for index in members[1:]]
    word = instruction.number if whole else None
    return replace(parent, coordinates=(*coordinates, *others), field=field, whole=whole, word=word)


def _dimensions(function: Function, operand: Operand) -> int:
    """Of the variable that a pointer is the beginning of; 0 where it is none."""
    instruction = function.instructions[operand.number] if operand.kind == "instruction" else None
    return len(_shape(instruction.element_type)) if instruction is not None and instruction.opcode == "alloca" else 0


def _places(function: Function, pointer: Operand, iterations: Iterations, declared: Declared) -> list[_Place]:
    """Where a pointer may point: one place, or one of several variables; none where it is not an array that is known."""
    place = _place(function, pointer, iterations, declared)
    if place is not None:
        return [place]
    instruction = function.instructions[pointer.number] if pointer.kind == "instruction" else None
    if instruction is None or instruction.opcode not in ("phi", "select"):
        return []
    found = []
    for way in instruction.operands if instruction.opcode == "phi" else instruction.operands[1:]:
        one = _place(function, way, iterations, declared)
        if one is None:
            return []
        found.append(one)
    return found


def accesses(
    function: Function, blocks: Sequence[int], iterations: Iterations, declared: Declared
) -> tuple[list[Access], list[int]]:
    """The loads and stores of `blocks`, in their order, and the instructions whose pointer cannot be followed."""
    found, lost = [], []
    arrays: dict[tuple[str, str], Array] = {}
    always = np.ones(len(iterations), dtype=bool)
    for block in blocks:
        for number in function.block_instructions[block]:
            instruction = function.instructions[number]
            if instruction.opcode not in ("load", "store"):
                continue
            pointer = instruction.operands[1 if instruction.opcode == "store" else 0]
            places = _places(function, pointer, iterations, declared)
            if not places:
                lost.append(number)
                continue
            for place in places:
                key = (place.kind, place.base + place.field)
                if key not in arrays:
                    array = array_of(function, place.base, place.kind, declared)
                    arrays[key] = replace(array, name=place.base + place.field)
                array = arrays[key]
                coordinates = place.coordinates
                if array.kind == "local":  # the compiler leaves out trailing zeros
                    zeros = [np.zeros(len(iterations), dtype=np.int64)] * (len(array.dims) - len(coordinates))
                    coordinates = (*coordinates, *zeros)
                found.append(
                    Access(
                        number,
                        array,
                        instruction.opcode == "store",
                        instruction.volatile,
                        _address(coordinates),
                        _bank(array, coordinates, len(iterations)),
                        iterations.executed.get(block, always),
                        place.word,
                        _address(_joined(array, coordinates)),
                    )
                )
    return found, lost


def hoisted_loads(
    function: Function, inner: frozenset[int], outer: frozenset[int], iterations: Iterations, declared: Declared
) -> list[Access]:
    """Loads that the compiler moved out of the innermost loop of a flattened nest.

    An HLS tool has one loop there, and does them in each iteration. A word that is the same one in all of them is a register.
    """
    found, _ = accesses(function, sorted(outer - inner), iterations, declared)
    return [
        access
        for access in found
        if not (access.is_store or access.is_stream or access.address is None) and np.ptp(access.address) > 0
    ]


def _address(coordinates: Sequence[Values | None]) -> Values | None:
    address: Values | None = np.int64(0) * np.zeros(1, dtype=np.int64)
    for coordinate in coordinates:
        if coordinate is None or address is None:
            return None
        address = (address << _COORDINATE_BITS) + coordinate
    return address


def _joined(array: Array, coordinates: Sequence[Values | None]) -> list[Values | None]:
    """Coordinates of the words that ARRAY_RESHAPE makes of an array's elements."""
    words = list(coordinates)
    for partition in array.partitions:
        for dim, coordinate in enumerate(words, start=1):
            if not partition.joined or partition.dim not in (0, dim) or coordinate is None:
                continue
            size = array.dims[dim - 1] if dim <= len(array.dims) else 0
            match partition.kind:
                case "complete":
                    words[dim - 1] = coordinate * 0
                case "cyclic":
                    words[dim - 1] = coordinate // max(1, partition.factor)
                case "block" if size:
                    words[dim - 1] = coordinate % -(-size // max(1, partition.factor))
    return words


def _bank(array: Array, coordinates: Sequence[Values | None], n_samples: int) -> Values | None:
    """Bank of each sampled iteration; None where it is not known, so that any bank is asked."""
    bank = np.zeros(n_samples, dtype=np.int64)
    for partition in array.partitions:
        for dim, coordinate in enumerate(coordinates, start=1):
            if partition.joined or partition.dim not in (0, dim):
                continue
            if coordinate is None or partition.kind == "unknown":
                return None
            size = array.dims[dim - 1] if dim <= len(array.dims) else 0
            match partition.kind:
                case "cyclic":
                    part = coordinate % max(1, partition.factor)
                case "block":
                    if size == 0:
                        return None
                    part = coordinate // -(-size // max(1, partition.factor))
                case _:
                    part = coordinate
            bank = bank * 4096 + part
    return bank
