"""Resources by module: what a stage's kernel is the sum of.

`Parts` holds a `Part` a module. The inventories of our library are functions of few columns of a batch each, which have few
distinct rows: they are computed once a row, and a design finds its row by number (`RowParts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray, IntArray, ResourceArrays, at_rows, numbered, row_codes, row_numbers
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


def _is_whole(amount: Amount) -> bool:
    return bool(np.array_equal(amount, np.rint(amount)))


Parts = Mapping[str, Part]


Pieces = Mapping[str, IntArray | int]  # equal units that a module consists of, (n_points,) or one number


@dataclass(slots=True)
class Rows:
    """Parts of modules for distinct rows of some columns, as in `RowSet`: `within`, the row of each design, (n_points,), or of
    each row of the base that designs are in by `of`. `first`: a design of each row. `known`: sums and largest pieces of the
    rows, `spread` those of the base's rows, as they are asked for.
    """

    parts: dict[str, Part]
    within: IntArray
    of: IntArray | None = None
    first: IntArray | None = None
    pieces: dict[str, IntArray | int] = field(default_factory=dict)
    known: dict[tuple[str, str], Amount] = field(default_factory=dict)
    spread: dict[tuple[str, str], Amount] = field(default_factory=dict)

    @classmethod
    def found(cls, rows: RowSet[Any], parts: dict[str, Part]) -> Rows:
        """Parts of the designs of these rows."""
        return cls(parts, rows.within, rows.of, rows.first)

    @property
    def row(self) -> IntArray:
        """The row of each design, (n_points,)."""
        return self.within if self.of is None else at_rows(self.within, self.of)

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
        if self.of is None:
            return Rows(self.parts, self.within[index], None, None, self.pieces, self.known)
        return Rows(self.parts, self.within, self.of[index], None, self.pieces, self.known, self.spread)

    def total(self, name: str) -> Amount:
        """A kind of resource of all modules, of each design."""
        self.total_of_rows(name)
        return self._of_designs("total", name)

    def total_of_rows(self, name: str) -> Amount:
        """The same of each row."""
        if ("total", name) not in self.known:
            total: Amount = 0.0
            for part in self.parts.values():
                total = plus(total, getattr(part, name))
            self.known["total", name] = total
        return self.known["total", name]

    def amount(self, name: str, law: Callable[[Parts], Amount]) -> Amount:
        """What a law makes of the modules of a row, of each design; kept under its name."""
        if ("amount", name) not in self.known:
            self.known["amount", name] = law(self.parts)
        return self._of_designs("amount", name)

    def largest(self, name: str) -> Amount:
        """What the largest piece of any module needs, of each design."""
        self.largest_of_rows(name)
        return self._of_designs("largest", name)

    def largest_of_rows(self, name: str) -> Amount:
        """The same of each row."""
        if ("largest", name) not in self.known:
            amounts = [getattr(self.parts[module], name) / number for module, number in self.pieces.items()]
            self.known["largest", name] = np.maximum.reduce(np.broadcast_arrays(0.0, *amounts))
        return self.known["largest", name]

    def _of_designs(self, what: str, name: str) -> Amount:
        if self.of is None:
            return _at(self.known[what, name], self.within)
        if (what, name) not in self.spread:
            self.spread[what, name] = _at(self.known[what, name], self.within)
        return _at(self.spread[what, name], self.of)


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

    def terms(self, name: str) -> tuple[float, list[tuple[FloatArray, IntArray]]]:
        """What `total` adds up, in its order: a number that comes first, and amounts with the index of each design's into them.

        Whole numbers have one sum in any order: those that designs find by the same index are added up before.
        """
        terms: list[tuple[FloatArray, IntArray]] = []
        constant = 0.0
        exact = all(_is_whole(group.total_of_rows(name)) for group in self.groups)
        for group in self.groups:
            amounts, index = group.total_of_rows(name), group.within
            if not isinstance(amounts, np.ndarray) or not amounts.ndim:
                if terms and not exact and float(amounts) != 0.0:
                    amounts = np.full(int(index.max(initial=0)) + 1, float(amounts))
                else:
                    constant += float(amounts)
                    continue
            if group.of is not None:
                amounts, index = amounts.take(group.within), group.of
            same = [i for i, (_, other) in enumerate(terms) if other is index] if exact else []
            if same:
                terms[same[0]] = terms[same[0]][0] + amounts, index
            else:
                terms.append((np.asarray(amounts, dtype=np.float64), index))
        return constant, terms

    def largest(self, name: str, n: int) -> FloatArray:
        """What the largest unit of the kernel needs of a kind, (n_points,)."""
        worst = np.zeros(n)
        for group in self.groups:
            if group.pieces:
                np.maximum(worst, group.largest(name), out=worst)
        for module, pieces in self._pieces.items():
            np.maximum(worst, self._amount(module, name) / pieces, out=worst)
        return worst

    def shared(self) -> tuple[RowParts, IntArray, IntArray | None] | None:
        """The modules that several groups have a share of: of designs that differ in them, and which of those each design
        is like, (n_points,), or each row of the base that the designs are in; None where there are no such modules.
        """
        if not self._pieces:
            return None
        groups = [group for group in self.groups if not group.parts.keys().isdisjoint(self._pieces)]
        numbers = [number for number in self._pieces.values() if isinstance(number, np.ndarray)]
        base = groups[0].of
        if base is None or numbers or any(group.of is not base for group in groups):
            base = None
        rows = [group.row if base is None else group.within for group in groups]
        first, row = row_numbers(*row_codes([numbered(column) for column in (*rows, *numbers)], len(rows[0])))
        few = RowParts(tuple(Rows(group.parts, of[first]) for group, of in zip(groups, rows, strict=True)))
        few._pieces = {
            module: number[first] if isinstance(number, np.ndarray) else number
            for module, number in self._pieces.items()
        }
        return few, row, base

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


SUM_POINTS = 32_768  # of a sum at a time: what it adds up stays in the caches


def total_resources(parts: Parts, n: int) -> ResourceArrays:
    """The sum of all parts, (n_points,) each."""
    if isinstance(parts, RowParts) and n > SUM_POINTS:
        whole = ResourceArrays(*np.empty((len(RESOURCE_NAMES), n)))
        for name, array in whole.items():
            constant, terms = parts.terms(name)
            for start in range(0, n, SUM_POINTS):
                chunk = slice(start, min(start + SUM_POINTS, n))
                array[chunk] = _summed(constant, terms, chunk)
        return whole
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


def _summed(constant: float, terms: Sequence[tuple[FloatArray, IntArray]], chunk: slice) -> Amount:
    total: Amount = constant
    for amounts, index in terms:
        total = plus(total, at_rows(amounts, index[chunk]))
    return total


def module_arrays(parts: Parts, n: int) -> dict[str, ResourceArrays]:
    """The parts as arrays by module, (n_points,) each."""
    return {
        module: ResourceArrays(
            *(np.broadcast_to(np.asarray(getattr(part, name), dtype=np.float64), (n,)) for name in RESOURCE_NAMES)
        )
        for module, part in parts.items()
    }
