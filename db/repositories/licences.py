"""Seats of licences."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.job_state import JobState
from db.models.job import Job
from db.models.licence import LicencePool


class Licences:
    """The table of licence pools within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def set_seats(self, name: str, seats: int | None) -> None:
        """At most `seats` jobs of that pool run at once; None takes the limit away."""
        pool = self._session.get(LicencePool, name, with_for_update=True)
        if seats is None:
            if pool is not None:
                self._session.delete(pool)
        elif pool is None:
            self._session.add(LicencePool(name=name, seats=seats))
        else:
            pool.seats = seats
        self._session.flush()

    def seats(self) -> dict[str, int]:
        """Pool -> seats."""
        return {pool.name: pool.seats for pool in self._session.scalars(select(LicencePool))}

    def in_use(self) -> dict[str, int]:
        """Pool -> jobs that run."""
        rows = self._session.execute(
            select(Job.licence, func.count())
            .where(Job.state == JobState.RUNNING, Job.licence.is_not(None))
            .group_by(Job.licence)
        )
        return {str(row[0]): row[1] for row in rows}
