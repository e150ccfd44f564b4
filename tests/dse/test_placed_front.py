"""Fronts without what the floorplan refuses: equal to the front of the designs that are left, in every kind of search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dse.exact as exact_module
import dse.explore as explore_module
import dse.placed_front as placed_module
from dse.arms import Arm
from dse.exact import ExactSearch
from dse.explore import search
from dse.floorplan import plan_floorplan
from dse.objectives import Goals
from dse.pareto import non_dominated
from dse.placed_front import Floorplanner, PlacedPart, placed_exact_front, refine_front
from dse.pricing import price
from dse.progress import Reporter
from dse.space import DesignSpace
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

    monkeypatch.setattr(placed_module, "plan_floorplan", never)
    again = search(request("exact", seed=4)).result.record.floorplan
    assert again is not None
    assert again.parts > 0


def test_more_parts_than_one_exploration_plans(space: DesignSpace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placed_module, "MAX_PLANNED", 5)
    check = search(request("exact")).result.record.floorplan
    assert check is not None
    assert check.unchecked == check.parts - 5 == check.unknown


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
