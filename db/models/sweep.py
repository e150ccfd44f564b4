"""Sweeps: many explorations of one purpose."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base


class Sweep(Base):
    """One sweep; `job_id` is null where it is nothing but its explorations."""

    __tablename__ = "sweep"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), ForeignKey("job.id"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    labels: Mapped[list[Any]]
    note: Mapped[str] = mapped_column(Text)
    document: Mapped[dict[str, Any]]
    results: Mapped[dict[str, Any] | None]
    artifact_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), ForeignKey("artifact.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_sweep_created_at_id", "created_at", "id"),)
