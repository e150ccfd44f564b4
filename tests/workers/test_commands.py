"""`flexdse jobs`, `worker` and `db` on a data folder, as a user types them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from db.artifacts import ArtifactStore
from db.base import utc_now
from db.data_folder import database_url, locked_home
from db.job_state import JobState
from db.repositories.job_logs import LogLine
from db.session import Database
from flexdse.application import app
from spec.errors import FlexDSEError, InputError

Flexdse = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def flexdse(home: Path) -> Flexdse:
    """`flexdse("jobs", "list")` is what the command prints; an error is raised."""

    def run(*arguments: str, at: Path = home) -> str:
        result = CliRunner().invoke(app, [*arguments, "--home", str(at)], standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return result.output

    return run


@pytest.fixture
def job_id(flexdse: Flexdse, home: Path) -> str:
    """A queued job in a database that `db upgrade` made."""
    flexdse("db", "upgrade")
    database = Database(database_url(home))
    with database.write() as work:
        job: str = work.jobs.add(kind="explore", queue="search", subject_id="0" * 16, owner="local").id
        work.job_logs.append(job, [LogLine(utc_now(), "stderr", f"line {number}") for number in range(3)])
    database.close()
    return job


def shown(flexdse: Flexdse, job_id: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(flexdse("jobs", "show", job_id))
    return document


def test_jobs_are_listed_cancelled_and_tried_again(flexdse: Flexdse, job_id: str) -> None:
    assert job_id in flexdse("jobs", "list")
    assert flexdse("jobs", "list", "--state", "failed").strip() == "no jobs"
    assert [each["id"] for each in json.loads(flexdse("jobs", "list", "--json"))] == [job_id]
    flexdse("jobs", "cancel", job_id)
    assert shown(flexdse, job_id)["state"] == JobState.CANCELLED
    with pytest.raises(InputError, match="cancelled already"):
        flexdse("jobs", "cancel", job_id)
    flexdse("jobs", "retry", job_id)
    assert (shown(flexdse, job_id)["state"], shown(flexdse, job_id)["attempt"]) == (JobState.QUEUED, 2)
    with pytest.raises(InputError, match="the job is queued"):
        flexdse("jobs", "retry", job_id)
    assert flexdse("jobs", "logs", job_id).split("\n")[:3] == ["line 0", "line 1", "line 2"]


@pytest.mark.parametrize("command", ["show", "logs", "cancel", "retry"])
def test_job_that_is_not_there(flexdse: Flexdse, job_id: str, command: str) -> None:
    with pytest.raises(InputError, match="no such job") as caught:
        flexdse("jobs", command, "0" * 16)
    assert caught.value.hint == "flexdse jobs list shows them"


def test_unknown_state_is_refused_by_name(flexdse: Flexdse, job_id: str) -> None:
    with pytest.raises(InputError, match="failed") as caught:
        flexdse("jobs", "list", "--state", "faild")
    assert caught.value.field == "state"


def test_seats_of_a_licence(flexdse: Flexdse, job_id: str) -> None:
    assert "no licence pool" in flexdse("jobs", "seats")
    assert "vitis" in flexdse("jobs", "seats", "vitis", "2")
    assert "no licence pool" in flexdse("jobs", "seats", "vitis", "--no-limit")


def test_backup_restore_and_vacuum(flexdse: Flexdse, job_id: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup.tar"
    assert "6 rows" in flexdse("db", "backup", str(backup))  # the job, its event, its story, its three lines
    flexdse("db", "restore", str(backup), at=tmp_path / "other")
    assert shown(lambda *arguments: flexdse(*arguments, at=tmp_path / "other"), job_id) == shown(flexdse, job_id)
    with pytest.raises(InputError, match="not empty"):
        flexdse("db", "restore", str(backup), at=tmp_path / "other")
    assert "artifacts" in flexdse("db", "vacuum")


def test_vacuum_gives_room_back_at_once_where_it_is_asked_to(flexdse: Flexdse, home: Path, job_id: str) -> None:
    store, database = ArtifactStore.open(home / "artifacts"), Database(database_url(home))
    with database.write() as work:
        put = store.put(b"x" * 1000)
        work.artifacts.add(
            owner="local", job_id=job_id, sha256=put.sha256, size_bytes=1000, media_type="text/plain", file_name="x"
        )
    assert re.search(r"\b1 artifacts", flexdse("db", "vacuum", "--artifact-days", "0"))
    assert list(store.published()) == [put.sha256]  # a job at its end may name it again
    with locked_home(home), pytest.raises(InputError, match="serves this data folder"):
        flexdse("db", "vacuum", "--now")
    assert re.search(r"\b1 blobs", flexdse("db", "vacuum", "--now"))
    assert list(store.published()) == []
    database.close()


def test_an_option_wins_over_the_environment(home: Path, flexdse: Flexdse, job_id: str) -> None:
    nowhere = "http://127.0.0.1:9"

    def run(*options: str, **variables: str) -> str:
        result = CliRunner().invoke(app, ["jobs", "list", *options], env=variables, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return result.output

    assert job_id in run("--home", str(home), FLEXDSE_SERVER=nowhere)
    assert job_id in run("--home", str(home), FLEXDSE_SERVER=nowhere, FLEXDSE_HOME=str(home))  # typed all the same
    with pytest.raises(FlexDSEError, match=nowhere):
        run("--server", nowhere, FLEXDSE_HOME=str(home))
    with pytest.raises(InputError, match="data folder or those of a service"):
        run("--server", nowhere, "--home", str(home))


def test_worker_check_says_what_is_wrong(flexdse: Flexdse, home: Path, job_id: str) -> None:
    flexdse("worker", "--check")
    (home / "artifacts").mkdir(exist_ok=True)
    (home / "artifacts" / "incoming").rmdir()
    (home / "artifacts" / "incoming").write_text("in the way")
    with pytest.raises(Exception, match="artifacts cannot be kept"):
        flexdse("worker", "--check")


def test_unknown_queue_is_refused_by_name(flexdse: Flexdse, job_id: str) -> None:
    with pytest.raises(InputError, match="search") as caught:
        flexdse("worker", "--queues", "serach")
    assert caught.value.field == "queues"
