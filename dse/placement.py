"""Exact assignment of units to regions by CP-SAT: fewest bits across boundaries, then the most even filling.

Regions stand in a row; a net that spans regions crosses every boundary between them once. The solver is OR-Tools'
CP-SAT with one worker, a fixed seed and a limit in its own deterministic time, so that a problem always has one answer.
OR-Tools is imported where it is used: it takes longer to load than the command line to answer.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from dse.packing import Packing
from spec.errors import ToolNotFoundError

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

Outcome = Literal["assigned", "impossible", "unknown"]

SEED = 20_260_115
DETERMINISTIC_LIMIT = 20.0  # about as many seconds on one core; the problems here take a hundredth
_SCALE = 1000  # fillings are compared in thousandths of a capacity


@dataclass(frozen=True, slots=True)
class Unit:
    """What goes into one region whole. `demand`: by kind of resource, in the order of the problem's kinds. `region`:
    where it must be, or None. `twin_of`: index of an identical earlier unit, to try such pairs in one order only.
    `group`: units of one group in one region are one kernel.
    """

    name: str
    demand: tuple[float, ...]
    region: int | None = None
    twin_of: int | None = None
    group: int = 0


@dataclass(frozen=True, slots=True)
class Net:
    """Wires that all `units` (indices) share."""

    bits: int
    units: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlacementProblem:
    """`capacity[region][kind]`, `boundary_bits[i]` between regions i and i + 1 (None: not limited), `max_kernels` groups
    of units by region.
    """

    kinds: tuple[str, ...]
    units: tuple[Unit, ...]
    nets: tuple[Net, ...]
    capacity: tuple[tuple[float, ...], ...]
    boundary_bits: tuple[int | None, ...]
    max_kernels: int | None = None

    def __post_init__(self) -> None:
        if len(self.boundary_bits) != len(self.capacity) - 1:
            raise ValueError(f"{len(self.capacity)} regions but {len(self.boundary_bits)} boundaries")

    def used(self, assignment: Sequence[int]) -> list[list[float]]:
        """Demand by region and kind."""
        used = [[0.0] * len(self.kinds) for _ in self.capacity]
        for unit, region in zip(self.units, assignment, strict=True):
            for k, amount in enumerate(unit.demand):
                used[region][k] += amount
        return used

    def crossings(self, assignment: Sequence[int]) -> list[int]:
        """Bits across each boundary."""
        bits = [0] * len(self.boundary_bits)
        for net in self.nets:
            regions = [assignment[unit] for unit in net.units]
            for boundary in range(min(regions), max(regions)):
                bits[boundary] += net.bits
        return bits

    def filling(self, assignment: Sequence[int]) -> int:
        """The fullest region by its scarcest kind, in thousandths of the capacity, rounded up as the solver does."""
        worst = 0
        for k in range(len(self.kinds)):
            for region, capacity in enumerate(self.capacity):
                if capacity[k] <= 0:
                    continue
                total = sum(_up(u.demand[k]) for u, r in zip(self.units, assignment, strict=True) if r == region)
                worst = max(worst, -(-total * _SCALE // max(_down(capacity[k]), 1)))
        return worst

    def fits(self, assignment: Sequence[int]) -> bool:
        """Whether the assignment holds every limit, in the whole numbers that the solver counts in."""
        for region, capacity in enumerate(self.capacity):
            for k in range(len(self.kinds)):
                inside = [u for u, r in zip(self.units, assignment, strict=True) if r == region]
                if sum(_up(u.demand[k]) for u in inside) > max(_down(capacity[k]), 0):
                    return False
        limits = zip(self.crossings(assignment), self.boundary_bits, strict=True)
        if any(limit is not None and bits > limit for bits, limit in limits):
            return False
        if any(u.region not in (None, r) for u, r in zip(self.units, assignment, strict=True)):
            return False
        return self.holds_kernels(assignment)

    def holds_kernels(self, assignment: Sequence[int]) -> bool:
        """Whether an assignment has no more kernels than it may."""
        kernels = {(unit.group, r) for unit, r in zip(self.units, assignment, strict=True)}
        return self.max_kernels is None or len(kernels) <= self.max_kernels


@dataclass(frozen=True, slots=True)
class Excess:
    """What an assignment lacks: `kind` in `region` (or bits over `boundary`), in whole units, rounded against it."""

    region: int | None
    boundary: int | None
    kind: str
    demand: float
    bound: float


@dataclass(frozen=True, slots=True)
class Assignment:
    """Regions of the units; none unless `assigned`."""

    outcome: Outcome
    regions: tuple[int, ...] = ()
    proven_optimal: bool = False


def _up(value: float) -> int:
    return math.ceil(value - 1e-9)


def _down(value: float) -> int:
    return math.floor(value + 1e-9)


def solver_name() -> str:
    """Name and version of the solver.

    Raises:
        ToolNotFoundError: OR-Tools is not installed.
    """
    _require_solver()
    return f"OR-Tools CP-SAT {importlib.metadata.version('ortools')}"


def _require_solver() -> None:
    if importlib.util.find_spec("ortools") is None:
        raise ToolNotFoundError(
            "no floorplan without OR-Tools",
            field="floorplan",
            rule="the package ortools is installed",
            hint="pip install ortools",
        )


def assign(
    problem: PlacementProblem, *, optimise: bool = True, deterministic_limit: float = DETERMINISTIC_LIMIT
) -> Assignment:
    """The assignment with the fewest crossing bits, and among those the most even one; any one without `optimise`.

    `impossible` is proven; `unknown`: the limit came first.

    Raises:
        ToolNotFoundError: OR-Tools is not installed.
    """
    _require_solver()
    if not optimise:
        packing = Packing.of(problem)
        if packing.overfull:
            return Assignment("impossible")
        regions = packing.found()
        if regions is not None and problem.holds_kernels(regions):
            return Assignment("assigned", regions)
    problem = with_twins(problem)
    first = _Model(problem)
    first.limit_everything()
    if optimise:
        first.minimise_crossings()
    status, regions, optimal = first.solve(deterministic_limit)
    if status != "assigned":
        return Assignment(status)
    if not optimise:
        return Assignment("assigned", regions)
    second = _Model(problem)
    second.limit_everything()
    second.cross_at_most(sum(problem.crossings(regions)))
    second.minimise_filling()
    second.start_from(regions)
    status, better, even = second.solve(deterministic_limit)
    return Assignment("assigned", better if status == "assigned" else regions, optimal and even)


def with_twins(problem: PlacementProblem) -> PlacementProblem:
    """Units whose exchange changes nothing are marked, so that the solver tries one order of each such pair."""
    nets = problem.nets
    surroundings: list[list[tuple[int, int]]] = [[] for _ in problem.units]
    for net in nets:
        for member in net.units:
            surroundings[member].append((net.bits, len(net.units)))
    seen: dict[tuple[object, ...], int] = {}
    marked = []
    for u, unit in enumerate(problem.units):
        key = (unit.group, unit.demand, unit.region, tuple(sorted(surroundings[u])))
        twin = seen.get(key)
        if twin is not None and unit.twin_of is None and unit.region is None and _exchangeable(twin, u, nets):
            unit = replace(unit, twin_of=twin)
        seen[key] = u
        marked.append(unit)
    return replace(problem, units=tuple(marked))


def _exchangeable(a: int, b: int, nets: Sequence[Net]) -> bool:
    swap = {a: b, b: a}
    touched = [net for net in nets if a in net.units or b in net.units]
    own = sorted((net.bits, net.units) for net in touched)
    other = sorted((net.bits, tuple(sorted(swap.get(u, u) for u in net.units))) for net in touched)
    return own == other


def least_excess(problem: PlacementProblem, *, deterministic_limit: float = DETERMINISTIC_LIMIT) -> tuple[Excess, ...]:
    """What the best assignment of an impossible problem lacks, the worst first: the least largest excess relative to its
    limit, then the least sum. Empty where the solver's limit comes first, or the number of kernels or the places of pinned
    units alone make it impossible.
    """
    model = _Model(problem)
    model.minimise_excess()
    status, regions, _ = model.solve(deterministic_limit)
    if status != "assigned":
        return ()
    found = []
    for r, capacity in enumerate(problem.capacity):
        inside = [unit for unit, at in zip(problem.units, regions, strict=True) if at == r]
        for k, kind in enumerate(problem.kinds):
            demand, bound = sum(_up(unit.demand[k]) for unit in inside), max(_down(capacity[k]), 0)
            if demand > bound:
                found.append(Excess(r, None, kind, float(demand), float(bound)))
    for b, (bits, limit) in enumerate(zip(problem.crossings(regions), problem.boundary_bits, strict=True)):
        if limit is not None and bits > limit:
            found.append(Excess(None, b, "sll", float(bits), float(limit)))
    return tuple(sorted(found, key=lambda e: -(e.demand - e.bound) / max(e.bound, 1.0)))


class _Model:
    """The variables of a problem: `inside[unit][region]`, whether each is there."""

    def __init__(self, problem: PlacementProblem) -> None:
        from ortools.sat.python import cp_model

        self._problem = problem
        self._model = cp_model.CpModel()
        regions = range(len(problem.capacity))
        self._inside = [
            [self._model.new_bool_var(f"unit{u}_region{r}") for r in regions] for u in range(len(problem.units))
        ]
        for unit, row in zip(problem.units, self._inside, strict=True):
            self._model.add_exactly_one(row)
            if unit.region is not None:
                self._model.add(row[unit.region] == 1)
            if unit.twin_of is not None:
                twin = self._inside[unit.twin_of]
                self._model.add(self._number(twin) <= self._number(row))
        if problem.max_kernels is not None:
            kernels = {
                (group, r): self._model.new_bool_var(f"kernel{group}_region{r}")
                for group in sorted({unit.group for unit in problem.units})
                for r in regions
            }
            for unit, row in zip(problem.units, self._inside, strict=True):
                for r in regions:
                    self._model.add_implication(row[r], kernels[unit.group, r])
            self._model.add(sum(kernels.values()) <= problem.max_kernels)
        self._crossing = self._crossing_bits()

    @staticmethod
    def _number(row: list[cp_model.IntVar]) -> cp_model.LinearExprT:
        return sum(r * inside for r, inside in enumerate(row))

    def _crossing_bits(self) -> list[cp_model.LinearExprT]:
        totals: list[cp_model.LinearExprT] = []
        for boundary in range(len(self._problem.boundary_bits)):
            terms = []
            for n, net in enumerate(self._problem.nets):
                below = [sum(self._inside[u][: boundary + 1]) for u in net.units]
                # Both sides of the boundary have a unit of the net: it crosses.
                low, high, crosses = (self._model.new_bool_var(f"{x}{boundary}_{n}") for x in ("low", "high", "cross"))
                for side in below:
                    self._model.add(side <= high)
                    self._model.add(side >= low)
                self._model.add(crosses >= high - low)
                terms.append(net.bits * crosses)
            totals.append(sum(terms))
        return totals

    def _demand(self, region: int, kind: int) -> cp_model.LinearExprT:
        return sum(
            _up(unit.demand[kind]) * row[region] for unit, row in zip(self._problem.units, self._inside, strict=True)
        )

    def limit_everything(self) -> None:
        for region, capacity in enumerate(self._problem.capacity):
            for kind, bound in enumerate(capacity):
                self._model.add(self._demand(region, kind) <= max(_down(bound), 0))
        for bits, limit in zip(self._crossing, self._problem.boundary_bits, strict=True):
            if limit is not None:
                self._model.add(bits <= limit)

    def cross_at_most(self, bits: int) -> None:
        self._model.add(sum(self._crossing) <= bits)

    def minimise_crossings(self) -> None:
        self._model.minimize(sum(self._crossing))

    def minimise_filling(self) -> None:
        worst = self._model.new_int_var(0, _SCALE * 1000, "filling")
        for region, capacity in enumerate(self._problem.capacity):
            for kind, bound in enumerate(capacity):
                if bound > 0:
                    self._model.add(self._demand(region, kind) * _SCALE <= worst * max(_down(bound), 1))
        self._model.minimize(worst)

    def minimise_excess(self) -> None:
        """Excess in thousandths of each limit, the largest counted a thousand times over the sum of all."""
        parts = []
        worst = self._model.new_int_var(0, 10**9, "worst")
        limits = [
            (self._demand(r, k), max(_down(bound), 0))
            for r, capacity in enumerate(self._problem.capacity)
            for k, bound in enumerate(capacity)
        ]
        limits += [
            (bits, limit)
            for bits, limit in zip(self._crossing, self._problem.boundary_bits, strict=True)
            if limit is not None
        ]
        for i, (demand, bound) in enumerate(limits):
            excess = self._model.new_int_var(0, 10**9, f"excess{i}")
            self._model.add((demand - bound) * _SCALE <= excess * max(bound, 1))
            self._model.add(worst >= excess)
            parts.append(excess)
        self._model.minimize(_SCALE * worst + sum(parts))

    def start_from(self, regions: Sequence[int]) -> None:
        for row, region in zip(self._inside, regions, strict=True):
            for r, inside in enumerate(row):
                self._model.add_hint(inside, int(r == region))

    def solve(self, deterministic_limit: float) -> tuple[Outcome, tuple[int, ...], bool]:
        from ortools.sat.python import cp_model

        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = SEED
        solver.parameters.max_deterministic_time = deterministic_limit
        status = solver.solve(self._model)
        if status == cp_model.INFEASIBLE:
            return "impossible", (), True
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return "unknown", (), False
        regions = tuple(next(r for r, inside in enumerate(row) if solver.value(inside)) for row in self._inside)
        return "assigned", regions, status == cp_model.OPTIMAL
