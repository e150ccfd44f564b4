"""Live events of jobs: one poller of the database for all the clients of this server.

A stream is made of what the job is now, not of a log: each event carries the version of the job that it shows, so a
client that comes back with `Last-Event-ID` gets what is newer, and one that is slow skips what is outdated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool

from db.session import Database
from spec.errors import FlexDSEError

logger = logging.getLogger("flexdse.api.events")


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event; `data` is JSON text, the same for every client."""

    id: int
    event: str
    data: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a client can be told about a job at one version, oldest first."""

    version: int
    events: tuple[StreamEvent, ...]
    is_final: bool


@dataclass(slots=True)
class _Watched:
    render: Callable[[], Snapshot | None]
    clients: int = 0
    snapshot: Snapshot | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, snapshot: Snapshot | None) -> None:
        self.snapshot = snapshot
        self.wake()

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
            while not self._closed:
                changed, snapshot = watched.changed, watched.snapshot
                if snapshot is None:
                    return
                for event in snapshot.events:
                    if event.id > after:
                        after = event.id
                        yield event
                if snapshot.is_final:
                    return
                await changed.wait()
        finally:
            watched.clients -= 1
            if watched.clients == 0:
                self._watched.pop(job_id, None)

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
