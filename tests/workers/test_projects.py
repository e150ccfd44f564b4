"""Projects through the workers: generated, packed, simulated, reported. Bodies are the product's own, or small stand-ins."""

from __future__ import annotations

import json
import re
import zipfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from db.job_state import JobState
from db.models import Job
from spec import catalog
from spec.design_point import StageClocks
from spec.errors import UnknownNameError
from spec.workload import Workload
from tests.tiny_project import TINY_MODEL, tiny_design
from workers.enqueue import enqueue_project, enqueue_run
from workers.kinds import with_bodies
from workers.tasks.project_files import pack, unpack

DEVICE = catalog.load_device("u280")
DESIGN = tiny_design(DEVICE, StageClocks(prefill=304.0, decode=292.0))
WORKLOAD = Workload(prompt_tokens=10, output_tokens=3)
STAND_INS = {kind: f"tests.workers.bodies:{kind}" for kind in ("generate", "csim", "synthesize")}


def submit(bench: Any) -> tuple[str, str]:
    with bench.database.write() as work:
        project, job = enqueue_project(
            work, design=DESIGN, model=TINY_MODEL, device=DEVICE, workload=WORKLOAD, owner="local", name="tiny"
        )
    return project.id, job.id


def submit_run(bench: Any, project_id: str, tool: str, **options: Any) -> tuple[str, str]:
    with bench.database.write() as work:
        run, job = enqueue_run(work, work.projects.get(project_id), tool, options, owner="local")
    return run.id, job.id


def artifact_content(bench: Any, artifact_id: str) -> bytes:
    with bench.database.read() as work:
        artifact = work.artifacts.get(artifact_id, "local")
    with bench.store.open_read(artifact.sha256) as stream:
        return bytes(stream.read())


def ended(bench: Any, job_id: str) -> Job:
    job: Job = bench.job(job_id)
    assert job.state is JobState.SUCCEEDED, (job.cause, job.error)
    return job


def test_project_is_generated_and_simulated(bench: Any) -> None:
    worker = bench.worker("timed", **{kind: with_bodies(STAND_INS)[kind] for kind in STAND_INS})
    project_id, job_id = submit(bench)
    assert worker.run_one()
    ended(bench, job_id)
    with bench.database.read() as work:
        project = work.projects.get(project_id)
        (artifact,) = work.artifacts.page("local", None, 5, job_id=job_id)
    assert (project.manifest, project.artifact_id) == ({"seed": 0, "model": "tiny"}, artifact.id)
    assert (artifact.file_name, artifact.media_type) == ("project.zip", "application/zip")
    assert list(bench.store.published()) == [artifact.sha256]
    assert list(bench.store.staged()) == []

    run_id, job_id = submit_run(bench, project_id, "csim", passes=False)
    assert worker.run_one()
    ended(bench, job_id)
    with bench.database.read() as work:
        run, _ = work.runs.get_with_job(run_id, "local")
        (report,) = work.reports.page("local", None, 5, run_id=run_id)
        logged = [line.text for line in work.job_logs.read(job_id, 0, 100)]
        assert work.reports.page("somebody else", None, 5) == []
        assert work.figures.runs() == [("csim", False, 1)]
    assert run.passed is False
    assert (report.step, report.project_id, report.document) == ("csim", project_id, {"sources": ["main.cpp"]})
    assert "the tool says: compiling" in logged
    assert artifact_content(bench, run.artifact_id) == b"report"


def test_run_on_a_project_that_is_not_there_yet(bench: Any) -> None:
    worker = bench.worker("timed")
    project_id, generate_job = submit(bench)
    _, job_id = submit_run(bench, project_id, "csim")
    with bench.database.write() as work:
        work.jobs.request_cancel(generate_job)
    assert worker.run_one()
    job = bench.job(job_id)
    assert (job.state, job.cause) == (JobState.FAILED, "bad_input")
    assert "not generated yet" in job.error["detail"]


def test_bytes_that_retention_took_are_said(bench: Any) -> None:
    worker = bench.worker("timed", **{kind: with_bodies(STAND_INS)[kind] for kind in STAND_INS})
    project_id, _ = submit(bench)
    worker.run_one()
    for sha256 in list(bench.store.published()):
        bench.store.delete(sha256)
    _, job_id = submit_run(bench, project_id, "csim")
    worker.run_one()
    assert (bench.job(job_id).state, bench.job(job_id).cause) == (JobState.FAILED, "artifact_missing")


def test_unknown_step_is_refused_before_anything_is_stored(bench: Any) -> None:
    project_id, _ = submit(bench)
    with pytest.raises(UnknownNameError, match="step"):
        submit_run(bench, project_id, "cisim")


@pytest.mark.parametrize(("backend", "licence"), [("auto", "vitis"), ("vitis", "vitis"), ("open", None)])
def test_synthesis_needs_a_seat_of_the_vendors_licence(bench: Any, backend: str, licence: str | None) -> None:
    project_id, _ = submit(bench)
    _, job_id = submit_run(bench, project_id, "synthesize", backend=backend)
    assert (bench.job(job_id).queue, bench.job(job_id).licence) == ("synthesize", licence)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"backend": "vivado"}, "options.backend"),
        ({"step": 1}, "options"),
        ({"backend": "vitis", "steps": "csim"}, "options.steps"),
    ],
)
def test_bad_options_of_a_synthesis_are_its_cause(bench: Any, options: dict[str, Any], field: str) -> None:
    worker = bench.worker("timed", generate=with_bodies(STAND_INS)["generate"])
    project_id, _ = submit(bench)
    worker.run_one()
    _, job_id = submit_run(bench, project_id, "synthesize", **options)
    worker.run_one()
    job = bench.job(job_id)
    assert (job.state, job.error["errors"][0]["field"]) == (JobState.FAILED, field)


@pytest.mark.slow
@pytest.mark.needs_program("g++")
def test_real_project_is_bit_exact(bench: Any) -> None:
    worker = bench.worker("timed")
    project_id, job_id = submit(bench)
    assert worker.run_one()
    ended(bench, job_id)
    with bench.database.read() as work:
        said = [line.text for line in work.job_logs.read(job_id, 0, 100)]
    assert said[0].startswith("planning the modules of both stages for ")
    assert any(re.match(r"wrote src/: \d+ files, [\d,]+ bytes$", line) for line in said), said
    assert said[-1].startswith("wrote project.zip, ")
    run_id, job_id = submit_run(bench, project_id, "csim")
    assert worker.run_one()
    ended(bench, job_id)
    with bench.database.read() as work:
        run, _ = work.runs.get_with_job(run_id, "local")
        project = work.projects.get(project_id)
        (report,) = work.reports.page("local", None, 5, project_id=project_id)
    assert run.passed
    assert report.document["passed"]
    with zipfile.ZipFile(BytesIO(artifact_content(bench, project.artifact_id))) as archive:
        assert json.loads(archive.read("manifest.json")) == project.manifest
    with zipfile.ZipFile(BytesIO(artifact_content(bench, run.artifact_id))) as archive:
        assert json.loads(archive.read("reports/csim.json")) == report.document
    run_id, job_id = submit_run(bench, project_id, "simulate", layers=1, prompt_tokens=8)
    assert worker.run_one()
    ended(bench, job_id)
    with bench.database.read() as work:
        run, _ = work.runs.get_with_job(run_id, "local")
        (report,) = work.reports.page("local", None, 5, run_id=run_id)
    assert (run.passed, report.step) == (True, "simulate")
    assert all(stage["cycles"] > 0 for stage in report.document["stages"])


# Files


def test_the_same_files_give_the_same_zip(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "b.sh").write_text("b")
        (tmp_path / name / "deep" / "b.sh").chmod(0o755)
        (tmp_path / name / "a.txt").write_text("a")
        pack(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    unpack(tmp_path / "one.zip", tmp_path / "three")
    assert (tmp_path / "three" / "deep" / "b.sh").stat().st_mode & 0o111
    assert (tmp_path / "three" / "a.txt").read_text() == "a"


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_zip_never_writes_outside_its_folder(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, "x")
    with pytest.raises(ValueError, match="no file of a project"):
        unpack(tmp_path / "evil.zip", tmp_path / "folder")
    assert not (tmp_path / "outside").exists()


def test_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(ValueError, match="no file of a project"):
        unpack(tmp_path / "evil.zip", tmp_path / "folder")


def test_result_may_only_name_files_of_its_folder(bench: Any) -> None:
    job_id = bench.submit()
    bench.worker("outside").run_one()
    assert (bench.job(job_id).state, bench.job(job_id).cause) == (JobState.FAILED, "internal_error")
    assert list(bench.store.published()) == list(bench.store.staged()) == []


def test_attempt_that_is_too_late_publishes_no_file(bench: Any) -> None:
    job_id = bench.submit()
    worker = bench.worker("with_file")
    end = worker.closer.store

    def late(*arguments: Any) -> bool:
        with bench.database.write() as work:
            work.jobs.lose_held()
            work.jobs.claim(kinds=["explore"], queues=["search"], holder="rival", lease=timedelta(minutes=5))
        return bool(end(*arguments))

    worker.closer.store = late
    worker.run_one()
    assert (bench.job(job_id).state, bench.job(job_id).lease_holder) == (JobState.RUNNING, "rival")
    assert list(bench.store.published()) == []
    with bench.database.read() as work:
        assert work.artifacts.page("local", None, 5) == []
