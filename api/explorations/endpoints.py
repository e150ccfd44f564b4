"""/explorations."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Response
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from api.deps import DatabaseDep, EventsDep, IdempotencyKeyHeader, OwnerDep, PageDep, SettingsDep
from api.designs.schemas import Evaluation
from api.explorations import service
from api.explorations.schemas import Exploration, ExplorationEvent, ExplorationInput, ExplorationPage, Front
from api.problems import BODY_PROBLEMS, responses
from api.strict_route import StrictRoute

router = APIRouter(prefix="/explorations", tags=["explorations"], route_class=StrictRoute)

ExplorationId = Annotated[str, Path(max_length=64)]
RECONNECT_MS = 1000


@router.post(
    "",
    status_code=202,
    response_model=Exploration,
    responses={
        202: {
            "description": "Accepted; a worker will run it",
            "headers": {
                "Location": {"description": "path of the exploration", "schema": {"type": "string"}},
                "Idempotency-Replayed": {
                    "description": "`true` where the key was used before",
                    "schema": {"type": "string"},
                },
            },
        },
        **responses(*BODY_PROBLEMS, 409),
    },
)
def create_exploration(
    body: Annotated[ExplorationInput, Body()],
    database: DatabaseDep,
    owner: OwnerDep,
    idempotency_key: IdempotencyKeyHeader = None,
) -> JSONResponse:
    """Submit an exploration."""
    accepted = service.submit(database, owner, body.as_request(), idempotency_key)
    headers = {"Location": accepted.location}
    if accepted.replayed:
        headers["Idempotency-Replayed"] = "true"
    return JSONResponse(accepted.body, status_code=202, headers=headers)


@router.get("", responses=responses(422))
def list_explorations(database: DatabaseDep, owner: OwnerDep, page: PageDep) -> ExplorationPage:
    """Explorations, newest first."""
    return service.page(database, owner, page.after, page.limit)


@router.get("/{exploration_id}", responses=responses(404))
def get_exploration(exploration_id: ExplorationId, database: DatabaseDep, owner: OwnerDep) -> Exploration:
    """One exploration: its state, progress, record and error."""
    return service.get(database, owner, exploration_id)


@router.delete("/{exploration_id}", status_code=204, responses=responses(404, 409))
def delete_exploration(exploration_id: ExplorationId, database: DatabaseDep, owner: OwnerDep) -> None:
    """Delete an exploration that ended, with its front and its job."""
    service.delete(database, owner, exploration_id)


@router.post("/{exploration_id}:cancel", status_code=202, responses=responses(404, 409))
def cancel_exploration(exploration_id: ExplorationId, database: DatabaseDep, owner: OwnerDep) -> Exploration:
    """Cancel an exploration: at once where it is queued, within a second where it runs."""
    return service.cancel(database, owner, exploration_id)


@router.get("/{exploration_id}/front", response_model=Front, responses=responses(404))
def get_front(exploration_id: ExplorationId, database: DatabaseDep, owner: OwnerDep) -> Response:
    """The designs that no other design beats in every objective."""
    return Response(service.front_json(database, owner, exploration_id), media_type="application/json")


@router.get("/{exploration_id}/front/{index}/report", response_model=Evaluation, responses=responses(404))
def get_front_report(
    exploration_id: ExplorationId, index: Annotated[int, Path(ge=0, le=2**31)], database: DatabaseDep, owner: OwnerDep
) -> Response:
    """The whole evaluation of one design of the front."""
    return Response(service.report_json(database, owner, exploration_id, index), media_type="application/json")


class EventStream(EventSourceResponse):
    """An answer that goes on."""

    media_type = "text/event-stream"  # for the OpenAPI document; the base class knows it too late


def _event_number(last_event_id: str | None) -> int:
    # A browser sends back whatever it got last; what is not ours counts as nothing.
    return int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdecimal() else 0


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
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """Follow an exploration: `state`, `progress` (with the front so far), and `done`, after which the stream ends."""
    job = await run_in_threadpool(service.job_of, database, owner, exploration_id)
    after = _event_number(last_event_id)
    if job.state.is_final and after == job.version:
        return Response(status_code=204)  # the one answer after which a browser stops to reconnect

    async def messages() -> AsyncGenerator[ServerSentEvent, None]:
        render = partial(service.snapshot, database, owner, exploration_id)
        async for event in events.stream(job.id, after, render):
            yield ServerSentEvent(event.data, event=event.event, id=str(event.id), retry=RECONNECT_MS)

    return EventStream(messages(), ping=settings.event_ping_s)
