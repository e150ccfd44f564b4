"""One worker in this process, its jobs in real processes."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from db.artifacts import ArtifactStoreError
from db.job_state import JobState
from spec.errors import InputError
from workers.kinds import KINDS, with_bodies
from workers.runner import main
from workers.worker import Worker

Wait = Callable[..., None]


def worker(bench: Any, body: str, stop: threading.Event | None = None) -> Worker:
    made: Worker = bench.worker(body, stop=stop)
    return made


def test_result_record_and_versions_are_published(bench: Any) -> None:
    job_id = bench.submit(0.5)
    began_s = time.monotonic()
    assert worker(bench, "timed").run_one()
    seconds = time.monotonic() - began_s
    job, exploration = bench.job(job_id), bench.exploration(job_id)
    assert (job.state, job.attempt, job.cause, job.error) == (JobState.SUCCEEDED, 1, None, None)
    assert (exploration.front_size, bench.front_size(job_id)) == (3, 3)
    assert exploration.record["evaluations"] == 1000
    assert exploration.flexdse_version
    # Progress came in the meantime, at most five times a second, and its last word is kept.
    assert 2 <= job.progress_version <= 2 + 5 * seconds + 2
    assert job.progress["evaluations"] == 10_000


def test_nothing_to_do(bench: Any) -> None:
    assert not worker(bench, "timed").run_one()


def test_jobs_run_in_the_order_of_submission(bench: Any) -> None:
    first, second = bench.submit(), bench.submit()
    at_work = worker(bench, "timed")
    assert at_work.run_one()
    assert (bench.job(first).state, bench.job(second).state) == (JobState.SUCCEEDED, JobState.QUEUED)


def test_error_for_the_user_becomes_the_cause(bench: Any) -> None:
    job_id = bench.submit()
    worker(bench, "infeasible").run_one()
    job = bench.job(job_id)
    assert (job.state, job.cause) == (JobState.FAILED, "infeasible")
    assert job.error["errors"][0]["hint"] == "take a larger card"
    assert bench.exploration(job_id).record is None


@pytest.mark.parametrize("body", ["broken", "unusable", "not_a_number", "no_such_function"])
def test_bug_fails_the_job_without_its_inside(bench: Any, body: str) -> None:
    job_id = bench.submit()
    worker(bench, body).run_one()
    job = bench.job(job_id)
    assert (job.state, job.cause, bench.front_size(job_id)) == (JobState.FAILED, "internal_error", 0)
    assert "log of the worker" in job.error["detail"]
    assert "secret" not in str(job.error)


def test_dead_process_is_tried_again(bench: Any) -> None:
    job_id = bench.submit()
    at_work = worker(bench, "killed_at_first")
    at_work.run_one()
    assert (bench.job(job_id).state, bench.job(job_id).attempt) == (JobState.QUEUED, 2)
    at_work.run_one()
    assert (bench.job(job_id).state, bench.front_size(job_id)) == (JobState.SUCCEEDED, 3)


def test_job_that_kills_its_process_is_given_up(bench: Any) -> None:
    job_id = bench.submit()
    at_work = worker(bench, "killed")
    while at_work.run_one():
        pass
    job = bench.job(job_id)
    assert (job.state, job.cause, job.attempt) == (JobState.FAILED, "lost", 3)
    assert "SIGKILL" in job.error["detail"]
    assert len(bench.journal_lines("start")) == 3


def in_thread(run: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_cancel_kills_the_process(bench: Any, wait_until: Wait) -> None:
    job_id = bench.submit(3600)
    thread = in_thread(worker(bench, "timed").run_one)
    wait_until(lambda: bench.job(job_id).progress)
    with bench.database.write() as work:
        work.jobs.request_cancel(job_id)
    thread.join(90)  # the body alone would take as long as any patience
    assert bench.job(job_id).state is JobState.CANCELLED
    (pid,) = bench.journal_lines("start")
    assert not Path(f"/proc/{pid}").exists()
    assert bench.exploration(job_id).record is None


def test_worker_that_stops_gives_its_job_back(bench: Any, wait_until: Wait) -> None:
    job_id = bench.submit(3600)
    stop = threading.Event()
    thread = in_thread(worker(bench, "timed", stop).run)
    wait_until(lambda: bench.journal_lines("start"))
    stop.set()
    thread.join(90)
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.progress) == (JobState.QUEUED, 1, None)
    (pid,) = bench.journal_lines("start")
    assert not Path(f"/proc/{pid}").exists()


def test_lease_is_renewed_while_a_job_says_nothing(bench: Any, wait_until: Wait) -> None:
    job_id = bench.submit(0)
    thread = in_thread(bench.worker("silent", lease_s=1.0).run_one)
    ends = set()
    while thread.is_alive():
        ends.add(bench.job(job_id).lease_expires_at)
        time.sleep(0.02)
    assert len(ends - {None}) >= 2  # that of the claim, and at least one more
    assert (bench.job(job_id).state, bench.job(job_id).attempt) == (JobState.SUCCEEDED, 1)


def test_result_of_a_lost_attempt_is_dropped(bench: Any, wait_until: Wait) -> None:
    """Somebody else has the job by the time that the first comes to an end."""
    job_id = bench.submit(0)
    at_work = worker(bench, "timed")
    end = at_work.closer.store

    def late_end(*arguments: Any, **named: Any) -> bool:
        with bench.database.write() as work:
            work.jobs.lose_held()
            assert work.jobs.claim(kinds=["explore"], queues=["search"], holder="rival", lease=timedelta(seconds=30))
        return end(*arguments, **named)

    at_work.closer.store = late_end  # type: ignore[method-assign]
    at_work.run_one()
    job = bench.job(job_id)
    assert (job.state, job.attempt, job.lease_holder) == (JobState.RUNNING, 2, "rival")
    assert (bench.front_size(job_id), bench.exploration(job_id).record) == (0, None)


def test_database_that_cannot_be_written_for_a_while(bench: Any) -> None:
    """A full disk when the result comes: it is stored as soon as there is room."""
    job_id = bench.submit(0)
    at_work = worker(bench, "timed")
    end, pages = at_work.closer.store, iter([1, 1, 2**30])

    def end_on_a_small_disk(*arguments: Any, **named: Any) -> bool:
        with bench.database.write() as work:
            connection = work.session.connection()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {next(pages)}")
            connection.exec_driver_sql("CREATE TABLE filler (x)")
            connection.exec_driver_sql("INSERT INTO filler VALUES (zeroblob(100000))")
        return end(*arguments, **named)

    at_work.closer.store = end_on_a_small_disk  # type: ignore[method-assign]
    at_work.run_one()
    assert (bench.job(job_id).state, bench.job(job_id).attempt) == (JobState.SUCCEEDED, 1)
    assert next(pages, None) is None


class FullStore(ArtifactStoreError):
    """As of a store on a disk that is full."""


def wait_with_a_result(bench: Any, seconds: float, meanwhile: Callable[[str], object]) -> Any:
    """The job of a worker whose store is full for longer than its lease."""
    job_id = bench.submit(0)
    at_work = bench.worker("timed", lease_s=1.5)
    end, room_s = at_work.closer.store, time.monotonic() + seconds

    def end_on_a_full_disk(*arguments: Any, **named: Any) -> bool:
        if time.monotonic() < room_s:
            meanwhile(job_id)
            raise FullStore("the disk with the artifacts is full")
        return bool(end(*arguments, **named))

    at_work.closer.store = end_on_a_full_disk
    at_work.run_one()
    return bench.job(job_id)


def test_result_outlives_its_lease_while_the_disk_is_full(bench: Any) -> None:
    lost = []

    def look_for_lost_leases(_job_id: str) -> None:
        with bench.database.write() as work:
            lost.append(work.jobs.lose_expired())

    job = wait_with_a_result(bench, 6.0, look_for_lost_leases)
    assert (job.state, job.attempt, job.losses) == (JobState.SUCCEEDED, 1, 0)
    assert len(lost) >= 3
    assert not any(lost)


def test_job_that_waits_for_room_can_be_cancelled(bench: Any) -> None:
    def cancel(job_id: str) -> None:
        with bench.database.write() as work:
            work.jobs.request_cancel(job_id)

    assert wait_with_a_result(bench, 60.0, cancel).state is JobState.CANCELLED


def test_body_that_finds_the_disk_full_says_so(bench: Any) -> None:
    job_id = bench.submit(0)
    worker(bench, "disk_full").run_one()
    job = bench.job(job_id)
    assert (job.state, job.cause) == (JobState.FAILED, "disk_full")
    assert "when there is room" in job.error["detail"]


def test_no_room_for_the_folder_of_a_job_costs_no_attempt(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = bench.submit(0)
    at_work = worker(bench, "timed")
    mkdir = Path.mkdir

    def no_room(path: Path, *arguments: Any, **named: Any) -> None:
        if path.name.startswith(job_id):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        mkdir(path, *arguments, **named)

    with monkeypatch.context() as full:
        full.setattr(Path, "mkdir", no_room)
        assert at_work.run_one()
    assert (bench.job(job_id).state, bench.job(job_id).attempt) == (JobState.QUEUED, 1)
    at_work.run_one()
    assert bench.job(job_id).state is JobState.SUCCEEDED


def test_bodies_are_checked() -> None:
    with pytest.raises(InputError, match="kind of job"):
        with_bodies({"explor": "a:b"})
    with pytest.raises(InputError, match="name of a function"):
        with_bodies({"explore": "a.b"})
    assert with_bodies({}) == dict(KINDS)


def test_worker_refuses_a_database_that_is_not_migrated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["--database", f"sqlite:///{tmp_path / 'empty.db'}", "--artifacts", str(tmp_path)]) == 2
    assert "flexdse db upgrade" in caplog.text


def test_worker_refuses_a_database_of_a_newer_version(bench: Any, caplog: pytest.LogCaptureFixture) -> None:
    job_id = bench.submit(0)
    with bench.database.write() as work:
        work.session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert main(["--database", bench.url, "--artifacts", str(bench.folder / "artifacts")]) == 2
    assert "newer FlexDSE" in caplog.text
    assert bench.job(job_id).state is JobState.QUEUED
