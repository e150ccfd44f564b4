"""/session, /keys, /audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response

from api.access import keys, session
from api.access.audit import DETAIL as AUDIT_DETAIL
from api.access.authenticator import Authenticator
from api.access.principal import KeyLimits, Principal
from api.access.schemas import (
    AuditEntry,
    AuditPage,
    Credential,
    IssuedKey,
    Key,
    KeyInput,
    KeyList,
    Session,
)
from api.access.scopes import Scope
from api.deps import DatabaseDep, IdempotencyKeyHeader, OwnerDep, SettingsDep
from api.pagination import CURSOR_PATTERN, DEFAULT_LIMIT, MAX_LIMIT
from api.problems import BODY_PROBLEMS, NotFoundError, UnauthorizedError, responses
from api.strict_route import StrictRoute
from db.models import ApiKey
from spec.errors import InputError

router = APIRouter(tags=["access"], route_class=StrictRoute)


def _shown(principal: Principal | None, *, required: bool) -> Session:
    return Session(
        authenticated=principal is not None,
        authentication_required=required,
        owner=principal.owner if principal is not None else None,
        scopes=tuple(sorted(principal.scopes)) if principal is not None else (),
        key_id=principal.key_id if principal is not None else None,
    )


def _remote(request: Request) -> str:
    return request.client.host if request.client is not None else "unknown"


@router.get("/session", responses=responses(429))
async def get_session(request: Request, database: DatabaseDep, settings: SettingsDep) -> Session:
    """Who the server takes the sender for; nobody is an answer too, not an error."""
    authenticator: Authenticator = request.scope["flexdse.authenticator"]
    try:
        principal = await authenticator.principal(database, request.headers, _remote(request))
    except UnauthorizedError:
        principal = None
    return _shown(principal, required=settings.authentication)


@router.post("/session", responses=responses(*BODY_PROBLEMS, 401, 429))
async def open_session(
    body: Annotated[Credential, Body()],
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
) -> Session:
    """Swap a token or key for a cookie that the browser keeps from scripts and from other sites."""
    authenticator: Authenticator = request.scope["flexdse.authenticator"]
    principal = await authenticator.by_credential(database, body.credential, _remote(request))
    response.headers["Set-Cookie"] = authenticator.cookie(request, principal, body.credential)
    return _shown(principal, required=settings.authentication)


@router.delete("/session", status_code=204)
def close_session(request: Request) -> Response:
    """Forget the cookie."""
    cookie = session.clear_cookie(session.cookie_name(request.headers.get("host", "")))
    return Response(status_code=204, headers={"Set-Cookie": cookie})


def _key_fields(row: ApiKey) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "owner": row.owner,
        "prefix": row.prefix,
        "scopes": tuple(Scope(scope) for scope in row.scopes),
        "limits": KeyLimits.model_validate(row.limits) if row.limits is not None else KeyLimits(),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
    }


@router.get("/keys")
def list_keys(database: DatabaseDep) -> KeyList:
    """Every key of the service, newest first."""
    with database.read() as work:
        return KeyList(items=tuple(Key(**_key_fields(row)) for row in work.api_keys.list()))  # type: ignore[arg-type]


@router.post("/keys", status_code=201, responses=responses(*BODY_PROBLEMS))
def issue_key(
    body: Annotated[KeyInput, Body()],
    database: DatabaseDep,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKeyHeader = None,
) -> IssuedKey:
    """Issue a key. It is in this answer and nowhere else."""
    if idempotency_key is not None:
        raise InputError(
            "a key is issued once and its answer is never kept",
            field="idempotency-key",
            value=idempotency_key,
            rule="not with this request: the answer would have to be stored with the key in it",
            hint="leave the header out; revoke a key whose answer was lost",
        )
    with database.write() as work:
        new = keys.issue(work, name=body.name, owner=body.owner, scopes=body.scopes, days=body.days, limits=body.limits)
    request.scope[AUDIT_DETAIL] = keys.told(new.row)
    response.headers["Location"] = f"/api/v1/keys/{new.row.id}"
    return IssuedKey(key=new.secret, **_key_fields(new.row))  # type: ignore[arg-type]


@router.delete("/keys/{key_id}", status_code=204, responses=responses(404, 422))
def revoke_key(key_id: Annotated[str, Path(max_length=64)], database: DatabaseDep) -> None:
    """Revoke a key: within a second it opens nothing any more, and sessions that it opened neither."""
    with database.write() as work:
        revoked = work.api_keys.revoke(key_id)
    if not revoked:
        raise NotFoundError(
            "no such key",
            field="key_id",
            value=key_id,
            rule="must be the id of a key that was not revoked",
            hint="GET /api/v1/keys lists them",
        )


@router.get("/audit", responses=responses(422))
def list_audit(
    database: DatabaseDep,
    _reader: OwnerDep,
    owner: Annotated[str | None, Query(max_length=64, description="only what this owner did")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(pattern=CURSOR_PATTERN, max_length=200)] = None,
) -> AuditPage:
    """What was changed or tried, and what was refused to whom; newest first.

    Kept are all requests that change something, requests with a credential that were refused (401, 403, 429; of one address
    60 at once and one a second), and keys that were issued and revoked by command.
    """
    after = _audit_position(cursor) if cursor is not None else None
    with database.read() as work:
        rows = work.audit.page(owner, after, limit + 1)
    shown = rows[:limit]
    return AuditPage(
        items=tuple(
            AuditEntry(
                id=row.id,
                at=row.at,
                owner=row.owner,
                key_id=row.key_id,
                action=row.action,
                resource=row.resource,
                status=row.status,
                remote=row.remote,
                request_id=row.request_id,
                detail=row.detail,
            )
            for row in shown
        ),
        next_cursor=str(shown[-1].id) if len(rows) > limit else None,
    )


def _audit_position(cursor: str) -> int:
    if not cursor.isdecimal() or len(cursor) > 18:
        raise InputError(
            "not a cursor of this list",
            field="cursor",
            value=cursor,
            rule="must be the next_cursor of the page before",
            hint="leave it out to begin with the newest",
        )
    return int(cursor)
