"""A seeded sample of the sweep: random legal designs, generated, linted and C-simulated (all 50: `make csim-sweep`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hls_gen.lint import lint_project
from hls_gen.project import generate_project
from hls_gen.random_designs import random_project, sweep_models
from hls_gen.toolchain.csim import run_csim
from spec.device import Device
from spec.workload import Workload


@pytest.mark.needs_program("g++")
@pytest.mark.parametrize(
    "number", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(9, marks=pytest.mark.slow)]
)
def test_random_design_is_bit_exact_and_clean(number: int, u280: Device, tmp_path: Path) -> None:
    model = sweep_models()[number]
    drawn = random_project(np.random.default_rng([0, number]), model, u280, number)
    workload = Workload(prompt_tokens=16, output_tokens=4)
    project = generate_project(drawn.design, model, u280, workload, tmp_path / "project", seed=number)
    assert lint_project(project) == ()
    assert run_csim(project).passed


def test_draws_are_legal_and_varied(u280: Device) -> None:
    models = sweep_models()
    drawn = [random_project(np.random.default_rng([0, i]), models[i % 10], u280, i).design for i in range(20)]
    assert len({design.canonical_key() for design in drawn}) == 20
    for values in (
        {(design.quant_scheme.weight_bits, design.quant_scheme.activation_bits) for design in drawn},
        {design.prefill.modules.linear_pe for design in drawn},
        {design.decode.modules.kv_read for design in drawn},
        {design.quant_scheme.online_hadamard for design in drawn},
    ):
        assert len(values) >= 2
