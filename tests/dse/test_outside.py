"""Designs of the catalog beside a front: an optimum is one of its space, and the space leaves designs out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cost_models.evaluate import Context
from cost_models.report import evaluate_point
from dse.arms import Arm
from dse.exact import exact_front
from dse.objectives import Goals
from dse.outside import LEFT_OUT, designs_outside, meeting_outside
from dse.progress import Reporter
from dse.record_text import outside_lines
from dse.results import entries
from dse.space import DesignSpace
from spec.catalog import load_device, load_model, load_published_design
from spec.design_point import DesignPoint
from spec.exploration import ExplorationRequest
from spec.exploration_result import ExplorationResult, OutsideDesign, SearchRecord
from spec.goals import parse_constraint

OBJECTIVES = ("ttft_s", "tpot_s", "energy_j_per_token", "max_utilization")


@pytest.fixture(scope="module")
def arm(
    space_of: Callable[[str, str], DesignSpace],
    part_of: Callable[..., DesignSpace],
    context_of: Callable[[DesignSpace, int, int], Context],
) -> Arm:
    part = part_of(space_of("llama-3.2-1b", "u280"), (4, 3, 4, 2), (12, 2), 6)
    return Arm(part, context_of(part, 1024, 1024))


def test_catalog_designs_are_held_against_the_front(arm: Arm) -> None:
    goals = Goals.of(OBJECTIVES, ("ttft_s <= 1.5",))
    front = exact_front([arm], Goals.of(OBJECTIVES), Reporter(None, None, 1)).values
    found = {one.name: one for one in designs_outside([arm], goals, front)}
    assert {"flexdse-u280", "flexllm-u280"} <= found.keys()
    assert not {"flexllm-v80", "flexllm-u280-hmt"} & found.keys()  # another card; a plug-in
    assert "flexllm-u280-wide" not in found  # does not fit
    for name, one in found.items():
        design = load_published_design(name).design
        metrics = evaluate_point(design, arm.context.model, arm.context.device, arm.context.workload).metrics
        assert one.metrics == metrics
        assert one.design_key == design.canonical_key()
        assert one.meets_constraints == (metrics["ttft_s"] <= 1.5)  # type: ignore[operator]
        mine = [metrics[objective] for objective in OBJECTIVES]
        beaten = [row for row in front if all(m <= t for m, t in zip(mine, row, strict=True)) and mine != list(row)]  # type: ignore[operator]
        assert one.dominates == len(beaten)
        assert one.best_in == tuple(
            n for n, m, best in zip(OBJECTIVES, mine, front.min(axis=0), strict=True) if m < best
        )  # type: ignore[operator]
    assert {"ttft_s", "tpot_s"} <= set(found["flexdse-u280"].best_in)


def test_a_target_names_the_designs_outside_that_meet_it(arm: Arm) -> None:
    ours = evaluate_point(
        load_published_design("flexdse-u280").design, arm.context.model, arm.context.device, arm.context.workload
    ).metrics["decode_tokens_per_s"]
    assert ours is not None
    met = meeting_outside(arm, parse_constraint(f"decode_tokens_per_s >= {ours - 1}"))
    assert ("flexdse-u280", ours) in [(one["name"], one["value"]) for one in met]
    assert meeting_outside(arm, parse_constraint("decode_tokens_per_s >= 1e9")) == []


def test_a_design_of_the_space_is_not_outside(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    front = exact_front([arm], Goals.of(OBJECTIVES), Reporter(None, None, 1))
    inside = entries([arm], front.arm, front.prefill_index, front.decode_index)[0][0].design

    published = load_published_design("flexdse-u280")

    def listed(design: DesignPoint) -> int:
        monkeypatch.setattr("dse.outside.names", lambda _: ("one",))
        changed = published.model_copy(update={"design": design})
        monkeypatch.setattr("dse.outside.load_published_design", lambda _: changed)
        return len(designs_outside([arm], Goals.of(OBJECTIVES), front.values))

    assert listed(inside) == 0
    ports = inside.memory_map.ports
    swapped = inside.memory_map.model_copy(update={"ports": (*ports[1:], ports[0])})
    assert listed(inside.model_copy(update={"memory_map": swapped})) == 1  # the same knobs, ports of its own
    assert listed(published.design) == 1
    unmatched = designs_outside([arm], Goals.of(OBJECTIVES), np.zeros((0, 4)))[0]
    assert (unmatched.dominates, unmatched.best_in) == (0, ())  # of no design


def test_the_lines_below_a_front_name_what_is_ahead_of_it() -> None:
    request = ExplorationRequest.model_validate(
        {"model": load_model("llama-3.2-1b"), "device": load_device("u280"),
         "workload": {"prompt_tokens": 64, "output_tokens": 64}, "objectives": ("ttft_s", "tpot_s")}
    )  # fmt: skip
    ahead = OutsideDesign(name="ahead", title="", design_key="0", fit="within_band", meets_constraints=True,
                          metrics={"ttft_s": 0.5, "tpot_s": 0.002}, dominates=3, best_in=("tpot_s",))  # fmt: skip
    behind = ahead.model_copy(update={"name": "behind", "dominates": 0, "best_in": ()})
    unfit = ahead.model_copy(update={"name": "unfit", "meets_constraints": False})

    def lines(*outside: OutsideDesign) -> list[str]:
        record = SearchRecord.model_construct(outside=outside)
        return outside_lines(ExplorationResult.model_construct(request=request, front=(None,) * 7, record=record))

    assert lines(ahead, behind, unfit) == [
        (
            "outside this space: ahead of the catalog (ttft_s 0.5, tpot_s 0.002) is better than every design of the front "
            "in tpot_s and dominates 3 of its 7 designs; it fits, with a limit within the error band"
        ),
        LEFT_OUT,
    ]
    assert lines(behind, unfit) == []
