"""Pages, newest first, by the place of the last row seen: stable while rows are added, quick at any depth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

SelectT = TypeVar("SelectT", bound=Select[*tuple[Any, ...]])


@dataclass(frozen=True, slots=True)
class Position:
    """The place of a row in the order of creation."""

    created_at: datetime
    id: str


def newest_first(
    statement: SelectT,
    created_at: InstrumentedAttribute[datetime],
    id_: InstrumentedAttribute[str],
    after: Position | None,
    limit: int,
) -> SelectT:
    """`statement` reduced to the `limit` rows that come after `after`, from the newest to the oldest."""
    if after is not None:
        older = or_(created_at < after.created_at, and_(created_at == after.created_at, id_ < after.id))
        statement = statement.where(older)
    return statement.order_by(created_at.desc(), id_.desc()).limit(limit)
