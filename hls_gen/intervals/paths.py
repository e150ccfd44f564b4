"""Which blocks one iteration of a loop can pass: not both sides of a branch."""

from __future__ import annotations

from collections.abc import Collection

from hls_gen.intervals.ir import Function, Loop

_MOST_PATHS = 32  # more are not told apart: all blocks then count as one path


def leads_to(function: Function, loop: Loop, before: int, after: int) -> bool:
    """Whether an iteration of `loop` can pass block `after` once it has passed block `before`."""
    open_, seen = [before], set[int]()
    while open_:
        block = open_.pop()
        if block == after:
            return True
        if block in seen:
            continue
        seen.add(block)
        open_ += [s for s in function.successors[block] if s in loop.blocks and s != loop.header]
    return False


def paths(function: Function, loop: Loop, blocks: Collection[int]) -> list[frozenset[int]]:
    """The largest sets of `blocks` of an innermost loop that one iteration can pass together."""
    order = sorted(blocks)
    later = {
        block: {other for other in order if other != block and leads_to(function, loop, block, other)}
        for block in order
    }
    together = {block: later[block] | {other for other in order if block in later[other]} for block in order}
    found: list[frozenset[int]] = []

    def widen(chosen: frozenset[int], open_: set[int], done: set[int]) -> None:  # Bron and Kerbosch
        if not open_ and not done:
            found.append(chosen)
        for block in sorted(open_):
            if len(found) > _MOST_PATHS:
                return
            widen(chosen | {block}, open_ & together[block], done & together[block])
            open_ = open_ - {block}
            done = done | {block}

    widen(frozenset(), set(order), set())
    return found if 0 < len(found) <= _MOST_PATHS else [frozenset(order)]
