"""The jobs that `flexdse jobs` is about: those of a data folder, or of a service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from spec.errors import InputError

if TYPE_CHECKING:
    from db.models import Job
    from db.session import Database
    from flexdse.client.service import Service

_PART = 500
_POLL_S = 0.2


class JobSource(Protocol):
    """Where jobs are looked up and changed. A job is a document with `id`, `kind`, `state`, `attempt`, ..."""

    def jobs(self, state: str | None, kind: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest first."""

    def job(self, job_id: str) -> dict[str, Any]:
        """One of them."""

    def lines(self, job_id: str, follow: bool) -> Iterator[str]:
        """Its log; with `follow` until the job ended."""

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancels it."""

    def retry(self, job_id: str) -> dict[str, Any]:
        """Puts it back into the queue."""


class JobsOfFolder(AbstractContextManager["JobsOfFolder"]):
    """The jobs in the database of a data folder."""

    def __init__(self, home: Path) -> None:
        from db.session import Database
        from db.settings import Locations

        self._database: Database = Database(Locations.of(home).database_url)

    def __enter__(self) -> Self:
        from db.migrations import check_schema

        check_schema(self._database)
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def jobs(self, state: str | None, kind: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest first, of all owners."""
        from db.job_state import JobState

        wanted = JobState(state) if state is not None else None
        with self._database.read() as work:
            return [_document(job) for job in work.jobs.page(None, None, limit, state=wanted, kind=kind)]

    def job(self, job_id: str) -> dict[str, Any]:
        """One of them.

        Raises:
            InputError: there is none of that id.
        """
        return _document(self._found(job_id))

    def lines(self, job_id: str, follow: bool) -> Iterator[str]:
        """Its log; with `follow` until the job ended."""
        after = 0
        while True:
            ended = self._found(job_id).state.is_final  # asked first: what it said last is there by then
            with self._database.read() as work:
                lines = work.job_logs.read(job_id, after, _PART)
            for line in lines:
                yield line.text
                after = line.seq
            if lines:
                continue
            if ended or not follow:
                return
            time.sleep(_POLL_S)

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancels it.

        Raises:
            InputError: it has ended.
        """
        job = self._found(job_id)
        with self._database.write() as work:
            cancelled = work.jobs.request_cancel(job_id)
        if not cancelled:
            raise InputError(
                f"the job has {job.state.value} already",
                field="job_id",
                value=job_id,
                rule="only a queued or running job can be cancelled",
            )
        return self.job(job_id)

    def retry(self, job_id: str) -> dict[str, Any]:
        """Puts it back into the queue.

        Raises:
            InputError: it neither failed nor was cancelled.
        """
        job = self._found(job_id)
        with self._database.write() as work:
            queued = work.jobs.retry(job_id)
        if not queued:
            raise InputError(
                f"the job is {job.state.value}",
                field="job_id",
                value=job_id,
                rule="only a job that failed or was cancelled can be tried again",
            )
        return self.job(job_id)

    def _found(self, job_id: str) -> Job:
        with self._database.read() as work:
            job = work.jobs.get(job_id)
        if job is None:
            raise InputError(
                "no such job",
                field="job_id",
                value=job_id,
                rule="must be the id of a job",
                hint="flexdse jobs list shows them",
            )
        return job


def _document(job: Job) -> dict[str, Any]:
    moments = ("created_at", "started_at", "heartbeat_at", "finished_at")
    names = ("id", "kind", "queue", "subject_id", "owner", "priority", "attempt", "max_attempts", "cause", "error")
    return {
        **{name: getattr(job, name) for name in names},
        "state": job.state.value,
        "progress": job.progress,
        **{name: value.isoformat() if (value := getattr(job, name)) is not None else None for name in moments},
    }


class JobsOfService(AbstractContextManager["JobsOfService"]):
    """The user's own jobs on a service."""

    def __init__(self, server: str) -> None:
        from flexdse.client import connect

        self._service: Service = connect(server)

    def __exit__(self, *_: object) -> None:
        self._service.close()

    def jobs(self, state: str | None, kind: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest first."""
        found = []
        for job in self._service.jobs(state=state, kind=kind):
            found.append(job.document)
            if len(found) == limit:
                break
        return found

    def job(self, job_id: str) -> dict[str, Any]:
        """One of them."""
        return self._service.job(job_id).document

    def lines(self, job_id: str, follow: bool) -> Iterator[str]:
        """Its log; with `follow` until the job ended."""
        job = self._service.job(job_id)
        return job.follow() if follow else iter(job.log().splitlines())

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancels it."""
        job = self._service.job(job_id)
        job.cancel()
        return job.document

    def retry(self, job_id: str) -> dict[str, Any]:
        """Puts it back into the queue."""
        job = self._service.job(job_id)
        job.retry()
        return job.document
