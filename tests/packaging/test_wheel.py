"""The wheel, installed outside of the checkout: everything that the product needs is in it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from spec.catalog import CATALOG_DIR

ROOT = Path(__file__).parents[2]
DESIGN = ("--design", "flexllm-u280", "--model", "llama-3.2-1b", "--device", "u280")
EXPLORATION = {
    "model": "smollm2-135m",
    "device": "u280",
    "workload": {"prompt_tokens": 64, "output_tokens": 64},
    "method": "exact",
    "space": {"fix": {"prefill.token_parallelism": 8, "decode.head_parallelism": 1}},  # seconds, not a minute
}
TOKENS = ("--prompt-tokens", "64", "--output-tokens", "64")

Run = Callable[..., subprocess.CompletedProcess[str]]


def run(*command: object, cwd: Path) -> str:
    """Standard output of a command that has to succeed."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel in it, and the dependencies of the one that runs this test."""
    venv = tmp_path_factory.mktemp("a place with spaces") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=venv.parent)
    run(sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-index", "--no-cache", "--no-deps", "--python",
        venv / "bin" / "python", wheel, cwd=venv.parent)  # fmt: skip
    (packages,) = venv.glob("lib/python*/site-packages")
    # As the folder alone is named, the file that leads from it into this checkout is not read.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv


@pytest.fixture
def flexdse(installed: Path, tmp_path: Path) -> Run:
    """The installed command, in another folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FLEXDSE"))}

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(installed / "bin" / "flexdse"), *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return call


def test_wheel_holds_everything(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.relative_to(ROOT).as_posix() for path in CATALOG_DIR.rglob("*.yaml")}
    for folder in ("hls_gen/library", "hls_gen/templates"):
        wanted |= {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
    migrations = [path for path in (ROOT / "alembic").rglob("*.py") if "__pycache__" not in path.parts]
    wanted |= {f"flexdse/_bundled/{path.relative_to(ROOT).as_posix()}" for path in migrations}
    if (ROOT / "dashboard" / "dist" / "index.html").is_file():
        wanted.add("flexdse/_bundled/dashboard/index.html")
    assert sorted(wanted - names) == []


def test_wheel_holds_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {"spec", "cost_models", "dse", "hls_gen", "quantize", "db", "workers", "api", "flexdse"}
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == packages
    assert [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".db", ".log"))] == []


def test_licences_and_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    names = {name.partition(".dist-info/")[2] for name in archive.namelist()}
    assert {"licenses/LICENSE", "licenses/THIRD_PARTY.md", "entry_points.txt"} <= names
    metadata = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    assert str(ROOT) not in archive.read(metadata).decode()


def test_code_comes_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    packages = ["spec", "cost_models", "dse", "hls_gen", "db", "workers", "api", "flexdse"]
    script = f"import {', '.join(packages)}\nprint({', '.join(f'{name}.__file__' for name in packages)}, sep='\\n')"
    places = run(installed / "bin" / "python", "-c", script, cwd=tmp_path).splitlines()
    assert [place for place in places if not place.startswith(str(installed))] == []


def test_catalog_and_evaluate(flexdse: Run) -> None:
    assert [line.split()[0] for line in flexdse("devices", "list").stdout.splitlines()[2:]] == ["u280", "u55c", "v80"]
    done = flexdse("evaluate", *DESIGN, *TOKENS, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]["ttft_s"] > 0


@pytest.mark.needs_program("g++")
def test_generate_and_csim(flexdse: Run, tmp_path: Path) -> None:
    done = flexdse("generate", *DESIGN, "--out", "a project")
    assert done.returncode == 0, done.stderr
    proven = flexdse("csim", "a project")
    assert proven.returncode == 0, proven.stderr
    passed = re.fullmatch(r"csim: PASS \(bit-exact, (\d+) values\)\n", proven.stdout)
    assert passed
    report = json.loads((tmp_path / "a project" / "reports" / "csim.json").read_text())
    assert report["compared_values"] == int(passed[1]) > 0
    assert min(stage["compared_values"] for stage in report["stages"]) > 0


def test_db_upgrade(flexdse: Run, tmp_path: Path) -> None:
    done = flexdse("db", "upgrade", "--home", "home")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home" / "flexdse.db").is_file()


def test_doctor_finds_the_headers(flexdse: Run) -> None:
    checks = {check["name"]: check for check in json.loads(flexdse("doctor", "--json").stdout)["checks"]}
    assert checks["ap_int headers"]["found"]


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def test_serve(installed: Path, tmp_path: Path) -> None:
    command = [str(installed / "bin" / "flexdse"), "serve", "--port", "0", "--home", "home"]
    log = tmp_path / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=stream, stderr=stream)
    try:
        url = None
        while url is None:
            assert process.poll() is None, log.read_text()
            url = re.search(r"FlexDSE at (http://127\.0\.0\.1:\d+)/\?token=(\S+)", log.read_text())
        with httpx.Client(
            base_url=url[1], headers={"Authorization": f"Bearer {url[2]}"}, timeout=30, trust_env=False
        ) as client:
            assert client.get("/readyz").status_code == 200
            assert '"u280"' in client.get("/api/v1/devices").text
            exploration = client.post("/api/v1/explorations", json=EXPLORATION).headers["Location"]
            shown: dict[str, Any] = {"finished_at": None}
            while shown["finished_at"] is None:
                time.sleep(0.2)
                shown = client.get(exploration).json()
            assert shown["state"] == "succeeded"
            page = client.get("/", headers={"Accept": "text/html"})
            assert "<html" in page.text.lower() or page.status_code != 200
            if (ROOT / "dashboard" / "dist" / "index.html").is_file():
                assert page.status_code == 200
                assert page.text == (ROOT / "dashboard" / "dist" / "index.html").read_text()
        workers = children(process.pid)
        assert workers
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
    assert code == 0, log.read_text()
    assert [worker for worker in workers if Path(f"/proc/{worker}").exists()] == []
