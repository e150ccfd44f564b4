"""`--server` of the commands about projects and jobs: what they do on a service looks like what they do here."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flexdse.application import app
from flexdse.client.connection import ServerEvent
from flexdse.client.resources import JobFailed
from flexdse.remote_projects import _print_tool_line, _unpack, run_there
from flexdse.serve import start_background
from hls_gen.errors import ProjectExistsError
from hls_gen.manifest import ProjectManifest, describe
from spec.errors import FlexDSEError, InputError
from tests.api import bodies

Command = Callable[..., str]
OPTIONS = "--design flexllm-u280 --model llama-3.2-1b --device u280 --prompt-tokens 64 --output-tokens 64".split()


def runner(url: str, token: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("FLEXDSE_TOKEN", token)
    monkeypatch.setenv("FLEXDSE_SERVER", url)

    def run(*arguments: str, exit_code: int = 0) -> str:
        result = CliRunner().invoke(app, arguments, standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        assert result.return_value in (exit_code, None), result.output
        return result.stdout

    return run


@pytest.fixture
def command(service: Any, monkeypatch: pytest.MonkeyPatch) -> Command:
    return runner(service.url, service.token, monkeypatch)


def test_project_is_generated_there_and_unpacked_here(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "project"
    printed = command("generate", *OPTIONS, "--out", str(out), "--json")
    assert json.loads(printed) == json.loads(bodies.PROJECT_FILES["manifest.json"])
    assert {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()} == (
        bodies.PROJECT_FILES
    )
    with pytest.raises(ProjectExistsError):
        command("generate", *OPTIONS, "--out", str(out))
    command("generate", *OPTIONS, "--out", str(out), "--force")


def test_project_that_cannot_be_generated_leaves_nothing(command: Command, tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="cannot be built"):
        command("generate", *OPTIONS, "--out", str(tmp_path / "project"), "--seed", "13")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_no_project_or_was_edited_is_refused(command: Command, tmp_path: Path, service: Any) -> None:
    with pytest.raises(FlexDSEError, match="no generated project"):
        command("csim", str(tmp_path))
    project = tmp_path / "project"
    project.mkdir()
    (project / "kernel.cpp").write_text("int main() {}\n")
    inputs = {
        "design_key": "0",
        "design": {},
        "model": {},
        "device": {},
        "workload": {"prompt_tokens": 1, "output_tokens": 1},
    }
    manifest = {
        "flexdse_version": "0",
        "model_version": "0",
        "timing_table_version": "0",
        "inputs": {**inputs, "seed": 0},
        "csim": [],
        "expected_cycles": [],
        "files": {"kernel.cpp": describe(b"int main() { return 1; }\n").model_dump()},
    }
    (project / "manifest.json").write_text(ProjectManifest.model_validate_json(json.dumps(manifest)).to_text())
    with pytest.raises(InputError, match="edited since it was generated") as caught:
        run_there(service.url, project, "csim", {})
    assert caught.value.value == "kernel.cpp"


def test_jobs_of_a_service(command: Command, service: Any) -> None:
    path = service.submit(30)
    job_id = service.client.get(path).json()["job_id"]
    listed = json.loads(command("jobs", "list", "--limit", "500", "--json"))
    assert job_id in [job["id"] for job in listed]
    assert job_id in command("jobs", "list", "--limit", "500")
    assert json.loads(command("jobs", "show", job_id))["kind"] == "explore"
    command("jobs", "cancel", job_id)
    service.wait(path)
    assert command("jobs", "list", "--state", "cancelled", "--kind", "explore").count(job_id) == 1
    command("jobs", "logs", job_id)
    command("jobs", "retry", job_id)
    assert service.client.get(f"/api/v1/jobs/{job_id}").json()["attempt"] >= 2
    command("jobs", "cancel", job_id)
    service.wait(path)
    with pytest.raises(FlexDSEError) as caught:
        command("jobs", "show", "0" * 16)
    assert caught.value.exit_code == 2
    with pytest.raises(InputError, match="those of a data folder or those of a service"):
        command("jobs", "list", "--home", str(service.home), "--server", f"{service.url}/")


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "src/x"])
def test_service_that_sends_files_from_elsewhere_is_not_obeyed(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="outside of the project"):
        _unpack(tmp_path / "evil.zip", tmp_path / "folder", only="reports")
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    with start_background(home=tmp_path / "home", port=0, log=tmp_path / "log") as background:
        yield runner(background.url, background.address.token or "", monkeypatch)


def test_the_summary_of_a_csim_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("compiling", "csim: PASS (bit-exact)"):
        _print_tool_line(ServerEvent("1", "line", {"text": text}))
    assert capsys.readouterr().err.split() == ["compiling"]


@pytest.mark.slow
@pytest.mark.needs_program("g++")
def test_project_of_a_real_service_is_bit_exact(real: Command, tmp_path: Path) -> None:
    """Generated there, unpacked here, then proved there from this folder."""
    out = tmp_path / "project"
    options = "--design flexllm-u280 --model smollm2-135m --device u280 --prompt-tokens 16 --output-tokens 16".split()
    real("generate", *options, "--out", str(out))
    assert "csim: PASS (bit-exact" in real("csim", str(out))
    assert json.loads((out / "reports" / "csim.json").read_text())["passed"]
    assert json.loads(real("jobs", "list", "--kind", "csim", "--json"))[0]["state"] == "succeeded"
    assert len(json.loads(real("jobs", "list", "--kind", "generate", "--json"))) == 1  # it is there already
