"""Fronts without what the floorplan refuses: equal to the front of the designs that are left, in every kind of search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dse.exact as exact_module
import dse.explore as explore_module
import dse.placed_front as placed_module
import dse.placement as placement_module
from dse.arms import Arm
from dse.exact import ExactSearch
from dse.explore import search
from dse.floorplan import plan_floorplan, settled
from dse.objectives import Goals
from dse.pareto import non_dominated
from dse.placed_front import Floorplanner, PlacedPart, placed_exact_front, refine_front
from dse.placement import Assignment, PlacementProblem
from dse.pricing import price
from dse.progress import Reporter
from dse.results import Placed
from dse.space import DesignSpace
from dse.unit_verdicts import UnitVerdicts
from spec.catalog import load_device, load_model
from spec.design_point import SystemChoices
from spec.exploration import ExplorationRequest
from spec.floorplan import FloorplanStatus
from spec.space_overrides import SpaceOverrides
from spec.workload import Workload

pytest.importorskip("ortools", reason="OR-Tools")

OBJECTIVES = ("ttft_s", "tpot_s", "energy_j_per_token", "max_utilization")
Pair = tuple[int, int]
SpaceOf = Callable[[str, str], DesignSpace]


def parts_of(pair: Pair) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("prefill", pair[0]), ("decode", pair[1])


@given(st.sets(st.integers(0, 7)), st.sets(st.integers(0, 7)), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_a_refined_front_is_the_front_of_what_can_be_placed(
    no_prefill: set[int], no_decode: set[int], random: object
) -> None:
    """Two stages of eight designs with random costs; truth: the front of the pairs of designs that are not refused."""
    cost = {pair: (random.random(), random.random()) for pair in np.ndindex(8, 8)}  # type: ignore[attr-defined]
    asked: list[tuple[str, int]] = []

    def front_without(cut: frozenset[tuple[str, int]]) -> list[Pair]:
        left = [pair for pair in cost if cut.isdisjoint(parts_of(pair))]
        return [
            a for a in left
            if not any(cost[b] != cost[a] and all(x <= y for x, y in zip(cost[b], cost[a], strict=True)) for b in left)
        ]  # fmt: skip

    def verdict(part: tuple[str, int]) -> FloorplanStatus:
        asked.append(part)
        return "refused" if part[1] in (no_prefill if part[0] == "prefill" else no_decode) else "placed"

    found = refine_front(front_without(frozenset()), parts=parts_of, verdict=verdict, solve_without=front_without)
    bad = frozenset([("prefill", i) for i in no_prefill] + [("decode", i) for i in no_decode])
    assert found.complete
    assert set(found.front) == set(front_without(bad))
    assert len(asked) == len(set(asked))
    assert found.refused <= bad
    assert set(found.verdicts) == {part for pair in found.front for part in parts_of(pair)}
    once = refine_front(
        front_without(frozenset()), parts=parts_of, verdict=verdict, solve_without=front_without, max_rounds=1
    )
    assert once.complete == (not once.refused)
    assert set(once.front) == {p for p in front_without(frozenset()) if bad.isdisjoint(parts_of(p))}


def test_unknown_points_are_kept_unless_only_placed_ones_count() -> None:
    kept = refine_front([1, 2], parts=lambda p: (p,), verdict=lambda p: "unknown", solve_without=lambda cut: [])
    assert kept.front == (1, 2)
    assert kept.rounds == 1
    strict = refine_front(
        [1, 2], parts=lambda p: (p,), verdict=lambda p: "unknown", solve_without=lambda cut: [],
        accept=frozenset({"placed"}),
    )  # fmt: skip
    assert strict.front == ()
    assert strict.refused == {1, 2}


def test_a_cut_design_that_comes_back_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="on the front again"):
        refine_front([1], parts=lambda p: (p,), verdict=lambda p: "refused", solve_without=lambda cut: [1])


class Strict(Floorplanner):
    """Refuses a third of all parts, whatever they are."""

    def verdict(self, part: PlacedPart) -> FloorplanStatus:
        return "refused" if hash((part.arm, part.prefill, part.decode)) % 3 == 0 else "placed"


@pytest.mark.parametrize(
    ("deployment", "reserve_bytes"), [("two_bitstreams", 1 << 28), ("two_bitstreams", 0), ("co_resident", 1 << 28)]
)
def test_cut_designs_leave_the_exact_front_of_the_rest(
    space_of: SpaceOf, part_of: Callable[..., DesignSpace], context_of: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch, deployment: str, reserve_bytes: int,
) -> None:  # fmt: skip
    """Against every pair priced, less those with a refused part; co-resident pairs are judged as a whole. With and without
    room for what the stage fronts dropped.
    """
    monkeypatch.setattr("dse.reserve.MAX_RESERVE_BYTES", reserve_bytes)
    priced: list[int] = []
    summaries = exact_module._summaries
    monkeypatch.setattr(
        exact_module, "_summaries", lambda arm, stage, index: priced.append(len(index)) or summaries(arm, stage, index)
    )
    part = part_of(space_of("smollm2-135m", "u280"), (4, 3, 4, 2), (10, 2), 6, 2)
    space = replace(part, system=SystemChoices(deployment=deployment))  # type: ignore[arg-type]
    arm, goals, reporter = Arm(space, context_of(space, 512, 512)), Goals.of(OBJECTIVES), Reporter(None, None, 1)  # type: ignore[arg-type]
    planner = Strict([arm], reporter)
    found, check = placed_exact_front(ExactSearch([arm], goals, reporter), planner)
    assert check.cut > 0
    assert check.rounds > 1
    assert check.complete
    sizes = (space.prefill.size, space.decode.size)
    if reserve_bytes:
        assert max(priced[2:], default=0) < min(sizes)  # after each stage once: what stands on its front again
    else:
        assert sum(priced) >= sum(sizes) + min(sizes)  # the stage that lost designs, anew
    p, d = np.divmod(np.arange(space.size), space.decode.size)
    costs = price(space, p, d, arm.context)
    stands = costs.feasible & np.array(
        [
            all(planner.verdict(one) == "placed" for one in planner.parts((0, int(a), int(b))))
            for a, b in zip(p, d, strict=True)
        ]
    )
    values = goals.minimised(costs)[stands]
    truth = np.unique(values[non_dominated(values)], axis=0)
    ours = np.unique(found.values * goals.signs, axis=0)
    if deployment == "two_bitstreams":
        assert np.array_equal(ours, truth)
        assert sum(one.pruned for one in found.proof().pruned if "SLR" in one.bound) > 0
        assert found.pair_gap is None
    else:  # whatever is shown stands and is on the front of what the stage fronts leave; the gap is stated
        pairs = set(zip(found.prefill_index.tolist(), found.decode_index.tolist(), strict=True))
        assert all(planner.verdict(PlacedPart(0, a, b)) == "placed" for a, b in pairs)
        assert "cut pair" in (found.pair_gap or "")


@pytest.fixture
def space(space_of: SpaceOf, part_of: Callable[..., DesignSpace], monkeypatch: pytest.MonkeyPatch) -> DesignSpace:
    part = part_of(space_of("smollm2-135m", "u280"), (20, 6, 20, 5), (250, 4), 1)
    monkeypatch.setattr(explore_module, "design_space", lambda *_: part)
    return part


def request(method: str, **more: object) -> ExplorationRequest:
    return ExplorationRequest(
        model=load_model("smollm2-135m"), device=load_device("u280"),
        workload=Workload(prompt_tokens=512, output_tokens=128), objectives=OBJECTIVES, method=method, budget=400,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def test_every_design_of_a_front_has_a_floorplan(space: DesignSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    """by the solver itself, at caps so tight that designs are refused; exact and sampled fronts alike."""
    monkeypatch.setattr("cost_models.slr.SLL_CAP", 0.33)
    monkeypatch.setattr("dse.floorplan.SLL_CAP", 0.33)
    monkeypatch.setattr(placed_module, "_VERDICTS", type(placed_module._VERDICTS)())
    for method in ("exact", "nsga2"):
        result = search(request(method)).result
        check = result.record.floorplan
        assert check is not None
        assert check.parts == check.placed + check.within_band + check.unknown
        for entry in result.front[:: max(1, len(result.front) // 4)]:
            plan = plan_floorplan(entry.design, space.model, space.device, result.request.workload, optimise=False)
            assert plan.status != "refused"
        if method == "exact":
            assert check.cut > 0
        assert result.record.hypervolume_ratio is not None
        assert result.record.hypervolume_ratio <= 1 + 1e-12


def test_switched_off_and_without_the_solver_the_record_says_so(
    space: DesignSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = search(request("exact", floorplan=False)).result.record
    assert off.floorplan is None
    assert off.missing["floorplan"] == "not asked for"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    without = search(request("exact")).result.record
    assert without.floorplan is None
    assert "pip install ortools" in without.missing["floorplan"]


def test_a_part_is_solved_once_in_a_process(space: DesignSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    search(request("exact", seed=3))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("solved again")

    monkeypatch.setattr("dse.unit_verdicts.UnitVerdicts.verdict", never)
    again = search(request("exact", seed=4)).result.record.floorplan
    assert again is not None
    assert again.parts > 0


class Ticks:
    """A processor clock that goes on by a second each time somebody looks."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


def test_what_the_time_does_not_reach_is_kept_and_said(space: DesignSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the check, the gap and the proof; an unlimited check of the same front has no gap."""
    whole = search(request("exact")).result.record
    assert whole.gap is None
    assert whole.floorplan is not None
    assert (whole.floorplan.unchecked, whole.floorplan.limit_reached) == (0, False)
    monkeypatch.setattr(placed_module, "_VERDICTS", type(placed_module._VERDICTS)())
    monkeypatch.setattr(placed_module, "processor_s", Ticks())
    record = search(request("exact", floorplan_limit_s=6.0)).result.record
    check = record.floorplan
    assert check is not None
    assert (check.limit_s, check.limit_reached, check.complete) == (6.0, True, True)
    assert 0 < check.parts - check.unchecked < 7
    assert check.unknown == check.unchecked
    said = f"{check.unchecked:,} of the {check.parts:,} bitstreams of the front are kept unchecked"
    assert record.gap is not None
    assert record.gap.startswith(said)
    assert record.proof is not None
    assert f"{check.placed} placed, {check.unchecked} not checked" in record.proof.statement


def test_no_time_to_solve_again_leaves_refused_designs_out(
    space_of: SpaceOf, part_of: Callable[..., DesignSpace], context_of: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    part = part_of(space_of("smollm2-135m", "u280"), (4, 3, 4, 2), (10, 2), 6, 2)
    arm, goals, reporter = Arm(part, context_of(part, 512, 512)), Goals.of(OBJECTIVES), Reporter(None, None, 1)  # type: ignore[arg-type]
    planner = Strict([arm], reporter, limit_s=0.4)
    monkeypatch.setattr(placed_module, "processor_s", Ticks())
    whole = ExactSearch([arm], goals, reporter).front()
    found, check = placed_exact_front(ExactSearch([arm], goals, reporter), planner)
    assert (check.complete, check.limit_reached, check.rounds) == (False, True, 1)
    shown, all_of_it = (
        set(zip(f.prefill_index.tolist(), f.decode_index.tolist(), strict=True)) for f in (found, whole)
    )
    stands = {pair for pair in all_of_it if all(planner.verdict(p) == "placed" for p in planner.parts((0, *pair)))}
    assert shown == stands < all_of_it
    assert "without solving again" in (Placed(check).gap or "")


@pytest.mark.parametrize("deployment", ["two_bitstreams", "co_resident"])
def test_verdicts_are_those_of_the_solver(
    space_of: SpaceOf, part_of: Callable[..., DesignSpace], context_of: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch, deployment: str,
) -> None:  # fmt: skip
    """At caps between what all and what none of the designs hold; truth: CP-SAT alone, design by design."""
    part = part_of(space_of("smollm2-135m", "u280"), (3, 2, 3, 2), (30, 2), 3)
    space = replace(part, system=SystemChoices(deployment=deployment))  # type: ignore[arg-type]
    arm = Arm(space, context_of(space, 512, 128))  # type: ignore[arg-type]
    rng = np.random.default_rng(7)
    pairs = list(zip(rng.integers(space.prefill.size, size=3), rng.integers(space.decode.size, size=3), strict=True))
    seen = set()
    for wires in (0.70, 0.335, 0.0):
        monkeypatch.setattr("dse.floorplan.SLL_CAP", wires)
        verdicts = UnitVerdicts(arm)
        for prefill, decode in pairs:
            groups = [[("prefill", int(prefill))], [("decode", int(decode))]]
            stages = [groups[0] + groups[1]] if deployment == "co_resident" else groups
            for group in stages:
                units = [verdicts._units_of(stage, index).units for stage, index in group]  # type: ignore[arg-type]
                truth, _ = settled(units, space.device, None, solver_alone)
                assert verdicts.verdict(group) == truth  # type: ignore[arg-type]
                seen.add(truth)
    assert {"placed", "refused"} <= seen


def solver_alone(problem: PlacementProblem) -> Assignment:
    model = placement_module._Model(problem)
    model.limit_everything()
    outcome, regions, _ = model.solve(20.0)
    return Assignment(outcome, regions)


def test_a_half_that_stands_nowhere_takes_its_pairs_along(
    space_of: SpaceOf, part_of: Callable[..., DesignSpace], context_of: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A co-resident front is closed as that of two bitstreams is: what the refused stage designs had beaten comes back."""
    part = part_of(space_of("smollm2-135m", "u280"), (4, 3, 4, 2), (10, 2), 6, 2)
    space = replace(part, system=SystemChoices(deployment="co_resident"))
    arm, goals, reporter = Arm(space, context_of(space, 512, 512)), Goals.of(OBJECTIVES), Reporter(None, None, 1)  # type: ignore[arg-type]

    def refused(stage: str, index: np.ndarray) -> np.ndarray:
        """A third of the designs, by what a floorplan depends on: not by the clock."""
        columns = (space.prefill if stage == "prefill" else space.decode).columns(index)
        return np.asarray(sum(column for name, column in columns.items() if name != "clock_mhz") % 3 == 1)

    def verdict(_: UnitVerdicts, stages: list[tuple[str, int]]) -> FloorplanStatus:
        return "refused" if any(refused(stage, np.array([index]))[0] for stage, index in stages) else "placed"

    monkeypatch.setattr("dse.unit_verdicts.UnitVerdicts.verdict", verdict)
    monkeypatch.setattr(placed_module, "_VERDICTS", type(placed_module._VERDICTS)())
    found, check = placed_exact_front(ExactSearch([arm], goals, reporter), Floorplanner([arm], reporter))
    p, d = np.divmod(np.arange(space.size), space.decode.size)
    costs = price(space, p, d, arm.context)
    values = goals.minimised(costs)[costs.feasible & ~refused("prefill", p) & ~refused("decode", d)]
    truth = np.unique(values[non_dominated(values)], axis=0)
    assert np.array_equal(np.unique(found.values * goals.signs, axis=0), truth)
    assert check.cut > 0
    assert check.parts == len(found.values)
    assert found.pair_gap is None


def test_schemes_are_told_apart(space_of: SpaceOf, part_of: Callable[..., DesignSpace]) -> None:
    """The same parameters at other widths are other designs."""
    wanted = request(
        "exact",
        space=SpaceOverrides(
            quant_schemes=("w4a4kv8", "w8a8kv8"),
            fix={"prefill.token_parallelism": 8, "prefill.key_parallelism": 8, "decode.block_parallelism": 16},
        ),
    )
    arms = explore_module.search_arms(wanted)
    planner = Floorplanner(arms, Reporter(None, None, 1))
    assert len(set(planner._inputs)) == 2
