"""A real Valkey, real Celery messages: who is rung wakes up, and nobody depends on it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db.job_state import JobState
from db.repositories.outbox import QueuedJob
from db.session import Database
from tests.servers import ValkeyServer
from workers.bell import Bell
from workers.ear import Ear, Rings

Wait = Callable[..., None]


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    server.start()
    yield server
    server.remove()


def test_ring_is_answered_once_the_queue_was_looked_into() -> None:
    stop = threading.Event()
    rings = Rings(stop)
    order: list[str] = []

    def work() -> None:
        rings.wait(3600)  # idle
        order.append("looks")
        rings.wait(0.0)  # found nothing

    worker = threading.Thread(target=work)
    worker.start()

    def ring() -> None:
        rings.ring()
        order.append("answered")

    ringer = threading.Thread(target=ring)
    ringer.start()
    ringer.join(60)
    worker.join(60)
    assert order[0] == "looks"
    assert "answered" in order


def test_stop_lets_everybody_go() -> None:
    stop = threading.Event()
    rings = Rings(stop)
    threads = [threading.Thread(target=rings.ring), threading.Thread(target=lambda: rings.wait(3600))]
    stop.set()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_without_a_broker_there_is_nothing_to_ring() -> None:
    bell = Bell(None)
    assert bell.state() == "none"
    bell.ring([QueuedJob("0", "search", 0)])
    bell.close()


def test_idle_worker_is_woken_by_the_bell(bench: Any, valkey: ValkeyServer, wait_until: Wait) -> None:
    """A worker that would not look by itself for an hour."""
    bell = Bell(valkey.url)
    database = Database(bench.url, bell.ring)
    bench.database, before = database, bench.database
    stop = threading.Event()
    worker = bench.worker("timed", stop=stop, poll_s=3600.0)
    ear = Ear(valkey.url, ("search",), "ear-1", worker.rings)
    ear.open()
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_until(lambda: bell.state() == "ok")
        for _ in range(3):
            job_id = bench.submit(0.1)
            wait_until(lambda job_id=job_id: bench.job(job_id).state is JobState.SUCCEEDED)
        # Broker gone, with all that it knew: submitting goes on, and the ears hear again once it is back.
        valkey.kill()
        lost = bench.submit(0.1)
        wait_until(lambda: bell.state() == "degraded")
        assert bench.job(lost).state is JobState.QUEUED
        valkey.start()
        wait_until(lambda: bell.state() == "ok")

        def rung() -> bool:
            bell.ring([QueuedJob(lost, "search", 0)])  # as the housekeeper does, again and again
            return bench.job(lost).state is JobState.SUCCEEDED

        wait_until(rung)
    finally:
        stop.set()
        thread.join(60)
        ear.close()
        bell.close()
        before.close()
    assert not thread.is_alive()


def test_worker_without_its_broker_asks_the_database(bench: Any, wait_until: Wait) -> None:
    nowhere = f"redis+socket://{bench.folder}/nobody.sock?virtual_host=0"
    job_id = bench.submit(0.1)
    bench.start_worker(broker_url=nowhere, lease_s=30)
    wait_until(lambda: bench.job(job_id).state is JobState.SUCCEEDED)
    later = bench.submit(0.1)
    wait_until(lambda: bench.job(later).state is JobState.SUCCEEDED)


WORKER_WITH_A_SHORT_VISIBILITY = """
import sys
from pathlib import Path
from workers import bell
from workers.runner import run_worker
bell.TRANSPORT_OPTIONS.update(visibility_timeout=0.5, unacked_restore_interval=0.2, unacked_restore_throttle=1)
run_worker(sys.argv[1], artifacts_url=sys.argv[2], broker_url=sys.argv[3], work=Path(sys.argv[4]),
           lease_s=60, bodies={"explore": "tests.workers.bodies:timed"})
"""


def test_job_that_outlives_the_visibility_timeout_runs_once(
    bench: Any, valkey: ValkeyServer, wait_until: Wait, tmp_path: Path
) -> None:
    bell = Bell(valkey.url)
    bench.database.close()
    bench.database = Database(bench.url, bell.ring)
    wait_until(lambda: bell.state() == "ok")
    arguments = [bench.url, str(tmp_path / "artifacts"), valkey.url, str(tmp_path / "work")]
    for _ in range(2):
        bench.workers.append(subprocess.Popen([sys.executable, "-c", WORKER_WITH_A_SHORT_VISIBILITY, *arguments]))
    job_id = bench.submit(4.0)  # eight times as long as a message may go without being acknowledged
    wait_until(lambda: bench.job(job_id).state is JobState.SUCCEEDED)
    bell.close()
    assert bench.job(job_id).attempt == 1
    assert (len(bench.journal_lines("start")), len(bench.journal_lines("end"))) == (1, 1)
