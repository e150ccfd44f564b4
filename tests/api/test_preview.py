"""What an exploration would search: against the space itself, and against what a submit says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.explorations.estimate import estimate
from db.repositories.explorations import FinishedSearch
from dse.space import design_space
from spec import catalog
from spec.scheme_names import scheme_named
from spec.space_overrides import SpaceOverrides

Check = Callable[..., Any]
COLLECTION = "/api/v1/explorations"
REQUEST: dict[str, Any] = {
    "model": "llama-3.2-1b",
    "device": "u280",
    "workload": {"prompt_tokens": 128, "output_tokens": 128},
    "space": {
        "fix": {"prefill.token_parallelism": 8, "prefill.key_parallelism": 8, "decode.weight_parallelism": 64},
        "restrict": {"decode.block_parallelism": [8, 16], "prefill.ffn_weight_parallelism": [96, 192]},
        "quant_schemes": ["w4a4kv8", "w4a8kv8"],
        "deployments": ["two_bitstreams", "two_cards"],
    },
}


@pytest.mark.parametrize("method", ["exact", "random"])
def test_sizes_are_those_of_the_space(in_process: Callable[..., Any], method: str) -> None:
    client = in_process(authentication=False)
    shown = client.post(f"{COLLECTION}:validate", json={**REQUEST, "method": method, "budget": 321}).json()
    wanted = SpaceOverrides.model_validate(REQUEST["space"])
    model, device = catalog.load_model("llama-3.2-1b"), catalog.load_device("u280")
    spaces = [design_space(model, device, scheme_named(name), wanted) for name in wanted.quant_schemes]
    assert shown["prefill_designs"] == 2 * sum(space.prefill.size for space in spaces)
    assert shown["decode_designs"] == 2 * sum(space.decode.size for space in spaces)
    assert shown["legal_designs"] == 2 * sum(space.size for space in spaces)
    exact = shown["prefill_designs"] + shown["decode_designs"]
    assert shown["evaluations"] == (exact if method == "exact" else 321)
    assert shown["estimated_seconds"] > 0
    assert shown["estimated_floorplan_seconds"] > 0
    assert (shown["estimated_from"], shown["rate_from"]) == (0, 0)
    assert client.get(COLLECTION).json()["items"] == []  # nothing is stored


WRONG = [
    ({"budget": 0}, "bad_input", "budget"),
    ({"model": "lama-3.2-1b"}, "unknown_name", "model"),
    ({"model": 5}, "bad_input", "model"),
    ({"objectives": [5]}, "bad_input", "objectives[0]"),
    ({"space": {"fix": {"prefill.token_parallelism": 7}}}, "bad_input", "space.fix.prefill.token_parallelism"),
    ({"space": {"fix": {"prefill.token_parallelizm": 8}}}, "unknown_name", "space.fix.prefill.token_parallelizm"),
    (
        {"space": {"fix": {"prefill.token_parallelism": 8}, "restrict": {"prefill.token_parallelism": [16]}}},
        "bad_input",
        "space",
    ),
]


@pytest.mark.parametrize(("changes", "code", "field"), WRONG)
def test_what_it_refuses_a_submit_refuses_alike(
    in_process: Callable[..., Any], assert_problem: Check, changes: dict[str, Any], code: str, field: str
) -> None:
    client = in_process(authentication=False)
    answers = [client.post(path, json=REQUEST | changes) for path in (f"{COLLECTION}:validate", COLLECTION)]
    error = assert_problem(answers[0], 422, code, field)
    assert len(answers[0].json()["errors"]) == 1
    assert not {"ModelConfig", "instance", "tuple"} & set(error["rule"].split())
    assert error["hint"]
    assert error["pointer"] == "/" + field.replace("space.fix.", "space/fix/").replace("[", "/").replace("]", "")
    assert answers[0].json() == answers[1].json()
    assert client.get("/api/v1/jobs").json()["items"] == []


def test_a_goal_without_a_value_is_told_before_a_job_fails_with_it(
    in_process: Callable[..., Any], assert_problem: Check
) -> None:
    client = in_process(authentication=False)
    body = {**REQUEST, "objectives": ["prefill_latency_s"], "workload": {"prompt_tokens": 1, "output_tokens": 8}}
    error = assert_problem(client.post(f"{COLLECTION}:validate", json=body), 422, "bad_input", "objectives")
    assert error["hint"] == "leave prefill_latency_s out"


def finished(method: str, seconds: float, designs: int, evaluations: int, floorplan_s: float = 0.0) -> FinishedSearch:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    record: dict[str, Any] = {"evaluations": evaluations, "stages": [{"legal_designs": designs // 2}] * 2}
    if floorplan_s:
        record["floorplan"] = {"seconds": floorplan_s}
    return FinishedSearch(method, record, began, began + timedelta(seconds=seconds))


def test_the_estimate_is_what_the_same_search_took_before() -> None:
    before = [finished("nsga2", 30.0, 100_000, 5_000)] * 3 + [finished("exact", 500.0, 1000, 1000)]
    found = estimate("nsga2", 100_000, 5_000, None, before)
    assert found.seconds == pytest.approx(30.0)
    assert (found.searches, found.of_rate, found.floorplan_s) == (3, 3, 0)
    # Of another method there is something to learn too: how slow this machine is.
    assert estimate("random", 100_000, 5_000, None, before).searches == 4
    alone = estimate("exact", 8_000_000, 1, 30.0, ())
    assert (alone.searches, alone.of_rate) == (0, 0)
    assert 5 < alone.seconds < 120


def test_small_searches_tell_the_start_and_not_the_rate() -> None:
    """Two corners of a space that took a minute, most of it floorplan: a hundred times the designs are no hour."""
    small = [finished("exact", 62.0, 48_864, 48_864, floorplan_s=52.5)] * 2
    found = estimate("exact", 4_816_128, 1, 30.0, small)
    start_s = 62.0 - 52.5
    assert found.floorplan_s == 52.5
    assert found.seconds - found.floorplan_s == pytest.approx(start_s + 4.8, abs=1.0)
    assert (found.searches, found.of_rate) == (2, 0)
    assert estimate("exact", 4_816_128, 1, None, small).seconds == pytest.approx(found.seconds - 52.5)
    assert estimate("exact", 4_816_128, 1, 1.0, small).floorplan_s == 2.0
    # A long one tells the rate: here a fifth of that of a common machine.
    both = [*small, finished("exact", start_s + 40.0, 8_000_000, 8_000_000)]
    found = estimate("exact", 4_816_128, 1, None, both)
    assert found.seconds == pytest.approx(start_s + 5 * 4.816, rel=0.05)
    assert found.of_rate == 1


def test_the_estimate_grows_with_the_work() -> None:
    for method in ("exact", "nsga2", "tpe", "plugin:mine"):
        some, more = (estimate(method, designs, 100, 30.0, ()).seconds for designs in (1000, 1_000_000))
        assert more > some
        if method != "exact":
            assert estimate(method, 1000, 10_000, 30.0, ()).seconds > some
