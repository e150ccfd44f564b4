"""Runs of tools on projects."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.job_state import JobState
from db.models.job import Job
from db.models.project import Run
from db.paging import Position, newest_first
from db.repositories.with_job import with_job


class Runs:
    """The table of runs within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @staticmethod
    def next_id() -> str:
        """An id for `add`: the job that comes first refers to it."""
        return new_id()

    def add(self, *, run_id: str, job_id: str, owner: str, project_id: str, step: str, options: dict[str, Any]) -> Run:
        """A new run, to be done by that job."""
        run = Run(
            id=run_id,
            owner=owner,
            project_id=project_id,
            job_id=job_id,
            step=step,
            options=options,
            created_at=utc_now(),
        )
        self._session.add(run)
        self._session.flush()
        return run

    def get(self, run_id: str) -> Run | None:
        """The run of that id."""
        return self._session.get(Run, run_id, populate_existing=True)

    def get_with_job(self, run_id: str, owner: str) -> tuple[Run, Job] | None:
        """The run and its job; None where `owner` has none of that id."""
        return with_job(self._session, Run, run_id, owner)

    def projects_of(self, run_ids: Collection[str]) -> dict[str, str]:
        """Run -> project, of those that exist."""
        if not run_ids:
            return {}
        rows = self._session.execute(select(Run.id, Run.project_id).where(Run.id.in_(run_ids)))
        return {row[0]: row[1] for row in rows}

    def page(
        self,
        owner: str,
        after: Position | None,
        limit: int,
        *,
        project_id: str | None = None,
        step: str | None = None,
        state: JobState | None = None,
    ) -> list[tuple[Run, Job]]:
        """At most `limit` runs of `owner`, newest first, with their jobs."""
        statement = select(Run, Job).join(Job, Job.id == Run.job_id).where(Run.owner == owner)
        if project_id is not None:
            statement = statement.where(Run.project_id == project_id)
        if step is not None:
            statement = statement.where(Run.step == step)
        if state is not None:
            statement = statement.where(Job.state == state)
        rows = self._session.execute(newest_first(statement, Run.created_at, Run.id, after, limit))
        return [(row[0], row[1]) for row in rows]

    def publish(self, run_id: str, *, passed: bool, artifact_id: str | None) -> None:
        """Stores how it ended. Whoever calls this ends the job in the same transaction."""
        self._session.execute(
            update(Run)
            .where(Run.id == run_id)
            .values(passed=passed, artifact_id=artifact_id)
            .execution_options(synchronize_session=False)
        )
