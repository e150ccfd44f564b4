"""The least interval that dependences from one iteration to a later one allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Edge:
    """`sink` may start `delay` cycles after `source` did, `distance` iterations later."""

    source: int
    sink: int
    delay: float
    distance: int


@dataclass(frozen=True, slots=True)
class Cycle:
    """A cycle of dependences: its instructions, the sum of its delays and of its distances."""

    instructions: tuple[int, ...]
    delay: float
    distance: int


# Delays are rounded ones: a register's set-up time or a multiplexer more does not cost a cycle.
_SLACK_CYCLES = 0.3


def critical_cycle(edges: Sequence[Edge]) -> Cycle | None:
    """The cycle with the largest sum of delays / sum of distances; None where nothing is carried.

    Found by raising the interval to the ratio of any cycle that is still too slow for it, until there is none (Howard).
    """
    if not any(edge.distance for edge in edges):
        return None
    numbers = sorted({number for edge in edges for number in (edge.source, edge.sink)})
    index = {number: i for i, number in enumerate(numbers)}
    source = np.array([index[edge.source] for edge in edges])
    sink = np.array([index[edge.sink] for edge in edges])
    delay = np.array([edge.delay for edge in edges])
    distance = np.array([edge.distance for edge in edges], dtype=float)
    component = _components(len(numbers), source, sink)
    inside = component[source] == component[sink]
    source, sink, delay, distance = source[inside], sink[inside], delay[inside], distance[inside]
    if not distance.any():
        return None
    best: Cycle | None = None
    ratio = 0.0
    while True:
        found = _positive_cycle(len(numbers), source, sink, delay - ratio * distance)
        if not found:
            return best
        total, length = float(delay[found].sum()), int(distance[found].sum())
        if length == 0:
            raise ValueError("a cycle of dependences within one iteration")
        if total / length <= ratio + 1e-9:
            return best
        ratio = total / length
        best = Cycle(tuple(numbers[int(sink[edge])] for edge in found), total, length)


def whole_interval(cycles: float) -> int:
    """The interval in whole cycles for a recurrence that takes so many."""
    return max(1, math.ceil(cycles - _SLACK_CYCLES))


def _components(n: int, source: npt.NDArray[np.int64], sink: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    from scipy.sparse import coo_matrix  # only here: it is slow to load
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(source), dtype=np.int8), (source, sink)), shape=(n, n))
    labels: npt.NDArray[np.int32] = connected_components(graph, directed=True, connection="strong")[1]
    return labels


def _positive_cycle(
    n: int, source: npt.NDArray[np.int64], sink: npt.NDArray[np.int64], weight: npt.NDArray[np.float64]
) -> list[int]:
    """Edges of a cycle with a positive sum of weights; empty where there is none (Bellman and Ford)."""
    longest = np.zeros(n)
    last_edge = np.full(n, -1)
    for _ in range(n + 1):
        reached = longest[source] + weight
        better = reached > longest[sink] + 1e-9
        if not better.any():
            return []
        # Of several edges into one node the longest wins: it is written last.
        candidates = np.flatnonzero(better)
        candidates = candidates[np.argsort(reached[candidates], kind="stable")]
        longest[sink[candidates]] = reached[candidates]
        last_edge[sink[candidates]] = candidates
        cycle = _cycle_of(last_edge, source, int(sink[candidates[-1]]))
        if cycle:
            return cycle
    return []


def _cycle_of(last_edge: npt.NDArray[np.int64], source: npt.NDArray[np.int64], node: int) -> list[int]:
    """The edges of the cycle that one gets into by following `last_edge` backwards from `node`, if there is one."""
    seen: dict[int, int] = {}
    path: list[int] = []
    while last_edge[node] >= 0:
        if node in seen:
            return path[seen[node] :]
        seen[node] = len(path)
        path.append(int(last_edge[node]))
        node = int(source[last_edge[node]])
    return []
