"""Explorations that users drive themselves: what was suggested to them, what they told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base


class Measurement(Base):
    """Figures of one design, measured outside."""

    __tablename__ = "measurement"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    exploration_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("exploration.id", ondelete="CASCADE"), index=True
    )
    design_key: Mapped[str] = mapped_column(String(16))
    index: Mapped[int | None]
    design: Mapped[dict[str, Any]]
    metrics: Mapped[dict[str, Any]]
    provenance: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_measurement_created_at_id", "created_at", "id"),)


class Suggestion(Base):
    """A design that somebody was asked to measure; until it expires nobody else is asked."""

    __tablename__ = "suggestion"

    exploration_id: Mapped[str] = mapped_column(
        String(ID_LENGTH), ForeignKey("exploration.id", ondelete="CASCADE"), primary_key=True
    )
    design_key: Mapped[str] = mapped_column(String(16), primary_key=True)
    index: Mapped[int]
    owner: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
