"""The max-plus solver against an oracle that steps cycle by cycle, and its laws."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hls_gen.simulate.solve import ITERATION_CYCLES, REGION_CYCLES, Solution, smallest_depths, solve
from tests.simulate.network import Loop, Network, random_network, stepped_cycles

pytestmark = pytest.mark.needs_program("clang++-16")

LONG = 1 << 30


def solved(tmp_path: Path, network: Network, depths: list[int] | None = None) -> Solution:
    trace, schedule = tmp_path / "trace", tmp_path / "schedule"
    trace.write_text(network.trace())
    extra = "".join(f"depth {i} {d}\n" for i, d in enumerate(depths or []))
    schedule.write_text(network.schedule() + extra)
    return solve(trace, schedule, time.monotonic() + 600)[0]


def test_random_networks_take_the_cycles_of_the_oracle(tmp_path: Path) -> None:
    """Chains, trees and reconverging paths with back-pressure; some deadlock, for the oracle and for the solver."""
    rng = np.random.default_rng(11)
    ran, stopped = 0, 0
    for _ in range(80):
        network = random_network(rng)
        expected = stepped_cycles(network)
        found = solved(tmp_path, network).cycles
        assert found == (None if expected is None else expected + REGION_CYCLES), network
        ran += expected is not None
        stopped += expected is None
    assert ran > 40, "most networks run"
    assert stopped > 5, "and some stop"


def test_the_places_that_a_schedule_uses_are_enough_for_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for _ in range(12):
        network = random_network(rng)
        solution = solved(tmp_path, network)
        if solution.cycles is None:
            continue
        (region,) = solution.regions.values()
        used = [1] * len(network.depths)
        for stream in region.streams:
            used[stream.number] = stream.places
        assert all(u <= d for u, d in zip(used, network.depths, strict=True))
        assert solved(tmp_path, network, used).cycles == solution.cycles


def test_smallest_depths_lose_nothing_and_any_smaller_one_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for _ in range(6):
        network = random_network(rng)
        best = solved(tmp_path, network, [LONG] * len(network.depths)).cycles
        assert best is not None, "a network without circles stops only for want of places"
        groups = [[i] for i in range(len(network.depths))]
        cycles, depths = smallest_depths(tmp_path / "trace", tmp_path / "schedule", groups, time.monotonic() + 600)
        assert cycles == best == solved(tmp_path, network, depths).cycles
        for i, depth in enumerate(depths):
            if depth > 1:
                fewer = [d - (j == i) for j, d in enumerate(depths)]
                assert solved(tmp_path, network, fewer).cycles != best, (network, depths, i)


def test_an_array_of_fifos_gets_the_smallest_depth_of_all_its_members(tmp_path: Path) -> None:
    """FIFOs of a group have one depth: with all groups at theirs no cycle is lost, and with one less of any group some are."""
    rng = np.random.default_rng(4)
    for _ in range(8):
        network = random_network(rng)
        members = len(network.depths)
        best = solved(tmp_path, network, [LONG] * members).cycles
        count = max(1, members // 2)
        groups = [[i for i in range(members) if i % count == g] for g in range(count)]
        _, depths = smallest_depths(tmp_path / "trace", tmp_path / "schedule", groups, time.monotonic() + 600)
        assert solved(tmp_path, network, [depths[i % count] for i in range(members)]).cycles == best
        for g in range(count):
            for less in range(1, depths[g]):  # brute force: every one that is smaller
                fewer = [less if i % count == g else depths[i % count] for i in range(members)]
                assert solved(tmp_path, network, fewer).cycles != best, (network, groups, depths, g, less)


def test_more_depth_never_costs_and_flushing_never_costs(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        network = random_network(rng)
        cycles = [solved(tmp_path, network, [k * d for d in network.depths]).cycles for k in (1, 2, 4)]
        known = [c for c in cycles if c is not None]
        assert known == sorted(known, reverse=True)
        assert cycles[: len(cycles) - len(known)] == [None] * (len(cycles) - len(known)), "deeper does not stop"
        flushing = Network(network.depths, [[replace(x, flushes=True) for x in p] for p in network.processes])
        flushed = solved(tmp_path, flushing).cycles
        if cycles[0] is not None:
            assert flushed is not None
            assert flushed <= cycles[0]


def test_a_stalled_pipeline_keeps_what_a_flushing_one_gives(tmp_path: Path) -> None:
    """The third process joins a stream with its delayed copy. What the second holds back stops them all where the FIFO of
    the short way has fewer places than that; a pipeline that flushes holds nothing back."""
    pair = ((0, True, 0), (1, True, 0))
    delayed = Loop(6, 1, 9, (((0, False, 0), (2, True, 8)),))
    join = Loop(6, 1, 1, (((2, False, 0), (1, False, 0)),))
    network = Network([2, 2, 2], [[Loop(6, 20, 1, (pair,))], [delayed], [join]])
    assert solved(tmp_path, network).cycles is None is stepped_cycles(network)
    flushing = Network(network.depths, [network.processes[0], [replace(delayed, flushes=True)], [join]])
    cycles = solved(tmp_path, flushing).cycles
    assert cycles is not None
    assert 5 * 20 + 8 < cycles <= 5 * 20 + 8 + 10, "each word leaves 8 cycles after it came"


def test_a_deadlock_names_the_ring(tmp_path: Path) -> None:
    """The writer fills one FIFO while the reader waits for the other."""
    network = Network([2, 2])
    network.processes = [
        [Loop(8, 1, 2, (((0, True, 1),),)), Loop(8, 1, 2, (((1, True, 1),),))],
        [Loop(8, 1, 2, (((1, False, 0),),)), Loop(8, 1, 2, (((0, False, 0),),))],
    ]
    solution = solved(tmp_path, network)
    assert solution.cycles is None
    assert {(b.record, b.cause, b.stream, b.in_ring) for b in solution.blocked} == {
        (0, "full", 0, True),
        (1, "empty", 1, True),
    }
    assert solved(tmp_path, network, [8, 2]).cycles is not None, "deep enough for what the reader takes later"


def test_a_reader_of_too_many_words_is_told_from_a_ring(tmp_path: Path) -> None:
    network = Network([2])
    network.processes = [[Loop(3, 1, 1, (((0, True, 0),),))], [Loop(5, 1, 1, (((0, False, 0),),))]]
    (block,) = solved(tmp_path, network).blocked
    assert (block.record, block.cause, block.in_ring, block.other_has_ended) == (1, "empty", False, True)


def test_equal_regions_take_equally_long(tmp_path: Path) -> None:
    """What a region takes does not depend on what ran before it: it is solved once."""
    network = random_network(np.random.default_rng(1))
    once = solved(tmp_path, network)
    text = network.trace()
    top = next(line for line in text.splitlines() if line.startswith("top"))
    region = next(line.split()[1] for line in text.splitlines() if line.startswith("region"))
    body = int(top.split()[1])
    twice = text.replace(f"body {body} 1 n{region}", f"body {body} 3 n{region} n{region} n{region}")
    assert twice != text
    (tmp_path / "trace").write_text(twice)
    solution, _ = solve(tmp_path / "trace", tmp_path / "schedule", time.monotonic() + 600)
    assert once.cycles is not None
    assert solution.cycles == 3 * once.cycles
    assert ITERATION_CYCLES == 1, "of the loop around regions, which is none here"


def test_the_critical_path_covers_every_cycle(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for _ in range(10):
        network = random_network(rng)
        solution = solved(tmp_path, network)
        if solution.cycles is None:
            continue
        (region,) = solution.regions.values()
        assert sum(cycles for _, _, cycles in region.critical) == region.cycles


def test_the_slow_process_is_the_critical_one(tmp_path: Path) -> None:
    network = Network([4, 4])
    network.processes = [
        [Loop(100, 1, 2, (((0, True, 1),),))],
        [Loop(100, 7, 3, (((0, False, 0), (1, True, 2)),))],
        [Loop(100, 1, 2, (((1, False, 0),),))],
    ]
    (region,) = solved(tmp_path, network).regions.values()
    kind, number, cycles = region.critical[0]
    assert (kind, number) == ("p", 1)
    assert cycles > 0.95 * region.cycles


def quiet_loops(tmp_path: Path, cycles: list[int], independent: list[tuple[int, int]], nested: bool = False) -> int:
    """Cycles of pipelined loops, one behind the other in the top function or in a loop of three iterations around them."""
    trace, schedule = tmp_path / "trace", tmp_path / "schedule"
    lines = [f"site {i} p {i + 2} f\tx.cpp\t" for i in range(len(cycles))]
    lines += ["body 0 0", f"body 1 {len(cycles)} " + " ".join(f"n{i}" for i in range(len(cycles)))]
    lines += [f"loop {i} {i} 1 1 1 0 {n}" for i, n in enumerate(cycles)]
    around = len(cycles)
    lines += [f"site {around} s 1 f\tx.cpp\t", f"loop {around} {around} 1 1 1 1 3", f"body 2 1 n{around}"]
    trace.write_text("\n".join([*lines, f"top {2 if nested else 1}"]) + "\n")
    rows = [f"site {i} p 1 1 0" for i in range(len(cycles))] + [f"independent {a} {b}" for a, b in independent]
    schedule.write_text("\n".join(rows) + "\n")
    found = solve(trace, schedule, time.monotonic() + 600)[0].cycles
    assert found is not None
    return found


def test_loops_that_do_not_wait_for_each_other_take_the_longest_way(tmp_path: Path) -> None:
    """Loops of n iterations take n + 2 cycles, 1 to enter and 1 to leave. The third needs the first two, the fourth the first."""
    lengths = [100, 30, 50, 200]
    alone = [n + 2 for n in lengths]
    assert quiet_loops(tmp_path, lengths, []) == sum(alone)
    assert quiet_loops(tmp_path, lengths, [(0, 1)]) == max(alone[:2]) + alone[2] + alone[3]
    free = [(0, 1), (1, 3), (2, 3)]
    once = max(max(alone[:2]) + alone[2], alone[0] + alone[3])
    assert quiet_loops(tmp_path, lengths, free) == once
    # A loop around them takes a cycle an iteration and one for the last test.
    assert quiet_loops(tmp_path, lengths, free, nested=True) == 3 * (once + ITERATION_CYCLES) + ITERATION_CYCLES
