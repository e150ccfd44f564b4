"""A row for every table, and rows as earlier schemas had them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import sqlalchemy as sa

from db.artifacts import ArtifactStore
from db.base import utc_now
from db.job_state import JobState
from db.repositories.explorations import SUMMARY_FIELDS, ResultVersions, StoredFrontEntry
from db.repositories.job_logs import LogLine
from db.session import Database
from spec import catalog
from spec.exploration import ExplorationRequest
from spec.exploration_result import SearchRecord
from spec.workload import Workload
from workers.enqueue import enqueue_project, enqueue_run, enqueue_sweep

MODEL, DEVICE = catalog.load_model("llama-3.2-1b"), catalog.load_device("u280")
WORKLOAD = Workload(prompt_tokens=128, output_tokens=128)
REQUEST = ExplorationRequest(name="ä 'quoted' \\ name", model=MODEL, device=DEVICE, workload=WORKLOAD)
RECORD = SearchRecord(
    space_size=10,
    evaluations=10,
    feasible_evaluations=5,
    seconds=0.1,
    designs_per_s=100.0,
    exact=True,
    hypervolume=None,
    exact_hypervolume=None,
    hypervolume_ratio=None,
    reference_point=(1.0,),
    ideal_point=(0.0,),
)


def fill(database: Database, store: ArtifactStore) -> None:
    """Something in every table, the way that the service puts it there."""
    stored = store.put(b"a file")
    with database.write() as work:
        sweep, [(exploration, job)] = enqueue_sweep(work, "sweep", {"a": [1, None]}, [REQUEST], owner="local")
        work.jobs.claim(kinds=["explore"], queues=["search"], holder="a", lease=timedelta(minutes=5))
        work.job_logs.append(job.id, [LogLine(utc_now(), "stderr", "a line")])
        work.jobs.finish(job.id, 1, JobState.SUCCEEDED)
        artifact = work.artifacts.add(
            owner="local",
            job_id=job.id,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            media_type="text/plain",
            file_name="file.txt",
        )
        work.explorations.publish(
            exploration.id,
            [StoredFrontEntry(0, "key", "{}", '{"ttft_s": 1.5}')],
            RECORD,
            ResultVersions("0", "1", "2"),
            front_artifact_id=artifact.id,
        )
        work.measurements.suggest(exploration.id, "local", [("key", 0), ("other", 1)], utc_now() + timedelta(hours=1))
        work.measurements.add(
            owner="local",
            exploration_id=exploration.id,
            design_key="key",
            index=0,
            design={},
            metrics={"ttft_s": None},
            provenance="board",
            source="bench",
        )
        project, _ = enqueue_project(
            work,
            design=catalog.load_design("flexllm-u280"),
            model=MODEL,
            device=DEVICE,
            workload=WORKLOAD,
            owner="local",
            labels=["one", 'two "quoted"'],
        )
        work.projects.publish(project.id, {"files": []}, artifact.id)
        run, run_job = enqueue_run(work, project, "csim", {"x": 1}, owner="local")
        work.runs.publish(run.id, passed=True, artifact_id=None)
        work.reports.add(
            owner="local",
            step="csim",
            document={"passed": True},
            project_id=project.id,
            run_id=run.id,
            job_id=run_job.id,
        )
        work.calibrations.add(
            owner="local", name="c", device="u280", model_version="1", timing_table_version="1", document={"f": 1.0625}
        )
        work.uploads.add(owner="local", kind="device", name="mine", document={"name": "mine"}, sha256="0" * 64)
        work.api_keys.add(
            owner="local",
            name="k",
            prefix="abcd",
            key_sha256="1" * 64,
            scopes=["read"],
            limits=None,
            expires_at=utc_now(),
        )
        work.audit.add(owner="local", action="x", resource="y", status=200, remote="127.0.0.1", request_id="0")
        work.idempotency_keys.add(
            owner="local", route="r", key="k", request_sha256="0" * 64, status=202, location=None, body={"a": 1}
        )
        work.licences.set_seats("vitis", 2)
        assert sweep.job_id is None


def fill_first_revision(connection: sa.Connection) -> None:
    """Rows of schema 8983e4aa89a0: a finished exploration with its front, and a job that failed."""
    _fill_old(connection, {}, {})


def fill_second_revision(connection: sa.Connection) -> None:
    """The same in schema 5b1f0c7d92e4, with a line of a log, and an exploration without a word about it in lists."""
    _fill_old(connection, {"priority": 0}, {"labels": [], "note": "", "evaluations": 77})
    tables = sa.MetaData()
    tables.reflect(connection)
    connection.execute(
        sa.insert(tables.tables["job_log_line"]),
        {"job_id": "j000000000000001", "seq": 1, "at": _moment(connection), "stream": "stderr", "text": "a line"},
    )


def fill_third_revision(connection: sa.Connection) -> None:
    """The same in schema c41d70a6b8f3, where lists have what was asked for."""
    asked = REQUEST.model_dump(mode="json", by_alias=True, include=SUMMARY_FIELDS)
    _fill_old(connection, {"priority": 0}, {"labels": [], "note": "", "evaluations": 77, "summary": asked})


def fill_fourth_revision(connection: sa.Connection) -> None:
    """The same in schema 7e92d4b015ca, where lists have more figures, with a project whose zip is gone."""
    asked = REQUEST.model_dump(mode="json", by_alias=True, include=SUMMARY_FIELDS)
    figures = {"designs_per_s": 9.5, "hypervolume": None, "feasible_fraction": 11 / 77}
    _fill_old(
        connection, {"priority": 0}, {"labels": [], "note": "", "evaluations": 77, "summary": {**asked, **figures}}
    )
    tables = sa.MetaData()
    tables.reflect(connection)
    connection.execute(
        sa.insert(tables.tables["project"]),
        {
            "id": "p000000000000001",
            "owner": "local",
            "job_id": "j000000000000002",
            "name": "old",
            "labels": [],
            "note": "",
            "model_name": "llama-3.2-1b",
            "device_name": "u280",
            "design_key": "0" * 16,
            **{name: {"a": 1} for name in ("design", "model", "device", "workload")},
            "seed": 0,
            "manifest": {"files": []},
            "created_at": _moment(connection),
        },
    )


def _moment(connection: sa.Connection) -> datetime:
    moment = utc_now()
    return moment.replace(tzinfo=None) if connection.dialect.name == "sqlite" else moment


def _fill_old(connection: sa.Connection, of_jobs: dict[str, object], of_explorations: dict[str, object]) -> None:
    tables = sa.MetaData()
    tables.reflect(connection)
    moment = _moment(connection)

    def job(number: int, state: str, attempt: int) -> dict[str, object]:
        return {
            "id": f"j{number:015d}",
            "owner": "local",
            "kind": "explore",
            "queue": "search",
            "subject_id": f"e{number:015d}",
            "state": state,
            "cancel_requested": False,
            "attempt": attempt,
            "max_attempts": 3,
            "progress": {"evaluations": 1},
            "cause": None if state == "succeeded" else "lost",
            "error": sa.null() if state == "succeeded" else {"status": 500},
            "version": 5,
            "state_version": 4,
            "progress_version": 3,
            "created_at": moment,
            "started_at": moment,
            "finished_at": moment,
            **({"losses": attempt - 1} if of_jobs else {}),
            **of_jobs,
        }

    connection.execute(sa.insert(tables.tables["job"]), job(1, "succeeded", 2))
    connection.execute(sa.insert(tables.tables["job"]), job(2, "failed", 3))
    connection.execute(
        sa.insert(tables.tables["exploration"]),
        {
            "id": "e000000000000001",
            "owner": "local",
            "job_id": "j000000000000001",
            "name": "old",
            "model_name": "llama-3.2-1b",
            "device_name": "u280",
            "method": "exact",
            "request": json.loads(REQUEST.model_dump_json(by_alias=True)),
            "record": {"evaluations": 77, "feasible_evaluations": 11, "designs_per_s": 9.5},
            "front_size": 2,
            "flexdse_version": "0.1.0",
            "model_version": "1",
            "timing_table_version": "1",
            "created_at": moment,
            **of_explorations,
        },
    )
    entries = [
        {"exploration_id": "e000000000000001", "index": index, "key": f"key{index}", "design": "{}", "metrics": "{}"}
        for index in range(2)
    ]
    connection.execute(sa.insert(tables.tables["front_entry"]), entries)
    connection.execute(
        sa.insert(tables.tables["idempotency_key"]),
        {
            "owner": "local",
            "route": "POST /api/v1/explorations",
            "key": "key",
            "request_sha256": "0" * 64,
            "status": 202,
            "location": "/x",
            "body": {"a": 1},
            "created_at": moment,
        },
    )
