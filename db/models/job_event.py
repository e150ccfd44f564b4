"""The story of each job: what a listener is told, one row a version."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base


class JobEventKind(StrEnum):
    """What a version of a job brought. The names are those of server-sent events."""

    STATE = "state"
    PROGRESS = "progress"
    DONE = "done"


class JobEvent(Base):
    """One version of a job. Versions have no gaps, so a listener can tell that it missed nothing.

    `data` holds JSON as text: it is sent on as it is, and never asked about by a query.
    """

    __tablename__ = "job_event"

    job_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    data: Mapped[str] = mapped_column(Text)
