"""/jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from sse_starlette import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from api.deps import (
    AcceptHeader,
    DatabaseDep,
    EventsDep,
    IdempotencyKeyHeader,
    LastEventId,
    OwnerDep,
    PageDep,
    PrincipalDep,
    SettingsDep,
)
from api.event_stream import RECONNECT_MS, EventStream, event_number
from api.jobs import service
from api.jobs.schemas import Job, JobLog, JobLogEvent, JobPage, LogDone
from api.media import JSON, negotiate
from api.problems import responses
from db.job_state import JobState
from workers.enqueue import JobKind, Queue

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[str, Path(max_length=64)]
_LOG_PART = 1000
_LOG_POLL_S = 0.3


@router.get("", responses=responses(422))
def list_jobs(
    database: DatabaseDep,
    owner: OwnerDep,
    page: PageDep,
    state: Annotated[JobState | None, Query(description="only those in this state")] = None,
    kind: Annotated[JobKind | None, Query(description="only those of this kind")] = None,
    queue: Annotated[Queue | None, Query(description="only those of this resource class")] = None,
) -> JobPage:
    """Jobs, newest first."""
    filters = {"state": state, "kind": kind, "queue": queue}
    return service.page(database, owner, page.after, page.limit, filters)


@router.get("/{job_id}", responses=responses(404))
def get_job(job_id: JobId, database: DatabaseDep, owner: OwnerDep) -> Job:
    """One job."""
    return service.get(database, owner, job_id)


@router.post("/{job_id}:cancel", status_code=202, response_model=Job, responses=responses(404, 409, 422))
def cancel_job(
    job_id: JobId, database: DatabaseDep, owner: OwnerDep, idempotency_key: IdempotencyKeyHeader = None
) -> JSONResponse:
    """Cancel a job: at once where it is queued, within a second where it runs."""
    return service.cancel(database, owner, job_id, idempotency_key).response()


@router.post("/{job_id}:retry", status_code=202, response_model=Job, responses=responses(404, 409, 422))
def retry_job(
    job_id: JobId, database: DatabaseDep, principal: PrincipalDep, idempotency_key: IdempotencyKeyHeader = None
) -> JSONResponse:
    """Put a job that failed or was cancelled back into the queue, with fresh attempts."""
    return service.retry(database, principal, job_id, idempotency_key).response()


@router.get(
    "/{job_id}/log",
    response_model=JobLog,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **responses(404, 406, 422)},
)
def get_job_log(
    job_id: JobId,
    database: DatabaseDep,
    owner: OwnerDep,
    accept: AcceptHeader = None,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="only lines behind this number")] = 0,
    limit: Annotated[int, Query(ge=1, le=20_000)] = _LOG_PART,
) -> Response:
    """What the process of the job printed: as JSON, or as text/plain."""
    media_type = negotiate(accept, (JSON, "text/plain"))
    part = service.log(database, owner, job_id, after, limit)
    if media_type == JSON:
        return Response(part.model_dump_json(), media_type=JSON)
    return PlainTextResponse("".join(f"{line.text}\n" for line in part.lines))


@router.get(
    "/{job_id}/log/events",
    response_class=EventStream,
    responses={
        200: {"model": JobLogEvent, "description": "Server-sent events, one message for each of these"},
        204: {"description": "All was told before, up to `done`: do not come back"},
        **responses(404),
    },
)
async def watch_job_log(
    job_id: JobId,
    database: DatabaseDep,
    owner: OwnerDep,
    events: EventsDep,
    settings: SettingsDep,
    last_event_id: LastEventId = None,
) -> Response:
    """Follow the log of a job from line to line, and `done`, after which the stream ends."""
    job = await run_in_threadpool(service.get, database, owner, job_id)
    first = event_number(last_event_id)
    part = await run_in_threadpool(service.log, database, owner, job_id, first, _LOG_PART)
    if job.state.is_final and first > 0 and not part.lines and last_event_id and last_event_id.startswith("done-"):
        return Response(status_code=204)

    async def messages() -> AsyncGenerator[ServerSentEvent, None]:
        after, more = first, part
        while not events.is_closed:
            for line in more.lines:
                after = line.seq
                yield ServerSentEvent(line.model_dump_json(), event="line", id=str(after), retry=RECONNECT_MS)
            if more.next_after is None:
                ended = await run_in_threadpool(service.get, database, owner, job_id)
                done = LogDone(state=ended.state)
                yield ServerSentEvent(done.model_dump_json(), event="done", id=f"done-{after}", retry=RECONNECT_MS)
                return
            if not more.lines:
                await asyncio.sleep(_LOG_POLL_S)
            more = await run_in_threadpool(service.log, database, owner, job_id, after, _LOG_PART)

    return EventStream(messages(), ping=settings.event_ping_s)
