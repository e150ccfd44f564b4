from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from db.bundled import bundled
from db.data_folder import DATABASE_NAME, database_url, prepare_home, private_folder
from db.errors import DatabaseError, UnusableDatabaseError, translate
from db.migrations import SCHEMA_REVISION, alembic_config, check_schema, upgrade
from db.session import Database
from spec.errors import InputError

TABLES = set(
    "alembic_version api_key artifact audit_entry blob calibration event exploration front_entry idempotency_key job "
    "job_event job_log_line licence_pool measurement project report run suggestion sweep upload".split()
)


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} - {
            "sqlite_sequence"  # SQLite's own
        }


def test_upgrade_makes_the_file_and_every_table(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "a b.db"
    path.parent.mkdir()
    upgrade(f"sqlite:///{path}")
    assert tables(path) == TABLES
    database = Database(f"sqlite:///{path}")
    check_schema(database)
    database.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["a b.db"]  # no lock and no -wal left behind


def found_tables(url: str) -> set[str]:
    database = Database(url)
    with database.connect_read_only() as connection:
        found = set(inspect(connection).get_table_names())
    database.close()
    return found


def test_down_to_nothing_and_up_again(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    for _ in range(2):
        command.upgrade(config, "head")
        assert found_tables(empty_database_url) == TABLES
        command.downgrade(config, "base")
        assert found_tables(empty_database_url) == {"alembic_version"}
    upgrade(empty_database_url)
    assert found_tables(empty_database_url) == TABLES


def test_models_and_migrations_agree(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "head")
    command.check(config)


def test_revisions_are_one_line_and_named_by_date() -> None:
    folder = bundled("migrations")
    assert folder is not None
    files = [path.name for path in (folder / "versions").glob("*.py")]
    assert files
    assert [name for name in files if not re.fullmatch(r"\d{4}-\d\d-\d\d-\d{4}_[a-z0-9_]+\.py", name)] == []
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == SCHEMA_REVISION  # fails on several


def test_processes_that_start_together_migrate_once(empty_database_url: str) -> None:
    """In processes: Alembic keeps the connection at work in a module."""
    script = "import sys; from db.migrations import upgrade; upgrade(sys.argv[1])"
    command = [sys.executable, "-P", "-c", script, empty_database_url]
    together = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in together] == [0, 0, 0]
    assert found_tables(empty_database_url) == TABLES


def test_schema_is_checked_before_use(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="flexdse db upgrade"):
        check_schema(Database(f"sqlite:///{tmp_path / 'a.db'}"))


def test_database_of_a_newer_version_is_refused(sqlite_database: Database) -> None:
    path = Path(str(sqlite_database.url.database))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    before = path.read_bytes()
    for attempt in (lambda: upgrade(f"sqlite:///{path}"), lambda: check_schema(sqlite_database)):
        with pytest.raises(UnusableDatabaseError, match="newer FlexDSE") as caught:
            attempt()
        assert caught.value.exit_code == 2
        assert caught.value.hint == "update FlexDSE, or use another data folder"
    assert path.read_bytes() == before


@pytest.mark.parametrize("table", ["person", "alembic_version"])
def test_database_of_another_program_is_refused(tmp_path: Path, table: str) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute(f"CREATE TABLE {table} (version_num TEXT)")
        connection.execute(f"INSERT INTO {table} VALUES ('0123')")
    with pytest.raises(UnusableDatabaseError, match="another program"):
        upgrade(f"sqlite:///{tmp_path / 'a.db'}")
    assert tables(tmp_path / "a.db") == {table}


def damage_header(path: Path) -> None:
    path.write_bytes(b"this is not a database, however long it may be" * 100)


def damage_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 4] = b"\x5a" * 8192
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 * 3])


@pytest.mark.parametrize("damage", [damage_header, damage_page, truncate])
def test_damaged_file_is_one_message_with_a_way_out(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "a.db"
    upgrade(f"sqlite:///{path}")
    damage(path)
    before = path.read_bytes()
    with pytest.raises(UnusableDatabaseError) as caught:
        upgrade(f"sqlite:///{path}")
    message = str(caught.value)
    assert "damaged" in message
    assert str(path) in message
    assert "move it away" in message
    assert "Traceback" not in message
    assert caught.value.exit_code == 2
    assert path.read_bytes() == before  # whoever can repair it finds it as it was


def test_file_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnusableDatabaseError, match="cannot be opened"):
        upgrade(f"sqlite:///{tmp_path / 'file' / 'a.db'}")


def test_file_that_cannot_be_written(sqlite_database: Database) -> None:
    # Rights do not stop root, who runs the tests in a container; a read-only connection does.
    read_only = Database(f"sqlite:///file:{sqlite_database.url.database}?mode=ro&uri=true")
    with pytest.raises(UnusableDatabaseError, match="cannot be written"), read_only.write() as work:
        work.jobs.add(kind="explore", queue="search", subject_id="0", owner="local")


def test_full_disk_is_said_and_leaves_nothing_behind(sqlite_database: Database) -> None:
    def fill() -> None:
        with sqlite_database.write() as work:
            # As if there were room for three more pages.
            pages = work.session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
            work.session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")
            for _ in range(1000):
                work.jobs.add(kind="explore", queue="search", subject_id="0", owner="local")

    with pytest.raises(DatabaseError, match="disk with the database is full") as caught:
        fill()
    assert caught.value.exit_code == 1
    with sqlite_database.read() as work:
        assert work.jobs.page("local", None, 10) == []


def test_full_disk_of_postgresql_is_no_lost_connection() -> None:
    error = OperationalError("INSERT", {}, psycopg.errors.DiskFull("could not extend file"))
    found = translate(make_url("postgresql+psycopg://me:secret@host/name"), error)
    assert "disk with the database is full" in str(found)
    assert "secret" not in str(found)


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_address_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="not the address of a database"):
        Database(url)


def test_data_folder_is_private(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "a" / "home of flexdse")
    assert home.stat().st_mode & 0o777 == 0o700
    upgrade(database_url(home))
    assert {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()} == {DATABASE_NAME: 0o600}


@pytest.mark.parametrize(("name", "rights"), [("synthesis", 0o700), ("quality", 0o700), ("thesis.tex", 0o755)])
def test_data_folder_that_holds_only_our_caches_becomes_private(tmp_path: Path, name: str, rights: int) -> None:
    home = tmp_path / "home"
    (home / name).mkdir(parents=True)
    home.chmod(0o755)
    assert private_folder(home).stat().st_mode & 0o777 == rights
    assert not (home / DATABASE_NAME).exists()


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/flexdse"])
def test_data_folder_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="data folder cannot be used"):
        prepare_home(tmp_path / name)


def test_migrations_are_found_from_anywhere(tmp_path: Path) -> None:
    script = "import sys; from db.migrations import upgrade; upgrade('sqlite:///a.db')"
    subprocess.run([sys.executable, "-P", "-c", script], cwd=tmp_path, check=True)
    assert tables(tmp_path / "a.db") == TABLES
