"""The host program of a project on the fake device: real weights to tokens, through the generated kernels."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hls_gen.errors import CompileError, SimulationError
from hls_gen.toolchain.compiler import find_compiler
from hls_gen.toolchain.flags import CSIM_FLAGS, CXX_FLAGS, WHOLE_MODEL_FLAGS
from spec.errors import ToolNotFoundError

XRT_HEADERS = Path("/usr/include/xrt")  # of Debian's libxrt-dev
_HOST_SOURCES = ("host/host.cpp", "host/fake_xrt.cpp", "host/fake_call.cpp", "host/fake_kernels.cpp")
_KERNEL_SOURCES = ("src/prefill.cpp", "src/decode.cpp")
BUILD_FOLDER = Path("build/host")


@dataclass(frozen=True, slots=True)
class HostRun:
    """Tokens, seconds of each kernel's C model by the clock and on its core, compared values by kernel."""

    tokens: tuple[int, ...]
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    compared_values: dict[str, int]


def xrt_headers() -> Path:
    """Where the headers of XRT are.

    Raises:
        ToolNotFoundError: they are not installed.
    """
    if not (XRT_HEADERS / "xrt" / "xrt_kernel.h").is_file():
        raise ToolNotFoundError(
            "the headers of XRT were not found, the host program includes them",
            field="libxrt-dev",
            rule=f"{XRT_HEADERS / 'xrt'} holds xrt_kernel.h",
            hint="install the Debian package libxrt-dev",
        )
    return XRT_HEADERS


def build_host(project: Path, *, sources: Sequence[str] | None = None) -> Path:
    """Compile the host program with the fake device and both kernels in the fast mode.

    `sources`: those to compile, all by default; the objects of the others are there from before.

    Raises:
        CompileError: g++ refused a source.
        ToolNotFoundError: g++ or the headers of XRT are missing.
    """
    compiler, headers = find_compiler(), xrt_headers()
    folder = project / BUILD_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    includes = ["-isystem", str(headers), "-Iinclude", "-Isrc", "-Itb", "-Ihost"]

    def object_of(source: str) -> str:
        return str(BUILD_FOLDER / f"{Path(source).stem}.o")

    def compile_source(source: str) -> None:
        target = object_of(source)
        flags = [*CXX_FLAGS, *CSIM_FLAGS, *WHOLE_MODEL_FLAGS, *includes]
        _run([str(compiler.path), *flags, "-c", source, "-o", target], project, source)

    everything = (*_KERNEL_SOURCES, *_HOST_SOURCES)
    with ThreadPoolExecutor(max(1, min(2, len(os.sched_getaffinity(0))))) as pool:
        list(pool.map(compile_source, everything if sources is None else sources))
    program = BUILD_FOLDER / "host"
    _run([str(compiler.path), *map(object_of, everything), "-luuid", "-o", str(program)], project, "host")
    return project / program


def _run(command: list[str], folder: Path, what: str) -> None:
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise CompileError(
            f"g++ failed on {what}: {finished.stderr[-2000:]}",
            field="project",
            value=what,
            rule="compiles without a warning",
            hint="undo edits of the project, or generate it anew",
        )


def run_host(
    project: Path,
    images: Path,
    prompt: Sequence[int],
    count: int,
    *,
    stop_token: int = -1,
    golden: Path | None = None,
    links: tuple[str, str] | None = None,
) -> HostRun:
    """Run the built host program: `images` as `write_images` leaves them, `golden` streams to compare with.

    `links`: the connectivity files that stand for the bitstreams of prefill and decode; those of the deployment by default.

    Raises:
        SimulationError: the program failed, or a value differs from the reference.
    """
    project = project.resolve()
    both = "vitis/accelerator.cfg"  # of co-resident kernels
    if links is None:
        links = (both, both) if (project / both).is_file() else ("vitis/prefill.cfg", "vitis/decode.cfg")
    command = [str(project / BUILD_FOLDER / "host"), *links, str(images.resolve())]
    command += [str(count), str(stop_token), *map(str, prompt)]
    environment = {**os.environ, "LC_ALL": "C"}
    if golden is not None:
        environment["FLEXDSE_GOLDEN"] = str(golden.resolve())
    finished = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise SimulationError(
            f"the host program failed: {finished.stderr.strip()[-1500:]}",
            field="project",
            value=str(project),
            rule="images, ports and kernels fit each other, and all values equal the reference",
            hint="pack the images anew for this project",
        )
    lines = finished.stdout.splitlines()
    cases = [json.loads(line.removeprefix("@case ")) for line in lines if line.startswith("@case ")]
    compared: dict[str, int] = {}
    for case in cases:
        compared[case["stage"]] = compared.get(case["stage"], 0) + int(case["compared_values"])
    timed = [words for words in map(str.split, finished.stderr.splitlines()) if words[:1] == ["fake:"]]
    seconds = {words[1]: float(words[3]) for words in timed}
    cpu_seconds = {words[1]: float(words[5]) for words in timed}
    return HostRun(tuple(int(line) for line in lines if not line.startswith("@")), seconds, cpu_seconds, compared)
