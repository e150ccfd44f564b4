"""`flexdse calibrate`: from a file of measurements to a table that evaluate takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from cost_models.report import evaluate_point
from flexdse.calibration_files import read_calibration, read_measurements, write_calibration
from flexdse.commands.calibrate import calibrate
from spec.catalog import load_design, load_device, load_model
from spec.errors import FlexDSEError, InputError, UnknownNameError
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION
from spec.workload import Workload

app = typer.Typer()
app.command()(calibrate)


def document(count: int = 4, **changes: Any) -> dict[str, Any]:
    one = {
        "provenance": "timed_sim",
        "device": "u280",
        "model_version": MODEL_VERSION,
        "timing_table_version": DEFAULT_TIMING_TABLE.version,
        "stage": "decode",
        "module": None,
        "metric": "cycles",
        "predicted": 1000,
        "source": "a run",
    }
    return {
        "schema": "flexdse/measurements/v1",
        "measurements": [
            {**one, "design_key": f"{n:016x}", "measured": 1080.0 + 10 * n, **changes} for n in range(count)
        ],
    }


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    path = tmp_path / "measured.yaml"
    path.write_text(yaml.safe_dump(document()))
    return path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_the_table_says_what_left_out_data_say(measured: Path) -> None:
    outcome = run(str(measured))
    assert outcome.exit_code == 0
    assert "decode cycles" in outcome.stdout
    assert "timed_sim" in outcome.stdout
    assert "8.7%" in outcome.stdout  # mean of 1 - 1000 / (1080 .. 1110)
    assert "NO GAIN" not in outcome.stdout


def test_a_fit_without_gain_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    data = document(2)
    data["measurements"][0]["measured"], data["measurements"][1]["measured"] = 950, 1050
    path.write_text(json.dumps(data))
    outcome = run(str(path))
    assert "NO GAIN on left-out designs: decode cycles" in outcome.stdout


def test_one_design_has_nothing_to_leave_out(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(document(1)))
    assert "one design only" in run(str(path)).stdout


def test_the_written_table_is_what_evaluate_takes(measured: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    outcome = run(str(measured), "--out", str(out), "--json")
    assert outcome.exit_code == 0
    table = read_calibration(out)
    assert json.loads(outcome.stdout) == table.model_dump(mode="json", by_alias=True)
    assert list(json.loads(out.read_text()))[:4] == [
        "schema",
        "flexdse_version",
        "model_version",
        "timing_table_version",
    ]
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    design, model, device = load_design("flexllm-u280"), load_model("llama-3.2-1b"), load_device("u280")
    plain = evaluate_point(design, model, device, workload)
    report = evaluate_point(design, model, device, workload, calibration=table)
    assert report.decode.cycles == pytest.approx(plain.decode.cycles * table.entries[0].factor)


def test_an_existing_file_is_left_alone(measured: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.json"
    out.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        run(str(measured), "--out", str(out))
    assert out.read_text() == "mine"
    assert run(str(measured), "--out", str(out), "--force").exit_code == 0
    assert read_calibration(out).device == "u280"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["measured.yaml", "table.json"]


def test_a_place_that_cannot_be_written(measured: Path, tmp_path: Path) -> None:
    table = read_calibration_of(measured, tmp_path)
    with pytest.raises(InputError, match="is a folder"):
        write_calibration(table, tmp_path, force=True)
    with pytest.raises(FlexDSEError, match="cannot write") as caught:
        write_calibration(table, tmp_path / "none" / "table.json")
    assert caught.value.hint


def read_calibration_of(measured: Path, folder: Path) -> Any:
    out = folder / "first.json"
    run(str(measured), "--out", str(out))
    return read_calibration(out)


def test_provenances_are_picked(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    both = document()
    both["measurements"] += document(3, provenance="board", metric="latency_s")["measurements"]
    path.write_text(json.dumps(both))
    assert {one.provenance for one in read_measurements(path)} == {"timed_sim", "board"}
    assert "timed_sim" not in run(str(path), "--provenance", "board").stdout
    with pytest.raises(UnknownNameError, match="boards"):
        run(str(path), "--provenance", "boards")
    with pytest.raises(InputError, match="no measurement of provenance csynth"):
        run(str(path), "--provenance", "csynth")


def test_a_table_of_an_old_model_is_announced(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(document(model_version="0")))
    assert "evaluate refuses it" in run(str(path)).stderr


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"measured": 0}, "measurements[0].measured"),
        ({"predicted": -5}, "measurements[0].predicted"),
        ({"mesured": 5}, "measurements[0].mesured"),
        ({"metric": "latency"}, "measurements[0].metric"),
        ({"metric": "lut"}, "measurements[0].metric"),
        ({"provenance": "open_synthesis"}, "measurements[0].metric"),
        ({"measured_at_least": 2000}, "measurements[0].measured_at_least"),
    ],
)
def test_a_wrong_file_names_the_place(tmp_path: Path, change: dict[str, Any], field: str) -> None:
    path = tmp_path / "measured.yaml"
    path.write_text(yaml.safe_dump(document(1, **change)))
    with pytest.raises(InputError) as caught:
        run(str(path))
    assert caught.value.field == field
    assert caught.value.source == str(path)
    assert caught.value.line
    assert caught.value.hint


def test_nan_in_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text(json.dumps(document(1, measured=float("nan"))))
    with pytest.raises(InputError, match="NaN"):
        run(str(path))
