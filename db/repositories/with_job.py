"""Something that a job makes or does, together with that job."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models.exploration import Exploration
from db.models.job import Job
from db.models.project import Project, Run

Subject = TypeVar("Subject", Exploration, Project, Run)


def with_job(session: Session, table: type[Subject], row_id: str, owner: str) -> tuple[Subject, Job] | None:
    """The row of that id and its job; None where `owner` has none of that id."""
    row = session.execute(
        select(table, Job).join(Job, Job.id == table.job_id).where(table.id == row_id, table.owner == owner)
    ).one_or_none()
    return (row[0], row[1]) if row is not None else None
