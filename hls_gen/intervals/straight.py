"""Loops of one iteration, which the compiler drops: what is left of each is straight code, as deep as its operators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hls_gen.intervals.depth import straight_schedule
from hls_gen.intervals.derive import DerivedLoop, declared_arrays
from hls_gen.intervals.frontend import Translation
from hls_gen.intervals.ir import Function, blocks_in_order
from hls_gen.intervals.iterations import Iterations
from hls_gen.intervals.memory import Declared, accesses
from hls_gen.intervals.source import Source, SourceLoop, function_lines


def dropped_loops(functions: Sequence[Function], translation: Translation) -> list[DerivedLoop]:
    """The loops of the source that are no loops in intermediate code though others are not flattened into them.

    One that is flattened into the loop around it is a part of that one. `derive` comes first: it says where loops stand.
    """
    declared = declared_arrays(functions, translation)
    found = []
    for function in functions:
        source = translation.sources.get(function.file)
        if source is None:
            continue
        kept = {loop.line for loop in function.loops if loop.file == function.file}
        first, last = function_lines(source, function.line)
        for written in source.loops:
            if first <= written.line <= last and written.line not in kept and _is_straight(written, source):
                found.append(_dropped(function, written, declared[function.name], translation.names))
    return [loop for loop in found if loop is not None]


def _is_straight(written: SourceLoop, source: Source) -> bool:
    """Whether nothing in a loop stays a loop, and it is not one with the loop around it."""
    inner = [x for x in source.loops if written.begin < x.begin and x.end <= written.end and not x.unroll]
    flattened = written.perfect_in is not None and not written.flatten_off
    return not (written.unroll or inner or flattened)


def _dropped(
    function: Function, written: SourceLoop, declared: Declared, names: Mapping[str, str]
) -> DerivedLoop | None:
    order = blocks_in_order(function, frozenset(range(len(function.successors))))
    inside = [
        number
        for number in (n for block in order for n in function.block_instructions[block])
        if function.instructions[number].written_at[0] == function.file
        and written.line <= function.instructions[number].written_at[1] <= written.last_line
    ]
    if not inside:
        return None
    found, _ = accesses(function, order, Iterations(function, [], []), declared)
    schedule = straight_schedule(function, inside, {a.instruction for a in found if a.array.in_registers})
    return DerivedLoop(
        function.name,
        names[function.file],
        written.line,
        (written.label or f"line {written.line}",),
        written.requested_ii,
        1,
        schedule.depth,
        "none",
        "",
        1,
        schedule.offsets,
    )
