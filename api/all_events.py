"""GET /events: what happens to all jobs of an owner, in the order of commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field
from sse_starlette import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from api.deps import DatabaseDep, EventsDep, LastEventId, OwnerDep, SettingsDep
from api.event_stream import RECONNECT_MS, EventStream, event_number
from db.models import Event
from db.session import Database
from spec.strict import StrictModel

router = APIRouter(prefix="/events", tags=["events"])

_POLL_S = 0.2
_PART = 500


class JobEventData(StrictModel):
    """A job took another state."""

    job_id: str
    at: datetime
    data: dict[str, Any]


class JobEvent(StrictModel):
    """`event: job.queued`, `job.running`, `job.succeeded`, `job.failed` or `job.cancelled`"""

    id: str
    event: Annotated[str, Field(pattern=r"^job\.(queued|running|succeeded|failed|cancelled)$")]
    data: JobEventData


def _newest(database: Database, owner: str) -> int:
    with database.read() as work:
        return work.events.last_seq(owner)


def _after(database: Database, owner: str, seq: int) -> list[Event]:
    with database.read() as work:
        return work.events.after(owner, seq, _PART)


@router.get(
    "",
    response_class=EventStream,
    responses={200: {"model": JobEvent, "description": "Server-sent events, one message for each of these"}},
)
async def watch_everything(
    database: DatabaseDep,
    events: EventsDep,
    owner: OwnerDep,
    settings: SettingsDep,
    last_event_id: LastEventId = None,
    since: Annotated[
        int | None,
        Query(ge=0, le=2**62, description="without Last-Event-ID: from behind this id; 0 from the beginning"),
    ] = None,
) -> Response:
    """Follow all your jobs: every change of a state from now on, or from where you were. It never ends by itself."""
    if last_event_id is not None:
        first = event_number(last_event_id)
    elif since is not None:
        first = since
    else:
        first = await run_in_threadpool(_newest, database, owner)

    async def messages() -> AsyncGenerator[ServerSentEvent, None]:
        seq = first
        while not events.is_closed:
            found = await events.shared((owner, seq), partial(_after, database, owner, seq))
            for event in found:
                seq = event.seq
                data = JobEventData(job_id=event.job_id, at=event.at, data=event.data)
                yield ServerSentEvent(data.model_dump_json(), event=event.kind, id=str(seq), retry=RECONNECT_MS)
            if not found:
                await asyncio.sleep(_POLL_S)

    return EventStream(messages(), ping=settings.event_ping_s)
