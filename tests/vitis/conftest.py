"""A small generated project, and stand-ins for the tools of both generations."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from hls_gen.project import generate_project
from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project
from spec.catalog import load_device
from spec.design_point import StageClocks
from spec.workload import Workload
from tests.tiny_project import TINY_MODEL, tiny_design

HERE = Path(__file__).parent

# The line that each tool prints first when it is asked for its version.
_VERSION_LINES = {
    "vitis_hls": "Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v{version} (64-bit)",
    "vitis-run": "****** vitis-run v{version} (64-bit)",
    "v++": "****** v++ v{version} (64-bit)",
    "vivado": "vivado v{version} (64-bit)",
    "slashkit": "slashkit",
}


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for the U280, as small as the generator makes them."""
    device = load_device("u280")
    design = tiny_design(device, StageClocks(prefill=304.0, decode=292.0))
    folder = tmp_path_factory.mktemp("generated") / "project"
    return generate_project(design, TINY_MODEL, device, Workload(prompt_tokens=8, output_tokens=4), folder)


@pytest.fixture
def project(generated: Path, tmp_path: Path) -> Path:
    """A copy of the project to work in."""
    return Path(shutil.copytree(generated, tmp_path / "project"))


@pytest.fixture(scope="session")
def synthesized_by(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`synthesized_by("unified")` is the project after csim, csynth, cosim and export by that generation. Read only."""

    @cache
    def make(generation: str) -> Path:
        folder = tmp_path_factory.mktemp(generation)
        with pytest.MonkeyPatch.context() as monkeypatch:
            install(StandIn(folder, monkeypatch), generation)
            project = Path(shutil.copytree(generated, folder / "project"))
            synthesize_project(project, SynthesisOptions(steps=("csim", "csynth", "cosim", "export")))
        return project

    return make


@pytest.fixture
def done(tools: StandIn, synthesized_by: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the synthesized project of each generation."""
    return Path(shutil.copytree(synthesized_by(tools.generation), tmp_path / "done"))


@pytest.fixture
def old_done(old_tools: StandIn, synthesized_by: Callable[[str], Path], tmp_path: Path) -> Path:
    """The same of vitis_hls only."""
    return Path(shutil.copytree(synthesized_by("vitis_hls"), tmp_path / "done"))


@dataclass
class StandIn:
    """Installed stand-ins. `modes` tells them, by step, how to fail."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    generation: str = ""

    def install(self, *names: str, version: str) -> None:
        """Put tools called `names` on a PATH that has no others."""
        bin_folder = self.folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        for name in names:
            line = _VERSION_LINES[name].format(version=version)
            script = bin_folder / name
            script.write_text(
                "#!/bin/sh\n"
                f'case "$1" in -version|--version) echo "{line}"; echo "  **** SW Build 1234567"; exit 0;; esac\n'
                f'"{sys.executable}" -I -S "{HERE / "stand_in" / "tool.py"}" {name} "$@"\n'
                "exit $?\n"
            )
            script.chmod(0o755)
        self.monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
        self.monkeypatch.setenv("STAND_IN_VERSION", version)
        self.monkeypatch.setenv("STAND_IN_CALLS", str(self.folder / "calls"))
        self.monkeypatch.setenv("STAND_IN_PIDS", str(self.folder / "pids"))
        self.monkeypatch.setenv("STAND_IN_REPORTS", str(HERE.parent / "reports" / "data"))

    def modes(self, **modes: str) -> None:
        """`modes(csynth="license")`: from now on; steps that are not named work."""
        self.monkeypatch.setenv("STAND_IN_MODES", json.dumps(modes))

    @property
    def calls(self) -> list[str]:
        """Every step that ran, with its kernel."""
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def forget(self) -> None:
        """Forget the calls so far."""
        (self.folder / "calls").unlink(missing_ok=True)

    @property
    def pids(self) -> list[int]:
        """The hanging tool and its child, once they run."""
        file = self.folder / "pids"
        return [int(word) for word in file.read_text().split()] if file.exists() else []


@pytest.fixture
def no_vitis(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tool of AMD anywhere."""
    monkeypatch.setenv("PATH", f"/usr/bin{os.pathsep}/bin")
    for name in ("XILINX_VITIS", "XILINX_HLS", "XILINX_VIVADO"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stand_in(no_vitis: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Stand-ins to be installed under the names of a generation; what projects share stays in this test."""
    monkeypatch.setenv("FLEXDSE_HOME", str(tmp_path / "home"))
    return StandIn(tmp_path, monkeypatch)


@pytest.fixture(params=["vitis_hls", "unified"])
def tools(request: pytest.FixtureRequest, stand_in: StandIn) -> StandIn:
    """Both generations, each complete with Vivado."""
    install(stand_in, request.param)
    return stand_in


@pytest.fixture
def old_tools(stand_in: StandIn) -> StandIn:
    """vitis_hls 2023.2 with Vivado."""
    install(stand_in, "vitis_hls")
    return stand_in


@pytest.fixture
def new_tools(stand_in: StandIn) -> StandIn:
    """vitis-run and v++ 2024.2 with Vivado."""
    install(stand_in, "unified")
    return stand_in


def install(stand_in: StandIn, generation: str) -> None:
    """All tools of a generation."""
    stand_in.generation = generation
    if generation == "vitis_hls":
        stand_in.install("vitis_hls", "v++", "vivado", version="2023.2")
    else:
        stand_in.install("vitis-run", "v++", "vivado", version="2024.2")
