"""Steps of the samplers lead from every legal row of an axis to every other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from dse.samplers.neighbours import neighbour_table
from dse.space import DesignSpace


@pytest.mark.parametrize(("stage", "name"), [("prefill", "prefill.tokens"), ("prefill", "prefill.ffn")])
def test_every_row_is_reached_step_by_step(space_of: Callable[[str, str], DesignSpace], stage: str, name: str) -> None:
    """Also where parameters constrain each other: rows that share no value with another row."""
    axis = next(one for one in getattr(space_of("llama-3.2-1b", "u280"), stage).axes if one.name == name)
    table = neighbour_table(axis)
    start = np.repeat(np.arange(len(axis)), table.shape[1])
    end = table.ravel()
    real = end >= 0
    graph = csr_array((np.ones(real.sum()), (start[real], end[real])), shape=(len(axis), len(axis)))
    assert connected_components(graph, connection="strong")[0] == 1


def test_steps_are_the_nearest_rows(space_of: Callable[[str, str], DesignSpace]) -> None:
    """By trying every row: the next with equal others, and the one a level away with the others nearest."""
    axis = next(one for one in space_of("llama-3.2-1b", "u280").prefill.axes if one.name == "prefill.tokens")
    table, logs = neighbour_table(axis), np.log1p(axis.rows.astype(float))
    for row, values in enumerate(axis.rows):
        for column in range(axis.rows.shape[1]):
            other = 1 - column
            equal = axis.rows[axis.rows[:, other] == values[other], column]
            below, above = equal[equal < values[column]], equal[equal > values[column]]
            for place, expected in ((0, below.max(initial=-1)), (1, above.min(initial=10**9))):
                found = table[row, 4 * column + place]
                assert (axis.rows[found, column] == expected) if 0 <= expected < 10**9 else found == -1
            levels = np.unique(axis.rows[:, column])
            level = int(np.searchsorted(levels, values[column]))
            for place, step in ((2, -1), (3, 1)):
                found = table[row, 4 * column + place]
                if not 0 <= level + step < len(levels):
                    assert found == -1
                    continue
                there = axis.rows[:, column] == levels[level + step]
                assert there[found]
                away = np.abs(logs[:, other] - logs[row, other])
                assert away[found] == pytest.approx(away[there].min())
