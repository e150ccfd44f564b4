"""/sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Response
from fastapi.responses import JSONResponse

from api.access.principal import Principal
from api.conditional import check_unchanged, etag_of_model
from api.deps import DatabaseDep, IdempotencyKeyHeader, OwnerDep, PageDep, PrincipalDep
from api.described import Description, IfMatch, LabelIs, NameContains
from api.idempotency import Answer, once
from api.openapi_parts import ACCEPTED
from api.pagination import page_of
from api.problems import BODY_PROBLEMS, ConflictError, NotFoundError, responses
from api.quotas import check_jobs, check_storage
from api.strict_route import StrictRoute
from api.sweeps.preview import previewed
from api.sweeps.report import SweepReport, report_of
from api.sweeps.schemas import Sweep, SweepFile, SweepInput, SweepNight, SweepPage, SweepPreview, SweepSummary
from db.base import utc_now
from db.job_state import FINAL_STATES, JobState
from db.models import Sweep as SweepRow
from db.paging import Position
from db.session import UnitOfWork
from spec.sweep import SweepPlan, SweepWindow
from workers.enqueue import enqueue_sweep, enqueue_sweep_file

router = APIRouter(prefix="/sweeps", tags=["sweeps"], route_class=StrictRoute)

COLLECTION = "/api/v1/sweeps"
SweepId = Annotated[str, Path(max_length=64)]


def _summary(row: SweepRow, states: Mapping[JobState, int]) -> dict[str, Any]:
    waiting = (row.results or {}).get("waiting", 0)
    window = row.document["plan"]["window"] if waiting else None
    return {
        "id": row.id,
        "job_id": row.job_id,
        "name": row.name,
        "labels": tuple(row.labels),
        "explorations": dict(states),
        "waiting": waiting,
        "night": SweepNight.coming(None if window is None else SweepWindow.model_validate(window), utc_now()),
        "created_at": row.created_at,
    }


def _found(work: UnitOfWork, owner: str, sweep_id: str) -> SweepRow:
    row = work.sweeps.get(sweep_id, owner)
    if row is None:
        raise NotFoundError(
            "no such sweep",
            field="sweep_id",
            value=sweep_id,
            rule="must be the id of a sweep",
            hint=f"GET {COLLECTION} lists them",
        )
    return row


def _detail(work: UnitOfWork, owner: str, sweep_id: str) -> Sweep:
    row = _found(work, owner, sweep_id)
    states = work.sweeps.states([sweep_id])[sweep_id]
    # What a sweep file's names stand for is kept for the worker, and too long to be shown.
    document = row.document.get("plan", row.document)
    return Sweep(**_summary(row, states), note=row.note, document=document)


@router.post("", status_code=202, response_model=Sweep, responses={202: ACCEPTED, **responses(*BODY_PROBLEMS, 409)})
def create_sweep(
    body: Annotated[SweepInput | SweepFile, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Submit a sweep: every model on every device under every workload; or the document of `flexdse sweep run`.

    Of that document as many cases as its `concurrency` says are submitted at once, the others as these end, all within its
    window.
    """
    do = _of_file(body, principal) if isinstance(body, SweepFile) else _of_lists(body, principal)
    return once(database, principal.owner, f"POST {COLLECTION}", idempotency_key, body, do).response()


def _of_lists(body: SweepInput, principal: Principal) -> Callable[[UnitOfWork], Answer]:
    requests = body.requests()

    def enqueue(work: UnitOfWork, **shared: Any) -> str:
        return enqueue_sweep(work, body.name, body.document(), requests, **shared)[0].id

    return _submitting(len(requests), body, principal, enqueue)


def _of_file(body: SweepFile, principal: Principal) -> Callable[[UnitOfWork], Answer]:
    models, devices = body.documents()
    plan = SweepPlan(**{name: getattr(body, name) for name in SweepPlan.model_fields})

    def enqueue(work: UnitOfWork, **shared: Any) -> str:
        return enqueue_sweep_file(work, plan, models, devices, **shared).id

    return _submitting(len(plan.all_cases()), body, principal, enqueue)


def _submitting(
    explorations: int, body: SweepInput | SweepFile, principal: Principal, enqueue: Callable[..., str]
) -> Callable[[UnitOfWork], Answer]:
    """What both kinds of body have in common: quotas, and how their jobs are run and labelled."""

    def do(work: UnitOfWork) -> Answer:
        check_jobs(work, principal, explorations)
        check_storage(work, principal)
        sweep = enqueue(
            work,
            owner=principal.owner,
            priority=body.priority,
            limits=body.limits.document(),
            labels=body.labels,
            note=body.note,
        )
        return Answer.of(202, _detail(work, principal.owner, sweep), f"{COLLECTION}/{sweep}")

    return do


@router.post(":validate", responses=responses(*BODY_PROBLEMS, 409))
def validate_sweep(body: Annotated[SweepInput | SweepFile, Body()], database: DatabaseDep) -> SweepPreview:
    """What this sweep would explore, and when; nothing is stored.

    Refuses what the submit refuses, and what one of the explorations would fail with at once.
    """
    return previewed(database, body)


@router.get("", responses=responses(422))
def list_sweeps(
    database: DatabaseDep,
    owner: OwnerDep,
    page: PageDep,
    name_contains: NameContains = None,
    label: LabelIs = None,
) -> SweepPage:
    """Sweeps, newest first."""
    with database.read() as work:
        rows = work.sweeps.page(owner, page.after, page.limit + 1, name_contains=name_contains, label=label)
        shown, cursor = page_of(rows, page.limit, lambda row: Position(row.created_at, row.id))
        states = work.sweeps.states([row.id for row in shown])
        return SweepPage(
            items=tuple(SweepSummary(**_summary(row, states[row.id])) for row in shown), next_cursor=cursor
        )


@router.get("/{sweep_id}", responses=responses(404))
def get_sweep(sweep_id: SweepId, database: DatabaseDep, owner: OwnerDep, response: Response) -> Sweep:
    """One sweep and how far it is."""
    with database.read() as work:
        shown = _detail(work, owner, sweep_id)
    response.headers["ETag"] = etag_of_model(shown)
    return shown


@router.get("/{sweep_id}/report", responses=responses(404))
def get_sweep_report(sweep_id: SweepId, database: DatabaseDep, owner: OwnerDep) -> SweepReport:
    """How each exploration of a sweep ended: state, size and hypervolume of its front, the best of each objective."""
    with database.read() as work:
        return report_of(work, _found(work, owner, sweep_id))


@router.patch("/{sweep_id}", responses=responses(*BODY_PROBLEMS, 404, 412))
def describe_sweep(
    sweep_id: SweepId,
    body: Annotated[Description, Body()],
    database: DatabaseDep,
    owner: OwnerDep,
    if_match: IfMatch = None,
) -> Sweep:
    """Change its name, labels or note."""
    with database.write() as work:
        check_unchanged(if_match, _detail(work, owner, sweep_id))
        work.sweeps.update(sweep_id, name=body.name, labels=body.labels, note=body.note)
        work.session.expire_all()
        return _detail(work, owner, sweep_id)


@router.post("/{sweep_id}:cancel", status_code=202, response_model=Sweep, responses=responses(404, 409, 422))
def cancel_sweep(
    sweep_id: SweepId, database: DatabaseDep, owner: OwnerDep, idempotency_key: IdempotencyKeyHeader = None
) -> JSONResponse:
    """Cancel every exploration of a sweep that has not ended; what is not submitted yet never will be."""

    def do(work: UnitOfWork) -> Answer:
        _detail(work, owner, sweep_id)
        waited = work.sweeps.stop_waiting(sweep_id)
        asked = [work.jobs.request_cancel(job_id) for job_id in work.sweeps.job_ids(sweep_id)]
        if not any(asked) and not waited:
            raise ConflictError(
                "every exploration of the sweep has ended",
                field="state",
                value="ended",
                rule="only what is queued or running can be cancelled",
                hint=f"GET {COLLECTION}/{sweep_id} tells how they ended",
            )
        work.session.expire_all()
        return Answer.of(202, _detail(work, owner, sweep_id))

    return once(database, owner, f"POST {COLLECTION}/{sweep_id}:cancel", idempotency_key, None, do).response()


@router.delete("/{sweep_id}", status_code=204, responses=responses(404, 409))
def delete_sweep(sweep_id: SweepId, database: DatabaseDep, owner: OwnerDep) -> None:
    """Delete a sweep that ended; its explorations stay, by themselves."""
    with database.write() as work:
        shown = _detail(work, owner, sweep_id)
        states = shown.explorations
        if shown.waiting or set(states) - FINAL_STATES:
            raise ConflictError(
                "an exploration of the sweep has not ended",
                field="state",
                value=sorted(state.value for state in set(states) - FINAL_STATES) or "waiting",
                rule="only a sweep that ended can be deleted",
                hint=f"POST {COLLECTION}/{sweep_id}:cancel first",
            )
        work.sweeps.delete(sweep_id)
