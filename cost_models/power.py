"""Board power of a stage: configured idle + fabric (LUT x clock) + HBM traffic."""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray
from cost_models.coefficients import FABRIC_W_PER_LUT_MHZ, HBM_J_PER_BYTE
from spec.device import Device


def stage_power_w(
    kernel_lut: FloatArray, clock_mhz: FloatArray, hbm_bytes_per_s: FloatArray, device: Device
) -> tuple[FloatArray, FloatArray]:
    """Total and dynamic board power (W), (n_points,) each; the total is NaN where idle power is not known."""
    fabric = FABRIC_W_PER_LUT_MHZ * (kernel_lut + device.shell.lut) * clock_mhz
    dynamic = fabric + HBM_J_PER_BYTE * hbm_bytes_per_s
    idle = device.power.configured_w if device.power.configured_w is not None else np.nan
    return idle + dynamic, dynamic
