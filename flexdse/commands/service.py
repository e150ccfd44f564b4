"""`flexdse serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flexdse.console import emit, note

if TYPE_CHECKING:
    from flexdse.serve import Address

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


def synthesis_cache() -> Path:
    """FLEXDSE_HOME/synthesis, in a data folder as private as the service makes it.

    Raises:
        InputError: the data folder cannot be used.
    """
    import os

    from db.data_folder import private_folder

    return private_folder(data_folder(os.environ.get("FLEXDSE_HOME"))) / "synthesis"


def serve(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; users of another need the token or a key.")
    ] = ("127.0.0.1"),
    port: Annotated[
        int | None, typer.Option("--port", help=f"Port; default {DEFAULT_PORT} or the next free one.")
    ] = None,
    home: Home = None,
    workers: Annotated[
        bool, typer.Option("--workers/--no-workers", help="Do the work too, or leave it to `flexdse worker`.")
    ] = True,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Serve every user of this machine; only on a loopback address.")
    ] = False,
    allowed_host: Annotated[
        list[str] | None, typer.Option("--allowed-host", help="Further name that users call this server by.")
    ] = None,
) -> None:
    """REST API, dashboard and workers, until Ctrl-C. The address that it prints opens the dashboard."""
    from db.bundled import bundled
    from flexdse.serve import serve as run
    from workers.logs import log_to_stderr, logs_are_json

    log_to_stderr()

    def say(address: Address) -> None:
        line = f"FlexDSE at {address.login_url()} (Ctrl-C stops it)"
        if logs_are_json():  # whoever reads stderr reads JSON lines only
            emit(line)
            return
        note(line)
        if bundled("dashboard") is None:
            note("Its dashboard is not built: run `make dashboard`, also while it runs. The REST API is there.")

    run(
        host=host,
        port=DEFAULT_PORT if port is None else port,
        strict_port=port is not None,
        home=data_folder(home),
        workers=workers,
        authentication=not no_auth,
        allowed_hosts=allowed_host or (),
        on_ready=say,
    )
