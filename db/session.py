"""The engine and the unit of work: one transaction a block, committed at its end, by nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.errors import translate
from db.repositories.api_keys import ApiKeys
from db.repositories.artifacts import Artifacts
from db.repositories.audit import AuditLog
from db.repositories.calibrations import Calibrations
from db.repositories.events import Events
from db.repositories.explorations import Explorations
from db.repositories.figures import Figures
from db.repositories.idempotency import IdempotencyKeys
from db.repositories.job_events import JobEvents
from db.repositories.job_logs import JobLogs
from db.repositories.jobs import Jobs
from db.repositories.licences import Licences
from db.repositories.measurements import Measurements
from db.repositories.outbox import Outbox, QueuedJob
from db.repositories.projects import Projects
from db.repositories.reports import Reports
from db.repositories.runs import Runs
from db.repositories.sweeps import Sweeps
from db.repositories.uploads import Uploads
from spec.errors import InputError

BUSY_TIMEOUT_MS = 30_000
_READ_ONLY = "flexdse_read_only"


OnQueued = Callable[[Sequence[QueuedJob]], None]


class UnitOfWork:
    """The repositories of one transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.outbox = Outbox()
        self.jobs = Jobs(session, self.outbox)
        self.job_events = JobEvents(session)
        self.job_logs = JobLogs(session)
        self.events = Events(session)
        self.licences = Licences(session)
        self.explorations = Explorations(session)
        self.measurements = Measurements(session)
        self.sweeps = Sweeps(session)
        self.projects = Projects(session)
        self.runs = Runs(session)
        self.reports = Reports(session)
        self.calibrations = Calibrations(session)
        self.artifacts = Artifacts(session)
        self.uploads = Uploads(session)
        self.api_keys = ApiKeys(session)
        self.audit = AuditLog(session)
        self.idempotency_keys = IdempotencyKeys(session)
        self.figures = Figures(session)


def parse_url(url: str) -> URL:
    """`url` as SQLAlchemy takes it, with the driver that we ship with.

    Raises:
        InputError: not an address of SQLite or PostgreSQL.
    """
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except Exception as error:
        raise _bad_url(url) from error
    if backend not in ("sqlite", "postgresql") or (backend == "sqlite" and parsed.database in (None, "", ":memory:")):
        raise _bad_url(url)
    return parsed


def _bad_url(url: str) -> InputError:
    return InputError(
        "not the address of a database",
        field="database",
        value=url.split("@")[-1],  # what stands before may hold a password
        rule="sqlite:///<file> or postgresql+psycopg://<user>@<host>/<name>",
        hint="leave it out to use the data folder",
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transactions start too late (and not at all before DDL): BEGIN is ours, see below.
    connection.isolation_level = None
    cursor = connection.cursor()
    # WAL: the pages that readers see do not block the one writer, nor the other way round. With it, NORMAL loses
    # nothing when a process dies; a power cut may take the last commits, never the consistency.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer that begins as a reader can be refused halfway without waiting (its snapshot is old by then).
    read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def create_database_engine(url: URL) -> Engine:
    """An engine with the settings that the rest of the code counts on."""
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(url, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            raise InputError(
                f"the driver {error.name} is not installed",
                field="database",
                value=url.drivername,
                rule="PostgreSQL needs its driver",
                hint="install the Python package psycopg[binary], or leave the address out to use the data folder",
            ) from error
    engine = create_engine(url)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


class Database:
    """An open database. Threads may share it; processes each open their own."""

    def __init__(self, url: str, on_queued: OnQueued | None = None) -> None:
        """`on_queued` hears of the jobs that a transaction put into the queue, once it is committed."""
        self._on_queued = on_queued
        self.url = parse_url(url)
        self.engine = create_database_engine(self.url)
        self._reader = self.engine.execution_options(**{_READ_ONLY: True})

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Turns what a driver says about the state of the database into a message for the user."""
        try:
            yield
        except DBAPIError as error:
            known = translate(self.url, error)
            if known is None:
                raise
            raise known from error

    def connect_read_only(self) -> Connection:
        """A bare connection, for questions about the schema."""
        return self._reader.connect()

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A bare connection in a transaction that sees one state of everything, however long it takes."""
        connection = self.connect_read_only()
        if self.url.get_backend_name() == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        with connection, connection.begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """A consistent view; it takes no lock that a writer would wait for."""
        with self.translated_errors(), Session(self._reader, expire_on_commit=False) as session, session.begin():
            yield UnitOfWork(session)

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        with self.translated_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            work = UnitOfWork(session)
            yield work
            work.outbox.write_events(session)
        if self._on_queued is not None and (queued := work.outbox.queued):
            self._on_queued(queued)

    def close(self) -> None:
        """Closes every connection."""
        self.engine.dispose()
