from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from api.explorations.schemas import Exploration, Front

COLLECTION = "/api/v1/explorations"


def test_submit_run_and_read_the_front(service: Any) -> None:
    answer = service.client.post(COLLECTION, json=service.request(0.3, seed=7, method="nsga2", budget=100))
    assert answer.status_code == 202
    accepted = answer.json()
    path = answer.headers["Location"]
    assert path == f"{COLLECTION}/{accepted['id']}"
    assert (accepted["state"], accepted["record"], accepted["front_size"]) == ("queued", None, None)
    done = service.wait(path)
    assert (done["state"], done["front_size"], done["error"], done["attempt"]) == ("succeeded", 3, None, 1)
    assert (done["seed"], done["method"], done["budget"]) == (7, "nsga2", 100)
    assert done["workload"] == {"prompt_tokens": 128, "output_tokens": 128, "batch": 1}
    assert done["progress"]["front"]
    assert done["created_at"] < done["started_at"] < done["finished_at"]
    Exploration.model_validate(done)

    front = service.client.get(f"{path}/front").json()
    Front.model_validate(front)
    assert list(front)[:4] == ["schema", "flexdse_version", "model_version", "timing_table_version"]
    assert front["objectives"] == ["ttft_s", "tpot_s", "energy_j_per_token", "max_utilization"]
    assert {"name": "ttft_s", "unit": "s", "sense": "min"}.items() <= front["metrics"][0].items()
    assert [entry["index"] for entry in front["entries"]] == [0, 1, 2]
    assert len({entry["key"] for entry in front["entries"]}) == 3
    assert front["missing"] == {"quality": "not modelled yet"}
    # What a quality rests on, as the evaluation of a design says it.
    report = service.client.get(f"{path}/front/0/report").json()
    assert front["qualities"] == {"w4a4kv8": report["quality"]}
    assert report["quality"]["kind"] == "published"


def test_report_of_a_design_of_the_front(service: Any, assert_problem: Callable[..., Any]) -> None:
    path = service.submit()
    service.wait(path)
    entry = service.client.get(f"{path}/front").json()["entries"][1]
    report = service.client.get(f"{path}/front/1/report").json()
    assert report["inputs"]["design_key"] == entry["key"]
    body = {"design": entry["design"], **{key: service.request()[key] for key in ("model", "device", "workload")}}
    assert service.client.post("/api/v1/designs:evaluate", json=body).json() == report
    error = assert_problem(service.client.get(f"{path}/front/3/report"), 404, "not_found", "index")
    assert error["rule"] == "from 0 to 2"
    assert_problem(service.client.get(f"{path}/front/-1/report"), 422, "bad_input", "index")


def test_how_a_search_went_is_kept(service: Any, assert_problem: Callable[..., Any]) -> None:
    path = service.submit(1.5)
    done = service.wait(path)
    shown = service.client.get(f"{path}/history").json()
    assert (shown["state"], shown["attempt"]) == ("succeeded", 1)
    columns = shown["columns"]
    assert len({len(column) for column in columns.values()}) == 1
    assert len(columns["seconds"]) >= 3
    assert columns["seconds"] == sorted(columns["seconds"])
    # The body says a front that grows by one design each step; the last point is the last that it said.
    assert columns["evaluations"][-1] == done["progress"]["evaluations"]
    assert columns["front_size"][-1] == done["progress"]["front_size"]
    (listed,) = [one for one in service.client.get(COLLECTION).json()["items"] if one["id"] == done["id"]]
    assert (listed["designs_per_s"], listed["feasible_fraction"], listed["hypervolume"]) == (2000.0, 0.5, 0.5)
    waiting = service.submit(20)
    assert service.client.get(waiting).json()["best"] is None
    service.client.post(f"{waiting}:cancel")
    service.wait(waiting)
    assert_problem(service.client.get(f"{COLLECTION}/0000/history"), 404, "not_found", "exploration_id")


def test_front_before_the_end_is_empty(service: Any) -> None:
    path = service.submit(20)
    front = service.client.get(f"{path}/front").json()
    assert front["entries"] == []
    assert front["state"] in ("queued", "running")
    service.client.post(f"{path}:cancel")
    service.wait(path)


def test_whole_documents_instead_of_names(service: Any) -> None:
    model = service.client.get("/api/v1/models/smollm2-135m").json()
    device = service.client.get("/api/v1/devices/u55c").json()
    path = service.submit(model={**model, "name": "my-model"}, device={**device, "name": "my-card"})
    done = service.wait(path)
    assert (done["model"], done["device"], done["state"]) == ("my-model", "my-card", "succeeded")


def test_list_is_newest_first_and_complete(service: Any) -> None:
    paths = [service.submit() for _ in range(5)]
    ids = [path.rpartition("/")[2] for path in paths]
    seen: list[str] = []
    cursor = None
    while len(seen) < 5:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = service.client.get(COLLECTION, params=query).json()
        assert len(page["items"]) == 2
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        assert cursor
    assert seen[:5] == ids[::-1]
    for path in paths:
        service.wait(path)
    everything = service.client.get(COLLECTION, params={"limit": 200}).json()
    assert everything["next_cursor"] is None


@pytest.mark.parametrize("query", [{"cursor": "bm90IG91cnM"}, {"cursor": "../.."}, {"limit": 0}, {"limit": "many"}])
def test_bad_page(service: Any, assert_problem: Callable[..., Any], query: dict[str, Any]) -> None:
    assert_problem(service.client.get(COLLECTION, params=query), 422, "bad_input", next(iter(query)))


def test_cancel_while_running(service: Any, assert_problem: Callable[..., Any]) -> None:
    path = service.submit(30)
    with service.client.stream("GET", f"{path}/events") as stream:
        for line in stream.iter_lines():
            if line == "event: progress":
                break
    answer = service.client.post(f"{path}:cancel")
    assert answer.status_code == 202
    assert answer.json()["cancel_requested"]
    assert service.wait(path, 3)["state"] == "cancelled"
    error = assert_problem(service.client.post(f"{path}:cancel"), 409, "conflict", "state")
    assert error["value"] == "cancelled"


def test_cancel_while_queued(service: Any) -> None:
    first, second = service.submit(20), service.submit()
    assert service.client.post(f"{second}:cancel").json()["state"] == "cancelled"
    service.client.post(f"{first}:cancel")
    service.wait(first)


def test_delete(service: Any, assert_problem: Callable[..., Any]) -> None:
    path = service.submit(20)
    error = assert_problem(service.client.delete(path), 409, "conflict", "state")
    assert ":cancel" in error["hint"]
    service.client.post(f"{path}:cancel")
    job_id = service.wait(path)["job_id"]
    assert service.client.delete(path).status_code == 204
    for gone in (path, f"{path}/front", f"{path}/events", f"/api/v1/jobs/{job_id}"):
        assert_problem(service.client.get(gone), 404, "not_found")
    assert_problem(service.client.delete(path), 404, "not_found", "exploration_id")


def test_job_of_an_exploration(service: Any, assert_problem: Callable[..., Any]) -> None:
    path = service.submit(20)
    job_id = service.client.get(path).json()["job_id"]
    job = service.client.get(f"/api/v1/jobs/{job_id}").json()
    assert (job["resource"], job["kind"], job["queue"]) == (path, "explore", "search")
    assert service.client.get("/api/v1/jobs", params={"limit": 1}).json()["items"][0]["id"] == job_id
    assert service.client.post(f"/api/v1/jobs/{job_id}:cancel").status_code == 202
    assert service.wait(path, 5)["state"] == "cancelled"
    assert_problem(service.client.post(f"/api/v1/jobs/{job_id}:cancel"), 409, "conflict", "state")
    assert_problem(service.client.get("/api/v1/jobs/0000"), 404, "not_found", "job_id")


def test_same_key_same_request_is_done_once(service: Any) -> None:
    headers = {"Idempotency-Key": "key-1"}
    body = service.request(seed=11)
    first = service.client.post(COLLECTION, json=body, headers=headers)
    service.wait(first.headers["Location"])
    again = service.client.post(COLLECTION, json=dict(reversed(body.items())), headers=headers)
    assert (again.status_code, again.json(), again.headers["Location"]) == (
        202,
        first.json(),
        first.headers["Location"],
    )
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def test_same_key_other_request_is_refused(service: Any, assert_problem: Callable[..., Any]) -> None:
    headers = {"Idempotency-Key": "key-2"}
    service.wait(service.client.post(COLLECTION, json=service.request(seed=1), headers=headers).headers["Location"])
    answer = service.client.post(COLLECTION, json=service.request(seed=2), headers=headers)
    error = assert_problem(answer, 409, "conflict", "Idempotency-Key")
    assert error["hint"] == "take a new key for a new request"


BAD_REQUESTS = [
    ({"model": "lama-3.2-1b"}, "unknown_name", "model", "llama-3.2-1b"),
    ({"device": "/etc/passwd"}, "unknown_name", "device", ""),
    ({"model": 7}, "bad_input", "model", ""),
    ({"objectives": ["ttft"]}, "unknown_name", "objectives", "ttft_s"),
    ({"objectives": []}, "bad_input", "objectives", ""),
    ({"method": "magic"}, "bad_input", "method", "nsga2"),
    ({"budget": 0}, "bad_input", "budget", ""),
    ({"seed": -1}, "bad_input", "seed", ""),
    ({"workload": {"prompt_tokens": 0, "output_tokens": 1}}, "bad_input", "workload.prompt_tokens", ""),
    ({"workload": {"prompt_tokens": 1, "output_tokens": 1, "batch": 2}}, "bad_input", "workload.batch", ""),
    ({"budjet": 5}, "bad_input", "budjet", "budget"),
]


@pytest.mark.parametrize(("changes", "code", "field", "hint"), BAD_REQUESTS)
def test_bad_request_is_refused_and_leaves_nothing(
    service: Any, assert_problem: Callable[..., Any], changes: dict[str, Any], code: str, field: str, hint: str
) -> None:
    before = service.client.get("/api/v1/jobs", params={"limit": 1}).json()
    answer = service.client.post(COLLECTION, json=service.request(**changes))
    error = assert_problem(answer, 422, code, field)
    assert hint in str(error)
    assert service.client.get("/api/v1/jobs", params={"limit": 1}).json() == before


def test_several_mistakes_are_told_together(service: Any) -> None:
    answer = service.client.post(COLLECTION, json=service.request(budget=0, seed=-1))
    assert [error["field"] for error in answer.json()["errors"]] == ["budget", "seed"]


def test_full_disk_refuses_and_loses_nothing(
    in_process: Callable[..., Any], assert_problem: Callable[..., Any]
) -> None:
    client = in_process(authentication=False)
    engine = client.app.state.database.engine
    request = {"model": "llama-3.2-1b", "device": "u280", "workload": {"prompt_tokens": 128, "output_tokens": 128}}
    kept = client.post(COLLECTION, json=request).json()["id"]

    def leave_no_room(connection: Any) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite takes the pages that there are

    event.listen(engine, "begin", leave_no_room)
    large = {**request, "note": "x" * 2000, "labels": ["y" * 40]}
    answers = [client.post(COLLECTION, json=large) for _ in range(20)]
    refused = [answer for answer in answers if answer.status_code != 202]
    assert refused
    for answer in refused:
        assert_problem(answer, 503, "database_unavailable", "database")
        assert "full" in answer.json()["detail"]
    assert client.get(f"{COLLECTION}/{kept}").status_code == 200
    event.remove(engine, "begin", leave_no_room)

    def make_room(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {2**30}")  # of each connection that the pool keeps

    event.listen(engine, "begin", make_room)
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 202} | {kept}
    accepted.add(client.post(COLLECTION, json=request).json()["id"])
    assert {one["id"] for one in client.get(COLLECTION).json()["items"]} == accepted
