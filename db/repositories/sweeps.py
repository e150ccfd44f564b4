"""Sweeps of explorations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.job_state import JobState
from db.models.exploration import Exploration
from db.models.job import Job
from db.models.sweep import Sweep
from db.paging import Position, newest_first
from db.repositories.described import changes, has_label

# `results["waiting"]`: how many cases, the last ones of the document, are not submitted yet.
_WAITING = Sweep.results["waiting"].as_integer() > 0


class Sweeps:
    """The table of sweeps within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        *,
        owner: str,
        name: str,
        document: dict[str, Any],
        labels: Sequence[str] = (),
        note: str = "",
        job_id: str | None = None,
        results: dict[str, Any] | None = None,
    ) -> Sweep:
        """A new sweep; its explorations are added with its id."""
        sweep = Sweep(
            id=new_id(),
            owner=owner,
            job_id=job_id,
            name=name,
            labels=list(labels),
            note=note,
            document=document,
            results=results,
            created_at=utc_now(),
        )
        self._session.add(sweep)
        self._session.flush()
        return sweep

    def get(self, sweep_id: str, owner: str) -> Sweep | None:
        """The sweep; None where `owner` has none of that id."""
        sweep = self._session.get(Sweep, sweep_id, populate_existing=True)
        return sweep if sweep is not None and sweep.owner == owner else None

    def has_waiting(self) -> bool:
        """There is a sweep with cases that are not submitted yet."""
        return self._session.scalar(select(Sweep.id).where(_WAITING).limit(1)) is not None

    def take_waiting(self) -> list[Sweep]:
        """The sweeps with cases that are not submitted yet, oldest first; a rival sees none of them until we are done."""
        statement = select(Sweep).where(_WAITING).order_by(Sweep.created_at, Sweep.id)
        return list(self._session.scalars(statement.with_for_update(skip_locked=True)))

    def stop_waiting(self, sweep_id: str) -> bool:
        """Its cases that are not submitted yet never will be; False if there is none."""
        found = self._session.scalar(select(Sweep.id).where(Sweep.id == sweep_id, _WAITING).with_for_update())
        return found is not None and self.update(sweep_id, results={"waiting": 0})

    def page(
        self,
        owner: str,
        after: Position | None,
        limit: int,
        *,
        name_contains: str | None = None,
        label: str | None = None,
    ) -> list[Sweep]:
        """At most `limit` sweeps of `owner`, newest first."""
        statement = select(Sweep).where(Sweep.owner == owner)
        if name_contains is not None:
            statement = statement.where(Sweep.name.icontains(name_contains, autoescape=True))
        if label is not None:
            statement = statement.where(has_label(Sweep.labels, label))
        return list(self._session.scalars(newest_first(statement, Sweep.created_at, Sweep.id, after, limit)))

    def states(self, sweep_ids: Sequence[str]) -> dict[str, dict[JobState, int]]:
        """Of each sweep, how many of its explorations are in which state."""
        rows = self._session.execute(
            select(Exploration.sweep_id, Job.state, func.count())
            .join(Job, Job.id == Exploration.job_id)
            .where(Exploration.sweep_id.in_(list(sweep_ids)))
            .group_by(Exploration.sweep_id, Job.state)
        )
        found: dict[str, dict[JobState, int]] = {sweep_id: {} for sweep_id in sweep_ids}
        for sweep_id, state, count in rows:
            found[str(sweep_id)][state] = count
        return found

    def job_ids(self, sweep_id: str) -> list[str]:
        """The jobs of its explorations, oldest first."""
        statement = select(Exploration.job_id).where(Exploration.sweep_id == sweep_id)
        return list(self._session.scalars(statement.order_by(Exploration.created_at, Exploration.id)))

    def update(
        self,
        sweep_id: str,
        *,
        name: str | None = None,
        labels: Sequence[str] | None = None,
        note: str | None = None,
        results: dict[str, Any] | None = None,
        artifact_id: str | None = None,
    ) -> bool:
        """What the user says about it, or what came out of it; None leaves a part as it is."""
        values = changes(name, labels, note)
        values |= {"results": results} if results is not None else {}
        values |= {"artifact_id": artifact_id} if artifact_id is not None else {}
        if not values:
            return self._session.get(Sweep, sweep_id) is not None
        result = self._session.execute(
            update(Sweep).where(Sweep.id == sweep_id).values(**values).execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount > 0

    def delete(self, sweep_id: str) -> bool:
        """Deletes the sweep; its explorations stay, by themselves. False if there is none."""
        result = self._session.execute(delete(Sweep).where(Sweep.id == sweep_id))
        assert isinstance(result, CursorResult)
        return result.rowcount > 0
