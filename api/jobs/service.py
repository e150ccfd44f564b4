"""What can be done with jobs, without HTTP."""

from __future__ import annotations

from api.jobs.schemas import Job, JobPage
from api.pagination import page_of
from api.problems import ConflictError, NotFoundError, Problem
from db.models import Job as JobRow
from db.paging import Position
from db.session import Database, UnitOfWork
from workers.enqueue import JobKind

_COLLECTION_OF_KIND = {JobKind.EXPLORE: "/api/v1/explorations"}


def _shown(row: JobRow) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        queue=row.queue,
        resource=f"{_COLLECTION_OF_KIND[JobKind(row.kind)]}/{row.subject_id}",
        state=row.state,
        cancel_requested=row.cancel_requested,
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        progress=row.progress,
        cause=row.cause,
        error=Problem.model_validate(row.error) if row.error is not None else None,
        created_at=row.created_at,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        finished_at=row.finished_at,
    )


def _found(work: UnitOfWork, owner: str, job_id: str) -> JobRow:
    row = work.jobs.get(job_id)
    if row is None or row.owner != owner:
        raise NotFoundError(
            "no such job",
            field="job_id",
            value=job_id,
            rule="must be the id of a job",
            hint="GET /api/v1/jobs lists them",
        )
    return row


def page(database: Database, owner: str, after: Position | None, limit: int) -> JobPage:
    """Jobs, newest first."""
    with database.read() as work:
        rows = work.jobs.page(owner, after, limit + 1)
        shown, cursor = page_of(rows, limit, lambda row: Position(row.created_at, row.id))
        return JobPage(items=tuple(_shown(row) for row in shown), next_cursor=cursor)


def get(database: Database, owner: str, job_id: str) -> Job:
    """One job.

    Raises:
        NotFoundError: there is none of that id.
    """
    with database.read() as work:
        return _shown(_found(work, owner, job_id))


def cancel(database: Database, owner: str, job_id: str) -> Job:
    """Cancels a queued job at once, asks the worker of a running one.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has ended.
    """
    with database.write() as work:
        row = _found(work, owner, job_id)
        if not work.jobs.request_cancel(job_id):
            raise ConflictError(
                f"the job has {row.state.value} already",
                field="state",
                value=row.state.value,
                rule="only a queued or running job can be cancelled",
            )
        return _shown(_found(work, owner, job_id))
