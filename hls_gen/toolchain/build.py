"""Compiles the simulation programs of a project with g++, each translation unit only if it is not up to date."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from hls_gen.errors import CompileError, SimulationTimeoutError
from hls_gen.toolchain.compiler import ApHeaders, Compiler
from hls_gen.toolchain.flags import CSIM_FLAGS, CXX_FLAGS, mode_flags
from hls_gen.toolchain.processes import Cancelled, Finished, OnLog, run_program
from spec.csim_report import CsimMode

BUILD_FOLDER = Path("build/csim")
_LOG_TAIL_LINES = 25
_HEADER_FOLDERS = ("include", "src", "tb")


def log_tail(output: str) -> str:
    """The last lines of a program's output, for an error message."""
    lines = [line[:300] for line in output.strip().splitlines()]
    return "\n".join(lines[-_LOG_TAIL_LINES:])


def first_error(output: str) -> str:
    """The first line that reports an error; compilers go on long after it."""
    return next((line[:300] for line in output.splitlines() if " error: " in line), "")


class ProjectBuild:
    """The simulation programs of one project: for each kernel, kernel and testbench are a translation unit each."""

    def __init__(
        self,
        project_dir: Path,
        kernels: Sequence[str],
        compiler: Compiler,
        ap_headers: ApHeaders,
        mode: CsimMode,
        deadline: float,
        on_log: OnLog,
        cancel: threading.Event,
    ) -> None:
        self._project_dir = project_dir
        self._kernels = kernels
        self._compiler = compiler
        self._ap_headers = ap_headers
        self._flags = mode_flags(mode)
        self._folder = BUILD_FOLDER / mode
        (project_dir / self._folder).mkdir(parents=True, exist_ok=True)
        self._deadline = deadline
        self._on_log = on_log
        self._cancel = cancel
        self._common = self._common_state()

    def program(self, kernel: str) -> Path:
        """The simulation program of a kernel."""
        return self._project_dir / self._folder / kernel

    def build(self, workers: int) -> dict[str, float]:
        """Compile and link what is not up to date, `workers` units at a time; seconds of compilation per kernel.

        Raises:
            CompileError: the compiler refused a unit.
            SimulationTimeoutError: the deadline passed.
        """
        started = time.monotonic()
        units = {kernel: (f"src/{kernel}.cpp", f"tb/{kernel}_tb.cpp") for kernel in self._kernels}
        kernel_of = {unit: kernel for kernel, pair in units.items() for unit in pair}
        # Kernels before testbenches: they take longest.
        stale = [unit for unit in sorted(kernel_of) if not self._is_up_to_date(self._object(unit), unit)]
        seconds = dict.fromkeys(self._kernels, 0.0)
        for unit in stale:
            self.program(kernel_of[unit]).unlink(missing_ok=True)
        with ThreadPoolExecutor(workers) as pool:
            jobs = {unit: pool.submit(self._compile, unit) for unit in stale}
            done, _ = wait(jobs.values(), return_when=FIRST_EXCEPTION)
            failures = [job.exception() for job in done if job.exception()]
            if failures:
                self._cancel.set()
                for job in jobs.values():
                    job.cancel()
                raise next((f for f in failures if f and not isinstance(f, Cancelled)), failures[0] or Cancelled())
        for unit, job in jobs.items():
            seconds[kernel_of[unit]] += job.result()
        for kernel, pair in units.items():
            if not self.program(kernel).is_file():
                seconds[kernel] += self._link(kernel, pair)
        if stale:
            self._on_log(f"compiled {len(stale)} of {len(kernel_of)} files in {time.monotonic() - started:.1f} s")
        return seconds

    def _object(self, unit: str) -> Path:
        return self._folder / f"{Path(unit).stem}.o"

    def _compile_command(self, unit: str) -> list[str | Path]:
        includes: list[str | Path] = ["-Iinclude", "-Isrc", "-Itb", "-isystem", self._ap_headers.folder]
        return [
            self._compiler.path,
            *CXX_FLAGS,
            *CSIM_FLAGS,
            *self._flags,
            *includes,
            "-c",
            unit,
            "-o",
            self._object(unit),
        ]

    def _common_state(self) -> bytes:
        """Hash of the compiler, its flags and all headers."""
        state = hashlib.sha256(self._compiler.version.encode())
        state.update(repr(self._compile_command("")).encode())
        state.update(self._ap_headers.source.encode())
        for folder in _HEADER_FOLDERS:
            for path in sorted((self._project_dir / folder).rglob("*.hpp")):
                state.update(f"{path.relative_to(self._project_dir)}\0".encode())
                state.update(hashlib.sha256(path.read_bytes()).digest())
        return state.digest()

    def _state(self, unit: str) -> str:
        return hashlib.sha256(self._common + (self._project_dir / unit).read_bytes()).hexdigest()

    def _stamp(self, target: Path) -> Path:
        return self._project_dir / target.with_suffix(".stamp")

    def _is_up_to_date(self, target: Path, unit: str) -> bool:
        """Whether the object was compiled from this very source by this very compiler."""
        stamp = self._stamp(target)
        return (self._project_dir / target).is_file() and stamp.is_file() and stamp.read_text() == self._state(unit)

    def _compile(self, unit: str) -> float:
        target = self._object(unit)
        state = self._state(unit)
        self._stamp(target).unlink(missing_ok=True)
        self._on_log(f"compiling {unit}")
        finished = self._run(self._compile_command(unit), unit)
        self._stamp(target).write_text(state)
        return finished.seconds

    def _link(self, kernel: str, units: Sequence[str]) -> float:
        objects: list[str | Path] = [self._object(unit) for unit in units]
        self._on_log(f"linking {kernel}")
        return self._run([self._compiler.path, *objects, "-o", self._folder / kernel], kernel).seconds

    def _run(self, command: list[str | Path], what: str) -> Finished:
        finished = run_program(command, self._project_dir, self._deadline, self._on_log, self._cancel)
        (self._project_dir / self._folder / f"{Path(what).stem}.log").write_text(finished.output)
        if finished.timed_out:
            raise SimulationTimeoutError(
                f"compiling {what} took too long and was ended",
                field="timeout_s",
                value=round(finished.seconds, 1),
                rule="compilation and simulation end within the time limit",
                hint="raise the time limit",
            )
        if finished.returncode != 0:
            raise CompileError(
                f"g++ failed on {what}: {first_error(finished.output) or f'exit code {finished.returncode}'}\n"
                f"{log_tail(finished.output)}",
                field="project",
                value=what,
                rule=f"compiles with {self._compiler.version}",
                hint="undo edits of the project, or generate it anew",
            )
        return finished
