"""What can be wrong with a database, each as one message with a way out."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from spec.errors import FlexDSEError


class DatabaseError(FlexDSEError):
    """The database does not answer as it should."""

    code = "database_unavailable"
    http_status = 503


class UnusableDatabaseError(DatabaseError):
    """The database as it stands can never be used; the user has to act."""

    code = "database_unusable"
    exit_code = 2


def shown(url: URL) -> str:
    """The database as a user knows it: the file, or the address without the password."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


def corrupt(url: URL, what: str) -> UnusableDatabaseError:
    """The file is damaged or something else."""
    return UnusableDatabaseError(
        f"the database file is damaged: {what}",
        field="database",
        value=shown(url),
        rule="must be an undamaged SQLite database of FlexDSE",
        hint="restore it from a backup, or move it away: then an empty one is made",
    )


def foreign(url: URL) -> UnusableDatabaseError:
    """A sound database, but somebody else's."""
    return UnusableDatabaseError(
        "the database holds tables of another program",
        field="database",
        value=shown(url),
        rule="must be empty or made by FlexDSE",
        hint="name another database file, or another data folder",
    )


def too_new(url: URL, revision: str, known_head: str) -> UnusableDatabaseError:
    """Written by a version that came after this code."""
    return UnusableDatabaseError(
        f"the database was written by a newer FlexDSE (its schema {revision!r} is unknown here)",
        field="database",
        value=shown(url),
        rule=f"its schema must be one that this version knows, up to {known_head!r}",
        hint="update FlexDSE, or use another data folder",
    )


def not_migrated(url: URL, revision: str | None, head: str) -> DatabaseError:
    """Older than this code."""
    return DatabaseError(
        f"the database has the schema {revision!r}, this version needs {head!r}",
        field="database",
        value=shown(url),
        rule="must be migrated",
        hint="run: flexdse db upgrade",
    )


def _unopenable(url: URL) -> UnusableDatabaseError:
    return UnusableDatabaseError(
        "the database file cannot be opened",
        field="database",
        value=shown(url),
        rule="must be a file, or a new one in a folder, that this user may read and write",
        hint="check the path and its permissions, or name another data folder",
    )


def check_there(url: URL) -> None:
    """Refuses the file of a service that never ran, which SQLite would make, empty.

    Raises:
        UnusableDatabaseError: there is no such file.
    """
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise UnusableDatabaseError(
            "no service has run with this data folder: it has no database",
            field="database",
            value=shown(url),
            rule="the first `flexdse serve` on a data folder makes it",
            hint="run flexdse serve (or, for workers alone, flexdse db upgrade), or name the data folder of your service by --home or FLEXDSE_HOME",
        )


def _read_only(url: URL) -> UnusableDatabaseError:
    return UnusableDatabaseError(
        "the database cannot be written",
        field="database",
        value=shown(url),
        rule="the file and its folder must be writable for this user",
        hint="check the permissions, or name another data folder",
    )


def _full(url: URL) -> DatabaseError:
    return DatabaseError(
        "the disk with the database is full",
        field="database",
        value=shown(url),
        rule="a change needs free space; the change that failed left nothing behind",
        hint="free some space, as by flexdse db vacuum --artifact-days DAYS, and try again",
    )


def _input_output(url: URL) -> DatabaseError:
    return DatabaseError(
        "the disk with the database fails",
        field="database",
        value=shown(url),
        rule="the file must be readable and writable at any time",
        hint="check for a full or broken disk, or a lost network mount, and try again",
    )


def _busy(url: URL) -> DatabaseError:
    return DatabaseError(
        "the database is locked by another program",
        field="database",
        value=shown(url),
        rule="nobody may hold it for longer than half a minute",
        hint="end the program that holds it, and try again",
    )


def translate(url: URL, error: DBAPIError) -> FlexDSEError | None:
    """The message behind a driver's error; None where the error is our own mistake and wants a traceback."""
    name = str(getattr(error.orig, "sqlite_errorname", ""))
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return corrupt(url, str(error.orig))
    if name.startswith("SQLITE_CANTOPEN"):
        return _unopenable(url)
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return _read_only(url)
    if name.startswith("SQLITE_FULL"):
        return _full(url)
    if name.startswith("SQLITE_IOERR"):
        return _input_output(url)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return _busy(url)
    if getattr(error.orig, "sqlstate", None) == "53100":  # disk_full of PostgreSQL
        return _full(url)
    if error.connection_invalidated or (not name and type(error).__name__ == "OperationalError"):
        return DatabaseError(
            "the database cannot be reached",
            field="database",
            value=shown(url),
            rule="must accept connections",
            hint="start the database server or correct its address",
        )
    return None
