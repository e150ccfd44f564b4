"""What tools reported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.models.project import Report
from db.paging import Position, newest_first


class Reports:
    """The table of reports within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        *,
        owner: str,
        step: str,
        document: dict[str, Any],
        project_id: str | None = None,
        run_id: str | None = None,
        job_id: str | None = None,
    ) -> Report:
        """A new report: of a run, or one that a user brought."""
        report = Report(
            id=new_id(),
            owner=owner,
            project_id=project_id,
            run_id=run_id,
            job_id=job_id,
            step=step,
            document=document,
            created_at=utc_now(),
        )
        self._session.add(report)
        self._session.flush()
        return report

    def get(self, report_id: str, owner: str) -> Report | None:
        """The report; None where `owner` has none of that id."""
        report = self._session.get(Report, report_id)
        return report if report is not None and report.owner == owner else None

    def page(
        self,
        owner: str,
        after: Position | None,
        limit: int,
        *,
        project_id: str | None = None,
        run_id: str | None = None,
        step: str | None = None,
    ) -> list[Report]:
        """At most `limit` reports of `owner`, newest first."""
        statement = select(Report).where(Report.owner == owner)
        if project_id is not None:
            statement = statement.where(Report.project_id == project_id)
        if run_id is not None:
            statement = statement.where(Report.run_id == run_id)
        if step is not None:
            statement = statement.where(Report.step == step)
        return list(self._session.scalars(newest_first(statement, Report.created_at, Report.id, after, limit)))

    def of_project(self, project_id: str, owner: str, steps: Sequence[str]) -> list[Report]:
        """All reports of a project by those steps, oldest first."""
        statement = select(Report).where(Report.project_id == project_id, Report.owner == owner, Report.step.in_(steps))
        return list(self._session.scalars(statement.order_by(Report.created_at, Report.id)))

    def delete(self, report_id: str) -> bool:
        """Deletes it; False if there is none."""
        result = self._session.execute(delete(Report).where(Report.id == report_id))
        assert isinstance(result, CursorResult)
        return result.rowcount > 0
