"""`flexdse db upgrade|backup|restore|vacuum`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flexdse.commands.service import Home, data_folder
from flexdse.console import emit

db = typer.Typer(help="The database.", no_args_is_help=True)

Days = Annotated[float | None, typer.Option(min=0)]


@db.command("upgrade")
def upgrade(home: Home = None) -> None:
    """Bring the database to the newest schema."""
    from db.data_folder import locked_home, prepare_home
    from db.migrations import upgrade as migrate
    from db.settings import Locations

    folder = data_folder(home)
    locations = Locations.of(folder)  # refuses a name before anything is made
    if not locations.is_local:
        migrate(locations.database_url)
        emit("the database is up to date")
        return
    folder = prepare_home(folder)
    with locked_home(folder):  # not under a server that runs
        migrate(locations.database_url)
    emit(f"{folder}: the database is up to date")


@db.command("backup")
def backup(
    target: Annotated[Path, typer.Argument(help="New tar file for rows and artifacts; only you can read it.")],
    home: Home = None,
) -> None:
    """Write all rows and artifacts to one file. The service may run meanwhile."""
    from db.artifacts import ArtifactStore
    from db.backup import backup as write
    from db.session import Database
    from db.settings import Locations

    locations = Locations.of(data_folder(home))
    database = Database(locations.database_url)
    try:
        summary = write(database, ArtifactStore.open(locations.artifacts_url), target)
    finally:
        database.close()
    emit(f"{target}: {sum(summary.rows.values())} rows, {summary.blobs} artifact files")
    if summary.missing_blobs:
        emit(f"{summary.missing_blobs} artifact files were gone from the store already")


@db.command("restore")
def restore(
    source: Annotated[Path, typer.Argument(help="File of `flexdse db backup`.")],
    home: Home = None,
) -> None:
    """Fill an empty database and its artifact store from a backup, of this version or an older one."""
    from contextlib import nullcontext

    from db.artifacts import ArtifactStore
    from db.backup import restore as read
    from db.data_folder import locked_home, prepare_home
    from db.settings import Locations

    folder = data_folder(home)
    locations = Locations.of(folder)
    if locations.is_local:
        folder = prepare_home(folder)
    with locked_home(folder) if locations.is_local else nullcontext():
        summary = read(locations.database_url, ArtifactStore.open(locations.artifacts_url), source)
    emit(f"restored {sum(summary.rows.values())} rows and {summary.blobs} artifact files")


@db.command("vacuum")
def vacuum(
    home: Home = None,
    event_days: Annotated[float, typer.Option(min=0, help="Keep events that long.")] = 30,
    job_log_days: Annotated[float, typer.Option(min=0, help="Keep logs of ended jobs that long.")] = 90,
    audit_days: Annotated[float, typer.Option(min=0, help="Keep the audit log that long.")] = 365,
    artifact_days: Annotated[
        float | None, typer.Option(min=0, help="Keep artifacts that long; default for ever.")
    ] = None,
    artifact_gib: Annotated[
        float | None, typer.Option(min=0, help="Keep so many GiB of artifacts, the newest ones; default all.")
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Files too that lost their name today; not while a server or worker runs.")
    ] = False,
) -> None:
    """Delete what is older than it need be and files that nobody names, and give the room back.

    0 days keep nothing. Files that lost their last name go a day later, for a job at its end may name them again; with --now
    at once.
    """
    from contextlib import nullcontext
    from dataclasses import asdict

    from db.artifacts import ArtifactStore
    from db.backup import compact
    from db.data_folder import locked_home
    from db.migrations import check_schema
    from db.session import Database
    from db.settings import Locations
    from workers.housekeeping import Retention, sweep

    folder = data_folder(home)
    locations = Locations.of(folder)
    database = Database(locations.database_url)
    retention = Retention(
        event_days=event_days,
        job_log_days=job_log_days,
        audit_days=audit_days,
        artifact_days=artifact_days,
        artifact_bytes=round(artifact_gib * 2**30) if artifact_gib is not None else None,
    )
    try:
        check_schema(database)
        with locked_home(folder) if now and locations.is_local else nullcontext():
            store = ArtifactStore.open(locations.artifacts_url)
            swept = sweep(database, store, retention, **({"grace_s": 0.0} if now else {}))
            compact(database)
    finally:
        database.close()
    for name, count in asdict(swept).items():
        emit(f"{count:8d} {name.replace('_', ' ')}")
