"""Inverse frequencies of rotary position embedding, with the scalings of long-context models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from spec.errors import InputError
from spec.model_config import ModelConfig

Fp32 = npt.NDArray[np.float32]


def inverse_frequencies(config: ModelConfig, scaling: dict[str, Any] | None = None) -> Fp32:
    """(head_dim / 2,): theta^(-2j / head_dim), then scaled as `config.rope_scaling` says with the parameters `scaling`.

    llama3 keeps wavelengths shorter than original / high_freq_factor, divides those longer than original /
    low_freq_factor by `factor`, and blends linearly between (Llama 3.1 reference code, `apply_scaling`).

    Raises:
        InputError: a scaling whose parameters are missing or absurd.
    """
    exponents = np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim
    plain = config.rope_theta**-exponents
    if config.rope_scaling == "none":
        return plain.astype(np.float32)
    factor = _number(scaling, "factor")
    if config.rope_scaling == "linear":
        return (plain / factor).astype(np.float32)
    low, high = _number(scaling, "low_freq_factor"), _number(scaling, "high_freq_factor")
    original = _number(scaling, "original_max_position_embeddings")
    if high <= low:
        raise InputError(
            "llama3 RoPE scaling with high_freq_factor not above low_freq_factor",
            field="rope_scaling.high_freq_factor",
            value=high,
            rule=f"above low_freq_factor = {low:g}",
            hint="take rope_scaling from the checkpoint's own config.json",
        )
    wavelength = 2 * math.pi / plain
    blend = np.clip((original / wavelength - low) / (high - low), 0, 1)
    return ((1 - blend) * plain / factor + blend * plain).astype(np.float32)


def _number(scaling: dict[str, Any] | None, key: str) -> float:
    value = (scaling or {}).get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise InputError(
            f"RoPE scaling without a usable {key}",
            field=f"rope_scaling.{key}",
            value=value,
            rule="a positive number",
            hint="take rope_scaling from the checkpoint's own config.json",
        )
    return float(value)
