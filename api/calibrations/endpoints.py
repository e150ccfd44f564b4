"""/calibrations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import JSONResponse
from pydantic import Field, model_validator

from api.deps import DatabaseDep, IdempotencyKeyHeader, OwnerDep, PageDep, StoreDep
from api.idempotency import Answer, once
from api.openapi_parts import CREATED
from api.pagination import page_of
from api.problems import BODY_PROBLEMS, NotFoundError, responses
from api.projects.measured import measurements_of_all
from api.strict_route import StrictRoute
from db.models import Calibration as CalibrationRow
from db.paging import Position
from db.session import UnitOfWork
from spec.calibration import CalibrationTable, Measurement
from spec.catalog import with_device_digests
from spec.errors import InputError
from spec.strict import StrictModel

router = APIRouter(prefix="/calibrations", tags=["calibrations"], route_class=StrictRoute)

COLLECTION = "/api/v1/calibrations"
CalibrationId = Annotated[str, Path(max_length=64)]


class CalibrationInput(StrictModel):
    """Measurements to fit corrections on, all of one device, model version and timing table; by themselves, or those of
    projects.
    """

    name: Annotated[str, Field(max_length=200)] = ""
    measurements: Annotated[tuple[Measurement, ...], Field(max_length=20_000)] = ()
    projects: Annotated[
        tuple[Annotated[str, Field(max_length=64)], ...],
        Field(max_length=100, description="ids: with all that was measured of these projects"),
    ] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.measurements and not self.projects:
            raise InputError(
                "nothing to fit on",
                field="measurements",
                value=[],
                rule="at least one measurement, or a project that was measured",
                hint="simulate a project, or attach a report to it, and name it in projects",
            )
        return self


class CalibrationSummary(StrictModel):
    """One line of the list of calibrations."""

    id: str
    name: str
    device: str
    model_version: Annotated[str, Field(description="of the cost models that it corrects; others refuse it")]
    timing_table_version: str
    created_at: datetime


class Calibration(CalibrationSummary):
    """One calibration: factors with their error before and after, on designs that were left out of the fit."""

    table: CalibrationTable


class CalibrationPage(StrictModel):
    """Calibrations, newest first."""

    items: tuple[CalibrationSummary, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]


def _summary(row: CalibrationRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in CalibrationSummary.model_fields}


def _found(work: UnitOfWork, owner: str, calibration_id: str) -> CalibrationRow:
    row = work.calibrations.get(calibration_id, owner)
    if row is None:
        raise NotFoundError(
            "no such calibration",
            field="calibration_id",
            value=calibration_id,
            rule="must be the id of a calibration",
            hint=f"GET {COLLECTION} lists them",
        )
    return row


@router.post(
    "",
    status_code=201,
    response_model=Calibration,
    responses={201: CREATED, **responses(*BODY_PROBLEMS, 404, 409, 410)},
)
def create_calibration(
    body: Annotated[CalibrationInput, Body()],
    database: DatabaseDep,
    store: StoreDep,
    owner: OwnerDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Fit corrections of the cost models on measurements."""
    from cost_models.calibrate import fit  # loads NumPy

    table = fit((*with_device_digests(body.measurements), *measurements_of_all(database, store, owner, body.projects)))

    def do(work: UnitOfWork) -> Answer:
        row = work.calibrations.add(
            owner=owner,
            name=body.name,
            device=table.device,
            model_version=table.model_version,
            timing_table_version=table.timing_table_version,
            document=table.model_dump(mode="json", by_alias=True),
        )
        return Answer.of(201, Calibration(**_summary(row), table=table), f"{COLLECTION}/{row.id}")

    return once(database, owner, f"POST {COLLECTION}", idempotency_key, body, do).response()


@router.get("", responses=responses(422))
def list_calibrations(
    database: DatabaseDep,
    owner: OwnerDep,
    page: PageDep,
    device: Annotated[str | None, Query(max_length=64, description="only those of this device")] = None,
) -> CalibrationPage:
    """Calibrations, newest first."""
    with database.read() as work:
        rows = work.calibrations.page(owner, page.after, page.limit + 1, device=device)
        shown, cursor = page_of(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return CalibrationPage(items=tuple(CalibrationSummary(**_summary(row)) for row in shown), next_cursor=cursor)


@router.get("/{calibration_id}", responses=responses(404))
def get_calibration(calibration_id: CalibrationId, database: DatabaseDep, owner: OwnerDep) -> Calibration:
    """One calibration, whole."""
    with database.read() as work:
        row = _found(work, owner, calibration_id)
        return Calibration(**_summary(row), table=CalibrationTable.model_validate(row.document))


@router.delete("/{calibration_id}", status_code=204, responses=responses(404))
def delete_calibration(calibration_id: CalibrationId, database: DatabaseDep, owner: OwnerDep) -> None:
    """Delete a calibration."""
    with database.write() as work:
        _found(work, owner, calibration_id)
        work.calibrations.delete(calibration_id)
