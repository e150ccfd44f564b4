"""Laws evaluated once on the distinct rows of the columns that they read.

Designs of a batch are combinations of few values, and a law reads few of the columns: a thousand distinct rows among a quarter
of a million designs. A law that is elementwise gives a design the same bits whether it stands in the batch or in a row.

The achieved clock is the exception: it follows from the resources and has as many values as there are designs. It matters
only to streams that it is too fast for. Designs whose streams keep pace share a row whatever their clock; of the
others those at their target share it with the designs of the same target, and the rest have rows of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np

from cost_models.arrays import FloatArray, IntArray, distinct_rows, numbered, row_codes, row_numbers
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.memory_map import PortRole

BatchT = TypeVar("BatchT", PrefillBatch, DecodeBatch)
T = TypeVar("T")
LayoutKinds = dict[tuple[tuple[str, ...], ...], tuple[IntArray, int]]  # of each placement: its kind; how many there are


@dataclass(frozen=True, slots=True)
class RowSet(Generic[BatchT]):
    """A design of each row, its index, and the row of each design, (n_points,)."""

    batch: BatchT
    first: IntArray
    row: IntArray


class RowFinder(Generic[BatchT]):
    """The distinct rows of a batch by several sets of columns; each column is looked at once."""

    def __init__(self, batch: BatchT, target_mhz: FloatArray | None = None, layouts: LayoutKinds | None = None) -> None:
        """`target_mhz` (n_points,): the clocks that were asked for, where `batch` has the achieved ones. `layouts`: what is
        known of the placements of the batch already.
        """
        self.batch: BatchT = batch
        self._layouts: LayoutKinds = {} if layouts is None else layouts
        self._target_mhz = batch.clock_mhz if target_mhz is None else target_mhz
        self._numbers: dict[str, tuple[IntArray, int]] = {}
        self._known: dict[tuple[tuple[str, ...], ...], RowSet[BatchT]] = {}

    def at(self, clock_mhz: FloatArray) -> RowFinder[BatchT]:
        """The same batch at achieved clocks; what was found of its other columns is kept in common."""
        finder = RowFinder(replace(self.batch, clock_mhz=clock_mhz), self._target_mhz, self._layouts)
        finder._numbers = self._numbers
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
        pace of those in `streams`, and `placed`, arrays of (n_placements,) or (n_placements, n).
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
        key = (roles, ports, streams, tuple(placed))
        if key not in self._layouts:
            table = self.batch.placements
            layout: list[IntArray | FloatArray] = [table.cache_apart.astype(np.int64)]
            for role in roles:
                r = table.role(role)
                layout += [table.width_bits[:, r], table.on_hbm[:, r].astype(np.int64)]
            layout += [table.ports[:, table.role(role)] for role in ports]
            layout += [table.saturation_mhz[:, table.role(role)] for role in streams]
            for array in placed.values():
                layout += list(array.reshape(len(array), -1).T)
            telling = [column for column in layout if (column != column[0]).any()]
            kind = distinct_rows(*telling)[1] if telling else np.zeros(len(table), dtype=np.int64)
            self._layouts[key] = kind, int(kind.max(initial=0)) + 1
        return self._layouts[key]

    def _found(
        self, columns: tuple[str, ...], roles: tuple[PortRole, ...], ports: tuple[PortRole, ...],
        streams: tuple[PortRole, ...], placed: Mapping[str, IntArray | FloatArray],
    ) -> RowSet[BatchT]:  # fmt: skip
        table, index, clock = self.batch.placements, self.batch.placement, self.batch.clock_mhz
        parts = [self._column(name) for name in columns]
        if roles or ports or placed:
            kind, kinds = self._layout(roles, ports, streams, placed)
            parts.append((kind.take(index), kinds))
        alone = np.empty(0, dtype=np.int64)
        if streams:
            late = clock > np.min([table.saturation_mhz[:, table.role(role)] for role in streams], axis=0).take(index)
            if late.any():
                number, distinct = self._column("clock_mhz")
                parts.append(((number + 1) * late, distinct + 1))
                alone = np.flatnonzero(late & (clock != self._target_mhz))
        code, size = row_codes(parts, len(clock))
        if not len(alone):
            first, row = row_numbers(code, size)
            return RowSet(self.batch.take(first), first, row)
        code = code.copy()  # it may be the number of a column
        code[alone] = size
        first, row = row_numbers(code, size + 1)
        row[alone] = np.arange(len(first) - 1, len(first) - 1 + len(alone))
        first = np.concatenate([first[:-1], alone])
        return RowSet(self.batch.take(first), first, row)

    def _column(self, name: str) -> tuple[IntArray, int]:
        if name not in self._numbers:
            self._numbers[name] = numbered(self._target_mhz if name == "clock_mhz" else getattr(self.batch, name))
        return self._numbers[name]


def spread(values: T, row: IntArray) -> T:
    """What was found for rows, for the design of each point: arrays of (n_rows,) in dataclasses and dicts become arrays
    of (n_points,), numbers stay.
    """
    found: Any = values
    if isinstance(values, np.ndarray):
        found = values.take(row) if values.ndim else values
    elif isinstance(values, dict):
        found = {name: spread(value, row) for name, value in values.items()}
    elif is_dataclass(values) and not isinstance(values, type):
        found = replace(values, **{field.name: spread(getattr(values, field.name), row) for field in fields(values)})
    result: T = found
    return result
