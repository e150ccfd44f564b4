"""Verilator: finds it, builds a model of SystemVerilog with a C++ bench, runs it.

Programs are kept by the hash of all that goes into them, in a folder that several runs may use at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hls_gen.errors import CompileError, SimulationError, SimulationTimeoutError
from hls_gen.toolchain.build import first_error, log_tail
from hls_gen.toolchain.compiler import find_ap_headers, find_compiler
from hls_gen.toolchain.flags import CXX_FLAGS
from hls_gen.toolchain.open.rtl import RTL_FOLDER, content_hash, simulation_sources
from hls_gen.toolchain.processes import run_program
from spec.errors import ToolNotFoundError

LIBRARY_INCLUDE = RTL_FOLDER.parent / "library" / "include"
BENCH_INCLUDE = RTL_FOLDER / "bench"
_FORM = 1  # raised when programs of older versions must not be used again
_OPTIMIZATION = "-O1"


@dataclass(frozen=True, slots=True)
class Verilator:
    """The program, its version and the folder of its run-time library."""

    path: Path
    version: str
    include: Path


def find_verilator() -> Verilator:
    """Verilator on the PATH.

    Raises:
        ToolNotFoundError: there is none, or it does not answer.
    """
    found = shutil.which("verilator")
    if found is not None:
        deadline = time.monotonic() + 60
        version = run_program([found, "--version"], Path("/"), deadline)
        root = run_program([found, "--getenv", "VERILATOR_ROOT"], Path("/"), deadline)
        include = Path(root.output.strip().splitlines()[-1] if root.output.strip() else "") / "include"
        if version.returncode == 0 and (include / "verilated.cpp").is_file():
            return Verilator(Path(found), version.output.strip().splitlines()[0], include)
    raise ToolNotFoundError(
        "Verilator was not found, RTL is simulated with it",
        field="PATH",
        rule="verilator 5 or later on the PATH",
        hint="install the Debian package verilator (apt install verilator)",
    )


def build_bench(
    top: str,
    sources: Mapping[str, str],
    bench: str,
    cache: Path,
    *,
    rtl: Sequence[Path] = (),
    headers: Sequence[Path] = (BENCH_INCLUDE,),
    warnings: Sequence[str] = (),
    timeout_s: float = 600.0,
) -> Path:
    """The program that simulates module `top` under `bench`.

    sources: further SystemVerilog by file name, that of `top` among them. rtl: files of SystemVerilog; all of `hls_gen/rtl` where
    none is named. bench: C++ with a `main`, which may include `V<top>.h`, `bench.hpp` and the HLS library.
    headers: folders of the bench's own headers. warnings: warnings of Verilator that are switched off.

    Raises:
        ToolNotFoundError: Verilator, g++ or the integer headers are missing.
        CompileError: the RTL or the bench was refused.
        SimulationTimeoutError: it took longer than `timeout_s`.
    """
    verilator, compiler, integers = find_verilator(), find_compiler(), find_ap_headers()
    files = tuple(rtl) or simulation_sources()
    inputs = {
        "form": _FORM,
        "verilator": verilator.version,
        "compiler": compiler.version,
        "integers": integers.source,
        "rtl": content_hash(files),
        "library": content_hash(tuple(sorted(LIBRARY_INCLUDE.rglob("*.hpp")))),
        "headers": [content_hash(tuple(sorted(folder.glob("*.hpp")))) for folder in headers],
        "sources": dict(sources),
        "bench": bench,
        "warnings": list(warnings),
        "top": top,
        "optimization": _OPTIMIZATION,
    }
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    program = cache.resolve() / key[:2] / f"{key}.bench"
    if program.is_file():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout_s
    with tempfile.TemporaryDirectory(prefix="flexdse-verilator-") as name:
        folder = Path(name)
        for file_name, text in sources.items():
            (folder / file_name).write_text(text)
        (folder / "bench.cpp").write_text(bench)
        _run(
            [
                verilator.path, "--cc", "--top-module", top, "--Mdir", "model", "-O3", "--x-assign", "fast",
                *(f"-Wno-{warning}" for warning in warnings), *files, *sources,
            ],
            folder, deadline, "Verilator refused the RTL",
        )  # fmt: skip
        # One translation unit: the model's many files compile as fast as the largest of them.
        model = sorted(p for p in (folder / "model").glob("*.cpp"))
        library = [verilator.include / "verilated.cpp", verilator.include / "verilated_threads.cpp"]
        unit = "".join(f'#include "{path}"\n' for path in (*model, *library))
        (folder / "model.cpp").write_text(unit)
        flags: list[str | Path] = [
            *CXX_FLAGS, _OPTIMIZATION, "-w", "-pthread", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TRACE=0",
            "-Imodel", f"-I{verilator.include}", f"-I{verilator.include / 'vltstd'}", f"-I{LIBRARY_INCLUDE}",
            *(f"-I{header}" for header in headers), "-isystem", integers.folder,
        ]  # fmt: skip
        _run(
            [compiler.path, *flags, "-o", "program", "model.cpp", "bench.cpp"],
            folder,
            deadline,
            "g++ refused the bench",
        )
        handle, name_of_partial = tempfile.mkstemp(prefix=".", suffix=".partial", dir=program.parent)
        os.close(handle)
        partial = Path(name_of_partial)
        shutil.copyfile(folder / "program", partial)
        partial.chmod(0o755)
        partial.replace(program)  # complete or not at all; of two builders the last one wins
    return program


def _run(command: Sequence[str | Path], folder: Path, deadline: float, refusal: str) -> None:
    finished = run_program(command, folder, deadline)
    if finished.timed_out:
        raise SimulationTimeoutError(f"{refusal.split()[0]} took too long", hint="give it more time or a smaller unit")
    if finished.returncode != 0:
        error = next((line for line in finished.output.splitlines() if line.startswith("%Error")), "")
        raise CompileError(
            f"{refusal}: {error or first_error(finished.output)}\n{log_tail(finished.output)}",
            rule="our own RTL and benches compile without errors",
            hint="a changed file of hls_gen/rtl is wrong, or the tool is older than Verilator 5",
        )


def run_bench(program: Path, arguments: Sequence[str] = (), *, timeout_s: float = 600.0) -> list[dict[str, Any]]:
    """The lines of JSON that a bench printed.

    Raises:
        SimulationError: it failed, or printed something else.
        SimulationTimeoutError: it took longer than `timeout_s`.
    """
    finished = run_program([program.resolve(), *arguments], program.resolve().parent, time.monotonic() + timeout_s)
    if finished.timed_out:
        raise SimulationTimeoutError("the RTL simulation took too long", hint="fewer cycles, or more time")
    lines = [line for line in finished.output.splitlines() if line.strip()]
    try:
        documents = [json.loads(line) for line in lines]
    except ValueError:
        documents = []
    if finished.returncode != 0 or not documents:
        raise SimulationError(
            f"the RTL simulation ended with {finished.returncode}:\n{log_tail(finished.output)}",
            hint="an assertion of the RTL, or a bench that crashed",
        )
    return documents
