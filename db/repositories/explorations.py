"""Explorations and their fronts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import CursorResult, case, delete, insert, null, select, update
from sqlalchemy.orm import Session, defer

from db.base import new_id, utc_now
from db.job_state import JobState
from db.models.exploration import Exploration, FrontEntryRow
from db.models.job import Job
from db.paging import Position, newest_first
from db.repositories.described import changes, filters
from db.repositories.progress import progress_in_short
from db.repositories.with_job import with_job
from spec.exploration import ExplorationRequest
from spec.exploration_result import FrontEntry, SearchRecord

# Of a request, for lists.
SUMMARY_FIELDS = {"workload", "objectives", "method", "budget", "seed"}


@dataclass(frozen=True, slots=True)
class ResultVersions:
    """What computed a result."""

    flexdse_version: str
    model_version: str
    timing_table_version: str


class ListedExploration(NamedTuple):
    """What a list shows of an exploration and of its job."""

    id: str
    job_id: str
    name: str
    model_name: str
    device_name: str
    summary: dict[str, Any]
    front_size: int | None
    evaluations: int | None
    labels: list[Any]
    sweep_id: str | None
    created_at: datetime
    state: JobState
    cancel_requested: bool
    started_at: datetime | None
    finished_at: datetime | None
    progress: dict[str, Any] | None  # without the front in it; of those that run


class FinishedSearch(NamedTuple):
    """How long a search took, and what it had to do."""

    method: str
    record: dict[str, Any]
    started_at: datetime | None
    finished_at: datetime | None


_OF_JOB = ("state", "cancel_requested", "started_at", "finished_at")
_LISTED = tuple(
    getattr(Job if name in _OF_JOB else Exploration, name) for name in ListedExploration._fields if name != "progress"
)


@dataclass(frozen=True, slots=True)
class StoredFrontEntry:
    """One design of a front, its documents still as JSON text."""

    index: int
    key: str
    design: str
    metrics: str


def _figures(record: SearchRecord) -> dict[str, float | None]:
    """Of a record, for lists."""
    priced, proof = record.evaluations, record.proof
    # Of an exact search the rate while it priced: merging the stages and placing the front price nothing.
    return {
        "designs_per_s": priced / proof.enumeration_s if proof and proof.enumeration_s > 0 else record.designs_per_s,
        "hypervolume": record.hypervolume,
        "feasible_fraction": record.feasible_evaluations / priced if priced else None,
    }


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

    def add(
        self,
        request: ExplorationRequest,
        *,
        exploration_id: str,
        job_id: str,
        owner: str,
        labels: Sequence[str] = (),
        note: str = "",
        sweep_id: str | None = None,
    ) -> Exploration:
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
            summary=request.model_dump(mode="json", by_alias=True, include=SUMMARY_FIELDS),
            labels=list(labels),
            note=note,
            sweep_id=sweep_id,
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
        return with_job(self._session, Exploration, exploration_id, owner)

    def page(
        self,
        owner: str,
        after: Position | None,
        limit: int,
        *,
        state: JobState | None = None,
        model: str | None = None,
        device: str | None = None,
        name_contains: str | None = None,
        label: str | None = None,
        sweep_id: str | None = None,
    ) -> list[ListedExploration]:
        """At most `limit` explorations of `owner`, newest first.

        As plain rows and without what is large (request, record, the front in a progress): a list of fifty is asked for
        often.
        """
        running = case((Job.state == JobState.RUNNING, progress_in_short(self._session)), else_=null())
        statement = (
            select(*_LISTED, running.label("progress"))
            .join(Job, Job.id == Exploration.job_id)
            .where(Exploration.owner == owner)
        )
        statement = statement.where(
            *filters(Exploration, state=state, model=model, device=device, name_contains=name_contains, label=label)
        )
        if sweep_id is not None:
            statement = statement.where(Exploration.sweep_id == sweep_id)
        rows = self._session.execute(newest_first(statement, Exploration.created_at, Exploration.id, after, limit))
        return [ListedExploration._make(row) for row in rows]

    def of_sweep(self, sweep_id: str) -> list[tuple[Exploration, Job]]:
        """Every exploration of a sweep with its job, oldest first, without requests and progress."""
        rows = self._session.execute(
            select(Exploration, Job)
            .join(Job, Job.id == Exploration.job_id)
            .where(Exploration.sweep_id == sweep_id)
            .options(defer(Exploration.request), defer(Job.progress), defer(Job.error))
            .order_by(Exploration.created_at, Exploration.id)
        )
        return [(row[0], row[1]) for row in rows]

    def update(
        self,
        exploration_id: str,
        *,
        name: str | None = None,
        labels: Sequence[str] | None = None,
        note: str | None = None,
    ) -> bool:
        """What the user says about it; None leaves a part as it is. False if there is none of that id."""
        values = changes(name, labels, note)
        return self._change(exploration_id, **values) if values else self.get(exploration_id) is not None

    def front(self, exploration_id: str, first: int = 0, limit: int | None = None) -> list[StoredFrontEntry]:
        """The front in its order, from entry `first` on, at most `limit` of them."""
        columns = (FrontEntryRow.index, FrontEntryRow.key, FrontEntryRow.design, FrontEntryRow.metrics)
        rows = self._session.execute(
            select(*columns)
            .where(FrontEntryRow.exploration_id == exploration_id, FrontEntryRow.index >= first)
            .order_by(FrontEntryRow.index)
            .limit(limit)
        )
        return [StoredFrontEntry(*row) for row in rows]

    def front_entry(self, exploration_id: str, index: int) -> StoredFrontEntry | None:
        """One design of the front."""
        row = self._session.get(FrontEntryRow, (exploration_id, index))
        return StoredFrontEntry(row.index, row.key, row.design, row.metrics) if row is not None else None

    def publish(
        self,
        exploration_id: str,
        front: Sequence[StoredFrontEntry],
        record: SearchRecord,
        versions: ResultVersions,
        *,
        best: Mapping[str, float | None] | None = None,
        front_artifact_id: str | None = None,
        evaluations_artifact_id: str | None = None,
    ) -> None:
        """Stores the result. Whoever calls this ends the job in the same transaction.

        `best`: of each objective the best value on the front, for lists.
        """
        asked = self._session.scalar(select(Exploration.summary).where(Exploration.id == exploration_id)) or {}
        self._change(
            exploration_id,
            summary={**asked, **_figures(record), "best": dict(best or {})},
            record=record.model_dump(mode="json", by_alias=True),
            front_size=len(front),
            evaluations=record.evaluations,
            front_artifact_id=front_artifact_id,
            evaluations_artifact_id=evaluations_artifact_id,
            **asdict(versions),
        )
        if front:
            rows = [{"exploration_id": exploration_id, **asdict(entry)} for entry in front]
            self._session.execute(insert(FrontEntryRow), rows)

    def save_history(self, exploration_id: str, history: dict[str, Any]) -> None:
        """Stores how the search has gone so far, whole, in place of what was there."""
        self._change(exploration_id, history=history)

    def history(self, exploration_id: str) -> dict[str, Any] | None:
        """How the search went; None where it said nothing yet."""
        return self._session.scalar(select(Exploration.history).where(Exploration.id == exploration_id))

    def finished_last(self, limit: int) -> list[FinishedSearch]:
        """The searches of everybody that succeeded last, newest first."""
        rows = self._session.execute(
            select(Exploration.method, Exploration.record, Job.started_at, Job.finished_at)
            .join(Job, Job.id == Exploration.job_id)
            .where(Job.state == JobState.SUCCEEDED, Exploration.record.is_not(None))
            .order_by(Exploration.created_at.desc(), Exploration.id.desc())
            .limit(limit)
        )
        return [FinishedSearch(*row) for row in rows]

    def delete(self, exploration_id: str) -> None:
        """Deletes the exploration with its front; its job is deleted after it."""
        self._session.execute(delete(FrontEntryRow).where(FrontEntryRow.exploration_id == exploration_id))
        self._session.execute(delete(Exploration).where(Exploration.id == exploration_id))

    def _change(self, exploration_id: str, **values: Any) -> bool:
        statement = update(Exploration).where(Exploration.id == exploration_id).values(**values)
        result = self._session.execute(statement.execution_options(synchronize_session=False))
        assert isinstance(result, CursorResult)
        return result.rowcount > 0
