"""Bringing a database to the schema of this code, and telling what is wrong where that cannot be.

Alembic is imported only where there is something to migrate or to explain: it would be an eighth of the time that a
server or a worker needs to start.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import URL

from db import errors
from db.bundled import bundled
from db.session import Database

if TYPE_CHECKING:
    from alembic.config import Config

# The newest revision under alembic/versions; a test compares.
SCHEMA_REVISION = "2f0c6b9d81e4"

# Reading every page of a larger file would delay the start by seconds; what is wrong in there shows when it is read.
_FULL_CHECK_BYTES = 128 * 2**20


def alembic_config(url: str | None = None) -> Config:
    """Alembic's configuration, in a checkout and in a wheel; `url` is for commands that need no open connection."""
    from alembic.config import Config

    folder = bundled("migrations")
    if folder is None:
        raise FileNotFoundError("the migrations are missing: install FlexDSE from a wheel or a whole checkout")
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def is_known(revision: str) -> bool:
    """This code can bring a database of that schema to its own."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(alembic_config())
    return revision in {script.revision for script in scripts.walk_revisions()}


def _current_revision(connection: Connection, url: URL) -> str | None:
    """The schema of the database, None where it is empty.

    Raises:
        UnusableDatabaseError: the tables are not ours, or newer than this code.
    """
    tables = inspect(connection).get_table_names()
    if "alembic_version" not in tables:
        if tables:
            raise errors.foreign(url)
        return None
    current: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if current is not None and current != SCHEMA_REVISION and not is_known(current):
        # Alembic is popular: its table alone does not make a database ours.
        raise errors.too_new(url, current, SCHEMA_REVISION) if "job" in tables else errors.foreign(url)
    return current


def check_schema(database: Database) -> None:
    """That the database has the schema of this code.

    Raises:
        DatabaseError: it has another, or cannot be read.
    """
    errors.check_there(database.url)
    with database.translated_errors(), database.connect_read_only() as connection:
        current = _current_revision(connection, database.url)
    if current != SCHEMA_REVISION:
        raise errors.not_migrated(database.url, current, SCHEMA_REVISION)


def upgrade(url: str, revision: str = SCHEMA_REVISION) -> None:
    """Brings the database at `url` up to a schema, by default that of this code; a new SQLite file is made.

    Raises:
        UnusableDatabaseError: the file is damaged, is not ours, is newer than this code, or may not be written.
        DatabaseError: it cannot be reached, or the disk is full.
    """
    database = Database(url)
    try:
        with _alone(database.url), database.translated_errors():
            _check_pages(database)
            _upgrade(database, revision)
    finally:
        database.close()


def _upgrade(database: Database, revision: str) -> None:
    with database.engine.connect() as connection:
        current = _current_revision(connection, database.url)
        connection.rollback()  # Alembic begins its own transactions
        if current in (revision, SCHEMA_REVISION):
            return
        from alembic import command

        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _check_pages(database: Database) -> None:
    """That an SQLite file is not damaged anywhere, as far as that can be told quickly."""
    if database.url.get_backend_name() != "sqlite":
        return
    path = Path(str(database.url.database))
    try:
        size = path.stat().st_size if path.is_file() else 0
    except OSError:
        return  # opening it will say what is wrong
    if 0 < size <= _FULL_CHECK_BYTES:
        with database.connect_read_only() as connection:
            verdict = connection.execute(text("PRAGMA quick_check(1)")).scalar_one()
        if verdict != "ok":
            raise errors.corrupt(database.url, str(verdict).splitlines()[-1])


@contextmanager
def _alone(url: URL) -> Iterator[None]:
    """Two processes that open a new SQLite file together migrate it one after the other.

    The lock is on the folder, so it leaves no file behind. PostgreSQL has a lock of its own, see alembic/env.py.
    """
    if url.get_backend_name() != "sqlite":
        yield
        return
    try:
        descriptor = os.open(Path(str(url.database)).resolve().parent, os.O_RDONLY)
    except OSError:
        yield  # opening the database will say what is wrong
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
