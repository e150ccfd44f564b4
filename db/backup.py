"""Backup and restore: one tar file with every row and every artifact, the same from SQLite and PostgreSQL.

The rows are JSON lines, so a backup made on a laptop restores into the PostgreSQL of a cluster and back. A backup of an
older version is restored into its own schema first, which is then migrated like any database of that age.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table, insert, select, text

from db import errors
from db.artifacts import ArtifactMissing, ArtifactStore
from db.base import Base, utc_now
from db.migrations import SCHEMA_REVISION, check_schema, is_known, upgrade
from db.session import Database
from spec.errors import FlexDSEError, InputError
from spec.versions import FLEXDSE_VERSION

_SCHEMA = "flexdse/backup/v1"
_MANIFEST = "manifest.json"
_ROWS_AT_ONCE = 500
_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """What went into a backup or came out of one."""

    rows: dict[str, int]
    blobs: int
    missing_blobs: int


def backup(database: Database, store: ArtifactStore, target: Path) -> BackupSummary:
    """Writes everything to the tar file `target`, from one consistent view; the service may go on meanwhile.

    Raises:
        DatabaseError: the database has another schema than this code.
        InputError: `target` exists, or cannot be written.
    """
    check_schema(database)
    if target.exists():
        raise InputError(
            "a file of that name exists",
            field="target",
            value=str(target),
            rule="a backup never replaces a file",
            hint="choose another name",
        )
    partial = target.with_name(f".{target.name}.partial")
    try:
        # It holds what users may keep from each other, and hashes of their keys: for its owner alone.
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w|") as archive:
                summary = _write(database, store, archive)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    except OSError as error:
        raise InputError(
            f"the backup cannot be written: {error.strerror}",
            field="target",
            value=str(target),
            rule="must be a new file, in a folder with free space that this user may write",
            hint="choose another place",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return summary


def _write(database: Database, store: ArtifactStore, archive: tarfile.TarFile) -> BackupSummary:
    rows: dict[str, int] = {}
    with database.translated_errors(), database.snapshot() as connection:
        for table in Base.metadata.sorted_tables:
            with tempfile.TemporaryFile() as lines:
                rows[table.name] = _dump(connection, table, lines)
                _add(archive, f"tables/{table.name}.jsonl", lines)
        sha256s = list(connection.execute(text("SELECT sha256 FROM blob ORDER BY sha256")).scalars())
    missing = 0
    for sha256 in sha256s:
        try:
            with store.open_read(sha256) as stream:
                _add(archive, f"blobs/{sha256}", stream)
        except ArtifactMissing:
            missing += 1
    manifest = {
        "schema": _SCHEMA,
        "flexdse_version": FLEXDSE_VERSION,
        "revision": SCHEMA_REVISION,
        "created_at": utc_now().isoformat(),
        "rows": rows,
        "blobs": len(sha256s) - missing,
        "missing_blobs": missing,
    }
    # Last: a backup without it was cut off.
    _add(archive, _MANIFEST, io.BytesIO(json.dumps(manifest, indent=2).encode()))
    return BackupSummary(rows, len(sha256s) - missing, missing)


def _dump(connection: Connection, table: Table, lines: IO[bytes]) -> int:
    count = 0
    result = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(
        select(table).order_by(*table.primary_key.columns)
    )
    for row in result.mappings():
        document = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        lines.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def _add(archive: tarfile.TarFile, name: str, stream: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = stream.seek(0, os.SEEK_END)
    entry.mode = 0o600
    stream.seek(0)
    archive.addfile(entry, stream)


def restore(url: str, store: ArtifactStore, source: Path) -> BackupSummary:
    """Fills the empty database at `url`, and the artifact store, from the tar file `source`.

    Raises:
        InputError: `source` is no backup, or damaged; the database is not empty.
        UnusableDatabaseError: the backup comes from a newer version.
    """
    try:
        with tarfile.open(source) as archive:
            manifest = _manifest(archive, source)
            return _restore(url, store, archive, manifest)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _unreadable(source, str(error)) from error


def _unreadable(source: Path, why: str) -> InputError:
    return InputError(
        f"this backup cannot be read: {why}",
        field="source",
        value=str(source),
        rule="must be a whole file that flexdse db backup wrote",
        hint="take an older backup",
    )


def _manifest(archive: tarfile.TarFile, source: Path) -> dict[str, Any]:
    try:
        member = archive.extractfile(_MANIFEST)
        manifest = json.load(cast(BinaryIO, member))
    except (KeyError, ValueError) as error:
        raise _unreadable(source, "it has no manifest, so it was cut off") from error
    if not isinstance(manifest, dict) or manifest.get("schema") != _SCHEMA:
        raise _unreadable(source, "its manifest is of another kind")
    return manifest


def _restore(url: str, store: ArtifactStore, archive: tarfile.TarFile, manifest: dict[str, Any]) -> BackupSummary:
    database = Database(url)
    revision = str(manifest["revision"])
    if not is_known(revision):
        raise errors.too_new(database.url, revision, SCHEMA_REVISION)
    try:
        upgrade(url, revision)
        with database.translated_errors(), database.engine.connect() as connection:
            tables = MetaData()
            tables.reflect(connection)
            _require_empty(database, connection, tables)
        # The files first, each under its hash: without rows they mean nothing, and a second try finds them there.
        blobs = _load_blobs(store, archive)
        rows: dict[str, int] = {}
        with database.translated_errors(), database.engine.begin() as connection:
            tables = MetaData()
            tables.reflect(connection)
            _require_empty(database, connection, tables)
            # The whole set refers to itself, in order, so no reference is ever left open.
            for table in tables.sorted_tables:
                if table.name in manifest["rows"]:
                    rows[table.name] = _load(connection, table, archive)
            if rows != manifest["rows"]:
                raise _unreadable(Path(str(archive.name)), "rows are missing")
        upgrade(url)
    finally:
        database.close()
    return BackupSummary(rows, blobs, int(manifest["missing_blobs"]))


def _load_blobs(store: ArtifactStore, archive: tarfile.TarFile) -> int:
    """Stores every artifact file of the archive; how many there are."""
    blobs = 0
    for member in archive:
        if member.name.startswith("blobs/"):
            content = archive.extractfile(member)
            assert content is not None
            if store.put(cast(BinaryIO, content)).sha256 != member.name.removeprefix("blobs/"):
                raise _unreadable(Path(str(archive.name)), f"{member.name} is damaged")
            blobs += 1
    return blobs


def _require_empty(database: Database, connection: Connection, tables: MetaData) -> None:
    for table in tables.sorted_tables:
        if table.name != "alembic_version" and connection.execute(select(sa.literal(1)).select_from(table)).first():
            raise InputError(
                "the database is not empty",
                field="database",
                value=errors.shown(database.url),
                rule="a backup is restored into an empty database",
                hint="name another data folder or database, or move this one away",
            )


def _load(connection: Connection, table: Table, archive: tarfile.TarFile) -> int:
    lines = archive.extractfile(f"tables/{table.name}.jsonl")
    assert lines is not None
    count = 0
    for batch in _batches(lines):
        connection.execute(insert(table), [_row(table, document, connection.dialect.name) for document in batch])
        count += len(batch)
    if connection.dialect.name == "postgresql":
        _continue_counting(connection, table)
    return count


def _batches(lines: IO[bytes]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for line in lines:
        batch.append(json.loads(line))
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(table: Table, document: dict[str, Any], dialect: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in document.items():
        kind = table.columns[name].type
        if value is not None and isinstance(kind, sa.DateTime):
            moment = datetime.fromisoformat(value).astimezone(UTC)
            row[name] = moment.replace(tzinfo=None) if dialect == "sqlite" else moment
        elif value is None and isinstance(kind, sa.JSON):
            row[name] = sa.null()  # not the JSON null
        else:
            row[name] = value
    return row


def _continue_counting(connection: Connection, table: Table) -> None:
    for column in table.primary_key.columns:
        with suppress(AttributeError):
            sequence = connection.execute(
                text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
            ).scalar()
            if sequence is not None:
                highest = connection.execute(select(sa.func.max(column))).scalar()
                connection.execute(
                    text("SELECT setval(:sequence, :value, :used)"),
                    {"sequence": sequence, "value": highest or 1, "used": highest is not None},
                )


def compact(database: Database) -> None:
    """Gives the room of deleted rows back.

    Raises:
        FlexDSEError: there is no room for the copy that this takes.
    """
    with database.translated_errors():
        connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if database.url.get_backend_name() == "sqlite":
                driver = connection.connection.dbapi_connection
                assert driver is not None
                for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA optimize"):
                    driver.cursor().execute(statement).fetchall()
            else:
                connection.exec_driver_sql("VACUUM (ANALYZE)")
        except Exception as error:
            if isinstance(error, sa.exc.DBAPIError):
                raise
            raise FlexDSEError(
                f"the database cannot be compacted: {error}",
                field="database",
                value=errors.shown(database.url),
                rule="needs as much free space as the database takes",
                hint="free some space and try again; nothing was lost",
            ) from error
        finally:
            connection.close()
