"""Shared by the tests of the cost models: catalog inputs, changed cards, random designs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cost_models.evaluate import Context
from dse.space import DesignSpace, design_space
from spec.catalog import load_device, load_model
from spec.design_batch import DesignBatch, FloatArray
from spec.design_point import DesignPoint
from spec.device import Device
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8
from spec.workload import Workload

# Different in what the laws depend on: head_dim 64 and 128, groups of 3 to 7 query heads, Paley Hadamard orders
# (1536 = 12 x 128, 8960 = 140 x 64, 8192 = 2^13), hidden_dim != q_dim (Qwen3-0.6B), HBM2 and HBM2e, 512 and 256-bit
# ports, with and without DDR.
PAIRS = (
    ("llama-3.2-1b", "u280"),
    ("smollm2-135m", "u280"),
    ("qwen2.5-1.5b", "u55c"),
    ("qwen3-0.6b", "v80"),
    ("llama-3.1-8b", "v80"),
)


@cache
def _space(model: str, device: str) -> DesignSpace:
    return design_space(load_model(model), load_device(device))


@pytest.fixture(scope="session")
def space_of() -> Callable[[str, str], DesignSpace]:
    """`space_of("llama-3.2-1b", "u280")` is the default space, built once a session."""
    return _space


@pytest.fixture(scope="session")
def random_designs() -> Callable[[DesignSpace, int, int], DesignBatch]:
    """`random_designs(space, n, seed)`: pairs whose numbers are drawn evenly from the whole space, of one set of modules
    a stage that follows from the seed: laws take one set at a time.
    """

    def draw(space: DesignSpace, n: int, seed: int) -> DesignBatch:
        rng = np.random.default_rng(seed)
        prefill = space.prefill_at(rng.integers(0, space.prefill.size, n))
        decode = space.decode_at(rng.integers(0, space.decode.size, n))
        return DesignBatch(
            replace(prefill, modules=(prefill.modules[seed % len(prefill.modules)],), module_set=None),
            replace(decode, modules=(decode.modules[seed % len(decode.modules)],), module_set=None),
            space.scheme,
        )

    return draw


@pytest.fixture(scope="session")
def random_points() -> Callable[[DesignSpace, int, int], list[DesignPoint]]:
    """`random_points(space, n, seed)`: design documents drawn evenly from the whole space."""

    def draw(space: DesignSpace, n: int, seed: int) -> list[DesignPoint]:
        rng = np.random.default_rng(seed)
        prefill = space.prefill.columns(rng.integers(0, space.prefill.size, n))
        decode = space.decode.columns(rng.integers(0, space.decode.size, n))
        return [
            space.design_point({k: int(v[i]) for k, v in prefill.items()}, {k: int(v[i]) for k, v in decode.items()})
            for i in range(n)
        ]

    return draw


@pytest.fixture(scope="session")
def element_points(
    random_points: Callable[[DesignSpace, int, int], list[DesignPoint]],
) -> Callable[[DesignSpace, int, int], list[DesignPoint]]:
    """`random_points` of FlexLLM's processes (`process_granularity: element`), whose laws the oracles step through; with
    and without causal skipping in turns.
    """

    def element(point: DesignPoint, mask: str) -> DesignPoint:
        choices = {"prefill": {"attention_mask": mask}, "decode": {}}
        stages = {}
        for stage, update in choices.items():
            design = getattr(point, stage)
            modules = design.modules.model_copy(update={"process_granularity": "element", **update})
            stages[stage] = design.model_copy(update={"modules": modules})
        return point.model_copy(update=stages)

    def draw(space: DesignSpace, n: int, seed: int) -> list[DesignPoint]:
        points = random_points(space, n, seed)
        return [element(point, ("causal_skip", "full")[i % 2]) for i, point in enumerate(points)]

    return draw


@pytest.fixture(scope="session")
def context() -> Callable[[ModelConfig, Device, int, int], Context]:
    """`context(model, device, prompt_tokens, output_tokens)`."""

    def make(model: ModelConfig, device: Device, prompt: int, output: int) -> Context:
        return Context(model, device, Workload(prompt_tokens=prompt, output_tokens=output), W4A4KV8)

    return make


@pytest.fixture(scope="session")
def with_hbm() -> Callable[..., Device]:
    """`with_hbm(device, efficiency=1.0)`: the card with other numbers of its HBM."""

    def make(device: Device, **changes: float) -> Device:
        assert device.hbm is not None
        if "channel_sustained_bytes_per_s" in changes:
            changes.setdefault("channel_peak_bytes_per_s", changes["channel_sustained_bytes_per_s"])
        return device.model_copy(update={"hbm": device.hbm.model_copy(update=changes)})

    return make


@pytest.fixture(scope="session")
def same_bits() -> Callable[[FloatArray, FloatArray], bool]:
    """Whether two arrays are equal bit for bit, NaN included."""

    def check(a: FloatArray, b: FloatArray) -> bool:
        return np.asarray(a, np.float64).tobytes() == np.asarray(b, np.float64).tobytes()

    return check
