"""Seeded weights and activations: realistic distributions with outliers, and the corner cases of the quantizer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hls_gen.golden.fp32 import Fp32

OUTLIER_CHANNEL_FRACTION = 0.01  # share of channels that carry most of a token's range, as in LLM hidden states
OUTLIER_GAIN = 25.0
EXTREME = np.float32(2.0**100)  # leaves room for d_in * 15 * 8 and a scale below 1 before fp32 overflows


class LayerWeights(NamedTuple):
    """`weights` (d_out, d_in) int4 in int8, `scales` (d_out,)."""

    weights: npt.NDArray[np.int8]
    scales: Fp32


def layer_weights(rng: np.random.Generator, d_out: int, d_in: int) -> LayerWeights:
    """Round bell-shaped weights to int4; the first channels hold the extremes -8 and 7 throughout."""
    weights = np.clip(np.rint(rng.standard_normal((d_out, d_in), dtype=np.float32) * np.float32(2.6)), -8, 7)
    weights[0] = -8
    if d_out > 1:
        weights[1] = 7
    scales = rng.lognormal(np.log(0.01), 0.3, d_out).astype(np.float32)
    return LayerWeights(weights.astype(np.int8), scales)


def _typical(rng: np.random.Generator, d_in: int) -> Fp32:
    token = rng.standard_normal(d_in, dtype=np.float32)
    outliers = rng.random(d_in) < OUTLIER_CHANNEL_FRACTION
    return np.where(outliers, token * np.float32(OUTLIER_GAIN), token).astype(np.float32)


def _constant(rng: np.random.Generator, d_in: int) -> Fp32:
    return np.full(d_in, rng.standard_normal(dtype=np.float32), dtype=np.float32)


def _zeros(rng: np.random.Generator, d_in: int) -> Fp32:
    return np.where(rng.random(d_in) < 0.5, np.float32(-0.0), np.float32(0.0))


def _extremes(rng: np.random.Generator, d_in: int) -> Fp32:
    return np.where(rng.random(d_in) < 0.5, -EXTREME, EXTREME).astype(np.float32)


def _subnormals(rng: np.random.Generator, d_in: int) -> Fp32:
    tiny = rng.integers(0, 2**23, d_in, dtype=np.uint32).view(np.float32)
    return np.where(rng.random(d_in) < 0.1, np.float32(1e-3), tiny).astype(np.float32)


def _one_sided(rng: np.random.Generator, d_in: int) -> Fp32:
    return (np.abs(_typical(rng, d_in)) + np.float32(3)).astype(np.float32)


def _all_at_the_top(rng: np.random.Generator, d_in: int) -> Fp32:
    """One low value, so that every other channel is q = 15 and the sums reach their bounds."""
    token = np.ones(d_in, dtype=np.float32)
    token[int(rng.integers(d_in))] = np.float32(-1)
    return token


def _ties(rng: np.random.Generator, d_in: int) -> Fp32:
    """A range of 15 steps of a power of two, and values half-way between steps: only the rounding rule decides."""
    steps = rng.integers(0, 15, d_in).astype(np.float32) + np.float32(0.5)
    low, high = rng.choice(d_in, 2, replace=False)
    steps[low], steps[high] = 0, 15
    return ((steps - np.float32(7)) * np.float32(2.0 ** int(rng.integers(-3, 4)))).astype(np.float32)


_CORNERS = (_constant, _all_at_the_top, _zeros, _extremes, _subnormals, _one_sided, _ties)


def activations(rng: np.random.Generator, tokens: int, d_in: int, first_corner: int = 0) -> Fp32:
    """`tokens` vectors: every second one a corner case (from `first_corner` on, in turn), the others typical."""
    rows = []
    for token in range(tokens):
        corner = _CORNERS[(first_corner + token // 2) % len(_CORNERS)]
        rows.append(corner(rng, d_in) if token % 2 else _typical(rng, d_in))
    return np.stack(rows)
