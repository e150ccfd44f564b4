"""Explorations and their fronts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.models.exploration import Exploration, FrontEntryRow
from db.models.job import Job
from db.paging import Position, newest_first
from spec.exploration import ExplorationRequest
from spec.exploration_result import FrontEntry, SearchRecord


@dataclass(frozen=True, slots=True)
class ResultVersions:
    """What computed a result."""

    flexdse_version: str
    model_version: str
    timing_table_version: str


@dataclass(frozen=True, slots=True)
class StoredFrontEntry:
    """One design of a front, its documents still as JSON text."""

    index: int
    key: str
    design: str
    metrics: str


def stored_front_entry(index: int, entry: FrontEntry) -> StoredFrontEntry:
    """`entry` as it is stored."""
    return StoredFrontEntry(
        index=index,
        key=entry.design.canonical_key(),
        design=entry.design.model_dump_json(by_alias=True),
        metrics=json.dumps(entry.metrics, allow_nan=False, separators=(",", ":")),
    )


class Explorations:
    """The tables of explorations within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, request: ExplorationRequest, *, exploration_id: str, job_id: str, owner: str) -> Exploration:
        """A new exploration, to be searched by that job."""
        exploration = Exploration(
            id=exploration_id,
            owner=owner,
            job_id=job_id,
            name=request.name,
            model_name=request.model.name,
            device_name=request.device.name,
            method=request.method,
            request=request.model_dump(mode="json", by_alias=True),
            created_at=utc_now(),
        )
        self._session.add(exploration)
        self._session.flush()
        return exploration

    @staticmethod
    def next_id() -> str:
        """An id for `add`: the job that comes first refers to it."""
        return new_id()

    def get(self, exploration_id: str) -> Exploration | None:
        """The exploration of that id."""
        return self._session.get(Exploration, exploration_id, populate_existing=True)

    def get_with_job(self, exploration_id: str, owner: str) -> tuple[Exploration, Job] | None:
        """The exploration and its job; None where `owner` has none of that id."""
        row = self._session.execute(
            select(Exploration, Job)
            .join(Job, Job.id == Exploration.job_id)
            .where(Exploration.id == exploration_id, Exploration.owner == owner)
        ).one_or_none()
        return (row[0], row[1]) if row is not None else None

    def page(self, owner: str, after: Position | None, limit: int) -> list[tuple[Exploration, Job]]:
        """At most `limit` explorations of `owner`, newest first, with their jobs."""
        statement = select(Exploration, Job).join(Job, Job.id == Exploration.job_id).where(Exploration.owner == owner)
        rows = self._session.execute(newest_first(statement, Exploration.created_at, Exploration.id, after, limit))
        return [(row[0], row[1]) for row in rows]

    def front(self, exploration_id: str) -> list[StoredFrontEntry]:
        """The front in its order."""
        columns = (FrontEntryRow.index, FrontEntryRow.key, FrontEntryRow.design, FrontEntryRow.metrics)
        rows = self._session.execute(
            select(*columns).where(FrontEntryRow.exploration_id == exploration_id).order_by(FrontEntryRow.index)
        )
        return [StoredFrontEntry(*row) for row in rows]

    def front_entry(self, exploration_id: str, index: int) -> StoredFrontEntry | None:
        """One design of the front."""
        row = self._session.get(FrontEntryRow, (exploration_id, index))
        return StoredFrontEntry(row.index, row.key, row.design, row.metrics) if row is not None else None

    def publish(
        self, exploration_id: str, front: Sequence[StoredFrontEntry], record: SearchRecord, versions: ResultVersions
    ) -> None:
        """Stores the result. Whoever calls this ends the job in the same transaction."""
        self._session.execute(
            update(Exploration)
            .where(Exploration.id == exploration_id)
            .values(record=record.model_dump(mode="json", by_alias=True), front_size=len(front), **asdict(versions))
            .execution_options(synchronize_session=False)
        )
        if front:
            rows = [{"exploration_id": exploration_id, **asdict(entry)} for entry in front]
            self._session.execute(insert(FrontEntryRow), rows)

    def delete(self, exploration_id: str) -> None:
        """Deletes the exploration with its front; its job is deleted after it."""
        self._session.execute(delete(FrontEntryRow).where(FrontEntryRow.exploration_id == exploration_id))
        self._session.execute(delete(Exploration).where(Exploration.id == exploration_id))
