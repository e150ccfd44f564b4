"""API keys: `fdx_<prefix>_<secret>`. The database knows a hash only; the key is shown once, when it is issued.

A SHA-256 without salt or stretching suffices: the secret has 256 random bits, so there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.access.principal import KeyLimits, Principal
from api.access.scopes import Scope, with_implied
from db.base import utc_now
from db.models import ApiKey
from db.session import Database, UnitOfWork
from spec.errors import InputError, UnknownNameError

_KEY = re.compile(r"fdx_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
MAX_DAYS = 3650
DEFAULT_DAYS = 90
_TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and the only sight of it."""

    secret: str
    row: ApiKey


def issue(
    work: UnitOfWork,
    *,
    name: str,
    owner: str | None,
    scopes: tuple[str, ...],
    days: int,
    limits: KeyLimits | None = None,
) -> NewKey:
    """A new key. Its owner is `owner`, or the key itself: each key then has resources of its own.

    Raises:
        InputError: an unknown scope, or a life outside of 1 to 3650 days.
    """
    for scope in scopes:
        if scope not in tuple(Scope):
            raise UnknownNameError("scope", scope, [one.value for one in Scope], field="scopes")
    if not scopes:
        raise InputError("no scope", field="scopes", value=[], rule="at least one", hint="read, write or admin")
    if not 1 <= days <= MAX_DAYS:
        raise InputError(
            "no life for a key",
            field="days",
            value=days,
            rule=f"1 to {MAX_DAYS} days",
            hint=f"leave it out for {DEFAULT_DAYS} days",
        )
    prefix = secrets.token_hex(4)
    secret = f"fdx_{prefix}_{secrets.token_urlsafe(32)}"
    row = work.api_keys.add(
        owner=owner or f"key-{prefix}",
        name=name,
        prefix=prefix,
        key_sha256=digest(secret),
        scopes=tuple(scope for scope in Scope if scope in with_implied(scopes)),
        limits=limits.model_dump() if limits is not None else None,
        expires_at=utc_now() + timedelta(days=days),
    )
    return NewKey(secret, row)


def told(row: ApiKey) -> dict[str, object]:
    """What the audit log says of a key."""
    return {"key_id": row.id, "name": row.name, "owner": row.owner, "scopes": list(row.scopes)}


def looks_like_key(credential: str) -> bool:
    """The form of a key: what has another form need not be looked up."""
    return _KEY.fullmatch(credential) is not None


def verify(database: Database, credential: str) -> Principal | None:
    """Who holds that key; None where it is unknown, revoked or expired."""
    match = _KEY.fullmatch(credential)
    if match is None:
        return None
    shown = digest(credential)
    with database.read() as work:
        rows = work.api_keys.by_prefix(match.group(1))
    # Every candidate is compared to its end, whether or not an earlier one matched.
    matching = [row for row in rows if hmac.compare_digest(row.key_sha256, shown)]
    return _principal(database, matching[0]) if matching else None


def verify_by_id(database: Database, key_id: str) -> tuple[Principal, str] | None:
    """Who the key of that id belongs to, with its hash: for sessions that were opened with it."""
    with database.read() as work:
        row = work.api_keys.get(key_id)
    principal = _principal(database, row) if row is not None else None
    return (principal, row.key_sha256) if row is not None and principal is not None else None


def is_valid(row: ApiKey, now: datetime) -> bool:
    """Neither revoked nor expired."""
    return row.revoked_at is None and (row.expires_at is None or row.expires_at > now)


def _principal(database: Database, row: ApiKey) -> Principal | None:
    now = utc_now()
    if not is_valid(row, now):
        return None
    if row.last_used_at is None or row.last_used_at < now - _TOUCH_EVERY:
        with database.write() as work:
            work.api_keys.touch(row.id)
    return Principal(
        owner=row.owner,
        scopes=with_implied(row.scopes),
        key_id=row.id,
        limits=KeyLimits.model_validate(row.limits) if row.limits is not None else KeyLimits(),
    )


def digest(secret: str) -> str:
    """What the database keeps of a key."""
    return hashlib.sha256(secret.encode()).hexdigest()
