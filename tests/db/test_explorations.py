from __future__ import annotations

import json
from datetime import timedelta

import pytest

from db.job_state import JobState
from db.repositories.explorations import ResultVersions, stored_front_entry
from db.repositories.idempotency import KeyTaken
from db.session import Database
from spec import catalog
from spec.design_point import DesignPoint
from spec.exploration import ExplorationRequest
from spec.exploration_result import FrontEntry, SearchRecord
from spec.workload import Workload
from workers.enqueue import enqueue_exploration

REQUEST = ExplorationRequest(
    name="first",
    model=catalog.load_model("llama-3.2-1b"),
    device=catalog.load_device("u280"),
    workload=Workload(prompt_tokens=1024, output_tokens=1024),
)
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
    missing={"quality": "not modelled yet"},
)
LEASE = timedelta(seconds=30)
VERSIONS = ResultVersions("0.1.0", "1", "1")


def submit(database: Database) -> tuple[str, str]:
    with database.write() as work:
        exploration, job = enqueue_exploration(work, REQUEST, owner="local")
        return exploration.id, job.id


def test_request_comes_back_as_it_was(database: Database) -> None:
    exploration_id, job_id = submit(database)
    with database.read() as work:
        found = work.explorations.get_with_job(exploration_id, "local")
        assert found is not None
        assert work.explorations.get_with_job(exploration_id, "somebody else") is None
    exploration, job = found
    assert ExplorationRequest.model_validate(exploration.request) == REQUEST
    assert (job.id, job.subject_id, job.kind) == (job_id, exploration_id, "explore")


def test_exploration_and_job_exist_both_or_neither(database: Database) -> None:
    def submit_and_stumble() -> None:
        with database.write() as work:
            enqueue_exploration(work, REQUEST, owner="local")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        submit_and_stumble()
    with database.read() as work:
        assert work.explorations.page("local", None, 10) == []
        assert work.jobs.page("local", None, 10) == []


def test_the_list_has_the_progress_of_what_runs_without_its_front(database: Database) -> None:
    exploration_id, job_id = submit(database)
    progress = {"evaluations": 7, "front": [[1.0, 2.0]], "best": {"ttft_s": 1.0}}
    lease = timedelta(minutes=5)

    def listed() -> object:
        with database.read() as work:
            (row,) = [row for row in work.explorations.page("local", None, 10) if row.id == exploration_id]
        return row.progress

    assert listed() is None
    with database.write() as work:
        work.jobs.claim(kinds=["explore"], queues=["search"], holder="w", lease=lease)
        assert work.jobs.save_progress(job_id, 1, progress, lease)
    assert listed() == {"evaluations": 7, "best": {"ttft_s": 1.0}}
    with database.write() as work:
        assert work.jobs.finish(job_id, 1, JobState.FAILED, cause="test")
    assert listed() is None, "what was last heard of a search that has ended is no result"


def test_front_comes_back_as_it_was(database: Database) -> None:
    exploration_id, _ = submit(database)
    design = catalog.load_design("flexllm-u280")
    entries = [
        FrontEntry(design=design, metrics={"ttft_s": 0.1 + 0.2, "quality": None}),
        FrontEntry(design=design, metrics={"ttft_s": 1e-9, "quality": None}),
    ]
    with database.write() as work:
        front = [stored_front_entry(index, entry) for index, entry in enumerate(entries)]
        work.explorations.publish(exploration_id, front, RECORD, VERSIONS)
    with database.read() as work:
        exploration = work.explorations.get(exploration_id)
        stored = work.explorations.front(exploration_id)
        assert work.explorations.front_entry(exploration_id, 1) == stored[1]
        assert work.explorations.front_entry(exploration_id, 2) is None
    assert exploration is not None
    assert (exploration.front_size, exploration.model_version) == (2, "1")
    assert SearchRecord.model_validate(exploration.record) == RECORD
    assert [json.loads(entry.metrics) for entry in stored] == [entry.metrics for entry in entries]
    assert {DesignPoint.model_validate_json(entry.design) for entry in stored} == {design}
    assert {entry.key for entry in stored} == {design.canonical_key()}


def test_empty_front_is_a_result_too(database: Database) -> None:
    exploration_id, _ = submit(database)
    with database.write() as work:
        work.explorations.publish(exploration_id, [], RECORD, VERSIONS)
    with database.read() as work:
        assert work.explorations.front(exploration_id) == []
        exploration = work.explorations.get(exploration_id)
    assert exploration is not None
    assert exploration.front_size == 0


def test_deleting_takes_the_front_along(database: Database) -> None:
    exploration_id, job_id = submit(database)
    entry = FrontEntry(design=catalog.load_design("flexllm-u280"), metrics={})
    with database.write() as work:
        work.explorations.publish(exploration_id, [stored_front_entry(0, entry)], RECORD, VERSIONS)
        work.jobs.claim(kinds=["explore"], queues=["search"], holder="a", lease=LEASE)
        work.jobs.finish(job_id, 1, JobState.SUCCEEDED)
    with database.write() as work:
        work.explorations.delete(exploration_id)
        assert work.jobs.delete_final(job_id)
    with database.read() as work:
        assert work.explorations.front(exploration_id) == []
        assert work.explorations.get(exploration_id) is None
        assert work.jobs.get(job_id) is None


def test_a_key_is_taken_once(database: Database) -> None:
    answer = {
        "owner": "local",
        "route": "POST /x",
        "key": "k",
        "request_sha256": "0" * 64,
        "status": 202,
        "location": "/x/1",
        "body": {"id": "1"},
    }
    with database.write() as work:
        work.idempotency_keys.add(**answer)  # type: ignore[arg-type]
    with database.read() as work:
        given = work.idempotency_keys.get("local", "POST /x", "k")
        assert work.idempotency_keys.get("other", "POST /x", "k") is None
    assert given is not None
    assert (given.body, given.location) == ({"id": "1"}, "/x/1")
    with pytest.raises(KeyTaken), database.write() as work:
        work.idempotency_keys.add(**answer)  # type: ignore[arg-type]
