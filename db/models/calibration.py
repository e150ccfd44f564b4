"""Fitted corrections of the cost model."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base


class Calibration(Base):
    """One calibration table, as `spec.calibration` defines it, and what it was fitted for."""

    __tablename__ = "calibration"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    device: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[str] = mapped_column(String(32))
    timing_table_version: Mapped[str] = mapped_column(String(32))
    document: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_calibration_created_at_id", "created_at", "id"),)
