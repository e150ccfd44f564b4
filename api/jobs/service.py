"""What can be done with jobs, without HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.access.principal import Principal
from api.idempotency import Answer, once
from api.job_limits import NO_LIMITS
from api.jobs.schemas import Job, JobLog, JobPage, LogLine
from api.pagination import page_of
from api.problems import ConflictError, NotFoundError, Problem
from api.quotas import check_jobs
from db.models import Job as JobRow
from db.paging import Position
from db.session import Database, UnitOfWork
from workers.enqueue import JobKind

COLLECTION = "/api/v1/jobs"
_COLLECTION_OF_KIND: dict[str, str] = {JobKind.EXPLORE: "/api/v1/explorations", JobKind.GENERATE: "/api/v1/projects"}
_ANY_PROJECT = "-"


def _resources(work: UnitOfWork, rows: Sequence[JobRow]) -> dict[str, str]:
    """Job -> path of what it works on."""
    projects = work.runs.projects_of([row.subject_id for row in rows if row.kind not in _COLLECTION_OF_KIND])
    return {
        row.id: f"{_COLLECTION_OF_KIND[row.kind]}/{row.subject_id}"
        if row.kind in _COLLECTION_OF_KIND
        else f"/api/v1/projects/{projects.get(row.subject_id, _ANY_PROJECT)}/runs/{row.subject_id}"
        for row in rows
    }


def shown(work: UnitOfWork, row: JobRow) -> Job:
    """One job as the outside sees it."""
    return _shown(row, row.progress, _resources(work, [row])[row.id])


def _shown(row: JobRow, progress: dict[str, Any] | None, resource: str) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        queue=row.queue,
        resource=resource,
        state=row.state,
        cancel_requested=row.cancel_requested,
        priority=row.priority,
        limits=NO_LIMITS.model_copy(update=row.limits),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        progress=progress,
        cause=row.cause,
        error=Problem.model_validate(row.error) if row.error is not None else None,
        created_at=row.created_at,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        finished_at=row.finished_at,
    )


def found(work: UnitOfWork, owner: str, job_id: str) -> JobRow:
    """The job.

    Raises:
        NotFoundError: there is none of that id.
    """
    row = work.jobs.get(job_id)
    if row is None or row.owner != owner:
        raise NotFoundError(
            "no such job",
            field="job_id",
            value=job_id,
            rule="must be the id of a job",
            hint=f"GET {COLLECTION} lists them",
        )
    return row


def page(database: Database, owner: str, after: Position | None, limit: int, filters: Mapping[str, Any]) -> JobPage:
    """Jobs, newest first."""
    with database.read() as work:
        rows = work.jobs.page_in_short(owner, after, limit + 1, **filters)
        listed, cursor = page_of(rows, limit, lambda pair: Position(pair[0].created_at, pair[0].id))
        resources = _resources(work, [row for row, _ in listed])
        items = tuple(_shown(row, progress, resources[row.id]) for row, progress in listed)
        return JobPage(items=items, next_cursor=cursor)


def get(database: Database, owner: str, job_id: str) -> Job:
    """One job.

    Raises:
        NotFoundError: there is none of that id.
    """
    with database.read() as work:
        return shown(work, found(work, owner, job_id))


def cancel(database: Database, owner: str, job_id: str, key: str | None) -> Answer:
    """Cancels a queued job at once, asks the worker of a running one.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has ended.
    """

    def do(work: UnitOfWork) -> Answer:
        request_cancel(work, found(work, owner, job_id), "job")
        return Answer.of(202, shown(work, found(work, owner, job_id)))

    return once(database, owner, f"POST {COLLECTION}/{job_id}:cancel", key, None, do)


def request_cancel(work: UnitOfWork, row: JobRow, what: str) -> None:
    """Cancels the job of a `what`.

    Raises:
        ConflictError: it has ended.
    """
    if not work.jobs.request_cancel(row.id):
        raise ConflictError(
            f"the {what} has {row.state.value} already",
            field="state",
            value=row.state.value,
            rule=f"only a queued or running {what} can be cancelled",
            hint=f"GET {COLLECTION}/{row.id} tells how it ended",
        )


def retry(database: Database, principal: Principal, job_id: str, key: str | None) -> Answer:
    """Puts a job that failed or was cancelled back into the queue.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it is in another state.
    """

    def do(work: UnitOfWork) -> Answer:
        row = found(work, principal.owner, job_id)
        check_jobs(work, principal)
        if not work.jobs.retry(job_id):
            raise ConflictError(
                f"the job is {row.state.value}",
                field="state",
                value=row.state.value,
                rule="only a failed or cancelled job can be tried again",
                hint="submit a new one to run it once more",
            )
        return Answer.of(202, shown(work, found(work, principal.owner, job_id)))

    return once(database, principal.owner, f"POST {COLLECTION}/{job_id}:retry", key, None, do)


def log(database: Database, owner: str, job_id: str, after: int, limit: int) -> JobLog:
    """Lines behind number `after`.

    Raises:
        NotFoundError: there is no job of that id.
    """
    with database.read() as work:
        row = found(work, owner, job_id)
        lines = work.job_logs.read(job_id, after, limit)
    last = lines[-1].seq if lines else after
    told = row.state.is_final and len(lines) < limit
    return JobLog(
        lines=tuple(LogLine(seq=line.seq, at=line.at, stream=line.stream, text=line.text) for line in lines),
        next_after=None if told else last,
    )
