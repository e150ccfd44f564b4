"""What endpoints ask for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Query, Request

from api.access.principal import PRINCIPAL, Principal
from api.events import EventHub
from api.explorations.tables import FrontTables
from api.media import TableFormat
from api.pagination import CURSOR_PATTERN, DEFAULT_LIMIT, MAX_LIMIT, parse_cursor
from api.settings import ApiSettings
from db.artifacts import ArtifactStore, ArtifactStoreError
from db.paging import Position
from db.session import Database


def get_database(request: Request) -> Database:
    """The database of this server."""
    database: Database = request.app.state.database
    return database


def get_events(request: Request) -> EventHub:
    """The one watcher of jobs of this server."""
    hub: EventHub = request.app.state.events
    return hub


def get_store(request: Request) -> ArtifactStore | None:
    """The artifact store, where there is one."""
    store: ArtifactStore | None = request.app.state.store
    return store


def get_required_store(store: Annotated[ArtifactStore | None, Depends(get_store)]) -> ArtifactStore:
    """The artifact store, for routes that are nothing without it."""
    if store is None:
        raise ArtifactStoreError(
            "this server was started without an artifact store",
            field="artifacts",
            rule="needs FLEXDSE_ARTIFACTS_URL or a data folder",
            hint="start it with flexdse serve",
        )
    return store


def get_fronts(request: Request) -> FrontTables:
    """The fronts that were asked for last."""
    fronts: FrontTables = request.app.state.fronts
    return fronts


def get_settings(request: Request) -> ApiSettings:
    """The settings of this server."""
    settings: ApiSettings = request.app.state.settings
    return settings


def get_principal(request: Request) -> Principal:
    """Who sends the request, as the gate found out."""
    principal: Principal = request.scope[PRINCIPAL]
    return principal


def get_owner(request: Request) -> str:
    """Whose resources the request is about."""
    return get_principal(request).owner


class PageQuery:
    """Which page of a list."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="at most so many items")] = DEFAULT_LIMIT,
        cursor: Annotated[
            str | None, Query(pattern=CURSOR_PATTERN, max_length=200, description="`next_cursor` of the page before")
        ] = None,
    ) -> None:
        self.limit = limit
        self.after: Position | None = parse_cursor(cursor) if cursor is not None else None


DatabaseDep = Annotated[Database, Depends(get_database)]
StoreDep = Annotated[ArtifactStore | None, Depends(get_store)]
RequiredStoreDep = Annotated[ArtifactStore, Depends(get_required_store)]
FrontsDep = Annotated[FrontTables, Depends(get_fronts)]
SettingsDep = Annotated[ApiSettings, Depends(get_settings)]
EventsDep = Annotated[EventHub, Depends(get_events)]
PrincipalDep = Annotated[Principal, Depends(get_principal)]
OwnerDep = Annotated[str, Depends(get_owner)]
PageDep = Annotated[PageQuery, Depends()]
AcceptHeader = Annotated[
    str | None, Header(max_length=1000, description="media types that the client takes, best first by q")
]
NamesQuery = Annotated[
    str | None,
    Query(
        max_length=4000,
        pattern=r"^[A-Za-z0-9_.]+(,[A-Za-z0-9_.]+)*$",
        description="only these, separated by commas",
    ),
]
FormatQuery = Annotated[
    TableFormat | None, Query(alias="format", description="the media type in short, for links; wins over Accept")
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=1000, description="ETags that the client has: 304 if one is current")
]
LastEventId = Annotated[
    str | None, Header(max_length=64, description="`id` of the last event that was received: only newer ones are sent")
]
IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="the same request under the same key is done once and answered alike",
    ),
]
