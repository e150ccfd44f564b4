"""Requests that SQLite would let pass: PostgreSQL is stricter, and neither may end in an error of the server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from db.migrations import upgrade
from tests.servers import postgres_server

COLLECTION = "/api/v1/explorations"
REQUEST = {"model": "llama-3.2-1b", "device": "u280", "workload": {"prompt_tokens": 128, "output_tokens": 128}}

Check = Callable[..., Any]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The application by itself on PostgreSQL."""
    artifacts = str(tmp_path_factory.mktemp("artifacts"))
    with postgres_server() as server, server.new_database() as url:
        upgrade(url)
        app = create_app(ApiSettings(database_url=url, artifacts_url=artifacts, authentication=False))
        with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as opened:
            yield opened


@pytest.fixture(scope="module")
def submitted(client: TestClient) -> dict[str, Any]:
    """An exploration that nobody works on."""
    answer = client.post(COLLECTION, json=REQUEST)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"name": "a\0b"}, "name"), ({"labels": ["a", "\0"]}, "labels[1]"), ({"space": {"fix": {"\0": 1}}}, "space.fix")],
)
def test_no_text_holds_nul(client: TestClient, assert_problem: Check, changes: dict[str, Any], field: str) -> None:
    assert_problem(client.post(COLLECTION, json=REQUEST | changes), 400, "malformed_body", field)


def test_a_backslash_before_u0000_is_text(client: TestClient) -> None:
    answer = client.post(COLLECTION, json=REQUEST | {"note": r"\u0000"})
    assert (answer.status_code, answer.json()["note"]) == (202, r"\u0000")


@pytest.mark.parametrize("path", ["explorations/%00", "jobs/a%00/log", "devices/%00", "projects/a/files/b%00"])
def test_no_path_holds_nul(client: TestClient, assert_problem: Check, path: str) -> None:
    assert_problem(client.get(f"/api/v1/{path}"), 404, "not_found", "path")


def test_no_query_holds_nul(client: TestClient, assert_problem: Check) -> None:
    assert_problem(client.get(f"{COLLECTION}?model=%00"), 422, "bad_input", "query")


def test_no_cursor_holds_nul(client: TestClient, assert_problem: Check) -> None:
    cursor = base64.urlsafe_b64encode(b"2026-11-22T11:09:02+00:00|a\0").decode().rstrip("=")
    assert_problem(client.get(COLLECTION, params={"cursor": cursor}), 422, "bad_input", "cursor")


def test_numbers_are_those_of_a_column(client: TestClient, assert_problem: Check, submitted: dict[str, Any]) -> None:
    exploration, log = f"{COLLECTION}/{submitted['id']}", f"/api/v1/jobs/{submitted['job_id']}/log"
    assert_problem(client.get(f"{exploration}/front/{2**31 - 1}"), 404, "not_found", "index")
    assert_problem(client.get(f"{exploration}/front/{2**31}"), 422, "bad_input", "index")
    assert client.get(log, params={"after": 2**31 - 1}).json()["lines"] == []
    assert_problem(client.get(log, params={"after": 2**31}), 422, "bad_input", "after")
