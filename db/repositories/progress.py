"""What lists show of the progress of a job."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import Session

from db.base import PortableJSON
from db.models.job import Job


def progress_in_short(session: Session) -> ColumnElement[Any]:
    """The progress but for the front in it: some 30 kB, fifty of which take long."""
    if session.get_bind().dialect.name == "sqlite":
        return func.json_remove(Job.progress, "$.front", type_=PortableJSON)
    return Job.progress.op("-", return_type=PortableJSON)("front")
