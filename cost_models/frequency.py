"""Achieved clock, version 1: the target, as long as public designs of this kind reached it on this card."""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray
from spec.device import Device


def achieved_clock_mhz(target_mhz: FloatArray, device: Device) -> FloatArray:
    """Clock (MHz), (n_points,): min(target, the card's highest published kernel clock)."""
    return np.minimum(target_mhz, device.clock.max_mhz)
