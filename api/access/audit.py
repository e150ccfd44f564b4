"""The audit log: what was changed, tried and refused. Entries are collected for a moment and stored in one transaction, so
no answer waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
from typing import Any

from starlette.concurrency import run_in_threadpool

from api.access.principal import LOCAL_OWNER
from db.session import Database, UnitOfWork
from spec.errors import FlexDSEError

logger = logging.getLogger("flexdse.api.audit")

DETAIL = "flexdse.audit"  # where the scope of a request keeps what its entry says besides

_COLLECT_S = 0.05
_MAX_WAITING = 10_000  # more than that and the database has been away for long: the log keeps the rest


def note_command(work: UnitOfWork, action: str, resource: str, status: int, **detail: Any) -> None:
    """An entry of what somebody did by a command on this machine, past the server. `status`: as the server would answer."""
    work.audit.add(
        owner=LOCAL_OWNER,
        action=action,
        resource=resource,
        status=status,
        remote="command line",
        request_id="-",
        detail={"user": _user(), **detail},
    )


def _user() -> str:
    """The name that the system has for who runs this."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


class AuditTrail:
    """Writes entries in the background. Lives in one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[dict[str, Any]] = []
        self._writer: asyncio.Task[None] | None = None

    def note(self, entry: dict[str, Any]) -> None:
        """Keeps an entry; it is stored within a tenth of a second."""
        if len(self._waiting) >= _MAX_WAITING:
            logger.error("the audit log is full: %s", entry)
            return
        self._waiting.append(entry)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def close(self) -> None:
        """Stores what waits."""
        if self._writer is not None and not self._writer.done():
            await self._writer

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(_COLLECT_S)
            entries, self._waiting = self._waiting, []
            try:
                await run_in_threadpool(self._store, entries)
            except FlexDSEError as error:
                logger.error("the audit log cannot be written (%s): %s", error.message, entries)

    def _store(self, entries: list[dict[str, Any]]) -> None:
        with self._database.write() as work:
            for entry in entries:
                work.audit.add(**entry)
