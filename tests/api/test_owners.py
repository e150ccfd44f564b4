"""Ids of other users: whatever the contract lets one ask about a resource, another's is not there."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx

from api.openapi import openapi_text
from api.openapi_examples import BODIES

Check = Callable[..., Any]
V1 = "/api/v1"
SETTING = {"model": "llama-3.2-1b", "device": "u280", "workload": {"prompt_tokens": 128, "output_tokens": 128}}


def as_user(service: Any, owner: str) -> httpx.Client:
    key = service.client.post(f"{V1}/keys", json={"name": "test", "owner": owner}).json()["key"]
    return httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def all_kinds(service: Any, user: httpx.Client) -> dict[str, str]:
    """One resource of each kind; the values of the placeholders of the contract."""

    def post(path: str, body: dict[str, Any]) -> str:
        answer = user.post(path, json=body)
        assert answer.is_success, answer.text
        return str(answer.headers["Location"])

    def wait(path: str) -> dict[str, Any]:
        while (answer := user.get(path)).is_success and answer.json()["finished_at"] is None:
            time.sleep(0.1)  # the rate of one key is limited
        shown = dict(answer.json())
        assert shown.get("state") == "succeeded", shown
        return shown

    exploration = wait(post(f"{V1}/explorations", service.request()))
    project = wait(post(f"{V1}/projects", {**SETTING, "design": "flexllm-u280"}))
    run = wait(post(f"{V1}/projects/{project['id']}:csim", {}))
    post(f"{V1}/models", {**BODIES["upload_model"], "name": "hers"})
    post(f"{V1}/devices", {**user.get(f"{V1}/devices/u280").json(), "name": "hers"})
    priced = user.post(f"{V1}/designs:evaluate", json={**SETTING, "design": "flexllm-u280"}).json()
    versions = {name: priced[name] for name in ("model_version", "timing_table_version")}
    measurement = {**BODIES["create_calibration"]["measurements"][0], **versions}
    return {
        "exploration_id": exploration["id"],
        "job_id": project["job_id"],
        "project_id": project["id"],
        "run_id": run["id"],
        "report_id": user.get(f"{V1}/reports").json()["items"][0]["id"],
        "artifact_id": user.get(f"{V1}/artifacts").json()["items"][0]["id"],
        "sweep_id": post(f"{V1}/sweeps", {**BODIES["create_sweep"], "devices": ["u280"]}).rpartition("/")[2],
        "calibration_id": post(f"{V1}/calibrations", {"measurements": [measurement]}).rpartition("/")[2],
        "name": "hers",
        "index": "0",
        "row": "0",
        "path": "README.md",
    }


def test_what_is_another_users_is_not_there(service: Any, assert_problem: Check) -> None:
    alice, bob = as_user(service, "alice-of-all"), as_user(service, "bob-of-none")
    hers = all_kinds(service, alice)
    paths = json.loads(openapi_text())["paths"]
    tried = 0
    for template, operations in paths.items():
        if "{" not in template or "{key_id}" in template or template.startswith(f"{V1}/designs/"):
            continue
        path = re.sub(r"\{(\w+)\}", lambda found: hers[found.group(1)], template)
        for method, operation in operations.items():
            example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            body = None if method in ("get", "delete") else example if example is not None else {}
            query = {"x": "ttft_s", "y": "tpot_s"} if path.endswith("/density") else {}
            for who in (bob, service.client):
                assert_problem(who.request(method, path, json=body, params=query), 404, "not_found")
            tried += 1
    assert tried >= 40
    for kind in ("explorations", "projects", "jobs", "sweeps", "calibrations", "reports", "artifacts"):
        assert bob.get(f"{V1}/{kind}").json()["items"] == [], kind
    for resource in ("explorations/{exploration_id}", "projects/{project_id}", "artifacts/{artifact_id}"):
        assert alice.get(f"{V1}/{resource.format(**hers)}").status_code == 200


def test_an_idempotency_key_is_that_of_its_owner(service: Any) -> None:
    headers = {"Idempotency-Key": "shared"}
    answers = [
        as_user(service, owner).post(f"{V1}/explorations", json=service.request(), headers=headers)
        for owner in ("carol", "dave")
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] != answers[1].json()["id"]
