"""Licences of vendor tools."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base


class LicencePool(Base):
    """At most `seats` jobs that name this pool run at once, on all workers together. No row: no limit."""

    __tablename__ = "licence_pool"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    seats: Mapped[int]
