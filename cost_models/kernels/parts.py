"""Resources by module: what a stage's kernel is the sum of.

`Parts` holds a `Part` a module. The inventories of our library are functions of few columns of a batch each, which have few
distinct rows: they are computed once a row, and a design finds its row by number (`RowParts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray, IntArray, ResourceArrays, numbered, row_codes, row_numbers
from cost_models.macs import MacCost
from cost_models.nonlinear import LaneCost
from cost_models.row_sets import RowSet
from spec.resources import RESOURCE_NAMES

Amount = FloatArray | IntArray | float


def plus(a: Amount, b: Amount) -> Amount:
    """a + b, without an array operation where one of them is nothing."""
    if isinstance(a, float) and a == 0.0:
        return b
    return a if isinstance(b, float) and b == 0.0 else a + b


@dataclass(slots=True)
class Part:
    """Resources of one module, each a number or (n_points,)."""

    lut: Amount = 0.0
    ff: Amount = 0.0
    dsp: Amount = 0.0
    bram_18k: Amount = 0.0
    uram: Amount = 0.0

    def add_logic(self, lut: Amount, ff: Amount) -> None:
        """LUT and FF of an inventory, with what it leaves out."""
        self.lut = plus(self.lut, lut * c.LUT_UNLISTED)
        self.ff = plus(self.ff, ff * c.FF_UNLISTED)

    def add_lanes(self, lanes: Amount, cost: LaneCost) -> None:
        """`lanes` lanes of non-linear operators, LUT and FF as they are after routing."""
        self.add_logic(lanes * (cost.lut * c.LUT_ROUTE_FACTOR), lanes * (cost.ff * c.FF_ROUTE_FACTOR))
        if cost.dsp:
            self.dsp = plus(self.dsp, lanes * float(cost.dsp))

    def add_macs(self, macs: Amount, cost: MacCost) -> None:
        """`macs` multiply-accumulates of an array."""
        self.add_logic(macs * cost.lut, macs * cost.ff)
        if cost.dsp:
            self.dsp = plus(self.dsp, macs * cost.dsp)

    def add(self, other: Part) -> None:
        """Take in another."""
        for name in RESOURCE_NAMES:
            setattr(self, name, plus(getattr(self, name), getattr(other, name)))

    def at(self, row: IntArray) -> Part:
        """The part of each design, from the values of its row."""
        return Part(*(_at(getattr(self, name), row) for name in RESOURCE_NAMES))


def _at(amount: Amount, row: IntArray) -> Amount:
    if not isinstance(amount, np.ndarray) or not amount.ndim:
        return amount
    taken: FloatArray = np.take(amount, row)
    return taken


Parts = Mapping[str, Part]


Pieces = Mapping[str, IntArray | int]  # equal units that a module consists of, (n_points,) or one number


@dataclass(slots=True)
class Rows:
    """Parts of modules for distinct rows of some columns; `row` (n_points,): that of each design; `first`: a design of
    each row. `known`: sums and largest pieces of the rows, as they are asked for.
    """

    parts: dict[str, Part]
    row: IntArray
    first: IntArray | None = None
    pieces: dict[str, IntArray | int] = field(default_factory=dict)
    known: dict[tuple[str, str], Amount] = field(default_factory=dict)

    @classmethod
    def of(cls, found: RowSet[Any], parts: dict[str, Part]) -> Rows:
        """Parts of the designs of these rows."""
        return cls(parts, found.row, found.first)

    def divide(self, modules: Collection[str], pieces: Pieces) -> None:
        """Note the pieces of these modules, which are the same for all designs of a row."""
        for module in modules:
            number = pieces[module]
            if isinstance(number, np.ndarray):
                if self.first is None:
                    raise ValueError(f"{module}: rows that are not made of columns")
                number = number[self.first]
            self.pieces[module] = number

    def take(self, index: IntArray | slice) -> Rows:
        """The rows of some designs; what is known of the rows is kept in common."""
        return Rows(self.parts, self.row[index], None, self.pieces, self.known)

    def total(self, name: str) -> Amount:
        """A kind of resource of all modules, of each design."""
        if ("total", name) not in self.known:
            total: Amount = 0.0
            for part in self.parts.values():
                total = plus(total, getattr(part, name))
            self.known["total", name] = total
        return _at(self.known["total", name], self.row)

    def largest(self, name: str) -> Amount:
        """What the largest piece of any module needs, of each design."""
        return _at(self.largest_of_rows(name), self.row)

    def largest_of_rows(self, name: str) -> Amount:
        """The same of each row."""
        if ("largest", name) not in self.known:
            amounts = [getattr(self.parts[module], name) / number for module, number in self.pieces.items()]
            self.known["largest", name] = np.maximum.reduce(np.broadcast_arrays(0.0, *amounts))
        return self.known["largest", name]


class RowParts(Mapping[str, Part]):
    """Parts of modules that `groups` of rows hold; a module may have a share in several."""

    def __init__(self, groups: tuple[Rows, ...], pieces: Pieces | None = None) -> None:
        """`pieces`: of the modules that fall into equal units; others (adapters, control) are no units."""
        self.groups = groups
        self._pieces: Pieces = {}
        if pieces is not None:
            times = Counter(module for group in groups for module in group.parts)
            self._pieces = {module: number for module, number in pieces.items() if times[module] > 1}
            for group in groups:
                group.divide([name for name in group.parts if name in pieces and times[name] == 1], pieces)

    def __getitem__(self, name: str) -> Part:
        groups = [group for group in self.groups if name in group.parts]
        if not groups:
            raise KeyError(name)
        part = Part()
        for group in groups:
            part.add(group.parts[name].at(group.row))
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for group in self.groups for name in group.parts))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def take(self, index: IntArray | slice) -> RowParts:
        """The parts of some designs."""
        taken = RowParts(tuple(group.take(index) for group in self.groups))
        taken._pieces = {
            module: number[index] if isinstance(number, np.ndarray) else number
            for module, number in self._pieces.items()
        }
        return taken

    def total(self, name: str) -> Amount:
        """A kind of resource of the kernel, of each design."""
        total: Amount = 0.0
        for group in self.groups:
            total = plus(total, group.total(name))
        return total

    def largest(self, name: str, n: int) -> FloatArray:
        """What the largest unit of the kernel needs of a kind, (n_points,)."""
        worst = np.zeros(n)
        for group in self.groups:
            if group.pieces:
                np.maximum(worst, group.largest(name), out=worst)
        for module, pieces in self._pieces.items():
            np.maximum(worst, self._amount(module, name) / pieces, out=worst)
        return worst

    def shared(self) -> tuple[RowParts, IntArray] | None:
        """The modules that several groups have a share of: of designs that differ in them, and which of those each design
        is like, (n_points,); None where there are no such modules.
        """
        if not self._pieces:
            return None
        groups = [group for group in self.groups if not group.parts.keys().isdisjoint(self._pieces)]
        columns = [numbered(group.row) for group in groups]
        columns += [numbered(number) for number in self._pieces.values() if isinstance(number, np.ndarray)]
        first, row = row_numbers(*row_codes(columns, len(groups[0].row)))
        return self.take(first), row

    def largest_shared(self, name: str) -> FloatArray:
        """What the largest unit of such a module needs, (n_points,)."""
        units = [self._amount(module, name) / pieces for module, pieces in self._pieces.items()]
        return np.asarray(np.maximum.reduce(np.broadcast_arrays(np.zeros(len(self.groups[0].row)), *units)))

    def _amount(self, module: str, name: str) -> Amount:
        total: Amount = 0.0
        for group in self.groups:
            if module in group.parts:
                total = plus(total, _at(getattr(group.parts[module], name), group.row))
        return total


def total_resources(parts: Parts, n: int) -> ResourceArrays:
    """The sum of all parts, (n_points,) each."""
    totals = []
    for name in RESOURCE_NAMES:
        total: Amount = 0.0
        if isinstance(parts, RowParts):
            total = parts.total(name)
        else:
            for part in parts.values():
                total = plus(total, getattr(part, name))
        totals.append(np.broadcast_to(np.asarray(total, dtype=np.float64), (n,)))
    return ResourceArrays(*totals)


def module_arrays(parts: Parts, n: int) -> dict[str, ResourceArrays]:
    """The parts as arrays by module, (n_points,) each."""
    return {
        module: ResourceArrays(
            *(np.broadcast_to(np.asarray(getattr(part, name), dtype=np.float64), (n,)) for name in RESOURCE_NAMES)
        )
        for module, part in parts.items()
    }
