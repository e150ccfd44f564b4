"""Laws evaluated once on the distinct rows of the columns that they read.

Designs of a batch are combinations of few values, and a law reads few of the columns: a thousand distinct rows among a quarter
of a million designs. A law that is elementwise gives a design the same bits whether it stands in the batch or in a row.

Finding rows takes a handful of operations a design and law, more than many a law itself. Laws read overlapping columns: the
rows of what several of them read together (`Base`) are found among the designs, those of each law then among these rows.

The achieved clock is the exception: it follows from the resources and has as many values as there are designs. It matters
only to streams that it is too fast for. Designs whose streams keep pace share a row whatever their clock; of the
others those at their target share it with the designs of the same target, and the rest have rows of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np

from cost_models.arrays import (
    TABLE_VALUES,
    BoolArray,
    FloatArray,
    IntArray,
    at_rows,
    distinct_rows,
    numbered,
    row_codes,
    value_numbers,
)
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.memory_map import PortRole

BatchT = TypeVar("BatchT", PrefillBatch, DecodeBatch)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Base:
    """What several laws read together: `columns`, and ports, widths and memories of `roles`; `held` are columns that those
    mostly decide, looked at in each batch. With `placement` among the columns everything of the layout is decided.
    """

    columns: tuple[str, ...]
    roles: tuple[PortRole, ...] = ()
    held: tuple[str, ...] = ()


class RowSet(Generic[BatchT]):
    """A design of each row, its index, and the row of each design, (n_points,). Rows of a base: `within`, the row of each of
    the base's rows, and `of`, the row of the base that each design is in.
    """

    __slots__ = ("_row", "batch", "first", "of", "within")

    def __init__(self, batch: BatchT, first: IntArray, within: IntArray, of: IntArray | None = None) -> None:
        self.batch: BatchT = batch
        self.first, self.within, self.of = first, within, of
        self._row: IntArray | None = within if of is None else None

    @property
    def row(self) -> IntArray:
        """The row of each design, (n_points,)."""
        if self._row is None:
            self._row = at_rows(self.within, _given(self.of))
        return self._row

    def spread(self, values: FloatArray) -> FloatArray:
        """What was found for rows, (n_rows,), for each design, (n_points,)."""
        if self.of is None or self._row is not None:
            return at_rows(values, self.row)
        return at_rows(at_rows(values, self.within), self.of)


def _given(rows: IntArray | None) -> IntArray:
    if rows is None:
        raise ValueError("rows that are not those of a base")
    return rows


class _BaseRows(Generic[BatchT]):
    """The rows of a base in a batch, and a finder among them."""

    def __init__(self, base: Base, finder: RowFinder[BatchT]) -> None:
        rows = finder._found(base.columns, base.roles, base.roles, (), {})
        self.row, self._first, self._roles = rows.row, rows.first, frozenset(base.roles)
        self._whole_layout = "placement" in base.columns
        batch = finder.batch
        held = {name for name in base.held if _decided(getattr(batch, name), rows)}
        self.columns = held.union(base.columns)
        self._finder: RowFinder[BatchT] = RowFinder(rows.batch, paced=False)

    def decides(
        self, roles: tuple[PortRole, ...], ports: tuple[PortRole, ...], streams: tuple[PortRole, ...],
        placed: Mapping[str, IntArray | FloatArray],
    ) -> bool:  # fmt: skip
        """Whether the rows tell these parts of a layout apart."""
        if self._whole_layout:
            return True
        # Streams tell more layouts apart than roles and ports do.
        return not placed and not streams and self._roles.issuperset(roles) and self._roles.issuperset(ports)

    def among(
        self, columns: tuple[str, ...], roles: tuple[PortRole, ...], ports: tuple[PortRole, ...],
        streams: tuple[PortRole, ...], placed: Mapping[str, IntArray | FloatArray],
    ) -> tuple[IntArray, IntArray]:  # fmt: skip
        """Rows among those of the base, whatever the clocks: a design of each, and the row of each row of the base."""
        found = self._finder.of(columns, roles, ports, streams, placed)
        return self._first.take(found.first), found.row


def _decided(column: IntArray, rows: RowSet[BatchT]) -> bool:
    return bool(np.array_equal(at_rows(column.take(rows.first), rows.row), column))


@dataclass(frozen=True, slots=True)
class _Part:
    """Numbers below `distinct` that tell designs apart: of each design, or of each row of a base or placement, `of`."""

    values: IntArray
    of: IntArray | None
    distinct: int

    def at(self, chunk: slice) -> IntArray:
        """Of the designs in `chunk`."""
        return self.values[chunk] if self.of is None else at_rows(self.values, self.of[chunk])


@dataclass(frozen=True, slots=True)
class _Pace:
    """Which designs are too fast for a stream: `limits`, the clock (MHz) that its ports keep pace with, (n_placements,);
    `number` of `distinct` numbers of target clocks; `moved`: whose clock is not its target. (n_points,) each.
    """

    limits: FloatArray
    placement: IntArray
    clock_mhz: FloatArray
    number: IntArray
    distinct: int
    moved: BoolArray

    def at(self, chunk: slice) -> tuple[IntArray, IntArray]:
        """Of the designs in `chunk`: a number, 0 where all keeps pace, and which of them have a row of their own."""
        late = self.clock_mhz[chunk] > at_rows(self.limits, self.placement[chunk])
        return (self.number[chunk] + 1) * late, np.flatnonzero(late & self.moved[chunk])


CHUNK = 16_384  # designs numbered at a time: what is in use stays in the second-level cache


def _numbered_rows(parts: Sequence[_Part], pace: _Pace | None, n: int) -> tuple[IntArray, IntArray]:
    """A design of each row and the row of each of `n` designs: equal where all parts are, and the pace is."""
    size = 1 if pace is None else pace.distinct + 1
    for part in parts:
        size *= part.distinct
    late = 1 if pace is None else pace.distinct + 1
    if size > TABLE_VALUES:  # most combinations do not occur: numbered on the way
        whole = slice(0, n)
        code, size = row_codes([(part.at(whole), part.distinct) for part in parts], n)
        code, size = numbered(code) if size * late > TABLE_VALUES else (code, size)
        parts, size = [_Part(code, None, size)], size * late
    row, point, lone = np.empty(n, dtype=np.int64), np.full(size + 1, -1, dtype=np.int32), []
    chunks = [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]
    for chunk in chunks:
        code = _code(parts, chunk)
        if pace is not None:
            number, alone = pace.at(chunk)
            code = code * late + number
            code[alone] = size
            lone.append(alone)
        point[code] = np.arange(chunk.start, chunk.stop, dtype=np.int32)  # the last of those that share a number
        row[chunk] = code
    point[size] = -1
    found = np.flatnonzero(point >= 0)
    rows = len(found)
    first = np.empty(rows + sum(len(alone) for alone in lone), dtype=np.int64)
    first[:rows] = point[found]
    point[found] = np.arange(rows)  # from here on the place of each number
    for i, chunk in enumerate(chunks):
        numbers = row[chunk]
        numbers[:] = at_rows(point, numbers)
        if pace is not None and len(lone[i]):
            places = np.arange(rows, rows + len(lone[i]))
            numbers[lone[i]] = places
            first[places] = chunk.start + lone[i]
            rows += len(lone[i])
    return first, row


def _code(parts: Sequence[_Part], chunk: slice) -> IntArray:
    code = parts[0].at(chunk)
    for part in parts[1:]:
        if part.distinct > 1:
            code = code * part.distinct
            code += part.at(chunk)
    return code


class RowFinder(Generic[BatchT]):
    """The distinct rows of a batch by several sets of columns; each column is looked at once."""

    def __init__(
        self,
        batch: BatchT,
        target_mhz: FloatArray | None = None,
        bases: Sequence[Base] = (),
        *,
        paced: bool = True,
    ) -> None:
        """`target_mhz` (n_points,): the clocks that were asked for, where `batch` has the achieved ones. `paced`: whether
        clocks tell designs apart that are too fast for a stream.
        """
        self.batch: BatchT = batch
        self._paced = paced
        self._target_mhz = batch.clock_mhz if target_mhz is None else target_mhz
        self._numbers: dict[str, _Part] = {}
        self._known: dict[tuple[tuple[str, ...], ...], RowSet[BatchT]] = {}
        self._moved: BoolArray | None = None
        self._bases: list[_BaseRows[BatchT]] = []
        for base in bases:
            self._bases.append(_BaseRows(base, self))

    def at(self, clock_mhz: FloatArray) -> RowFinder[BatchT]:
        """The same batch at achieved clocks; what was found of its other columns is kept in common."""
        finder = RowFinder(replace(self.batch, clock_mhz=clock_mhz), self._target_mhz)
        finder._numbers, finder._bases = self._numbers, self._bases
        return finder

    def of(
        self,
        columns: tuple[str, ...],
        roles: tuple[PortRole, ...] = (),
        ports: tuple[PortRole, ...] = (),
        streams: tuple[PortRole, ...] = (),
        placed: Mapping[str, IntArray | FloatArray] | None = None,
    ) -> RowSet[BatchT]:
        """Rows for a law that reads `columns`, the width and memory of ports of `roles`, the number of those in `ports`, the
        pace of those in `streams`, and `placed`, arrays of (n_placements,) or (n_placements, n) that follow from the layouts.
        """
        placed = placed or {}
        key = (columns, roles, ports, streams, tuple(placed))
        if key not in self._known:
            self._known[key] = self._found(columns, roles, ports, streams, placed)
        return self._known[key]

    def _layout(
        self, roles: tuple[PortRole, ...], ports: tuple[PortRole, ...], streams: tuple[PortRole, ...],
        placed: Mapping[str, IntArray | FloatArray],
    ) -> tuple[IntArray, int]:  # fmt: skip
        """The kind of each placement, as far as these can tell them apart."""
        table, key = self.batch.placements, (roles, ports, streams, tuple(placed))
        if key not in table.kinds:
            layout: list[IntArray | FloatArray] = [table.cache_apart.astype(np.int64)]
            for role in roles:
                r = table.role(role)
                layout += [table.width_bits[:, r], table.on_hbm[:, r].astype(np.int64)]
            layout += [table.ports[:, table.role(role)] for role in ports]
            layout += [table.saturation_mhz[:, table.role(role)] for role in streams]
            telling = [column for column in layout if (column != column[0]).any()]
            for array in placed.values():
                flat = array.reshape(len(array), -1)
                telling += list(flat.T[(flat != flat[0]).any(axis=0)])
            kind = distinct_rows(*telling)[1] if telling else np.zeros(len(table), dtype=np.int64)
            table.kinds[key] = kind, int(kind.max(initial=0)) + 1
        return table.kinds[key]

    def _found(
        self, columns: tuple[str, ...], roles: tuple[PortRole, ...], ports: tuple[PortRole, ...],
        streams: tuple[PortRole, ...], placed: Mapping[str, IntArray | FloatArray],
    ) -> RowSet[BatchT]:  # fmt: skip
        index = self.batch.placement
        parts: list[_Part] = []
        left, layout = columns, bool(roles or ports or placed)
        bases = list(self._bases)
        while bases and (left or layout):
            covered = [sum(name in base.columns for name in left) for base in bases]
            base = bases.pop(int(np.argmax(covered)))
            inside = tuple(name for name in left if name in base.columns)
            decided = layout and base.decides(roles, ports, streams, placed)
            if not inside and not decided:
                continue
            first, within = base.among(inside, *((roles, ports, streams, placed) if decided else ((), (), (), {})))
            left, layout = tuple(name for name in left if name not in inside), layout and not decided
            if not left and not layout and not streams and not parts:
                return RowSet(self.batch.take(first), first, within, base.row)
            parts.append(_Part(within, base.row, len(first)))
        parts += [self._part(name) for name in left]
        if layout:
            kind, kinds = self._layout(roles, ports, streams, placed)
            parts.append(_Part(kind, index, kinds))
        pace = self._pace(streams) if streams and self._paced else None
        first, row = _numbered_rows(parts, pace, len(index))
        return RowSet(self.batch.take(first), first, row)

    def _pace(self, streams: tuple[PortRole, ...]) -> _Pace | None:
        """The designs that are too fast for one of the streams; None where there are none."""
        table, clock = self.batch.placements, self.batch.clock_mhz
        limits = np.min([table.saturation_mhz[:, table.role(role)] for role in streams], axis=0)
        if not (limits < clock.max(initial=0.0)).any():
            return None
        if self._moved is None:
            self._moved = clock != self._target_mhz
        number, distinct = self._column("clock_mhz")
        return _Pace(limits, self.batch.placement, clock, number, distinct, self._moved)

    def _column(self, name: str) -> tuple[IntArray, int]:
        """The number of each design's value, and how many numbers there are."""
        part = self._part(name)
        return part.at(slice(0, len(self.batch))), part.distinct

    def _part(self, name: str) -> _Part:
        if name not in self._numbers:
            values: Any = self._target_mhz if name == "clock_mhz" else getattr(self.batch, name)
            table = value_numbers(values)
            number, distinct = numbered(values) if table is None else table
            self._numbers[name] = _Part(number, None if table is None else values, distinct)
        return self._numbers[name]


def spread(values: T, row: IntArray) -> T:
    """What was found for rows, for the design of each point: arrays of (n_rows,) in dataclasses and dicts become arrays
    of (n_points,), numbers stay.
    """
    found: Any = values
    if isinstance(values, np.ndarray):
        found = at_rows(values, row) if values.ndim else values
    elif isinstance(values, dict):
        found = {name: spread(value, row) for name, value in values.items()}
    elif is_dataclass(values) and not isinstance(values, type):
        found = replace(values, **{one.name: spread(getattr(values, one.name), row) for one in fields(values)})
    result: T = found
    return result
