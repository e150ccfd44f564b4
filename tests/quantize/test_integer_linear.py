"""Quantizers and linear layers against the golden reference and against exact integers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import spec
from hls_gen.golden import quantization as golden
from quantize.arrays import NumpyArrays
from quantize.integer_linear import linear, prepare, quantize_asymmetric, quantize_static, quantize_symmetric
from quantize.rounding import RoundedWeight

XP = NumpyArrays()
VECTORS = Path(spec.__file__).parent / "vectors"


def fp32(texts: list[str]) -> np.ndarray:
    return np.array([struct.unpack(">f", bytes.fromhex(text))[0] for text in texts], dtype=np.float32)


def test_the_vectors_of_the_numerics_page_hold() -> None:
    document = json.loads((VECTORS / "w4a4_linear.json").read_text())
    cases = document["linear"]
    assert cases
    for case in cases:
        x = np.stack([fp32(row) for row in case["x"]])
        weights = RoundedWeight(np.array(case["weights"], dtype=np.int16), fp32(case["scales"])[:, None])
        y = linear(XP, quantize_asymmetric(XP, x, 4), prepare(XP, weights))
        expected = np.stack([fp32(row) for row in case["y"]])
        assert np.array_equal(y, expected)


@pytest.mark.parametrize("bits", [4, 6, 8, 12])
@pytest.mark.parametrize("symmetry", list(golden.Symmetry))
def test_dynamic_quantizers_equal_the_golden_ones(bits: int, symmetry: golden.Symmetry) -> None:
    generator = np.random.default_rng(bits)
    x = (generator.standard_normal((50, 96)) * generator.lognormal(0, 3, (50, 1))).astype(np.float32)
    x[0] = 0.0
    x[1] = 3.25
    x[2, :5] = [1e-40, -1e-40, 0.0, -0.0, 2e-38]
    theirs = golden.quantize_dynamic(x, bits, symmetry, golden.Quotient.DIVIDE)
    quantizer = quantize_asymmetric if symmetry is golden.Symmetry.ASYMMETRIC else quantize_symmetric
    ours = quantizer(XP, x, bits)
    assert np.array_equal(ours.q.astype(np.int64), theirs.q)
    assert np.array_equal(ours.scale[:, 0], theirs.scale)
    if ours.minimum is not None:
        assert np.array_equal(ours.minimum[:, 0], theirs.minimum)


def test_static_quantizer_clips_to_the_signed_range() -> None:
    x = np.array([-9.0, -8.0, -0.5, 0.5, 1.5, 7.5, 100.0], dtype=np.float32)
    assert quantize_static(XP, x, np.float32(1), 4).tolist() == [-8, -8, 0, 0, 2, 7, 7]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    activation_bits=st.integers(2, 12),
    weight_bits=st.integers(2, 8),
    d_in=st.sampled_from([1, 7, 96, 1030, 4100]),
)
def test_sums_are_exact_and_rounded_once(seed: int, activation_bits: int, weight_bits: int, d_in: int) -> None:
    generator = np.random.default_rng(seed)
    weights = generator.integers(-(2 ** (weight_bits - 1)), 2 ** (weight_bits - 1), (5, d_in)).astype(np.int16)
    weights[0] = -(2 ** (weight_bits - 1))  # the longest sums
    scale = generator.lognormal(0, 1, 5).astype(np.float32)
    x = np.abs(generator.standard_normal((3, d_in))).astype(np.float32)
    for quantizer in (quantize_asymmetric, quantize_symmetric):
        quantized = quantizer(XP, x, activation_bits)
        y = linear(XP, quantized, prepare(XP, RoundedWeight(weights, scale[:, None])))
        sums = quantized.q.astype(np.int64) @ weights.astype(np.int64).T
        expected = (sums.astype(np.float32) * quantized.scale) * scale
        if quantized.minimum is not None:
            expected = expected + quantized.minimum * (weights.sum(axis=1).astype(np.float32) * scale)
        assert y.dtype == np.float32
        assert np.array_equal(y, expected)
