"""Which blocks one iteration of a loop can pass: not both sides of a branch."""

from __future__ import annotations

from collections.abc import Collection

from hls_gen.intervals.ir import Function, Loop

_MOST_BLOCKS, _MOST_PATHS = 64, 32  # more are not told apart: all blocks then count as one path


def _reached(function: Function, loop: Loop, begin: int) -> set[int]:
    """Blocks that an iteration of `loop` can pass after block `begin`."""
    open_, seen = [begin], set[int]()
    while open_:
        for block in function.successors[open_.pop()]:
            if block in loop.blocks and block != loop.header and block not in seen:
                seen.add(block)
                open_.append(block)
    return seen


def paths(function: Function, loop: Loop, blocks: Collection[int]) -> list[frozenset[int]]:
    """The largest sets of `blocks` of an innermost loop that one iteration can pass together."""
    order = sorted(blocks)
    if len(order) > _MOST_BLOCKS:
        return [frozenset(order)]
    later = {block: _reached(function, loop, block) for block in order}
    together = {block: {other for other in order if other in later[block] or block in later[other]} for block in order}
    if all(len(others) == len(order) - 1 for others in together.values()):
        return [frozenset(order)]
    found: list[frozenset[int]] = []

    def widen(chosen: frozenset[int], open_: set[int], done: set[int]) -> None:  # Bron and Kerbosch, with a pivot
        if not open_ and not done:
            found.append(chosen)
        if not open_ or len(found) > _MOST_PATHS:
            return
        pivot = max(sorted(open_ | done), key=lambda block: len(open_ & together[block]))
        for block in sorted(open_ - together[pivot]):
            widen(chosen | {block}, open_ & together[block], done & together[block])
            open_ = open_ - {block}
            done = done | {block}

    widen(frozenset(), set(order), set())
    return found if 0 < len(found) <= _MOST_PATHS else [frozenset(order)]
