"""`flexdse serve`, `flexdse worker`, `flexdse db upgrade`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flexdse.console import emit, note

db = typer.Typer(help="The database.", no_args_is_help=True)

Home = Annotated[
    Path | None, typer.Option("--home", envvar="FLEXDSE_HOME", help="Data folder; default ~/.local/share/flexdse.")
]
DEFAULT_PORT = 8000


def data_folder(home: Path | None) -> Path:
    """The data folder: as given, else under XDG_DATA_HOME or ~/.local/share."""
    import os

    if home is not None:
        return home
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "flexdse"


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
    from db.data_folder import database_url
    from db.migrations import upgrade as migrate

    url = database_url(data_folder(home))
    migrate(url)
    emit("database is up to date")
