"""Designs as rows of integers for the samplers: which arm, then which row of each axis of prefill and of decode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.arms import Arm
from dse.axes import MODULE_SET, Axis
from spec.design_batch import FloatArray, IntArray
from spec.design_columns import column_value
from spec.workload import STAGES

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

GeneArray = IntArray  # (n_points, n_genes)
ARM = "arm"


class GeneSpace:
    """The joint space as genes. Gene 0 is the arm, gene `1 + i` the row of axis `i`; every row in range is legal."""

    def __init__(self, arms: Sequence[Arm]) -> None:
        self.arms = tuple(arms)
        self.axes: tuple[tuple[Axis, ...], ...] = tuple(
            tuple(axis for stage in STAGES for axis in getattr(arm.space, stage).axes) for arm in arms
        )
        self.n_prefill = len(arms[0].space.prefill.axes)
        self.n_axes = len(self.axes[0])
        self.lengths = np.array([[len(axis) for axis in axes] for axes in self.axes], dtype=np.int64)

    @property
    def n_genes(self) -> int:
        """Columns of a gene array."""
        return 1 + self.n_axes

    @property
    def stage_genes(self) -> tuple[slice, slice]:
        """Genes of prefill and of decode."""
        return slice(1, 1 + self.n_prefill), slice(1 + self.n_prefill, self.n_genes)

    def random(self, rng: np.random.Generator, count: int) -> GeneArray:
        """Designs drawn uniformly, arms by their size."""
        sizes = np.array([float(arm.space.size) for arm in self.arms])
        arm = rng.choice(len(self.arms), count, p=sizes / sizes.sum())
        return self.at(np.column_stack([(arm + 0.5) / len(self.arms), rng.random((count, self.n_axes))]))

    def at(self, points: FloatArray) -> GeneArray:
        """The designs at points of the unit cube, (n_points, n_genes)."""
        arm = np.minimum((points[:, 0] * len(self.arms)).astype(np.int64), len(self.arms) - 1)
        lengths = self.lengths[arm]
        rows = np.minimum((points[:, 1:] * lengths).astype(np.int64), lengths - 1)
        return np.column_stack([arm, rows])

    def stage_index(self, genes: GeneArray, arm: int) -> tuple[IntArray, IntArray]:
        """Flat indices of the two stages of designs of one arm."""
        space = self.arms[arm].space
        left, right = self.stage_genes
        return space.prefill.flat(list(genes[:, left].T)), space.decode.flat(list(genes[:, right].T))

    def of_index(self, arm: int, prefill: IntArray, decode: IntArray) -> GeneArray:
        """Genes of the pairs of stage designs at these flat indices."""
        space = self.arms[arm].space
        rows = (*space.prefill.rows(prefill), *space.decode.rows(decode))
        return np.column_stack([np.full(len(prefill), arm, dtype=np.int64), *rows])

    def knobs(self, genes: GeneArray) -> list[dict[str, int | str]]:
        """What designs are, by the names of a front's columns: knobs, clock targets, modules where there is a choice, scheme and
        deployment.
        """
        rows: list[dict[str, int | str]] = [{} for _ in range(len(genes))]
        for number, arm in enumerate(self.arms):
            here = np.flatnonzero(genes[:, 0] == number)
            if not len(here):
                continue
            same: dict[str, int | str] = {
                "quant_scheme.name": arm.space.scheme.name, "deployment": arm.space.system.deployment,
            }  # fmt: skip
            columns: dict[str, list[int] | list[str]] = {}
            for part, index in zip(
                (arm.space.prefill, arm.space.decode), self.stage_index(genes[here], number), strict=True
            ):
                values = part.columns(index)
                module_set = values.pop(MODULE_SET).tolist()
                columns[f"clock_target_mhz.{part.stage}"] = values.pop("clock_mhz").tolist()
                columns |= {f"{part.stage}.{name}": column.tolist() for name, column in values.items()}
                documents = [modules.model_dump(mode="json") for modules in part.modules]
                for name in documents[0]:
                    texts = [str(column_value(document[name])) for document in documents]
                    if len(set(texts)) > 1:
                        columns[f"{part.stage}.modules.{name}"] = [texts[code] for code in module_set]
            for place, row in enumerate(here.tolist()):
                rows[row] = {**{name: column[place] for name, column in columns.items()}, **same}
        return rows

    # --- Optuna's view

    @cached_property
    def _names(self) -> list[tuple[str, str]]:
        """For each axis the names of its parameter and of its position, the second empty where one is enough."""
        names = []
        for i, axis in enumerate(self.axes[0]):
            fractional = len(set(self.lengths[:, i].tolist())) > 1
            names.append((axis.name, f"{axis.name}.position" if axis.group_columns or fractional else ""))
        return names

    @cached_property
    def _free(self) -> list[bool]:
        """Whether an axis has a choice."""
        return [bool(length > 1) for length in self.lengths.max(axis=0)]

    def _grouped(self, i: int) -> bool:
        return self.axes[0][i].group_columns > 0 and len(self.arms) == 1

    @cached_property
    def _starts(self) -> list[IntArray | None]:
        return [axis.group_starts() if self._grouped(i) else None for i, axis in enumerate(self.axes[0])]

    def distributions(self) -> dict[str, BaseDistribution]:
        """Parameters of which every combination of values is a legal design: the row of an axis; for a conditional axis
        the group and the position within it; where arms have axes of different lengths the position alone.
        """
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        result: dict[str, BaseDistribution] = {}
        if len(self.arms) > 1:
            result[ARM] = CategoricalDistribution(tuple(range(len(self.arms))))
        for i, (name, position) in enumerate(self._names):
            starts = self._starts[i]
            if not self._free[i]:
                continue
            if starts is not None:
                result[name] = IntDistribution(0, len(starts) - 2)
                result[position] = FloatDistribution(0.0, 1.0)
            elif position:
                result[position] = FloatDistribution(0.0, 1.0)
            else:
                result[name] = IntDistribution(0, len(self.axes[0][i]) - 1)
        return result

    def parameters(self, genes: Sequence[int]) -> dict[str, Any]:
        """Optuna's parameters of one design."""
        result: dict[str, Any] = {}
        arm = int(genes[0])
        if len(self.arms) > 1:
            result[ARM] = arm
        for i, (name, position) in enumerate(self._names):
            row, starts = int(genes[1 + i]), self._starts[i]
            if not self._free[i]:
                continue
            if starts is not None:
                group = int(np.searchsorted(starts, row, side="right")) - 1
                size = int(starts[group + 1] - starts[group])
                result[name] = group
                result[position] = (row - int(starts[group]) + 0.5) / size
            elif position:
                result[position] = (row + 0.5) / int(self.lengths[arm, i])
            else:
                result[name] = row
        return result

    def genes(self, parameters: Mapping[str, Any]) -> list[int]:
        """The design of Optuna's parameters."""
        arm = int(parameters.get(ARM, 0))
        rows = [arm]
        for i, (name, position) in enumerate(self._names):
            starts = self._starts[i]
            if not self._free[i]:
                rows.append(0)
            elif starts is not None:
                group = int(parameters[name])
                size = int(starts[group + 1] - starts[group])
                rows.append(int(starts[group]) + min(int(parameters[position] * size), size - 1))
            elif position:
                size = int(self.lengths[arm, i])
                rows.append(min(int(parameters[position] * size), size - 1))
            else:
                rows.append(int(parameters[name]))
        return rows

    def genes_of(self, designs: Sequence[Mapping[str, Any]]) -> GeneArray:
        """The designs of Optuna's parameters, (n_points, n_genes)."""
        rows = [self.genes(parameters) for parameters in designs]
        return np.array(rows, dtype=np.int64).reshape(len(rows), self.n_genes)
