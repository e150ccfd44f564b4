"""Jobs: every change of state is one guarded UPDATE, so two who try the same cannot both succeed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, func, or_, select, update
from sqlalchemy.orm import Session, aliased, defer

from db.base import new_id
from db.clock import database_now
from db.job_state import CAUSE_LOST, JobState
from db.models.job import Job
from db.models.licence import LicencePool
from db.paging import Position, newest_first
from db.repositories.job_events import JobEvents
from db.repositories.outbox import Outbox, QueuedJob, Transition
from db.repositories.progress import progress_in_short
from spec.versions import FLEXDSE_VERSION

DEFAULT_MAX_ATTEMPTS = 3

_NEXT = Job.version + 1
_CLAIM_TRIES = 10  # a rival takes the last seat of a licence: then another job may do


def _lost_problem(detail: str) -> dict[str, Any]:
    return {"type": f"urn:flexdse:problem:{CAUSE_LOST}", "title": CAUSE_LOST, "status": 500, "detail": detail}


class Jobs:
    """The table of jobs within one transaction."""

    def __init__(self, session: Session, outbox: Outbox) -> None:
        self._session = session
        self._outbox = outbox
        self._story = JobEvents(session)

    # Reading

    def get(self, job_id: str) -> Job | None:
        """The job as the database has it now."""
        return self._session.get(Job, job_id, populate_existing=True)

    def page(
        self,
        owner: str | None,
        after: Position | None,
        limit: int,
        *,
        state: JobState | None = None,
        kind: str | None = None,
        queue: str | None = None,
        subject_id: str | None = None,
    ) -> list[Job]:
        """At most `limit` jobs of `owner`, or of everybody, newest first."""
        statement = select(Job)
        for column, value in (
            (Job.owner, owner),
            (Job.state, state),
            (Job.kind, kind),
            (Job.queue, queue),
            (Job.subject_id, subject_id),
        ):
            if value is not None:
                statement = statement.where(column == value)
        return list(self._session.scalars(newest_first(statement, Job.created_at, Job.id, after, limit)))

    def page_in_short(
        self,
        owner: str,
        after: Position | None,
        limit: int,
        *,
        state: JobState | None = None,
        kind: str | None = None,
        queue: str | None = None,
    ) -> list[tuple[Job, dict[str, Any] | None]]:
        """The same of `owner`, each with its progress but for the front in it."""
        short = progress_in_short(self._session)
        statement = select(Job, short).where(Job.owner == owner).options(defer(Job.progress))
        for column, value in ((Job.state, state), (Job.kind, kind), (Job.queue, queue)):
            if value is not None:
                statement = statement.where(column == value)
        rows = self._session.execute(newest_first(statement, Job.created_at, Job.id, after, limit))
        return [(row[0], row[1]) for row in rows]

    def count_by_state(self, owner: str) -> dict[JobState, int]:
        """How many jobs of `owner` are in which state."""
        rows = self._session.execute(select(Job.state, func.count()).where(Job.owner == owner).group_by(Job.state))
        return {row[0]: row[1] for row in rows}

    def versions(self, job_ids: Iterable[str]) -> dict[str, int]:
        """Id -> version of those that exist."""
        rows = self._session.execute(select(Job.id, Job.version).where(Job.id.in_(list(job_ids))))
        return {row.id: row.version for row in rows}

    def has_queued(self, kinds: Collection[str], queues: Collection[str]) -> bool:
        """There is something to claim."""
        return self._session.scalar(select(Job.id).where(self._claimable(kinds, queues)).limit(1)) is not None

    def has_expired(self) -> bool:
        """There is a lease that ran out."""
        return self._session.scalar(select(Job.id).where(self._expired(self._now())).limit(1)) is not None

    def holders(self) -> list[str]:
        """Who holds a lease now."""
        held = select(Job.lease_holder).where(Job.state == JobState.RUNNING, Job.lease_holder.is_not(None)).distinct()
        return [str(holder) for holder in self._session.scalars(held)]

    def is_held(self, job_id: str, attempt: int) -> bool:
        """The lease of that attempt still stands and nobody asked to cancel."""
        wanted = and_(self._mine(job_id, attempt), Job.cancel_requested.is_(False))
        return self._session.scalar(select(Job.id).where(wanted)) is not None

    # Submitting and cancelling

    def add(
        self,
        *,
        kind: str,
        queue: str,
        subject_id: str,
        owner: str,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        priority: int = 0,
        licence: str | None = None,
        limits: dict[str, Any] | None = None,
    ) -> Job:
        """A new job in the queue. `licence` names the pool that it needs a seat of; `limits`, see `workers.limits`."""
        now = self._now()
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
            priority=priority,
            licence=licence,
            limits=limits,
            losses=0,
            version=1,
            state_version=1,
            progress_version=0,
            created_at=now,
            rung_at=now,  # whoever commits this rings at once
        )
        self._session.add(job)
        self._session.flush()
        self._outbox.put([_transition(job, now)])
        self._story.add_states([job])
        return job

    def request_cancel(self, job_id: str) -> bool:
        """Cancels a queued job at once and asks the holder of a running one; False if it is neither."""
        queued = self._move(
            and_(Job.id == job_id, Job.state == JobState.QUEUED), **self._ending(JobState.CANCELLED, None, None)
        )
        if queued:
            return True
        # Asking twice is no error, and the second time nothing changes for those who watch.
        asked = self._changed(
            and_(Job.id == job_id, Job.state == JobState.RUNNING, Job.cancel_requested.is_(False)),
            cancel_requested=True,
            version=_NEXT,
            state_version=_NEXT,
        )
        self._story.add_states(asked)
        return bool(asked) or self._session.scalar(select(Job.state).where(Job.id == job_id)) == JobState.RUNNING

    def retry(self, job_id: str) -> bool:
        """Puts a job that failed or was cancelled back into the queue, with fresh attempts; False if it is neither.

        The attempts go on counting: whoever still works under an older one stays locked out.
        """
        return bool(
            self._move(
                and_(Job.id == job_id, Job.state.in_((JobState.FAILED, JobState.CANCELLED))),
                **self._requeued(Job.attempt + 1),
                max_attempts=Job.attempt + DEFAULT_MAX_ATTEMPTS,
                cancel_requested=False,
                cause=None,
                error=None,
                started_at=None,
                finished_at=None,
            )
        )

    def delete_final(self, job_id: str) -> bool:
        """Deletes the job; False if it has not ended yet."""
        job = self.get(job_id)
        if job is None or not job.state.is_final:
            return False
        self._session.delete(job)
        self._session.flush()
        return True

    def ring_again(self, not_since: timedelta, at_most: int) -> list[QueuedJob]:
        """The next `at_most` jobs of each queue whose bell has not been rung for that long; it counts as rung now.

        Bounded, because a long queue needs no bell: whoever ends a job takes the next one unasked.
        """
        now = self._now()
        order = func.row_number().over(partition_by=Job.queue, order_by=(Job.priority.desc(), Job.created_at, Job.id))
        first = select(Job.id, order.label("place")).where(Job.state == JobState.QUEUED).subquery()
        silent = or_(Job.rung_at.is_(None), Job.rung_at < now - not_since)
        rows = self._session.execute(
            update(Job)
            .where(Job.id.in_(select(first.c.id).where(first.c.place <= at_most)), Job.state == JobState.QUEUED, silent)
            .values(rung_at=now)
            .returning(Job.id, Job.queue, Job.priority)
            .execution_options(synchronize_session=False)
        )
        return [QueuedJob(row.id, row.queue, row.priority) for row in rows]

    # Working

    def claim(self, *, kinds: Collection[str], queues: Collection[str], holder: str, lease: timedelta) -> Job | None:
        """The next job: the oldest of the highest priority, now running under a lease of `holder`; None if none waits.

        Among those that need a licence only one that finds a free seat.
        """
        best = (
            select(Job.id, Job.licence)
            .where(self._claimable(kinds, queues))
            .order_by(Job.priority.desc(), Job.created_at, Job.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=Job)  # PostgreSQL: rivals take the next; SQLite has one writer anyway
        )
        for _ in range(_CLAIM_TRIES):
            found = self._session.execute(best).one_or_none()
            if found is None:
                return None
            if found.licence is not None:
                # One after the other: two who count the seats at once would both find the last one free.
                pool = select(LicencePool.name).where(LicencePool.name == found.licence).with_for_update()
                self._session.execute(pool)
            now = self._now()
            claimed = self._move(
                and_(Job.id == found.id, self._claimable(kinds, queues)),
                state=JobState.RUNNING,
                lease_holder=holder,
                lease_expires_at=now + lease,
                heartbeat_at=now,
                started_at=func.coalesce(Job.started_at, now),
                worker_version=FLEXDSE_VERSION,
                version=_NEXT,
                state_version=_NEXT,
            )
            if claimed:
                return self.get(found.id)
        return None

    def heartbeat(self, job_id: str, attempt: int, lease: timedelta) -> bool:
        """Renews the lease; False if it was lost."""
        now = self._now()
        return bool(self._change(self._mine(job_id, attempt), heartbeat_at=now, lease_expires_at=now + lease))

    def save_progress(self, job_id: str, attempt: int, progress: dict[str, Any], lease: timedelta) -> bool:
        """Stores the newest progress and renews the lease; False if it was lost."""
        now = self._now()
        version = self._session.scalar(
            update(Job)
            .where(self._mine(job_id, attempt))
            .values(
                progress=progress,
                heartbeat_at=now,
                lease_expires_at=now + lease,
                version=_NEXT,
                progress_version=_NEXT,
            )
            .returning(Job.version)
            .execution_options(synchronize_session=False)
        )
        if version is not None:
            self._story.add_progress(job_id, version, progress)
        return version is not None

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
        return bool(self._move(self._mine(job_id, attempt), **self._ending(state, cause, error)))

    def give_back(self, job_id: str, attempt: int) -> bool:
        """Back to the queue by a worker in good health that has to stop; this does not count as an attempt."""
        held = self._mine(job_id, attempt)
        if self._move(and_(held, Job.cancel_requested.is_(True)), **self._ending(JobState.CANCELLED, None, None)):
            return True
        return bool(self._move(held, **self._requeued(Job.attempt)))

    def lose(self, job_id: str, attempt: int, detail: str) -> bool:
        """The work of that attempt died; False if the lease had been lost before."""
        return self._lose(self._mine(job_id, attempt), detail) > 0

    def lose_expired(self) -> int:
        """Takes every lease that ran out away from its holder; the number of jobs."""
        return self._lose(self._expired(self._now()), "its worker stopped renewing the lease")

    def lose_held(self, holder: str | None = None) -> int:
        """Takes the leases of a worker that is known to be dead, or of all of them; the number of jobs."""
        running: ColumnElement[bool] = Job.state == JobState.RUNNING
        if holder is not None:
            running = and_(running, Job.lease_holder == holder)
        return self._lose(running, "its worker died")

    # The statements behind them

    def _now(self) -> datetime:
        return database_now(self._session)

    @staticmethod
    def _claimable(kinds: Collection[str], queues: Collection[str]) -> ColumnElement[bool]:
        running = aliased(Job)
        taken = (
            select(func.count())
            .select_from(running)
            .where(running.state == JobState.RUNNING, running.licence == LicencePool.name)
            .correlate(LicencePool)
            .scalar_subquery()
        )
        exhausted = (
            select(LicencePool.name).where(LicencePool.name == Job.licence, LicencePool.seats <= taken).correlate(Job)
        ).exists()
        return and_(
            Job.state == JobState.QUEUED,
            Job.kind.in_(kinds),
            Job.queue.in_(queues),
            or_(Job.licence.is_(None), ~exhausted),
        )

    @staticmethod
    def _expired(now: datetime) -> ColumnElement[bool]:
        return and_(Job.state == JobState.RUNNING, Job.lease_expires_at < now)

    @staticmethod
    def _mine(job_id: str, attempt: int) -> ColumnElement[bool]:
        return and_(Job.id == job_id, Job.attempt == attempt, Job.state == JobState.RUNNING)

    def _ending(self, state: JobState, cause: str | None, error: dict[str, Any] | None) -> dict[str, Any]:
        # Two versions at once: the first is the new state, the second the end of the story.
        return {
            "state": state,
            "cause": cause,
            "error": error,
            "finished_at": self._now(),
            "lease_holder": None,
            "lease_expires_at": None,
            "version": Job.version + 2,
            "state_version": _NEXT,
        }

    def _requeued(self, attempt: Any) -> dict[str, Any]:
        return {
            "state": JobState.QUEUED,
            "attempt": attempt,
            "lease_holder": None,
            "lease_expires_at": None,
            "progress": None,
            "rung_at": self._now(),
            "version": _NEXT,
            "state_version": _NEXT,
        }

    def _lose(self, held: ColumnElement[bool], detail: str) -> int:
        exhausted = Job.attempt >= Job.max_attempts
        lost = {"losses": Job.losses + 1}
        cancelled = self._move(
            and_(held, Job.cancel_requested.is_(True)), **self._ending(JobState.CANCELLED, None, None), **lost
        )
        problem = _lost_problem(f"{detail}, on the last attempt that it had")
        failed = self._move(and_(held, exhausted), **self._ending(JobState.FAILED, CAUSE_LOST, problem), **lost)
        return cancelled + failed + self._move(held, **self._requeued(Job.attempt + 1), **lost)

    def _move(self, wanted: ColumnElement[bool], **values: Any) -> int:
        """Another state for those rows, and a word about it in the outbox; how many there were."""
        moved = self._changed(wanted, **values)
        if moved:
            now = self._now()
            self._outbox.put(_transition(job, now) for job in moved)
            self._story.add_states(moved)
        return len(moved)

    def _changed(self, wanted: ColumnElement[bool], **values: Any) -> Sequence[Job]:
        """The rows as they are after the change."""
        statement = update(Job).where(wanted).values(**values).returning(Job)
        return self._session.scalars(
            statement.execution_options(synchronize_session=False, populate_existing=True)
        ).all()

    def _change(self, wanted: ColumnElement[bool], **values: Any) -> int:
        statement = update(Job).where(wanted).values(**values).execution_options(synchronize_session=False)
        result = self._session.execute(statement)
        assert isinstance(result, CursorResult)
        return result.rowcount


def _transition(job: Job, at: datetime) -> Transition:
    return Transition(
        job_id=job.id,
        owner=job.owner,
        kind=job.kind,
        subject_id=job.subject_id,
        queue=job.queue,
        priority=job.priority,
        state=job.state,
        attempt=job.attempt,
        cause=job.cause,
        at=at,
    )
