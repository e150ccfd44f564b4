"""Explaining and comparing designs over HTTP: what the commands print, and scopes that fit questions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from api.access.scopes import Scope, is_change, needed_scope
from flexdse.application import app

Check = Callable[..., Any]
V1 = "/api/v1"
WORKLOAD = {"prompt_tokens": 256, "output_tokens": 256}
SETTING: dict[str, Any] = {"model": "llama-3.2-1b", "device": "u280", "workload": WORKLOAD}
ARGUMENTS = [
    "--model",
    "llama-3.2-1b",
    "--device",
    "u280",
    "--prompt-tokens",
    "256",
    "--output-tokens",
    "256",
    "--json",
]


def printed(*command: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*command, *ARGUMENTS])
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_explanation_is_that_of_the_command(service: Any) -> None:
    body = {"design": "flexllm-u280", **SETTING, "metrics": ["ttft_s", "tpot_s"], "target": "tpot_s <= 0.02"}
    answer = service.client.post(f"{V1}/designs:explain", json=body, timeout=300)
    assert answer.status_code == 200, answer.text
    said = printed(
        "explain", "--design", "flexllm-u280", "--metrics", "ttft_s,tpot_s", "--target", "tpot_s <= 0.02"
    )  # fmt: skip
    assert answer.json() == said
    assert answer.json()["target"]["met"] is True


def test_comparison_is_that_of_the_command(service: Any) -> None:
    body = {"first": "flexllm-u280", "second": "flexllm-u280-wide", **SETTING}
    answer = service.client.post(f"{V1}/designs:compare", json=body, timeout=300)
    assert answer.status_code == 200, answer.text
    assert answer.json() == printed("explain", "--design", "flexllm-u280", "--against", "flexllm-u280-wide")


def test_references_are_listed_and_compared_with(service: Any, assert_problem: Check) -> None:
    listed = service.client.get(f"{V1}/references").json()["items"]
    assert "a100-bf16" in {one["name"] for one in listed}
    assert all(one["provenance"] for one in listed)
    body = {"design": "flexllm-u280", **SETTING, "reference": "a100-bf16"}
    answer = service.client.post(f"{V1}/designs:compare-reference", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == printed("compare", "--design", "flexllm-u280", "--reference", "a100-bf16")
    post = service.client.post
    assert_problem(post(f"{V1}/designs:compare-reference", json={**body, "reference": "a10"}), 422, "unknown_name")
    assert_problem(
        post(f"{V1}/designs:compare-reference", json={**body, "model": "smollm2-135m"}), 422, "bad_input", "model"
    )


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"metrics": ["speed"]}, "unknown_name", "metrics"),
        ({"target": "tpot_s < many"}, "bad_input", None),
        ({"design": "flexllm"}, "unknown_name", None),
        ({"workload": {"prompt_tokens": 0, "output_tokens": 1}}, "bad_input", "workload.prompt_tokens"),
    ],
)
def test_what_cannot_be_explained(
    service: Any, assert_problem: Check, changes: dict[str, Any], code: str, field: str | None
) -> None:
    body = {"design": "flexllm-u280", **SETTING, **changes}
    assert_problem(service.client.post(f"{V1}/designs:explain", json=body), 422, code, field)


def test_questions_need_no_right_to_change() -> None:
    for name in ("evaluate", "explain", "compare", "compare-reference"):
        path = f"{V1}/designs:{name}"
        assert (needed_scope("POST", path), is_change("POST", path)) == (Scope.READ, False)
    assert needed_scope("POST", f"{V1}/explorations") is Scope.WRITE


def test_calibration_is_applied_by_id(service: Any, assert_problem: Check) -> None:
    evaluate, post = f"{V1}/designs:evaluate", service.client.post
    plain = post(evaluate, json={"design": "flexllm-u280", **SETTING}).json()
    measured = [
        {
            "provenance": "post_route",
            "device": "u280",
            "model_version": plain["model_version"],
            "timing_table_version": plain["timing_table_version"],
            "design_key": f"{number:016x}",
            "stage": "decode",
            "module": None,
            "metric": "dsp",
            "predicted": 1000.0 + number,
            "measured": 1.25 * (1000.0 + number),
            "source": "a test",
        }
        for number in range(12)
    ]
    made = post(f"{V1}/calibrations", json={"name": "c", "measurements": measured})
    assert made.status_code == 201, made.text
    calibration = made.json()["id"]
    body = {"design": "flexllm-u280", **SETTING, "calibration": calibration}
    corrected = post(evaluate, json=body)
    assert corrected.status_code == 200, corrected.text
    dsp = [one["decode"]["resources"]["dsp"] for one in (plain, corrected.json())]
    assert dsp[1] == pytest.approx(1.25 * dsp[0], rel=0.02)
    # A batch is corrected as its designs are.
    columns = {"design": "flexllm-u280", **SETTING, "columns": {"prefill.token_parallelism": [8]}}
    batches = [post(evaluate, json={**columns, **more}).json() for more in ({}, {"calibration": calibration})]
    values = [batch["columns"]["decode_dsp"][0] for batch in batches]
    assert values[1] == pytest.approx(1.25 * values[0], rel=0.02)
    assert_problem(post(evaluate, json={**body, "calibration": "none"}), 422, "bad_input", "calibration")


def test_floorplan_on_request(service: Any, assert_problem: Check) -> None:
    body = {"design": "flexllm-u280", **SETTING}
    evaluate = f"{V1}/designs:evaluate"
    without = service.client.post(evaluate, json=body).json()
    assert (without["floorplan"], without["floorplan_missing"]) == (None, "not asked for")
    answer = service.client.post(evaluate, json={**body, "floorplan": True}, timeout=300)
    assert answer.status_code == 200, answer.text
    assert answer.json()["floorplan"]["status"] in ("placed", "within_band", "refused", "unknown")
    batch = {**body, "columns": {"prefill.token_parallelism": [8]}, "floorplan": True}
    assert_problem(service.client.post(evaluate, json=batch), 422, "bad_input", "floorplan")
