"""A calibration by its id, for those who price with it."""

from __future__ import annotations

from db.session import Database
from spec.calibration import CalibrationTable
from spec.errors import InputError

COLLECTION = "/api/v1/calibrations"


def calibration_table(database: Database, owner: str, calibration_id: str | None) -> CalibrationTable | None:
    """The table to price with; None where none is asked for.

    Raises:
        InputError: there is none of that id.
    """
    if calibration_id is None:
        return None
    with database.read() as work:
        row = work.calibrations.get(calibration_id, owner)
    if row is None:
        raise InputError(
            "no such calibration",
            field="calibration",
            value=calibration_id,
            rule="the id of a calibration of yours",
            hint=f"GET {COLLECTION} lists them",
        )
    return CalibrationTable.model_validate(row.document)
