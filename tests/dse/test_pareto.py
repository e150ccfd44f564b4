"""Non-dominated filtering, hypervolume and the archive against naive oracles."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dse.pareto import Archive, hypervolume, ideal_and_nadir, non_dominated

Values = npt.NDArray[np.float64]


def dominates(a: Values, b: Values) -> bool:
    return bool(np.all(a <= b) and np.any(a < b))


def naive_front(values: Values) -> list[int]:
    """First of equal points, and no point that another dominates."""
    kept = []
    for i, row in enumerate(values):
        if any(dominates(other, row) for other in values):
            continue
        if not any(np.array_equal(values[j], row) for j in kept):
            kept.append(i)
    return kept


@st.composite
def points(draw: st.DrawFn, top: int = 5, most: int = 25) -> Values:
    """Small whole numbers: many ties and duplicates."""
    columns = draw(st.integers(1, 5))
    rows = draw(st.integers(1, most))
    return draw(arrays(np.float64, (rows, columns), elements=st.integers(0, top).map(float)))


@given(points())
def test_non_dominated(values: Values) -> None:
    assert np.flatnonzero(non_dominated(values)).tolist() == naive_front(values)


def test_nothing_is_not_dominated() -> None:
    assert non_dominated(np.zeros((0, 3))).tolist() == []


def test_differences_of_one_rounding_count() -> None:
    """No tolerance: of two points the smaller one wins by any margin."""
    values = np.array([[1.0, 2.0], [np.nextafter(1.0, 2.0), 2.0], [1.0, np.nextafter(2.0, 0.0)]])
    assert non_dominated(values).tolist() == [False, False, True]


@settings(max_examples=60, deadline=None)
@given(points(top=4, most=8), st.integers(3, 5))
def test_hypervolume_is_the_number_of_unit_cells(values: Values, reference: int) -> None:
    """On whole numbers: the cells up to the reference that some point dominates."""
    columns = values.shape[1]
    cells = product(range(reference), repeat=columns)
    count = sum(any(all(p <= c for p, c in zip(point, cell, strict=True)) for point in values) for cell in cells)
    # Points beyond the reference in any column count nothing: their cells lie outside.
    assert hypervolume(values, np.full(columns, float(reference))) == pytest.approx(count)


def test_hypervolume_of_nothing_inside() -> None:
    assert hypervolume(np.array([[2.0, 0.0]]), np.array([1.0, 1.0])) == 0.0
    assert hypervolume(np.array([[1.0, 0.0]]), np.array([1.0, 1.0])) == 0.0
    assert hypervolume(np.array([[2.0]]), np.array([1.0])) == 0.0
    assert hypervolume(np.array([[0.25], [0.5]]), np.array([1.0])) == 0.75


@given(points())
def test_ideal_and_nadir(values: Values) -> None:
    ideal, nadir = ideal_and_nadir(values)
    assert ideal.tolist() == [min(column) for column in values.T]
    assert nadir.tolist() == [max(column) for column in values.T]


@settings(deadline=None)
@given(points(most=40), st.integers(1, 7))
def test_archive_is_the_front_of_all_it_saw(values: Values, block: int) -> None:
    """In blocks of any size: the same points as at once, each with the index it came with."""
    archive = Archive(values.shape[1])
    for start in range(0, len(values), block):
        archive.add(values[start : start + block], np.arange(start, min(start + block, len(values))))
    assert np.array_equal(archive.values, values[archive.index])
    expected = naive_front(values)
    assert sorted(map(tuple, archive.values.tolist())) == sorted(map(tuple, values[expected].tolist()))
    if values.shape[1] > 1:
        assert sorted(archive.index.tolist()) == expected
