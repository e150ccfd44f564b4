"""The critical cycle against every simple cycle of small random graphs."""

from __future__ import annotations

import itertools
import random

import pytest

from hls_gen.intervals.recurrence import Edge, critical_cycle, whole_interval


def largest_ratio(edges: list[Edge]) -> float | None:
    """Sum of delays / sum of distances, the largest over all simple cycles."""
    nodes = sorted({n for edge in edges for n in (edge.source, edge.sink)})
    best = None
    for length in range(1, len(nodes) + 1):
        for path in itertools.permutations(nodes, length):
            if path[0] != min(path):
                continue
            hops = [[e for e in edges if (e.source, e.sink) == pair] for pair in itertools.pairwise([*path, path[0]])]
            for choice in itertools.product(*hops):
                distance = sum(edge.distance for edge in choice)
                if distance:
                    ratio = sum(edge.delay for edge in choice) / distance
                    best = ratio if best is None else max(best, ratio)
    return best


@pytest.mark.parametrize("seed", range(40))
def test_critical_cycle_is_the_worst_of_all(seed: int) -> None:
    chance = random.Random(seed)
    n = chance.randint(1, 5)
    edges = []
    for _ in range(chance.randint(1, 9)):
        source, sink = chance.randrange(n), chance.randrange(n)
        # Within an iteration values flow forward only, as in code.
        distance = chance.choice([1, 1, 2, 5]) if sink <= source else chance.choice([0, 0, 0, 1])
        edges.append(Edge(source, sink, chance.choice([0.0, 0.25, 1.0, 4.0, 7.0]), distance))
    expected = largest_ratio(edges)
    found = critical_cycle(edges)
    if not expected:
        assert found is None or found.delay == 0
    else:
        assert found is not None
        assert found.delay / found.distance == pytest.approx(expected)


def test_whole_intervals() -> None:
    assert [whole_interval(cycles) for cycles in (0.0, 0.9, 1.0, 1.2, 1.5, 4.0, 4.1, 7 / 4)] == [1, 1, 1, 1, 2, 4, 4, 2]


def test_a_cycle_without_distance_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match="within one iteration"):
        critical_cycle([Edge(0, 1, 1.0, 0), Edge(1, 0, 1.0, 0), Edge(0, 0, 1.0, 1)])
