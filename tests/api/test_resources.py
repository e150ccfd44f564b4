"""Every resource from its submission to its deletion, on a service with workers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from api.explorations.suggest import next_designs
from api.media import ARROW_STREAM
from api.openapi_examples import BODIES
from spec import catalog
from spec.metrics import METRICS
from tests.api import bodies

Check = Callable[..., Any]
Events = Callable[[httpx.Response], Iterator[dict[str, Any]]]
V1 = "/api/v1"
ARROW = {"Accept": ARROW_STREAM}
SETTING = {"model": "llama-3.2-1b", "device": "u280", "workload": {"prompt_tokens": 128, "output_tokens": 128}}


def arrow(answer: httpx.Response) -> pa.Table:
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()


@pytest.fixture(scope="module")
def explored(service: Any) -> str:
    path: str = service.explored()
    return path


@pytest.fixture(scope="module")
def project(service: Any) -> str:
    """The path of a project that was generated."""
    answer = service.client.post(f"{V1}/projects", json={**SETTING, "design": "flexllm-u280", "name": "one"})
    assert answer.status_code == 202, answer.text
    path: str = answer.headers["Location"]
    assert service.wait(path)["state"] == "succeeded"
    return path


# Fronts and evaluations


def test_front_as_a_table_says_what_the_entries_say(service: Any, explored: str) -> None:
    entries = service.client.get(f"{explored}/front").json()["entries"]
    table = arrow(service.client.get(f"{explored}/front", headers=ARROW))
    assert table.num_rows == len(entries) == 3
    for row, entry in zip(table.to_pylist(), entries, strict=True):
        assert (row["index"], row["key"]) == (entry["index"], entry["key"])
        for stage in ("prefill", "decode"):
            for name, value in entry["design"][stage].items():
                if not isinstance(value, dict):
                    assert row[f"{stage}.{name}"] == value
        assert {name: row[name] for name in entry["metrics"]} == entry["metrics"]
        assert set(METRICS) <= set(row)
    as_parquet = service.client.get(f"{explored}/front", params={"format": "parquet"})
    assert parquet.read_table(io.BytesIO(as_parquet.content)).to_pylist() == table.to_pylist()
    as_csv = service.client.get(f"{explored}/front", params={"format": "csv", "columns": "key,ttft_s"})
    assert csv.read_csv(io.BytesIO(as_csv.content)).column("ttft_s").to_pylist() == table.column("ttft_s").to_pylist()


def test_front_by_columns_fields_and_pages(service: Any, explored: str, assert_problem: Check) -> None:
    get = service.client.get
    front = f"{explored}/front"
    chosen = arrow(get(front, headers=ARROW, params={"columns": "tpot_s,key,tpot_s"}))
    assert chosen.column_names == ["tpot_s", "key"]
    short = get(front, params={"fields": "key,metrics", "limit": 2}).json()
    assert [set(entry) for entry in short["entries"]] == [{"key", "metrics"}] * 2
    rest = get(front, params={"limit": 2, "cursor": short["next_cursor"]}).json()
    assert (len(rest["entries"]), rest["entries"][0]["index"], rest["next_cursor"]) == (1, 2, None)
    one = get(f"{front}/1").json()
    assert one == get(front).json()["entries"][1]
    assert_problem(get(f"{front}/3"), 404, "not_found", "index")
    assert_problem(get(front, headers=ARROW, params={"columns": "ttft"}), 422, "unknown_name", "columns")
    assert_problem(get(front, params={"fields": "name"}), 422, "unknown_name", "fields")
    assert_problem(get(front, params={"columns": "key"}), 422, "bad_input", "columns")
    assert_problem(get(front, headers=ARROW, params={"fields": "key"}), 422, "bad_input", "fields")
    assert_problem(get(front, headers={"Accept": "image/png"}), 406, "not_acceptable", "Accept")


def test_evaluations(service: Any, explored: str, assert_problem: Check) -> None:
    get, path = service.client.get, f"{explored}/evaluations"
    assert service.client.get(explored).json()["has_evaluations"]
    everything = arrow(get(path, headers=ARROW))
    assert everything.to_pydict() == bodies.evaluation_columns()
    sample = arrow(get(path, headers=ARROW, params={"sample": 100, "columns": "tpot_s,feasible"}))
    assert (sample.num_rows, sample.column_names) == (100, ["tpot_s", "feasible"])
    again = arrow(get(path, headers=ARROW, params={"sample": 100, "columns": "tpot_s,feasible"}))
    other = arrow(get(path, headers=ARROW, params={"sample": 100, "columns": "tpot_s,feasible", "seed": 1}))
    assert sample == again != other
    assert set(sample.column("tpot_s").to_pylist()) < set(everything.column("tpot_s").to_pylist())
    as_json = get(path, params={"sample": 5}).json()
    assert (as_json["rows"], as_json["total"], len(as_json["columns"]["feasible"])) == (5, 1000, 5)
    assert as_json["rows_are"] == "sampled"
    assert everything.schema.metadata == {b"rows_are": b"sampled"}
    assert pa.types.is_dictionary(everything.schema.field("violated").type)
    as_csv = csv.read_csv(io.BytesIO(get(path, params={"format": "csv", "columns": "violated,tpot_s"}).content))
    assert as_csv.column("tpot_s").to_pylist() == everything.column("tpot_s").to_pylist()
    assert [name or None for name in as_csv.column("violated").to_pylist()] == everything.column("violated").to_pylist()
    whole = parquet.read_table(io.BytesIO(get(path, params={"format": "parquet"}).content))
    some = parquet.read_table(io.BytesIO(get(path, params={"format": "parquet", "columns": "tpot_s,violated"}).content))
    assert whole.to_pydict() == bodies.evaluation_columns()
    assert some.to_pydict() == {name: bodies.evaluation_columns()[name] for name in ("tpot_s", "violated")}
    assert_problem(get(path), 422, "bad_input", "sample")
    # A file without the columns of a design, as earlier versions or other programs may have written it.
    assert_problem(get(f"{path}/3"), 422, "bad_input", "row")
    assert_problem(get(f"{path}/1000"), 404, "not_found", "row")
    assert_problem(get(path, headers=ARROW, params={"columns": "speed"}), 422, "unknown_name", "columns")
    assert_problem(get(path, headers=ARROW, params={"sample": 0}), 422, "bad_input", "sample")


CONDITIONS: list[tuple[list[str], Callable[[dict[str, Any]], bool]]] = [
    (["ttft_s<=1.25"], lambda row: row["ttft_s"] <= 1.25),
    (["prefill.token_parallelism>=60", "feasible=true"], lambda row: row["prefill.token_parallelism"] >= 60 and row["feasible"]),
    (["prefill.token_parallelism=7"], lambda row: row["prefill.token_parallelism"] == 7),
    (["violated=lut_utilization", "feasible=false"], lambda row: row["violated"] == "lut_utilization"),
    (["ttft_s>=9"], lambda row: False),
]  # fmt: skip


@pytest.mark.parametrize(("where", "holds"), CONDITIONS)
def test_rows_that_meet_conditions(
    service: Any, explored: str, where: list[str], holds: Callable[[dict[str, Any]], bool]
) -> None:
    columns = bodies.evaluation_columns()
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    wanted = [{"row": place, **row} for place, row in enumerate(rows) if holds(row)]
    path, names = f"{explored}/evaluations", ",".join(["row", *columns])
    params = {"where": where, "columns": names}
    assert arrow(service.client.get(path, params=params, headers=ARROW)).to_pylist() == wanted
    as_json = service.client.get(path, params=params).json()
    assert (as_json["rows"], as_json["columns"]["row"]) == (len(wanted), [row["row"] for row in wanted])
    as_parquet = service.client.get(path, params={**params, "format": "parquet"})
    assert parquet.read_table(io.BytesIO(as_parquet.content)).to_pylist() == wanted
    sample = arrow(service.client.get(path, params={**params, "sample": 5}, headers=ARROW)).to_pylist()
    assert len(sample) == min(5, len(wanted))
    assert all(row in wanted for row in sample)


@pytest.mark.parametrize(
    ("where", "code", "field"),
    [
        ("ttft<=1", "unknown_name", "where"),
        ("ttft_s<=fast", "bad_input", "where"),
        ("feasible>=true", "bad_input", "where"),
        ("violated>=hbm_capacity", "bad_input", "where"),
        ("ttft_s", "bad_input", "where"),
    ],
)
def test_conditions_that_are_none(
    service: Any, explored: str, assert_problem: Check, where: str, code: str, field: str
) -> None:
    answer = service.client.get(f"{explored}/evaluations", params={"where": where}, headers=ARROW)
    assert_problem(answer, 422, code, field)


@pytest.mark.parametrize("log", [False, True])
def test_density_counts_what_numpy_counts(service: Any, explored: str, log: bool) -> None:
    found = service.client.get(
        f"{explored}/evaluations/density",
        params={"x": "ttft_s", "y": "prefill.token_parallelism", "bins": 16, "log": log},
    ).json()
    columns = bodies.evaluation_columns()
    x, y = (np.array(columns[name], dtype=float) for name in ("ttft_s", "prefill.token_parallelism"))
    edges = [np.array(found["x_edges"]), np.array(found["y_edges"])]
    space = np.geomspace if log else np.linspace
    np.testing.assert_allclose(edges, [space(v.min(), v.max(), 17) for v in (x, y)])
    feasible = np.array(columns["feasible"])
    for which, chosen in (("designs", np.ones(len(x), dtype=bool)), ("feasible", feasible)):
        counted = np.zeros((16, 16))
        counted[found["cells"]["x"], found["cells"]["y"]] = found["cells"][which]
        # The histogram takes the outer edges as they are; a rounded one may lie a bit inside of them.
        wide = [np.concatenate([[0.0], edge[1:-1], [1e9]]) for edge in edges]
        assert (counted == np.histogram2d(x[chosen], y[chosen], bins=wide)[0]).all()
    assert (found["rows"], found["missing"], found["rows_are"]) == (1000, 0, "sampled")


def test_density_of_what_is_no_number(service: Any, explored: str, assert_problem: Check) -> None:
    get, path = service.client.get, f"{explored}/evaluations/density"
    assert_problem(get(path, params={"x": "violated", "y": "ttft_s"}), 422, "bad_input", "x")
    assert_problem(get(path, params={"x": "ttft_s", "y": "feasible"}), 422, "bad_input", "y")
    assert_problem(get(path, params={"x": "ttft_s", "y": "speed"}), 422, "unknown_name", "columns")
    assert_problem(get(path, params={"x": "ttft_s", "y": "tpot_s", "bins": 1}), 422, "bad_input", "bins")


def test_what_is_known_is_not_sent_again(service: Any, explored: str) -> None:
    for path, headers in (
        (explored, {}),
        (f"{V1}/devices", {}),
        (f"{explored}/front", {}),
        (f"{explored}/front", ARROW),
        (f"{explored}/evaluations", ARROW),
    ):
        first = service.client.get(path, headers=headers)
        again = service.client.get(path, headers={**headers, "If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
        assert again.headers["etag"] == first.headers["etag"]
        changed = service.client.get(path, headers={**headers, "If-None-Match": '"other"'})
        assert changed.status_code == 200
        assert changed.content == first.content


# Names, labels, filters


def test_describe_and_find(service: Any, assert_problem: Check) -> None:
    path = service.submit(labels=["night", "ü 1"], note="first")
    service.wait(path)
    shown = service.client.get(path)
    changed = service.client.patch(
        path, json={"name": "for the paper", "labels": ["paper"]}, headers={"If-Match": shown.headers["etag"]}
    )
    assert (changed.status_code, changed.json()["note"], changed.json()["labels"]) == (200, "first", ["paper"])
    late = service.client.patch(path, json={"note": "x"}, headers={"If-Match": shown.headers["etag"]})
    assert_problem(late, 412, "precondition_failed", "If-Match")
    assert_problem(service.client.patch(path, json={"labels": ["a,b"]}), 422, "bad_input", "labels[0]")

    def found(**query: Any) -> list[str]:
        return [one["id"] for one in service.client.get(f"{V1}/explorations", params=query).json()["items"]]

    wanted = path.rpartition("/")[2]
    assert found(label="paper") == [wanted]
    assert found(name_contains="PAPER") == [wanted]
    assert found(name_contains="%") == []
    assert wanted in found(state="succeeded", model="llama-3.2-1b", device="u280")
    assert found(model="smollm2-135m") == found(label="pap") == []
    assert_problem(service.client.get(f"{V1}/explorations", params={"state": "done"}), 422, "bad_input", "state")


def test_pages_meet_everything_once(service: Any) -> None:
    for _ in range(3):
        service.submit()
    seen, cursor = [], None
    while True:
        page = service.client.get(f"{V1}/jobs", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [job["id"] for job in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) >= 3


# Once, however often


@pytest.mark.parametrize("what", ["explorations", "projects", "sweeps"])
def test_the_same_key_does_it_once(service: Any, assert_problem: Check, what: str) -> None:
    body = {
        "explorations": service.request(),
        "projects": {**SETTING, "design": "flexllm-u280"},
        "sweeps": {**BODIES["create_sweep"], "devices": ["u280"]},
    }[what]
    path, headers = f"{V1}/{what}", {"Idempotency-Key": f"once-{what}"}
    first = service.client.post(path, json=body, headers=headers)
    again = service.client.post(path, json=body, headers=headers)
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert (first.headers["location"], "idempotency-replayed" in first.headers) == (again.headers["location"], False)
    assert again.headers["idempotency-replayed"] == "true"
    other = service.client.post(path, json={**body, "name": "another"}, headers=headers)
    assert_problem(other, 409, "conflict", "Idempotency-Key")


# Jobs


def test_cancel_retry_and_log(service: Any, read_events: Events, assert_problem: Check) -> None:
    answer = service.client.post(f"{V1}/projects", json={**SETTING, "design": "flexllm-u280", "seed": 13})
    path = answer.headers["Location"]
    failed = service.wait(path)
    assert (failed["state"], failed["cause"], failed["error"]["status"]) == ("failed", "bad_input", 422)
    job = f"{V1}/jobs/{failed['job_id']}"
    assert service.client.get(job).json()["resource"] == path
    error = assert_problem(service.client.post(f"{job}:cancel"), 409, "conflict", "state")
    assert error["hint"]
    retried = service.client.post(f"{job}:retry", headers={"Idempotency-Key": "retry-1"})
    assert (retried.status_code, retried.json()["attempt"]) == (202, 2)
    assert service.client.post(f"{job}:retry", headers={"Idempotency-Key": "retry-1"}).json() == retried.json()
    assert service.wait(path)["state"] == "failed"
    log = service.client.get(f"{job}/log").json()
    texts = [line["text"] for line in log["lines"]]
    assert texts.count("generating") == 2
    assert log["next_after"] is None
    plain = service.client.get(f"{job}/log", headers={"Accept": "text/plain"})
    assert plain.text.splitlines() == texts
    part = service.client.get(f"{job}/log", params={"limit": 1}).json()
    assert (len(part["lines"]), part["next_after"]) == (1, 1)
    with service.client.stream("GET", f"{job}/log/events", headers={"Last-Event-ID": "1"}) as stream:
        events = list(read_events(stream))
    assert [event["data"]["text"] for event in events[:-1]] == texts[1:]
    assert (events[-1]["event"], events[-1]["data"]) == ("done", {"state": "failed"})
    told = service.client.get(f"{job}/log/events", headers={"Last-Event-ID": events[-1]["id"]})
    assert told.status_code == 204
    service.client.get(path)
    done = service.explored()
    succeeded = service.client.get(done).json()["job_id"]
    assert_problem(service.client.post(f"{V1}/jobs/{succeeded}:retry"), 409, "conflict", "state")


def test_events_of_all_jobs(service: Any, read_events: Events) -> None:
    with service.client.stream("GET", f"{V1}/events") as stream:
        path = service.submit()
        job = service.client.get(path).json()["job_id"]
        seen = []
        for event in read_events(stream):
            if event["data"]["job_id"] == job:
                seen.append(event)
                if event["event"] == "job.succeeded":
                    break
    assert [event["event"] for event in seen] == ["job.queued", "job.running", "job.succeeded"]
    with service.client.stream("GET", f"{V1}/events", headers={"Last-Event-ID": seen[0]["id"]}) as stream:
        own = (event for event in read_events(stream) if event["data"]["job_id"] == job)
        rest = [next(own), next(own)]
    assert rest == seen[1:]


@pytest.mark.parametrize("collection", ["explorations", "jobs", "projects", "sweeps", "devices", "artifacts"])
def test_chosen_fields_of_a_list_and_of_one(
    service: Any, assert_problem: Check, explored: str, collection: str
) -> None:
    name = "name" if collection == "devices" else "id"
    whole = service.client.get(f"{V1}/{collection}").json()
    part = service.client.get(f"{V1}/{collection}", params={"fields": f"{name}"})
    assert part.json()["items"] == [{name: item[name]} for item in whole["items"]]
    assert set(part.json()) == set(whole)
    assert service.client.get(
        f"{V1}/{collection}", params={"fields": name}, headers={"If-None-Match": part.headers["etag"]}
    ).status_code in (200, 304)  # others may have added something meanwhile
    one = service.client.get(explored, params={"fields": "state,id"}).json()
    assert one == {"state": "succeeded", "id": explored.rpartition("/")[2]}
    error = assert_problem(service.client.get(f"{V1}/{collection}?fields=nam"), 422, "unknown_name", "fields")
    assert error["hint"]
    assert_problem(service.client.get(f"{explored}/front?format=csv&fields=key"), 422, "bad_input", "fields")


# Projects, runs, files


def test_project_from_design_to_files(service: Any, project: str, assert_problem: Check) -> None:
    shown = service.client.get(project).json()
    assert shown["manifest"] == bodies.MANIFEST
    download = service.client.get(shown["download"])
    assert download.headers["content-type"] == "application/zip"
    assert download.headers["content-disposition"] == f'attachment; filename="flexdse-{shown["design_key"]}.zip"'
    assert len(download.content) == shown["download_bytes"] == int(download.headers["content-length"])
    with zipfile.ZipFile(io.BytesIO(download.content)) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == bodies.PROJECT_FILES
    files = service.client.get(f"{project}/files").json()["items"]
    assert {file["path"] for file in files} == set(bodies.PROJECT_FILES)
    source = service.client.get(f"{project}/files/src/top.cpp")
    assert source.text == bodies.PROJECT_FILES["src/top.cpp"]
    assert source.headers["content-type"].startswith("text/plain")
    for path in ("src", "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "src/top.cpp/", "none"):
        assert service.client.get(f"{project}/files/{path}").status_code == 404, path


def test_run_of_a_tool(service: Any, project: str, assert_problem: Check) -> None:
    answer = service.client.post(f"{project}:csim", json={})
    path = answer.headers["Location"]
    run = service.wait(path)
    assert (run["state"], run["passed"], run["step"]) == ("succeeded", True, "csim")
    assert service.client.get(f"{project}/runs").json()["items"][0]["id"] == run["id"]
    assert service.client.get(f"{V1}/projects/-/runs/{run['id']}").json() == run
    # Its job says of which project it is.
    job = service.client.get(f"{V1}/jobs/{run['job_id']}").json()
    assert job["resource"] == f"{V1}/projects/{run['project_id']}/runs/{run['id']}"
    listed = {one["id"]: one for one in service.client.get(f"{V1}/jobs").json()["items"]}
    assert listed[job["id"]]["resource"] == job["resource"]
    assert service.client.get(job["resource"]).json() == run
    (listed,) = service.client.get(f"{V1}/reports", params={"run_id": run["id"]}).json()["items"]
    report = service.client.get(f"{V1}/reports/{listed['id']}").json()
    assert report["document"] == {"passed": True, "values": 7}
    assert_problem(service.client.get(f"{V1}/projects/0/runs/{run['id']}"), 404, "not_found", "run_id")
    for body, field in (({"backend": "rm -rf /"}, "backend"), ({"command": "sh"}, "command")):
        assert_problem(service.client.post(f"{project}:synthesize", json=body), 422, "bad_input", field)
    unfinished = service.client.post(f"{V1}/projects", json={**SETTING, "design": "flexllm-u280", "seed": 13})
    refused = service.client.post(f"{unfinished.headers['Location']}:csim", json={})
    assert_problem(refused, 409, "conflict", "state")


def test_project_of_a_front(service: Any, explored: str, assert_problem: Check) -> None:
    answer = service.client.post(f"{explored}:generate", json={"index": 1, "labels": ["knee"]})
    shown = service.wait(answer.headers["Location"])
    assert shown["design"] == service.client.get(f"{explored}/front/1").json()["design"]
    assert shown["labels"] == ["knee"]
    assert_problem(service.client.post(f"{explored}:generate", json={"index": 99}), 404, "not_found", "index")


def test_delete_project_with_all_that_belongs_to_it(service: Any, assert_problem: Check) -> None:
    path = service.client.post(f"{V1}/projects", json={**SETTING, "design": "flexllm-u280"}).headers["Location"]
    job = service.wait(path)["job_id"]
    (artifact,) = service.client.get(f"{V1}/artifacts", params={"job_id": job}).json()["items"]
    content = service.client.get(f"{V1}/artifacts/{artifact['id']}/content")
    assert content.headers["etag"] == f'"{artifact["sha256"]}"'
    assert service.client.delete(path).status_code == 204
    for gone in (path, f"{V1}/jobs/{job}", f"{V1}/artifacts/{artifact['id']}"):
        assert_problem(service.client.get(gone), 404, "not_found")


def test_files_that_are_gone(service: Any, assert_problem: Check) -> None:
    path = service.client.post(f"{V1}/projects", json={**SETTING, "design": "flexllm-u280"}).headers["Location"]
    job = service.wait(path)["job_id"]
    (artifact,) = service.client.get(f"{V1}/artifacts", params={"job_id": job}).json()["items"]
    assert service.client.delete(f"{V1}/artifacts/{artifact['id']}").status_code == 204
    for what in ("download", "files", "files/manifest.json"):
        error = assert_problem(service.client.get(f"{path}/{what}"), 410, "artifact_missing", "project_id")
        assert ":generate" in error["hint"]
    assert service.client.get(path).json()["download"] is None
    assert_problem(service.client.post(f"{path}:csim", json={}), 409, "conflict", "project_id")
    # What was measured is in the database, and so is the hash that says of what.
    assert service.client.get(f"{path}/measurements").json() == {"items": []}

    again = service.client.post(f"{path}:generate", json={})
    assert (again.status_code, again.headers["Location"]) == (202, path)
    assert_problem(
        service.client.post(f"{path}:generate", json={}), 409, "conflict", "state"
    )  # it is on its way, or there
    shown = service.wait(path)
    assert (shown["state"], shown["job_id"]) == ("succeeded", again.json()["job_id"])
    (same,) = service.client.get(f"{V1}/artifacts", params={"job_id": shown["job_id"]}).json()["items"]
    assert same["file_name"] == artifact["file_name"]
    assert {each["path"] for each in service.client.get(f"{path}/files").json()["items"]} == set(bodies.PROJECT_FILES)
    assert_problem(service.client.post(f"{path}:generate", json={}), 409, "conflict", "state")
    assert service.client.delete(path).status_code == 204
    for each in (job, shown["job_id"]):
        assert_problem(service.client.get(f"{V1}/jobs/{each}"), 404, "not_found")


# Sweeps, uploads, calibrations, measurements


def test_sweep(service: Any, assert_problem: Check) -> None:
    workloads = [{"prompt_tokens": tokens, "output_tokens": 8} for tokens in (16, 32)]
    body = {
        "name": "0|",
        "models": ["llama-3.2-1b"],
        "devices": ["u280", "v80"],
        "workloads": workloads,
        "seeds": [1, 2],
    }
    answer = service.client.post(f"{V1}/sweeps", json=body)
    path, sweep = answer.headers["Location"], answer.json()
    assert sweep["explorations"] == {"queued": 8}
    listed = service.client.get(f"{V1}/explorations", params={"sweep_id": sweep["id"]}).json()["items"]
    settings = {(one["device"], one["workload"]["prompt_tokens"], one["seed"]) for one in listed}
    assert len(settings) == len(listed) == 8
    cancelled = service.client.post(f"{path}:cancel").json()["explorations"]
    assert sum(cancelled.values()) == 8
    for one in listed:
        service.wait(f"{V1}/explorations/{one['id']}")
    assert_problem(service.client.post(f"{path}:cancel"), 409, "conflict", "state")
    report = service.client.get(f"{path}/report").json()
    assert [row["exploration_id"] for row in report["rows"]] == [one["id"] for one in reversed(listed)]
    assert {row["state"] for row in report["rows"]} <= {"cancelled", "succeeded"}
    assert all((row["front_size"] is None) == (row["state"] == "cancelled") for row in report["rows"])
    assert service.client.delete(path).status_code == 204
    assert service.client.get(f"{V1}/explorations/{listed[0]['id']}").json()["sweep_id"] is None
    too_many = {**body, "seeds": list(range(100)), "workloads": workloads * 50}
    assert_problem(service.client.post(f"{V1}/sweeps", json=too_many), 422, "bad_input", "models")
    shared = {**body, "search": {"model": "x"}}
    assert_problem(service.client.post(f"{V1}/sweeps", json=shared), 422, "bad_input", "search.model")
    wrong = {**body, "search": {"objectives": ["speed"]}}
    assert service.client.post(f"{V1}/sweeps", json=wrong).status_code == 422


def test_upload_of_a_model_and_a_device(service: Any, assert_problem: Check) -> None:
    post = service.client.post
    uploaded = post(f"{V1}/models", json={**BODIES["upload_model"], "name": "mine"})
    assert (uploaded.status_code, uploaded.headers["location"]) == (201, f"{V1}/models/mine")
    device = {**service.client.get(f"{V1}/devices/u280").json(), "name": "my-card"}
    assert post(f"{V1}/devices", json=device).status_code == 201
    listed = {one["name"]: one["source"] for one in service.client.get(f"{V1}/devices").json()["items"]}
    assert (listed["my-card"], listed["u280"]) == ("upload", "catalog")
    priced = post(
        f"{V1}/designs:evaluate",
        json={"design": "flexllm-u280", "model": "mine", "device": "my-card", "workload": SETTING["workload"]},
    ).json()
    assert (priced["inputs"]["model"], priced["inputs"]["device"]) == ("mine", "my-card")
    path = service.submit(model="mine", device="my-card")
    assert service.wait(path)["model"] == "mine"
    assert_problem(post(f"{V1}/devices", json=device), 409, "conflict", "name")
    assert_problem(post(f"{V1}/devices", json={**device, "name": "u280"}), 409, "conflict", "name")
    assert_problem(post(f"{V1}/models", json={"name": "../x", "config": {}}), 422, "bad_input", "name")
    assert_problem(service.client.delete(f"{V1}/devices/u280"), 409, "conflict", "name")
    assert service.client.delete(f"{V1}/devices/my-card").status_code == 204
    assert_problem(service.client.delete(f"{V1}/devices/my-card"), 404, "not_found", "name")
    assert service.client.get(path).json()["device"] == "my-card"  # it holds the whole document
    near = assert_problem(service.client.get(f"{V1}/models/mien"), 404, "not_found", "model")
    assert "mine" in near["hint"]


def test_calibration(service: Any, assert_problem: Check) -> None:
    evaluation = service.client.post(f"{V1}/designs:evaluate", json={**SETTING, "design": "flexllm-u280"}).json()
    one = {
        **BODIES["create_calibration"]["measurements"][0],
        "model_version": evaluation["model_version"],
        "timing_table_version": evaluation["timing_table_version"],
    }
    answer = service.client.post(f"{V1}/calibrations", json={"name": "dsp", "measurements": [one]})
    assert answer.status_code == 201, answer.text
    shown = service.client.get(answer.headers["Location"]).json()
    (entry,) = shown["table"]["entries"]
    assert 1.0 < entry["factor"] < 1260 / 1200
    assert service.client.get(f"{V1}/calibrations", params={"device": "v80"}).json()["items"] == []
    assert service.client.delete(answer.headers["Location"]).status_code == 204
    mixed = [one, {**one, "device": "v80"}]
    refused = service.client.post(f"{V1}/calibrations", json={"measurements": mixed})
    assert_problem(refused, 422, "bad_input", "measurements.device")


def test_suggest_and_tell(service: Any, assert_problem: Check) -> None:
    path = service.explored()
    first = service.client.post(f"{path}:suggest", json={"count": 2}).json()["designs"]
    second = service.client.post(f"{path}:suggest", json={"count": 2}).json()["designs"]
    keys = [design["key"] for design in first + second]
    assert len(keys) == len(set(keys)) == 3  # nobody is asked twice, and the front has no more
    told = {
        "key": first[0]["key"],
        "metrics": {"tpot_s": 2 * first[0]["metrics"]["tpot_s"]},
        "provenance": "board",
        "source": "notebook",
    }
    answer = service.client.post(f"{path}:tell", json={"measurements": [told]}).json()
    assert answer["items"][0]["ratio"] == {"tpot_s": 2.0}
    assert answer["mean_ratio"] == {"board": {"tpot_s": pytest.approx(2.0)}}
    assert service.client.get(f"{path}/measurements").json() == answer
    wrong = [
        ({**told, "key": "0" * 16}, "unknown_name", "measurements[0].key"),
        ({**told, "metrics": {"speed": 1.0}}, "unknown_name", "measurements[0].metrics.speed"),
        ({**told, "metrics": {"tpot_s": -1.0}}, "bad_input", "measurements[0].metrics.tpot_s"),
        ({**told, "provenance": "analytical"}, "bad_input", "measurements[0].provenance"),
    ]
    for measurement, code, field in wrong:
        answer = service.client.post(f"{path}:tell", json={"measurements": [measurement]})
        assert_problem(answer, 422, code, field)
    waiting = service.submit(30)
    assert_problem(service.client.post(f"{waiting}:suggest", json={}), 409, "conflict", "state")
    service.client.post(f"{waiting}:cancel")


def test_suggestions_cover_the_front() -> None:
    """On a line, each next point is as far as possible from the others: the middle, both ends, then the gaps."""
    n = 101
    table = pa.table({"key": [f"{i:016x}" for i in range(n)], "x_s": [2.0 ** (i / 10) for i in range(n)]})
    chosen = next_designs(table, ["x_s"], set(), 5)
    assert chosen[0] == 50
    assert set(chosen[1:3]) == {0, 100}
    assert set(chosen[3:]) == {25, 75}
    taken = {f"{i:016x}" for i in range(51)}
    assert next_designs(table, ["x_s"], taken, 1) == [100]
    assert next_designs(table, ["x_s"], set(table.column("key").to_pylist()), 3) == []


# What describes the service


def test_examples_of_the_contract_work(service: Any) -> None:
    """Every example body of a POST is accepted as it stands, but for what names a resource that must exist."""
    document = service.client.get(f"{V1}/openapi.json").json()
    tried = 0
    for path, operations in document["paths"].items():
        operation = operations.get("post")
        if operation is None or "{" in path or path.endswith(("/session", "/calibrations")):
            continue
        example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        if example is not None:
            answer = service.client.post(path, json=example)
            assert answer.is_success, (path, answer.text)
            tried += 1
    assert tried >= 5


def test_docs_load_nothing_from_elsewhere(service: Any) -> None:
    page = service.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    document = service.client.get(f"{V1}/openapi.json").json()
    for operations in document["paths"].values():
        for operation in operations.values():
            assert f'id="{operation["operationId"]}"' in page.text


def test_metrics(service: Any, explored: str) -> None:
    text = service.client.get("/metrics").text
    for name in (
        "flexdse_queue_jobs",
        "flexdse_jobs",
        "flexdse_leases_lost_total",
        "flexdse_evaluations_total",
        "flexdse_tool_runs",
        "flexdse_broker_degraded",
        "flexdse_artifact_bytes",
        "flexdse_http_request_seconds_bucket",
    ):
        assert f"\n{name}" in text or f"# TYPE {name.removesuffix('_bucket')}" in text, name
    assert 'route="/api/v1/explorations/{exploration_id}"' in text
    assert explored.rpartition("/")[2] not in text  # labels are bounded in number


def test_catalog_and_device_documents_can_be_sent_back(service: Any) -> None:
    document = service.client.get(f"{V1}/devices/u280").json()
    assert json.loads(catalog.load_device("u280").model_dump_json(by_alias=True)) == document
