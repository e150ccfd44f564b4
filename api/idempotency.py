"""Requests that are done once, however often they are sent under the same Idempotency-Key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel

from api.problems import ConflictError
from db.repositories.idempotency import KeyTaken
from db.session import Database, UnitOfWork


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with, now and under the same key later. `location`: path of the resource."""

    status: int
    body: dict[str, Any]
    location: str | None = None
    replayed: bool = False

    @staticmethod
    def of(status: int, body: BaseModel, location: str | None = None) -> Answer:
        """The answer with that document."""
        return Answer(status, body.model_dump(mode="json", by_alias=True), location)

    def response(self) -> JSONResponse:
        """The answer over HTTP."""
        headers = {"Location": self.location} if self.location is not None else {}
        if self.replayed:
            headers["Idempotency-Replayed"] = "true"
        return JSONResponse(self.body, status_code=self.status, headers=headers)


def once(
    database: Database,
    owner: str,
    route: str,
    key: str | None,
    document: BaseModel | None,
    do: Callable[[UnitOfWork], Answer],
) -> Answer:
    """`do` in a transaction that keeps its answer under `key`; the answer of then where the key was used before.

    Raises:
        ConflictError: the key was used for another request.
    """
    if key is None:
        with database.write() as work:
            return do(work)
    text = json.dumps(document.model_dump(mode="json", by_alias=True) if document is not None else None, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    try:
        return _once(database, owner, route, key, digest, do)
    except KeyTaken:  # now it can be seen
        return _once(database, owner, route, key, digest, do)


def _once(
    database: Database, owner: str, route: str, key: str, digest: str, do: Callable[[UnitOfWork], Answer]
) -> Answer:
    with database.write() as work:
        given = work.idempotency_keys.get(owner, route, key)
        if given is not None:
            if given.request_sha256 != digest:
                raise ConflictError(
                    "this Idempotency-Key was used for another request",
                    field="Idempotency-Key",
                    value=key,
                    rule="one key, one request",
                    hint="take a new key for a new request",
                )
            return Answer(given.status, given.body, given.location, replayed=True)
        answer = do(work)
        work.idempotency_keys.add(
            owner=owner,
            route=route,
            key=key,
            request_sha256=digest,
            status=answer.status,
            location=answer.location,
            body=answer.body,
        )
        return replace(answer, replayed=False)
