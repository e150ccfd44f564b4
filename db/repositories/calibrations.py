"""Fitted corrections of the cost model."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CursorResult, delete, select
from sqlalchemy.orm import Session

from db.base import new_id, utc_now
from db.models.calibration import Calibration
from db.paging import Position, newest_first


class Calibrations:
    """The table of calibrations within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        *,
        owner: str,
        name: str,
        device: str,
        model_version: str,
        timing_table_version: str,
        document: dict[str, Any],
    ) -> Calibration:
        """A new calibration."""
        calibration = Calibration(
            id=new_id(),
            owner=owner,
            name=name,
            device=device,
            model_version=model_version,
            timing_table_version=timing_table_version,
            document=document,
            created_at=utc_now(),
        )
        self._session.add(calibration)
        self._session.flush()
        return calibration

    def get(self, calibration_id: str, owner: str) -> Calibration | None:
        """The calibration; None where `owner` has none of that id."""
        calibration = self._session.get(Calibration, calibration_id)
        return calibration if calibration is not None and calibration.owner == owner else None

    def page(self, owner: str, after: Position | None, limit: int, *, device: str | None = None) -> list[Calibration]:
        """At most `limit` calibrations of `owner`, newest first."""
        statement = select(Calibration).where(Calibration.owner == owner)
        if device is not None:
            statement = statement.where(Calibration.device == device)
        rows = newest_first(statement, Calibration.created_at, Calibration.id, after, limit)
        return list(self._session.scalars(rows))

    def delete(self, calibration_id: str) -> bool:
        """Deletes it; False if there is none."""
        result = self._session.execute(delete(Calibration).where(Calibration.id == calibration_id))
        assert isinstance(result, CursorResult)
        return result.rowcount > 0
