"""The assignment solver against plain enumeration of every assignment."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dse.packing import Packing
from dse.placement import Net, PlacementProblem, Unit, assign, least_excess

pytest.importorskip("ortools", reason="OR-Tools")


@st.composite
def problems(draw: st.DrawFn) -> PlacementProblem:
    n, regions, kinds = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    amount = st.one_of(st.integers(0, 9).map(float), st.floats(0.1, 9))
    units = tuple(
        Unit(
            f"u{i}",
            tuple(draw(amount) for _ in range(kinds)),
            draw(st.one_of(st.none(), st.none(), st.integers(0, regions - 1))),
            group=draw(st.integers(0, 1)),
        )
        for i in range(n)
    )
    nets = tuple(
        Net(draw(st.integers(1, 40)), tuple(draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=n))))
        for _ in range(draw(st.integers(0, 5)))
    )
    capacity = tuple(tuple(draw(st.floats(0, 25)) for _ in range(kinds)) for _ in range(regions))
    bits = st.one_of(st.none(), st.integers(0, 80))
    return PlacementProblem(
        kinds=tuple(f"k{i}" for i in range(kinds)),
        units=units,
        nets=nets,
        capacity=capacity,
        boundary_bits=tuple(draw(bits) for _ in range(regions - 1)),
        max_kernels=draw(st.one_of(st.none(), st.integers(1, 2 * regions))),
    )


def every_assignment(problem: PlacementProblem) -> list[tuple[int, ...]]:
    regions = range(len(problem.capacity))
    return [a for a in itertools.product(regions, repeat=len(problem.units)) if problem.fits(a)]


@given(problems())
@settings(max_examples=150, deadline=None)
def test_the_solver_finds_what_enumeration_finds(problem: PlacementProblem) -> None:
    possible = every_assignment(problem)
    found = assign(problem)
    if not possible:
        assert found.outcome == "impossible"
        return
    assert found.outcome == "assigned"
    assert found.proven_optimal
    assert problem.fits(found.regions)
    fewest = min(sum(problem.crossings(a)) for a in possible)
    assert sum(problem.crossings(found.regions)) == fewest
    evenest = min(problem.filling(a) for a in possible if sum(problem.crossings(a)) == fewest)
    assert problem.filling(found.regions) == evenest


@given(problems())
@settings(max_examples=150, deadline=None)
def test_what_is_packed_without_the_solver_fits(problem: PlacementProblem) -> None:
    """Whatever is found holds every limit; what is called overfull has no assignment; and any one is as good as another."""
    problem = replace(problem, max_kernels=None)
    possible, packing = every_assignment(problem), Packing.of(problem)
    found = packing.found()
    assert found is None or problem.fits(found)
    assert not (packing.overfull and possible)
    for regions in itertools.product(range(len(problem.capacity)), repeat=len(problem.units)):
        assert packing.holds(np.array(regions)) == problem.fits(regions)
    assert (assign(problem, optimise=False).outcome == "assigned") == bool(possible)
    if possible:
        assert packing.found([possible[-1]]) == possible[-1]


@given(problems(), problems())
@settings(max_examples=40, deadline=None)
def test_joined_packings_are_the_packing_of_all_units(a: PlacementProblem, b: PlacementProblem) -> None:
    n = len(a.units)
    shifted = tuple(Net(net.bits, tuple(n + unit for unit in net.units)) for net in b.nets)
    if len(a.kinds) != len(b.kinds) or len(a.capacity) != len(b.capacity):
        return
    both = Packing.of(replace(a, units=a.units + b.units, nets=a.nets + shifted))
    joined = Packing.joined([Packing.of(a), Packing.of(replace(b, capacity=a.capacity, boundary_bits=a.boundary_bits))])
    for field in fields(Packing):
        assert np.array_equal(getattr(joined, field.name), getattr(both, field.name))


@given(problems())
@settings(max_examples=80, deadline=None)
def test_the_excess_of_an_impossible_problem_is_the_least(problem: PlacementProblem) -> None:
    """Granting the named excess, and no less than it, makes the problem possible when kernels are not rationed."""
    problem = replace(problem, max_kernels=None)
    if assign(problem).outcome != "impossible":
        return
    found = least_excess(problem)
    assert found
    capacity = [list(row) for row in problem.capacity]
    bits = list(problem.boundary_bits)
    for excess in found:
        assert excess.demand > excess.bound
        if excess.region is not None:
            capacity[excess.region][problem.kinds.index(excess.kind)] = excess.demand
        else:
            assert excess.boundary is not None
            bits[excess.boundary] = int(excess.demand)
    granted = replace(problem, capacity=tuple(map(tuple, capacity)), boundary_bits=tuple(bits))
    assert assign(granted).outcome == "assigned"


def test_twins_are_tried_in_one_order_and_still_split() -> None:
    """Two halves that fit no region together: one in each, and the first half never above the second."""
    units = (Unit("half_0", (6.0,)), Unit("half_1", (6.0,), twin_of=0), Unit("memory", (1.0,), region=0))
    problem = PlacementProblem(("lut",), units, (Net(8, (0, 2)), Net(8, (1, 2))), ((7.0,), (8.0,)), (None,))
    found = assign(problem)
    assert found.outcome == "assigned"
    assert found.regions == (0, 1, 0)
    assert problem.crossings(found.regions) == [8]


def test_one_problem_has_one_answer() -> None:
    """Many equal assignments: the same one every time."""
    units = tuple(Unit(f"u{i}", (1.0,)) for i in range(8))
    problem = PlacementProblem(("lut",), units, (), ((4.0,), (4.0,), (4.0,)), (None, None))
    answers = {assign(problem).regions for _ in range(4)}
    assert len(answers) == 1


def test_a_limit_that_comes_first_is_said() -> None:
    """No time at all: neither an assignment nor a proof."""
    units = tuple(Unit(f"u{i}", (float(7 + 3 * i % 5), float(11 - i % 4))) for i in range(24))
    nets = tuple(Net(3 + i, (i, (5 * i + 7) % 24)) for i in range(24) if i != (5 * i + 7) % 24)
    problem = PlacementProblem(("a", "b"), units, nets, ((75.0, 80.0), (74.0, 80.0), (73.0, 81.0)), (90, 90))
    assert assign(problem, deterministic_limit=0.0).outcome == "unknown"
