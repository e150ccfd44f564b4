"""Who may do what, and who did what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from db.base import ID_LENGTH, Base, CountingId


class ApiKey(Base):
    """A key that was issued. The key itself is nowhere: `key_sha256` recognises it, `prefix` finds it."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    prefix: Mapped[str] = mapped_column(String(16), index=True)
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[Any]]
    limits: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class AuditEntry(Base):
    """Something that changed something, or was refused."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(CountingId, primary_key=True)
    at: Mapped[datetime]
    owner: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    action: Mapped[str] = mapped_column(String(64))
    resource: Mapped[str] = mapped_column(String(255))
    status: Mapped[int]
    remote: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(32))
    detail: Mapped[dict[str, Any] | None]

    __table_args__ = (
        Index("ix_audit_entry_owner_id", "owner", "id"),
        Index("ix_audit_entry_at", "at"),
        {"sqlite_autoincrement": True},
    )
