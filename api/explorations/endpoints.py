"""/explorations."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from api.conditional import etag_of, etag_of_model, matches
from api.deps import (
    AcceptHeader,
    DatabaseDep,
    EventsDep,
    FormatQuery,
    FrontsDep,
    IdempotencyKeyHeader,
    IfNoneMatch,
    LastEventId,
    NamesQuery,
    OwnerDep,
    PageDep,
    PrincipalDep,
    SettingsDep,
    StoreDep,
)
from api.described import Description, DeviceIs, IfMatch, LabelIs, ModelIs, NameContains
from api.designs.schemas import Evaluation
from api.event_stream import EventStream, event_number
from api.explorations import front, measure, service
from api.explorations.preview import previewed
from api.explorations.schemas import (
    Exploration,
    ExplorationEvent,
    ExplorationInput,
    ExplorationPage,
    Front,
    FrontDesign,
    History,
    Measurements,
    Preview,
    ProjectOfFront,
    SuggestInput,
    Suggestions,
    TellInput,
)
from api.explorations.story import ExplorationStory
from api.media import JSON, chosen_media_type
from api.openapi_parts import ACCEPTED, TABLE_CONTENT
from api.problems import BODY_PROBLEMS, responses
from api.projects.schemas import Project
from api.strict_route import StrictRoute
from api.tables import check_columns, table_response
from db.job_state import JobState
from spec.errors import InputError

router = APIRouter(prefix="/explorations", tags=["explorations"], route_class=StrictRoute)

ExplorationId = Annotated[str, Path(max_length=64)]


@router.post(
    "", status_code=202, response_model=Exploration, responses={202: ACCEPTED, **responses(*BODY_PROBLEMS, 409)}
)
def create_exploration(
    body: Annotated[ExplorationInput, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Submit an exploration."""
    return service.submit(database, principal, body, idempotency_key).response()


@router.post(":validate", responses=responses(*BODY_PROBLEMS, 409))
def validate_exploration(body: Annotated[ExplorationInput, Body()], database: DatabaseDep) -> Preview:
    """What this exploration would search and how long it would take; nothing is stored.

    Refuses what the submit refuses, and what the job would fail with at once.
    """
    return previewed(database, body)


@router.get("", responses=responses(422))
def list_explorations(
    database: DatabaseDep,
    owner: OwnerDep,
    page: PageDep,
    state: Annotated[JobState | None, Query(description="only those in this state")] = None,
    model: ModelIs = None,
    device: DeviceIs = None,
    name_contains: NameContains = None,
    label: LabelIs = None,
    sweep_id: Annotated[str | None, Query(max_length=64, description="only those of this sweep")] = None,
) -> ExplorationPage:
    """Explorations, newest first."""
    filters = {
        "state": state,
        "model": model,
        "device": device,
        "name_contains": name_contains,
        "label": label,
        "sweep_id": sweep_id,
    }
    return service.page(database, owner, page.after, page.limit, filters)


@router.get("/{exploration_id}", responses=responses(404))
def get_exploration(
    exploration_id: ExplorationId, database: DatabaseDep, owner: OwnerDep, response: Response
) -> Exploration:
    """One exploration: its state, progress, record and error."""
    shown = service.get(database, owner, exploration_id)
    response.headers["ETag"] = etag_of_model(shown)
    return shown


@router.patch("/{exploration_id}", responses=responses(*BODY_PROBLEMS, 404, 412))
def describe_exploration(
    exploration_id: ExplorationId,
    body: Annotated[Description, Body()],
    database: DatabaseDep,
    owner: OwnerDep,
    if_match: IfMatch = None,
) -> Exploration:
    """Change its name, labels or note."""
    return service.describe(database, owner, exploration_id, body, if_match)


@router.delete("/{exploration_id}", status_code=204, responses=responses(404, 409))
def delete_exploration(
    exploration_id: ExplorationId, database: DatabaseDep, owner: OwnerDep, fronts: FrontsDep
) -> None:
    """Delete an exploration that ended, with its front, its evaluations and its job."""
    service.delete(database, owner, exploration_id)
    fronts.forget(exploration_id)


@router.post(
    "/{exploration_id}:cancel", status_code=202, response_model=Exploration, responses=responses(404, 409, 422)
)
def cancel_exploration(
    exploration_id: ExplorationId, database: DatabaseDep, owner: OwnerDep, idempotency_key: IdempotencyKeyHeader = None
) -> JSONResponse:
    """Cancel an exploration: at once where it is queued, within a second where it runs."""
    return service.cancel(database, owner, exploration_id, idempotency_key).response()


@router.get(
    "/{exploration_id}/front",
    response_model=Front,
    responses={200: {"content": TABLE_CONTENT}, 304: {"description": "Not modified"}, **responses(404, 406, 422)},
)
def get_front(
    exploration_id: ExplorationId,
    database: DatabaseDep,
    store: StoreDep,
    fronts: FrontsDep,
    owner: OwnerDep,
    accept: AcceptHeader = None,
    format_: FormatQuery = None,
    columns: NamesQuery = None,
    fields: Annotated[
        str | None,
        Query(pattern=r"^[a-z]+(,[a-z]+)*$", max_length=100, description="JSON: only index, key, design or metrics"),
    ] = None,
    limit: Annotated[int | None, Query(ge=1, le=100_000, description="JSON: at most so many entries")] = None,
    cursor: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,9}$", description="JSON: `next_cursor` of the part before")
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The designs that no other design beats in every objective.

    As JSON with whole designs, some 4 kB each; as Arrow, Parquet or CSV a row of numbers each, `columns` of which can
    be selected. A front of a search that succeeded never changes: its ETag is worth keeping.
    """
    media_type = chosen_media_type(accept, format_)
    if media_type == JSON:
        _refuse("columns", columns, "as JSON take fields, or ask for Arrow, Parquet or CSV")
        wanted = fields.split(",") if fields is not None else None
        front.check_front_fields(wanted)
        first = int(cursor) if cursor is not None else 0
        return Response(
            front.front_json(database, owner, exploration_id, first, limit, wanted),
            media_type=JSON,
            headers={"Vary": "Accept"},
        )
    _refuse("fields", fields, "a table has columns")
    _refuse("limit", limit, "a table comes whole")
    _refuse("cursor", cursor, "a table comes whole")
    table, version = front.front_table(database, store, fronts, owner, exploration_id)
    etag = etag_of(version, media_type, columns or "")
    if matches(if_none_match, etag):
        return Response(status_code=304, headers={"ETag": etag, "Vary": "Accept"})
    if columns is not None:
        names = tuple(dict.fromkeys(columns.split(",")))
        check_columns(names, table.column_names)
        table = table.select(list(names))
    return table_response(table, media_type, {}, {"ETag": etag})


def _refuse(name: str, value: Any, why: str) -> None:
    if value is not None:
        raise InputError(
            f"{name} has no meaning for this media type", field=name, value=value, rule=why, hint=f"leave {name} out"
        )


@router.get("/{exploration_id}/front/{index}", response_model=FrontDesign, responses=responses(404, 422))
def get_front_design(
    exploration_id: ExplorationId,
    index: Annotated[int, Path(ge=0, le=2**31 - 1)],
    database: DatabaseDep,
    owner: OwnerDep,
) -> Response:
    """One design of the front with its metrics."""
    return Response(front.front_design(database, owner, exploration_id, index), media_type=JSON)


@router.get("/{exploration_id}/front/{index}/report", response_model=Evaluation, responses=responses(404, 422))
def get_front_report(
    exploration_id: ExplorationId,
    index: Annotated[int, Path(ge=0, le=2**31 - 1)],
    database: DatabaseDep,
    owner: OwnerDep,
) -> Response:
    """The whole evaluation of one design of the front."""
    return Response(front.report_json(database, owner, exploration_id, index), media_type=JSON)


@router.get("/{exploration_id}/history", responses=responses(404))
def get_history(exploration_id: ExplorationId, database: DatabaseDep, owner: OwnerDep) -> History:
    """How the search went: evaluations, seconds, hypervolume and size of the front, while it runs and after."""
    return service.history(database, owner, exploration_id)


@router.post(
    "/{exploration_id}:generate",
    status_code=202,
    response_model=Project,
    responses={202: ACCEPTED, **responses(*BODY_PROBLEMS, 404, 409)},
)
def generate_project_of_front(
    exploration_id: ExplorationId,
    body: Annotated[ProjectOfFront, Body()],
    database: DatabaseDep,
    principal: PrincipalDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Generate the HLS project of one design of the front."""
    return front.generate(database, principal, exploration_id, body, idempotency_key).response()


@router.post("/{exploration_id}:suggest", response_model=Suggestions, responses=responses(*BODY_PROBLEMS, 404, 409))
def suggest_designs(
    exploration_id: ExplorationId,
    body: Annotated[SuggestInput, Body()],
    database: DatabaseDep,
    store: StoreDep,
    fronts: FrontsDep,
    owner: OwnerDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Which designs of the front to measure next in a flow of your own; `:tell` takes what came out."""
    table, _ = front.front_table(database, store, fronts, owner, exploration_id)
    return measure.suggest(database, table, owner, exploration_id, body, idempotency_key).response()


@router.post("/{exploration_id}:tell", response_model=Measurements, responses=responses(*BODY_PROBLEMS, 404, 409))
def tell_measurements(
    exploration_id: ExplorationId,
    body: Annotated[TellInput, Body()],
    database: DatabaseDep,
    store: StoreDep,
    fronts: FrontsDep,
    owner: OwnerDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """What was measured, in a flow of your own, of designs of the front."""
    table, _ = front.front_table(database, store, fronts, owner, exploration_id)
    return measure.tell(database, table, owner, exploration_id, body, idempotency_key).response()


@router.get("/{exploration_id}/measurements", responses=responses(404))
def list_measurements(
    exploration_id: ExplorationId, database: DatabaseDep, store: StoreDep, fronts: FrontsDep, owner: OwnerDep
) -> Measurements:
    """All that was told of an exploration, beside the predictions."""
    table, _ = front.front_table(database, store, fronts, owner, exploration_id)
    return measure.measurements(database, table, owner, exploration_id)


@router.get(
    "/{exploration_id}/events",
    response_class=EventStream,
    responses={
        200: {"model": ExplorationEvent, "description": "Server-sent events, one message for each of these"},
        204: {"description": "All was told before, up to `done`: do not come back"},
        **responses(404),
    },
)
async def watch_exploration(
    exploration_id: ExplorationId,
    database: DatabaseDep,
    events: EventsDep,
    owner: OwnerDep,
    settings: SettingsDep,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow an exploration: `state`, `progress` (with the front so far), and `done`, after which the stream ends."""
    job = await run_in_threadpool(service.job_of, database, owner, exploration_id)
    after = event_number(last_event_id)
    if job.state.is_final and after == job.version:
        return Response(status_code=204)  # the one answer after which a browser stops to reconnect

    async def messages() -> AsyncGenerator[bytes, None]:
        story = ExplorationStory(database, owner, exploration_id)
        async for event in events.stream(job.id, after, story):
            yield event.frame

    return EventStream(messages(), ping=settings.event_ping_s)
