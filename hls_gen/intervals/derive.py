"""Initiation intervals of the loops of HLS C++, from what the loops do and never from what their pragmas ask for.

The least interval of a loop is the largest of what its recurrences, the ports of its memories and the words of its
streams allow (Rau, "Iterative modulo scheduling", 1994). Where the code does something that is not understood here,
the interval is unknown and the reason is given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from hls_gen.intervals.accesses_per_iteration import port_bound, stream_bound
from hls_gen.intervals.delays import Delays
from hls_gen.intervals.dependences import dependences
from hls_gen.intervals.depth import LATENCIES, IterationSchedule, StreamOffset, iteration_schedule
from hls_gen.intervals.frontend import Translation
from hls_gen.intervals.ir import Function, Loop, Operand, blocks_in_order, parse
from hls_gen.intervals.iterations import CountedLoop, Iterations, counted
from hls_gen.intervals.memory import Declared, accesses, hoisted_loads
from hls_gen.intervals.paths import paths
from hls_gen.intervals.recurrence import Cycle, critical_cycle, whole_interval
from hls_gen.intervals.source import Partition, Source, SourceLoop, function_lines
from hls_gen.intervals.storage import Memory
from spec.interval_report import Cause


@dataclass(frozen=True, slots=True)
class DerivedLoop:
    """One innermost loop. `interval`, `depth` None: unknown for `reason`.

    `names`: labels or lines of the flattened nest. `depth`: cycles of one iteration. `offsets`: when it meets its streams.
    `is_request`: no loop, but a pragma that no loop could be judged for.
    """

    function: str
    file: str
    line: int
    names: tuple[str, ...]
    requested: int | None
    interval: int | None
    depth: int | None
    cause: Cause
    reason: str
    trip: int | None
    offsets: tuple[StreamOffset, ...] = ()
    is_request: bool = False


def derive(
    translation: Translation, functions: Sequence[Function] | None = None, delays: Delays | None = None
) -> list[DerivedLoop]:
    """The intervals of every innermost loop of a translation unit. `functions`: its parsed code, if at hand."""
    delays = delays or Delays()
    found = []
    functions = parse(translation.ir) if functions is None else functions
    arrays = declared_arrays(functions, translation)
    for function in functions:
        declared = arrays[function.name]
        for loop in function.loops:
            if loop.children:
                found += _around_loops(function, loop, translation)
                continue
            if loop.file not in translation.sources:
                _locate(loop, function, translation)
            source = translation.sources.get(loop.file)
            if source is None:
                continue
            if _is_sequence(function, loop, source, names={f.name for f in functions}):
                continue
            derived = _derive_loop(function, loop, source, declared, delays, translation.unsafe_math)
            offsets = tuple(replace(o, file=translation.names.get(o.file, o.file)) for o in derived.offsets)
            found.append(replace(derived, file=translation.names[loop.file], offsets=offsets))
    return [*found, *_unplaced_requests(translation)]


def _around_loops(function: Function, loop: Loop, translation: Translation) -> list[DerivedLoop]:
    """A pipelined loop around loops that stay loops: a tool that cannot unroll these does not pipeline it."""
    source = translation.sources.get(loop.file)
    by_line = {written.line: written for written in source.loops} if source is not None else {}
    written = by_line.get(loop.line)
    inner = [by_line.get(child.line) for child in loop.children]
    if written is None or not written.pipelined or any(w is None or w.pipelined or w.line == loop.line for w in inner):
        return []
    lines = ", ".join(str(child.line) for child in loop.children)
    reason = f"PIPELINE around a loop that cannot be unrolled, its number of iterations is not constant: line {lines}"
    name = (written.label or f"line {written.line}",)
    file, asked = translation.names[loop.file], written.requested_ii or 1
    return [DerivedLoop(function.name, file, loop.line, name, asked, None, None, "none", reason, None)]


def _unplaced_requests(translation: Translation) -> list[DerivedLoop]:
    """Those of the files that the unit is made of."""
    return [
        DerivedLoop(
            "", translation.names[path], one.line, (f"line {one.line}",), one.requested_ii, None, None, "none", one.reason, None,
            is_request=True,
        )
        for path in sorted(translation.files() & translation.sources.keys())
        for one in translation.sources[path].unplaced
    ]  # fmt: skip


def declared_arrays(functions: Sequence[Function], translation: Translation) -> dict[str, Declared]:
    """What pragmas and callers say of the arrays of each function."""
    sources = translation.sources
    partitions = _inherited(
        functions, sources, {path: source.partitions for path, source in sources.items()},
        name=_whole_name, agreed=lambda known, _: known,
    )  # fmt: skip
    memories = _inherited(
        functions, sources, {path: source.memories for path, source in sources.items()},
        name=_base_name, agreed=lambda known, given: [min(known[0], given[0], key=lambda m: m.ports.together).anywhere()],
    )  # fmt: skip
    tables, inlined = _of_others(functions, sources)
    lent = _lent(functions, {name: {**partitions[name], **memories[name]} for name in partitions})
    return {
        f.name: Declared(
            partitions[f.name], {v: of[0] for v, of in memories[f.name].items()}, tables, inlined, lent[f.name]
        )
        for f in functions
    }


def _of_others(
    functions: Sequence[Function], sources: Mapping[str, Source]
) -> tuple[dict[str, Memory], dict[str, Memory]]:
    """What pragmas say of variables of one name, where they agree: wherever they stand, which serves tables, and in functions that
    are inlined.
    """
    kept: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for function in functions:
        if function.file in sources:
            kept[function.file].append(function_lines(sources[function.file], function.line))
    everywhere: dict[str, set[Memory]] = defaultdict(set)
    inlined: dict[str, set[Memory]] = defaultdict(set)
    for path, source in sources.items():
        for memory in source.memories:
            if memory.bundle is None:
                everywhere[memory.variable].add(replace(memory, line=0))
                if not any(first <= memory.line <= last for first, last in kept[path]):
                    inlined[memory.variable].add(replace(memory, line=0))
    return (
        {name: of.pop() for name, of in everywhere.items() if len(of) == 1},
        {name: of.pop() for name, of in inlined.items() if len(of) == 1},
    )


def _is_sequence(function: Function, loop: Loop, source: Source, names: set[str]) -> bool:
    """Whether the loop only calls modules one after the other, and nobody asks for it to be pipelined."""
    written = next((w for w in source.loops if w.line == loop.line), None)
    if written is not None and written.pipelined:
        return False
    inside = (function.instructions[number] for block in loop.blocks for number in function.block_instructions[block])
    return any(i.opcode == "call" and i.operands and i.operands[-1].name in names for i in inside)


def _locate(loop: Loop, function: Function, translation: Translation) -> None:
    """Gives a loop whose own position was optimized away that of the innermost loop around its first instruction."""
    for number in function.block_instructions[loop.header]:
        file, line = function.instructions[number].position
        source = translation.sources.get(file)
        around = [w for w in source.loops if w.line <= line <= w.last_line and not w.unroll] if source else []
        if around:
            loop.file, loop.line = file, max(around, key=lambda written: written.line).line
            return


_Said = TypeVar("_Said", Partition, Memory)


def _inherited(
    functions: Sequence[Function],
    sources: Mapping[str, Source],
    said: Mapping[str, Sequence[_Said]],
    *,
    name: Callable[[Function, Operand], str],
    agreed: Callable[[list[_Said], list[_Said]], list[_Said]],
) -> dict[str, dict[str, list[_Said]]]:
    """What pragmas say, by function and variable; a function whose own text says nothing inherits from its callers.

    `said`: by file. `name`: of what a caller hands on. `agreed`: what holds where two callers say different things.
    """
    found: dict[str, dict[str, list[_Said]]] = {}
    for function in functions:
        source = sources.get(function.file)
        own: dict[str, list[_Said]] = defaultdict(list)
        if source is not None:
            first, last = function_lines(source, function.line)
            for one in said.get(function.file, ()):
                if first <= one.line <= last:
                    own[one.variable].append(one)
        found[function.name] = dict(own)
    by_name = {function.name: function for function in functions}
    for _ in range(4):  # call depth
        for caller in functions:
            for call in caller.instructions:
                if call.opcode != "call" or not call.operands or call.operands[-1].name not in found:
                    continue
                callee = by_name[call.operands[-1].name]
                for argument, operand in zip(callee.arguments, call.operands, strict=False):
                    given = found[caller.name].get(name(caller, operand))
                    if given is not None:
                        known = found[callee.name].get(argument, given)
                        found[callee.name][argument] = known if known == given else agreed(known, given)
    return found


def _lent(functions: Sequence[Function], partitions: Mapping[str, Mapping[str, object]]) -> dict[str, frozenset[str]]:
    """By function, the arguments that are local arrays without a pragma wherever it is called."""
    names = {function.name for function in functions}
    found: dict[str, frozenset[str]] = {name: frozenset() for name in names}
    for _ in range(4):  # call depth
        given: dict[str, dict[str, bool]] = {name: {} for name in names}
        for caller in functions:
            for call in caller.instructions:
                if call.opcode != "call" or not call.operands or call.operands[-1].name not in names:
                    continue
                callee = next(f for f in functions if f.name == call.operands[-1].name)
                for argument, operand in zip(callee.arguments, call.operands, strict=False):
                    name = _alloca_name(caller, operand.number, operand.kind)
                    is_lent = (bool(name) and name not in partitions[caller.name]) or (
                        operand.kind == "argument" and operand.name in found[caller.name]
                    )
                    given[callee.name][argument] = is_lent and given[callee.name].get(argument, True)
        found = {name: frozenset(a for a, is_lent in of.items() if is_lent) for name, of in given.items()}
    return found


def _whole_name(function: Function, operand: Operand) -> str:
    """Of an array that is handed on as it is."""
    return operand.name if operand.kind == "argument" else _alloca_name(function, operand.number, operand.kind)


def _base_name(function: Function, operand: Operand) -> str:
    """Of the array that a pointer points into."""
    while operand.kind == "instruction" and function.instructions[operand.number].opcode == "getelementptr":
        operand = function.instructions[operand.number].operands[0]
    return _whole_name(function, operand)


def _alloca_name(function: Function, number: int, kind: str) -> str:
    instruction = function.instructions[number] if kind == "instruction" else None
    return instruction.name if instruction is not None and instruction.opcode == "alloca" else ""


def _nest(
    function: Function, loop: Loop, source: Source
) -> tuple[list[CountedLoop], list[CountedLoop], tuple[str, ...], SourceLoop | None]:
    """The flattened nest, outermost first, the loops around it, its names and the innermost loop as written."""
    by_line = {written.line: written for written in source.loops}
    written = by_line.get(loop.line)
    nest = [counted(function, loop)]
    names = [written.label or f"line {written.line}" if written else f"line {loop.line}"]
    outer, current = loop.parent, written
    while outer is not None and current is not None and current.perfect_in == outer.line and not current.flatten_off:
        nest.insert(0, counted(function, outer))
        current = by_line.get(outer.line)
        names.insert(0, (current.label if current else None) or f"line {outer.line}")
        outer = outer.parent
    around: list[CountedLoop] = []
    while outer is not None:
        around.insert(0, counted(function, outer))
        outer = outer.parent
    return nest, around, tuple(names), written


def _derive_loop(
    function: Function,
    loop: Loop,
    source: Source,
    declared: Declared,
    delays: Delays,
    reorders_sums: bool,
) -> DerivedLoop:
    nest, around, names, written = _nest(function, loop, source)
    trip = 1
    for level in nest:
        trip = trip * level.trip if level.trip is not None and trip else 0
    requested = written.requested_ii if written is not None else None
    if written is not None and written.pipelined and requested is None:
        requested = 1

    def result(
        interval: int | None, cause: Cause, reason: str, schedule: IterationSchedule | None = None
    ) -> DerivedLoop:
        depth = schedule.depth if schedule is not None else None
        offsets = schedule.offsets if schedule is not None else ()
        return DerivedLoop(
            function.name, loop.file, loop.line, names, requested, interval, depth, cause, reason, trip or None, offsets
        )

    strange = _not_understood(function, loop)
    if strange:
        return result(None, "none", strange)
    iterations = Iterations(function, nest, around)
    iterations.follow(loop)
    found, lost = accesses(function, blocks_in_order(function, loop.blocks), iterations, declared)
    if lost:
        return result(None, "none", f"a pointer that is no array element: {function.instructions[lost[0]].opcode}")
    bounds: list[tuple[int, Cause, str]] = [(1, "none", "")]
    hoisted = hoisted_loads(function, loop.blocks, nest[0].loop.blocks, iterations, declared)
    for path in paths(function, loop, {function.instructions[access.instruction].block for access in found}):
        passed = [access for access in found if function.instructions[access.instruction].block in path]
        ports, why_ports = port_bound([*hoisted, *passed], len(iterations))
        if ports is None:
            return result(None, "memory_ports", why_ports)
        bounds.append((ports, "memory_ports", why_ports))
        words, why_words = stream_bound(passed)
        bounds.append((words, "stream_accesses", why_words))
    counters = {c.phi for level in nest for c in level.counters}
    edges = dependences(function, loop, found, iterations, counters, written, delays)
    cycle = critical_cycle(edges)
    foreign = _foreign_operator(function, cycle, {a.instruction for a in found if a.array.bundle is not None})
    if foreign:
        return result(None, "recurrence", foreign)
    bounds.append(_recurrence_bound(function, cycle, delays, reorders_sums))
    best = max(bounds, key=lambda bound: bound[0])
    latencies = dependences(function, loop, found, iterations, counters, written, LATENCIES)
    sunk = _sunk(function, nest[0].loop, written)
    schedule = iteration_schedule(function, loop, latencies, best[0], found, reorders_sums, sunk)
    return result(*best, schedule)


def _sunk(function: Function, nest: Loop, written: SourceLoop | None) -> list[int]:
    """Instructions that are written in a loop and stand behind it: the compiler computes once what only the last iteration needs."""
    if written is None:
        return []
    around = nest.parent.blocks if nest.parent is not None else frozenset(range(len(function.successors)))
    loops = frozenset[int]().union(*(loop.blocks for loop in function.loops if loop.parent is nest.parent))
    behind = [block for block in blocks_in_order(function, around) if block not in loops]
    return [
        number
        for number in (n for block in behind for n in function.block_instructions[block])
        if function.instructions[number].written_at[0] == nest.file
        and written.line <= function.instructions[number].written_at[1] <= written.last_line
    ]


def _foreign_operator(function: Function, cycle: Cycle | None, memory_mapped: set[int]) -> str:
    """What of a recurrence has a latency that is not known here. `memory_mapped`: accesses through such ports."""
    for number in cycle.instructions if cycle is not None else ():
        instruction = function.instructions[number]
        if number in memory_mapped:
            return "a recurrence through a memory-mapped port: it takes as long as the memory behind it"
        if instruction.opcode in ("fadd", "fsub", "fmul", "fdiv", "frem") and instruction.type != "float":
            return f"a recurrence through {instruction.opcode} of {instruction.type}, whose latency is not known here"
    return ""


def _recurrence_bound(
    function: Function, cycle: Cycle | None, delays: Delays, reorders_sums: bool
) -> tuple[int, Cause, str]:
    if cycle is None:
        return 1, "recurrence", ""
    opcodes = [function.instructions[i].opcode for i in cycle.instructions]
    additions = opcodes.count("fadd")
    delay = cycle.delay
    if reorders_sums and additions > 1:
        delay -= delays.floating["fadd"] * (additions - _adders_behind_a_sum(function, cycle))
    operators = ", ".join(f"{opcodes.count(name)} {name}" for name in sorted(set(opcodes) - _WIRES))
    reason = f"{delay:.1f} cycles from one iteration to the one {cycle.distance} later: {operators or 'memory'}"
    return whole_interval(delay / cycle.distance), "recurrence", reason


def _adders_behind_a_sum(function: Function, cycle: Cycle) -> int:
    """Additions that the sum so far passes in an iteration when Vitis HLS may make a tree of them, with that sum as one of its leaves.

    How deep the leaf lies is what the fitted half of Stream-HLS's designs has: 1 addition for two products, 3 for four terms and (in two
    loops of three) for eight, 4 for ten, sixteen and thirty-two.
    """
    additions = [function.instructions[i] for i in cycle.instructions if function.instructions[i].opcode == "fadd"]
    others = [o for a in additions for o in a.operands if o.kind != "instruction" or o.number not in cycle.instructions]
    products = [o for o in others if o.kind == "instruction" and function.instructions[o.number].opcode == "fmul"]
    if len(additions) < 4:
        return 1 if len(additions) == len(products) == 2 else 2
    return 3 if len(additions) <= 8 else 4


_WIRES = {"phi", "select", "br", "load", "store", "bitcast", "zext", "sext", "trunc"}


def _not_understood(function: Function, loop: Loop) -> str:
    for block in loop.blocks:
        for number in function.block_instructions[block]:
            instruction = function.instructions[number]
            if instruction.opcode in ("indirectbr", "invoke", "callbr"):
                return f"a {instruction.opcode} in the loop"
            if instruction.opcode == "call" and instruction.operands:
                callee = instruction.operands[-1].name
                if callee and not callee.startswith("llvm.") and callee not in _MATH:
                    return f"a call of {callee}, whose interval is not derived here"
    return ""


_MATH = {
    "exp",
    "expf",
    "sqrt",
    "sqrtf",
    "log",
    "logf",
    "pow",
    "powf",
    "sin",
    "sinf",
    "cos",
    "cosf",
    "tanh",
    "tanhf",
    "fmaxf",
    "fminf",
}
