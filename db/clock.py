"""One clock for all who share a database: leases of workers on several hosts are compared by it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.base import utc_now


def database_now(session: Session) -> datetime:
    """The time by the clock of the database. An SQLite file has none, and one host: its clock then."""
    if session.get_bind().dialect.name != "postgresql":
        return utc_now()
    now = session.scalar(select(func.clock_timestamp()))  # now() would be the time when the transaction began
    assert isinstance(now, datetime)
    return now.astimezone(UTC)
