"""Generated HLS projects, the runs of tools on them, and what those reported."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base


def _artifact_key() -> Any:
    return ForeignKey("artifact.id", ondelete="SET NULL")


class Project(Base):
    """One project. `manifest`, its hash and the zip are null until its job generated it; the zip may go again."""

    __tablename__ = "project"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("job.id"), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    labels: Mapped[list[Any]]
    note: Mapped[str] = mapped_column(Text)
    model_name: Mapped[str] = mapped_column(String(64))
    device_name: Mapped[str] = mapped_column(String(64))
    design_key: Mapped[str] = mapped_column(String(16))
    design: Mapped[dict[str, Any]]
    model: Mapped[dict[str, Any]]
    device: Mapped[dict[str, Any]]
    workload: Mapped[dict[str, Any]]
    seed: Mapped[int]
    manifest: Mapped[dict[str, Any] | None]
    manifest_sha256: Mapped[str | None] = mapped_column(String(64))
    artifact_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), _artifact_key())
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_project_created_at_id", "created_at", "id"),)


class Run(Base):
    """One tool run on a project: one job. `passed` is null until it ended with a report."""

    __tablename__ = "run"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    project_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("project.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str] = mapped_column(String(ID_LENGTH), ForeignKey("job.id"), unique=True)
    step: Mapped[str] = mapped_column(String(32))
    options: Mapped[dict[str, Any]]
    passed: Mapped[bool | None]
    artifact_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), _artifact_key())
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_run_created_at_id", "created_at", "id"),)


class Report(Base):
    """What a tool reported: of one of our runs, or brought in by a user."""

    __tablename__ = "report"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    project_id: Mapped[str | None] = mapped_column(
        String(ID_LENGTH), ForeignKey("project.id", ondelete="CASCADE"), index=True
    )
    run_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), ForeignKey("run.id", ondelete="CASCADE"), index=True)
    job_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), ForeignKey("job.id", ondelete="SET NULL"))
    step: Mapped[str] = mapped_column(String(32))
    document: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_report_created_at_id", "created_at", "id"),)
