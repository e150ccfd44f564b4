"""How far designs are from holding their rules: one number a design, for searches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from cost_models.arrays import FloatArray, IntArray, at_rows
from spec.legality import Rule

CapsAt = Literal["band", "prediction"]


def largest_excess(rules: Iterable[Rule], n: int, caps_at: CapsAt) -> FloatArray:
    """Largest (demand - bound) / max(|bound|, 1) over the rules, (n,), demands read as `caps_at` says."""
    worst, scratch, same_for_all = np.full(n, -np.inf), np.empty(n), -np.inf
    for rule in rules:
        demand, bound = _once(rule.demand), _once(rule.bound)
        scale = 1.0 + rule.relative_low if caps_at == "band" else 1.0
        if caps_at == "band" and rule.limit < np.inf:
            np.maximum(worst, np.subtract(demand, rule.limit, out=scratch if len(demand) == n else None), out=worst)
        if len(bound) == 1:
            unit = max(abs(float(bound[0])), 1.0)
            if len(demand) == 1:
                same_for_all = max(same_for_all, (float(demand[0]) * scale - float(bound[0])) / unit)
                continue
            if bound[0] == 0.0 and scale == 1.0:
                np.maximum(worst, demand, out=worst)
                continue
            # In place: half of the rules' time went into arrays that lived for one operation.
            if scale != 1.0:
                np.subtract(np.multiply(demand, scale, out=scratch), bound, out=scratch)
            else:
                np.subtract(demand, bound, out=scratch)
            if unit != 1.0:
                scratch /= unit
        else:
            np.divide(demand * scale - bound, np.maximum(np.abs(bound), 1.0), out=scratch)
        np.maximum(worst, scratch, out=worst)
    np.maximum(worst, same_for_all, out=worst)
    return worst


class WorstOfRows:
    """The largest excess of designs over rules that few of their columns decide, each found once a row: designs are in rows,
    or in rows of a base that several rules have in common (`cost_models.row_sets`).
    """

    def __init__(self, n: int, of_all: float) -> None:
        """`n` designs; `of_all`: the largest excess that all of them have."""
        self._n, self._of_all = n, of_all
        self._of_designs: FloatArray | None = None
        self._of_bases: list[tuple[IntArray, FloatArray]] = []

    def add_to_all(self, excess: float) -> None:
        """An excess that all designs have."""
        self._of_all = max(self._of_all, excess)

    def add(self, excess: FloatArray, within: IntArray, of: IntArray | None) -> None:
        """`excess` (n_rows,); `within`: the row of each design, or of each row of the base that designs are in by `of`."""
        found = at_rows(excess, within)
        if of is None:
            self._of_designs = found if self._of_designs is None else np.maximum(self._of_designs, found, out=found)
            return
        for base, worst in self._of_bases:
            if base is of:
                np.maximum(worst, found, out=worst)
                return
        self._of_bases.append((of, found))

    def of_designs(self) -> FloatArray:
        """The largest excess of each design, (n,)."""
        worst = np.full(self._n, self._of_all)
        if self._of_designs is not None:
            np.maximum(worst, self._of_designs, out=worst)
        for base, found in self._of_bases:
            np.maximum(worst, at_rows(found, base), out=worst)
        return worst


def _once(values: FloatArray) -> FloatArray:
    """A value that was broadcast over the batch, as one element: most bounds are the same for every design."""
    return values[:1] if values.strides == (0,) else values
