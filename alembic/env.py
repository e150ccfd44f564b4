"""How Alembic reaches the database: through the connection of `db.migrations`, or by `-x url=...` from a shell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from alembic import context

import db.models  # noqa: F401  (fills the metadata)
from db.base import Base, UtcDateTime
from db.session import create_database_engine, parse_url

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

# Any number that no other program takes a PostgreSQL advisory lock on.
ADVISORY_LOCK = 7_302_511_884


def render_type(kind: str, value: Any, _context: Any) -> str | Literal[False]:
    """A revision is frozen in time, so it spells out types of the database instead of naming ours."""
    if kind == "type" and isinstance(value, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(value, sa.JSON):
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def options(dialect: str) -> dict[str, Any]:
    return {
        "target_metadata": Base.metadata,
        # SQLite cannot alter a table in place: Alembic copies it.
        "render_as_batch": dialect == "sqlite",
        "transaction_per_migration": True,
        "compare_type": True,
        "compare_server_default": True,
        "render_item": render_type,
    }


@contextmanager
def references_unchecked(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by copying and dropping it, and dropping it would delete whatever refers to it."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.dbapi_connection
    assert driver is not None
    driver.cursor().execute("PRAGMA foreign_keys=OFF")  # of no effect within a transaction, so not in a revision
    try:
        yield
        broken = driver.cursor().execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"the migration left references to nothing: {broken[:5]}")
    finally:
        driver.cursor().execute("PRAGMA foreign_keys=ON")


def run(connection: Connection) -> None:
    context.configure(connection=connection, **options(connection.dialect.name))
    if connection.dialect.name == "postgresql":
        # Replicas that start together migrate one after the other; the lock goes with the connection.
        connection.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": ADVISORY_LOCK})
        connection.commit()
    with references_unchecked(connection), context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    connection = context.config.attributes.get("connection")
    if connection is not None:
        run(connection)
        return
    engine = create_database_engine(parse_url(_url()))
    try:
        with engine.connect() as own:
            run(own)
    finally:
        engine.dispose()


def run_offline() -> None:
    url = parse_url(_url())
    context.configure(
        url=url,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        **options(url.get_backend_name()),
    )
    with context.begin_transaction():
        context.run_migrations()


def _url() -> str:
    url = context.get_x_argument(as_dictionary=True).get("url") or context.config.attributes.get("url")
    if not isinstance(url, str):
        raise SystemExit("say which database: alembic -x url=sqlite:///file.db ...")
    return url


if context.is_offline_mode():
    run_offline()
else:
    run_online()
