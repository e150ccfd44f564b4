"""Achievable clock: what the tools reach for a bitstream of this fullness and with these memory ports.

    achievable = max_mhz - slope (CLB - 0.66)+ - mhz_per_port_word (port words - free port words)+

`max_mhz` is the card's fastest public design of this kind. CLB: the predicted fraction of the card, shell included.
Port words: bits of all HBM ports / 256; cards whose ports reach the memory through hard wires have no such term. Below
the published points nothing is gained, above them the law extrapolates. Crossings between SLRs are not in it: both
FlexLLM designs span three SLRs at these clocks, with pipeline registers on every crossing stream.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cost_models.arrays import BoolArray, FloatArray, ResourceArrays
from cost_models.clb import CLB_CAP, clb_fraction
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.design_point import Deployment
from spec.device import Device

# The two routed FlexLLM designs on the U280 (arXiv 2601.15710, table of accelerators): 304 MHz at 66 % CLB, 292 MHz at
# 76 %. Two points: they set the slope and test nothing.
CLB_KNEE = 0.66
MHZ_PER_CLB = (304.0 - 292.0) / (0.76 - 0.66)
PORT_WORD_BITS = 256
FLOOR_FRACTION = 0.25  # of max_mhz: keeps the clock positive for designs that are far too large to be built

# True clock over the law's. Low: Allo's 245 MHz on the U280 against 304, LUT-LLM's 250 MHz at 80 % CLB on the V80 against
# 283 (both arXiv 2601.15710 and 2511.06174); FlightLLM's 225 MHz is outside. High: tools that were asked for more.
CLOCK_BAND = (-0.20, 0.04)


def achievable_clock_mhz(
    card_clb_fraction: FloatArray | float, hbm_port_words: FloatArray | float, device: Device
) -> FloatArray:
    """Clock (MHz), (n_points,), that the tools are expected to reach, whatever they are asked for."""
    limits = device.clock
    crowded = MHZ_PER_CLB * np.maximum(0.0, np.asarray(card_clb_fraction) - CLB_KNEE)
    ports: FloatArray | float = 0.0
    if limits.mhz_per_hbm_port_word > 0:
        ports = limits.mhz_per_hbm_port_word * np.maximum(0.0, np.asarray(hbm_port_words) - limits.free_hbm_port_words)
    return np.asarray(np.maximum(limits.max_mhz - crowded - ports, FLOOR_FRACTION * limits.max_mhz))


def achieved_clock_mhz(
    target_mhz: FloatArray, achievable_mhz: FloatArray, measured: BoolArray | None = None
) -> FloatArray:
    """Clock (MHz) that a stage is priced at, (n_points,): the target, unless the tools are expected to miss it.

    `measured`: where a bitstream of the very design ran at its target, that clock stands.
    """
    achieved = np.minimum(target_mhz, achievable_mhz)
    return achieved if measured is None else np.where(measured, target_mhz, achieved)


def card_clb_fraction(resources: ResourceArrays, device: Device) -> FloatArray:
    """Predicted fraction of the card's CLBs, shell included, (n_points,)."""
    return np.asarray(clb_fraction((resources.lut + device.shell.lut) / device.total.lut))


def stage_achievable_mhz(
    batch: PrefillBatch | DecodeBatch, resources: ResourceArrays, device: Device, deployment: Deployment
) -> FloatArray:
    """What the tools are expected to reach for the kernel of a stage, (n_points,).

    Co-resident stages share a card, and neither knows how full the other makes it: both are priced as on a card that is
    full to the cap.
    """
    crowded = CLB_CAP if deployment == "co_resident" else card_clb_fraction(resources, device)
    words = (batch.placements.hbm_ports.total_bits / PORT_WORD_BITS)[batch.placement]
    return achievable_clock_mhz(crowded, words, device)


def clock_law(
    batch: PrefillBatch | DecodeBatch, device: Device, deployment: Deployment
) -> Callable[[ResourceArrays], FloatArray]:
    """The clock (MHz), (n_points,), that a batch is priced at, as a function of its kernels' resources."""

    def clock(resources: ResourceArrays) -> FloatArray:
        achievable = stage_achievable_mhz(batch, resources, device, deployment)
        return achieved_clock_mhz(batch.clock_mhz, achievable, batch.clock_measured)

    return clock
