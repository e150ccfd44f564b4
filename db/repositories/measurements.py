"""Suggesting designs to users who run their own flow, and keeping what they tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.models.measurement import Measurement, Suggestion


class Measurements:
    """The tables of suggestions and measurements within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def suggest(
        self, exploration_id: str, owner: str, designs: Sequence[tuple[str, int]], expires_at: datetime
    ) -> None:
        """Hands out designs, as (canonical key, index on the front); an older suggestion of the same is replaced."""
        if not designs:
            return
        keys = [key for key, _ in designs]
        self._session.execute(
            delete(Suggestion).where(Suggestion.exploration_id == exploration_id, Suggestion.design_key.in_(keys))
        )
        rows = [
            {
                "exploration_id": exploration_id,
                "design_key": key,
                "index": index,
                "owner": owner,
                "expires_at": expires_at,
            }
            for key, index in designs
        ]
        self._session.execute(insert(Suggestion), rows)

    def suggested(self, exploration_id: str, now: datetime) -> set[str]:
        """Keys of designs that somebody measures at the moment."""
        statement = select(Suggestion.design_key).where(
            Suggestion.exploration_id == exploration_id, Suggestion.expires_at > now
        )
        return set(self._session.scalars(statement))

    def add(
        self,
        *,
        owner: str,
        exploration_id: str,
        design_key: str,
        index: int | None,
        design: dict[str, Any],
        metrics: dict[str, Any],
        provenance: str,
        source: str,
    ) -> Measurement:
        """Keeps what was measured; whoever was asked for it has answered."""
        measurement = Measurement(
            id=new_id(),
            owner=owner,
            exploration_id=exploration_id,
            design_key=design_key,
            index=index,
            design=design,
            metrics=metrics,
            provenance=provenance,
            source=source,
            created_at=utc_now(),
        )
        self._session.add(measurement)
        self._session.execute(
            delete(Suggestion).where(Suggestion.exploration_id == exploration_id, Suggestion.design_key == design_key)
        )
        self._session.flush()
        return measurement

    def of(self, exploration_id: str) -> list[Measurement]:
        """All measurements of an exploration, oldest first."""
        statement = select(Measurement).where(Measurement.exploration_id == exploration_id)
        return list(self._session.scalars(statement.order_by(Measurement.created_at, Measurement.id)))
