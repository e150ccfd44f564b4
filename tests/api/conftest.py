from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from db.migrations import upgrade
from flexdse.serve import start_background

BODY = {
    "explore": "tests.api.bodies:explore",
    "generate": "tests.api.bodies:generate",
    "csim": "tests.api.bodies:csim",
}


@dataclass
class Service:
    """A running service and a client for it."""

    url: str
    pid: int
    client: httpx.Client
    token: str
    home: Path

    def request(self, seconds: float = 0.0, **changes: Any) -> dict[str, Any]:
        """The body of an exploration that takes so long."""
        return {
            "name": f"{seconds}|",
            "model": "llama-3.2-1b",
            "device": "u280",
            "workload": {"prompt_tokens": 128, "output_tokens": 128},
            **changes,
        }

    def submit(self, seconds: float = 0.0, **changes: Any) -> str:
        """Submits such an exploration; its path."""
        answer = self.client.post("/api/v1/explorations", json=self.request(seconds, **changes))
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def explored(self) -> str:
        """The path of an exploration that succeeded."""
        path = self.submit()
        assert self.wait(path)["state"] == "succeeded"
        return path

    def wait(self, path: str, seconds: float = 60.0) -> dict[str, Any]:
        """The exploration once it ended."""
        end = time.monotonic() + seconds
        while True:
            shown: dict[str, Any] = self.client.get(path).json()
            if shown["finished_at"] is not None:
                return shown
            assert time.monotonic() < end, shown
            time.sleep(0.05)


Event = dict[str, Any]


@pytest.fixture(scope="session")
def read_events() -> Callable[[httpx.Response], Iterator[Event]]:
    """The server-sent events of an open response."""

    def read(response: httpx.Response) -> Iterator[Event]:
        event: Event = {}
        for line in response.iter_lines():
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if "event" in event:
                    yield event
                event = {}
            elif name == "data":
                event["data"] = json.loads(value)
            elif name in ("id", "event"):
                event[name] = value

    return read


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home of the service")
    with (
        start_background(home=home, port=0, bodies=BODY, log=home / "log") as background,
        httpx.Client(base_url=background.url, headers=background.address.headers, timeout=60) as client,
    ):
        yield Service(background.url, background.pid, client, background.address.token or "", home)


@pytest.fixture
def in_process(tmp_path: Path) -> Iterator[Callable[..., TestClient]]:
    """`in_process(**settings)`: the application by itself, on a database of the test, without workers."""
    with ExitStack() as stack:

        def start(**settings: Any) -> TestClient:
            url = f"sqlite:///{tmp_path / 'flexdse.db'}"
            upgrade(url)
            app = create_app(ApiSettings(database_url=url, artifacts_url=str(tmp_path / "artifacts"), **settings))
            return stack.enter_context(TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False))

        yield start


def leads_into(body: bytes, pointer: str) -> bool:
    """Whether a JSON pointer (RFC 6901) names a part of the body, or a member that an object in it lacks."""
    if not pointer:
        return True
    assert pointer[0] == "/"
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))
    node = json.loads(body)
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return isinstance(node, dict) or (isinstance(node, list) and int(last) < len(node))


@pytest.fixture(scope="session")
def assert_problem() -> Callable[..., dict[str, Any]]:
    def check(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
        """An RFC 9457 document with the parts that a user needs; its first error."""
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["type"] == f"urn:flexdse:problem:{code}"
        assert problem["status"] == status
        assert problem["detail"]
        assert "Traceback" not in answer.text
        for each in problem.get("errors", ()):
            if "pointer" in each:
                assert leads_into(answer.request.content, each["pointer"]), each
        if field is None:
            return problem
        error: dict[str, Any] = problem["errors"][0]
        assert error["field"] == field
        assert error["rule"]
        return error

    return check
