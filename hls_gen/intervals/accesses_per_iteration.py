"""The least interval that the ports of memories and the words of streams allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hls_gen.intervals.iterations import Values
from hls_gen.intervals.memory import Access
from hls_gen.intervals.recurrence import Edge

RAM_PORTS = 2  # a true dual-port block RAM or UltraRAM (UG573)

Executed = npt.NDArray[np.bool_]


def port_bound(found: Sequence[Access], n_samples: int) -> tuple[int, str]:
    """Cycles that the busiest bank of any array needs for the accesses of one iteration, and which bank that is."""
    by_array: dict[str, list[Access]] = defaultdict(list)
    for access in found:
        array = access.array
        if access.is_stream or array.in_registers or array.auto_partitioned or (array.copied and not access.is_store):
            continue
        by_array[access.array.name].append(access)
    worst: tuple[int, str] = (1, "")
    for name, group in by_array.items():
        most = _busiest_bank(_words_moved(group), n_samples)
        interval = -(-most // RAM_PORTS)
        if interval > worst[0]:
            worst = (interval, f"{most} accesses an iteration to one bank of {name}, {RAM_PORTS} ports")
    return worst


def _busiest_bank(moved: Sequence[tuple[Values | None, Executed]], n_samples: int) -> int:
    """Most accesses of one bank in one iteration; an access whose bank is not known asks every bank."""
    everywhere = np.zeros(n_samples, dtype=np.int64)
    rows = []
    for i, (bank, executed) in enumerate(moved):
        if bank is None:
            everywhere += executed
        else:
            rows.append(np.where(executed, bank, -1 - i))
    if not rows:
        return int(everywhere.max(initial=0))
    table = np.sort(np.stack(rows), axis=0)
    run = np.ones(n_samples, dtype=np.int64)
    longest = np.where(table[0] >= 0, 1, 0)
    for before, now in pairwise(table):
        run = np.where(now == before, run + 1, 1)
        longest = np.maximum(longest, np.where(now >= 0, run, 0))
    return int((longest + everywhere).max())


def _words_moved(group: Sequence[Access]) -> list[tuple[Values | None, Executed]]:
    """Bank and iterations of the accesses that are left when a word is read once and written once an iteration.

    A word that was read or written before in the iteration is at hand; of several writes only the last one reaches
    memory.
    """
    moved: list[tuple[Values | None, Executed]] = []
    at_hand: dict[bytes | int, Executed] = {}
    written: dict[bytes | int, tuple[Values | None, Executed]] = {}
    for access in group:
        if access.address is None and access.word is None:
            moved.append((access.bank, access.executed))
            continue
        key: bytes | int = access.address.tobytes() if access.address is not None else access.word or 0
        if access.is_store:
            before = written.get(key, (access.bank, np.zeros_like(access.executed)))[1]
            written[key] = (access.bank, before | access.executed)
        else:
            moved.append((access.bank, access.executed & ~at_hand.get(key, np.zeros_like(access.executed))))
        at_hand[key] = at_hand.get(key, np.zeros_like(access.executed)) | access.executed
    return [*moved, *written.values()]


def overwritten_stores(found: Sequence[Access]) -> frozenset[int]:
    """Instructions that store what another store to the same word replaces whenever they do, later in the iteration."""
    replaced: set[int] = set()
    later: dict[tuple[str, bytes], Executed] = {}
    for access in reversed(found):
        if not access.is_store or access.is_stream or access.address is None:
            continue
        key = (access.array.name, access.address.tobytes())
        known = later.get(key, np.zeros_like(access.executed))
        if not np.any(access.executed & ~known):
            replaced.add(access.instruction)
        later[key] = known | access.executed
    return frozenset(replaced)


def handed_on(found: Sequence[Access], edges: Sequence[Edge], order: Mapping[int, int]) -> dict[int, int]:
    """Loads that get what a store of the same iteration wrote, always the same one: the load, and that store.

    `edges`: of the iteration, a store's to the loads that may meet its word among them. `order`: of its instructions.
    """
    by_instruction: dict[int, list[Access]] = defaultdict(list)
    for access in found:
        by_instruction[access.instruction].append(access)
    before: dict[int, int] = {}
    for edge in edges:
        source, sink = by_instruction.get(edge.source, ()), by_instruction.get(edge.sink, ())
        if edge.distance == 0 and len(source) == len(sink) == 1 and source[0].is_store and not sink[0].is_store:
            known = before.get(edge.sink)
            if known is None or order[known] < order[edge.source]:
                before[edge.sink] = edge.source
    found_pairs = {}
    for load, store in before.items():
        (read,), (written,) = by_instruction[load], by_instruction[store]
        if read.address is None or written.address is None or read.address.tobytes() != written.address.tobytes():
            continue
        if not np.any(read.executed & ~written.executed):
            found_pairs[load] = store
    return found_pairs


def stream_bound(found: Sequence[Access]) -> tuple[int, str]:
    """Cycles that one iteration's reads of, or writes to, any one stream need: a stream moves a word a cycle."""
    demand: dict[tuple[str, bool, int], npt.NDArray[np.int64]] = {}
    for access in found:
        if access.is_stream:
            index = -1 if access.address is None else int(access.address.flat[0])
            key = (access.array.name, access.is_store, index)
            demand[key] = demand.get(key, 0) + access.executed.astype(np.int64)
    if not demand:
        return 1, ""
    (name, is_store, _), counts = max(demand.items(), key=lambda item: int(item[1].max()))
    most = int(counts.max())
    return max(1, most), f"{most} {'writes to' if is_store else 'reads of'} stream {name} an iteration"
