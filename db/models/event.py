"""What happened to jobs, in the order of commits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base, CountingId


class Event(Base):
    """A job took another state. `seq` is the Last-Event-ID of a client."""

    __tablename__ = "event"

    seq: Mapped[int] = mapped_column(CountingId, primary_key=True)
    at: Mapped[datetime]
    owner: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    job_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    data: Mapped[dict[str, Any]]

    __table_args__ = (
        Index("ix_event_owner_seq", "owner", "seq"),
        Index("ix_event_at", "at"),
        {"sqlite_autoincrement": True},  # a number is never given twice, even when the table was emptied
    )
