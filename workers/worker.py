"""The worker: claims jobs, runs each in a process of its own, publishes what comes out.

It asks the database for work when the bell rings (`workers.ear`), and now and then even if it does not: the row of the
job is the truth, and nothing here depends on being rung.

What may die, and what follows:
- the process of a job: the attempt is lost, the job goes back to the queue, past its last attempt it fails as `lost`;
- the worker: the kernel kills the process of its job; its lease runs out (or its supervisor, who saw it die, ends the
  lease at once), and the job goes back to the queue;
- nothing dies but the worker sleeps past its lease: somebody else has the job by then, under the next attempt, and
  every write of the sleeper is refused because it carries the old one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from db.artifacts import ArtifactStore, save_copy
from db.errors import DatabaseError
from db.job_state import JobState
from db.models import Job
from db.session import Database
from spec.errors import FlexDSEError
from workers.ear import Rings
from workers.ending import AFTER_DATABASE_ERROR_S, Closer, End, end_of_result
from workers.enqueue import Queue
from workers.job_at_hand import JobAtHand
from workers.job_process import JobProcess, Message
from workers.kinds import KINDS, JobInput, Kind
from workers.limits import JobLimits
from workers.logs import logging_about
from workers.work_folder import WorkFolder

logger = logging.getLogger("flexdse.worker")

DEFAULT_LEASE_S = 30.0
DEFAULT_POLL_S = 0.1
POLL_BESIDE_BELL_S = 1.0
ALL_QUEUES = tuple(queue.value for queue in Queue)
_TICK_S = 0.1  # how soon a running job notices a cancel or a stop


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker works."""

    worker_id: str
    queues: tuple[str, ...] = ALL_QUEUES
    lease_s: float = DEFAULT_LEASE_S
    poll_s: float = DEFAULT_POLL_S
    limits: JobLimits = field(default_factory=JobLimits)

    @property
    def lease(self) -> timedelta:
        """How long a job stays ours without a word from us."""
        return timedelta(seconds=self.lease_s)


class Worker:
    """One worker; `run` in the main thread of its process."""

    def __init__(
        self,
        database: Database,
        settings: WorkerSettings,
        store: ArtifactStore,
        work_folder: WorkFolder,
        kinds: Mapping[str, Kind] = KINDS,
        stop: threading.Event | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._store = store
        self._work_folder = work_folder
        self._kinds = kinds
        self._stop = stop or threading.Event()
        self.closer = Closer(database, store, self._stop, settings.lease)
        self.rings = Rings(self._stop)
        self._next_recovery_s = 0.0

    def run(self) -> None:
        """Works until asked to stop."""
        while not self._stop.is_set():
            try:
                idle = not self.run_one()
            except DatabaseError as error:
                logger.error("%s", error)
                self._stop.wait(AFTER_DATABASE_ERROR_S)
                continue
            if idle:
                self.rings.wait(self._settings.poll_s)

    def run_one(self) -> bool:
        """Runs the next job of the queue to its end; False if there is none."""
        self._recover()
        job = self._claim()
        if job is None:
            return False
        with (
            logging_about(job_id=job.id, attempt=job.attempt, worker_id=self._settings.worker_id),
            self._work_folder.for_attempt(job.id, job.attempt) as folder,
        ):
            if folder is None:  # a full disk, say: another worker may have room, and we later
                with self._database.write() as work:
                    work.jobs.give_back(job.id, job.attempt)
                self._stop.wait(AFTER_DATABASE_ERROR_S)
                return True
            logger.info("job %s (%s), attempt %d of %d", job.id, job.kind, job.attempt, job.max_attempts)
            self._work(job, folder)
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

    def _work(self, job: Job, folder: Path) -> None:
        kind = self._kinds[job.kind]
        try:
            with self._database.read() as work:
                job_input = kind.load_input(work, job)
            data = self._lay_out(job_input, folder)
            limits = JobLimits.of(job.limits).within(self._settings.limits)
        except DatabaseError:
            raise
        except FlexDSEError as error:  # it cannot even begin
            self.closer.end(job, End(JobState.FAILED, error.code, error.to_problem()))
            return
        about: dict[str, str | int] = {"job_id": job.id, "attempt": job.attempt}
        process = JobProcess(kind.body, data, limits, about)
        history = kind.history() if kind.history is not None else None
        at_hand = JobAtHand(job, kind, process, folder, limits, self._settings.lease, history)
        how_it_ended = "its process was not waited for"
        try:
            end = self._follow(at_hand)
            for message in process.rest_of_log():
                at_hand.take(message)
        finally:
            how_it_ended = process.kill()
        if end is None:
            self._settle_without_result(at_hand, how_it_ended)
        elif end.kind == "result":
            self.closer.end(job, end_of_result(at_hand, end.data), at_hand.save_all)
        else:
            self.closer.end(job, End(JobState.FAILED, end.data["cause"], end.data["problem"]), at_hand.save_all)

    def _lay_out(self, job_input: JobInput, folder: Path) -> dict[str, Any]:
        for name, sha256 in job_input.files.items():
            save_copy(self._store, sha256, folder / name)
        return {**job_input.data, "folder": str(folder)}

    def _follow(self, at_hand: JobAtHand) -> Message | None:
        """Listens until the job says its end; None if it died, was cancelled, is not ours any more, or we must stop."""
        while not self._stop.is_set():
            for message in at_hand.process.listen(_TICK_S):
                if message.kind in ("result", "error"):
                    return message
                at_hand.take(message)
            if at_hand.process.has_ended:
                return None
            if (broken := at_hand.broken_limit()) is not None:
                return broken
            try:
                if not self._tell_the_database(at_hand):
                    return None
            except DatabaseError as error:
                # The job goes on: the database may be back before the lease ends, and if not, nothing is harmed.
                logger.error("job %s: %s", at_hand.job.id, error)
                self._stop.wait(AFTER_DATABASE_ERROR_S)
        return None

    def _tell_the_database(self, at_hand: JobAtHand) -> bool:
        """Progress, log and heartbeat, where it is time for them; False if the job must not go on."""
        job, now = at_hand.job, time.monotonic()
        if at_hand.is_due(now):
            with self._database.write() as work:
                held = at_hand.save(work)
            at_hand.saved(now)
            if not held:
                return False
        with self._database.read() as work:
            return work.jobs.is_held(job.id, job.attempt)

    def _settle_without_result(self, at_hand: JobAtHand, how_it_ended: str) -> None:
        job = at_hand.job
        with self._database.write() as work:
            now = work.jobs.get(job.id)
            if now is None or now.attempt != job.attempt or now.state is not JobState.RUNNING:
                logger.warning("job %s: attempt %d lost its lease, its work is dropped", job.id, job.attempt)
                return
            at_hand.save(work)
            if now.cancel_requested:
                work.jobs.finish(job.id, job.attempt, JobState.CANCELLED)
                logger.info("job %s: cancelled", job.id)
            elif self._stop.is_set():
                work.jobs.give_back(job.id, job.attempt)
                logger.info("job %s: given back, this worker stops", job.id)
            else:
                work.jobs.lose(job.id, job.attempt, how_it_ended)
                logger.error("job %s: attempt %d died: %s", job.id, job.attempt, how_it_ended)
