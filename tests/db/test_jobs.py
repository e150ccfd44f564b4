"""The life of a job: who may change what, and above all who may not."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.base import utc_now
from db.job_state import JobState
from db.models import Job, JobEventKind
from db.paging import Position
from db.repositories.job_events import KEPT_EVENTS
from db.session import Database

LEASE = timedelta(seconds=30)
EXPIRED = timedelta(seconds=-1)


def add(database: Database, max_attempts: int = 3) -> str:
    with database.write() as work:
        return work.jobs.add(
            kind="explore", queue="search", subject_id="0", owner="local", max_attempts=max_attempts
        ).id


def claim(database: Database, holder: str = "a", lease: timedelta = LEASE) -> Job | None:
    with database.write() as work:
        return work.jobs.claim(kinds=["explore"], queues=["search"], holder=holder, lease=lease)


def get(database: Database, job_id: str) -> Job:
    with database.read() as work:
        job = work.jobs.get(job_id)
    assert job is not None
    return job


def test_from_queued_to_succeeded(database: Database) -> None:
    job_id = add(database)
    queued = get(database, job_id)
    assert (queued.state, queued.attempt, queued.started_at) == (JobState.QUEUED, 1, None)
    assert queued.created_at.tzinfo is UTC
    job = claim(database)
    assert job is not None
    assert (job.id, job.state, job.attempt, job.lease_holder) == (job_id, JobState.RUNNING, 1, "a")
    with database.write() as work:
        assert work.jobs.save_progress(job_id, 1, {"evaluations": 10}, LEASE)
    with database.write() as work:
        assert work.jobs.finish(job_id, 1, JobState.SUCCEEDED)
    ended = get(database, job_id)
    assert (ended.state, ended.lease_holder, ended.progress) == (JobState.SUCCEEDED, None, {"evaluations": 10})
    assert ended.finished_at is not None


def test_two_who_claim_get_two_jobs(database: Database) -> None:
    first, second = add(database), add(database)
    claimed = [claim(database, holder) for holder in ("a", "b", "c")]
    assert [job.id if job else None for job in claimed] == [first, second, None]


def test_claims_from_many_threads_are_exclusive(database: Database) -> None:
    job_ids = [add(database) for _ in range(40)]
    together = threading.Barrier(4)

    def work_off(holder: str) -> list[str]:
        together.wait()
        mine = []
        while (job := claim(database, holder)) is not None:
            mine.append(job.id)
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = Counter(job_id for mine in pool.map(work_off, "abcd") for job_id in mine)
    assert taken == Counter(job_ids)


def test_only_known_kinds_and_own_queues_are_claimed(database: Database) -> None:
    add(database)
    with database.write() as work:
        assert not work.jobs.has_queued(["explore"], ["synthesize"])
        assert work.jobs.claim(kinds=["explore"], queues=["synthesize"], holder="a", lease=LEASE) is None
        assert work.jobs.claim(kinds=["sweep"], queues=["search"], holder="a", lease=LEASE) is None
        assert work.jobs.has_queued(["explore"], ["search"])


def test_lost_lease_goes_to_another_and_the_first_can_write_nothing(database: Database) -> None:
    job_id = add(database)
    first = claim(database, "a", EXPIRED)
    assert first is not None
    with database.read() as work:
        assert work.jobs.has_expired()
    with database.write() as work:
        assert work.jobs.lose_expired() == 1
    waiting = get(database, job_id)
    assert (waiting.state, waiting.attempt) == (JobState.QUEUED, 2)
    stale_writes: list[Callable[..., bool]] = [
        lambda jobs: jobs.heartbeat(job_id, 1, LEASE),
        lambda jobs: jobs.save_progress(job_id, 1, {}, LEASE),
        lambda jobs: jobs.finish(job_id, 1, JobState.SUCCEEDED),
        lambda jobs: jobs.give_back(job_id, 1),
        lambda jobs: jobs.lose(job_id, 1, "late"),
        lambda jobs: jobs.is_held(job_id, 1),
    ]

    def refused() -> bool:
        with database.write() as work:
            return not any(write(work.jobs) for write in stale_writes)

    assert refused()
    second = claim(database, "b")
    assert second is not None
    assert second.attempt == 2
    assert refused()
    with database.write() as work:
        assert work.jobs.finish(job_id, 2, JobState.SUCCEEDED)
    assert refused()
    assert get(database, job_id).state is JobState.SUCCEEDED


def test_lease_that_still_runs_is_not_lost(database: Database) -> None:
    job_id = add(database)
    claim(database)
    with database.write() as work:
        assert work.jobs.lose_expired() == 0
        assert work.jobs.is_held(job_id, 1)
        assert work.jobs.lose_held("somebody else") == 0
        assert work.jobs.lose_held("a") == 1


def test_past_the_last_attempt_it_fails_as_lost(database: Database) -> None:
    job_id = add(database, max_attempts=2)
    for attempt in (1, 2):
        job = claim(database)
        assert job is not None
        assert job.attempt == attempt
        with database.write() as work:
            assert work.jobs.lose(job_id, attempt, "its process was ended by SIGKILL")
    failed = get(database, job_id)
    assert (failed.state, failed.cause, failed.attempt) == (JobState.FAILED, "lost", 2)
    assert failed.error is not None
    assert "SIGKILL" in failed.error["detail"]
    assert claim(database) is None


def test_giving_back_does_not_count_as_an_attempt(database: Database) -> None:
    job_id = add(database)
    claim(database)
    with database.write() as work:
        assert work.jobs.give_back(job_id, 1)
    assert (get(database, job_id).state, get(database, job_id).attempt) == (JobState.QUEUED, 1)
    assert claim(database) is not None


def test_cancel_while_queued_is_at_once(database: Database) -> None:
    job_id = add(database)
    with database.write() as work:
        assert work.jobs.request_cancel(job_id)
    assert get(database, job_id).state is JobState.CANCELLED
    assert claim(database) is None
    with database.write() as work:
        assert not work.jobs.request_cancel(job_id)


def test_cancel_while_running_asks_the_holder(database: Database) -> None:
    job_id = add(database)
    claim(database)
    for _ in range(2):
        with database.write() as work:
            assert work.jobs.request_cancel(job_id)
    running = get(database, job_id)
    assert (running.state, running.cancel_requested, running.version) == (JobState.RUNNING, True, 3)
    with database.write() as work:
        assert not work.jobs.is_held(job_id, 1)
        assert work.jobs.finish(job_id, 1, JobState.CANCELLED)
    assert get(database, job_id).state is JobState.CANCELLED


@pytest.mark.parametrize("how", ["lose_expired", "lose_held", "give_back"])
def test_cancelled_job_does_not_come_back(database: Database, how: str) -> None:
    job_id = add(database)
    claim(database, lease=EXPIRED)
    with database.write() as work:
        work.jobs.request_cancel(job_id)
        if how == "give_back":
            work.jobs.give_back(job_id, 1)
        else:
            assert getattr(work.jobs, how)() == 1
    assert get(database, job_id).state is JobState.CANCELLED


def test_only_a_job_that_ended_is_deleted(database: Database) -> None:
    job_id = add(database)
    with database.write() as work:
        assert not work.jobs.delete_final(job_id)
        work.jobs.request_cancel(job_id)
        assert work.jobs.delete_final(job_id)
        assert not work.jobs.delete_final(job_id)


def test_finish_takes_only_ends(database: Database) -> None:
    with database.write() as work, pytest.raises(ValueError, match="not the end"):
        work.jobs.finish("0", 1, JobState.QUEUED)


def test_pages_are_complete_and_newest_first(database: Database) -> None:
    ids = [add(database) for _ in range(7)]
    seen: list[str] = []
    after: Position | None = None
    while True:
        with database.read() as work:
            page = work.jobs.page("local", after, 3)
        if not page:
            break
        seen += [job.id for job in page]
        after = Position(page[-1].created_at, page[-1].id)
    assert seen[::-1] == ids
    with database.read() as work:
        assert work.jobs.page("somebody else", None, 3) == []


def test_versions_rise_with_every_visible_change(database: Database) -> None:
    job_id = add(database)
    seen = [get(database, job_id)]
    claim(database)
    seen.append(get(database, job_id))
    with database.write() as work:
        work.jobs.heartbeat(job_id, 1, LEASE)  # not worth an event
    assert get(database, job_id).version == seen[-1].version
    with database.write() as work:
        work.jobs.save_progress(job_id, 1, {}, LEASE)
    seen.append(get(database, job_id))
    with database.write() as work:
        work.jobs.finish(job_id, 1, JobState.SUCCEEDED)
    seen.append(get(database, job_id))
    assert [(j.version, j.state_version, j.progress_version) for j in seen] == [
        (1, 1, 0),
        (2, 2, 0),
        (3, 2, 3),
        (5, 4, 3),  # the end has a version of its own, after that of the last state
    ]


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(Exception, match="without a zone"), database.read() as work:
        work.jobs.page("local", Position(utc_now().replace(tzinfo=None), "0"), 1)


def _check_story(database: Database, job: Job) -> None:
    """A version each, no gap, and read backwards the story tells the job as it is."""
    with database.read() as work:
        events = work.job_events.after(job.id, 0, 10_000)
    assert [event.version for event in events] == list(range(1, job.version + 1))
    newest = {event.kind: event for event in events}
    state = newest[JobEventKind.STATE]
    assert (state.version, json.loads(state.data)) == (
        job.state_version,
        {
            "state": job.state.value,
            "attempt": job.attempt,
            "max_attempts": job.max_attempts,
            "cancel_requested": job.cancel_requested,
        },
    )
    if job.progress is not None:
        progress = newest[JobEventKind.PROGRESS]
        assert (progress.version, json.loads(progress.data)) == (job.progress_version, job.progress)
    assert (JobEventKind.DONE in newest) == job.state.is_final
    if job.state.is_final:
        assert newest[JobEventKind.DONE].version == job.version


def test_long_story_keeps_its_newest_events(database: Database) -> None:
    job_id = add(database)
    claim(database)
    with database.write() as work:
        for number in range(2 * KEPT_EVENTS):
            assert work.jobs.save_progress(job_id, 1, {"evaluations": number}, LEASE)
    with database.read() as work:
        versions = [event.version for event in work.job_events.after(job_id, 0, 10_000)]
    newest = 2 + 2 * KEPT_EVENTS
    assert versions == list(range(versions[0], newest + 1))
    assert KEPT_EVENTS <= len(versions) <= KEPT_EVENTS + 64


OPERATIONS = ("claim", "beat", "progress", "finish", "fail", "lose", "expire", "give_back", "cancel")
MAY_FOLLOW = {
    JobState.QUEUED: {JobState.QUEUED, JobState.RUNNING, JobState.CANCELLED},
    JobState.RUNNING: set(JobState),
    JobState.SUCCEEDED: {JobState.SUCCEEDED},
    JobState.FAILED: {JobState.FAILED},
    JobState.CANCELLED: {JobState.CANCELLED},
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(1, 4)), max_size=12))
def test_no_order_of_events_breaks_the_rules(database: Database, story: list[tuple[str, int]]) -> None:
    """Whatever happens, with whatever attempt: states follow the rules, attempts and versions never fall."""
    job_id = add(database)
    before = get(database, job_id)
    for operation, attempt in story:
        with database.write() as work:
            jobs = work.jobs
            match operation:
                case "claim":
                    jobs.claim(kinds=["explore"], queues=["search"], holder="a", lease=EXPIRED)
                case "beat":
                    jobs.heartbeat(job_id, attempt, EXPIRED)
                case "progress":
                    jobs.save_progress(job_id, attempt, {"evaluations": attempt}, EXPIRED)
                case "finish":
                    jobs.finish(job_id, attempt, JobState.SUCCEEDED)
                case "fail":
                    jobs.finish(job_id, attempt, JobState.FAILED, cause="bad_input", error={})
                case "lose":
                    jobs.lose(job_id, attempt, "died")
                case "expire":
                    jobs.lose_expired()
                case "give_back":
                    jobs.give_back(job_id, attempt)
                case "cancel":
                    jobs.request_cancel(job_id)
        after = get(database, job_id)
        assert after.state in MAY_FOLLOW[before.state]
        assert after.attempt in (before.attempt, before.attempt + 1)
        assert after.attempt <= after.max_attempts
        assert after.version >= before.version
        assert (after.version > before.version) == (
            (after.state, after.attempt, after.progress, after.cancel_requested, after.progress_version)
            != (before.state, before.attempt, before.progress, before.cancel_requested, before.progress_version)
        )
        assert (after.lease_holder is not None) == (after.state is JobState.RUNNING)
        assert (after.finished_at is not None) == after.state.is_final
        if before.state.is_final or (operation in ("beat", "progress", "finish", "fail") and attempt != before.attempt):
            assert after.version == before.version
        before = after
    _check_story(database, before)
    with database.write() as work:  # the next example starts with an empty queue
        work.jobs.request_cancel(job_id)
        work.jobs.lose_held()
