"""What happened, in the order of commits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.orm import Session

from db.models.event import Event


class Events:
    """The table of events within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def after(self, owner: str | None, seq: int, limit: int) -> list[Event]:
        """At most `limit` events newer than `seq`, oldest first; of everybody where `owner` is None."""
        statement = select(Event).where(Event.seq > seq).order_by(Event.seq).limit(limit)
        if owner is not None:
            statement = statement.where(Event.owner == owner)
        return list(self._session.scalars(statement))

    def last_seq(self, owner: str | None) -> int:
        """The number of the newest event; 0 if there is none."""
        statement: Any = select(func.max(Event.seq))
        if owner is not None:
            statement = statement.where(Event.owner == owner)
        return int(self._session.scalar(statement) or 0)

    def delete_before(self, moment: datetime) -> int:
        """Retention; how many went."""
        result = self._session.execute(delete(Event).where(Event.at < moment))
        assert isinstance(result, CursorResult)
        return result.rowcount
