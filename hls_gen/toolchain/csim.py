"""C simulation: compiles both kernels of a project with g++, runs them on the golden vectors, compares every bit."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from hls_gen.errors import (
    ProjectDamagedError,
    SimulationDeadlockError,
    SimulationError,
    SimulationTimeoutError,
)
from hls_gen.manifest import ManifestCase, ProjectManifest, changed_files, load_manifest
from hls_gen.toolchain.build import BUILD_FOLDER, ProjectBuild, log_tail
from hls_gen.toolchain.compiler import find_ap_headers, find_compiler
from hls_gen.toolchain.processes import Finished, OnLog, run_program
from hls_gen.toolchain.project_folder import disk_errors, one_at_a_time, write_text
from spec.csim_report import CsimMode, CsimModule, CsimReport, CsimStage, FirstDifference
from spec.errors import FlexDSEError, echo
from spec.workload import STAGES, Stage

DEFAULT_TIMEOUT_S = 600.0
REPORT_PATH = Path("reports/csim.json")

# Exit codes of the simulation programs (library: host/scheduler.hpp, testbench/golden.hpp).
_EQUAL, _DIFFERENT, _DEADLOCK, _BAD_VECTORS = 0, 1, 86, 88

_CASE_MARK = "@case "

CaseKey = tuple[Stage, str, str]


class _StageRun(NamedTuple):
    stage: Stage
    seconds: float
    cases: dict[CaseKey, dict[str, object]]


def run_csim(
    project_dir: Path, *, mode: CsimMode = "fast", timeout_s: float = DEFAULT_TIMEOUT_S, on_log: OnLog | None = None
) -> CsimReport:
    """C simulation of a generated project; the report also goes to `reports/csim.json` in it.

    `mode`: strict computes with ap_int of the exact widths, fast with native integers from the same templates.

    Values that differ are a result (`passed` is false), as is a module without values. Edited files are noted in
    `modified_files` and simulated as they are.

    Raises:
        ProjectDamagedError: no project, or a file of it is missing.
        ToolNotFoundError: g++ or ap_int.h is missing.
        CompileError: g++ refused the source.
        SimulationDeadlockError: the kernel's streams are deadlocked; the message names them.
        SimulationTimeoutError: `timeout_s` passed.
        SimulationError: the simulation crashed, or could not write into the project.
    """
    started = time.monotonic()
    project = Path(project_dir).resolve()
    manifest = load_manifest(project)
    modified = changed_files(project, manifest)
    compiler, ap_headers = find_compiler(), find_ap_headers()
    log = _serialised(on_log)
    deadline = started + timeout_s
    cancel = threading.Event()
    workers = max(1, min(4, len(os.sched_getaffinity(0))))
    with disk_errors("C simulation", project, free_mb=20), one_at_a_time(project / BUILD_FOLDER):
        (project / REPORT_PATH).unlink(missing_ok=True)  # an old result must not outlive a failed run
        kernels = dict(zip(STAGES, STAGES, strict=True))
        build = ProjectBuild(project, tuple(kernels.values()), compiler, ap_headers, mode, deadline, log, cancel)
        compile_s = build.build(workers)
        with ThreadPoolExecutor(min(workers, len(kernels))) as pool:
            futures = [
                pool.submit(_run_stage, project, build.program(kernel), stage, deadline, log, cancel)
                for stage, kernel in kernels.items()
            ]
            try:
                runs = [future.result() for future in futures]
            except BaseException:
                cancel.set()
                raise
        modules = _modules(manifest, runs)
        report = CsimReport(
            flexdse_version=manifest.flexdse_version,
            model_version=manifest.model_version,
            timing_table_version=manifest.timing_table_version,
            mode=mode,
            passed=bool(modules) and all(module.passed for module in modules),
            compared_values=sum(module.compared_values for module in modules),
            seconds=round(time.monotonic() - started, 3),
            compiler_version=compiler.version,
            ap_int_source=ap_headers.source,
            modified_files=modified,
            stages=tuple(_stage(run, modules, compile_s[kernels[run.stage]]) for run in runs),
            modules=modules,
        )
        write_text(project / REPORT_PATH, report.model_dump_json(by_alias=True, indent=1) + "\n")
    log(report.summary_line())
    return report


def _serialised(on_log: OnLog | None) -> OnLog:
    """Log lines come from several threads, the caller gets them one at a time."""
    lock = threading.Lock()

    def log(line: str) -> None:
        if on_log is not None:
            with lock:
                on_log(line)

    return log


def _without_case_lines(log: OnLog) -> OnLog:
    """The comparisons are for us, the report says them better."""
    return lambda line: None if line.startswith(_CASE_MARK) else log(line)


def _run_stage(
    project: Path, program: Path, stage: Stage, deadline: float, log: OnLog, cancel: threading.Event
) -> _StageRun:
    kernel = program.name
    log(f"simulating {kernel}")
    finished = run_program([program, project], project, deadline, _without_case_lines(log), cancel)
    if finished.timed_out:
        raise SimulationTimeoutError(
            f"the simulation of {kernel} took too long and was ended",
            field="timeout_s",
            value=round(finished.seconds, 1),
            rule="compilation and simulation end within the time limit",
            hint="raise the time limit",
        )
    if finished.returncode not in (_EQUAL, _DIFFERENT):
        raise _failure(kernel, finished)
    return _StageRun(stage, finished.seconds, _read_cases(kernel, finished.output))


def _failure(kernel: str, finished: Finished) -> FlexDSEError:
    tail = log_tail("\n".join(line for line in finished.output.splitlines() if not line.startswith(_CASE_MARK)))
    if finished.returncode == _DEADLOCK:
        return SimulationDeadlockError(
            f"{kernel} is deadlocked\n{tail}",
            field="project",
            value=kernel,
            rule="some process can always go on",
            hint="deepen the FIFO that is full, or mend the process that stopped to serve it",
        )
    if finished.returncode == _BAD_VECTORS:
        return ProjectDamagedError(
            f"{kernel} can not read its golden vectors\n{tail}",
            field="project",
            value=kernel,
            rule="golden vectors have the sizes they were generated with",
            hint="generate the project anew",
        )
    if finished.returncode < 0:
        how = f"was killed by signal {signal.Signals(-finished.returncode).name}"
    else:
        how = f"ended with exit code {finished.returncode}"
    return SimulationError(
        f"the simulation of {kernel} {how}\n{tail}",
        field="project",
        value=kernel,
        rule="the simulation ends by itself with a comparison",
        hint="undo edits of the project, or generate it anew",
    )


def _read_cases(kernel: str, output: str) -> dict[CaseKey, dict[str, object]]:
    """What the testbench says of each comparison."""
    cases: dict[CaseKey, dict[str, object]] = {}
    for line in output.splitlines():
        if not line.startswith(_CASE_MARK):
            continue
        try:
            case = json.loads(line.removeprefix(_CASE_MARK))
            cases[(case["stage"], case["module"], case["linear"])] = case
        except (ValueError, KeyError, TypeError) as error:
            raise SimulationError(
                f"the testbench of {kernel} printed a line that can not be read: {echo(line)}",
                field="project",
                value=kernel,
                rule="as generated",
                hint="undo edits of the project, or generate it anew",
            ) from error
    return cases


def _modules(manifest: ProjectManifest, runs: list[_StageRun]) -> tuple[CsimModule, ...]:
    """One entry for each planned comparison, made or not."""
    found = {key: case for run in runs for key, case in run.cases.items()}
    return tuple(
        _module(planned, found.get((planned.stage, planned.module, planned.linear))) for planned in manifest.csim
    )


def _module(planned: ManifestCase, case: dict[str, object] | None) -> CsimModule:
    compared = int(str(case["compared_values"])) if case else 0
    differing = int(str(case["differences"])) if case else 0
    first = None
    if case and differing:
        first = FirstDifference(
            token=int(str(case["token"])),
            channel=int(str(case["channel"])),
            got_bits=str(case["got"]),
            expected_bits=str(case["expected"]),
        )
    return CsimModule(
        stage=planned.stage,
        module=planned.module,
        linear=planned.linear,
        expected_values=planned.values,
        compared_values=compared,
        differing_values=differing,
        first_difference=first,
        passed=compared == planned.values and differing == 0,
    )


def _stage(run: _StageRun, modules: tuple[CsimModule, ...], compile_s: float) -> CsimStage:
    own = [module for module in modules if module.stage == run.stage]
    return CsimStage(
        stage=run.stage,
        compared_values=sum(module.compared_values for module in own),
        compile_s=round(compile_s, 3),
        run_s=round(run.seconds, 3),
        passed=bool(own) and all(module.passed for module in own),
    )
