"""Shared by the tests of `hls_gen/`: the C++ compiler on the library, and a small design that is odd in every way."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import hls_gen
from hls_gen.project import generate_project
from hls_gen.toolchain.compiler import find_ap_headers
from hls_gen.toolchain.flags import CSIM_FLAGS, CXX_FLAGS
from spec.catalog import load_device
from spec.design_point import DesignPoint, StageClocks
from spec.device import Device
from spec.model_config import ModelConfig
from spec.workload import Workload
from tests.tiny_project import TINY_MODEL
from tests.tiny_project import tiny_design as tiny_design_of

LIBRARY = Path(hls_gen.__file__).parent / "library"

Compile = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def library() -> Path:
    """The folder of the C++ library."""
    return LIBRARY


@pytest.fixture(scope="session")
def gxx() -> Compile:
    """`gxx("a.cpp", "-o", program)` compiles with the flags of csim; the result is not checked."""

    def compile_with(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        includes = ["-isystem", find_ap_headers().folder, "-I", LIBRARY / "include", "-I", LIBRARY / "test"]
        command = ["g++", *CXX_FLAGS, *CSIM_FLAGS, *includes, *arguments]
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)

    return compile_with


@pytest.fixture(scope="session")
def u280() -> Device:
    return load_device("u280")


@pytest.fixture(scope="session")
def tiny_model() -> ModelConfig:
    return TINY_MODEL


@pytest.fixture(scope="session")
def tiny_design(u280: Device) -> DesignPoint:
    return tiny_design_of(u280, StageClocks(prefill=300, decode=290.5))


@pytest.fixture(scope="session")
def workload() -> Workload:
    return Workload(prompt_tokens=10, output_tokens=3)


@pytest.fixture(scope="session")
def tiny_project(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_design: DesignPoint,
    tiny_model: ModelConfig,
    u280: Device,
    workload: Workload,
) -> Path:
    """The project of `tiny_design`, in a folder with a blank. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("a project") / "tiny project"
    return generate_project(tiny_design, tiny_model, u280, workload, folder)
