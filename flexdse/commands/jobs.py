"""`flexdse jobs list|show|logs|cancel|retry|seats`: the jobs of a data folder, or of a service with --server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.commands.service import Home, data_folder
from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson

if TYPE_CHECKING:
    from db.models import Job
    from db.session import Database

jobs = typer.Typer(help="Jobs: what the workers have to do, do and did.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="Id of a job, as `flexdse jobs list` shows it.")]
_PAGE = 500


@contextmanager
def _opened(home: str | None) -> Iterator[Database]:
    from db.migrations import check_schema
    from db.session import Database
    from db.settings import Locations

    database = Database(Locations.of(data_folder(home)).database_url)
    try:
        check_schema(database)
        yield database
    finally:
        database.close()


def _found(database: Database, job_id: str) -> Job:
    from spec.errors import InputError

    with database.read() as work:
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


@jobs.command("list")
def list_jobs(
    home: Home = None,
    state: Annotated[str | None, typer.Option("--state", help="Only those in that state.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only those of that kind.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=_PAGE, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest jobs first."""
    from db.job_state import JobState
    from spec.errors import UnknownNameError

    if state is not None and state not in set(JobState):
        raise UnknownNameError("state", state, [each.value for each in JobState], field="state")
    with _opened(home) as database, database.read() as work:
        found = work.jobs.page(None, None, limit, state=JobState(state) if state is not None else None, kind=kind)
    if as_json:
        emit_json([_document(job) for job in found])
        return
    header = ["id", "kind", "state", "attempt", "created", "cause"]
    rows = [
        [
            job.id,
            job.kind,
            job.state.value,
            f"{job.attempt}/{job.max_attempts}",
            f"{job.created_at:%Y-%m-%d %H:%M:%S}",
            job.cause or "",
        ]
        for job in found
    ]
    emit(table(rows, header, text=("kind", "state", "created", "cause")) if rows else "no jobs")


@jobs.command("show")
def show(job_id: JobId, home: Home = None) -> None:
    """One job, as JSON."""
    with _opened(home) as database:
        emit_json(_document(_found(database, job_id)))


@jobs.command("logs")
def logs(
    job_id: JobId,
    home: Home = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more until the job ended.")] = False,
) -> None:
    """What a job and its tools printed."""
    import time

    with _opened(home) as database:
        after = 0
        while True:
            ended = _found(database, job_id).state.is_final  # asked first: what it said last is there by then
            with database.read() as work:
                lines = work.job_logs.read(job_id, after, _PAGE)
            for line in lines:
                emit(line.text)
                after = line.seq
            if lines:
                continue
            if ended or not follow:
                return
            time.sleep(0.2)


@jobs.command("cancel")
def cancel(job_id: JobId, home: Home = None) -> None:
    """Cancel a job: at once where it is queued, within a second where it runs."""
    from spec.errors import InputError

    with _opened(home) as database:
        job = _found(database, job_id)
        with database.write() as work:
            cancelled = work.jobs.request_cancel(job_id)
        if not cancelled:
            raise InputError(
                f"the job has {job.state.value} already",
                field="job_id",
                value=job_id,
                rule="only a queued or running job can be cancelled",
            )
        note(f"{job_id}: {_found(database, job_id).state.value}, to be cancelled")


@jobs.command("retry")
def retry(job_id: JobId, home: Home = None) -> None:
    """Put a job that failed or was cancelled back into the queue."""
    from spec.errors import InputError

    with _opened(home) as database:
        job = _found(database, job_id)
        with database.write() as work:
            queued = work.jobs.retry(job_id)
        if not queued:
            raise InputError(
                f"the job is {job.state.value}",
                field="job_id",
                value=job_id,
                rule="only a job that failed or was cancelled can be tried again",
            )
        note(f"{job_id}: queued")


@jobs.command("seats")
def seats(
    pool: Annotated[str | None, typer.Argument(help="Licence pool; vitis is that of AMD's tools.")] = None,
    count: Annotated[int | None, typer.Argument(min=0, help="Jobs that may use it at once.")] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Take the limit of the pool away.")] = False,
    home: Home = None,
) -> None:
    """Show, or set, how many jobs may hold a seat of a licence at once, on all workers together."""
    with _opened(home) as database:
        if pool is not None and (count is not None or no_limit):
            with database.write() as work:
                work.licences.set_seats(pool, None if no_limit else count)
        with database.read() as work:
            limits, used = work.licences.seats(), work.licences.in_use()
    rows = [[name, str(limits[name]), str(used.get(name, 0))] for name in sorted(limits)]
    emit(table(rows, ["pool", "seats", "in use"]) if rows else "no licence pool has a limit")
