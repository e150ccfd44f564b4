"""Shared by the tests of the search: spaces, and parts of them small enough to try every pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from cost_models.evaluate import Context
from dse.axes import StageSpace
from dse.space import DesignSpace, design_space
from spec.catalog import load_device, load_model
from spec.workload import Workload


@cache
def _space(model: str, device: str) -> DesignSpace:
    return design_space(load_model(model), load_device(device))


@pytest.fixture(scope="session")
def space_of() -> Callable[[str, str], DesignSpace]:
    """`space_of("llama-3.2-1b", "u280")` is the default space, built once a session."""
    return _space


@pytest.fixture(scope="session")
def part_of() -> Callable[..., DesignSpace]:
    """`part_of(space, (5, 3, 4, 2), (20, 2), seed)`: that many random rows of each axis of the two stages; of module sets
    and clock targets `choices` each.
    """

    def stage_part(stage: StageSpace, sizes: Sequence[int], choices: int, rng: np.random.Generator) -> StageSpace:
        axes = tuple(
            axis.take(rng.choice(len(axis), min(size, len(axis)), replace=False))
            for axis, size in zip(stage.axes, (choices, *sizes, choices), strict=True)
        )
        return replace(stage, axes=axes)

    def part(
        space: DesignSpace, prefill: Sequence[int], decode: Sequence[int], seed: int, choices: int = 1
    ) -> DesignSpace:
        rng = np.random.default_rng(seed)
        return replace(
            space,
            prefill=stage_part(space.prefill, prefill, choices, rng),
            decode=stage_part(space.decode, decode, choices, rng),
        )

    return part


@pytest.fixture(scope="session")
def context_of() -> Callable[[DesignSpace, int, int], Context]:
    """`context_of(space, prompt_tokens, output_tokens)`."""

    def make(space: DesignSpace, prompt: int, output: int) -> Context:
        return Context(
            space.model,
            space.device,
            Workload(prompt_tokens=prompt, output_tokens=output),
            space.scheme,
            caps_at="prediction",
            system=space.system,
        )

    return make
