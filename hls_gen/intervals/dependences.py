"""The dependences of one iteration of a loop on itself and on earlier ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from hls_gen.intervals.delays import Delays
from hls_gen.intervals.ir import Function, Instruction, Loop
from hls_gen.intervals.iterations import Iterations
from hls_gen.intervals.memory import Access
from hls_gen.intervals.recurrence import Edge
from hls_gen.intervals.source import SourceLoop

_LONGEST_LATENCY = 256  # a dependence over more iterations than this cannot bind


def dependences(
    function: Function,
    loop: Loop,
    found: Sequence[Access],
    iterations: Iterations,
    counters: set[int],
    written: SourceLoop | None,
    delays: Delays,
) -> list[Edge]:
    """Who waits for whom: values, branch conditions and words of memory.

    `counters`: phis whose value follows from the number of the iteration; nobody waits for those. `written`: the
    loop as written, whose pragmas may rule out dependences between iterations.
    """
    edges = []
    inside = {number for block in loop.blocks for number in function.block_instructions[block]}
    registers = {access.instruction for access in found if access.array.in_registers}
    looked_up = {
        a.instruction for a in found if a.address is None and not (a.is_store or a.is_stream or a.array.in_registers)
    }

    def delay(instruction: Instruction) -> float:
        return 0.0 if instruction.number in registers else delays.of(instruction)

    kept_in_memory = _kept_in_memory(function, loop, written)
    predecessors = function.predecessors()
    for number in inside:
        instruction = function.instructions[number]
        if number in counters:
            continue
        carried = instruction.opcode == "phi" and instruction.block == loop.header
        for i, operand in enumerate(instruction.operands):
            if operand.kind != "instruction" or operand.number not in inside or operand.number in counters:
                continue
            if carried and instruction.blocks[i] not in loop.blocks:
                continue
            cycles = delay(function.instructions[operand.number])
            if carried and operand.number in kept_in_memory:
                cycles += delays.memory_read + delays.memory_write
            if number in looked_up:
                cycles += delays.address
            edges.append(Edge(operand.number, number, cycles, int(carried)))
        if (instruction.opcode == "phi" and not carried) or instruction.opcode == "store":
            # What a branch decides waits for its condition: HLS turns branches into enables and multiplexers.
            for before in predecessors[instruction.block]:
                branch = function.instructions[function.block_instructions[before][-1]]
                if before in loop.blocks and len(function.successors[before]) == 2:
                    condition = branch.operands[0]
                    if (
                        condition.kind == "instruction"
                        and condition.number in inside
                        and iterations.value(condition) is None
                    ):
                        edges.append(Edge(condition.number, number, delay(function.instructions[condition.number]), 0))
    return edges + _memory_edges(found, written.independent if written is not None else frozenset(), delays)


def _kept_in_memory(function: Function, loop: Loop, written: SourceLoop | None) -> set[int]:
    """Values that the code stores to an array argument in each iteration, and the compiler only behind the loop.

    Flattened with the loops around it, an HLS tool's loop stores them in each iteration, and reads them back.
    """
    kept: set[int] = set()
    if written is None:
        return kept
    for store in function.instructions:
        if (
            store.opcode != "store"
            or store.volatile
            or store.block in loop.blocks
            or store.operands[0].kind != "instruction"
        ):
            continue
        if not written.line <= store.position[1] <= written.last_line:
            continue
        pointer = store.operands[1]
        while pointer.kind == "instruction" and function.instructions[pointer.number].opcode == "getelementptr":
            pointer = function.instructions[pointer.number].operands[0]
        value = function.instructions[store.operands[0].number]
        if value.opcode == "phi" and len(value.operands) == 1 and value.operands[0].kind == "instruction":
            value = function.instructions[value.operands[0].number]
        if pointer.kind == "argument" and value.block in loop.blocks:
            kept.add(value.number)
    return kept


def _memory_edges(found: Sequence[Access], independent: frozenset[str], delays: Delays) -> list[Edge]:
    edges = []
    by_array: dict[str, list[Access]] = defaultdict(list)
    for access in found:
        if not access.is_stream:
            by_array[access.array.name].append(access)
    for name, group in by_array.items():
        array = group[0].array
        # A local array forwards the word that was just written, if it is seen which; one behind a module's port is written
        # and read again.
        through_memory = delays.memory_write + delays.memory_read
        forwarded = array.in_registers or (array.kind == "local" and all(a.address is not None for a in group))
        local = 0.0 if forwarded else delays.local_read_after_write
        carried_delay = local if forwarded or array.kind == "local" else through_memory
        free = "*" in independent or name in independent
        stores = [a for a in group if a.is_store]
        loads = [a for a in group if not a.is_store]
        for store, load, distance in _through_memory(stores, loads):
            if distance == 0:
                edges.append(Edge(store.instruction, load.instruction, 0.0, 0))
            elif not free:
                edges.append(Edge(store.instruction, load.instruction, carried_delay, distance))
    return edges


def _through_memory(stores: Sequence[Access], loads: Sequence[Access]) -> list[tuple[Access, Access, int]]:
    """Least distance at which each load reads what a store wrote, where any does within the sample."""
    found = []
    known_stores = [s for s in stores if s.address is not None]
    for load in loads:
        if load.address is None:
            found += [(store, load, 1) for store in stores]
            continue
        for store in stores:
            if store.address is None:
                found.append((store, load, 1))
    if not known_stores:
        return found
    known_loads = [load for load in loads if load.address is not None]
    if not known_loads:
        return found
    n = max(len(a.address) for a in (*known_stores, *known_loads) if a.address is not None)
    best: dict[tuple[int, int], int] = {}
    table = np.stack([np.broadcast_to(s.address, n) for s in known_stores if s.address is not None])
    read = np.stack([np.broadcast_to(load.address, n) for load in known_loads if load.address is not None])
    time = np.broadcast_to(np.arange(n), table.shape).ravel()
    which = np.repeat(np.arange(len(known_stores)), n)
    order = np.lexsort((time, table.ravel()))
    keys, times, owners = table.ravel()[order], time[order], which[order]
    for i in range(len(known_loads)):
        # The last write of the word in an earlier iteration.
        position = np.searchsorted(keys * (n + 1) + times, read[i] * (n + 1) + np.arange(n)) - 1
        valid = position >= 0
        position = np.maximum(position, 0)
        valid &= keys[position] == read[i]
        distance = np.arange(n) - times[position]
        valid &= (distance > 0) & (distance <= _LONGEST_LATENCY)
        for owner in np.unique(owners[position[valid]]):
            least = int(distance[valid & (owners[position] == owner)].min())
            best[int(owner), i] = least
        same = [
            s
            for s in range(len(known_stores))
            if np.any(table[s] == read[i]) and known_stores[s].instruction < known_loads[i].instruction
        ]
        for s in same:
            found.append((known_stores[s], known_loads[i], 0))
    found += [(known_stores[s], known_loads[i], distance) for (s, i), distance in best.items()]
    return found
