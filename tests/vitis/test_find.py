"""Finding the tools: which generation is taken, and what is said where none is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hls_gen.toolchain.vitis import SynthesisOptions, synthesize_project
from hls_gen.toolchain.vitis.find import find_vitis, find_vivado
from spec.errors import ToolNotFoundError

if TYPE_CHECKING:
    from tests.vitis.conftest import StandIn


def test_none(no_vitis: None, project: Path) -> None:
    with pytest.raises(ToolNotFoundError) as caught:
        synthesize_project(project)
    error = caught.value
    assert error.exit_code == 1
    for name in ("vitis-run", "v++", "vitis_hls"):
        assert name in error.message
    assert "settings64.sh" in str(error.hint)
    assert not (project / "build").exists()


def test_up_to_2023(stand_in: StandIn) -> None:
    stand_in.install("vitis_hls", version="2023.2")
    found = find_vitis()
    assert (found.generation, found.hls.version, found.compiler) == ("vitis_hls", "2023.2", None)
    assert found.hls.path == stand_in.folder / "bin" / "vitis_hls"
    assert find_vivado() is None


def test_from_2024_on_the_unified_tools_win(stand_in: StandIn) -> None:
    stand_in.install("vitis_hls", "vitis-run", "v++", "vivado", version="2024.1")
    found = find_vitis()
    assert (found.generation, found.hls.path.name, found.hls.version) == ("unified", "vitis-run", "2024.1")
    assert found.compiler is not None
    vivado = find_vivado()
    assert vivado is not None
    assert vivado.version == "2024.1"


def test_a_vitis_run_of_2023_is_not_yet_the_unified_flow(stand_in: StandIn) -> None:
    stand_in.install("vitis_hls", "vitis-run", "v++", version="2023.2")
    assert find_vitis().generation == "vitis_hls"


def test_half_of_the_unified_tools(stand_in: StandIn) -> None:
    stand_in.install("vitis-run", version="2024.2")
    with pytest.raises(ToolNotFoundError, match=r"incomplete here: only vitis-run 2024\.2"):
        find_vitis()


def test_a_tool_that_tells_no_version(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install("vitis_hls", version="2023.2")
    (stand_in.folder / "bin" / "vitis_hls").write_text("#!/bin/sh\necho broken installation\nexit 1\n")
    with pytest.raises(ToolNotFoundError, match=r"vitis_hls at .* whose version can not be read"):
        find_vitis()


def test_installation_that_only_settings64_names(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install("vitis_hls", version="2022.1")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("XILINX_HLS", str(stand_in.folder))
    assert find_vitis().hls.version == "2022.1"


@pytest.mark.parametrize("step", ["export", "impl"])
def test_steps_that_need_vivado(stand_in: StandIn, project: Path, step: str) -> None:
    stand_in.install("vitis_hls", version="2023.2")
    with pytest.raises(ToolNotFoundError, match="Vivado was not found"):
        synthesize_project(project, SynthesisOptions(steps=("csynth", step)))
    assert stand_in.calls == []
