"""Sessions, keys and the audit log as the outside sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.access.keys import DEFAULT_DAYS, MAX_DAYS
from api.access.principal import KeyLimits
from api.access.scopes import Scope
from spec.strict import StrictModel


class Credential(StrictModel):
    """What opens a session."""

    credential: Annotated[
        str, Field(min_length=1, max_length=500, description="the token of the data folder, or an API key")
    ]


class Session(StrictModel):
    """Who the server takes the sender for."""

    authenticated: bool
    authentication_required: Annotated[bool, Field(description="false: the server was started with --no-auth")]
    owner: Annotated[str | None, Field(description="null: nobody")]
    scopes: tuple[Scope, ...]
    key_id: Annotated[str | None, Field(description="null: the token of the data folder, or nobody")]


class KeyInput(StrictModel):
    """A key to issue."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="what it is for")]
    owner: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$",
            description="whose resources it sees; null: it gets an owner of its own",
        ),
    ] = None
    scopes: Annotated[tuple[Literal["read", "write", "admin"], ...], Field(min_length=1, max_length=3)] = (
        "read",
        "write",
    )
    days: Annotated[int, Field(ge=1, le=MAX_DAYS, description="days until it expires")] = DEFAULT_DAYS
    limits: KeyLimits = KeyLimits()


class Key(StrictModel):
    """A key, without its secret."""

    id: str
    name: str
    owner: str
    prefix: Annotated[str, Field(description="how the key begins, after `fdx_`")]
    scopes: tuple[Scope, ...]
    limits: KeyLimits
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class IssuedKey(Key):
    """A new key. `key` is shown this once."""

    key: str


class KeyList(StrictModel):
    """Every key, newest first."""

    items: tuple[Key, ...]


class AuditEntry(StrictModel):
    """Something that changed something, or was refused."""

    id: int
    at: datetime
    owner: str
    key_id: str | None
    action: str
    resource: str
    status: int
    remote: str
    request_id: str
    detail: dict[str, Any] | None


class AuditPage(StrictModel):
    """Entries of the audit log, newest first."""

    items: tuple[AuditEntry, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]
