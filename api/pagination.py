"""Cursors: the place of the last row of a page, opaque to whoever passes it back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from db.paging import Position
from spec.errors import InputError

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
CURSOR_PATTERN = r"^[A-Za-z0-9_-]+$"

RowT = TypeVar("RowT")


def format_cursor(position: Position) -> str:
    """`position` as text for a URL."""
    text = f"{position.created_at.isoformat()}|{position.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_cursor(cursor: str) -> Position:
    """The position of a cursor that this service gave out.

    Raises:
        InputError: it did not.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created_at, _, row_id = base64.urlsafe_b64decode(padded).decode("ascii").partition("|")
        moment = datetime.fromisoformat(created_at)
        if moment.tzinfo is None or not row_id.isalnum():
            raise ValueError("incomplete")
        return Position(moment.astimezone(UTC), row_id)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise InputError(
            "not a cursor of this list",
            field="cursor",
            value=cursor,
            rule="must be the next_cursor of the page before",
            hint="leave it out to begin with the newest",
        ) from error


def page_of(
    rows: Sequence[RowT], limit: int, position: Callable[[RowT], Position]
) -> tuple[Sequence[RowT], str | None]:
    """The page and the cursor of the next, from `limit + 1` rows that were asked for."""
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, format_cursor(position(page[-1]))
