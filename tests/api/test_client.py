"""The Python client and the commands that speak to a service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

import flexdse
from flexdse.client import Connection, Service
from flexdse.client.connection import NoAnswer, ServiceError
from flexdse.client.resources import JobFailed
from spec.errors import InputError
from tests.api import bodies

SETTING: dict[str, Any] = {"model": "llama-3.2-1b", "device": "u280", "prompt_tokens": 128, "output_tokens": 128}


@pytest.fixture
def client(service: Any) -> Service:
    found: Service = flexdse.connect(f"{service.url}/?token={service.token}")
    return found


def test_from_an_exploration_to_the_files_of_a_project(client: Service, tmp_path: Path) -> None:
    events = []
    found = client.explore(**SETTING, name="0.3|", objectives=["ttft_s", "tpot_s"])
    found.wait(events.append)
    assert [event.event for event in events][-1] == "done"
    front = found.front(["key", "ttft_s"])
    assert list(front.columns) == ["key", "ttft_s"]
    assert [entry["metrics"]["ttft_s"] for entry in found.entries()] == list(front["ttft_s"])
    assert len(found.evaluations(["tpot_s"], sample=10)) == 10
    found.describe(labels=["client"])
    assert [one.id for one in client.explorations(label="client")] == [found.id]
    (suggested,) = found.suggest()
    told = found.tell(suggested["key"], {"tpot_s": 0.01}, provenance="board", source="x")
    assert told["items"][0]["key"] == suggested["key"]
    project = found.generate(0)
    project.wait()
    target = project.download(tmp_path / "project.zip")
    with zipfile.ZipFile(target) as archive:
        assert set(archive.namelist()) == set(bodies.PROJECT_FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["project.zip"]
    run = project.run("csim")
    run.wait()
    assert run.passed
    assert run.reports() == [{"passed": True, "values": 7}]
    assert "csim: PASS (bit-exact, 7 values)" in run.job.log()
    assert "generating" in list(project.job.follow())
    found.delete()


def test_evaluations(client: Service) -> None:
    one = client.evaluate("flexllm-u280", **SETTING)
    many = client.evaluate_many({"prefill.token_parallelism": [8]}, design="flexllm-u280", **SETTING)
    assert set(one["metrics"]) < set(many.column_names)
    assert {device["name"] for device in client.devices()} >= {"u280", "v80"}


def test_refusals_are_errors_with_a_way_out(client: Service) -> None:
    with pytest.raises(ServiceError) as caught:
        client.explore(**{**SETTING, "model": "llama-3.2"})
    assert (caught.value.http_status, caught.value.exit_code, caught.value.field) == (422, 2, "model")
    assert "llama-3.2-1b" in str(caught.value.hint)
    failed = client.generate("flexllm-u280", **SETTING, seed=13)
    with pytest.raises(JobFailed, match="cannot be built"):
        failed.wait()
    failed.job.retry()


@pytest.mark.parametrize(
    ("status", "exit_code"), [(401, 2), (403, 2), (406, 2), (410, 2), (412, 2), (429, 1), (500, 1)]
)
def test_what_is_wrong_with_the_request_exits_like_bad_input(status: int, exit_code: int) -> None:
    assert ServiceError({"status": status, "detail": "no"}).exit_code == exit_code


def test_nobody_answers() -> None:
    with pytest.raises(NoAnswer) as caught:
        flexdse.connect("http://127.0.0.1:9").devices()
    assert caught.value.exit_code == 1
    for url in ("ftp://x", "", "http://"):
        with pytest.raises(InputError):
            flexdse.connect(url)


def test_a_lost_answer_is_asked_for_again_and_done_once() -> None:
    keys, answers = [], [503, httpx.ConnectError("lost"), 429, 202]

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        what = answers[len(keys) - 1]
        if isinstance(what, Exception):
            raise what
        headers = {"Retry-After": "0"} if what == 429 else {}
        return httpx.Response(what, json={"id": "1"}, headers=headers)

    transport = httpx.Client(base_url="http://x", transport=httpx.MockTransport(answer))
    assert Connection("http://x", "t", client=transport).post("/explorations", {}) == {"id": "1"}
    assert len(keys) == 4
    assert len(set(keys)) == 1


def test_token_of_this_users_own_server_and_of_no_other(
    service: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FLEXDSE_HOME", str(service.home))
    assert Connection(service.url).token == service.token
    assert Connection("http://127.0.0.1:9").token is None  # somebody else listens there
    monkeypatch.setenv("FLEXDSE_TOKEN", "given")
    assert Connection(service.url).token == "given"
    assert Connection(service.url, "mine").token == "mine"


def command(service: Any, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flexdse.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "FLEXDSE_HOME": str(service.home), **environment},
    )


OPTIONS = "--model llama-3.2-1b --device u280 --prompt-tokens 128 --output-tokens 128 --json".split()


def test_commands_against_a_service(service: Any) -> None:
    there = command(service, "evaluate", "--design", "flexllm-u280", *OPTIONS, "--server", service.url)
    assert there.returncode in (0, 3), there.stderr
    assert json.loads(there.stdout)["inputs"]["model"] == "llama-3.2-1b"
    explored = command(service, "explore", *OPTIONS, "--objectives", "ttft_s,tpot_s", FLEXDSE_SERVER=service.url)
    assert explored.returncode == 0, explored.stderr
    assert len(json.loads(explored.stdout)["front"]) == 3
    wrong = command(
        service, "evaluate", "--design", "flexllm-u280", *OPTIONS, "--server", service.url, FLEXDSE_TOKEN="x"
    )
    assert wrong.returncode == 2
    assert json.loads(wrong.stderr)["status"] == 401


def test_keys_by_the_command_line(service: Any) -> None:
    issued = command(service, "keys", "issue", "night", "--scope", "read", "--json")
    assert issued.returncode == 0, issued.stderr
    key = json.loads(issued.stdout)
    headers = {"Authorization": f"Bearer {key['key']}"}
    assert httpx.get(f"{service.url}/api/v1/jobs", headers=headers).status_code == 200
    listed = command(service, "keys", "list").stdout
    assert key["id"] in listed
    assert key["key"] not in listed
    assert command(service, "keys", "revoke", key["id"]).returncode == 0
    assert command(service, "keys", "revoke", key["id"]).returncode == 2
    assert command(service, "keys", "issue", "x", "--scope", "root").returncode == 2
    assert command(service, "keys", "issue", "x", "--days", "0").returncode == 2
