"""`flexdse worker`: worker processes under a supervisor, and the beat, on the addresses of a data folder."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from db.artifacts import ArtifactStore
from db.data_folder import LOCK_NAME, private_files
from db.migrations import check_schema
from db.session import Database
from db.settings import WORK_NAME, Locations
from flexdse.supervise import Service, Supervisor, WorkerService
from spec.errors import UnknownNameError
from workers.bell import Bell
from workers.holders import release_dead
from workers.housekeeping import Housekeeper, Retention
from workers.limits import JobLimits
from workers.logs import log_to_stderr
from workers.worker import ALL_QUEUES, DEFAULT_LEASE_S

logger = logging.getLogger("flexdse.worker_host")


def host_workers(
    home: Path,
    *,
    queues: Sequence[str] = ALL_QUEUES,
    processes: int = 1,
    beat: bool = False,
    lease_s: float = DEFAULT_LEASE_S,
    limits: JobLimits | None = None,
    bodies: Mapping[str, str] | None = None,
) -> None:
    """Keeps that many workers, in the main thread, until SIGINT or SIGTERM.

    Raises:
        DatabaseError: the database cannot be used, or has another schema than this code.
        InputError: an unknown queue.
    """
    for queue in queues:
        if queue not in ALL_QUEUES:
            raise UnknownNameError("queue", queue, ALL_QUEUES, field="queues")
    log_to_stderr()
    locations = Locations.of(home)
    broker_url = locations.broker_url or _broker_of_server(home)
    bell = Bell(broker_url)
    database = Database(locations.database_url, bell.ring)
    stop = threading.Event()
    try:
        check_schema(database)
        release_dead(database)
        if beat:
            store = ArtifactStore.open(locations.artifacts_url)
            housekeeper = Housekeeper(database, store, bell, Retention.of())
            threading.Thread(target=housekeeper.run, args=(stop,), name="housekeeping", daemon=True).start()
        services = [
            WorkerService(
                database,
                locations.artifacts_url,
                broker_url,
                home / WORK_NAME,
                queues=queues,
                lease_s=lease_s,
                limits=limits or JobLimits(),
                bodies=dict(bodies or {}),
            )
            for _ in range(processes)
        ]
        with private_files() if locations.is_local else nullcontext():
            asyncio.run(_until_signalled(services))
    finally:
        stop.set()
        bell.close()
        database.close()


def check_worker(home: Path) -> None:
    """A worker could work here: the database answers and has the schema of this code, the artifacts can be written.

    Raises:
        FlexDSEError: what is wrong.
    """
    locations = Locations.of(home)
    database = Database(locations.database_url)
    try:
        check_schema(database)
    finally:
        database.close()
    store = ArtifactStore.open(locations.artifacts_url)
    store.delete(store.put(os.urandom(16)).sha256)  # another one may check at the same time


def _broker_of_server(home: Path) -> str | None:
    """The embedded broker of the server that runs on the same data folder, if one does."""
    try:
        facts = json.loads((home / LOCK_NAME).read_bytes() or b"{}")
    except (OSError, ValueError):
        return None
    found = facts.get("broker_url")
    return str(found) if found else None


async def _until_signalled(services: Sequence[Service]) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    supervisor = Supervisor(services)
    supervisor.start()
    try:
        await asked.wait()
    finally:
        await supervisor.stop()
    logger.info("stopped")
