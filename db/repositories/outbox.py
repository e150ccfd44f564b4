"""What a transaction has to tell once it is committed, or as its very last act."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from db.job_state import JobState
from db.models.event import Event

# Any number that no other program takes a PostgreSQL advisory lock on.
_EVENTS_LOCK = 7_302_511_885


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that waits for a worker."""

    id: str
    queue: str
    priority: int


@dataclass(frozen=True, slots=True)
class Transition:
    """A job took a state."""

    job_id: str
    owner: str
    kind: str
    subject_id: str
    queue: str
    priority: int
    state: JobState
    attempt: int
    cause: str | None
    at: datetime


@dataclass(slots=True)
class Outbox:
    """Transitions of jobs in this transaction."""

    transitions: list[Transition] = field(default_factory=list)

    def put(self, transitions: Iterable[Transition]) -> None:
        """Notes them down."""
        self.transitions.extend(transitions)

    @property
    def queued(self) -> tuple[QueuedJob, ...]:
        """The jobs that wait now, for whoever rings the bell after the commit."""
        last = {transition.job_id: transition for transition in self.transitions}
        return tuple(
            QueuedJob(each.job_id, each.queue, each.priority) for each in last.values() if each.state is JobState.QUEUED
        )

    def write_events(self, session: Session) -> None:
        """Writes the events, as the last act before the commit.

        On PostgreSQL numbers are given before the commit, so without the lock a reader could see 8 before 7 and never
        come back for 7. Taken last, and let go by the commit, the lock cannot be part of a deadlock.
        """
        if not self.transitions:
            return
        session.flush()
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _EVENTS_LOCK})
        session.execute(insert(Event), [_event(transition) for transition in self.transitions])


def _event(transition: Transition) -> dict[str, Any]:
    return {
        "at": transition.at,
        "owner": transition.owner,
        "kind": f"job.{transition.state.value}",
        "job_id": transition.job_id,
        "data": {
            "job_kind": transition.kind,
            "subject_id": transition.subject_id,
            "queue": transition.queue,
            "state": transition.state.value,
            "attempt": transition.attempt,
            "cause": transition.cause,
        },
    }
