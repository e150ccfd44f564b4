"""The process of a worker.

python -m workers.runner --database URL --artifacts URL [--broker URL]
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from db.artifacts import ArtifactStore
from db.migrations import check_schema
from db.session import Database
from db.settings import ARTIFACTS_VARIABLE, BROKER_VARIABLE, DATABASE_VARIABLE
from spec.errors import FlexDSEError, UnknownNameError
from workers.bell import Bell
from workers.ear import Ear
from workers.holders import new_worker_id
from workers.kinds import with_bodies
from workers.limits import JobLimits
from workers.logs import log_to_stderr
from workers.parent import die_with_parent
from workers.work_folder import WorkFolder
from workers.worker import ALL_QUEUES, DEFAULT_LEASE_S, DEFAULT_POLL_S, POLL_BESIDE_BELL_S, Worker, WorkerSettings

logger = logging.getLogger("flexdse.worker")

_ALIVE_INTERVAL_S = 1.0


def run_worker(
    database_url: str,
    *,
    artifacts_url: str,
    broker_url: str | None = None,
    work: Path | None = None,
    worker_id: str | None = None,
    queues: Sequence[str] = ALL_QUEUES,
    lease_s: float = DEFAULT_LEASE_S,
    limits: JobLimits | None = None,
    bodies: Mapping[str, str] | None = None,
    on_alive: Callable[[], None] | None = None,
) -> None:
    """Works on the database, in the main thread of this process, until SIGTERM or SIGINT.

    Args:
        work: where jobs have their folders; default the system's place for temporary files.
        on_alive: called every second from another thread, for whoever watches over this process.

    Raises:
        DatabaseError: the database cannot be used, or has another schema than this code.
        InputError: an unknown queue, a store or a folder that cannot be used.
    """
    for queue in queues:
        if queue not in ALL_QUEUES:
            raise UnknownNameError("queue", queue, ALL_QUEUES, field="queues")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if on_alive is not None:
        threading.Thread(target=_say_alive, args=(on_alive, stop), name="alive", daemon=True).start()
    bell = Bell(broker_url)
    database = Database(database_url, bell.ring)  # for jobs that we put back into the queue
    settings = WorkerSettings(
        worker_id or new_worker_id(),
        queues=tuple(queues),
        lease_s=lease_s,
        poll_s=DEFAULT_POLL_S if broker_url is None else POLL_BESIDE_BELL_S,
        limits=limits or JobLimits(),
    )
    try:
        check_schema(database)
        base = work if work is not None else Path(tempfile.gettempdir()) / f"flexdse-{os.getuid()}"
        folder = WorkFolder(base, settings.worker_id)
        try:
            worker = Worker(
                database, settings, ArtifactStore.open(artifacts_url), folder, with_bodies(bodies or {}), stop
            )
            ear = Ear(broker_url, queues, settings.worker_id, worker.rings) if broker_url is not None else None
            if ear is not None:
                ear.open()
            logger.info("worker %s waits for jobs of %s", settings.worker_id, ", ".join(queues))
            worker.run()
            if ear is not None:
                ear.close()
        finally:
            folder.close()
    finally:
        bell.close()
        database.close()


def _say_alive(on_alive: Callable[[], None], stop: threading.Event) -> None:
    while True:
        try:
            on_alive()
        except OSError:
            return
        if stop.wait(_ALIVE_INTERVAL_S):
            return


def _body(text: str) -> tuple[str, str]:
    kind, _, body = text.partition("=")
    return kind, body


def main(arguments: list[str] | None = None) -> int:
    """The command line of a worker; exit codes as everywhere."""
    parser = argparse.ArgumentParser(prog="python -m workers.runner")
    # By default from the environment: they may hold passwords, and a command line can be read by all.
    for name, variable, required in (
        ("--database", DATABASE_VARIABLE, True),
        ("--artifacts", ARTIFACTS_VARIABLE, True),
        ("--broker", BROKER_VARIABLE, False),
    ):
        given = os.environ.get(variable) or None
        parser.add_argument(name, default=given, required=required and given is None, metavar="URL")
    parser.add_argument("--work", type=Path, metavar="FOLDER")
    parser.add_argument("--worker-id")
    parser.add_argument("--queues", default=",".join(ALL_QUEUES))
    parser.add_argument("--lease-s", type=float, default=DEFAULT_LEASE_S)
    parser.add_argument("--cpus", type=int)
    parser.add_argument("--memory-bytes", type=int)
    parser.add_argument("--time-s", type=float)
    parser.add_argument("--parent-pid", type=int, help="end with this process")
    parser.add_argument("--alive-fd", type=int, help="a byte a second goes there")
    parser.add_argument("--body", action="append", default=[], type=_body, metavar="KIND=MODULE:FUNCTION")
    options = parser.parse_args(arguments)
    if options.parent_pid is not None:
        die_with_parent(options.parent_pid)
    on_alive: Callable[[], None] | None = None
    if options.alive_fd is not None:
        os.set_inheritable(options.alive_fd, False)

        def on_alive() -> None:
            os.write(options.alive_fd, b".")

    log_to_stderr()
    try:
        run_worker(
            options.database,
            artifacts_url=options.artifacts,
            broker_url=options.broker,
            work=options.work,
            worker_id=options.worker_id,
            queues=tuple(name for name in options.queues.split(",") if name),
            lease_s=options.lease_s,
            limits=JobLimits(options.cpus, options.memory_bytes, options.time_s),
            bodies=dict(options.body),
            on_alive=on_alive,
        )
    except FlexDSEError as error:
        logger.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    exit_code = main()
    # All is stored and closed. The thread of the ear may hang on a broker that does, and is not waited for.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(exit_code)
