"""The document: every missing value has a reason, it survives a round trip, and `report show` prints it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from flexdse.commands import report as command
from hls_gen.reports import parse_report
from hls_gen.reports.errors import ReportUnreadableError
from spec.errors import InputError
from spec.strict import parse_json, validate
from spec.synthesis_report import Absent, ResourceCounts, SynthesisReport, measured

DATA = Path(__file__).with_name("data")
OWN = sorted(DATA.iterdir())

app = typer.Typer()
app.add_typer(command.report, name="report")


def test_a_missing_value_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="do not agree: uram"):
        ResourceCounts(lut=1, ff=2, dsp=3, bram_18k=4, uram=None)
    with pytest.raises(ValueError, match="do not agree: lut"):
        ResourceCounts(lut=1, ff=2, dsp=3, bram_18k=4, uram=None, missing={"uram": "no row", "lut": "no row"})
    counts = measured(ResourceCounts, lut=1, ff=2, dsp=3, bram_18k=4, uram=Absent("no row"))
    assert counts.missing == {"uram": "no row"}


def test_provenance_is_mandatory() -> None:
    data = json.loads(parse_report(DATA / "csynth_2020.xml").model_dump_json(by_alias=True))
    del data["provenance"]
    with pytest.raises(InputError, match="provenance"):
        validate(SynthesisReport, data)
    with pytest.raises(InputError, match="provenance"):
        validate(SynthesisReport, {**data, "provenance": "measured"})


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_round_trip(path: Path) -> None:
    report = parse_report(path)
    assert validate(SynthesisReport, parse_json(report.model_dump_json(by_alias=True))) == report


def test_schema() -> None:
    schema = SynthesisReport.model_json_schema(by_alias=True)
    assert {"provenance", "part", "tool", "tool_version", "clock", "latency", "interval", "resources"} <= set(
        schema["required"]
    )


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_show_as_json(path: Path) -> None:
    result = CliRunner().invoke(app, ["report", "show", str(path), "--json"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert list(document)[:4] == ["schema", "flexdse_version", "model_version", "timing_table_version"]
    assert document["schema"] == "flexdse/synthesis_report/v1"
    assert {"part", "tool_version", "resources", "latency", "interval", "clock", "provenance"} <= set(document)
    for name in ("part", "tool_version", "resources", "latency", "interval", "clock"):
        assert document[name] is not None or document["missing"][name]


def test_resources_of_the_json_document_are_flat() -> None:
    result = CliRunner().invoke(app, ["report", "show", str(DATA / "csynth_2020.xml"), "--json"])
    used = json.loads(result.stdout)["resources"]
    assert {name: used[name] for name in ("lut", "ff", "dsp", "bram_18k", "uram")} == {
        "lut": 847, "ff": 1203, "dsp": 17, "bram_18k": 3, "uram": 0}  # fmt: skip


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_show_as_text(path: Path) -> None:
    result = CliRunner().invoke(app, ["report", "show", str(path)])
    assert result.exit_code == 0, result.output
    assert parse_report(path).provenance in result.stdout


def test_show_of_an_unreadable_file() -> None:
    result = CliRunner().invoke(app, ["report", "show", str(DATA)])
    assert isinstance(result.exception, ReportUnreadableError)


def test_names_from_a_report_can_not_steer_a_terminal(tmp_path: Path) -> None:
    text = (DATA / "csynth_2023.xml").read_text().replace("<Name>Rows</Name>", "<Name>\u009b2JRows\u202e</Name>")
    (tmp_path / "csynth.xml").write_text(text)
    result = CliRunner().invoke(app, ["report", "show", str(tmp_path / "csynth.xml")])
    assert result.exit_code == 0, result.output
    assert "\u009b" not in result.stdout
    assert "\u202e" not in result.stdout
