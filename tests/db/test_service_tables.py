"""Repositories of the service beside jobs and explorations, on both databases."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from db.base import utc_now
from db.job_state import JobState
from db.models import Job
from db.repositories.job_logs import MAX_LINES, LogLine
from db.repositories.outbox import QueuedJob
from db.repositories.uploads import NameTaken
from db.session import Database
from workers.enqueue import Queue

LEASE = timedelta(minutes=5)


def add(database: Database, **options: object) -> str:
    given = {"kind": "explore", "queue": "search", "subject_id": "0", "owner": "local", **options}
    with database.write() as work:
        return work.jobs.add(**given).id  # type: ignore[arg-type]


def claim(database: Database, holder: str = "a") -> Job | None:
    with database.write() as work:
        return work.jobs.claim(
            kinds=["explore", "synthesize"], queues=["search", "synthesize"], holder=holder, lease=LEASE
        )


# Jobs


def test_higher_priority_goes_first_then_the_older_one(database: Database) -> None:
    order = [add(database, priority=priority) for priority in (0, 5, -1, 5)]
    taken = [job.id if (job := claim(database)) else None for _ in range(5)]
    assert taken == [order[1], order[3], order[0], order[2], None]


def test_seats_of_a_licence_bound_what_runs_at_once(database: Database) -> None:
    with database.write() as work:
        work.licences.set_seats("vitis", 1)
    first, second, free = (add(database, licence=name) for name in ("vitis", "vitis", None))
    assert [job.id if (job := claim(database)) else None for _ in range(3)] == [first, free, None]
    with database.read() as work:
        assert not work.jobs.has_queued(["explore"], ["search"])
        assert (work.licences.seats(), work.licences.in_use()) == ({"vitis": 1}, {"vitis": 1})
    with database.write() as work:
        work.jobs.finish(first, 1, JobState.SUCCEEDED)
    job = claim(database)
    assert job is not None
    assert job.id == second


def test_pool_without_a_number_has_no_limit(database: Database) -> None:
    for _ in range(3):
        add(database, licence="vitis")
    with database.write() as work:
        work.licences.set_seats("vitis", 0)
    assert claim(database) is None
    with database.write() as work:
        work.licences.set_seats("vitis", None)
    assert [claim(database) is not None for _ in range(4)] == [True, True, True, False]


def test_seats_hold_when_many_claim_at_once(database: Database) -> None:
    """The last free seat is found by two at the same moment; one of them gets it."""
    with database.write() as work:
        work.licences.set_seats("vitis", 3)
    for _ in range(12):
        add(database, licence="vitis")
    together = threading.Barrier(6)

    def take(holder: str) -> int:
        together.wait()
        return sum(claim(database, holder) is not None for _ in range(2))

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take, "abcdef")) == 3


def test_retry_gives_fresh_attempts_and_locks_the_old_ones_out(database: Database) -> None:
    job_id = add(database, max_attempts=1)
    claim(database)
    with database.write() as work:
        work.jobs.lose(job_id, 1, "its process died")
    with database.write() as work:
        assert work.jobs.retry(job_id)
        assert not work.jobs.retry(job_id)  # queued now
    job = claim(database)
    assert job is not None
    assert (job.attempt, job.max_attempts, job.cause, job.error, job.finished_at) == (2, 4, None, None, None)
    with database.write() as work:
        assert not work.jobs.finish(job_id, 1, JobState.SUCCEEDED)
        assert work.jobs.finish(job_id, 2, JobState.SUCCEEDED)
        assert not work.jobs.retry(job_id)


def test_cancelled_job_can_be_tried_again(database: Database) -> None:
    job_id = add(database)
    with database.write() as work:
        work.jobs.request_cancel(job_id)
        assert work.jobs.retry(job_id)
    job = claim(database)
    assert job is not None
    assert not job.cancel_requested


def test_bell_hears_of_what_is_queued_once_it_is_committed(database_url: str) -> None:
    rung: list[Sequence[QueuedJob]] = []

    def ring(jobs: Sequence[QueuedJob]) -> None:
        with database.read() as work:  # committed: whoever is woken up can see it
            assert all(work.jobs.get(job.id) is not None for job in jobs)
        rung.append(jobs)

    database = Database(database_url, ring)
    first = add(database, priority=3)

    def add_and_fail() -> None:
        with database.write() as work:
            work.jobs.add(kind="explore", queue="search", subject_id="0", owner="local")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    claim(database)
    with database.write() as work:
        work.jobs.lose(first, 1, "died")
    with database.write() as work:  # added and cancelled at once: nobody need come
        work.jobs.request_cancel(work.jobs.add(kind="explore", queue="search", subject_id="0", owner="local").id)
    database.close()
    assert rung == [(QueuedJob(first, "search", 3),)] * 2


def test_ringing_again_is_bounded_and_spaced(database: Database) -> None:
    jobs = [add(database, queue=queue) for queue in ("search", "synthesize") for _ in range(4)]
    with database.write() as work:
        assert work.jobs.ring_again(timedelta(minutes=1), 2) == []  # they were rung for when they came
    with database.write() as work:
        work.session.query(Job).update({Job.rung_at: utc_now() - timedelta(hours=1)})
    with database.write() as work:
        again = work.jobs.ring_again(timedelta(minutes=1), 2)
    assert {job.id for job in again} == {jobs[0], jobs[1], jobs[4], jobs[5]}
    with database.write() as work:
        assert work.jobs.ring_again(timedelta(minutes=1), 2) == []


def test_events_tell_each_state_in_order(database: Database) -> None:
    job_id = add(database)
    claim(database)
    with database.write() as work:
        work.jobs.save_progress(job_id, 1, {"evaluations": 1}, LEASE)  # no event
        work.jobs.lose(job_id, 1, "died")
    claim(database)
    with database.write() as work:
        work.jobs.finish(job_id, 2, JobState.FAILED, cause="bad_input", error={})
    with database.read() as work:
        events = work.events.after("local", 0, 10)
        assert work.events.after("somebody else", 0, 10) == []
        assert work.events.after(None, events[0].seq, 10) == events[1:]
        assert work.events.last_seq("local") == events[-1].seq
    assert [event.kind for event in events] == [
        f"job.{state}" for state in ("queued", "running", "queued", "running", "failed")
    ]
    assert [event.data["attempt"] for event in events] == [1, 1, 2, 2, 2]
    assert events[-1].data["cause"] == "bad_input"


def test_events_of_many_writers_come_in_the_order_of_commits(database: Database) -> None:
    """Who has read up to a number will never find a smaller one later."""
    stop = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not stop.is_set():
            with database.read() as work:
                seen.extend(event.seq for event in work.events.after(None, seen[-1] if seen else 0, 1000))

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: add(database), range(60)))
    with database.read() as work:
        last = work.events.last_seq(None)
    while not seen or seen[-1] < last:
        pass
    stop.set()
    reader.join(60)
    assert len(seen) == 60


def test_log_is_kept_in_order_over_attempts_and_bounded(database: Database) -> None:
    job_id = add(database)
    with database.write() as work:
        work.job_logs.append(job_id, [LogLine(utc_now(), "stderr", f"line {n}") for n in range(5)])
    with database.write() as work:
        work.job_logs.append(job_id, [LogLine(utc_now(), "stderr", f"line {n}") for n in range(5, MAX_LINES + 7)])
        work.job_logs.append(job_id, [LogLine(utc_now(), "stderr", "too late")])
    with database.read() as work:
        assert [line.text for line in work.job_logs.read(job_id, 2, 4)] == [f"line {n}" for n in range(2, 6)]
        assert work.job_logs.length(job_id) == MAX_LINES
        (last,) = work.job_logs.read(job_id, MAX_LINES - 1, 10)
    assert "the log ends here" in last.text


def test_pages_of_jobs_are_filtered(database: Database) -> None:
    jobs = {
        queue: add(database, queue=queue, kind=kind)
        for queue, kind in ((Queue.SEARCH, "explore"), (Queue.CSIM, "csim"))
    }
    with database.write() as work:
        work.jobs.request_cancel(jobs[Queue.CSIM])
    with database.read() as work:
        assert [job.id for job in work.jobs.page("local", None, 9, state=JobState.CANCELLED)] == [jobs[Queue.CSIM]]
        assert [job.id for job in work.jobs.page("local", None, 9, kind="explore")] == [jobs[Queue.SEARCH]]
        assert [job.id for job in work.jobs.page(None, None, 9, queue="csim")] == [jobs[Queue.CSIM]]
        assert work.jobs.count_by_state("local") == {JobState.CANCELLED: 1, JobState.QUEUED: 1}


def test_figures_of_queues(database: Database) -> None:
    first, second = add(database), add(database)
    claim(database)
    with database.write() as work:
        work.jobs.save_progress(first, 1, {"designs_per_s": 1500.0}, LEASE)
        work.jobs.get(second).created_at = utc_now() - timedelta(hours=1)  # type: ignore[union-attr]
    with database.read() as work:
        figures = {(figure.queue, figure.state): figure for figure in work.figures.queues()}
        assert work.figures.evaluations_per_s() == 1500.0
    assert figures["search", JobState.RUNNING].count == figures["search", JobState.QUEUED].count == 1
    assert 3500 < figures["search", JobState.QUEUED].oldest_age_s < 7200
    with database.write() as work:
        work.jobs.lose(first, 1, "died")
        work.jobs.request_cancel(second)
    with database.read() as work:
        assert work.figures.leases_lost() == 1
        assert work.figures.jobs() == [("explore", JobState.CANCELLED, None, 1)]


# Users


def test_keys_are_found_revoked_and_kept(database: Database) -> None:
    with database.write() as work:
        first, second = (
            work.api_keys.add(
                owner="me",
                name=name,
                prefix="abcd1234",
                key_sha256=name * 64,
                scopes=("read", "write"),
                limits={"jobs": 5},
                expires_at=None,
            ).id
            for name in "ab"
        )
    with database.write() as work:
        assert {key.id for key in work.api_keys.by_prefix("abcd1234")} == {first, second}
        assert work.api_keys.by_prefix("abcd") == []
        assert work.api_keys.revoke(first)
        assert not work.api_keys.revoke(first)
        assert not work.api_keys.revoke("unknown")
        assert work.api_keys.touch(second)
    with database.read() as work:
        keys = {key.id: key for key in work.api_keys.list()}
    assert (keys[first].revoked_at is None, keys[second].last_used_at is None) == (False, False)
    assert keys[first].scopes == ["read", "write"]


def test_name_of_an_upload_is_taken_once_for_each_owner(database: Database) -> None:
    def upload(owner: str) -> None:
        with database.write() as work:
            work.uploads.add(owner=owner, kind="device", name="mine", document={"lut": 1}, sha256="0" * 64)

    upload("a")
    upload("b")
    with pytest.raises(NameTaken):
        upload("a")
    with database.write() as work:
        assert [each.owner for each in work.uploads.list("a", "device")] == ["a"]
        assert work.uploads.get("a", "model", "mine") is None
        assert work.uploads.delete("a", "device", "mine")
        assert not work.uploads.delete("a", "device", "mine")
        assert work.uploads.get("b", "device", "mine") is not None


def test_audit_log_pages_by_number(database: Database) -> None:
    for number in range(5):
        with database.write() as work:
            work.audit.add(
                owner="ab"[number % 2], action=str(number), resource="r", status=200, remote="-", request_id="0"
            )
    with database.read() as work:
        newest = work.audit.page(None, None, 2)
        rest = work.audit.page(None, newest[-1].id, 9)
        assert [entry.action for entry in [*newest, *rest]] == ["4", "3", "2", "1", "0"]
        assert Counter(entry.owner for entry in work.audit.page("a", None, 9)) == {"a": 3}
