"""Timed simulation of a whole generated project: cycles, deadlocks by name, caught recurrences, nothing half written."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from flexdse.application import app
from hls_gen.errors import SimulationTimeoutError
from hls_gen.lint import lint_project
from hls_gen.project import generate_project
from hls_gen.random_designs import RandomProject, random_project, sweep_models
from hls_gen.simulate.project import BUILD_FOLDER, REPORT_PATH, simulate_project
from hls_gen.simulate.solve import solve
from spec.catalog import load_device
from spec.errors import InputError
from spec.simulation_report import SimulatedLoop, SimulationReport, SourcePlace
from spec.strict import load_document, validate
from spec.workload import Workload

pytestmark = pytest.mark.needs_program("clang++-16")


@pytest.fixture(scope="module")
def drawn() -> RandomProject:
    return random_project(np.random.default_rng(1), sweep_models()[0], load_device("u280"), 1)


@pytest.fixture(scope="module")
def project(drawn: RandomProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "p"
    workload = Workload(prompt_tokens=16, output_tokens=4)
    return generate_project(drawn.design, drawn.model, drawn.device, workload, folder, seed=1)


@pytest.fixture(scope="module")
def report(project: Path) -> SimulationReport:
    """Two blocks of prefill and the first decoded token."""
    return simulate_project(project)


def test_both_kernels_take_at_least_the_cycles_of_their_engines(report: SimulationReport, drawn: RandomProject) -> None:
    """No array is faster than one step a cycle; and on small layers none is ten times as slow."""
    assert report.passed
    prefill, decode = report.stage("prefill"), report.stage("decode")
    assert prefill is not None
    assert decode is not None
    assert prefill.cycles
    assert decode.cycles
    layers = drawn.model.n_layers
    per_block = max(sum(x.passes * x.d_in for x in engine.linears) for engine in drawn.plan.prefill.engines)
    blocks = -(-prefill.tokens // drawn.plan.prefill.token_parallelism)
    steps = layers * sum(x.passes * x.d_in for x in drawn.plan.decode.linears)
    head = drawn.plan.decode.head
    lanes = drawn.plan.decode.block_parallelism * drawn.plan.decode.weight_parallelism
    steps += -(-drawn.model.vocab_size // lanes) * head.d_in
    assert layers * blocks * per_block < prefill.cycles < 20 * layers * blocks * per_block
    assert steps < decode.cycles < 20 * steps
    if drawn.design.decode.modules.weight_buffer_beats:  # weights run ahead: a region a token
        assert [step.name for step in decode.steps] == ["token"]
    else:
        assert [step.name for step in decode.steps] == ["embed", "qkv", "attend", "gate_up", "down", "head"]
        assert {step.name: step.times for step in decode.steps}["down"] == layers
    for stage in (prefill, decode):
        assert not stage.loops_missed
        assert not stage.loops_unknown
        assert sum(step.times * step.cycles for step in stage.steps) <= stage.cycles
        assert all(stream.used_depth <= stream.depth for stream in stage.streams)


def test_the_report_is_whole_and_reads_back(project: Path, report: SimulationReport) -> None:
    document = load_document(project / REPORT_PATH, "report")
    assert validate(SimulationReport, document).model_dump(exclude={"seconds"}) == report.model_dump(
        exclude={"seconds"}
    )
    assert not list((project / "reports").glob("*.partial"))


def test_layers_that_were_recorded_alike_are_counted_as_simulated(project: Path, report: SimulationReport) -> None:
    """Both layers of prefill solved one after the other, against one layer twice."""
    short = simulate_project(project, prompt_tokens=5, stages=("prefill",)).stage("prefill")
    assert short is not None
    assert (short.layers, short.layers_simulated) == (2, 1)
    folder = project / BUILD_FOLDER  # the comparison of two layers, of as many tokens: one block
    both, _ = solve(folder / "prefill-layers.trace", folder / "prefill-layers.schedule", time.monotonic() + 600)
    assert short.cycles == both.cycles
    assert both.order[: len(both.order) // 2] == both.order[len(both.order) // 2 :]


def test_a_fifo_that_is_too_shallow_gives_the_named_deadlock(project: Path, report: SimulationReport) -> None:
    """The residual path has to hold a block while attention works on it."""
    result = CliRunner().invoke(
        app, ["simulate", str(project), "--stage", "prefill", "--fifo-depth", "prefill.x_skip=4", "--json"]
    )
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    (stage,) = document["stages"]
    assert stage["cycles"] is None
    assert stage["failure"]["verdict"] == "deadlock"
    ring = [b for b in stage["failure"]["blocked"] if b["in_ring"]]
    named = next(b for b in ring if b["stream"] == "prefill.x_skip")
    assert (named["process"], named["waits_to"], named["depth"]) == ("share_words", "write", 4)
    line = (project / named["place"]["file"]).read_text().splitlines()[named["place"]["line"] - 1]
    assert "second.write(word)" in line


def test_values_do_not_steer_the_time(project: Path, report: SimulationReport) -> None:
    """The decode kernel with integers of exact widths and words in its streams: the very same schedule."""
    with_values = simulate_project(project, stages=("decode",), with_values=True).stage("decode")
    decode = report.stage("decode")
    assert with_values is not None
    assert decode is not None
    assert with_values.model_dump() == decode.model_dump()


def test_an_added_recurrence_in_a_library_loop_is_caught(
    project: Path, report: SimulationReport, tmp_path: Path
) -> None:
    copy = tmp_path / "edited"
    shutil.copytree(project, copy)
    header = copy / "include/flexdse_hls/residual.hpp"
    text = header.read_text()
    slow = text.replace("Word_Pipeline:", "float carried = 0.0f;\nWord_Pipeline:").replace(
        "    y.write(sum);", "    carried = fp_add(carried, sum[0]);\n    sum[0] = carried;\n    y.write(sum);"
    )
    assert slow != text
    header.write_text(slow)
    edited = simulate_project(copy, stages=("decode",))
    assert edited.modified_files == ("include/flexdse_hls/residual.hpp",)
    stage, before = edited.stage("decode"), report.stage("decode")
    assert stage is not None
    assert before is not None
    assert stage.cycles is not None
    assert before.cycles is not None
    (missed,) = stage.loops_missed
    assert (missed.place.file, missed.loop) == ("include/flexdse_hls/residual.hpp", "Word_Pipeline")
    assert missed.derived == 4, "an fp32 addition from one word to the next"
    assert stage.cycles > before.cycles
    findings = lint_project(copy, intervals=True)  # of each kernel that has the loop
    assert {(finding.file, finding.line) for finding in findings} == {(missed.place.file, missed.place.line)}
    assert all("asks for II=1, it can have 4" in finding.message for finding in findings)


def test_an_interrupted_simulation_leaves_no_report(project: Path, report: SimulationReport) -> None:
    assert (project / REPORT_PATH).is_file()
    with pytest.raises(SimulationTimeoutError):
        simulate_project(project, timeout_s=0.0)
    assert not (project / REPORT_PATH).exists()
    assert not list((project / "reports").glob("*.partial"))


@pytest.mark.parametrize(
    ("field", "value"), [("prompt_tokens", 0), ("prompt_tokens", 10**6), ("position", -1), ("layers", 3)]
)
def test_numbers_that_the_project_was_not_built_for_are_refused(project: Path, field: str, value: int) -> None:
    with pytest.raises(InputError) as caught:
        simulate_project(project, **{field: value})
    assert caught.value.field == field


def test_a_depth_of_a_stream_that_is_not_there_is_refused(project: Path, report: SimulationReport) -> None:
    (project / REPORT_PATH).write_text("of a run before")
    for name in ("prefill.xskip", "x_skip", "decode.x_skip"):
        with pytest.raises(InputError) as caught:
            simulate_project(project, stages=("prefill",), depths={name: 4})
        assert caught.value.value == name
        assert (project / REPORT_PATH).read_text() == "of a run before", "a wrong name costs no result"


@pytest.mark.parametrize("depth", ["²", "0", "9" * 5000, "1048577", ""])
def test_what_is_no_depth_is_refused(project: Path, depth: str) -> None:
    found = CliRunner().invoke(app, ["simulate", str(project), "--fifo-depth", f"prefill.x_skip={depth}"])
    assert found.exit_code != 0
    assert isinstance(found.exception, InputError), found.exception
    assert found.exception.field == "--fifo-depth"


def test_a_missed_interval_is_no_plain_pass(report: SimulationReport) -> None:
    assert report.summary_line().startswith("simulate: PASS (")
    assert report.intervals_missed == 0
    place = SourcePlace(file="src/decode.cpp", line=1)
    loop = SimulatedLoop(function="f", place=place, loop="L", requested=1, derived=4, reason="an addition")
    stages = (
        *report.stages[:1],
        report.stages[1].model_copy(update={"loops_missed": (loop,), "loops_unknown": (loop,)}),
    )
    line = report.model_copy(update={"stages": stages}).summary_line()
    assert line.startswith("simulate: INTERVALS MISSED by 1 loop, ")
    assert "1 loop of unknown interval" in line
