"""What is refused before any route sees it, and what answers look like that no route gives."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

COLLECTION = "/api/v1/explorations"
EVALUATE = "/api/v1/designs:evaluate"
JSON = {"Content-Type": "application/json"}

Check = Callable[..., Any]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "169.254.1.1", "[::2]"]
)
def test_foreign_host_is_refused(service: Any, assert_problem: Check, host: str) -> None:
    for path in ("/", "/healthz", COLLECTION):
        assert_problem(service.client.get(path, headers={"Host": host}), 403, "forbidden", "Host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]", "[::1]:8000"])
def test_own_names_are_served(service: Any, host: str) -> None:
    assert service.client.get("/healthz", headers={"Host": host}).json() == {"status": "ok"}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_foreign_origin_is_refused(service: Any, assert_problem: Check, origin: str) -> None:
    answer = service.client.post(COLLECTION, json=service.request(), headers={"Origin": origin})
    assert_problem(answer, 403, "forbidden", "Origin")
    assert "access-control-allow-origin" not in answer.headers
    assert_problem(service.client.get(COLLECTION, headers={"Origin": origin}), 403, "forbidden", "Origin")


def test_own_origin_is_served(service: Any) -> None:
    assert service.client.get(COLLECTION, headers={"Origin": service.url}).status_code == 200


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_only_json_is_taken(service: Any, assert_problem: Check, media_type: str) -> None:
    body = json.dumps(service.request()).encode()
    answer = service.client.post(COLLECTION, content=body, headers={"Content-Type": media_type})
    assert_problem(answer, 415, "unsupported_media_type", "Content-Type")


MALFORMED = [b"{", b"[1,", b"\xff\xfe{}", b'{"a": NaN}', b'{"model": "a", "model": "b"}', b"[" * 100_000, b"nul"]


@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("path", [COLLECTION, EVALUATE])
def test_malformed_json(service: Any, assert_problem: Check, path: str, body: bytes) -> None:
    assert_problem(service.client.post(path, content=body, headers=JSON), 400, "malformed_body")


def test_body_of_another_encoding_says_where(service: Any, assert_problem: Check) -> None:
    body = '{"name": "für alle"}'.encode("latin-1")
    error = assert_problem(service.client.post(COLLECTION, content=body, headers=JSON), 400, "malformed_body", "body")
    assert (error["pointer"], error["hint"]) == ("", "write it anew in that encoding")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"7", b'"text"'])
def test_body_that_is_no_object(service: Any, assert_problem: Check, body: bytes) -> None:
    assert_problem(service.client.post(COLLECTION, content=body, headers=JSON), 422, "bad_input")


def test_large_body_is_refused_by_its_declared_length(service: Any, assert_problem: Check) -> None:
    body = json.dumps(service.request(model="x" * 2**20)).encode()
    assert_problem(service.client.post(COLLECTION, content=body, headers=JSON), 413, "body_too_large", "body")


def test_large_body_is_refused_by_what_comes(service: Any, assert_problem: Check) -> None:
    def endless() -> Any:
        for _ in range(40):
            yield b" " * 65536

    answer = service.client.post(COLLECTION, content=endless(), headers=JSON)
    assert_problem(answer, 413, "body_too_large", "body")


def test_evaluation_takes_larger_bodies(service: Any, assert_problem: Check) -> None:
    body = {"design": "x" * 2**21, "model": "llama-3.2-1b", "device": "u280", "workload": {}}
    assert_problem(service.client.post(EVALUATE, json=body), 422, "unknown_name")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", COLLECTION, "GET, POST"),
        ("GET", EVALUATE, "POST"),
        ("POST", "/api/v1/designs", "GET"),
        ("PUT", f"{COLLECTION}/0", "DELETE, GET, PATCH"),
        ("GET", f"{COLLECTION}/0:cancel", None),
        ("DELETE", "/", "GET, HEAD"),
    ],
)
def test_method_that_is_not_there(
    service: Any, assert_problem: Check, method: str, path: str, allowed: str | None
) -> None:
    answer = service.client.request(method, path)
    if allowed is None:
        assert answer.status_code in (404, 405)
        return
    assert_problem(answer, 405, "method_not_allowed", "method")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/api", "/api/v1", "/api/v2/devices", "/api/v1/devices/", "/docs.json", "/favicon.xyz"]
)
def test_path_that_is_not_there(service: Any, assert_problem: Check, path: str) -> None:
    assert_problem(service.client.get(path, headers={"Accept": "application/json"}), 404, "not_found", "path")


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_bad_idempotency_key(service: Any, assert_problem: Check, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = service.client.post(COLLECTION, json=service.request(), headers=headers)
    assert_problem(answer, 422, "bad_input", "idempotency-key")


def test_broken_requests_do_not_disturb_others(service: Any) -> None:
    address = urlsplit(service.url)
    for raw in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"POST /api/v1/explorations HTTP/1.1\r\n", b""):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(raw)
    assert service.client.get("/readyz").json()["status"] == "ready"


def test_every_answer_has_the_headers_of_safety(service: Any) -> None:
    for path in ("/", "/healthz", COLLECTION, "/api/v1/nothing"):
        headers = service.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers
