"""The sweep file of the command line over REST: the same document, fed case by case within its window."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.job_state import JobState
from db.session import Database
from spec.sweep import SweepPlan
from workers.housekeeping import feed_sweeps

SWEEPS = "/api/v1/sweeps"
WORKLOAD = {"prompt_tokens": 64, "output_tokens": 8}
Check = Callable[..., Any]


@pytest.fixture
def client(in_process: Callable[..., TestClient]) -> TestClient:
    return in_process(authentication=False)


def sweep_file(**changes: Any) -> dict[str, Any]:
    """Two cases of a grid and a third one, as YAML would be read."""
    grid = {"models": ["smollm2-135m"], "devices": ["u280"], "workloads": [WORKLOAD], "seeds": [0, 1]}
    case = {"model": "smollm2-135m", "device": "u280", "workload": WORKLOAD, "method": "random", "seed": 7}
    return {"schema": "flexdse/sweep/v1", "name": "Night", "grid": grid, "cases": [case], **changes}


def window(opens_in_h: int, hours: int = 2) -> dict[str, Any]:
    start = datetime.now(UTC) + timedelta(hours=opens_in_h)
    end = start + timedelta(hours=hours)
    return {"time_zone": "UTC", "start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}


def database(client: TestClient) -> Database:
    found: Database = client.app.state.database  # type: ignore[attr-defined]
    return found


def end_one(client: TestClient, sweep_id: str, state: JobState) -> None:
    """Ends the oldest exploration of a sweep that has not ended."""
    with database(client).write() as work:
        job = work.jobs.claim(kinds=["explore"], queues=["search"], holder="test", lease=timedelta(minutes=5))
        assert job is not None
        assert job.id in work.sweeps.job_ids(sweep_id)
        assert work.jobs.finish(job.id, job.attempt, state, cause="test" if state is JobState.FAILED else None)


def test_cases_follow_one_another(client: TestClient) -> None:
    """As many at once as `concurrency` says, in the order of the file, each with the file's limits and budget."""
    body = sweep_file(concurrency=2, budget={"evaluations": 123, "case_s": 60.0}, priority=3)
    answer = client.post(SWEEPS, json=body)
    assert answer.status_code == 202, answer.text
    sweep = answer.json()
    assert (sweep["explorations"], sweep["waiting"], sweep["night"]) == ({"queued": 2}, 1, None)
    plan = SweepPlan.model_validate({name: value for name, value in body.items() if name != "priority"})
    assert sweep["document"] == plan.model_dump(mode="json", by_alias=True)
    assert feed_sweeps(database(client)) == 0
    end_one(client, sweep["id"], JobState.FAILED)
    assert feed_sweeps(database(client)) == 1
    assert feed_sweeps(database(client)) == 0
    shown = client.get(f"{SWEEPS}/{sweep['id']}").json()
    assert (shown["explorations"], shown["waiting"]) == ({"failed": 1, "queued": 2}, 0)
    rows = client.get(f"{SWEEPS}/{sweep['id']}/report").json()["rows"]
    assert [(row["method"], row["seed"]) for row in rows] == [("exact", 0), ("exact", 1), ("random", 7)]
    assert [row["name"] for row in rows] == [f"Night: {case.title}" for case in plan.all_cases()]
    listed = client.get("/api/v1/explorations", params={"sweep_id": sweep["id"]}).json()["items"]
    assert {one["budget"] for one in listed} == {123}
    jobs = [client.get(f"/api/v1/jobs/{one['job_id']}").json() for one in listed]
    assert {(job["priority"], job["limits"]["time_s"]) for job in jobs} == {(3, 60.0)}


def test_nothing_starts_outside_of_the_window(client: TestClient, assert_problem: Check) -> None:
    later = client.post(SWEEPS, json=sweep_file(window=window(3))).json()
    assert (later["explorations"], later["waiting"]) == ({}, 3)
    starts = datetime.fromisoformat(later["night"]["starts_at"])
    assert timedelta(hours=2, minutes=58) < starts - datetime.now(UTC) <= timedelta(hours=3)
    assert feed_sweeps(database(client)) == 0
    open_now = client.post(SWEEPS, json=sweep_file(window=window(-1))).json()
    assert (open_now["explorations"], open_now["waiting"]) == ({"queued": 1}, 2)
    spent = client.post(SWEEPS, json=sweep_file(window=window(-1), budget={"night_s": 60.0})).json()
    assert (spent["explorations"], spent["waiting"]) == ({}, 3)

    # What waits is cancelled with the rest, and keeps the sweep from being deleted.
    path = f"{SWEEPS}/{later['id']}"
    assert_problem(client.delete(path), 409, "conflict", "state")
    cancelled = client.post(f"{path}:cancel").json()
    assert (cancelled["explorations"], cancelled["waiting"], cancelled["night"]) == ({}, 0, None)
    assert_problem(client.post(f"{path}:cancel"), 409, "conflict", "state")
    assert client.delete(path).status_code == 204


def test_what_a_sweep_would_explore(client: TestClient, assert_problem: Check) -> None:
    found = client.post(f"{SWEEPS}:validate", json=sweep_file(window=window(3))).json()
    assert found["explorations"] == 3
    assert found["titles"][0].startswith("smollm2-135m on u280")
    assert found["night"]["starts_at"] < found["night"]["ends_at"]
    assert found["estimated_seconds"] > 0
    lists = {"name": "n", "models": ["smollm2-135m"], "devices": ["u280", "v80"], "workloads": [WORKLOAD]}
    assert client.post(f"{SWEEPS}:validate", json=lists).json()["explorations"] == 2
    assert client.get(SWEEPS).json()["items"] == []  # nothing is stored

    def post(**changes: Any) -> Any:
        return client.post(SWEEPS, json=sweep_file(**changes))

    assert_problem(post(budget={"night_s": 60.0}), 422, "bad_input", "budget.night_s")
    assert_problem(post(window={"start": "22:00", "end": "22:00"}), 422, "bad_input", "window.end")
    unknown = {**sweep_file()["grid"], "models": ["smolm2-135m"]}
    error = assert_problem(post(grid=unknown), 422, "unknown_name", "model")
    assert "smollm2-135m" in error["hint"]
    long = {**sweep_file()["grid"], "workloads": [{"prompt_tokens": 10**6, "output_tokens": 8}]}
    assert_problem(post(grid=long), 422, "bad_input", "workload")
    many = {**sweep_file()["grid"], "seeds": list(range(1001))}
    assert_problem(post(grid=many), 422, "bad_input", "grid")
    assert_problem(post(gird={}), 422, "bad_input", "gird")
