"""The least interval that the ports of memories and the words of streams allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from hls_gen.intervals.iterations import Values
from hls_gen.intervals.memory import Access
from hls_gen.intervals.recurrence import Edge
from hls_gen.intervals.storage import MEMORY_MAPPED, SEVERAL_BUNDLES, Ports

Executed = npt.NDArray[np.bool_]


def port_bound(found: Sequence[Access], n_samples: int) -> tuple[int | None, str]:
    """Cycles that the busiest bank of any array, or memory-mapped port, needs for the accesses of one iteration, and which
    that is; None with the reason where it is not known.
    """
    by_array: dict[str, list[Access]] = defaultdict(list)
    for access in found:
        if not (access.is_stream or access.array.in_registers):
            by_array[access.array.name].append(access)
    worst: tuple[int, str] = (1, "")
    by_bundle: dict[str, list[list[Access]]] = defaultdict(list)
    for name, group in by_array.items():
        array = group[0].array
        if array.bundle is not None:
            by_bundle[array.bundle].append(group)
            continue
        if array.auto_partitioned and all(access.address is not None for access in group):
            continue
        moved = _words_moved(group)
        interval = _interval(array.ports, moved, n_samples)
        if interval > worst[0]:
            most = _busiest_bank(moved, n_samples)
            worst = (interval, f"{most} accesses an iteration to one bank of {name}, {_in_words(array.ports)}")
    if SEVERAL_BUNDLES in by_bundle:
        by_bundle = {SEVERAL_BUNDLES: [group for groups in by_bundle.values() for group in groups]}
    for bundle, groups in by_bundle.items():
        wide = next((group[0].array.name for group in groups if _side_by_side(group)), None)
        if wide is not None:
            return None, f"neighbouring words of {wide} in one iteration: the tool may widen the memory-mapped port"
        moved = [_Moved(None, m.executed, m.is_store) for group in groups for m in _words_moved(group)]
        interval = _interval(MEMORY_MAPPED, moved, n_samples)
        if interval > worst[0]:
            names = ", ".join(group[0].array.name for group in groups)
            most = _busiest_bank(moved, n_samples)
            worst = (
                interval,
                f"{most} accesses an iteration through memory-mapped port {bundle} ({names}), one read and one write a cycle",
            )
    return worst


def _in_words(ports: Ports) -> str:
    if ports.reads == ports.writes == ports.together:
        return f"{ports.together} port" + ("s" if ports.together > 1 else "")
    return f"a cycle has {ports.reads} for reads and {ports.writes} for writes, {ports.together} in all"


def _interval(ports: Ports, moved: Sequence[_Moved], n_samples: int) -> int:
    reads = _busiest_bank([m for m in moved if not m.is_store], n_samples)
    writes = _busiest_bank([m for m in moved if m.is_store], n_samples)
    both = _busiest_bank(moved, n_samples)
    return max(ports.interval(reads, 0), ports.interval(0, writes), -(-both // ports.together))


def _side_by_side(group: Sequence[Access]) -> bool:
    """Whether an iteration reads, or writes, words of an array that follow each other."""
    for is_store in (False, True):
        known = {a.address.tobytes(): a.address for a in group if a.is_store == is_store and a.address is not None}
        addresses = list(known.values())
        if any(np.all(np.abs(a - b) == 1) for i, a in enumerate(addresses) for b in addresses[:i]):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Moved:
    """A word that an iteration moves. `bank` None: any."""

    bank: Values | None
    executed: Executed
    is_store: bool


def _busiest_bank(moved: Sequence[_Moved], n_samples: int) -> int:
    """Most accesses of one bank in one iteration; an access whose bank is not known asks every bank."""
    everywhere = np.zeros(n_samples, dtype=np.int64)
    rows = []
    for i, word in enumerate(moved):
        if word.bank is None:
            everywhere += word.executed
        else:
            rows.append(np.where(word.executed, word.bank, -1 - i))
    if not rows:
        return int(everywhere.max(initial=0))
    table = np.sort(np.stack(rows), axis=0)
    run = np.ones(n_samples, dtype=np.int64)
    longest = np.where(table[0] >= 0, 1, 0)
    for before, now in pairwise(table):
        run = np.where(now == before, run + 1, 1)
        longest = np.maximum(longest, np.where(now >= 0, run, 0))
    return int((longest + everywhere).max())


def _words_moved(group: Sequence[Access]) -> list[_Moved]:
    """Bank and iterations of the accesses that are left when a word is read once and written once an iteration.

    A word that was read or written before in the iteration is at hand; of several writes only the last one reaches
    memory.
    """
    moved: list[_Moved] = []
    at_hand: dict[bytes | int, Executed] = {}
    written: dict[bytes | int, _Moved] = {}
    for access in group:
        if access.moved is None and access.word is None:
            moved.append(_Moved(access.bank, access.executed, access.is_store))
            continue
        key: bytes | int = access.moved.tobytes() if access.moved is not None else access.word or 0
        if access.is_store:
            before = written[key].executed if key in written else np.zeros_like(access.executed)
            written[key] = _Moved(access.bank, before | access.executed, True)
        else:
            first = access.executed & ~at_hand.get(key, np.zeros_like(access.executed))
            moved.append(_Moved(access.bank, first, False))
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
