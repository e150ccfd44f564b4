"""What endpoints ask for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Query, Request

from api.events import EventHub
from api.pagination import CURSOR_PATTERN, DEFAULT_LIMIT, MAX_LIMIT, parse_cursor
from api.settings import ApiSettings
from db.paging import Position
from db.session import Database

LOCAL_OWNER = "local"


def get_database(request: Request) -> Database:
    """The database of this server."""
    database: Database = request.app.state.database
    return database


def get_events(request: Request) -> EventHub:
    """The one watcher of jobs of this server."""
    hub: EventHub = request.app.state.events
    return hub


def get_settings(request: Request) -> ApiSettings:
    """The settings of this server."""
    settings: ApiSettings = request.app.state.settings
    return settings


def get_owner() -> str:
    """Whose resources these are. Keys come later; until then all belongs to whoever reaches the loopback address."""
    return LOCAL_OWNER


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
SettingsDep = Annotated[ApiSettings, Depends(get_settings)]
EventsDep = Annotated[EventHub, Depends(get_events)]
OwnerDep = Annotated[str, Depends(get_owner)]
PageDep = Annotated[PageQuery, Depends()]
IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="the same request under the same key is done once and answered alike",
    ),
]
