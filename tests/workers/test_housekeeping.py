"""Rounds of housekeeping: nothing waits for ever, nothing is kept for ever, nothing that is needed goes."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from db.base import utc_now
from db.job_state import JobState
from db.models import Artifact, AuditEntry, Blob, Event, Job
from db.repositories.job_logs import LogLine
from spec.errors import InputError
from workers.bell import Bell
from workers.holders import new_worker_id, release_dead
from workers.housekeeping import Retention, finish_publishing, recover, sweep

LONG_AGO = timedelta(days=1000)


def claim(bench: Any, holder: str, lease_s: float = 300) -> None:
    with bench.database.write() as work:
        assert work.jobs.claim(kinds=["explore"], queues=["search"], holder=holder, lease=timedelta(seconds=lease_s))


def test_leases_of_dead_workers_of_this_machine_end_at_once(bench: Any) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "from workers.holders import new_worker_id; print(new_worker_id())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    alive = new_worker_id()
    for holder in (gone, alive, "elsewhere-1-00", "no name of ours"):
        bench.submit()
        claim(bench, holder)
    assert release_dead(bench.database) == 1
    with bench.database.read() as work:
        assert set(work.jobs.holders()) == {alive, "elsewhere-1-00", "no name of ours"}


def test_recovery_takes_back_what_ran_out(bench: Any) -> None:
    job_id = bench.submit()
    claim(bench, "elsewhere-1-00", lease_s=-1)
    bell = Bell(None)
    assert recover(bench.database, bell) == 1
    assert recover(bench.database, bell) == 0
    assert (bench.job(job_id).state, bench.job(job_id).attempt, bench.job(job_id).losses) == (JobState.QUEUED, 2, 1)


def stored_artifact(bench: Any, content: bytes, *, stage_only: bool = False) -> str:
    stored = bench.store.stage(content) if stage_only else bench.store.put(content)
    with bench.database.write() as work:
        artifact = work.artifacts.add(
            owner="local",
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            media_type="text/plain",
            file_name="file.txt",
        )
    return str(artifact.id)


def test_files_of_a_worker_that_died_before_it_renamed_are_published(bench: Any) -> None:
    """Committed, so they are; staged without a word in the database, so they are not (yet)."""
    stored_artifact(bench, b"committed", stage_only=True)
    uncommitted = bench.store.stage(b"uncommitted").sha256
    assert finish_publishing(bench.database, bench.store) == 1
    assert len(list(bench.store.published())) == 1
    assert list(bench.store.staged()) == [uncommitted]
    assert finish_publishing(bench.database, bench.store) == 0


def age(bench: Any) -> None:
    """Everything that is there now is from long ago."""
    with bench.database.write() as work:
        for column in (Artifact.created_at, Blob.created_at, Event.at, AuditEntry.at):
            work.session.execute(update(column.class_).values({column.key: utc_now() - LONG_AGO}))
        work.session.execute(update(Job).values(finished_at=utc_now() - LONG_AGO, created_at=utc_now() - LONG_AGO))


def test_retention_takes_what_is_old_and_nothing_else(bench: Any) -> None:
    def live() -> str:
        job_id: str = bench.submit()
        with bench.database.write() as work:
            work.job_logs.append(job_id, [LogLine(utc_now(), "stderr", "a line")])
            work.jobs.request_cancel(job_id)
            work.audit.add(owner="local", action="a", resource="r", status=200, remote="-", request_id="0")
            work.idempotency_keys.add(
                owner="local", route="r", key=job_id, request_sha256="0", status=200, location=None, body={}
            )
        return job_id

    old_job, old = live(), stored_artifact(bench, b"old")
    age(bench)
    new_job, new = live(), stored_artifact(bench, b"new")
    swept = sweep(bench.database, bench.store, Retention(artifact_days=500), grace_s=0)
    assert (swept.artifacts, swept.blobs, swept.job_log_lines, swept.audit_entries) == (1, 1, 1, 1)
    assert swept.events == 2
    with bench.database.read() as work:
        assert work.artifacts.get(old) is None
        assert work.artifacts.get(new) is not None
        assert work.jobs.get(old_job) is not None  # results stay; only what they printed goes
        assert [len(work.job_logs.read(job, 0, 9)) for job in (old_job, new_job)] == [0, 1]
        assert len(work.audit.page("local", None, 9)) == 1
        assert len(work.events.after("local", 0, 9)) == 2
    assert len(list(bench.store.published())) == 1


def test_quota_keeps_the_newest_files(bench: Any) -> None:
    ids = [stored_artifact(bench, bytes([number]) * 100) for number in range(5)]
    twin = stored_artifact(bench, bytes([4]) * 100)  # the same bytes take no more room
    swept = sweep(bench.database, bench.store, Retention(artifact_bytes=250), grace_s=0)
    assert (swept.artifacts, swept.blobs) == (3, 3)
    with bench.database.read() as work:
        assert [work.artifacts.get(each) is not None for each in (*ids, twin)] == [False] * 3 + [True] * 3
        assert work.figures.artifact_bytes() == work.artifacts.stored_bytes() == 200
    assert len(list(bench.store.published())) == 2


def test_bytes_that_are_about_to_be_named_stay(bench: Any) -> None:
    """A job staged its result and has not committed yet; another put the same bytes, whose name has just gone."""
    staged = bench.store.stage(b"soon").sha256
    artifact = stored_artifact(bench, b"young")
    with bench.database.write() as work:
        work.artifacts.delete(artifact)
    swept = sweep(bench.database, bench.store, Retention())
    assert (swept.blobs, swept.staged_files) == (0, 0)
    assert list(bench.store.staged()) == [staged]
    assert len(list(bench.store.published())) == 1


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "inf"])
def test_retention_that_is_no_number(text: str) -> None:
    with pytest.raises(InputError, match="not a positive number") as caught:
        Retention.of({"FLEXDSE_ARTIFACTS_GIB": text})
    assert caught.value.field == "FLEXDSE_ARTIFACTS_GIB"


def test_retention_of_the_environment() -> None:
    assert Retention.of({}) == Retention()
    given = Retention.of({"FLEXDSE_ARTIFACTS_DAYS": "30", "FLEXDSE_ARTIFACTS_GIB": "0.5"})
    assert (given.artifact_days, given.artifact_bytes) == (30.0, 2**29)
