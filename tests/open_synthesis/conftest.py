"""Shared by the tests of open synthesis: a small generated project, and folders for what is built once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hls_gen.project import generate_project
from hls_gen.random_designs import random_project, sweep_models
from hls_gen.toolchain.open.cache import ResultCache
from spec.catalog import load_device
from spec.workload import Workload


def make_project(folder: Path, number: int, device_name: str = "u280") -> Path:
    """Design `number` of a series of random ones, as a project."""
    device, models = load_device(device_name), sweep_models()
    model = models[number % len(models)]
    drawn = random_project(np.random.default_rng([6, number]), model, device, number)
    generate_project(drawn.design, model, device, Workload(prompt_tokens=16, output_tokens=4), folder, seed=number)
    return folder


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project; not to be changed."""
    return make_project(tmp_path_factory.mktemp("project") / "p", 1)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulators that were built."""
    return tmp_path_factory.mktemp("programs")


@pytest.fixture
def cache(tmp_path: Path) -> ResultCache:
    """An empty cache of mapped leaves."""
    return ResultCache(tmp_path / "leaves")
