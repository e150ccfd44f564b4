"""An exploration, its record and its front."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base


class Exploration(Base):
    """One search. `record` and the versions are null until it succeeded; its state is that of its job."""

    __tablename__ = "exploration"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("job.id"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    model_name: Mapped[str] = mapped_column(String(64))
    device_name: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(32))
    request: Mapped[dict[str, Any]]  # a whole ExplorationRequest
    summary: Mapped[dict[str, Any]]  # what a list shows of it: the request holds a whole model and a whole device
    record: Mapped[dict[str, Any] | None]
    front_size: Mapped[int | None]
    flexdse_version: Mapped[str | None] = mapped_column(String(32))
    model_version: Mapped[str | None] = mapped_column(String(32))
    timing_table_version: Mapped[str | None] = mapped_column(String(32))
    labels: Mapped[list[Any]]
    note: Mapped[str] = mapped_column(Text)
    sweep_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), ForeignKey("sweep.id", ondelete="SET NULL"))
    front_artifact_id: Mapped[str | None] = mapped_column(
        String(ID_LENGTH), ForeignKey("artifact.id", ondelete="SET NULL")
    )
    evaluations_artifact_id: Mapped[str | None] = mapped_column(
        String(ID_LENGTH), ForeignKey("artifact.id", ondelete="SET NULL")
    )
    history: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)  # of the search, see `workers.search_history`
    evaluations: Mapped[int | None]  # of the record, where the figures of the service add them up
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_exploration_created_at_id", "created_at", "id"),
        Index("ix_exploration_sweep_id", "sweep_id"),
    )


class FrontEntryRow(Base):
    """One design of a front.

    `design` and `metrics` hold JSON as text: fronts run to thousands of designs, which are stored and sent on whole
    and never asked about by a query, so nothing takes them apart.
    """

    __tablename__ = "front_entry"

    exploration_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("exploration.id", ondelete="CASCADE"), primary_key=True
    )
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(16))
    design: Mapped[str] = mapped_column(Text)
    metrics: Mapped[str] = mapped_column(Text)
