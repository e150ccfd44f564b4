"""Keys that were issued to users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.models.access import ApiKey


class ApiKeys:
    """The table of keys within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        *,
        owner: str,
        name: str,
        prefix: str,
        key_sha256: str,
        scopes: Sequence[str],
        limits: dict[str, Any] | None,
        expires_at: datetime | None,
    ) -> ApiKey:
        """A new key."""
        key = ApiKey(
            id=new_id(),
            owner=owner,
            name=name,
            prefix=prefix,
            key_sha256=key_sha256,
            scopes=list(scopes),
            limits=limits,
            created_at=utc_now(),
            expires_at=expires_at,
        )
        self._session.add(key)
        self._session.flush()
        return key

    def get(self, key_id: str) -> ApiKey | None:
        """The key of that id."""
        return self._session.get(ApiKey, key_id)

    def by_prefix(self, prefix: str) -> list[ApiKey]:
        """Keys that a text beginning with `prefix` might be: their hashes decide."""
        return list(self._session.scalars(select(ApiKey).where(ApiKey.prefix == prefix)))

    def list(self) -> Sequence[ApiKey]:
        """All of them, newest first."""
        return list(self._session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc(), ApiKey.id.desc())))

    def revoke(self, key_id: str) -> bool:
        """From now on it is refused; False if it is unknown or was revoked before."""
        return self._change(key_id, ApiKey.revoked_at.is_(None), revoked_at=utc_now())

    def touch(self, key_id: str) -> bool:
        """Notes that it was used; False if it is unknown."""
        return self._change(key_id, last_used_at=utc_now())

    def _change(self, key_id: str, *conditions: Any, **values: Any) -> bool:
        statement = update(ApiKey).where(ApiKey.id == key_id, *conditions).values(**values)
        result = self._session.execute(statement.execution_options(synchronize_session=False))
        assert isinstance(result, CursorResult)
        return result.rowcount > 0
