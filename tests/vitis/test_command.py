"""`flexdse synthesize`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from typer.testing import CliRunner

from flexdse.commands.doctor import checks
from flexdse.commands.synthesize import synthesize
from hls_gen.toolchain.vitis.errors import SynthesisStepError
from spec.errors import ToolNotFoundError, UnknownNameError

if TYPE_CHECKING:
    from tests.vitis.conftest import StandIn

app = typer.Typer()
app.command()(synthesize)


def test_without_vitis(no_vitis: None, project: Path) -> None:
    result = CliRunner().invoke(app, [str(project), "--backend", "vitis"])
    assert isinstance(result.exception, ToolNotFoundError)
    assert result.exception.exit_code == 1
    assert result.exception.hint


def test_unknown_backend(project: Path) -> None:
    result = CliRunner().invoke(app, [str(project), "--backend", "vitus"])
    assert isinstance(result.exception, UnknownNameError)
    assert "vitis" in str(result.exception.hint)


def test_json(tools: StandIn, project: Path) -> None:
    result = CliRunner().invoke(app, [str(project), "--steps", "csynth, cosim", "--json", "--clock-mhz", "250"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert list(document)[:4] == ["schema", "flexdse_version", "model_version", "timing_table_version"]
    assert (document["backend"], document["passed"]) == ("vitis", True)
    assert [step["step"] for step in document["steps"]] == ["csynth", "cosim"]
    assert document["steps"][0]["kernels"][0]["reports"][0]["resources"]["dsp"] == 256
    assert "Estimated Fmax" in result.stderr  # the live log


def test_text(old_tools: StandIn, project: Path) -> None:
    CliRunner().invoke(app, [str(project), "--steps", "csynth"])
    result = CliRunner().invoke(app, [str(project), "--steps", "csynth"])
    assert result.exit_code == 0, result.output
    assert "succeeded (before)" in result.stdout
    assert "41,000" in result.stdout


def test_a_failed_step(old_tools: StandIn, project: Path) -> None:
    old_tools.modes(csynth="license")
    result = CliRunner().invoke(app, [str(project), "--steps", "csynth"])
    assert isinstance(result.exception, SynthesisStepError)
    assert result.exception.code == "synthesis_license"


def test_steps_and_limits_that_are_none_of_its(old_tools: StandIn, project: Path) -> None:
    unknown = CliRunner().invoke(app, [str(project), "--backend", "vitis", "--steps", "open_synthesis"])
    assert isinstance(unknown.exception, UnknownNameError)
    assert "open_synthesis" not in str(unknown.exception.hint)
    for limit in ("inf", "nan", "1e300", "0"):
        assert CliRunner().invoke(app, [str(project), "--backend", "vitis", "--memory-limit-gib", limit]).exit_code == 2
    assert old_tools.calls == []


def test_without_vivado_the_step_and_the_way_out_are_named(stand_in: StandIn, project: Path) -> None:
    stand_in.install("vitis_hls", "v++", version="2023.2")
    result = CliRunner().invoke(app, [str(project), "--backend", "vitis"])
    assert isinstance(result.exception, ToolNotFoundError)
    assert "the step export" in result.exception.message
    assert "--steps csim,csynth,cosim" in str(result.exception.hint)


def test_doctor_names_versions(old_tools: StandIn) -> None:
    found = {check.name: check.found for check in checks()}
    assert str(found["Vitis HLS <= 2023.2"]).startswith("2023.2 at ")
    assert str(found["Vivado"]).startswith("2023.2 at ")
    assert found["Vitis >= 2024.1"] is None
