"""Grids, clips and GPTQ against definitions and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantize.arrays import NumpyArrays
from quantize.calibration import SiteSamples, range_of, static_range
from quantize.gptq import gptq
from quantize.integer_linear import quantize_static_range
from quantize.rounding import CLIP_FRACTIONS, grid_of, grid_scale, round_to_nearest
from spec.errors import InputError
from spec.scheme_names import scheme_named

SCHEME = scheme_named("w4a8kv8")


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), bits=st.integers(2, 8))
def test_weights_are_within_half_a_step_where_nothing_is_clipped(seed: int, bits: int) -> None:
    weight = np.random.default_rng(seed).standard_normal((6, 32)).astype(np.float32)
    rounded = round_to_nearest(weight, bits, SCHEME)
    assert rounded.integers.min() >= -(2 ** (bits - 1))
    assert rounded.integers.max() <= 2 ** (bits - 1) - 1
    top = rounded.scale * (2 ** (bits - 1) - 1)
    inside = np.abs(weight) <= top
    assert np.all(np.abs(rounded.values() - weight)[inside] <= (rounded.scale * 0.50001 * np.ones_like(weight))[inside])


def test_the_clip_is_the_best_of_those_tried() -> None:
    weight = np.random.default_rng(0).standard_t(3, (8, 64)).astype(np.float32)
    chosen = grid_scale(weight, 4, clip=True)
    for row, scale in zip(weight, chosen[:, 0], strict=True):
        candidates = np.abs(row).max() / 7 * np.array(CLIP_FRACTIONS)
        errors = [np.square(np.clip(np.rint(row / s), -8, 7) * s - row).sum() for s in candidates]
        assert scale == pytest.approx(candidates[int(np.argmin(errors))], rel=1e-5)


@pytest.mark.parametrize("bits", [4, 8])
def test_a_static_range_fits_one_sided_values_better_than_a_symmetric_scale(bits: int) -> None:
    values = np.abs(np.random.default_rng(6).standard_normal(4000)).astype(np.float32) + np.float32(1)
    watch = SiteSamples(NumpyArrays())
    watch("site", values.reshape(50, 80))
    assert watch.samples[range_of("site")].tolist() == [[values.min(), values.max()]]
    low, scale = static_range(watch.samples["site"], watch.samples[range_of("site")], bits)
    found = quantize_static_range(NumpyArrays(), values, low, scale, bits)
    assert found.q.min() >= 0
    assert found.q.max() <= 2**bits - 1
    ours = np.square(found.q * scale + low - values).mean()
    top = watch.scale("site", bits)[0]
    symmetric = np.square(np.clip(np.rint(values / top), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * top - values).mean()
    assert ours < 0.5 * symmetric
    assert ours < (scale * scale) / 4  # about a twelfth of the squared step, and what is clipped


def test_finer_scales_fit_better() -> None:
    weight = np.random.default_rng(1).standard_t(3, (16, 64)).astype(np.float32)

    def error(**changes: object) -> float:
        return float(np.square(round_to_nearest(weight, 4, SCHEME.model_copy(update=changes)).values() - weight).mean())

    group = {"weight_scale": "per_group", "weight_group_size": 8}
    assert error(**group) < error() < error(weight_scale="per_tensor")
    assert error(**group, weight_symmetry="asymmetric") < error(**group)


def test_a_group_that_does_not_divide_is_refused() -> None:
    scheme = SCHEME.model_copy(update={"weight_scale": "per_group", "weight_group_size": 24})
    with pytest.raises(InputError, match="24 channels do not divide 64"):
        round_to_nearest(np.ones((2, 64), dtype=np.float32), 4, scheme)


def test_gptq_on_white_inputs_is_rounding_to_nearest() -> None:
    weight = np.random.default_rng(2).standard_normal((8, 40)).astype(np.float32)
    rounded = gptq(weight, np.eye(40), grid_of(weight, 4, SCHEME, clip=True))
    assert np.array_equal(rounded.integers, np.clip(np.rint(weight / rounded.scale), -8, 7))


def test_gptq_lies_between_the_optimum_and_rounding_to_nearest() -> None:
    """For layers so small that every rounding can be tried."""
    generator = np.random.default_rng(3)
    sums = np.zeros(3)
    for _ in range(30):
        inputs = generator.standard_normal((64, 4)) @ generator.standard_normal((4, 4))
        hessian = inputs.T @ inputs / 64
        weight = generator.standard_normal((1, 4)).astype(np.float32)
        rounded = gptq(weight, hessian, grid_of(weight, 3, SCHEME, clip=True))
        scale = float(rounded.scale[0, 0])

        def loss(integers: np.ndarray, w: np.ndarray = weight, s: float = scale, h: np.ndarray = hessian) -> float:
            difference = integers * s - w[0]
            return float(difference @ h @ difference)

        best = min(loss(np.array(q)) for q in itertools.product(range(-4, 4), repeat=4))
        nearest = loss(np.clip(np.rint(weight[0] / scale), -4, 3))
        ours = loss(rounded.integers[0].astype(float))
        assert ours >= best - 1e-9
        sums += [best, ours, nearest]
    assert sums[0] <= sums[1] < 0.9 * sums[2]


def test_gptq_across_blocks_equals_gptq_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    inputs = generator.standard_normal((300, 70)) @ generator.standard_normal((70, 70))
    hessian, weight = inputs.T @ inputs / 300, generator.standard_normal((9, 70)).astype(np.float32)
    grid = grid_of(weight, 4, SCHEME, clip=True)
    whole = gptq(weight, hessian, grid)
    monkeypatch.setattr("quantize.gptq.BLOCK_CHANNELS", 16)
    assert np.mean(gptq(weight, hessian, grid).integers != whole.integers) < 0.02  # the order of fp32 sums differs


def test_gptq_survives_channels_that_never_fire() -> None:
    hessian = np.diag([1.0, 0.0, 2.0])
    weight = np.ones((2, 3), dtype=np.float32)
    assert np.isfinite(gptq(weight, hessian, grid_of(weight, 4, SCHEME, clip=True)).values()).all()


GRIDS = {
    "per group": {"weight_scale": "per_group", "weight_group_size": 8},
    "per tensor": {"weight_scale": "per_tensor"},
    "asymmetric": {"weight_symmetry": "asymmetric"},
    "asymmetric per group": {"weight_scale": "per_group", "weight_group_size": 8, "weight_symmetry": "asymmetric"},
}


@pytest.mark.parametrize("kind", GRIDS)
def test_gptq_keeps_to_any_grid_and_beats_rounding_to_nearest_on_it(kind: str) -> None:
    """On white inputs it is the plain rounding; on correlated ones its output error is smaller on the same grid."""
    scheme = SCHEME.model_copy(update=GRIDS[kind])
    generator = np.random.default_rng(7)
    inputs = generator.standard_normal((400, 48)) @ generator.standard_normal((48, 48)) ** 3
    inputs[:, :5] *= 4  # so the order by diagonal is not that of the channels
    weight = generator.standard_t(3, (10, 48)).astype(np.float32)
    plain, grid = round_to_nearest(weight, 4, scheme), grid_of(weight, 4, scheme, clip=True)
    white = gptq(weight, np.eye(48), grid)
    assert np.array_equal(white.integers, plain.integers)
    assert np.array_equal(white.scale, plain.scale)
    rounded = gptq(weight, inputs.T @ inputs / 400, grid)
    assert np.array_equal(rounded.scale, plain.scale)
    steps = rounded.integers.reshape(10, grid.scale.shape[1], -1) - grid.lowest[:, :, None]
    assert steps.min() >= 0
    assert steps.max() <= 15
    ours, nearest = (np.square(inputs @ (one.values() - weight).T).sum() for one in (rounded, plain))
    assert ours < 0.7 * nearest
