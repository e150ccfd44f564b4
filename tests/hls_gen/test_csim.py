"""C simulation: bit-exact on what was generated, FAIL on every tampering, a typed error for everything else."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from hls_gen.errors import (
    CompileError,
    ProjectDamagedError,
    SimulationDeadlockError,
    SimulationError,
    SimulationTimeoutError,
)
from hls_gen.project import generate_project
from hls_gen.toolchain.csim import run_csim
from spec.catalog import load_design, load_device, load_model
from spec.csim_report import CsimReport
from spec.errors import ToolNotFoundError
from spec.workload import Workload

pytestmark = pytest.mark.needs_program("g++")

MODULES = {
    *((stage, module) for stage in ("prefill", "decode") for module in (
        "rms_norm", "rope", "quantize_static", "attention", "residual", "swiglu", "hadamard")),
    ("prefill", "systolic"), ("decode", "gemv"), ("decode", "embedding"), ("decode", "sampler"),
}  # fmt: skip


@pytest.fixture(scope="module")
def simulated(tiny_project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CsimReport, list[str]]:
    """A compiled and simulated copy of the tiny project, its report and the log; copy it to change it.

    The workers of one parallel test run share it: compiling takes seconds, finding it up to date takes none.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "simu lated"
    shared.mkdir(exist_ok=True)
    project = shared / "project"
    log: list[str] = []
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not project.exists():
            shutil.copytree(tiny_project, project)
        report = run_csim(project, on_log=log.append)
    return project, report, log


@pytest.fixture
def project(simulated: tuple[Path, CsimReport, list[str]], tmp_path: Path) -> Path:
    """A copy with up-to-date programs: simulating it takes no compilation."""
    copy = tmp_path / "project"
    shutil.copytree(simulated[0], copy)
    return copy


def test_generated_project_is_bit_exact(simulated: tuple[Path, CsimReport, list[str]]) -> None:
    project, report, log = simulated
    assert report.passed
    assert report.summary_line() == f"csim: PASS (bit-exact, {report.compared_values} values)"
    assert log[-1] == report.summary_line()
    assert {(m.stage, m.module) for m in report.modules} == MODULES
    assert report.mode == "fast"
    assert all(m.compared_values == m.expected_values > 0 for m in report.modules)
    assert sum(m.compared_values for m in report.modules) == report.compared_values
    assert [(s.stage, s.passed) for s in report.stages] == [("prefill", True), ("decode", True)]
    assert report.modified_files == ()
    assert "g++" in report.compiler_version.lower() or "gcc" in report.compiler_version.lower()
    assert report.ap_int_source.startswith("hls4ml ")
    document = json.loads((project / "reports" / "csim.json").read_text())
    assert CsimReport.model_validate(document) == report
    assert [path.name for path in (project / "reports").iterdir()] == ["csim.json"]


def test_programs_are_compiled_once(project: Path) -> None:
    report = run_csim(project)
    assert report.passed
    assert [stage.compile_s for stage in report.stages] == [0, 0]


def edit(path: Path, change: Callable[[bytearray], None]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def flip_the_first_bit(data: bytearray) -> None:
    data[0] ^= 0x40


def flip_lowest_bit_of_the_last_value(data: bytearray) -> None:
    data[-4] ^= 1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vectors/prefill/images/w_vo.bin", flip_the_first_bit),
        ("vectors/prefill/images/s_kq.bin", flip_the_first_bit),
        ("vectors/prefill/images/io.bin", flip_the_first_bit),
        ("vectors/prefill/expected.bin", flip_lowest_bit_of_the_last_value),
        ("vectors/decode/images/w_1.bin", flip_the_first_bit),
        ("vectors/decode/images/k_cache_0.bin", flip_the_first_bit),
        ("vectors/decode/images/norm.bin", flip_lowest_bit_of_the_last_value),
        ("vectors/decode/expected.bin", flip_lowest_bit_of_the_last_value),
    ],
)
def test_one_wrong_value_fails(project: Path, name: str, change: Callable[[bytearray], None]) -> None:
    edit(project / name, change)
    report = run_csim(project)
    stage = name.split("/")[1]
    assert not report.passed
    assert report.modified_files == (name,)
    failed = [module for module in report.modules if not module.passed]
    assert {module.stage for module in failed} == {stage}
    first = failed[0].first_difference
    assert first is not None
    line = report.summary_line()
    assert line.startswith(f"csim: FAIL (first difference: stage {stage}, module ")
    assert f"token {first.token}, channel {first.channel}: got " in line
    assert f"(0x{first.got_bits}), expected " in line
    assert first.got_bits != first.expected_bits
    assert not json.loads((project / "reports" / "csim.json").read_text())["passed"]


def test_first_difference_is_the_first(project: Path) -> None:
    """Token and channel of the report are those of the changed value, whatever the layouts in between."""
    lines = (project / "vectors" / "prefill" / "streams.txt").read_text().splitlines()
    before = 0
    for line in lines:
        _, _, name, first_token, lanes, _, values = line.split()
        if (name, first_token) == ("layer.1.up", "4"):
            break
        before += int(values)
    channel, lane = 67, 2
    offset = 4 * (before + channel * int(lanes) + lane)
    edit(project / "vectors" / "prefill" / "expected.bin", lambda data: data.__setitem__(offset, data[offset] ^ 1))
    failed = [module for module in run_csim(project).modules if not module.passed]
    assert [(module.module, module.linear, module.differing_values) for module in failed] == [
        ("systolic", "layer.1.up", 1)
    ]
    first = failed[0].first_difference
    assert first is not None
    assert (first.token, first.channel) == (4 + lane, channel)
    assert int(first.got_bits, 16) ^ int(first.expected_bits, 16) == 1


def test_strict_mode_agrees(project: Path, simulated: tuple[Path, CsimReport, list[str]]) -> None:
    """ap_int of exact widths and native integers, from the same templates, on the same vectors."""
    strict = run_csim(project, mode="strict")
    assert strict.passed
    assert strict.mode == "strict"
    assert strict.modules == simulated[1].modules


def test_module_without_values_fails(project: Path) -> None:
    program(project, "prefill", "exit 0")
    report = run_csim(project)
    assert not report.passed
    assert report.stages[0].compared_values == 0
    assert not report.stages[0].passed
    assert report.stages[1].passed
    assert "stage prefill, module rms_norm, linear layer.0.rms_norm_1: 0 values compared, not" in report.summary_line()


def program(project: Path, kernel: str, script: str) -> None:
    """Put a shell script in the place of a compiled program."""
    path = project / "build" / "csim" / "fast" / kernel
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_edited_source_is_compiled_and_noted(project: Path) -> None:
    source = project / "tb" / "decode_tb.cpp"
    text = source.read_text()
    assert "testbench::find_project(argc, argv);" in text
    source.write_text(text.replace("return comparison.finish()", "return 0 * comparison.finish()"))
    report = run_csim(project)
    assert report.passed
    assert report.modified_files == ("tb/decode_tb.cpp",)
    assert report.stages[0].compile_s == 0  # the other kernel's program is as good as it was
    assert report.stages[1].compile_s > 0


def test_deadlock_is_named(project: Path) -> None:
    """A residual FIFO that holds less than what its branch holds back: the hardware would stop there, and so does csim."""
    config = project / "include" / "config.hpp"
    text = config.read_text()
    assert "kResidualDepth = 768;" in text
    config.write_text(text.replace("kResidualDepth = 768;", "kResidualDepth = 8;"))
    with pytest.raises(SimulationDeadlockError) as stopped:
        run_csim(project)
    assert "prefill is deadlocked" in str(stopped.value)
    assert "waits to write prefill.x_skip (full, depth 8)" in str(stopped.value)
    assert not (project / "reports" / "csim.json").exists()  # no old PASS survives


def test_compile_error_shows_the_compiler(project: Path) -> None:
    source = project / "src" / "decode.cpp"
    source.write_text(source.read_text() + "\nint broken = nonsense;\n")
    with pytest.raises(CompileError) as stopped:
        run_csim(project)
    assert "src/decode.cpp" in stopped.value.message
    assert "'nonsense' was not declared" in stopped.value.message
    assert stopped.value.exit_code == 1


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("kill -SEGV $$", SimulationError, "was killed by signal SIGSEGV"),
        ("echo some words; exit 7", SimulationError, "exit code 7\nsome words"),
        ("echo 'csim: DEADLOCK: x'; exit 86", SimulationDeadlockError, "DEADLOCK: x"),
        ("echo '@case nonsense'", SimulationError, "can not be read"),
        ("sleep 60 & sleep 60", SimulationTimeoutError, "took too long"),
    ],
    ids=["crash", "exit_code", "deadlock", "nonsense", "timeout"],
)
def test_simulation_that_ends_badly(project: Path, script: str, error: type[Exception], words: str) -> None:
    program(project, "decode", script)
    started = time.monotonic()
    with pytest.raises(error) as stopped:
        run_csim(project, timeout_s=2)
    assert words in str(stopped.value)
    assert time.monotonic() - started < 10


def test_time_limit_holds_for_the_compiler(tiny_project: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_project, tmp_path / "project")
    with pytest.raises(SimulationTimeoutError, match="compiling"):
        run_csim(tmp_path / "project", timeout_s=0.3)


def test_missing_compiler(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolNotFoundError) as missing:
        run_csim(project)
    assert "Debian package g++" in (missing.value.hint or "")


def test_missing_headers(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", not_found)
    with pytest.raises(ToolNotFoundError, match=r"ap_int\.h"):
        run_csim(project)


@pytest.mark.parametrize("name", ["src/decode.cpp", "vectors/prefill/expected.bin", "manifest.json"])
def test_missing_file(project: Path, name: str) -> None:
    (project / name).unlink()
    with pytest.raises(ProjectDamagedError) as damaged:
        run_csim(project)
    assert name in str(damaged.value)
    assert damaged.value.exit_code == 2


def test_truncated_vectors(project: Path) -> None:
    path = project / "vectors/decode/images/w_0.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ProjectDamagedError, match=r"vectors/decode/images/w_0.bin: \d+ bytes instead of"):
        run_csim(project)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "flexdse/project/v2"}', '{"files": {"../../x": {}}}'])
def test_damaged_manifest(project: Path, text: str) -> None:
    (project / "manifest.json").write_text(text)
    with pytest.raises(ProjectDamagedError):
        run_csim(project)


def test_no_project(tmp_path: Path) -> None:
    with pytest.raises(ProjectDamagedError, match="no generated project"):
        run_csim(tmp_path)


def test_simulation_dies_with_its_caller(project: Path) -> None:
    program(project, "prefill", "echo $$ > pid.partial; mv pid.partial pid; exec sleep 300")
    script = f"from pathlib import Path\nfrom hls_gen.toolchain.csim import run_csim\nrun_csim(Path({str(project)!r}))"
    caller = subprocess.Popen([sys.executable, "-c", script])
    deadline = time.monotonic() + 30
    while not (project / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    simulation = Path("/proc") / (project / "pid").read_text().strip()
    assert simulation.exists()
    caller.send_signal(signal.SIGKILL)
    caller.wait()

    def alive() -> bool:
        try:
            return (simulation / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    while alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive()


def test_own_makefile_proves_the_same(project: Path) -> None:
    """Without FlexDSE: make and g++ alone."""
    from hls_gen.toolchain.compiler import find_ap_headers

    if shutil.which("make") is None:
        pytest.skip("the program make is missing")
    command = ["make", "-n", "csim", f"AP_INCLUDE={find_ap_headers().folder}"]
    finished = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env={**os.environ})
    assert finished.returncode == 0, finished.stderr
    assert "src/prefill.cpp tb/prefill_tb.cpp" in finished.stdout
    assert "./build/make/strict/decode" in finished.stdout


def test_flexllm_pair_is_bit_exact(tmp_path: Path) -> None:
    """The published pair at full width and length: TP 8 x 24/24/96/96/96, and 16 x 64 lanes."""
    project = generate_project(
        load_design("flexllm-u280"),
        load_model("llama-3.2-1b"),
        load_device("u280"),
        Workload(prompt_tokens=1024, output_tokens=1024),
        tmp_path / "flexllm",
    )
    report = run_csim(project)
    assert report.summary_line() == "csim: PASS (bit-exact, 1050306 values)"
    assert {(m.stage, m.module) for m in report.modules} == MODULES
    assert report.mode == "fast"
