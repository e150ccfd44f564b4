"""`serve` as a process: it starts, it refuses, it stops, it is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest

from db.data_folder import DATABASE_NAME, LOCK_NAME, database_url, locked_home, prepare_home
from db.job_state import JobState
from db.migrations import upgrade
from db.session import Database
from flexdse.serve import WORKER_QUEUES, BackgroundService, serve, start_background
from spec.errors import FlexDSEError, InputError
from workers.enqueue import Queue

BODIES = {"explore": "tests.workers.bodies:timed"}


PATIENCE_S = 90.0  # a busy machine may take that long to answer
get = partial(httpx.get, timeout=PATIENCE_S)
post = partial(httpx.post, timeout=PATIENCE_S)


def children(pid: int) -> list[int]:
    """Every living descendant of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *children(int(child))]
    return found


def running(service: BackgroundService, *words: str) -> list[int]:
    """Those of its processes whose command line holds all the words."""
    found = []
    for pid in children(service.pid):
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if all(word in line for word in words):
            found.append(pid)
    return found


def job_processes(service: BackgroundService) -> list[int]:
    return running(service, "workers.child")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., BackgroundService]]:
    """`start(...)` serves from one data folder of the test; whatever runs at its end is stopped."""
    running: list[BackgroundService] = []

    def start_one(**options: Any) -> BackgroundService:
        options = {"home": tmp_path / "home", "port": 0, "bodies": BODIES, "log": tmp_path / "log", **options}
        running.append(start_background(**options))
        return running[-1]

    yield start_one
    for service in running:
        service.stop()


def submit(service: BackgroundService, seconds: float) -> str:
    body = {
        "name": f"{seconds}|",
        "model": "llama-3.2-1b",
        "device": "u280",
        "workload": {"prompt_tokens": 128, "output_tokens": 128},
    }
    answer = post(f"{service.url}/api/v1/explorations", json=body, headers=service.address.headers)
    assert answer.status_code == 202
    return str(answer.headers["Location"])


def state(service: BackgroundService, path: str) -> tuple[str, int]:
    shown = get(service.url + path, headers=service.address.headers).json()
    return shown["state"], shown["attempt"]


def open_stream(service: BackgroundService, path: str) -> tuple[threading.Thread, threading.Event]:
    """Somebody who listens and does not leave."""
    heard = threading.Event()

    def listen() -> None:
        try:
            events = f"{service.url}{path}/events"
            with httpx.stream("GET", events, headers=service.address.headers, timeout=90) as stream:
                for _ in stream.iter_lines():
                    heard.set()
        except httpx.HTTPError:
            pass

    thread = threading.Thread(target=listen)
    thread.start()
    assert heard.wait(60)
    return thread, heard


def test_ready_soon_and_in_a_private_folder(start: Callable[..., BackgroundService], tmp_path: Path) -> None:
    home = tmp_path / "a b%c#d ü"
    service = start(home=home)
    wait_until(lambda: get(f"{service.url}/readyz").json() == {"status": "ready", "broker": "ok"})
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in home.iterdir()} == {0}


def test_command_logs_every_request_and_nothing_but_json(tmp_path: Path) -> None:
    """On a folder that others could look into; the command as a user types it."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    command = [sys.executable, "-m", "flexdse.cli", "serve", "--port", "0", "--no-workers", "--home", str(home)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "log").open("wb"),
        env={**os.environ, "FLEXDSE_LOG": "json"},
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        token = (home / "token").read_text().strip()
        url = line.split()[2].partition("/?")[0]
        assert f"{url}/?token={token}" in line
        asked = httpx.get(f"{url}/api/v1/jobs", headers={"Authorization": f"Bearer {token}", "X-Request-ID": "r-1"})
        assert asked.status_code == 200
        assert httpx.get(f"{url}/api/v1/jobs", headers={"Authorization": "Bearer wrong"}).status_code == 401
        process.terminate()
        assert process.wait(90) == 0
    finally:
        process.kill()
        process.wait()
    text = (tmp_path / "log").read_text()
    assert token not in text
    lines = [json.loads(one) for one in text.splitlines()]
    requests = [(one["request_id"], one["status"], one["owner"]) for one in lines if "request_id" in one]
    assert requests[0] == ("r-1", 200, "local")
    assert requests[1][1:] == (401, "-")
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in home.iterdir()} == {0}


def test_what_takes_seconds_has_a_worker_of_its_own() -> None:
    assert sorted(queue for queues in WORKER_QUEUES for queue in queues) == sorted(Queue)
    assert (Queue.CSIM,) in WORKER_QUEUES  # generate and csim: never behind a simulation


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_in_order_with_a_stream_open_and_a_job_running(
    start: Callable[..., BackgroundService], tmp_path: Path, number: signal.Signals
) -> None:
    service = start()
    path = submit(service, 3600)
    wait_until(lambda: state(service, path)[0] == "running" and job_processes(service))
    thread, _ = open_stream(service, path)
    family = children(service.pid)
    assert len(family) >= 4  # broker, workers, the process of the job
    os.kill(service.pid, number)
    assert service.stop(patience_s=90) == 0
    assert not [pid for pid in family if alive(pid)]
    thread.join(60)
    database = Database(database_url(tmp_path / "home"))
    with database.read() as work:
        (job,) = work.jobs.page("local", None, 2)
    database.close()
    assert (job.state, job.attempt) == (JobState.QUEUED, 1)  # given back, not lost


def test_killed_service_leaves_nothing_running_and_loses_nothing(start: Callable[..., BackgroundService]) -> None:
    service = start()
    path = submit(service, 1.5)
    wait_until(lambda: state(service, path)[0] == "running" and job_processes(service))
    family = children(service.pid)
    os.kill(service.pid, signal.SIGKILL)
    wait_until(lambda: not [pid for pid in family if alive(pid)])
    service.stop()
    again = start()
    wait_until(lambda: state(again, path) == ("succeeded", 2))  # although the lease of the first still runs


def test_killed_worker_is_replaced(start: Callable[..., BackgroundService]) -> None:
    service = start()
    path = submit(service, 1.0)
    wait_until(lambda: job_processes(service))
    (worker,) = running(service, "workers.runner", "--queues search ")
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: state(service, path) == ("succeeded", 2))
    wait_until(lambda: running(service, "workers.runner", "--queues search "))
    assert running(service, "workers.runner", "--queues search ") != [worker]


def test_sleeping_worker_is_killed_and_replaced(start: Callable[..., BackgroundService]) -> None:
    """Stopped wherever it was, perhaps within a transaction that everybody else would wait for."""
    service = start(lease_s=1.0)
    path = submit(service, 1.0)
    wait_until(lambda: job_processes(service))
    (worker,) = running(service, "workers.runner", "--queues search ")
    os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: not alive(worker))
    wait_until(lambda: state(service, path)[0] == "succeeded")


def test_killed_broker_is_replaced(start: Callable[..., BackgroundService]) -> None:
    service = start()
    wait_until(lambda: get(f"{service.url}/readyz").json()["broker"] == "ok")
    (broker,) = running(service, "valkey-server ")
    os.kill(broker, signal.SIGKILL)
    path = submit(service, 0.1)  # accepted all the same
    wait_until(lambda: state(service, path) == ("succeeded", 1))
    wait_until(lambda: running(service, "valkey-server ") not in ([], [broker]))
    wait_until(lambda: get(f"{service.url}/readyz").json()["broker"] == "ok")


def test_data_folder_with_a_long_path(start: Callable[..., BackgroundService], tmp_path: Path) -> None:
    """Longer than the path of a socket may be: then that lies in a short private folder, and goes with the service."""
    home = tmp_path / ("long " * 12).strip() / ("folder " * 12).strip()
    service = start(home=home)
    wait_until(lambda: get(f"{service.url}/readyz").json()["broker"] == "ok")
    told = json.loads((home / LOCK_NAME).read_text())
    socket_path = Path(unquote(urlsplit(told["broker_url"]).path))
    assert len(str(socket_path)) < 108
    assert socket_path.parent.stat().st_mode & 0o777 == 0o700
    assert service.stop(patience_s=90) == 0
    assert not socket_path.parent.exists()


def test_worker_beside_the_server(start: Callable[..., BackgroundService], tmp_path: Path) -> None:
    """`serve` without workers takes jobs; `flexdse worker` on the same data folder does them."""
    service = start(workers=False)
    path = submit(service, 0.1)
    script = (
        "import sys; from pathlib import Path; from flexdse.worker_host import host_workers;"
        f"host_workers(Path(sys.argv[1]), bodies={BODIES!r})"
    )
    host = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "home")])
    try:
        wait_until(lambda: state(service, path) == ("succeeded", 1))
        family = children(host.pid)
        host.terminate()
        assert host.wait(90) == 0
        assert not [pid for pid in family if alive(pid)]
    finally:
        host.kill()
        host.wait()


def test_any_loopback_address(start: Callable[..., BackgroundService]) -> None:
    service = start(host="127.0.0.2")
    assert service.url.startswith("http://127.0.0.2:")
    assert get(f"{service.url}/healthz").status_code == 200


def test_port_in_use_takes_the_next_free_one(start: Callable[..., BackgroundService], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = start(port=port)
    assert port < int(service.url.rpartition(":")[2]) <= port + 50
    assert f"port {port} is in use, trying the next one" in (tmp_path / "log").read_text()


def test_strict_port_in_use_is_refused(start: Callable[..., BackgroundService]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            start(port=port, strict_port=True)
    message = str(caught.value)
    for part in ("the port is in use", "field: port", f"value: {port}", "rule: must be free", "way out: stop"):
        assert part in message


def test_second_service_on_the_same_folder_is_refused(start: Callable[..., BackgroundService], tmp_path: Path) -> None:
    first = start()
    with pytest.raises(InputError) as caught:
        serve(home=tmp_path / "home")
    message = str(caught.value)
    for part in (f"process {first.pid}", first.url, "field: home", "one server per data folder"):
        assert part in message
    assert get(f"{first.url}/readyz").status_code == 200
    first.stop()
    with locked_home(tmp_path / "home"):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "::", "example.org"])
def test_other_addresses_need_authentication(tmp_path: Path, host: str) -> None:
    with pytest.raises(InputError, match="without authentication") as caught:
        serve(host=host, home=tmp_path / "home", authentication=False)
    assert caught.value.field == "host"
    assert not (tmp_path / "home").exists()


def test_host_that_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no address") as caught:
        serve(host="example.org", home=tmp_path / "home")
    assert "--allowed-host" in str(caught.value)
    assert not (tmp_path / "home").exists()


def test_every_address_of_the_machine(start: Callable[..., BackgroundService]) -> None:
    service = start(host="0.0.0.0", allowed_hosts=["Fpga.Lab.example"])
    port = service.url.rpartition(":")[2]
    here = f"http://127.0.0.1:{port}/api/v1/explorations"
    assert get(here).status_code == 401
    assert get(here, headers=service.address.headers).status_code == 200
    named = {"Host": f"fpga.lab.example:{port}", **service.address.headers}
    assert get(here, headers=named).status_code == 200
    assert get(here, headers={**named, "Host": "evil.example"}).status_code == 403


def test_address_that_the_request_came_to_is_a_name(start: Callable[..., BackgroundService]) -> None:
    """As Prometheus scrapes the replicas, which are many behind one name."""
    port = urlsplit(start(host="0.0.0.0").url).port
    assert get(f"http://127.0.0.2:{port}/healthz").status_code == 200
    foreign = httpx.get(f"http://127.0.0.2:{port}/healthz", headers={"Host": "127.0.0.3"}, trust_env=False)
    assert foreign.status_code == 403


@pytest.mark.parametrize("port", [-1, 65536])
def test_port_that_is_none(tmp_path: Path, port: int) -> None:
    with pytest.raises(InputError, match="no such port") as caught:
        serve(port=port, home=tmp_path / "home")
    assert "way out: leave it out" in str(caught.value)


def damage(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        connection.commit()


@pytest.mark.parametrize(
    ("spoil", "says", "way_out"), [(damage, "damaged", "move it away"), (make_newer, "newer FlexDSE", "update FlexDSE")]
)
def test_database_that_cannot_be_used(tmp_path: Path, spoil: Callable[[Path], None], says: str, way_out: str) -> None:
    home = prepare_home(tmp_path / "home")
    upgrade(database_url(home))
    path = home / DATABASE_NAME
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(FlexDSEError, match=says) as caught:
        serve(home=home)
    assert caught.value.exit_code == 2
    assert str(path) in str(caught.value)
    assert way_out in str(caught.value)
    assert path.read_bytes() == before


def test_database_that_breaks_while_serving(
    start: Callable[..., BackgroundService], tmp_path: Path, assert_problem: Callable[..., Any]
) -> None:
    service = start()
    for suffix in ("-wal", "-shm"):
        (tmp_path / "home" / f"{DATABASE_NAME}{suffix}").unlink(missing_ok=True)
    damage(tmp_path / "home" / DATABASE_NAME)
    answer = get(f"{service.url}/readyz")
    assert_problem(answer, 503, "database_unusable", "database")
    assert get(f"{service.url}/healthz").status_code == 200
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_service_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = f"""
import json, os, signal, sys
from pathlib import Path
from flexdse.serve import start_background
service = start_background(home=Path({str(tmp_path / "home")!r}), port=0, log=Path({str(tmp_path / "log")!r}))
print(json.dumps([service.pid, service.url]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert finished.returncode == -signal.SIGKILL
    pid, _ = json.loads(finished.stdout)
    wait_until(lambda: not alive(pid))


def test_folder_with_a_question_mark(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="question mark"):
        serve(home=tmp_path / "what?")
