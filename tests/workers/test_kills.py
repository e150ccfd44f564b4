"""Real workers on a real file, killed at any moment. The journal that the bodies write is the judge, not the table."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.job_state import JobState

Wait = Callable[..., None]


def process_state(pid: int) -> str:
    """One letter, as the kernel says it; empty if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def alive(pid: int) -> bool:
    return process_state(pid) not in ("", "Z")


def test_killed_job_runs_again(bench: Any, wait_until: Wait) -> None:
    job_id = bench.submit(0.6)
    bench.start_worker()
    wait_until(lambda: bench.journal_lines("start"))
    os.kill(bench.journal_lines("start")[0], signal.SIGKILL)
    wait_until(lambda: bench.job(job_id).state is JobState.SUCCEEDED)
    assert (bench.job(job_id).attempt, bench.front_size(job_id)) == (2, 3)
    assert len(bench.journal_lines("start")) == 2


def test_killed_worker_takes_its_job_along_and_another_worker_runs_it(bench: Any, wait_until: Wait) -> None:
    job_id = bench.submit(1.5)
    first = bench.start_worker()
    wait_until(lambda: bench.journal_lines("start"))
    first.kill()
    first.wait()
    (pid,) = bench.journal_lines("start")
    wait_until(lambda: not alive(pid), what="for the process of the job to die with its worker")
    assert bench.job(job_id).state is JobState.RUNNING  # nobody has noticed yet
    bench.start_worker()
    wait_until(lambda: bench.job(job_id).state is JobState.SUCCEEDED)
    assert (bench.job(job_id).attempt, len(bench.journal_lines("end"))) == (2, 1)


@pytest.mark.needs_program("setsid")
@pytest.mark.parametrize(
    "how", ["worker killed", "upper guard killed", "lower guard killed", "job killed", "job cancelled", "job ended"]
)
def test_whatever_a_tool_started_goes_with_it(bench: Any, wait_until: Wait, how: str) -> None:
    """What a compiler starts has another parent than the job, and may be in another group or session."""
    job_id = bench.submit(2 if how == "job ended" else 0)
    worker = bench.start_worker("with_tools")
    wait_until(lambda: len(bench.journal_lines("part")) == 2)
    parts = bench.journal_lines("part")
    if how == "worker killed":
        worker.kill()
        worker.wait()
    elif how.endswith("killed"):
        with bench.database.write() as work:
            work.jobs.get(job_id).max_attempts = 1
        job = bench.journal_lines("start")[0]
        lower = parent_of(job)
        os.kill({"job": job, "lower guard": lower, "upper guard": parent_of(lower)}[how[:-7]], signal.SIGKILL)
    elif how == "job cancelled":
        with bench.database.write() as work:
            work.jobs.request_cancel(job_id)
    wait_until(lambda: not any(map(alive, parts)), what="for the parts of the tool to die")


def test_worker_that_sleeps_past_its_lease_cannot_finish_twice(bench: Any, wait_until: Wait) -> None:
    job_id = bench.submit(1.5)
    first = bench.start_worker()
    wait_until(lambda: bench.journal_lines("start"))
    # Stopped in the middle of a transaction it would hold the lock of the file for as long as it sleeps, and nobody
    # could work: while the lock is ours, it is not. Its job goes on, and has a result to tell when the worker wakes up.
    with bench.database.write():
        first.send_signal(signal.SIGSTOP)
        wait_until(lambda: process_state(first.pid) == "T")
    bench.start_worker()
    wait_until(lambda: bench.job(job_id).state is JobState.SUCCEEDED)
    ended = bench.job(job_id)
    first.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    now = bench.job(job_id)
    assert (now.attempt, now.version, now.finished_at) == (2, ended.version, ended.finished_at)
    assert bench.front_size(job_id) == 3
    wait_until(lambda: first.poll() is None and not any(alive(pid) for pid in bench.journal_lines("start")))


def test_stopped_worker_leaves_nothing_behind(bench: Any, wait_until: Wait) -> None:
    job_id = bench.submit(3600)
    worker = bench.start_worker()
    wait_until(lambda: bench.journal_lines("start"))
    worker.terminate()
    assert worker.wait(90) == 0
    assert not alive(bench.journal_lines("start")[0])
    assert (bench.job(job_id).state, bench.job(job_id).attempt) == (JobState.QUEUED, 1)


def test_whatever_is_killed_nothing_is_lost_or_done_twice(bench: Any, wait_until: Wait) -> None:
    chance = random.Random(7)
    jobs = [bench.submit(0.4) for _ in range(6)]
    for job_id in jobs:  # the kills below are more than a job is allowed
        with bench.database.write() as work:
            work.jobs.get(job_id).max_attempts = 100
    workers = [bench.start_worker(lease_s=0.8) for _ in range(2)]
    kills: Counter[str] = Counter()
    end = time.monotonic() + 300
    while any(not bench.job(job_id).state.is_final for job_id in jobs):
        assert time.monotonic() < end, [bench.job(job_id).state for job_id in jobs]
        time.sleep(chance.uniform(0.1, 0.3))
        victim = chance.choice(["child", "worker", "none"])
        running = [pid for pid in bench.journal_lines("start") if alive(pid)]
        if victim == "child" and running and kills["child"] < 3:
            os.kill(chance.choice(running), signal.SIGKILL)
            kills["child"] += 1
        elif victim == "worker" and running and kills["worker"] < 2:
            index = chance.randrange(2)
            workers[index].kill()
            workers[index].wait()
            workers[index] = bench.start_worker(lease_s=0.8)
            kills["worker"] += 1
    assert kills["child"] + kills["worker"] >= 2
    for job_id in jobs:
        assert (bench.job(job_id).state, bench.front_size(job_id)) == (JobState.SUCCEEDED, 3)
    # A body whose end was written may have been killed before it was published, and then another one ran.
    assert len(bench.journal_lines("start")) >= len(bench.journal_lines("end")) >= len(jobs)


WORKER_THAT_DIES_WHILE_IT_PUBLISHES = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from db.artifacts import ArtifactStore
from db.session import Database
from workers.kinds import with_bodies
from workers.worker import Worker, WorkerSettings
from workers.work_folder import WorkFolder

kind = with_bodies({"explore": "tests.workers.bodies:timed"})["explore"]

def prepare(job, result):
    publish = kind.prepare(job, result)

    def publish_and_die(work, artifacts):
        publish(work, artifacts)
        work.session.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    return publish_and_die

url, folder = sys.argv[1], Path(sys.argv[2])
store, work = ArtifactStore.open(folder / "artifacts"), WorkFolder(folder / "work", "dies")
Worker(Database(url), WorkerSettings("dies"), store, work, {"explore": replace(kind, prepare=prepare)}).run_one()
"""


def test_worker_killed_while_it_publishes_has_published_nothing(bench: Any, wait_until: Wait) -> None:
    job_id = bench.submit()
    command = [sys.executable, "-c", WORKER_THAT_DIES_WHILE_IT_PUBLISHES, bench.url, str(bench.folder)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert bench.job(job_id).state is JobState.RUNNING
    assert (bench.front_size(job_id), bench.exploration(job_id).record) == (0, None)
    with bench.database.write() as work:
        assert work.jobs.lose_held("dies") == 1
    bench.start_worker()
    wait_until(lambda: bench.job(job_id).state is JobState.SUCCEEDED)
    assert (bench.job(job_id).attempt, bench.front_size(job_id)) == (2, 3)
