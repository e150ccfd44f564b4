"""Figures of the service as a whole, for metrics: all of them are questions, nothing here counts along."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.clock import database_now
from db.job_state import FINAL_STATES, JobState
from db.models.artifact import Blob
from db.models.exploration import Exploration
from db.models.job import Job
from db.models.project import Run


@dataclass(frozen=True, slots=True)
class QueueFigure:
    """Jobs of one queue in one state, and how long the oldest has been waiting (queued) or at work (running)."""

    queue: str
    state: JobState
    count: int
    oldest_age_s: float


class Figures:
    """Questions to all tables within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def queues(self) -> list[QueueFigure]:
        """Depth and age of every queue that has something in it."""
        since = {JobState.QUEUED: Job.created_at, JobState.RUNNING: Job.started_at}
        now = database_now(self._session)
        figures = []
        for state, column in since.items():
            rows = self._session.execute(
                select(Job.queue, func.count(), func.min(column)).where(Job.state == state).group_by(Job.queue)
            )
            figures += [
                QueueFigure(queue, state, count, (now - oldest).total_seconds() if oldest is not None else 0.0)
                for queue, count, oldest in rows
            ]
        return figures

    def jobs(self) -> list[tuple[str, JobState, str | None, int]]:
        """(kind, state, cause, number) of the jobs that ended and are still kept."""
        rows = self._session.execute(
            select(Job.kind, Job.state, Job.cause, func.count())
            .where(Job.state.in_(FINAL_STATES))
            .group_by(Job.kind, Job.state, Job.cause)
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def runs(self) -> list[tuple[str, bool | None, int]]:
        """(step, passed, number) of the runs of tools; `passed` is None without a report."""
        rows = self._session.execute(select(Run.step, Run.passed, func.count()).group_by(Run.step, Run.passed))
        return [(row[0], row[1], row[2]) for row in rows]

    def leases_lost(self) -> int:
        """How often a worker lost a job that is still kept."""
        return int(self._session.scalar(select(func.coalesce(func.sum(Job.losses), 0))) or 0)

    def evaluations_total(self) -> int:
        """Designs that were priced by the explorations that are still kept."""
        return int(self._session.scalar(select(func.coalesce(func.sum(Exploration.evaluations), 0))) or 0)

    def evaluations_per_s(self) -> float:
        """What the searches that run now price together."""
        progress = self._session.scalars(select(Job.progress).where(Job.state == JobState.RUNNING))
        rates = [each.get("designs_per_s") for each in progress if each is not None]
        return float(sum(rate for rate in rates if isinstance(rate, (int, float))))

    def artifact_bytes(self) -> int:
        """What the artifact store holds."""
        return int(self._session.scalar(select(func.coalesce(func.sum(Blob.size_bytes), 0))) or 0)
