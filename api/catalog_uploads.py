"""Storing devices and models that users bring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, Field

from api.access.principal import Principal
from api.idempotency import Answer, once
from api.problems import ConflictError, NotFoundError
from api.quotas import check_uploads
from api.uploads import UploadKind
from db.repositories.uploads import NameTaken
from db.session import Database, UnitOfWork
from spec import catalog

UploadName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="under which it is known from now on, to its owner; not a name of the catalog",
    ),
]
_COLLECTION: dict[UploadKind, catalog.Kind] = {"device": "devices", "model": "models"}


def store(
    database: Database,
    principal: Principal,
    kind: UploadKind,
    name: str,
    document: BaseModel,
    key: str | None,
    shown: Callable[[], BaseModel],
) -> Answer:
    """Keeps a document under its name.

    Raises:
        ConflictError: the catalog, or the owner, has something of that name.
        QuotaError: there is no room for another.
    """
    collection = f"/api/v1/{_COLLECTION[kind]}"
    if name in catalog.names(_COLLECTION[kind]):
        raise _taken(kind, name, "the catalog has", "take another name: those of the catalog stay what they are")
    content: dict[str, Any] = document.model_dump(mode="json", by_alias=True)

    def do(work: UnitOfWork) -> Answer:
        check_uploads(work, principal)
        work.uploads.add(
            owner=principal.owner,
            kind=kind,
            name=name,
            document=content,
            sha256=hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest(),
        )
        return Answer.of(201, shown(), f"{collection}/{name}")

    try:
        return once(database, principal.owner, f"POST {collection}", key, document, do)
    except NameTaken as error:
        raise _taken(kind, name, "you have", f"DELETE {collection}/{name} first, or take another name") from error


def remove(database: Database, owner: str, kind: UploadKind, name: str) -> None:
    """Deletes an upload; whatever was made with it holds the whole document and stays.

    Raises:
        ConflictError: it is of the catalog.
        NotFoundError: there is none of that name.
    """
    if name in catalog.names(_COLLECTION[kind]):
        raise ConflictError(
            f"this {kind} is of the catalog",
            field="name",
            value=name,
            rule="only uploads can be deleted",
            hint=f"GET /api/v1/{_COLLECTION[kind]} tells which are uploads",
        )
    with database.write() as work:
        deleted = work.uploads.delete(owner, kind, name)
    if not deleted:
        raise NotFoundError(
            f"no such {kind}",
            field="name",
            value=name,
            rule=f"must be the name of an uploaded {kind}",
            hint=f"GET /api/v1/{_COLLECTION[kind]} lists them",
        )


def _taken(kind: str, name: str, who: str, hint: str) -> ConflictError:
    return ConflictError(
        f"{who} a {kind} of that name already",
        field="name",
        value=name,
        rule="each name once",
        hint=hint,
    )
