"""`flexdse serve` and `flexdse db upgrade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flexdse.console import emit, note

db = typer.Typer(help="The database.", no_args_is_help=True)

Home = Annotated[
    str | None, typer.Option("--home", envvar="FLEXDSE_HOME", help="Data folder; default ~/.local/share/flexdse.")
]
DEFAULT_PORT = 8000


def data_folder(home: str | None) -> Path:
    """The data folder: as given, else under XDG_DATA_HOME or ~/.local/share.

    Raises:
        InputError: an empty name, or a user without a home folder.
    """
    import os

    from spec.errors import InputError

    if home is None:
        home = str(Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "flexdse")
    try:
        if home.strip():
            return Path(home).expanduser()
        problem = "the data folder has no name"
    except RuntimeError:
        problem = "this user has no home folder"
    raise InputError(
        problem,
        field="home",
        value=home,
        rule="must be the path of a folder",
        hint="set FLEXDSE_HOME or --home to a folder of yours",
    )


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; only loopback so far.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", help=f"Port; default {DEFAULT_PORT} or the next free one.")
    ] = None,
    home: Home = None,
) -> None:
    """REST API, dashboard and one worker, until Ctrl-C."""
    from flexdse.serve import serve as run

    run(
        host=host,
        port=DEFAULT_PORT if port is None else port,
        strict_port=port is not None,
        home=data_folder(home),
        on_ready=lambda url: note(f"FlexDSE at {url} (Ctrl-C stops it)"),
    )


@db.command("upgrade")
def upgrade(home: Home = None) -> None:
    """Bring the database to the newest schema."""
    from db.data_folder import database_url, locked_home, prepare_home
    from db.migrations import upgrade as migrate

    folder = data_folder(home)
    url = database_url(folder)  # refuses a name before anything is made
    folder = prepare_home(folder)
    with locked_home(folder):  # not under a server that runs
        migrate(url)
    emit(f"{folder}: the database is up to date")
