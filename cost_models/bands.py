"""Error bands of the resource laws: how far the true count of a kind may be from the model's."""

from __future__ import annotations

from cost_models.clb import CLB_BAND
from spec.device import Device
from spec.measured_clocks import MEASURED_DEVICE

# (low, high): the true count lies within (1 + low, 1 + high) times the model's. Each holds both rows of FlexLLM's U280
# utilization table (a test checks it); the widths beside them are judgement: two designs are no statistics.
U280_BANDS: dict[str, tuple[float, float]] = {
    "lut": (-0.20, 0.20),
    "ff": (-0.20, 0.20),
    "dsp": (-0.05, 0.05),
    "bram_18k": (-0.15, 0.35),
    "uram": (-0.15, 0.35),
}


def resource_band(kind: str, device: Device) -> tuple[float, float]:
    """Band of a kind of resource on `device`; `clb` follows from LUTs and from how they pack, two separate causes.

    Twice the U280's on a card where nothing of this architecture was measured.
    """
    if kind == "clb":
        lut = resource_band("lut", device)
        low, high = (-((lut[0] ** 2 + CLB_BAND[0] ** 2) ** 0.5), (lut[1] ** 2 + CLB_BAND[1] ** 2) ** 0.5)
        return low, high
    low, high = U280_BANDS[kind]
    factor = 1.0 if device.name == MEASURED_DEVICE else 2.0
    return factor * low, factor * high
