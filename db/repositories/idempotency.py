"""Answers kept under their Idempotency-Key."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.base import utc_now
from db.models.idempotency import IdempotencyKey


class KeyTaken(Exception):
    """Another transaction used the key since we looked (PostgreSQL only: SQLite has one writer)."""


class IdempotencyKeys:
    """The table of given answers within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, owner: str, route: str, key: str) -> IdempotencyKey | None:
        """The answer that was given, if one was."""
        return self._session.get(IdempotencyKey, (owner, route, key))

    def add(
        self,
        *,
        owner: str,
        route: str,
        key: str,
        request_sha256: str,
        status: int,
        location: str | None,
        body: dict[str, Any],
    ) -> None:
        """Keeps an answer, in the transaction that makes it true.

        Raises:
            KeyTaken: somebody else was quicker; the transaction has to be given up.
        """
        self._session.add(
            IdempotencyKey(
                owner=owner,
                route=route,
                key=key,
                request_sha256=request_sha256,
                status=status,
                location=location,
                body=body,
                created_at=utc_now(),
            )
        )
        try:
            self._session.flush()
        except IntegrityError as error:
            raise KeyTaken(key) from error

    def purge(self, before: datetime) -> int:
        """Forgets the answers that are older; how many went."""
        result = self._session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < before))
        assert isinstance(result, CursorResult)
        return result.rowcount
