"""The job: the row is the truth about a piece of work, whoever rings whatever bell."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base, text_enum
from db.job_state import JobState


class Job(Base):
    """One piece of work.

    `attempt` is the fencing token: it rises whenever a lease is lost, and whoever still works under an older one can
    write nothing. `version` rises with every change that a watcher should see; `state_version` and `progress_version`
    are its value at the last change of the state and of the progress.
    """

    __tablename__ = "job"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    queue: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(ID_LENGTH))  # of the aggregate that the kind works on
    state: Mapped[JobState] = mapped_column(text_enum(JobState, "state"))
    cancel_requested: Mapped[bool]

    attempt: Mapped[int]
    max_attempts: Mapped[int]
    lease_holder: Mapped[str | None] = mapped_column(String(128))
    lease_expires_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]

    progress: Mapped[dict[str, Any] | None]
    cause: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[dict[str, Any] | None]

    priority: Mapped[int]  # the higher, the sooner
    licence: Mapped[str | None] = mapped_column(String(32))  # a pool of seats that a running job holds one of
    limits: Mapped[dict[str, Any] | None]  # cpus, memory_bytes, time_s; null: those of the worker
    losses: Mapped[int]  # leases that its workers lost
    worker_version: Mapped[str | None] = mapped_column(String(32))  # of whoever claimed it last
    rung_at: Mapped[datetime | None]  # when the bell was last rung for it

    version: Mapped[int]
    state_version: Mapped[int]
    progress_version: Mapped[int]

    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_job_created_at_id", "created_at", "id"),
        Index("ix_job_subject_id", "subject_id"),
        # The two questions that every idle worker asks several times a second.
        Index(
            "ix_job_queued",
            "queue",
            "priority",
            "created_at",
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_job_running",
            "lease_expires_at",
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
    )
