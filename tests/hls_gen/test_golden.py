"""The stimulus has what it promises, and the reference equals plain Python on it."""

from __future__ import annotations

import numpy as np

from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.projection import project_tokens
from hls_gen.golden.quantization import QuantizedTokens, Symmetry, quantize_asymmetric
from hls_gen.golden.stimulus import EXTREME, LayerWeights, activations, layer_weights
from spec.quantized_checkpoint import QuantizedLinear, row_sums


def quantize_tokens(x: Fp32) -> QuantizedTokens:
    return quantize_asymmetric(x, 4)


def linear(x: Fp32, layer: LayerWeights) -> Fp32:
    scale = layer.scales[:, None]
    quantized = QuantizedLinear(layer.weights, scale, row_sums(layer.weights, scale), None)
    return project_tokens(quantize_tokens(x), quantized, Symmetry.ASYMMETRIC)


def test_reference_equals_plain_python() -> None:
    rng = np.random.default_rng(5)
    layer = layer_weights(rng, 9, 48)
    x = activations(rng, 12, 48)
    tokens = quantize_tokens(x)
    y = linear(x, layer)
    for t in range(12):
        for c in range(9):
            total = sum(int(q) * int(w) for q, w in zip(tokens.q[t], layer.weights[c], strict=True))
            row_sum = np.float32(np.float32(int(layer.weights[c].sum(dtype=np.int64))) * layer.scales[c])
            scaled = np.float32(np.float32(np.float32(total) * tokens.scale[t]) * layer.scales[c])
            assert y[t, c] == np.float32(scaled + np.float32(tokens.minimum[t] * row_sum))


def test_result_approximates_the_real_product() -> None:
    """Half a step of each activation at most: the layer means what it should, it is not only consistent."""
    rng = np.random.default_rng(6)
    layer = layer_weights(rng, 16, 256)
    x = rng.standard_normal((4, 256), dtype=np.float32)
    real = layer.weights * layer.scales[:, None].astype(np.float64)
    step = quantize_tokens(x).scale[:, None]
    bound = step / 2 * np.abs(real).sum(axis=1)[None, :] + 1e-5
    assert (np.abs(linear(x, layer) - x @ real.T) <= bound).all()


def test_stimulus_has_outliers_and_corner_cases() -> None:
    x = activations(np.random.default_rng(7), 12, 512)
    ranges = x.max(axis=1) - x.min(axis=1)
    assert (ranges[1] == 0, (x[5] == 0).all()) == (True, True)  # constant, zero
    assert np.signbit(x[5]).any()
    assert np.abs(x[7]).max() == EXTREME
    assert ((np.abs(x[9]) < 2.0**-126) & (x[9] != 0)).any()
    assert x[11].min() > 0
    assert all(np.abs(x[t]).max() > 8 * np.abs(x[t]).std() or np.abs(x[t]).max() > 10 for t in (0, 2, 4))
    layer = layer_weights(np.random.default_rng(8), 64, 512)
    assert layer.weights.min() == -8
    assert layer.weights.max() == 7
    assert quantize_tokens(x).q.max() == 15


def test_same_seed_same_data() -> None:
    first, second = (activations(np.random.default_rng(9), 6, 33) for _ in range(2))
    assert first.tobytes() == second.tobytes()
