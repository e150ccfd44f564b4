"""Who gets in, and how far."""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import update
from typer.testing import CliRunner

from api.access.local_token import TOKEN_NAME, ensure_token, read_token
from api.access.scopes import Scope, needed_scope
from api.openapi import openapi_text
from db.base import utc_now
from db.data_folder import database_url
from db.models import ApiKey
from db.session import Database
from flexdse.application import app

Check = Callable[..., Any]
EXPLORATIONS = "/api/v1/explorations"
KEYS = "/api/v1/keys"


@pytest.fixture
def stranger(service: Any) -> Iterator[httpx.Client]:
    """Somebody who can reach the service and knows nothing."""
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


@pytest.fixture
def issue(service: Any) -> Callable[..., httpx.Client]:
    """`issue(scopes=...)`: a client with a new key, whose id is its `key_id`."""

    def new(**wanted: Any) -> httpx.Client:
        answer = service.client.post(KEYS, json={"name": "test", **wanted})
        assert answer.status_code == 201, answer.text
        client = httpx.Client(
            base_url=service.url, headers={"Authorization": f"Bearer {answer.json()['key']}"}, timeout=60
        )
        client.key_id = answer.json()["id"]  # type: ignore[attr-defined]
        return client

    return new


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@cache
def operations() -> tuple[tuple[str, str], ...]:
    paths = json.loads(openapi_text())["paths"]
    return tuple(
        (method.upper(), re.sub(r"\{[^}]+\}", "0", path)) for path, methods in paths.items() for method in methods
    )


def test_without_a_credential_there_is_nothing(stranger: httpx.Client, assert_problem: Check) -> None:
    """Every operation of the contract; those that are open are named here, once more and by hand."""
    open_paths = {"/healthz", "/readyz", "/api/v1/session"}
    for method, path in operations():
        answer = stranger.request(method, path, json={} if method in ("POST", "PATCH") else None)
        if path in open_paths:
            assert answer.status_code in (200, 204, 422), (method, path)
        else:
            assert_problem(answer, 401, "unauthorized", "Authorization")
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_health_docs_and_pages_are_open(stranger: httpx.Client) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/api/v1/openapi.json", "/"):
        assert stranger.get(path).status_code == 200, path


def test_every_operation_needs_the_scope_that_it_says() -> None:
    needed = {(method, path): needed_scope(method, path) for method, path in operations()}
    for (method, path), scope in needed.items():
        if path.startswith(("/api/v1/keys", "/api/v1/audit")) or path == "/metrics":
            assert scope is Scope.ADMIN
        elif path in ("/healthz", "/readyz", "/api/v1/session"):
            assert scope is None
        elif method == "GET" or path.startswith("/api/v1/designs:") or path.endswith(":validate"):  # nothing is kept
            assert scope is Scope.READ
        else:
            assert scope is Scope.WRITE, (method, path)


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer x", "Basic dXNlcjpwYXNz", "Bearer fdx_00000000_" + "A" * 43, "Bearer " + "ü" * 50],
)
def test_wrong_credentials(service: Any, assert_problem: Check, authorization: str) -> None:
    answer = httpx.get(service.url + EXPLORATIONS, headers={"Authorization": authorization.encode()})
    assert_problem(answer, 401, "unauthorized", "Authorization")
    assert "A" * 43 not in answer.text


def test_address_with_the_token_opens_a_session(service: Any, stranger: httpx.Client) -> None:
    answer = stranger.get("/explorations/0?token=" + service.token + "&x=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/explorations/0?x=1"
    cookie = answer.headers["set-cookie"]
    for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert part in cookie
    assert service.token not in cookie
    assert stranger.get(EXPLORATIONS).status_code == 200  # by the cookie alone
    who = stranger.get("/api/v1/session").json()
    assert (who["authenticated"], who["owner"], who["scopes"]) == (True, "local", ["admin", "read", "write"])
    assert stranger.delete("/api/v1/session").status_code == 204
    assert stranger.get(EXPLORATIONS).status_code == 401


def test_address_with_a_wrong_token_opens_nothing(stranger: httpx.Client, assert_problem: Check) -> None:
    answer = stranger.get("/?token=wrong")
    assert_problem(answer, 401, "unauthorized", "Authorization")
    assert "set-cookie" not in answer.headers

    # A browser is led to the page, which asks for the right one.
    answer = stranger.get("/jobs?x=1&token=wrong", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?x=1&signin=refused")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "/%2f%2fevil.example"])
def test_address_with_the_token_leads_nowhere_else(service: Any, stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(f"{service.url}{path}?token={service.token}")
    assert answer.status_code == 303
    assert re.fullmatch(r"/[^/\\].*", answer.headers["location"])


def test_session_by_a_request(service: Any, stranger: httpx.Client, assert_problem: Check) -> None:
    nobody = stranger.get("/api/v1/session").json()
    assert (nobody["authenticated"], nobody["authentication_required"], nobody["owner"]) == (False, True, None)
    assert_problem(stranger.post("/api/v1/session", json={"credential": "wrong"}), 401, "unauthorized")
    assert stranger.post("/api/v1/session", json={"credential": service.token}).json()["owner"] == "local"
    assert stranger.get(EXPLORATIONS).status_code == 200


def test_forged_and_foreign_cookies(service: Any, stranger: httpx.Client) -> None:
    stranger.get("/?token=" + service.token)
    (name, note), *_ = stranger.cookies.items()
    subject, expires, signature = note.split(".")
    forged = [
        f"{subject}.{int(expires) + 1}.{signature}",
        f"other.{expires}.{signature}",
        f"{subject}.{expires}.{'0' * len(signature)}",
        f"{subject}.{expires}",
        "",
        "a.b.c.d",
        f"{subject}.{'9' * 30}.{signature}",
    ]
    for value in forged:
        answer = httpx.get(service.url + EXPLORATIONS, headers={"Cookie": f"{name}={value}"})
        assert answer.status_code == 401, value
    other_port = httpx.get(service.url + EXPLORATIONS, headers={"Cookie": f"flexdse_session_1={note}"})
    assert other_port.status_code == 401


def test_scopes(service: Any, issue: Callable[..., httpx.Client], assert_problem: Check) -> None:
    reader, admin, writer = issue(scopes=["read"]), issue(scopes=["admin"]), issue(scopes=["write"])
    submitted = writer.post(EXPLORATIONS, json=service.request())
    assert writer.get(submitted.headers["Location"]).status_code == 200  # whoever may submit may look at it
    assert reader.get(EXPLORATIONS).status_code == 200
    error = assert_problem(reader.post(EXPLORATIONS, json=service.request()), 403, "insufficient_scope", "scopes")
    assert "write" in error["rule"]
    assert_problem(reader.get(KEYS), 403, "insufficient_scope", "scopes")
    assert_problem(reader.get("/metrics"), 403, "insufficient_scope", "scopes")
    assert_problem(admin.get(EXPLORATIONS), 403, "insufficient_scope", "scopes")
    assert admin.get(KEYS).status_code == admin.get("/metrics").status_code == 200


def test_owners_do_not_see_each_other(service: Any, issue: Callable[..., httpx.Client], assert_problem: Check) -> None:
    alice, bob, also_alice = issue(owner="alice"), issue(owner="bob"), issue(owner="alice")
    path = alice.post(EXPLORATIONS, json=service.request()).headers["Location"]
    job = alice.get(path).json()["job_id"]
    for other in (bob, service.client):
        for method, url in (
            ("GET", path),
            ("DELETE", path),
            ("POST", f"{path}:cancel"),
            ("GET", f"{path}/front"),
            ("GET", f"{path}/evaluations"),
            ("GET", f"{path}/events"),
            ("GET", f"/api/v1/jobs/{job}"),
            ("GET", f"/api/v1/jobs/{job}/log"),
            ("POST", f"/api/v1/jobs/{job}:retry"),
        ):
            assert_problem(
                other.request(method, url, params={"format": "arrow"} if "eval" in url else None), 404, "not_found"
            )
        assert path.rpartition("/")[2] not in other.get(EXPLORATIONS).text
    assert also_alice.get(path).status_code == 200


def test_revoked_key_opens_nothing_nor_does_its_session(
    service: Any, issue: Callable[..., httpx.Client], stranger: httpx.Client, assert_problem: Check
) -> None:
    client = issue()
    key = client.headers["authorization"].split()[1]
    assert stranger.post("/api/v1/session", json={"credential": key}).status_code == 200
    assert stranger.get(EXPLORATIONS).status_code == client.get(EXPLORATIONS).status_code == 200
    path = f"{KEYS}/{client.key_id}"  # type: ignore[attr-defined]
    assert service.client.delete(path).status_code == 204
    wait_for(lambda: client.get(EXPLORATIONS).status_code == 401)
    wait_for(lambda: stranger.get(EXPLORATIONS).status_code == 401)
    assert_problem(service.client.delete(path), 404, "not_found", "key_id")


def test_expired_key_opens_nothing(service: Any, issue: Callable[..., httpx.Client]) -> None:
    client = issue()
    database = Database(database_url(service.home))
    with database.write() as work:
        work.session.execute(
            update(ApiKey)
            .where(ApiKey.id == client.key_id)  # type: ignore[attr-defined]
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )
    database.close()
    assert client.get(EXPLORATIONS).status_code == 401


def test_database_holds_no_key(service: Any, issue: Callable[..., httpx.Client]) -> None:
    secret = issue().headers["authorization"].split()[1]
    listed = service.client.get(KEYS)
    assert secret not in listed.text
    stored = b"".join(path.read_bytes() for path in service.home.glob("flexdse.db*"))
    assert secret.split("_", 2)[2].encode() not in stored
    assert secret.split("_")[1] in listed.text


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scopes": ["root"]}, "scopes[0]"),
        ({"scopes": []}, "scopes"),
        ({"days": 0}, "days"),
        ({"days": 100_000}, "days"),
        ({"owner": "../x"}, "owner"),
        ({"limits": {"requests_per_s": 0}}, "limits.requests_per_s"),
        ({"limit": {}}, "limit"),
    ],
)
def test_bad_key(service: Any, assert_problem: Check, changes: dict[str, Any], field: str) -> None:
    error = assert_problem(service.client.post(KEYS, json={"name": "x", **changes}), 422, "bad_input", field)
    assert error["pointer"] == "/" + field.replace(".", "/").replace("[", "/").replace("]", "")


def test_rate_of_a_key(issue: Callable[..., httpx.Client], assert_problem: Check) -> None:
    client = issue(limits={"requests_per_s": 0.001, "burst_requests": 3})
    for _ in range(3):
        assert client.get(EXPLORATIONS).status_code == 200
    answer = client.get(EXPLORATIONS)
    assert_problem(answer, 429, "too_many_requests", "rate")
    assert int(answer.headers["retry-after"]) >= 1


def test_quotas_of_a_key(service: Any, issue: Callable[..., httpx.Client], assert_problem: Check) -> None:
    client = issue(limits={"active_jobs": 1, "uploads": 0})
    path = client.post(EXPLORATIONS, json=service.request(30)).headers["Location"]
    assert_problem(client.post(EXPLORATIONS, json=service.request()), 403, "quota_exceeded", "quota")
    client.post(f"{path}:cancel")
    device = {**client.get("/api/v1/devices/u280").json(), "name": "mine"}
    assert_problem(client.post("/api/v1/devices", json=device), 403, "quota_exceeded", "quota")
    wait_for(lambda: client.get(path).json()["finished_at"] is not None)
    assert client.post(EXPLORATIONS, json=service.request()).status_code == 202


def test_audit_log(service: Any, issue: Callable[..., httpx.Client], stranger: httpx.Client) -> None:
    client = issue(owner="auditee", scopes=["read", "write"])
    client.post(EXPLORATIONS, json=service.request(), headers={"X-Request-ID": "my-request-1"})
    client.post(EXPLORATIONS, json={})
    client.get(EXPLORATIONS)
    stranger.post(EXPLORATIONS, json={})

    def entries() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = service.client.get("/api/v1/audit", params={"owner": "auditee"}).json()["items"]
        return found

    wait_for(lambda: len(entries()) >= 2)
    failed, done = entries()
    assert (done["action"], done["status"], done["request_id"]) == (f"POST {EXPLORATIONS}", 202, "my-request-1")
    assert failed["status"] == 422
    assert done["key_id"] == client.key_id  # type: ignore[attr-defined]
    page = service.client.get("/api/v1/audit", params={"limit": 1}).json()
    older = service.client.get("/api/v1/audit", params={"limit": 1, "cursor": page["next_cursor"]}).json()
    assert older["items"][0]["id"] < page["items"][0]["id"]


def test_audit_log_holds_what_was_refused_and_what_commands_did(
    in_process: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEXDSE_DATABASE_URL", f"sqlite:///{tmp_path / 'flexdse.db'}")
    client = in_process(token=SecretStr("t" * 43))
    token = {"Authorization": f"Bearer {'t' * 43}"}
    issued = CliRunner().invoke(app, ["keys", "issue", "looker", "--owner", "looker", "--scope", "read", "--json"])
    key = json.loads(issued.stdout)
    reader = {"Authorization": f"Bearer {key['key']}"}
    assert client.post(EXPLORATIONS, json={}, headers=reader).status_code == 403
    assert client.get(EXPLORATIONS, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get(EXPLORATIONS).status_code == 401  # shows nothing and changes nothing: not kept
    second = client.post("/api/v1/keys", json={"name": "second"}, headers=token).json()
    CliRunner().invoke(app, ["keys", "revoke", key["id"]])

    def entries() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get("/api/v1/audit", headers=token).json()["items"]
        return found

    wait_for(lambda: len(entries()) >= 5)
    shown = {
        (entry["action"], entry["status"], entry["owner"], (entry["detail"] or {}).get("problem"))
        for entry in entries()
    }
    assert shown == {
        ("flexdse keys issue", 201, "local", None),
        (f"POST {EXPLORATIONS}", 403, "looker", "insufficient_scope"),
        (f"GET {EXPLORATIONS}", 401, "-", "unauthorized"),
        ("POST /api/v1/keys", 201, "local", None),
        ("flexdse keys revoke", 204, "local", None),
    }
    details = {entry["action"]: entry["detail"] for entry in entries()}
    assert details["flexdse keys issue"]["scopes"] == ["read"]
    assert details["flexdse keys issue"]["user"]
    assert details["POST /api/v1/keys"]["key_id"] == second["id"]
    assert key["key"] not in json.dumps(entries())


def test_refusals_do_not_fill_the_audit_log(in_process: Callable[..., Any]) -> None:
    client = in_process(token=SecretStr("t" * 43))
    began_s = time.monotonic()
    for _ in range(150):
        client.post(EXPLORATIONS, json={})

    def stored() -> int:
        with client.app.state.database.read() as work:
            return len(work.audit.page(None, None, 1000))

    wait_for(lambda: stored() >= 60)
    assert stored() <= 61 + (time.monotonic() - began_s)


def test_secrets_stay_out_of_the_log(service: Any, stranger: httpx.Client) -> None:
    stranger.get("/?token=" + service.token)
    log = (service.home / "log").read_text()
    assert "GET / 303" in log
    assert service.token not in log


def test_wrong_credentials_are_slowed_down(in_process: Callable[..., Any], assert_problem: Check) -> None:
    client = in_process(token=SecretStr("t" * 43))
    wrong = {"Authorization": "Bearer wrong"}
    codes = [client.get(EXPLORATIONS, headers=wrong).status_code for _ in range(40)]
    assert codes[0] == 401
    refused = client.get(EXPLORATIONS, headers=wrong)
    assert_problem(refused, 429, "too_many_requests", "rate")
    assert refused.headers["retry-after"]
    # Whoever has the token gets in all the same, from the same address.
    assert client.get(EXPLORATIONS, headers={"Authorization": f"Bearer {'t' * 43}"}).status_code == 200


def test_without_authentication_everybody_is_local(in_process: Callable[..., Any]) -> None:
    client = in_process(authentication=False)
    assert client.get(EXPLORATIONS).status_code == 200
    session = client.get("/api/v1/session").json()
    assert (session["authenticated"], session["authentication_required"], session["owner"]) == (True, False, "local")


def test_token_file_of_a_server(service: Any) -> None:
    assert read_token(service.home) == service.token
    assert stat.S_IMODE((service.home / TOKEN_NAME).stat().st_mode) == 0o600


def test_token_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    first = ensure_token(tmp_path)
    assert ensure_token(tmp_path) == first
    (tmp_path / TOKEN_NAME).chmod(0o644)
    second = ensure_token(tmp_path)
    assert second != first
    assert stat.S_IMODE((tmp_path / TOKEN_NAME).stat().st_mode) == 0o600
    (tmp_path / TOKEN_NAME).write_text("short")
    assert len(ensure_token(tmp_path)) == 43
    assert [path.name for path in tmp_path.iterdir()] == [TOKEN_NAME]
