"""docker-compose.yml: checked as a document, and its topology run as plain processes with the commands that stand in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
TOPOLOGY = Path(__file__).with_name("topology.py")
# What must come from the environment: a default would be the password of everybody who forgot to set one.
SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN")


def test_document_follows_the_compose_specification() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    command = [check, "--builtin-schema", "vendor.compose-spec", COMPOSE]
    finished = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_no_secret_has_a_default() -> None:
    named = re.findall(r"\$\{(\w+)([^}]*)\}", COMPOSE.read_text())
    secrets = [(name, rest) for name, rest in named if SECRET.search(name)]
    assert len(secrets) >= 4
    assert [name for name, rest in secrets if not rest.startswith(":?")] == []
    for service in SERVICES.values():
        for name, value in (service.get("environment") or {}).items():
            if SECRET.search(name) and not name.endswith("__FILE"):
                assert "${" in str(value), name


def test_images_are_pinned_and_restarts_are_healthy() -> None:
    for name, service in SERVICES.items():
        image = str(service["image"])
        if "flexdse" in image:  # built here, so without a digest
            assert re.search(r":\d+\.\d+\.\d+\}$", image), (name, image)
        else:
            assert re.search(r":v?\d+\.\d+[^@]*@sha256:[0-9a-f]{64}$", image), (name, image)
        if name == "migrate":  # runs once
            assert service["restart"] == "no"
            continue
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert service["restart"] == "unless-stopped", name


def test_base_images_are_pinned_by_digest() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(bases) == 3
    assert [base for base in bases if not re.search(r":[\w.-]+@sha256:[0-9a-f]{64}$", base)] == []


def test_whoever_needs_the_database_waits_for_its_migration() -> None:
    ours = {name: service for name, service in SERVICES.items() if "flexdse" in str(service["image"])}
    assert {"api", "search-worker", "csim-worker", "synth-worker", "beat", "migrate"} == set(ours)
    for name, service in ours.items():
        assert "FLEXDSE_DATABASE_URL" in service["environment"], name
        if name == "migrate":
            assert service["depends_on"] == {"postgres": {"condition": "service_healthy"}}
        else:
            assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}, name
    queues = {queue for s in ours.values() for queue in _queues(s["command"])}
    assert queues == {"search", "csim", "simulate", "synthesize"}


def _queues(command: list[str]) -> list[str]:
    return command[command.index("--queues") + 1].split(",") if "--queues" in command else []


def test_only_loopback_ports_are_published() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", ()):
            assert str(port).startswith("127.0.0.1:"), name


def _run_topology(tmp_path: Path, *before: str) -> dict[str, Any]:
    finished = subprocess.run(
        [*before, sys.executable, str(TOPOLOGY), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr[-6000:]
    told: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return told


def _check(told: dict[str, Any]) -> None:
    assert told["states"] == ["succeeded"] * 4
    assert told["seen_by_both_replicas"]
    assert told["left_running"] == []


def test_topology_as_plain_processes(tmp_path: Path) -> None:
    """PostgreSQL, Valkey, migration, two API replicas, search and csim workers, beat; jobs of each kind end."""
    _check(_run_topology(tmp_path))


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="the test above was not root already")
def test_topology_as_nobody(tmp_path: Path, require_program: Callable[[str], Path]) -> None:
    """The same as a user without any right, in a user namespace: what the programs see is that they are `nobody`."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "--user", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are not allowed here")
    told = _run_topology(tmp_path, unshare, "--user", "--map-user=65534", "--map-group=65534", "--")
    assert told["user"] == 65534
    _check(told)
