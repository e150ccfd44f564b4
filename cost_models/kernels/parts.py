"""Resources by module: what a stage's kernel is the sum of.

`Parts` holds a `Part` a module. The inventories of our library are functions of few columns of a batch each, which have few
distinct rows: they are computed once a row, and a design finds its row by number (`RowParts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray, IntArray, ResourceArrays, distinct_rows
from cost_models.macs import MacCost
from cost_models.nonlinear import LaneCost
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
    def of(cls, law: Callable[..., dict[str, Part]], *columns: IntArray | FloatArray) -> Rows:
        """The law on the distinct rows of these columns, which it gets in this order as whole numbers."""
        first, row = distinct_rows(*columns)
        return cls(law(*(column[first].astype(np.int64) for column in columns)), row, first)

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
        if ("largest", name) not in self.known:
            amounts = [getattr(self.parts[module], name) / number for module, number in self.pieces.items()]
            self.known["largest", name] = np.maximum.reduce(np.broadcast_arrays(0.0, *amounts))
        return _at(self.known["largest", name], self.row)


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
            np.maximum(worst, getattr(self[module], name) / pieces, out=worst)
        return worst


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
