"""The dependency audit against a service of our own: it finds, it trusts no silence, and it never passes unseen."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["audit"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def osv() -> Iterator[Callable[[dict[str, list[str]]], str]]:
    """`osv({"name version": [ids]})`: the address of a service that knows these."""
    servers = []

    def start(known: dict[str, list[str]]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
                results: list[dict[str, Any]] = []
                for query in asked:
                    ids = known.get(f"{query['package']['name']} {query['version']}", [])
                    results.append({"vulns": [{"id": one} for one in ids]} if ids else {})
                body = json.dumps({"results": results}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


CANARY = {"jinja2 2.4.1": ["GHSA-462w-v97r-4m45"]}


def test_every_locked_package_is_asked_about(audit: ModuleType) -> None:
    python = audit.python_packages((ROOT / "requirements.lock").read_text())
    names = {package.name for package in python}
    assert {"fastapi", "sqlalchemy", "psycopg", "psycopg-binary", "numpy"} <= names
    pinned = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if re.match(r"[a-zA-Z0-9]", line)]
    assert len(python) == len(pinned) > 100
    javascript = audit.javascript_packages((ROOT / "dashboard" / "package-lock.json").read_text())
    assert {"vite", "preact", "typescript"} <= {package.name for package in javascript}


def test_sound_packages_pass(audit: ModuleType, osv: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(["--service", osv(CANARY), "--out", str(tmp_path / "a.json")]) == 0
    assert "no known vulnerability" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["checked"] is True


def test_vulnerable_package_fails(
    audit: ModuleType, osv: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    fastapi = next(package for package in audit.python_packages(lock) if package.name == "fastapi")
    service = osv({**CANARY, f"fastapi {fastapi.version}": ["GHSA-0000"]})
    assert audit.main(["--service", service, "--out", str(tmp_path / "a.json")]) == 1
    assert f"VULNERABLE fastapi {fastapi.version} (PyPI): GHSA-0000" in capsys.readouterr().out


def test_service_that_knows_nothing_is_not_believed(
    audit: ModuleType, osv: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main(["--service", osv({}), "--out", str(tmp_path / "a.json")]) == 1
    assert "its silence says nothing" in capsys.readouterr().out


@pytest.mark.parametrize("require", [False, True])
def test_service_that_cannot_be_reached_is_said(
    audit: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], require: bool
) -> None:
    arguments = [
        "--service",
        "http://127.0.0.1:9",
        "--out",
        str(tmp_path / "a.json"),
        *(["--require"] if require else []),
    ]
    assert audit.main(arguments) == int(require)
    assert "dependency audit SKIPPED: no answer" in capsys.readouterr().out
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["checked"] is False
    assert record["packages"] > 100
