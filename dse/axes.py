"""A stage's space as a product of axes: an axis lists legal rows of parameters that constrain each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spec.design_batch import BoolArray, IntArray, StagePlacements
from spec.module_choices import DecodeModules, PrefillModules
from spec.workload import Stage

MODULE_SET = "module_set"  # a column of codes: which of `StageSpace.modules`


@dataclass(frozen=True, slots=True)
class Axis:
    """Legal rows of one or more parameters, (n_rows, n_parameters), in increasing order.

    `group_columns` > 0: rows with equal first `group_columns` parameters form a group; which rows a group has depends
    on the group (a conditional parameter). `port_class` (n_rows,): which of `n_port_classes` layouts of its ports a
    row has.
    """

    name: str
    parameters: tuple[str, ...]
    rows: IntArray
    port_class: IntArray
    n_port_classes: int
    group_columns: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: IntArray | BoolArray) -> Axis:
        """The axis with only the rows at `index`, in increasing order: part of a space is a space."""
        kept = np.flatnonzero(index) if index.dtype == np.bool_ else np.unique(index)
        return replace(self, rows=self.rows[kept], port_class=self.port_class[kept])

    def columns(self) -> dict[str, IntArray]:
        """The rows by parameter, (n_rows,) each."""
        return {name: self.rows[:, i] for i, name in enumerate(self.parameters)}

    def group_starts(self) -> IntArray:
        """First row of each group, and the number of rows at the end, (n_groups + 1,)."""
        keys = self.rows[:, : self.group_columns]
        starts = np.flatnonzero(np.any(np.diff(keys, axis=0) != 0, axis=1)) + 1
        return np.concatenate([[0], starts, [len(self.rows)]])

    def find(self, values: Sequence[int]) -> int | None:
        """The row with these values of its parameters, if there is one."""
        found = np.flatnonzero((self.rows == np.array(values, dtype=np.int64)).all(axis=1))
        return int(found[0]) if len(found) else None


def joined(first: Axis, second: Axis) -> Axis:
    """One axis of all pairs of rows: needed where a rule speaks of both."""
    a, b = np.divmod(np.arange(len(first) * len(second)), len(second))
    return Axis(
        f"{first.name}+{second.name.partition('.')[2]}",
        (*first.parameters, *second.parameters),
        np.column_stack([first.rows[a], second.rows[b]]),
        first.port_class[a] * second.n_port_classes + second.port_class[b],
        first.n_port_classes * second.n_port_classes,
    )


@dataclass(frozen=True, slots=True)
class StageSpace:
    """The product of axes; the last axis varies fastest. `placements`: of the product of the axes' port classes.
    `modules`: the module sets that the column `module_set` indexes.
    """

    stage: Stage
    axes: tuple[Axis, ...]
    placements: StagePlacements
    modules: tuple[PrefillModules, ...] | tuple[DecodeModules, ...]

    @property
    def size(self) -> int:
        """Number of designs."""
        return math.prod(len(axis) for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows of each axis."""
        return tuple(len(axis) for axis in self.axes)

    def columns(self, index: IntArray) -> dict[str, IntArray]:
        """Parameters of the designs at flat `index`, (n_points,) each."""
        return self.columns_of_rows(self.rows(index))

    def columns_of_rows(self, rows: Sequence[IntArray]) -> dict[str, IntArray]:
        """Parameters of the designs with these rows of each axis, (n_points,) each."""
        columns: dict[str, IntArray] = {}
        for axis, row in zip(self.axes, rows, strict=True):
            for i, name in enumerate(axis.parameters):
                columns[name] = axis.rows[row, i]
        return columns

    def placement(self, index: IntArray) -> IntArray:
        """Index into `placements` of the designs at flat `index`, (n_points,)."""
        result = np.zeros(len(index), dtype=np.int64)
        for axis, row in zip(self.axes, self.rows(index), strict=True):
            result = result * axis.n_port_classes + axis.port_class[row]
        return result

    def rows(self, index: IntArray) -> tuple[IntArray, ...]:
        """Row of each axis of the designs at flat `index`, (n_points,) each."""
        return np.unravel_index(index, self.shape)

    def flat(self, rows: Sequence[IntArray]) -> IntArray:
        """Flat index of the designs with these rows of each axis, (n_points,)."""
        return np.asarray(np.ravel_multi_index(tuple(rows), self.shape), dtype=np.int64)

    def find(self, values: dict[str, int]) -> int | None:
        """Flat index of the design with these parameters, if it is in the space."""
        rows = [axis.find([values[name] for name in axis.parameters]) for axis in self.axes]
        if any(row is None for row in rows):
            return None
        return int(self.flat([np.array([row], dtype=np.int64) for row in rows])[0])
