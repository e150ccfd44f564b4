"""/reports."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import JSONResponse
from pydantic import Field

from api.deps import DatabaseDep, IdempotencyKeyHeader, OwnerDep, PageDep, StoreDep, get_required_store
from api.idempotency import Answer, once
from api.openapi_parts import CREATED
from api.pagination import page_of
from api.problems import BODY_PROBLEMS, NotFoundError, responses
from api.projects import measured
from api.strict_route import StrictRoute
from db.models import Report as ReportRow
from db.paging import Position
from db.session import UnitOfWork
from spec.attached_report import AttachedReport
from spec.strict import StrictModel
from spec.synthesis_report import SynthesisReport
from spec.workload import Stage

router = APIRouter(prefix="/reports", tags=["reports"], route_class=StrictRoute)

COLLECTION = "/api/v1/reports"
ReportId = Annotated[str, Path(max_length=64)]


class ReportSummary(StrictModel):
    """One line of the list of reports."""

    id: str
    project_id: str | None
    run_id: str | None
    job_id: str | None
    step: Annotated[str, Field(description=f"csim, simulate, synthesize, or {measured.ATTACHED}: brought by a user")]
    created_at: datetime


class Report(ReportSummary):
    """One report; `document` has its own `schema`."""

    document: dict[str, Any]


class ReportInput(StrictModel):
    """A report of a tool that ran elsewhere: what `flexdse report show FILE --json` prints.

    With a project it is attached to that: its part, kernel and clock must be the project's, the document becomes an
    attached report with its lineage, and what it measured is among the measurements of the project.
    """

    report: SynthesisReport
    project_id: Annotated[str | None, Field(max_length=64, description="the project that was synthesized")] = None
    stage: Annotated[
        Stage | None, Field(description="with a project: the kernel, where the report's top does not name it")
    ] = None
    file_name: Annotated[
        str | None, Field(min_length=1, max_length=300, description="with a project: what the file is called")
    ] = None


class ReportPage(StrictModel):
    """Reports, newest first."""

    items: tuple[ReportSummary, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]


def _summary(row: ReportRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ReportSummary.model_fields}


def _found(work: UnitOfWork, owner: str, report_id: str) -> ReportRow:
    row = work.reports.get(report_id, owner)
    if row is None:
        raise NotFoundError(
            "no such report",
            field="report_id",
            value=report_id,
            rule="must be the id of a report",
            hint=f"GET {COLLECTION} lists them",
        )
    return row


@router.get("", responses=responses(422))
def list_reports(
    database: DatabaseDep,
    owner: OwnerDep,
    page: PageDep,
    project_id: Annotated[str | None, Query(max_length=64, description="only those of this project")] = None,
    run_id: Annotated[str | None, Query(max_length=64, description="only those of this run")] = None,
    step: Annotated[str | None, Query(max_length=32, description="only those of this step")] = None,
) -> ReportPage:
    """What tools reported, newest first."""
    with database.read() as work:
        filters = {"project_id": project_id, "run_id": run_id, "step": step}
        rows = work.reports.page(owner, page.after, page.limit + 1, **filters)
        shown, cursor = page_of(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return ReportPage(items=tuple(ReportSummary(**_summary(row)) for row in shown), next_cursor=cursor)


@router.get("/{report_id}", responses=responses(404))
def get_report(report_id: ReportId, database: DatabaseDep, owner: OwnerDep) -> Report:
    """One report, whole."""
    with database.read() as work:
        row = _found(work, owner, report_id)
        return Report(**_summary(row), document=row.document)


@router.post(
    "", status_code=201, response_model=Report, responses={201: CREATED, **responses(*BODY_PROBLEMS, 404, 409, 410)}
)
def import_report(
    body: Annotated[ReportInput, Body()],
    database: DatabaseDep,
    store: StoreDep,
    owner: OwnerDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Bring in the report of a tool that ran elsewhere, and attach it to a project."""
    sha256 = None
    if body.project_id is not None:
        sha256 = measured.project_sha256(database, get_required_store(store), owner, body.project_id)

    def do(work: UnitOfWork) -> Answer:
        document: AttachedReport | SynthesisReport = body.report
        if body.project_id is not None and sha256 is not None:
            project = work.projects.get(body.project_id)
            assert project is not None  # its hash was asked for a moment ago
            document = measured.attached(
                project, body.report, stage=body.stage, file_name=body.file_name, project=sha256
            )
        row = work.reports.add(
            owner=owner,
            step=measured.ATTACHED,
            document=document.model_dump(mode="json", by_alias=True),
            project_id=body.project_id,
        )
        return Answer.of(201, Report(**_summary(row), document=row.document), f"{COLLECTION}/{row.id}")

    return once(database, owner, f"POST {COLLECTION}", idempotency_key, body, do).response()


@router.delete("/{report_id}", status_code=204, responses=responses(404))
def delete_report(report_id: ReportId, database: DatabaseDep, owner: OwnerDep) -> None:
    """Delete a report."""
    with database.write() as work:
        _found(work, owner, report_id)
        work.reports.delete(report_id)
