"""Devices and models that users brought: known by name wherever a catalog name is, to their owner only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request

from api.access.principal import PRINCIPAL
from db.session import Database

UploadKind = Literal["device", "model"]


@dataclass(frozen=True, slots=True)
class Uploads:
    """What one owner has uploaded."""

    database: Database
    owner: str

    def find(self, kind: UploadKind, name: str) -> dict[str, Any] | None:
        """The document of that name."""
        with self.database.read() as work:
            row = work.uploads.get(self.owner, kind, name)
        return row.document if row is not None else None

    def names(self, kind: UploadKind) -> list[str]:
        """The names of all."""
        with self.database.read() as work:
            return [row.name for row in work.uploads.list(self.owner, kind)]


_CURRENT: ContextVar[Uploads | None] = ContextVar("uploads", default=None)


@contextmanager
def uploads_of(request: Request) -> Iterator[None]:
    """While its body is read, names in it may be those of the sender's uploads."""
    principal = request.scope.get(PRINCIPAL)
    database = getattr(request.app.state, "database", None)
    token = _CURRENT.set(Uploads(database, principal.owner) if principal is not None and database is not None else None)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def uploaded(kind: UploadKind, name: str) -> dict[str, Any] | None:
    """The document that the sender of the current request uploaded under that name."""
    uploads = _CURRENT.get()
    return uploads.find(kind, name) if uploads is not None else None


def uploaded_names(kind: UploadKind) -> list[str]:
    """The names that the sender of the current request has."""
    uploads = _CURRENT.get()
    return uploads.names(kind) if uploads is not None else []
