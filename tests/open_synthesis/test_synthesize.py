"""`flexdse synthesize --backend open`: reports, refusals, and the whole path."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from dse.region_shares import region_shares
from flexdse.commands.doctor import checks
from flexdse.commands.synthesize import synthesize
from hls_gen.errors import OpenSynthesisError, ProjectDamagedError
from hls_gen.toolchain.open import synthesize as module
from hls_gen.toolchain.open.cache import ResultCache
from hls_gen.toolchain.open.leaves import Leaf
from hls_gen.toolchain.open.mapping import Mapping
from hls_gen.toolchain.open.netlist import Mapped
from hls_gen.toolchain.open.synthesize import OpenSynthesisOptions, synthesize_open
from spec.catalog import load_design, load_device, load_model
from spec.errors import InputError
from spec.strict import parse_json, validate
from spec.synthesis_report import ResourceCounts, SynthesisReport, SynthesisStepReport
from spec.workload import Workload
from tests.open_synthesis.conftest import make_project

app = typer.Typer()
app.command()(synthesize)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Leaf]:
    """Leaves are not mapped but get counts that are easy to add up; what was asked for is in the list."""
    asked: list[Leaf] = []

    def counts(leaves: Iterable[Leaf], cache: ResultCache, **_options: Any) -> Mapping:
        asked.extend(leaves)
        return Mapping(
            {one: Mapped(lut_cells=100, lut_paired=60, ff=50, dsp=one.dsp) for one in asked}, len(asked), 0.0
        )

    monkeypatch.setattr(module, "map_leaves", counts)
    return asked


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(generated, tmp_path / "p"))


def _amounts(report: SynthesisReport) -> list[ResourceCounts]:
    assert report.resources is not None
    assert report.resources_at_least is not None
    return [report.resources_at_least, report.resources]


def test_report(counted: list[Leaf], project: Path, tmp_path: Path) -> None:
    report = synthesize_open(project, OpenSynthesisOptions(tmp_path))
    written = validate(SynthesisStepReport, parse_json((project / "reports" / "open_synthesis.json").read_text()))
    assert written == report
    assert (report.backend, report.step, report.passed, report.vivado_version) == ("open", "open_synthesis", True, None)
    assert [kernel.stage for kernel in report.kernels] == ["prefill", "decode"]
    assert len(counted) == len(set(counted))
    for kernel in report.kernels:
        (one,) = kernel.reports
        assert one.provenance == one.kind == "open_synthesis"
        assert one.clock is None
        assert one.timing is None
        assert "no clock" in one.missing["clock"]
        least, most = _amounts(one)
        for name in ("lut", "ff", "dsp", "bram_18k", "uram"):
            rows = [getattr(row.resources, name) for row in one.modules]
            lower = [getattr(row.resources_at_least, name) for row in one.modules]
            assert all(low <= high for low, high in zip(lower, rows, strict=True))
            # Rounded outwards row by row, and once in all.
            assert 0 <= sum(rows) - getattr(most, name) <= len(rows)
            assert 0 <= getattr(least, name) - sum(lower) <= len(rows)
        assert least.dsp == most.dsp
        assert most.uram == least.uram
        assert any("Yosys" in assumption for assumption in one.assumptions)
        assert not any("Versal" in assumption for assumption in one.assumptions)
        assert one.slrs == ()
        assert any("no region" in assumption for assumption in one.assumptions)
        assert (project / kernel.log).is_file()


def test_versal_is_flagged_and_counts_dsp58(counted: list[Leaf], project: Path, tmp_path: Path) -> None:
    ours = synthesize_open(project, OpenSynthesisOptions(tmp_path))
    versal = synthesize_open(make_project(tmp_path / "v80", 1, "v80"), OpenSynthesisOptions(tmp_path))
    for kernel in versal.kernels:
        assert any("Versal" in assumption and "proxy" in assumption for assumption in kernel.reports[0].assumptions)
    dsp = [sum(_amounts(kernel.reports[0])[1].dsp or 0 for kernel in report.kernels) for report in (ours, versal)]
    assert versal.part.startswith("xcv80")
    assert 0 < dsp[1] < dsp[0]  # an fp32 operator is one DSP58


def test_a_region_gets_its_kernel(counted: list[Leaf], project: Path, tmp_path: Path) -> None:
    manifest = json.loads((project / "manifest.json").read_text())
    for placed in manifest["inputs"]["design"]["kernels"]:
        placed["slr"] = "SLR1" if placed["module"] == "decode" else None
    (project / "manifest.json").write_text(json.dumps(manifest))
    report = synthesize_open(project, OpenSynthesisOptions(tmp_path))
    prefill, decode = (kernel.reports[0] for kernel in report.kernels)
    assert prefill.slrs == ()
    assert [row.name for row in decode.slrs] == ["SLR1"]
    assert decode.slrs[0].resources == decode.resources
    assert decode.slrs[0].resources_at_least == decode.resources_at_least
    assert decode.resources is not None
    assert decode.slrs[0].utilization.dsp == pytest.approx((decode.resources.dsp or 0) / 3072)


def test_regions_of_an_assignment_sum_to_the_kernel(counted: list[Leaf], project: Path, tmp_path: Path) -> None:
    workload = Workload(prompt_tokens=1024, output_tokens=1024)
    shares = region_shares(load_design("flexllm-u280"), load_model("llama-3.2-1b"), load_device("u280"), workload)
    assert set(shares) == {"prefill", "decode"}
    for regions in shares.values():
        assert set(regions) == {"SLR0", "SLR1", "SLR2"}
        assert all(sum(one[name] for one in regions.values()) == pytest.approx(1.0) for name in ("lut", "ff", "dsp"))
    report = synthesize_open(project, OpenSynthesisOptions(tmp_path, region_shares=shares))
    for kernel in report.kernels:
        (one,) = kernel.reports
        for end, whole in (("resources_at_least", _amounts(one)[0]), ("resources", _amounts(one)[1])):
            for name in ("lut", "ff", "dsp", "bram_18k", "uram"):
                assert sum(getattr(getattr(row, end), name) for row in one.slrs) == getattr(whole, name)
        assert any("regions: the kernel divided" in assumption for assumption in one.assumptions)


def test_edited_sources_and_what_is_no_project(counted: list[Leaf], project: Path, tmp_path: Path) -> None:
    source = project / "src" / "decode.cpp"
    source.write_text(source.read_text() + "// mine\n")
    with pytest.raises(ProjectDamagedError, match=r"decode\.cpp was edited"):
        synthesize_open(project, OpenSynthesisOptions(tmp_path))
    with pytest.raises(ProjectDamagedError, match="no generated project"):
        synthesize_open(tmp_path, OpenSynthesisOptions(tmp_path))
    assert counted == []


def test_an_old_report_does_not_outlive_a_failure(
    counted: list[Leaf], project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesize_open(project, OpenSynthesisOptions(tmp_path))

    def broken(*_arguments: Any, **_options: Any) -> Mapping:
        raise OpenSynthesisError("Yosys ended with 1")

    monkeypatch.setattr(module, "map_leaves", broken)
    with pytest.raises(OpenSynthesisError):
        synthesize_open(project, OpenSynthesisOptions(tmp_path))
    assert not (project / "reports" / "open_synthesis.json").exists()


def test_a_full_disk_and_a_cache_that_can_not_be_written(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OpenSynthesisError, match="can not be written") as caught:
        synthesize_open(project, OpenSynthesisOptions(tmp_path / "file" / "leaves"))
    assert caught.value.field == "--cache"
    assert "--cache" in str(caught.value.hint)

    def full(*_arguments: Any, **_options: Any) -> Mapping:
        raise OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "leaves" / "x"))

    monkeypatch.setattr(module, "map_leaves", full)
    with pytest.raises(OpenSynthesisError, match="No space left") as caught:
        synthesize_open(project, OpenSynthesisOptions(tmp_path / "leaves"))
    assert "make room" in str(caught.value.hint)


def test_command(counted: list[Leaf], project: Path, tmp_path: Path) -> None:
    arguments = [str(project), "--backend", "open", "--cache", str(tmp_path)]
    text = CliRunner().invoke(app, arguments)
    assert text.exit_code == 0, text.output
    assert "axi_adapters" in text.stdout
    assert "of the card" in text.stdout
    assert "no clock is claimed" in text.stderr
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert list(document)[:4] == ["schema", "flexdse_version", "model_version", "timing_table_version"]
    assert (document["backend"], document["passed"]) == ("open", True)
    assert document["steps"][0]["kernels"][1]["reports"][0]["provenance"] == "open_synthesis"


def test_auto_is_open_where_there_is_no_vitis(
    counted: list[Leaf], project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for name in ("XILINX_VITIS", "XILINX_HLS"):
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(app, [str(project), "--cache", str(tmp_path), "--json"])
    assert json.loads(result.stdout)["backend"] == "open"
    assert "backend open" in result.stderr


@pytest.mark.parametrize("option", [["--part", "xcu250"], ["--clock-mhz", "300"], ["--steps", "csim"], ["--restart"]])
def test_options_of_the_vendor_are_refused(option: list[str], project: Path) -> None:
    result = CliRunner().invoke(app, [str(project), "--backend", "open", *option])
    assert isinstance(result.exception, InputError)
    assert option[0] in str(result.exception)


def test_doctor_names_what_each_tool_adds() -> None:
    found = {check.name: check for check in checks()}
    for name, word in (
        ("pyosys", "--backend open"),
        ("Verilator", "RTL"),
        ("Vivado", "impl"),
        ("Vitis >= 2024.1", "--backend vitis"),
    ):
        assert word in found[name].needed_for
        assert found[name].way_out


@pytest.mark.slow
def test_a_whole_project_cold_and_warm(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", 2)
    cold = synthesize_open(project, OpenSynthesisOptions(tmp_path / "leaves"))
    first = (project / "reports" / "open_synthesis.json").read_text()
    warm = synthesize_open(project, OpenSynthesisOptions(tmp_path / "leaves"))
    assert [kernel.reused for kernel in cold.kernels + warm.kernels] == [False, False, True, True]
    for one, two in zip(cold.kernels, warm.kernels, strict=True):
        assert (one.key, one.reports) == (two.key, two.reports)
    assert json.loads(first)["kernels"][0]["reports"]
