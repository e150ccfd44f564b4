"""Live events of jobs: one poller of the database for all the clients of this server.

A stream begins with what the job is now: its state, its newest progress, its end. From there on it is the job's story,
version by version, and a client that comes back with `Last-Event-ID` gets the versions that it missed, none of them
twice. The story is kept in the database, so any server can go on with any stream.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

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


class Story(Protocol):
    """What can be told about one job. Both read the database, so they are called in threads."""

    def now(self) -> Snapshot | None:
        """The job as it is; None where it is gone."""

    def after(self, version: int) -> list[StreamEvent]:
        """The next versions behind `version`, oldest first; a part of them where there are many."""


# What a client that is slow for a moment gets without asking the database.
_KEPT_EVENTS = 128
_SHARED_S = 0.1

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class _Watched:
    """One job that somebody listens to. Every version above `floor` that there is stands in `recent`."""

    story: Story
    clients: int = 0
    version: int = 0
    floor: int = 0
    is_over: bool = False
    latest: dict[str, StreamEvent] = field(default_factory=dict)
    recent: deque[StreamEvent] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Future[None] | None = None

    def begin(self, snapshot: Snapshot | None) -> None:
        """With what is known now; older versions are in the database."""
        if snapshot is None:
            self.is_over = True
            return
        self.latest = {event.event: event for event in snapshot.events}
        self.version = self.floor = snapshot.version
        self.is_over = snapshot.is_final

    def tell(self, events: list[StreamEvent]) -> None:
        """New versions, for everybody who waits."""
        for event in events:
            self.version = event.id
            self.latest[event.event] = event
            self.recent.append(event)
            self.is_over = event.event == "done"
        while len(self.recent) > _KEPT_EVENTS:
            self.floor = self.recent.popleft().id
        self.wake()

    def end(self) -> None:
        """There is no such job any more."""
        self.is_over = True
        self.wake()

    def for_newcomers(self) -> list[StreamEvent]:
        """What the job is now."""
        return sorted(self.latest.values(), key=lambda event: event.id)

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

    async def stream(self, job_id: str, after: int, story: Story) -> AsyncGenerator[StreamEvent, None]:
        """The events newer than `after`, until the job ends, is deleted, or the server stops."""
        watched = self._watched.setdefault(job_id, _Watched(story))
        watched.clients += 1
        try:
            await self._begin(watched)
            if not 0 < after <= watched.version:  # new here, or an id of another database
                after = 0
            missed = watched.for_newcomers() if after == 0 else await self._missed(watched, after)
            if after and not missed and after < watched.version:
                missed = [event for event in watched.for_newcomers() if event.id > after]  # it is not kept any more
            while not self._closed:
                for event in missed:
                    after = event.id
                    yield event
                changed = watched.changed
                missed = await self._missed(watched, after)
                if missed:
                    continue
                if watched.is_over:
                    return
                await changed.wait()
        finally:
            watched.clients -= 1
            if watched.clients == 0:
                self._watched.pop(job_id, None)

    async def _begin(self, watched: _Watched) -> None:
        """The first client reads what the job is, the others wait for it."""
        if watched.begun is None:
            watched.begun = asyncio.get_running_loop().create_future()
            try:
                watched.begin(await run_in_threadpool(watched.story.now))
            finally:
                watched.begun.set_result(None)
        else:
            await asyncio.shield(watched.begun)
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())

    @staticmethod
    async def _missed(watched: _Watched, after: int) -> list[StreamEvent]:
        """What a client that has everything up to `after` has missed: from memory, or from the database."""
        if after >= watched.version:
            return []
        if after >= watched.floor:
            return [event for event in watched.recent if event.id > after]
        return await run_in_threadpool(watched.story.after, after)

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
                    await self._look_at(watched, versions.get(job_id))
            except FlexDSEError as error:
                logger.error("events are delayed: %s", error)
                await asyncio.sleep(1)

    @staticmethod
    async def _look_at(watched: _Watched, version: int | None) -> None:
        if watched.begun is None or not watched.begun.done() or watched.is_over:
            return
        if version is None:
            watched.end()
        while version is not None and watched.version < version:
            events = await run_in_threadpool(watched.story.after, watched.version)
            if not events:
                return
            watched.tell(events)

    def _versions(self, job_ids: list[str]) -> dict[str, int]:
        with self._database.read() as work:
            return work.jobs.versions(job_ids)
