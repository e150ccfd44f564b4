"""The worker: claims jobs, runs each in a process of its own, publishes what comes out.

    python -m workers.runner --database URL --artifacts URL [--broker URL]

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

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from db.artifacts import ArtifactStore, ArtifactStoreError, save_copy
from db.base import utc_now
from db.errors import DatabaseError
from db.job_state import JobState
from db.migrations import check_schema
from db.models import Artifact, Job
from db.repositories.job_logs import LogLine
from db.session import Database, UnitOfWork
from db.settings import ARTIFACTS_VARIABLE, BROKER_VARIABLE, DATABASE_VARIABLE
from spec.errors import FlexDSEError, UnknownNameError
from workers.bell import Bell
from workers.child import memory_problem
from workers.ear import Ear, Rings
from workers.enqueue import Queue
from workers.holders import new_worker_id
from workers.job_process import JobProcess, Message
from workers.kinds import KINDS, JobInput, Kind, Publication, with_bodies
from workers.limits import CAUSE_MEMORY, CAUSE_TIME, JobLimits
from workers.logs import log_to_stderr, logging_about
from workers.parent import die_with_parent
from workers.result_files import ResultFile, result_files
from workers.work_folder import WorkFolder

logger = logging.getLogger("flexdse.worker")

DEFAULT_LEASE_S = 30.0
DEFAULT_POLL_S = 0.1
POLL_BESIDE_BELL_S = 1.0
ALL_QUEUES = tuple(queue.value for queue in Queue)
_TICK_S = 0.1  # how soon a running job notices a cancel or a stop
_PROGRESS_INTERVAL_S = 0.2
_MEMORY_INTERVAL_S = 1.0
_AFTER_DATABASE_ERROR_S = 1.0
_ALIVE_INTERVAL_S = 1.0


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


@dataclass(slots=True)
class _Run:
    """The job at hand."""

    job: Job
    kind: Kind
    process: JobProcess
    folder: Path
    limits: JobLimits
    unsaved_progress: dict[str, Any] | None = None
    unsaved_log: list[LogLine] = field(default_factory=list)
    next_heartbeat_s: float = 0.0
    next_save_s: float = 0.0
    next_memory_s: float = 0.0
    started_s: float = field(default_factory=time.monotonic)

    def take(self, message: Message) -> None:
        """Keeps what it said until it is time to store it."""
        if message.kind == "progress":
            self.unsaved_progress = message.data
        elif message.kind == "log":
            self.unsaved_log.append(LogLine(utc_now(), "stderr", message.data))


@dataclass(frozen=True, slots=True)
class _End:
    """What is to be stored at the end of a job."""

    state: JobState
    cause: str | None = None
    problem: dict[str, Any] | None = None
    publication: Publication | None = None
    files: tuple[ResultFile, ...] = ()


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
        self.rings = Rings(self._stop)
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
            self._end_patiently(job, _End(JobState.FAILED, error.code, error.to_problem()))
            return
        about: dict[str, str | int] = {"job_id": job.id, "attempt": job.attempt}
        run = _Run(job, kind, JobProcess(kind.body, data, limits, about), folder, limits)
        how_it_ended = "its process was not waited for"
        try:
            end = self._follow(run)
            for message in run.process.rest_of_log():
                run.take(message)
        finally:
            how_it_ended = run.process.kill()
        if end is None:
            self._settle_without_result(run, how_it_ended)
        elif end.kind == "result":
            self._publish(run, end.data)
        else:
            self._end_patiently(job, _End(JobState.FAILED, end.data["cause"], end.data["problem"]), run)

    def _lay_out(self, job_input: JobInput, folder: Path) -> dict[str, Any]:
        for name, sha256 in job_input.files.items():
            save_copy(self._store, sha256, folder / name)
        return {**job_input.data, "folder": str(folder)}

    def _follow(self, run: _Run) -> Message | None:
        """Listens until the job says its end; None if it died, was cancelled, is not ours any more, or we must stop."""
        while not self._stop.is_set():
            for message in run.process.listen(_TICK_S):
                if message.kind in ("result", "error"):
                    return message
                run.take(message)
            if run.process.has_ended:
                return None
            if (broken := _broken_limit(run)) is not None:
                return broken
            try:
                if not self._tell_the_database(run):
                    return None
            except DatabaseError as error:
                # The job goes on: the database may be back before the lease ends, and if not, nothing is harmed.
                logger.error("job %s: %s", run.job.id, error)
                self._stop.wait(_AFTER_DATABASE_ERROR_S)
        return None

    def _tell_the_database(self, run: _Run) -> bool:
        """Progress, log and heartbeat, where it is time for them; False if the job must not go on."""
        job, now = run.job, time.monotonic()
        something_new = run.unsaved_progress is not None or run.unsaved_log
        if (something_new and now >= run.next_save_s) or now >= run.next_heartbeat_s:
            with self._database.write() as work:
                held = self._save(work, run)
            run.unsaved_progress, run.unsaved_log = None, []
            run.next_save_s = now + _PROGRESS_INTERVAL_S
            run.next_heartbeat_s = now + self._settings.lease_s / 4
            if not held:
                return False
        with self._database.read() as work:
            return work.jobs.is_held(job.id, job.attempt)

    def _save(self, work: UnitOfWork, run: _Run) -> bool:
        """What the job said since the last time; False if it is not ours any more."""
        job, lease = run.job, self._settings.lease
        if run.unsaved_progress is not None:
            held = work.jobs.save_progress(job.id, job.attempt, run.unsaved_progress, lease)
        else:
            held = work.jobs.heartbeat(job.id, job.attempt, lease)
        if held and run.unsaved_log:
            work.job_logs.append(job.id, run.unsaved_log)
        return held

    def _settle_without_result(self, run: _Run, how_it_ended: str) -> None:
        job = run.job
        with self._database.write() as work:
            now = work.jobs.get(job.id)
            if now is None or now.attempt != job.attempt or now.state is not JobState.RUNNING:
                logger.warning("job %s: attempt %d lost its lease, its work is dropped", job.id, job.attempt)
                return
            self._save(work, run)
            if now.cancel_requested:
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
            files = result_files(result, run.folder)
            publication = run.kind.prepare(run.job, result)
        except Exception:
            logger.exception("job %s: its result cannot be stored", run.job.id)
            self._end_patiently(run.job, _End(JobState.FAILED, "internal_error", _unusable_result()), run)
            return
        self._end_patiently(run.job, _End(JobState.SUCCEEDED, publication=publication, files=files), run)

    def _end_patiently(self, job: Job, end: _End, run: _Run | None = None) -> None:
        """Ends the job, and tries again while database or store cannot be written and the lease lasts.

        Giving up loses nothing: the lease runs out, and the job runs again.
        """
        give_up_s = time.monotonic() + self._settings.lease_s
        while True:
            try:
                ended = self._end(job, end, run)
            except (DatabaseError, ArtifactStoreError) as error:
                if self._stop.is_set() or time.monotonic() > give_up_s:
                    raise
                logger.error("job %s waits to be stored: %s", job.id, error)
                self._stop.wait(_AFTER_DATABASE_ERROR_S)
                continue
            if ended:
                logger.info("job %s: %s", job.id, end.state.value)
            else:
                logger.warning("job %s: attempt %d came too late, its result is dropped", job.id, job.attempt)
            return

    def _end(self, job: Job, end: _End, run: _Run | None) -> bool:
        """Result and end of the job in one transaction, so that both happened or neither did.

        The files are safe in the store before it, and take their places after it: whoever is too late publishes none.
        """
        stored = [(file, self._store.stage(file.path)) for file in end.files]
        with self._database.write() as work:
            if run is not None:
                self._save(work, run)
            if not work.jobs.finish(job.id, job.attempt, end.state, cause=end.cause, error=end.problem):
                return False
            artifacts: dict[str, Artifact] = {}
            for file, its_bytes in stored:
                artifacts[file.path.name] = work.artifacts.add(
                    owner=job.owner,
                    job_id=job.id,
                    sha256=its_bytes.sha256,
                    size_bytes=its_bytes.size_bytes,
                    media_type=file.media_type,
                    file_name=file.path.name,
                )
            if end.publication is not None:
                end.publication(work, artifacts)
        for _, its_bytes in stored:
            try:
                self._store.publish(its_bytes.sha256)
            except FlexDSEError as error:  # housekeeping will; until then it is read where it was staged
                logger.error("job %s: %s", job.id, error)
        return True


def _broken_limit(run: _Run) -> Message | None:
    """The end of a job that took more than it was given."""
    now = time.monotonic()
    if run.limits.time_s is not None and now - run.started_s > run.limits.time_s:
        problem = {
            "type": f"urn:flexdse:problem:{CAUSE_TIME}",
            "title": "time limit",
            "status": 500,
            "detail": f"the job took longer than its {run.limits.time_s:g} s",
        }
        return Message("error", {"cause": CAUSE_TIME, "problem": problem})
    if run.limits.memory_bytes is not None and now >= run.next_memory_s:
        run.next_memory_s = now + _MEMORY_INTERVAL_S
        if run.process.resident_bytes() > run.limits.memory_bytes:
            return Message("error", {"cause": CAUSE_MEMORY, "problem": memory_problem(run.limits)})
    return None


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
