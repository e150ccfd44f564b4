"""The audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.access import AuditEntry


class AuditLog:
    """The table of audit entries within one transaction; entries are added and read, never changed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        *,
        owner: str,
        action: str,
        resource: str,
        status: int,
        remote: str,
        request_id: str,
        key_id: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """One entry, at this moment."""
        self._session.add(
            AuditEntry(
                at=utc_now(),
                owner=owner,
                key_id=key_id,
                action=action,
                resource=resource,
                status=status,
                remote=remote,
                request_id=request_id,
                detail=detail,
            )
        )

    def page(self, owner: str | None, after_id: int | None, limit: int) -> list[AuditEntry]:
        """At most `limit` entries older than `after_id`, newest first; of everybody where `owner` is None."""
        statement = select(AuditEntry)
        if owner is not None:
            statement = statement.where(AuditEntry.owner == owner)
        if after_id is not None:
            statement = statement.where(AuditEntry.id < after_id)
        return list(self._session.scalars(statement.order_by(AuditEntry.id.desc()).limit(limit)))

    def delete_before(self, moment: datetime) -> int:
        """Retention; how many went."""
        result = self._session.execute(delete(AuditEntry).where(AuditEntry.at < moment))
        assert isinstance(result, CursorResult)
        return result.rowcount
