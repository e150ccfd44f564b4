"""The HMT plug-in in a generated project: bit-exact over several segments, refused by name where it is not built, timed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cost_models.hmt import cross_attention_cycles, engine_cycles, loader_cycles
from hls_gen.errors import IllegalDesignError, OpenSynthesisError
from hls_gen.golden.forward import GoldenModel
from hls_gen.golden.synthetic import synthetic_checkpoint
from hls_gen.lint import lint_project
from hls_gen.manifest import load_manifest
from hls_gen.plan import plan_project
from hls_gen.planning.hmt import hmt_step_names
from hls_gen.project import generate_project
from hls_gen.render import render
from hls_gen.simulate.project import simulate_project
from hls_gen.text import write_golden, write_images
from hls_gen.toolchain.csim import run_csim
from hls_gen.toolchain.flags import CSIM_FLAGS, CXX_FLAGS, FAST_FLAGS
from hls_gen.toolchain.host_run import XRT_HEADERS, build_host, run_host
from hls_gen.toolchain.open.synthesize import project_parts
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.hmt import HmtPlugin
from spec.model_config import ModelConfig
from spec.strict import validate
from spec.timing import DEFAULT_TIMING_TABLE
from spec.workload import Workload

PLUGIN = HmtPlugin(
    segment_tokens=9, summary_tokens=5, recall_tokens=2, memories=8, max_segments=8, block_parallelism=2,
    weight_parallelism=2, window_multiple=8,
)  # fmt: skip
PROMPT = Workload(prompt_tokens=32, output_tokens=8)  # 31 prefilled tokens: four segments, the last one shorter


def with_plugin(
    design: DesignPoint, io_bits: int = 128, channels: tuple[int, ...] = (21, 22), **fields: Any
) -> DesignPoint:
    """`design` with the plug-in on ports of its own."""
    data = design.model_dump(mode="json", by_alias=True)
    data["hmt"] = {**PLUGIN.model_dump(), **fields}
    like = data["memory_map"]["ports"][0] | {"stage": "prefill", "memory": "hbm"}
    data["memory_map"]["ports"] += [
        {**like, "name": "hmt_io", "roles": ["hmt_io"], "width_bits": io_bits, "channel": 20},
        *({**like, "name": f"hmt_w_{c}", "roles": ["hmt_weights"], "width_bits": 64, "channel": c} for c in channels),
    ]
    return validate(DesignPoint, data)


@pytest.fixture(scope="module")
def design(tiny_design: DesignPoint) -> DesignPoint:
    return with_plugin(tiny_design)


@pytest.fixture(scope="module")
def project(
    design: DesignPoint, tiny_model: ModelConfig, u280: Device, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return generate_project(design, tiny_model, u280, PROMPT, tmp_path_factory.mktemp("hmt") / "project")


def run_prefill(project: Path, program: Path) -> subprocess.CompletedProcess[str]:
    """The testbench of prefill with the fast integers."""
    folders = [f"-I{project / name}" for name in ("include", "src", "tb")]
    sources = [project / "src" / "prefill.cpp", project / "tb" / "prefill_tb.cpp"]
    command = ["g++", *CXX_FLAGS, *CSIM_FLAGS, *FAST_FLAGS, "-O0", *folders, *map(str, sources), "-o", str(program)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr[-3000:]
    return subprocess.run([program, project], capture_output=True, text=True, timeout=300, check=False)


def differing(output: str) -> set[str]:
    """Modules with differences."""
    return {
        line.split('"module": "')[1].split('"')[0] for line in output.splitlines() if '"differences": 0' not in line
    }


@pytest.mark.needs_program("g++")
def test_segments_are_bit_exact(project: Path, tmp_path: Path) -> None:
    """Three segments: a first one, one with a query on one memory, and a ragged one with a query on two."""
    assert lint_project(project) == ()
    finished = run_prefill(project, tmp_path / "prefill")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    planned = [case for case in load_manifest(project).csim if case.linear.startswith("hmt.")]
    assert {case.linear: case.values for case in planned} == {
        "hmt.window": 5 * 8 * 96, "hmt.query": 2 * 96, "hmt.scores": 2 * 8, "hmt.weights": 2 * 8, "hmt.prompt": 2 * 96,
        "hmt.memory": 2 * 96, "hmt.key": 2 * 96,
    }  # fmt: skip
    for case in planned:
        line = (
            f'"module": "{case.module}", "linear": "{case.linear}", "compared_values": {case.values}, "differences": 0'
        )
        assert line in finished.stdout, case


def test_other_projects_hold_nothing_of_it(tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device) -> None:
    files = render(plan_project(tiny_design, tiny_model, u280, PROMPT))
    assert not [name for name, text in files.items() if "hmt" in name.lower() or "hmt" in text.lower()]


def test_plan_and_texts(design: DesignPoint, project: Path, tiny_model: ModelConfig, u280: Device) -> None:
    plan = plan_project(design, tiny_model, u280, PROMPT)
    assert plan.max_tokens == 16  # the longest window: 2 + 2 + 9 rows, in eights; not the 40 tokens
    assert plan.csim.hmt is not None
    assert (plan.csim.prefill_tokens, plan.csim.position) == (7, 1 + plan.csim.hmt.recall_tokens + 1)
    readme = (project / "README.md").read_text()
    assert "W_q, W_k and T are synthetic" in readme
    connectivity = (project / "vitis" / "prefill.cfg").read_text()
    for port in ("hmt_io", "hmt_w_21", "hmt_w_22"):
        assert f"mem_{port}:HBM[" in connectivity
        assert f"mem_{port}_out:HBM[" in connectivity
    assert hmt_step_names(2, ["kv"]) == [
        "window",
        "kv",
        "remember",
        "window",
        "kv",
        "query",
        "score",
        "value",
        "window",
        "kv",
    ]
    assert load_manifest(project).inputs.design["hmt"] == PLUGIN.model_dump()


@pytest.mark.parametrize(
    ("fields", "more", "error", "field"),
    [
        ({"memories": 4}, {}, InputError, "hmt.memories"),
        ({"block_parallelism": 3, "weight_parallelism": 2, "memories": 24}, {"channels": (21, 22, 23)}, InputError,
         "hmt.block_parallelism"),
        ({}, {"io_bits": 2048}, InputError, "memory_map"),
        ({"window_multiple": 6}, {}, IllegalDesignError, "hmt.window_multiple"),
        ({"max_segments": 3}, {}, IllegalDesignError, "hmt.max_segments"),
        ({"weight_parallelism": 10}, {}, IllegalDesignError, "hmt.weight_parallelism"),
    ],
)  # fmt: skip
def test_what_is_not_built_is_refused_by_name(
    fields: dict[str, int], more: dict[str, Any], error: type[InputError], field: str, tiny_design: DesignPoint,
    tiny_model: ModelConfig, u280: Device,
) -> None:  # fmt: skip
    with pytest.raises(error) as found:
        plan_project(with_plugin(tiny_design, **more, **fields), tiny_model, u280, PROMPT)
    assert str(found.value.field).startswith(field)


def test_open_synthesis_says_that_it_does_not_count_it(project: Path) -> None:
    with pytest.raises(OpenSynthesisError, match="the HMT plug-in"):
        project_parts(project)


def test_bf16_beside_it_is_refused(design: DesignPoint, tiny_model: ModelConfig, u280: Device) -> None:
    with pytest.raises(InputError, match="HMT plug-in beside modules of another format") as found:
        plan_project(design.model_copy(update={"nonlinear_format": "bf16"}), tiny_model, u280, PROMPT)
    assert found.value.field == "nonlinear_format"


MUTATIONS = {
    "recalled rows": ("steps", "(first - before) * Shape::kRowWords", "first * Shape::kRowWords", "hmt_window"),
    "row of the query": ("steps", "2 * window.segment - 1, prompt", "2 * window.segment, prompt", "hmt_engine"),
    "filled slots": (
        "steps",
        "window.segment < Shape::kSlots ? window.segment",
        "window.segment < 0 ? 0",
        "hmt_retrieval",
    ),
    "slot of a memory": ("steps", "window.segment % Shape::kSlots", "0", "hmt_retrieval"),
}


@pytest.mark.slow
@pytest.mark.needs_program("g++")
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_flipped_line_of_the_program_is_noticed(mutation: str, project: Path, tmp_path: Path) -> None:
    header, right, wrong, module = MUTATIONS[mutation]
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    file = copy / "include" / "flexdse_hls" / "hmt" / f"{header}.hpp"
    text = file.read_text()
    assert text.count(right) == 1
    file.write_text(text.replace(right, wrong))
    finished = run_prefill(copy, tmp_path / "prefill")
    assert finished.returncode != 0
    assert module in differing(finished.stdout)


@pytest.mark.slow
@pytest.mark.needs_program("g++")
@pytest.mark.parametrize("mode", ["fast", "strict"])
def test_whole_project_is_bit_exact(project: Path, mode: Any) -> None:
    report = run_csim(project, mode=mode)
    assert report.passed
    assert {stage.stage for stage in report.stages} == {"prefill", "decode"}


@pytest.mark.slow
@pytest.mark.needs_program("g++")
@pytest.mark.skipif(not XRT_HEADERS.is_dir(), reason="libxrt-dev is missing")
def test_host_runs_a_prompt_of_more_segments_than_memories(
    tiny_design: DesignPoint, tiny_model: ModelConfig, u280: Device, tmp_path: Path
) -> None:
    """Eleven segments through eight slots, at the sizes of the design, and decode behind them."""
    design, workload = with_plugin(tiny_design, max_segments=16), Workload(prompt_tokens=95, output_tokens=8)
    project = generate_project(design, tiny_model, u280, workload, tmp_path / "project", vectors=False)
    plan = plan_project(design, tiny_model, u280, workload)
    checkpoint = synthetic_checkpoint(tiny_model, design.quant_scheme, 5)
    prompt = tuple(range(100, 100 + workload.prompt_tokens))
    write_images(plan, checkpoint, tmp_path / "images")
    tokens = write_golden(plan, checkpoint, prompt, 3, tmp_path / "golden")
    build_host(project)
    run = run_host(project, tmp_path / "images", prompt, 3, golden=tmp_path / "golden")
    assert run.tokens == tokens
    assert set(run.compared_values) == {"prefill", "decode"}
    alone = run_host(project, tmp_path / "images", (7,), 1)  # no segment at all
    assert alone.tokens == (GoldenModel(checkpoint).decode(7).token,)


@pytest.mark.slow
@pytest.mark.needs_program("clang++-16")
def test_steps_take_what_the_law_says(
    project: Path, design: DesignPoint, tiny_model: ModelConfig, u280: Device, tmp_path: Path
) -> None:
    """Each step against `cost_models/hmt.py`, beyond the latencies that the law leaves out; the engine of a large model
    within 2 % (docs/hls_library.md)."""
    copy = tmp_path / "project"
    shutil.copytree(project, copy)
    report = simulate_project(copy, stages=["prefill"])
    assert report.passed
    stage = report.stages[0]
    assert (stage.loops_missed, stage.loops_unknown) == ((), ())
    whole = simulate_project(copy, stages=["prefill"], layers=1).stages[0]
    steps = {(step.name, step.times): step.cycles for step in stage.steps}
    layers = sum(step.times * step.cycles for step in whole.steps if step.name in ("kv", "main"))
    assert stage.cycles is not None
    assert whole.cycles is not None
    assert abs(stage.cycles - whole.cycles - layers) < 0.01 * stage.cycles  # the second layer takes what the first does
    batch, timing = DesignBatch.from_points([design], u280).prefill, DEFAULT_TIMING_TABLE
    d, slots, latencies = tiny_model.hidden_dim, PLUGIN.memories, 3.5 * timing.memory_access_cycles
    for name, law in (
        ("query", engine_cycles(d, d, PLUGIN, 1.0, timing)),
        ("remember", engine_cycles(d, d, PLUGIN, 1.0, timing)),
        ("score", engine_cycles(d, slots, PLUGIN, 1.0, timing)),
        ("value", engine_cycles(slots, d, PLUGIN, 1.0, timing)),
    ):
        assert float(law) - d < steps[name, 3] < float(law) + latencies, name
    retrieval = sum(steps[name, 3] for name in ("query", "score", "value"))
    assert retrieval == pytest.approx(
        float(cross_attention_cycles(batch, tiny_model, PLUGIN, timing)[0]), abs=3 * latencies
    )
    windows = [step.cycles for step in stage.steps if step.name == "window"]
    laws = [float(loader_cycles(batch, window, tiny_model, PLUGIN, timing)[0]) for window in PLUGIN.windows(31)]
    for cycles in windows:
        assert min(abs(cycles - law) for law in laws) < latencies
