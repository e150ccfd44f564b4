"""`python -m flexdse.demo`, as `make demo` runs it: the whole chain, and nothing that stays behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pandas as pd
import pytest

DEMO = [sys.executable, "-m", "flexdse.demo"]
# The same without the end, which has a test of its own and takes most of the time.
SHORT_DEMO = [
    sys.executable,
    "-c",
    "import sys; from flexdse import demo; demo._show_and_prove = lambda *_: True; sys.exit(demo.main())",
]

Start = Callable[..., subprocess.Popen[str]]


def family(pid: int) -> list[int]:
    """A process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                found += family(int(child))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(command, once=True)` runs it in a folder of its own; its output is in `out`."""
    started: list[subprocess.Popen[str]] = []

    def begin(command: list[str], *, once: bool) -> subprocess.Popen[str]:
        environment = {**os.environ, "DEMO_ONCE": "1" if once else "", "PYTHONUNBUFFERED": "1"}
        # Nothing answers there: the demo must talk to its own service without the proxy of the company.
        environment |= {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
        with (tmp_path / "out").open("w") as stream:
            started.append(
                subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=stream, stderr=stream, text=True)
            )
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def port_8000_is_taken() -> Iterator[None]:
    with closing(socket.socket()) as listener:
        with suppress(OSError):  # then somebody else has it, which is as good
            listener.bind(("127.0.0.1", 8000))
            listener.listen()
        yield


@pytest.mark.needs_program("g++")
@pytest.mark.usefixtures("port_8000_is_taken")
def test_demo_from_the_model_to_the_proof(start: Start, tmp_path: Path) -> None:
    process = start(DEMO, once=True)
    processes: set[int] = set()
    while process.poll() is None:
        processes.update(family(process.pid))
        time.sleep(0.05)
    out = (tmp_path / "out").read_text()
    assert process.returncode == 0, out
    url = re.match(r"FlexDSE at http://127\.0\.0\.1:(\d+)/\?token=\S+\n", out)
    assert url
    assert url[1] != "8000"
    assert "exact front: " in out
    assert re.search(r"^chosen: [0-9a-f]{16} \(", out, re.MULTILINE)
    assert re.search(r"^csim: PASS \(bit-exact, [1-9]\d* values\)$", out, re.MULTILINE)
    assert re.search(r"^dashboard: http://127\.0\.0\.1:\d+/explorations/\w+\?token=\S+$", out, re.MULTILINE)
    assert max(len(line) for line in out[: out.index("chosen: ")].splitlines()) <= 110
    assert "Ctrl-C" not in out
    assert [path.name for path in tmp_path.iterdir() if path.name != "out"] == ["build"]
    results = tmp_path / "build" / "demo"
    assert len(pd.read_parquet(results / "exploration" / "front.parquet")) > 10
    assert json.loads((results / "project" / "reports" / "csim.json").read_text())["passed"] is True
    assert (results / "project" / "vitis").is_dir()
    assert len(processes) > 3  # the service and its worker were there
    wait_for(lambda: not any(map(alive, processes)), "a process is left", 10)


def test_demo_stays_until_it_is_stopped(start: Start, tmp_path: Path) -> None:
    process = start(SHORT_DEMO, once=False)
    out = tmp_path / "out"
    wait_for(lambda: "Ctrl-C stops it" in out.read_text() or process.poll() is not None, "it does not come so far")
    assert process.poll() is None, out.read_text()
    page = re.search(
        r"^dashboard: (http://127\.0\.0\.1:\d+)/explorations/(\w+)\?token=(\S+)$", out.read_text(), re.MULTILINE
    )
    assert page
    exploration = httpx.get(
        f"{page[1]}/api/v1/explorations/{page[2]}", headers={"Authorization": f"Bearer {page[3]}"}, trust_env=False
    ).json()
    assert exploration["state"] == "succeeded"
    processes = family(process.pid)
    assert len(processes) > 2
    process.send_signal(signal.SIGINT)
    assert process.wait(15) == 0, out.read_text()
    assert out.read_text().endswith("stopped\n")
    wait_for(lambda: not any(map(alive, processes)), "a process is left", 10)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_demo_stopped_in_the_middle(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    process = start(DEMO, once=True)
    out = tmp_path / "out"
    wait_for(lambda: "exploring " in out.read_text() or process.poll() is not None, "it does not come so far")
    processes = family(process.pid)
    process.send_signal(number)
    assert process.wait(15) == 130, out.read_text()
    assert "Traceback" not in out.read_text()
    wait_for(lambda: not any(map(alive, processes)), "a process is left", 10)


def test_demo_in_a_folder_that_cannot_be_written(start: Start, tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file in the way")
    process = start(DEMO, once=True)
    assert process.wait(30) == 1
    out = (tmp_path / "out").read_text()
    assert out.startswith("error: ")
    assert "build" in out
    assert "way out: " in out
    assert "Traceback" not in out
