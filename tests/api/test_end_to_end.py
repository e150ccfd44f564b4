"""The whole way of a design through a service: generated, proven, timed, synthesized, downloaded, measured. Nothing stands in."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from flexdse.serve import start_background
from spec import catalog
from spec.design_point import StageClocks
from tests.tiny_project import TINY_MODEL, tiny_design

V1 = "/api/v1"


@pytest.mark.slow
@pytest.mark.needs_program("g++")
def test_design_to_measurements(tmp_path: Path) -> None:
    device = catalog.load_device("u280")
    design = tiny_design(device, StageClocks(prefill=304.0, decode=292.0))
    body = {
        "design": design.model_dump(mode="json", by_alias=True),
        "model": TINY_MODEL.model_dump(mode="json", by_alias=True),
        "device": "u280",
        "workload": {"prompt_tokens": 10, "output_tokens": 3},
    }
    with (
        start_background(home=tmp_path, port=0, log=tmp_path / "log") as service,
        httpx.Client(base_url=service.url, headers=service.address.headers, timeout=600) as client,
    ):

        def done(answer: httpx.Response) -> dict[str, Any]:
            """What was accepted, once its job succeeded."""
            assert answer.status_code == 202, answer.text
            path, job = answer.headers["Location"], answer.json()["job_id"]
            for _ in client.get(f"{V1}/jobs/{job}/log/events").iter_lines():
                pass  # the stream ends with the job
            shown: dict[str, Any] = client.get(path).json()
            assert shown["state"] == "succeeded", (shown, client.get(f"{V1}/jobs/{job}/log").json())
            return shown

        project = done(client.post(f"{V1}/projects", json=body))
        path = f"{V1}/projects/{project['id']}"
        with zipfile.ZipFile(io.BytesIO(client.get(f"{path}/download").content)) as archive:
            assert json.loads(archive.read("manifest.json")) == project["manifest"]
        runs = {
            "csim": done(client.post(f"{path}:csim", json={})),
            "simulate": done(client.post(f"{path}:simulate", json={"layers": 1, "prompt_tokens": 8})),
            "synthesize": done(client.post(f"{path}:synthesize", json={"backend": "open"})),
        }
        assert {step: run["passed"] for step, run in runs.items()} == dict.fromkeys(runs, True)

        def report(run: dict[str, Any]) -> dict[str, Any]:
            listed = client.get(f"{V1}/reports", params={"run_id": run["id"]}).json()["items"]
            document: dict[str, Any] = client.get(f"{V1}/reports/{listed[0]['id']}").json()["document"]
            return document

        assert report(runs["csim"])["passed"]
        stages = {stage["stage"]: stage for stage in report(runs["simulate"])["stages"]}
        assert set(stages) == {"prefill", "decode"}
        assert all(stage["cycles"] > 0 for stage in stages.values())
        told = client.get(f"{path}/measurements")
        assert told.status_code == 200, told.text
        measured = told.json()["items"]
        assert {"timed_sim"} <= {each["provenance"] for each in measured}
        assert all(each["measured"] > 0 and each["predicted"] > 0 for each in measured)
        assert report(runs["synthesize"])["backend"] == "open"
