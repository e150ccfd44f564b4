"""Devices and models that users brought."""

from __future__ import annotations

import builtins
from typing import Any

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.models.upload import Upload


class NameTaken(Exception):
    """The owner has one of that kind and name already; the transaction has to be given up."""


class Uploads:
    """The table of uploads within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, *, owner: str, kind: str, name: str, document: dict[str, Any], sha256: str) -> Upload:
        """A new document.

        Raises:
            NameTaken: there is one of that kind and name.
        """
        upload = Upload(
            id=new_id(), owner=owner, kind=kind, name=name, document=document, sha256=sha256, created_at=utc_now()
        )
        self._session.add(upload)
        try:
            self._session.flush()
        except IntegrityError as error:
            raise NameTaken(name) from error
        return upload

    def get(self, owner: str, kind: str, name: str) -> Upload | None:
        """The document of that name."""
        return self._session.scalar(
            select(Upload).where(Upload.owner == owner, Upload.kind == kind, Upload.name == name)
        )

    def list(self, owner: str, kind: str) -> builtins.list[Upload]:
        """All of that kind, by name."""
        statement = select(Upload).where(Upload.owner == owner, Upload.kind == kind).order_by(Upload.name)
        return list(self._session.scalars(statement))

    def delete(self, owner: str, kind: str, name: str) -> bool:
        """Deletes it; False if there is none."""
        result = self._session.execute(
            delete(Upload).where(Upload.owner == owner, Upload.kind == kind, Upload.name == name)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount > 0
