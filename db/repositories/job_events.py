"""The story of each job, version by version."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, insert, select
from sqlalchemy.orm import Session

from db.models.job import Job
from db.models.job_event import JobEvent, JobEventKind

# Of each job while it runs. A listener that comes back later than that finds a gap where these begin.
KEPT_EVENTS = 512
_PRUNE_EVERY = 64


@dataclass(frozen=True, slots=True)
class StoryEvent:
    """One version of a job; `data` is JSON text."""

    version: int
    kind: JobEventKind
    data: str


class JobEvents:
    """The table of the stories within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def after(self, job_id: str, version: int, limit: int) -> list[StoryEvent]:
        """At most `limit` events newer than `version`, oldest first."""
        rows = self._session.execute(
            select(JobEvent.version, JobEvent.kind, JobEvent.data)
            .where(JobEvent.job_id == job_id, JobEvent.version > version)
            .order_by(JobEvent.version)
            .limit(limit)
        )
        return [StoryEvent(row.version, JobEventKind(row.kind), row.data) for row in rows]

    def add_states(self, jobs: Iterable[Job]) -> None:
        """The state that each of the jobs has just taken, and, where that is the last, its end."""
        rows = []
        for job in jobs:
            state = {
                "state": job.state.value,
                "attempt": job.attempt,
                "max_attempts": job.max_attempts,
                "cancel_requested": job.cancel_requested,
            }
            rows.append(_row(job.id, job.state_version, JobEventKind.STATE, state))
            if job.state.is_final:
                end = {"state": job.state.value, "cause": job.cause, "error": job.error}
                rows.append(_row(job.id, job.version, JobEventKind.DONE, end))
        if rows:
            self._session.execute(insert(JobEvent), rows)

    def add_progress(self, job_id: str, version: int, progress: dict[str, Any]) -> None:
        """What a job said of its progress; the oldest events of a long story go."""
        self._session.execute(insert(JobEvent), [_row(job_id, version, JobEventKind.PROGRESS, progress)])
        if version % _PRUNE_EVERY == 0:
            too_old = JobEvent.version <= version - KEPT_EVENTS
            self._session.execute(delete(JobEvent).where(JobEvent.job_id == job_id, too_old))

    def delete_of_jobs_finished_before(self, moment: datetime) -> int:
        """Forgets the stories of jobs that ended before `moment`; the number of events."""
        ended = select(Job.id).where(Job.finished_at < moment)
        result = self._session.execute(
            delete(JobEvent).where(JobEvent.job_id.in_(ended)).execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount


def _row(job_id: str, version: int, kind: JobEventKind, data: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return {"job_id": job_id, "version": version, "kind": kind.value, "data": text}
