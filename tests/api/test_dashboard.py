"""The pages, from a folder that stands for a built dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create_app
from api.settings import ApiSettings

Client = Callable[..., httpx.Response]


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>built</title>")
    (folder / "assets" / "index-abc123.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return folder


def client_of(dashboard: Path | None) -> Client:
    """`client(path)` asks an application that was not started: its pages need no database."""
    settings = ApiSettings(database_url="sqlite:///unused", dashboard_dir=dashboard, authentication=False)
    app = create_app(settings)
    app.state.database = None

    def ask(path: str, method: str = "GET", **options: Any) -> httpx.Response:
        async def request() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://127.0.0.1"
            ) as client:
                return await client.request(method, path, **options)

        return asyncio.run(request())

    return ask


@pytest.fixture
def client(dist: Path) -> Client:
    return client_of(dist)


@pytest.mark.parametrize("accept", ["text/html,*/*", "*/*", None])
@pytest.mark.parametrize("path", ["/", "/index.html", "/explorations/0123", "/some/deep/page?x=1"])
def test_pages_are_the_index(client: Client, path: str, accept: str | None) -> None:
    answer = client(path, headers={"Accept": accept} if accept is not None else {})
    assert answer.status_code == 200
    assert "built" in answer.text
    assert answer.headers["cache-control"] == "no-cache"


def test_policy_allows_no_inline_script_and_nothing_from_elsewhere(client: Client) -> None:
    policy = client("/").headers["content-security-policy"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"


def test_assets_are_kept_for_ever(client: Client) -> None:
    answer = client("/assets/index-abc123.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert client("/assets/index-abc123.js", "HEAD").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        "/link.txt",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/a%00b.txt",
    ],
)
def test_nothing_outside_of_the_folder(client: Client, path: str) -> None:
    answer = client(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_page_that_was_not_built_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.dashboard.bundled", lambda _name: None)
    client = client_of(None)
    assert "make dashboard" in client("/").text
    assert client("/explorations/0123").status_code == 404
    assert client("/healthz").status_code == 200


def test_unexpected_error_tells_nothing_of_the_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bytes:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("api.designs.service.evaluation_json", fail)
    body = {
        "design": "flexllm-u280",
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": {"prompt_tokens": 1, "output_tokens": 1},
    }
    answer = client_of(None)("/api/v1/designs:evaluate", "POST", json=body)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.json()["title"] == "internal error"
    assert "secret" not in answer.text
