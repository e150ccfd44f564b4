"""Jobs: every change of state is one guarded UPDATE, so two who try the same cannot both succeed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, func, select, update
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.job_state import CAUSE_LOST, JobState
from db.models.job import Job
from db.paging import Position, newest_first

DEFAULT_MAX_ATTEMPTS = 3

_NEXT = Job.version + 1


def _lost_problem(detail: str) -> dict[str, Any]:
    return {"type": f"urn:flexdse:problem:{CAUSE_LOST}", "title": CAUSE_LOST, "status": 500, "detail": detail}


class Jobs:
    """The table of jobs within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    # Reading

    def get(self, job_id: str) -> Job | None:
        """The job as the database has it now."""
        return self._session.get(Job, job_id, populate_existing=True)

    def page(self, owner: str, after: Position | None, limit: int) -> list[Job]:
        """At most `limit` jobs of `owner`, newest first."""
        statement = newest_first(select(Job).where(Job.owner == owner), Job.created_at, Job.id, after, limit)
        return list(self._session.scalars(statement))

    def versions(self, job_ids: Iterable[str]) -> dict[str, int]:
        """Id -> version of those that exist."""
        rows = self._session.execute(select(Job.id, Job.version).where(Job.id.in_(list(job_ids))))
        return {row.id: row.version for row in rows}

    def has_queued(self, kinds: Collection[str], queues: Collection[str]) -> bool:
        """There is something to claim."""
        return self._session.scalar(select(Job.id).where(self._claimable(kinds, queues)).limit(1)) is not None

    def has_expired(self) -> bool:
        """There is a lease that ran out."""
        return self._session.scalar(select(Job.id).where(self._expired()).limit(1)) is not None

    def is_held(self, job_id: str, attempt: int) -> bool:
        """The lease of that attempt still stands and nobody asked to cancel."""
        wanted = and_(self._mine(job_id, attempt), Job.cancel_requested.is_(False))
        return self._session.scalar(select(Job.id).where(wanted)) is not None

    # Submitting and cancelling

    def add(
        self, *, kind: str, queue: str, subject_id: str, owner: str, max_attempts: int = DEFAULT_MAX_ATTEMPTS
    ) -> Job:
        """A new job in the queue."""
        job = Job(
            id=new_id(),
            owner=owner,
            kind=kind,
            queue=queue,
            subject_id=subject_id,
            state=JobState.QUEUED,
            cancel_requested=False,
            attempt=1,
            max_attempts=max_attempts,
            version=1,
            state_version=1,
            progress_version=0,
            created_at=utc_now(),
        )
        self._session.add(job)
        self._session.flush()
        return job

    def request_cancel(self, job_id: str) -> bool:
        """Cancels a queued job at once and asks the holder of a running one; False if it is neither."""
        queued = self._change(
            and_(Job.id == job_id, Job.state == JobState.QUEUED), **self._ending(JobState.CANCELLED, None, None)
        )
        if queued:
            return True
        # Asking twice is no error, and the second time nothing changes for those who watch.
        asked = self._change(
            and_(Job.id == job_id, Job.state == JobState.RUNNING, Job.cancel_requested.is_(False)),
            cancel_requested=True,
            version=_NEXT,
            state_version=_NEXT,
        )
        return bool(asked) or self._session.scalar(select(Job.state).where(Job.id == job_id)) == JobState.RUNNING

    def delete_final(self, job_id: str) -> bool:
        """Deletes the job; False if it has not ended yet."""
        job = self.get(job_id)
        if job is None or not job.state.is_final:
            return False
        self._session.delete(job)
        self._session.flush()
        return True

    # Working

    def claim(self, *, kinds: Collection[str], queues: Collection[str], holder: str, lease: timedelta) -> Job | None:
        """The oldest queued job, now running under a lease of `holder`; None if there is none."""
        oldest = (
            select(Job.id)
            .where(self._claimable(kinds, queues))
            .order_by(Job.created_at, Job.id)
            .limit(1)
            .with_for_update(skip_locked=True)  # PostgreSQL: rivals take the next one; SQLite has one writer anyway
            .scalar_subquery()
        )
        now = utc_now()
        claimed = self._session.scalar(
            update(Job)
            .where(Job.id == oldest, Job.state == JobState.QUEUED)
            .values(
                state=JobState.RUNNING,
                lease_holder=holder,
                lease_expires_at=now + lease,
                heartbeat_at=now,
                started_at=func.coalesce(Job.started_at, now),
                version=_NEXT,
                state_version=_NEXT,
            )
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        return self.get(claimed) if claimed is not None else None

    def heartbeat(self, job_id: str, attempt: int, lease: timedelta) -> bool:
        """Renews the lease; False if it was lost."""
        now = utc_now()
        return bool(self._change(self._mine(job_id, attempt), heartbeat_at=now, lease_expires_at=now + lease))

    def save_progress(self, job_id: str, attempt: int, progress: dict[str, Any], lease: timedelta) -> bool:
        """Stores the newest progress and renews the lease; False if it was lost."""
        now = utc_now()
        return bool(
            self._change(
                self._mine(job_id, attempt),
                progress=progress,
                heartbeat_at=now,
                lease_expires_at=now + lease,
                version=_NEXT,
                progress_version=_NEXT,
            )
        )

    def finish(
        self,
        job_id: str,
        attempt: int,
        state: JobState,
        *,
        cause: str | None = None,
        error: dict[str, Any] | None = None,
    ) -> bool:
        """The end of a job, by the holder of that attempt; False if the lease was lost, and then nothing changed."""
        if not state.is_final:
            raise ValueError(f"{state} is not the end of a job")
        return bool(self._change(self._mine(job_id, attempt), **self._ending(state, cause, error)))

    def give_back(self, job_id: str, attempt: int) -> bool:
        """Back to the queue by a worker in good health that has to stop; this does not count as an attempt."""
        held = self._mine(job_id, attempt)
        if self._change(and_(held, Job.cancel_requested.is_(True)), **self._ending(JobState.CANCELLED, None, None)):
            return True
        return bool(self._change(held, **self._requeued(Job.attempt)))

    def lose(self, job_id: str, attempt: int, detail: str) -> bool:
        """The work of that attempt died; False if the lease had been lost before."""
        return self._lose(self._mine(job_id, attempt), detail) > 0

    def lose_expired(self) -> int:
        """Takes every lease that ran out away from its holder; the number of jobs."""
        return self._lose(self._expired(), "its worker stopped renewing the lease")

    def lose_held(self, holder: str | None = None) -> int:
        """Takes the leases of a worker that is known to be dead, or of all of them; the number of jobs."""
        running: ColumnElement[bool] = Job.state == JobState.RUNNING
        if holder is not None:
            running = and_(running, Job.lease_holder == holder)
        return self._lose(running, "its worker died")

    # The statements behind them

    @staticmethod
    def _claimable(kinds: Collection[str], queues: Collection[str]) -> ColumnElement[bool]:
        return and_(Job.state == JobState.QUEUED, Job.kind.in_(kinds), Job.queue.in_(queues))

    @staticmethod
    def _expired() -> ColumnElement[bool]:
        return and_(Job.state == JobState.RUNNING, Job.lease_expires_at < utc_now())

    @staticmethod
    def _mine(job_id: str, attempt: int) -> ColumnElement[bool]:
        return and_(Job.id == job_id, Job.attempt == attempt, Job.state == JobState.RUNNING)

    @staticmethod
    def _ending(state: JobState, cause: str | None, error: dict[str, Any] | None) -> dict[str, Any]:
        # Two versions at once: the first is the new state, the second the end of the story.
        return {
            "state": state,
            "cause": cause,
            "error": error,
            "finished_at": utc_now(),
            "lease_holder": None,
            "lease_expires_at": None,
            "version": Job.version + 2,
            "state_version": _NEXT,
        }

    @staticmethod
    def _requeued(attempt: Any) -> dict[str, Any]:
        return {
            "state": JobState.QUEUED,
            "attempt": attempt,
            "lease_holder": None,
            "lease_expires_at": None,
            "progress": None,
            "version": _NEXT,
            "state_version": _NEXT,
        }

    def _lose(self, held: ColumnElement[bool], detail: str) -> int:
        exhausted = Job.attempt >= Job.max_attempts
        cancelled = self._change(
            and_(held, Job.cancel_requested.is_(True)), **self._ending(JobState.CANCELLED, None, None)
        )
        failed = self._change(
            and_(held, exhausted),
            **self._ending(JobState.FAILED, CAUSE_LOST, _lost_problem(f"{detail}, on the last attempt that it had")),
        )
        return cancelled + failed + self._change(held, **self._requeued(Job.attempt + 1))

    def _change(self, wanted: ColumnElement[bool], **values: Any) -> int:
        statement = update(Job).where(wanted).values(**values).execution_options(synchronize_session=False)
        result = self._session.execute(statement)
        assert isinstance(result, CursorResult)
        return result.rowcount
