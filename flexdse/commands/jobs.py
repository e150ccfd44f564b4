"""`flexdse jobs list|show|logs|cancel|retry|seats`: the jobs of a data folder, or of a service with --server."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flexdse.commands.service import Home, data_folder
from flexdse.console import emit, emit_json, note, table
from flexdse.options import AsJson, Server

if TYPE_CHECKING:
    from flexdse.job_sources import JobsOfFolder, JobsOfService

jobs = typer.Typer(help="Jobs: what the workers have to do, do and did.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(help="Id of a job, as `flexdse jobs list` shows it.")]
_PAGE = 500


def _source(
    context: typer.Context, home: str | None, server: str | None
) -> AbstractContextManager[JobsOfFolder | JobsOfService]:
    from flexdse.job_sources import JobsOfFolder, JobsOfService
    from spec.errors import InputError

    of_folder, of_service = (_is_typed(context, name) for name in ("home", "server"))
    if server is None or (of_folder and not of_service):  # an option wins over the environment
        return JobsOfFolder(data_folder(home))
    if of_folder:
        raise InputError(
            "jobs are those of a data folder or those of a service",
            field="--server",
            value=server,
            rule="--home or --server, not both",
            hint="leave one of them out",
        )
    return JobsOfService(server)


def _is_typed(context: typer.Context, name: str) -> bool:
    """It was given as an option, not by the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@jobs.command("list")
def list_jobs(
    context: typer.Context,
    home: Home = None,
    server: Server = None,
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
    with _source(context, home, server) as source:
        found = source.jobs(state, kind, limit)
    if as_json:
        emit_json(found)
        return
    header = ["id", "kind", "state", "attempt", "created", "cause"]
    emit(
        table([_row(job) for job in found], header, text=("kind", "state", "created", "cause")) if found else "no jobs"
    )


def _row(job: dict[str, Any]) -> list[str]:
    created = str(job["created_at"])[:19].replace("T", " ")
    attempt = f"{job['attempt']}/{job['max_attempts']}"
    return [job["id"], job["kind"], job["state"], attempt, created, job["cause"] or ""]


@jobs.command("show")
def show(context: typer.Context, job_id: JobId, home: Home = None, server: Server = None) -> None:
    """One job, as JSON."""
    with _source(context, home, server) as source:
        emit_json(source.job(job_id))


@jobs.command("logs")
def logs(
    context: typer.Context,
    job_id: JobId,
    home: Home = None,
    server: Server = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more until the job ended.")] = False,
) -> None:
    """What a job and its tools printed."""
    with _source(context, home, server) as source:
        for line in source.lines(job_id, follow):
            emit(line)


@jobs.command("cancel")
def cancel(context: typer.Context, job_id: JobId, home: Home = None, server: Server = None) -> None:
    """Cancel a job: at once where it is queued, within a second where it runs."""
    with _source(context, home, server) as source:
        note(f"{job_id}: {source.cancel(job_id)['state']}, to be cancelled")


@jobs.command("retry")
def retry(context: typer.Context, job_id: JobId, home: Home = None, server: Server = None) -> None:
    """Put a job that failed or was cancelled back into the queue."""
    with _source(context, home, server) as source:
        note(f"{job_id}: {source.retry(job_id)['state']}")


@jobs.command("seats")
def seats(
    context: typer.Context,
    pool: Annotated[str | None, typer.Argument(help="Licence pool; vitis is that of AMD's tools.")] = None,
    count: Annotated[int | None, typer.Argument(min=0, help="Jobs that may use it at once.")] = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Take the limit of the pool away.")] = False,
    home: Home = None,
) -> None:
    """Show, or set, how many jobs may hold a seat of a licence at once, on all workers together."""
    from db.migrations import check_schema
    from db.session import Database
    from db.settings import Locations

    database = Database(Locations.of(data_folder(home)).database_url)
    try:
        check_schema(database)
        if pool is not None and (count is not None or no_limit):
            with database.write() as work:
                work.licences.set_seats(pool, None if no_limit else count)
        with database.read() as work:
            limits, used = work.licences.seats(), work.licences.in_use()
    finally:
        database.close()
    rows = [[name, str(limits[name]), str(used.get(name, 0))] for name in sorted(limits)]
    emit(table(rows, ["pool", "seats", "in use"]) if rows else "no licence pool has a limit")
