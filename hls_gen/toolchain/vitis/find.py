"""Finds AMD's tools and their versions: `vitis_hls` up to 2023.2, `vitis-run` with `v++` from 2024.1, Vivado, linkers."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Literal, NamedTuple

from hls_gen.toolchain.processes import run_program
from spec.errors import ToolNotFoundError

Generation = Literal["vitis_hls", "unified"]

FIRST_UNIFIED = (2024, 1)

_VERSION_TIMEOUT_S = 120.0  # a cold start from a network disk takes long
_VERSION = re.compile(r"\bv(\d{4}\.\d+(?:\.\d+)?)\b")
# Where settings64.sh of each product points to.
_ROOTS = ("XILINX_VITIS", "XILINX_HLS", "XILINX_VIVADO")
_WAY_OUT = (
    "install AMD Vitis and source its settings64.sh in this shell; or count resources without it: --backend open; or run the "
    "scripts in the project's vitis/ folder where it is installed, and attach what it says: flexdse report import csynth.xml "
    "--project DIR"
)


class Tool(NamedTuple):
    """An executable and its version, such as 2023.2."""

    path: Path
    version: str


class Vitis(NamedTuple):
    """The HLS tool. `compiler` is v++, which the unified generation needs for C synthesis."""

    generation: Generation
    hls: Tool
    compiler: Tool | None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"Vitis HLS {self.hls.version} ({self.hls.path.name})"


def find_program(name: str) -> Path | None:
    """An executable on the PATH, or in the bin folder of an installation that settings64.sh names."""
    folders = [os.environ.get("PATH", os.defpath)]
    folders += [str(Path(os.environ[root]) / "bin") for root in _ROOTS if os.environ.get(root)]
    found = shutil.which(name, path=os.pathsep.join(folders))
    return Path(found).absolute() if found else None


def version_of(program: Path, argument: str) -> str | None:
    """What the program says of its version; None where it says none."""
    with tempfile.TemporaryDirectory() as folder:  # some of them leave a log where they stand
        try:
            finished = run_program([program, argument], Path(folder), time.monotonic() + _VERSION_TIMEOUT_S)
        except OSError:
            return None
    found = _VERSION.search(finished.output)
    return found[1] if found else None


def _tool(name: str, argument: str) -> Tool | None:
    path = find_program(name)
    if path is None:
        return None
    return Tool(path, version_of(path, argument) or "unknown")


def _is_unified(version: str) -> bool:
    year, _, release = version.partition(".")
    return year.isdecimal() and (int(year), int(release.split(".")[0])) >= FIRST_UNIFIED


def find_vitis() -> Vitis:
    """The HLS tool of this machine; where both generations are installed, the newer.

    Raises:
        ToolNotFoundError: there is none, or one that does not tell its version.
    """
    run, compiler = _tool("vitis-run", "--version"), _tool("v++", "--version")
    if run is not None and compiler is not None and _is_unified(run.version):
        return Vitis("unified", run, compiler)
    old = _tool("vitis_hls", "-version")
    if old is not None and old.version != "unknown":
        return Vitis("vitis_hls", old, compiler)
    seen = [_seen(tool, argument) for tool, argument in ((run, "--version"), (compiler, "--version"), (old, "-version"))
            if tool is not None]  # fmt: skip
    missing = "Vitis HLS was not found" if not seen else f"Vitis HLS is incomplete here: only {', '.join(seen)}"
    raise ToolNotFoundError(
        f"{missing}; looked for vitis-run with v++ (2024.1 or later) and for vitis_hls (2023.2 or earlier)",
        field="PATH",
        rule="one generation of AMD Vitis HLS on the PATH or under XILINX_VITIS or XILINX_HLS",
        hint=_WAY_OUT,
    )


def _seen(tool: Tool, argument: str) -> str:
    name = tool.path.name
    if tool.version == "unknown":
        return f"{name} at {tool.path}, whose version can not be read: `{name} {argument}` named none within {_VERSION_TIMEOUT_S:g} s"
    return f"{name} {tool.version} at {tool.path}"


def find_vivado() -> Tool | None:
    """Vivado, which packages, implements and simulates for the HLS tool."""
    return _tool("vivado", "-version")


def require_vivado(steps: tuple[str, ...]) -> Tool:
    """Vivado, for `steps`.

    Raises:
        ToolNotFoundError: there is none.
    """
    found = find_vivado()
    if found is None:
        raise ToolNotFoundError(
            f"Vivado was not found, which the step {' and '.join(steps)} needs",
            field="PATH",
            rule="vivado on the PATH or under XILINX_VIVADO",
            hint="install Vivado and source its settings64.sh, or leave the step out: --steps csim,csynth,cosim",
        )
    return found


def require_linker(name: str, platform_of: str) -> Path:
    """The program that links kernels to a card's platform.

    Raises:
        ToolNotFoundError: there is none.
    """
    found = find_program(name)
    if found is None:
        raise ToolNotFoundError(
            f"{name} was not found, which links kernels for {platform_of}",
            field="PATH",
            rule=f"{name} on the PATH",
            hint="install the linker and its platform, or leave out the step link",
        )
    return found
