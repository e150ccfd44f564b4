"""The end of a job: its result, its files and its last state, stored together or not at all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from db.artifacts import ArtifactStore, ArtifactStoreError
from db.errors import DatabaseError
from db.job_state import JobState
from db.models import Artifact, Job
from db.session import Database, UnitOfWork
from spec.errors import FlexDSEError
from workers.job_at_hand import JobAtHand
from workers.kinds import Publication
from workers.result_files import ResultFile, result_files

logger = logging.getLogger("flexdse.worker")

AFTER_DATABASE_ERROR_S = 1.0


@dataclass(frozen=True, slots=True)
class End:
    """What is to be stored at the end of a job."""

    state: JobState
    cause: str | None = None
    problem: dict[str, Any] | None = None
    publication: Publication | None = None
    files: tuple[ResultFile, ...] = ()


def end_of_result(at_hand: JobAtHand, result: dict[str, Any]) -> End:
    """The end of a job whose body came to its end; a result that cannot be stored is a failure."""
    try:
        files = result_files(result, at_hand.folder)
        publication = at_hand.kind.prepare(at_hand.job, result)
    except Exception:
        logger.exception("job %s: its result cannot be stored", at_hand.job.id)
        return End(JobState.FAILED, "internal_error", _unusable_result())
    return End(JobState.SUCCEEDED, publication=publication, files=files)


def _unusable_result() -> dict[str, Any]:
    return {
        "type": "urn:flexdse:problem:internal_error",
        "title": "internal error",
        "status": 500,
        "detail": "the job ended with a result that cannot be stored; the log of the worker says more",
    }


class Closer:
    """Stores the ends of the jobs of one worker."""

    def __init__(self, database: Database, store: ArtifactStore, stop: threading.Event, lease: timedelta) -> None:
        """`lease`: for how long it holds on to a job each time that its end cannot be stored."""
        self._database = database
        self._store = store
        self._stop = stop
        self._lease = lease

    def end(self, job: Job, end: End, save: Callable[[UnitOfWork], object] | None = None) -> None:
        """Ends the job, and tries again while database or store cannot be written and the job is ours.

        The lease is renewed meanwhile where that much can be written; where not, others may take the job, and then
        this end comes too late. `save`: stores what it said last.
        """
        while True:
            try:
                ended = self.store(job, end, save)
            except (DatabaseError, ArtifactStoreError) as error:
                if self._stop.is_set():
                    raise
                logger.error("job %s waits to be stored: %s", job.id, error)
                if self._is_cancelled(job):
                    return
                self._stop.wait(AFTER_DATABASE_ERROR_S)
                continue
            if ended:
                logger.info("job %s: %s", job.id, end.state.value)
            else:
                logger.warning("job %s: attempt %d came too late, its result is dropped", job.id, job.attempt)
            return

    def _is_cancelled(self, job: Job) -> bool:
        """Renews the lease of a job that waits, or ends it where its user does not want to wait."""
        try:
            with self._database.write() as work:
                work.jobs.heartbeat(job.id, job.attempt, self._lease)
                now = work.jobs.get(job.id)
                cancelled = now is not None and now.cancel_requested
                return cancelled and work.jobs.finish(job.id, job.attempt, JobState.CANCELLED)
        except DatabaseError:
            return False

    def store(self, job: Job, end: End, save: Callable[[UnitOfWork], object] | None) -> bool:
        """Result and end of the job in one transaction, so that both happened or neither did.

        The files are safe in the store before it, and take their places after it: whoever is too late publishes none.
        """
        stored = [(file, self._store.stage(file.path)) for file in end.files]
        with self._database.write() as work:
            if save is not None:
                save(work)
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
