"""The worker: claims jobs, runs each in a process of its own, publishes what comes out.

    python -m workers.runner --database URL

It asks the database for work several times a second: in this version that is the only doorbell. A broker will ring
sooner one day; the row of the job will stay the truth, and nothing here will depend on being rung.

What may die, and what follows:
- the process of a job: the attempt is lost, the job goes back to the queue, past its last attempt it fails as `lost`;
- the worker: the kernel kills the process of its job; its lease runs out (or its supervisor, who saw it die, ends the
  lease at once), and the job goes back to the queue;
- nothing dies but the worker sleeps past its lease: somebody else has the job by then, under the next attempt, and
  every write of the sleeper is refused because it carries the old one.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from db.errors import DatabaseError
from db.job_state import JobState
from db.migrations import check_schema
from db.models import Job
from db.session import Database
from spec.errors import FlexDSEError
from workers.enqueue import Queue
from workers.job_process import JobProcess, Message
from workers.kinds import KINDS, Kind, Publication, with_bodies
from workers.logs import log_to_stderr
from workers.parent import die_with_parent

logger = logging.getLogger("flexdse.worker")

DEFAULT_LEASE_S = 30.0
DEFAULT_POLL_S = 0.1
_TICK_S = 0.1  # how soon a running job notices a cancel or a stop
_PROGRESS_INTERVAL_S = 0.2
_AFTER_DATABASE_ERROR_S = 1.0


def new_worker_id() -> str:
    """A name for a worker that no other has."""
    return f"{socket.gethostname()[:64]}-{os.getpid()}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker works."""

    worker_id: str
    queues: tuple[str, ...] = (Queue.SEARCH,)
    lease_s: float = DEFAULT_LEASE_S
    poll_s: float = DEFAULT_POLL_S

    @property
    def lease(self) -> timedelta:
        """How long a job stays ours without a word from us."""
        return timedelta(seconds=self.lease_s)


@dataclass(slots=True)
class _Run:
    """The job at hand."""

    job: Job
    kind: Kind
    process: JobProcess
    unsaved_progress: dict[str, Any] | None = None
    next_heartbeat_s: float = 0.0
    next_progress_s: float = 0.0


class Worker:
    """One worker; `run` in the main thread of its process."""

    def __init__(
        self,
        database: Database,
        settings: WorkerSettings,
        kinds: Mapping[str, Kind] = KINDS,
        stop: threading.Event | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._kinds = kinds
        self._stop = stop or threading.Event()
        self._next_recovery_s = 0.0

    def run(self) -> None:
        """Works until asked to stop."""
        while not self._stop.is_set():
            try:
                idle = not self.run_one()
            except DatabaseError as error:
                logger.error("%s", error)
                self._stop.wait(_AFTER_DATABASE_ERROR_S)
                continue
            if idle:
                self._stop.wait(self._settings.poll_s)

    def run_one(self) -> bool:
        """Runs the oldest job of the queue to its end; False if there is none."""
        self._recover()
        job = self._claim()
        if job is None:
            return False
        logger.info("job %s (%s), attempt %d of %d", job.id, job.kind, job.attempt, job.max_attempts)
        self._work(job)
        return True

    def _recover(self) -> None:
        """Puts back what other workers lost."""
        if time.monotonic() < self._next_recovery_s:
            return
        self._next_recovery_s = time.monotonic() + min(1.0, self._settings.lease_s / 4)
        with self._database.read() as work:
            expired = work.jobs.has_expired()
        if expired:
            with self._database.write() as work:
                lost = work.jobs.lose_expired()
            logger.warning("%d leases ran out", lost)

    def _claim(self) -> Job | None:
        kinds, queues = tuple(self._kinds), self._settings.queues
        with self._database.read() as work:  # asked often: a writer's lock would be in everybody's way
            if not work.jobs.has_queued(kinds, queues):
                return None
        with self._database.write() as work:
            return work.jobs.claim(
                kinds=kinds, queues=queues, holder=self._settings.worker_id, lease=self._settings.lease
            )

    def _work(self, job: Job) -> None:
        kind = self._kinds[job.kind]
        with self._database.read() as work:
            job_input = kind.load_input(work, job)
        run = _Run(job, kind, JobProcess(kind.body, job_input))
        how_it_ended = "its process was not waited for"
        try:
            end = self._follow(run)
        finally:
            how_it_ended = run.process.kill()
        if end is None:
            self._settle_without_result(run, how_it_ended)
        elif end.kind == "result":
            self._publish(run, end.data)
        else:
            self._fail(run, end.data["cause"], end.data["problem"])

    def _follow(self, run: _Run) -> Message | None:
        """Listens until the job says its end; None if it died, was cancelled, is not ours any more, or we must stop."""
        while not self._stop.is_set():
            for message in run.process.listen(_TICK_S):
                if message.kind != "progress":
                    return message
                run.unsaved_progress = message.data
            if run.process.has_ended:
                return None
            try:
                if not self._tell_the_database(run):
                    return None
            except DatabaseError as error:
                # The job goes on: the database may be back before the lease ends, and if not, nothing is harmed.
                logger.error("job %s: %s", run.job.id, error)
                self._stop.wait(_AFTER_DATABASE_ERROR_S)
        return None

    def _tell_the_database(self, run: _Run) -> bool:
        """Progress and heartbeat, where it is time for them; False if the job must not go on."""
        job, now = run.job, time.monotonic()
        if run.unsaved_progress is not None and now >= run.next_progress_s:
            with self._database.write() as work:
                held = work.jobs.save_progress(job.id, job.attempt, run.unsaved_progress, self._settings.lease)
            run.unsaved_progress = None
            run.next_progress_s = now + _PROGRESS_INTERVAL_S
            run.next_heartbeat_s = now + self._settings.lease_s / 4
            if not held:
                return False
        elif now >= run.next_heartbeat_s:
            with self._database.write() as work:
                held = work.jobs.heartbeat(job.id, job.attempt, self._settings.lease)
            run.next_heartbeat_s = now + self._settings.lease_s / 4
            if not held:
                return False
        with self._database.read() as work:
            return work.jobs.is_held(job.id, job.attempt)

    def _settle_without_result(self, run: _Run, how_it_ended: str) -> None:
        job = run.job
        with self._database.write() as work:
            now = work.jobs.get(job.id)
            if now is None or now.attempt != job.attempt or now.state is not JobState.RUNNING:
                logger.warning("job %s: attempt %d lost its lease, its work is dropped", job.id, job.attempt)
            elif now.cancel_requested:
                work.jobs.finish(job.id, job.attempt, JobState.CANCELLED)
                logger.info("job %s: cancelled", job.id)
            elif self._stop.is_set():
                work.jobs.give_back(job.id, job.attempt)
                logger.info("job %s: given back, this worker stops", job.id)
            else:
                work.jobs.lose(job.id, job.attempt, how_it_ended)
                logger.error("job %s: attempt %d died: %s", job.id, job.attempt, how_it_ended)

    def _publish(self, run: _Run, result: dict[str, Any]) -> None:
        try:
            publication = run.kind.prepare(run.job, result)
        except Exception:
            logger.exception("job %s: its result cannot be stored", run.job.id)
            self._fail(run, "internal_error", _unusable_result())
            return
        self._end_patiently(run, JobState.SUCCEEDED, publication=publication)

    def _fail(self, run: _Run, cause: str, problem: dict[str, Any]) -> None:
        self._end_patiently(run, JobState.FAILED, cause=cause, problem=problem)

    def _end_patiently(self, run: _Run, state: JobState, **how: Any) -> None:
        """Ends the job, and tries again while the database cannot be written and the lease lasts.

        Giving up loses nothing: the lease runs out, and the job runs again.
        """
        give_up_s = time.monotonic() + self._settings.lease_s
        while True:
            try:
                ended = self._end(run, state, **how)
            except DatabaseError as error:
                if self._stop.is_set() or time.monotonic() > give_up_s:
                    raise
                logger.error("job %s waits to be stored: %s", run.job.id, error)
                self._stop.wait(_AFTER_DATABASE_ERROR_S)
                continue
            if ended:
                logger.info("job %s: %s", run.job.id, state.value)
            else:
                logger.warning("job %s: attempt %d came too late, its result is dropped", run.job.id, run.job.attempt)
            return

    def _end(
        self,
        run: _Run,
        state: JobState,
        *,
        cause: str | None = None,
        problem: dict[str, Any] | None = None,
        publication: Publication | None = None,
    ) -> bool:
        """Result and end of the job in one transaction, so that both happened or neither did."""
        job = run.job
        with self._database.write() as work:
            if run.unsaved_progress is not None:
                work.jobs.save_progress(job.id, job.attempt, run.unsaved_progress, self._settings.lease)
            if not work.jobs.finish(job.id, job.attempt, state, cause=cause, error=problem):
                return False
            if publication is not None:
                publication(work)
        return True


def _unusable_result() -> dict[str, Any]:
    return {
        "type": "urn:flexdse:problem:internal_error",
        "title": "internal error",
        "status": 500,
        "detail": "the job ended with a result that cannot be stored; the log of the worker says more",
    }


def run_worker(
    database_url: str,
    *,
    worker_id: str | None = None,
    lease_s: float = DEFAULT_LEASE_S,
    bodies: Mapping[str, str] | None = None,
) -> None:
    """Works on the database, in the main thread of this process, until SIGTERM or SIGINT.

    Raises:
        DatabaseError: the database cannot be used, or has another schema than this code.
    """
    database = Database(database_url)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        check_schema(database)
        settings = WorkerSettings(worker_id or new_worker_id(), lease_s=lease_s)
        logger.info("worker %s waits for jobs", settings.worker_id)
        Worker(database, settings, with_bodies(bodies or {}), stop).run()
    finally:
        database.close()


def _body(text: str) -> tuple[str, str]:
    kind, _, body = text.partition("=")
    return kind, body


def main(arguments: list[str] | None = None) -> int:
    """The command line of a worker; exit codes as everywhere."""
    parser = argparse.ArgumentParser(prog="python -m workers.runner")
    parser.add_argument("--database", required=True, metavar="URL")
    parser.add_argument("--worker-id")
    parser.add_argument("--lease-s", type=float, default=DEFAULT_LEASE_S)
    parser.add_argument("--parent-pid", type=int, help="end with this process")
    parser.add_argument("--body", action="append", default=[], type=_body, metavar="KIND=MODULE:FUNCTION")
    options = parser.parse_args(arguments)
    if options.parent_pid is not None:
        die_with_parent(options.parent_pid)
    log_to_stderr()
    try:
        run_worker(options.database, worker_id=options.worker_id, lease_s=options.lease_s, bodies=dict(options.body))
    except FlexDSEError as error:
        logger.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
