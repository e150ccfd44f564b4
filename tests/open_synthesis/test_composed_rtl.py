"""Composed units of RTL under Verilator against the timed simulation of the same C++; `make bench-rtl-truth` has all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hls_gen.simulate.rtl_truth import (
    CASES,
    CASES_FOLDER,
    Comparison,
    ComposedCase,
    RtlRun,
    rtl_cycles,
    simulated_cycles,
)

QUICK = ("fork_join_exact", "fork_join_deadlock")


@pytest.mark.needs_program("verilator", "g++", "clang++-16")
def test_back_pressure_and_a_deadlock_are_those_of_the_rtl(programs: Path) -> None:
    """A FIFO with just enough places costs the same cycles in both; with too few both stand still."""
    cases = [case for case in CASES if case.name in QUICK]
    runs = rtl_cycles(cases, programs)
    for case in cases:
        found = Comparison(case, runs[case.name], *simulated_cycles(case, programs))
        assert found.passed, found
        assert case.deadlocks or found.rtl.values == 120, found


def test_each_case_is_a_pair_of_files() -> None:
    assert {path.stem for path in CASES_FOLDER.iterdir()} == {case.unit for case in CASES}
    for case in CASES:
        assert f"module case_{case.unit} " in case.rtl, case
        assert "void top(" in case.body, case
        assert case.title.endswith("."), case


def test_what_counts_as_passed() -> None:
    """1 % or 2 cycles, equal values, and a deadlock only where one is meant."""
    runs, stops = ComposedCase("fork_join_exact"), ComposedCase("fork_join_deadlock", deadlocks=True)
    good = RtlRun(cycles=1000, values=10, differing=0, missing=0)
    assert Comparison(runs, good, 1010, "").passed
    assert not Comparison(runs, good, 1011, "").passed
    short = RtlRun(cycles=50, values=10, differing=0, missing=0)
    assert Comparison(runs, short, 48, "").passed
    assert not Comparison(runs, short, 47, "").passed
    assert not Comparison(runs, RtlRun(1000, 10, 1, 0), 1000, "").passed
    assert not Comparison(runs, RtlRun(1000, 10, 0, 1), 1000, "").passed
    assert not Comparison(runs, RtlRun(1000, 0, 0, 0), 1000, "").passed, "nothing was compared"
    assert not Comparison(runs, good, None, "deadlock").passed
    stuck = RtlRun(cycles=None, values=0, differing=0, missing=0)
    assert Comparison(stops, stuck, None, "deadlock").passed
    assert not Comparison(stops, good, None, "deadlock").passed
    assert not Comparison(stops, stuck, 400, "").passed
