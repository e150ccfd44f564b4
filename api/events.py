"""Live events of jobs: one poller of the database for all the clients of this server.

A stream is made of what the job is now, not of a log: each event carries the version of the job that it shows, so a
client that comes back with `Last-Event-ID` gets what is newer, and one that is slow skips what is outdated.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from api.event_stream import RECONNECT_MS
from db.session import Database
from spec.errors import FlexDSEError

logger = logging.getLogger("flexdse.api.events")


@dataclass(frozen=True)
class StreamEvent:
    """One server-sent event; `data` is JSON text, the same for every client."""

    id: int
    event: str
    data: str

    @cached_property
    def frame(self) -> bytes:
        """As it goes over the wire, put together once for all clients. JSON text has no line breaks."""
        return f"id: {self.id}\nevent: {self.event}\ndata: {self.data}\nretry: {RECONNECT_MS}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a client can be told about a job at one version, oldest first."""

    version: int
    events: tuple[StreamEvent, ...]
    is_final: bool


# What a client that is slow for a moment still gets; one that is slower skips to the newest.
_KEPT_EVENTS = 128
_SHARED_S = 0.1

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class _Watched:
    render: Callable[[], Snapshot | None]
    clients: int = 0
    snapshot: Snapshot | None = None
    recent: deque[StreamEvent] = field(default_factory=lambda: deque(maxlen=_KEPT_EVENTS))
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, snapshot: Snapshot | None) -> None:
        newest = self.recent[-1].id if self.recent else 0
        self.snapshot = snapshot
        if snapshot is not None:
            self.recent.extend(event for event in snapshot.events if event.id > newest)
        self.wake()

    def newer(self, after: int) -> list[StreamEvent]:
        """What a client that has everything up to `after` has missed."""
        return [event for event in self.recent if event.id > after]

    def wake(self) -> None:
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()


class EventHub:
    """Watches the jobs that somebody listens to. Lives in one event loop."""

    def __init__(self, database: Database, poll_s: float) -> None:
        self._database = database
        self._poll_s = poll_s
        self._watched: dict[str, _Watched] = {}
        self._poller: asyncio.Task[None] | None = None
        self._closed = False
        self._shared: dict[Hashable, tuple[float, asyncio.Future[Any]]] = {}

    async def stream(
        self, job_id: str, after: int, render: Callable[[], Snapshot | None]
    ) -> AsyncGenerator[StreamEvent, None]:
        """The events newer than `after`, until the job ends, is deleted, or the server stops."""
        watched = self._watched.setdefault(job_id, _Watched(render))
        watched.clients += 1
        try:
            if watched.snapshot is None:
                watched.show(await run_in_threadpool(render))
            if self._poller is None or self._poller.done():
                self._poller = asyncio.create_task(self._poll())
            if watched.snapshot is not None and after > watched.snapshot.version:
                after = 0  # an id of another database
            missed = [event for event in watched.snapshot.events if event.id > after] if watched.snapshot else []
            while not self._closed:
                changed, snapshot = watched.changed, watched.snapshot
                for event in missed:
                    after = event.id
                    yield event
                missed = watched.newer(after)
                if missed:
                    continue
                if snapshot is None or snapshot.is_final:
                    return
                await changed.wait()
                missed = watched.newer(after)
        finally:
            watched.clients -= 1
            if watched.clients == 0:
                self._watched.pop(job_id, None)

    async def shared(self, key: Hashable, load: Callable[[], ResultT]) -> ResultT:
        """What `load` says, asked at most once in a moment for all who ask with an equal `key`."""
        now = time.monotonic()
        known = self._shared.get(key)
        if known is None or known[0] < now:
            self._shared = {name: entry for name, entry in self._shared.items() if entry[0] >= now}
            known = (now + _SHARED_S, asyncio.ensure_future(run_in_threadpool(load)))
            self._shared[key] = known
        result: ResultT = await asyncio.shield(known[1])
        return result

    @property
    def is_closed(self) -> bool:
        """The server stops."""
        return self._closed

    def close(self) -> None:
        """Ends every stream, so that open ones do not hold up the end of the server."""
        self._closed = True
        if self._poller is not None:
            self._poller.cancel()
        for watched in self._watched.values():
            watched.wake()

    async def _poll(self) -> None:
        while self._watched and not self._closed:
            await asyncio.sleep(self._poll_s)
            try:
                versions = await run_in_threadpool(self._versions, list(self._watched))
                for job_id, watched in list(self._watched.items()):
                    shown = watched.snapshot.version if watched.snapshot is not None else None
                    if versions.get(job_id) != shown:
                        watched.show(await run_in_threadpool(watched.render))
            except FlexDSEError as error:
                logger.error("events are delayed: %s", error)
                await asyncio.sleep(1)

    def _versions(self, job_ids: list[str]) -> dict[str, int]:
        with self._database.read() as work:
            return work.jobs.versions(job_ids)
