"""Which designs are picked, why, and what the ladder makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cost_models.evaluate import Context
from dse.arms import Arm
from dse.exact import exact_front
from dse.objectives import Goals
from dse.progress import Reporter
from dse.promotion import RungResult, check_rungs, promote
from dse.results import entries
from dse.shortlist import Pick, shortlist
from dse.space import DesignSpace
from spec.calibration import Measurement
from spec.design_point import DesignPoint
from spec.errors import FlexDSEError, InputError, UnknownNameError
from spec.exploration_result import FrontEntry
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION

OBJECTIVES = ("ttft_s", "tpot_s", "max_utilization")


@pytest.fixture(scope="module")
def small(
    space_of: Callable[[str, str], DesignSpace],
    part_of: Callable[..., DesignSpace],
    context_of: Callable[[DesignSpace, int, int], Context],
) -> tuple[Sequence[FrontEntry], Context]:
    space = part_of(space_of("smollm2-135m", "u280"), (8, 5, 8, 3), (40, 3), 2)
    arm = Arm(space, context_of(space, 128, 64))
    found = exact_front([arm], Goals.of(OBJECTIVES), Reporter(None, None, 1))
    return entries([arm], found.arm, found.prefill_index, found.decode_index)[0], arm.context


def test_picks_are_distinct_and_cover_the_ends(small: tuple[Sequence[FrontEntry], Context]) -> None:
    front, _ = small
    picks = shortlist(front, OBJECTIVES, 8)
    assert len(picks) == len({pick.index for pick in picks}) == 8
    assert picks[0].reason.startswith("knee")
    for name in OBJECTIVES:
        best = min(float(entry.metrics[name] or 0) for entry in front)
        assert any(front[pick.index].metrics[name] == best for pick in picks)
    assert [pick.index for pick in shortlist(front, OBJECTIVES, 3)] == [pick.index for pick in picks[:3]]
    everything = shortlist(front, OBJECTIVES, 10_000)
    assert sorted(pick.index for pick in everything) == list(range(len(front)))
    assert shortlist([], OBJECTIVES, 3) == shortlist(front, OBJECTIVES, 0) == []


def test_uncertain_designs_are_picked_where_bands_are_wide(small: tuple[Sequence[FrontEntry], Context]) -> None:
    front, _ = small
    picks = shortlist(front, OBJECTIVES, 8, {"ttft_s": 0.5, "tpot_s": 0.5, "max_utilization": 0.5})
    uncertain = [pick for pick in picks if pick.reason.startswith("uncertain")]
    assert uncertain
    pick = uncertain[0]
    mine = front[pick.index].metrics
    alike = sum(
        all(abs(float(e.metrics[n] or 0) - float(mine[n] or 0)) <= 0.5 * float(mine[n] or 0) for n in OBJECTIVES)
        for e in front
    )
    assert pick.reason == f"uncertain: {alike - 1} other designs are within the error band of it"


def measurement(design: DesignPoint, context: Context, measured: float) -> Measurement:
    return Measurement(
        provenance="timed_sim",
        device=context.device.name,
        model_version=MODEL_VERSION,
        timing_table_version=DEFAULT_TIMING_TABLE.version,
        design_key=design.canonical_key(),
        stage="decode",
        module=None,
        metric="latency_s",
        predicted=1.0,
        measured=measured,
        source="a test",
    )


def test_ladder_takes_survivors_within_the_budgets(small: tuple[Sequence[FrontEntry], Context]) -> None:
    front, context = small
    picks = shortlist(front, OBJECTIVES, 5)
    asked: list[tuple[str, str]] = []

    def csim(design: DesignPoint) -> RungResult:
        asked.append(("csim", design.canonical_key()))
        if len(asked) == 2:
            raise FlexDSEError("the compiler died")
        return RungResult(len(asked) != 1, "said")

    def timed(design: DesignPoint) -> RungResult:
        asked.append(("timed_sim", design.canonical_key()))
        return RungResult(True, "measured", (measurement(design, context, 1.25),))

    done = promote(
        front, picks, Goals.of(OBJECTIVES), context, {"csim": 4, "timed_sim": 1}, {"csim": csim, "timed_sim": timed}
    )
    assert [kind for kind, _ in asked] == ["csim"] * 4 + ["timed_sim"]
    assert asked[4][1] == front[picks[2].index].design.canonical_key()  # the first that survived
    assert [climb.survived for climb in done.climbs] == [False, False, True, True, True]
    assert done.climbs[1].rungs["csim"].detail == "the compiler died"
    assert done.climbs[4].rungs == {}  # beyond the budget
    assert done.calibration is not None
    assert set(done.after) <= set(done.before) == set(range(len(front)))
    for entry, metrics in zip(front, done.calibrated, strict=True):
        assert float(metrics["tpot_s"] or 0) > float(entry.metrics["tpot_s"] or 0)
        assert metrics["prefill_latency_s"] == entry.metrics["prefill_latency_s"]


def test_refused_designs_leave_the_front(small: tuple[Sequence[FrontEntry], Context]) -> None:
    """A rung that changes what the models read prices the front again, without any factor."""
    front, context = small

    def rung(design: DesignPoint) -> RungResult:
        return RungResult(design != front[3].design, "said", changes_models=True)

    done = promote(front, [Pick(3, ""), Pick(5, "")], Goals.of(OBJECTIVES), context, {"quality": 2}, {"quality": rung})
    assert set(done.before) - set(done.after) == {3}
    assert done.calibration is None
    assert [metrics["tpot_s"] for metrics in done.calibrated] == [entry.metrics["tpot_s"] for entry in front]


def test_nothing_measured_says_so(small: tuple[Sequence[FrontEntry], Context]) -> None:
    front, context = small
    done = promote(front, [Pick(0, "why")], Goals.of(OBJECTIVES), context, {"analytical": 1}, {})
    assert done.calibration is None
    assert done.before == done.after
    assert "measured" in str(done.reason)


def test_rungs_that_do_not_exist_are_refused_by_name() -> None:
    with pytest.raises(UnknownNameError, match="csim"):
        check_rungs(("cism",), {})
    with pytest.raises(InputError, match="post_route cannot run here: no Vivado"):
        check_rungs(("csim", "post_route"), {"post_route": "no Vivado"})
    with pytest.raises(InputError, match="order of the ladder"):
        check_rungs(("csynth", "csim"), {})
    check_rungs(("analytical", "quality", "csim", "csynth"), {})
