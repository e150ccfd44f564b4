"""Backup, restore, compacting: what comes back is what was there, whatever database it comes back to."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from db.artifacts import ArtifactStore, ArtifactStoreError
from db.backup import backup, compact, restore
from db.base import Base
from db.errors import UnusableDatabaseError
from db.migrations import SCHEMA_REVISION, alembic_config, upgrade
from db.repositories.explorations import SUMMARY_FIELDS
from db.session import Database
from spec.errors import InputError
from tests.db.sample_rows import (
    fill,
    fill_first_revision,
    fill_fourth_revision,
    fill_second_revision,
    fill_third_revision,
)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(tmp_path / "artifacts")


@pytest.fixture(params=["sqlite", "postgresql"])
def target_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database to restore into."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'restored.db'}"
        return
    with request.getfixturevalue("postgres").new_database() as url:
        yield url


def everything(url: str) -> dict[str, list[Any]]:
    database = Database(url)
    with database.snapshot() as connection:
        rows = {
            table.name: [
                tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            ]
            for table in Base.metadata.sorted_tables
        }
    database.close()
    return rows


def test_all_rows_and_files_come_back(
    database: Database, database_url: str, target_url: str, store: ArtifactStore, tmp_path: Path
) -> None:
    fill(database, store)
    made = backup(database, store, tmp_path / "backup.tar")
    assert min(made.rows.values()) >= 1, made.rows  # every table has something in it, so every one is tested
    restored_store = ArtifactStore.open(tmp_path / "restored artifacts")
    assert restore(target_url, restored_store, tmp_path / "backup.tar") == made
    assert everything(target_url) == everything(database_url)
    for sha256 in store.published():
        with store.open_read(sha256) as before, restored_store.open_read(sha256) as after:
            assert before.read() == after.read()
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600


def test_restored_database_goes_on_counting(
    database: Database, target_url: str, store: ArtifactStore, tmp_path: Path
) -> None:
    fill(database, store)
    backup(database, store, tmp_path / "backup.tar")
    restore(target_url, store, tmp_path / "backup.tar")
    restored = Database(target_url)
    with restored.read() as work:
        last = work.events.last_seq(None)
    with restored.write() as work:
        work.jobs.add(kind="explore", queue="search", subject_id="0", owner="local")
    with restored.read() as work:
        assert work.events.last_seq(None) > last
    restored.close()


def test_damaged_or_foreign_files_are_refused(sqlite_database: Database, store: ArtifactStore, tmp_path: Path) -> None:
    fill(sqlite_database, store)
    whole = tmp_path / "backup.tar"
    backup(sqlite_database, store, whole)
    content = whole.read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    (tmp_path / "text").write_text("no tar at all")
    with tarfile.open(tmp_path / "other", "w") as archive:
        archive.add(tmp_path / "text", "text")
    for name in ("cut", "text", "other", "absent"):
        with pytest.raises(InputError, match="cannot be read"):
            restore(f"sqlite:///{tmp_path / name}.db", store, tmp_path / name)


def test_restore_never_mixes_two_databases(sqlite_database: Database, store: ArtifactStore, tmp_path: Path) -> None:
    fill(sqlite_database, store)
    backup(sqlite_database, store, tmp_path / "backup.tar")
    before = everything(str(sqlite_database.url))
    with pytest.raises(InputError, match="not empty"):
        restore(str(sqlite_database.url), store, tmp_path / "backup.tar")
    assert everything(str(sqlite_database.url)) == before
    with pytest.raises(InputError, match="exists"):
        backup(sqlite_database, store, tmp_path / "backup.tar")


def test_restore_that_broke_off_can_be_done_again(
    sqlite_database: Database, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(sqlite_database, store)
    backup(sqlite_database, store, tmp_path / "backup.tar")
    new, url = ArtifactStore.open(tmp_path / "new"), f"sqlite:///{tmp_path / 'new.db'}"

    def full(_content: object) -> None:
        raise ArtifactStoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(new, "put", full)
        with pytest.raises(ArtifactStoreError):
            restore(url, new, tmp_path / "backup.tar")
    summary = restore(url, new, tmp_path / "backup.tar")
    assert (summary.blobs, len(list(new.published()))) == (1, 1)
    assert everything(url) == everything(str(sqlite_database.url))


def test_backup_of_a_newer_version_is_refused(sqlite_database: Database, store: ArtifactStore, tmp_path: Path) -> None:
    backup(sqlite_database, store, tmp_path / "backup.tar")
    changed = tmp_path / "changed.tar"
    with tarfile.open(tmp_path / "backup.tar") as source, tarfile.open(changed, "w") as target:
        for member in source:
            stream = source.extractfile(member)
            assert stream is not None
            content = stream.read()
            if member.name == "manifest.json":
                content = json.dumps({**json.loads(content), "revision": "ffffffffffff"}).encode()
                member.size = len(content)
            (tmp_path / "part").write_bytes(content)
            with (tmp_path / "part").open("rb") as part:
                target.addfile(member, part)
    with pytest.raises(UnusableDatabaseError, match="newer FlexDSE"):
        restore(f"sqlite:///{tmp_path / 'new.db'}", store, changed)


def test_missing_bytes_do_not_stop_a_backup(database: Database, store: ArtifactStore, tmp_path: Path) -> None:
    fill(database, store)
    for sha256 in list(store.published()):
        store.delete(sha256)
    summary = backup(database, store, tmp_path / "backup.tar")
    assert (summary.blobs, summary.missing_blobs) == (0, 1)


def test_compacting_gives_room_back(database: Database) -> None:
    with database.write() as work:
        for number in range(3000):
            work.audit.add(
                owner="local", action="a" * 60, resource=str(number), status=200, remote="-", request_id="0" * 32
            )
    with database.write() as work:
        work.session.execute(sa.text("DELETE FROM audit_entry"))
    path = Path(str(database.url.database))
    before = path.stat().st_size if path.is_file() else 0
    compact(database)
    if path.is_file():
        assert path.stat().st_size < before
    with database.write() as work:
        work.jobs.add(kind="explore", queue="search", subject_id="0", owner="local")


# Upgrades

FILLS: dict[str, Callable[[sa.Connection], None]] = {
    "8983e4aa89a0": fill_first_revision,
    "5b1f0c7d92e4": fill_second_revision,
    "c41d70a6b8f3": fill_third_revision,
    "7e92d4b015ca": fill_fourth_revision,
}


def test_there_is_data_for_every_earlier_revision() -> None:
    revisions = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    assert set(FILLS) == revisions - {SCHEMA_REVISION}


@pytest.mark.parametrize("revision", FILLS)
def test_upgrade_with_data_keeps_it(empty_database_url: str, revision: str, tmp_path: Path) -> None:
    command.upgrade(alembic_config(empty_database_url), revision)
    database = Database(empty_database_url)
    with database.engine.begin() as connection:
        FILLS[revision](connection)
    upgrade(empty_database_url)
    with database.read() as work:
        found = work.explorations.get_with_job("e000000000000001", "local")
        front = work.explorations.front("e000000000000001")
        history = work.explorations.history("e000000000000001")
        answer = work.idempotency_keys.get("local", "POST /api/v1/explorations", "key")
    assert found is not None
    exploration, job = found
    assert (exploration.labels, exploration.note, exploration.evaluations) == ([], "", 77)
    asked = {name: exploration.request[name] for name in SUMMARY_FIELDS}
    # What later schemas keep of a record for lists is taken out of it.
    assert exploration.summary == {**asked, "designs_per_s": 9.5, "hypervolume": None, "feasible_fraction": 11 / 77}
    assert history is None
    assert (job.priority, job.losses, job.attempt, job.error) == (0, 1, 2, None)
    assert [entry.index for entry in front] == [0, 1]
    assert answer is not None
    assert answer.body == {"a": 1}
    # And it can be worked on.
    with database.write() as work:
        assert work.jobs.retry("j000000000000002")
        assert work.explorations.update("e000000000000001", labels=["kept"])
    # Down again, where a user has to go back to the older version.
    command.downgrade(alembic_config(empty_database_url), revision)
    with database.connect_read_only() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM front_entry")).scalar() == 2
    database.close()


@pytest.mark.parametrize("revision", FILLS)
def test_backup_of_an_older_version_restores_into_this_one(
    revision: str, target_url: str, store: ArtifactStore, tmp_path: Path
) -> None:
    """As if that version had had the command: the same file, with the tables of then."""
    old = sa.create_engine(f"sqlite:///{tmp_path / 'old.db'}")
    command.upgrade(alembic_config(str(old.url)), revision)
    with old.begin() as connection:
        FILLS[revision](connection)
    tables = sa.MetaData()
    tables.reflect(old)
    rows: dict[str, int] = {}
    folder = tmp_path / "parts"
    folder.mkdir()
    with old.connect() as connection, tarfile.open(tmp_path / "old.tar", "w") as archive:
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue
            lines = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            rows[table.name] = len(lines)
            part = folder / table.name
            part.write_text(
                "".join(json.dumps(line, default=lambda t: f"{t.isoformat()}+00:00") + "\n" for line in lines)
            )
            archive.add(part, f"tables/{table.name}.jsonl")
        manifest = folder / "manifest"
        manifest.write_text(
            json.dumps({"schema": "flexdse/backup/v1", "revision": revision, "rows": rows, "missing_blobs": 0})
        )
        archive.add(manifest, "manifest.json")
    old.dispose()
    restore(target_url, store, tmp_path / "old.tar")
    database = Database(target_url)
    with database.read() as work:
        found = work.explorations.get_with_job("e000000000000001", "local")
    database.close()
    assert found is not None
    assert (found[0].evaluations, found[1].losses) == (77, 1)


def test_backup_as_another_user_can_not_be_read(
    sqlite_database: Database, store: ArtifactStore, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        backup(sqlite_database, store, tmp_path / "backup.tar")
    finally:
        os.umask(before)
    assert (tmp_path / "backup.tar").stat().st_mode & 0o077 == 0
