"""Reports and simulations of a project over REST, through lineage, to a calibration."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cost_models.report import evaluate_point
from db.job_state import JobState
from hls_gen.reports import parse_report
from spec import catalog
from spec.built_design import as_built
from spec.simulation_report import SimulatedStage, SimulationReport
from spec.versions import MODEL_VERSION
from spec.workload import Stage, Workload
from tests.flexdse.test_report_import import CSYNTH, GOOD
from workers.enqueue import enqueue_project, enqueue_run

Check = Callable[..., Any]
V1 = "/api/v1"
DESIGN, MODEL, DEVICE = (
    catalog.load_design("flexllm-u280"),
    catalog.load_model("llama-3.2-1b"),
    catalog.load_device("u280"),
)
WORKLOAD = Workload(prompt_tokens=1024, output_tokens=1024)
MANIFEST = {"schema": "flexdse/project/v1", "model_version": MODEL_VERSION, "timing_table_version": "2"}


@pytest.fixture
def client(in_process: Callable[..., Any]) -> Any:
    return in_process(authentication=False)


@pytest.fixture
def project(client: Any) -> str:
    """The id of a project as a worker leaves it."""
    text = json.dumps(MANIFEST)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("manifest.json", text)
    stored = client.app.state.store.put(archive.getvalue())
    with client.app.state.database.write() as work:
        row, job = enqueue_project(
            work, design=DESIGN, model=MODEL, device=DEVICE, workload=WORKLOAD, owner="local"
        )  # fmt: skip
        found: str = row.id
        work.jobs.claim(kinds=["generate"], queues=["csim"], holder="a", lease=timedelta(minutes=5))
        work.jobs.finish(job.id, 1, JobState.SUCCEEDED)
        artifact = work.artifacts.add(
            owner="local",
            job_id=job.id,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            media_type="application/zip",
            file_name="project.zip",
        )
        work.projects.publish(found, MANIFEST, artifact.id)
    return found


def csynth(folder: Path, **changes: str) -> dict[str, Any]:
    path = folder / "csynth.xml"
    path.write_text(CSYNTH.format(**(GOOD | changes)), encoding="utf-8")
    document: dict[str, Any] = parse_report(path).model_dump(mode="json", by_alias=True)
    return document


def test_a_report_is_attached_with_its_lineage_and_measures(
    client: Any, project: str, tmp_path: Path, assert_problem: Check
) -> None:
    assert client.get(f"{V1}/projects/{project}/measurements").json() == {"items": []}
    answer = client.post(f"{V1}/reports", json={"report": csynth(tmp_path), "project_id": project})
    assert answer.status_code == 201, answer.text
    document = answer.json()["document"]
    assert document["schema"] == "flexdse/attached_report/v1"
    assert (document["stage"], document["checked"]) == (
        "decode",
        [f"part {GOOD['part']}", "kernel decode", "clock 3.42 ns"],
    )
    lineage = document["lineage"]
    assert lineage["project_sha256"] == hashlib.sha256(json.dumps(MANIFEST).encode()).hexdigest()
    assert (lineage["design_key"], lineage["model_version"]) == (DESIGN.canonical_key(), MODEL_VERSION)
    items = client.get(f"{V1}/projects/{project}/measurements").json()["items"]
    predicted = evaluate_point(as_built(DESIGN), MODEL, DEVICE, WORKLOAD).decode.resources
    assert {one["metric"]: (one["predicted"], one["measured"]) for one in items} == {
        "lut": (float(predicted.lut), 500_000.0),
        "ff": (float(predicted.ff), 600_000.0),
        "dsp": (float(predicted.dsp), 1800.0),
        "bram_18k": (float(predicted.bram_18k), 1000.0),
        "uram": (float(predicted.uram), 130.0),
    }
    assert {one["provenance"] for one in items} == {"csynth"}
    assert {one["lineage"]["report_sha256"] for one in items} == {lineage["report_sha256"]}
    fitted = client.post(f"{V1}/calibrations", json={"name": "mine", "projects": [project]})
    assert fitted.status_code == 201, fitted.text
    by_hand = client.post(f"{V1}/calibrations", json={"measurements": items})
    assert fitted.json()["table"] == by_hand.json()["table"]
    refused = client.post(f"{V1}/calibrations", json={})
    assert_problem(refused, 422, "bad_input", "measurements")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"part": "xcv80-lsva4737-2MHP-e-S"}, "another part"),
        ({"clock": "5.00"}, "another clock"),
        ({"top": "kernel"}, "another kernel"),
    ],
)
def test_a_report_of_something_else_is_refused(
    client: Any, project: str, tmp_path: Path, assert_problem: Check, changes: dict[str, str], what: str
) -> None:
    body = {"report": csynth(tmp_path, **changes), "project_id": project}
    answer = client.post(f"{V1}/reports", json=body)
    assert_problem(answer, 422, "bad_input", "report")
    assert what in answer.json()["detail"]
    assert client.get(f"{V1}/reports").json()["items"] == []
    # Without a project there is nothing to compare it with; it is kept as it is.
    alone = client.post(f"{V1}/reports", json={"report": body["report"]})
    assert alone.json()["document"] == body["report"]


def test_what_a_report_cannot_be_attached_to(client: Any, project: str, tmp_path: Path, assert_problem: Check) -> None:
    report = csynth(tmp_path)
    waiting = client.post(
        f"{V1}/projects",
        json={"design": "flexllm-u280", "model": "llama-3.2-1b", "device": "u280", "workload": WORKLOAD.model_dump()},
    ).json()["id"]
    answer = client.post(f"{V1}/reports", json={"report": report, "project_id": waiting})
    assert_problem(answer, 409, "conflict", "state")
    answer = client.post(f"{V1}/reports", json={"report": report, "project_id": "0000"})
    assert_problem(answer, 404, "not_found", "project_id")
    answer = client.post(f"{V1}/calibrations", json={"projects": [project]})
    assert_problem(answer, 422, "bad_input", "projects[0]")


def simulated_stage(name: Stage, cycles: int, tokens: int, position: int | None) -> SimulatedStage:
    return SimulatedStage(
        stage=name, kernel=name, tokens=tokens, position=position, layers=MODEL.n_layers, layers_simulated=1, clock_mhz=292.0,
        cycles=cycles, latency_s=cycles / 292e6, steps=(), modules=(), streams=(), ports=(), loops_missed=(),
        loops_unknown=(), failure=None,
    )  # fmt: skip


def test_a_timed_simulation_that_passed_measures_both_stages(client: Any, project: str) -> None:
    stages = (simulated_stage("prefill", 9_000_000, 128, None), simulated_stage("decode", 2_000_000, 1, 512))
    reports = [
        SimulationReport(
            flexdse_version="0", model_version=MODEL_VERSION, timing_table_version="2", compiler_version="x",
            pipeline_style="stp", passed=passed, seconds=1.0, modified_files=(), stages=stages,
        )
        for passed in (True, False)
    ]  # fmt: skip
    with client.app.state.database.write() as work:
        row = work.projects.get(project)
        for report in reports:
            run, job = enqueue_run(work, row, "simulate", owner="local")
            document = report.model_dump(mode="json", by_alias=True)
            work.reports.add(
                owner="local", step="simulate", document=document, project_id=project, run_id=run.id, job_id=job.id
            )
    items = client.get(f"{V1}/projects/{project}/measurements").json()["items"]
    prefill = evaluate_point(
        as_built(DESIGN), MODEL, DEVICE, Workload(prompt_tokens=129, output_tokens=1)
    ).prefill.cycles
    decode = evaluate_point(as_built(DESIGN), MODEL, DEVICE, Workload(prompt_tokens=512, output_tokens=2)).decode.cycles
    assert [(one["stage"], one["metric"], one["measured"]) for one in items] == [
        ("prefill", "cycles", 9e6),
        ("decode", "cycles", 2e6),
    ]
    assert [one["predicted"] for one in items] == [pytest.approx(prefill), pytest.approx(decode)]
    assert client.post(f"{V1}/calibrations", json={"projects": [project]}).status_code == 201
