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
from spec.design_point import DecodeDesign, DesignPoint, PrefillDesign, StageClocks
from spec.device import Device
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8
from spec.spread_memory_map import spread_memory_map
from spec.workload import Workload

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
    """96 and 192 channels (both 12 x a power of two, as in SmolLM2), three KV heads, a vocabulary that nothing divides."""
    return ModelConfig(
        name="tiny",
        title="A model for tests",
        hidden_dim=96,
        n_layers=2,
        n_q_heads=6,
        n_kv_heads=3,
        head_dim=16,
        ffn_dim=192,
        vocab_size=1001,
        max_context_tokens=128,
        tied_embeddings=True,
        rms_norm_eps=1e-5,
        rope_theta=10000.0,
    )


@pytest.fixture(scope="session")
def tiny_design(u280: Device) -> DesignPoint:
    """Ragged last passes everywhere; decode weight ports of 32 lanes over groups of 24, so that ports cut groups."""
    prefill = PrefillDesign(
        token_parallelism=4,
        qkvo_weight_parallelism=10,
        ffn_weight_parallelism=28,
        ffn_weight_blocks=2,
        key_parallelism=4,
        value_parallelism=4,
    )
    decode = DecodeDesign(
        block_parallelism=4,
        weight_parallelism=24,
        engine_splits=2,
        head_parallelism=3,
        key_parallelism=4,
        value_parallelism=4,
        vector_parallelism=4,
    )
    return DesignPoint(
        deployment="two_bitstreams",
        prefill=prefill,
        decode=decode,
        memory_map=spread_memory_map(prefill, decode, u280, W4A4KV8, 128),
        quant_scheme=W4A4KV8,
        nonlinear_format="fp32",
        clock_target_mhz=StageClocks(prefill=300, decode=290.5),
    )


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
