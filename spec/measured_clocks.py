"""Which designs ran, on which card, for which model, at the clocks that they ask for: there no law of the tools applies.

A fact about one pair of bitstreams, not a field of the design document: a copy with one changed number has another key.
"""

from __future__ import annotations

from spec.design_point import DesignPoint
from spec.device import Device

# What was measured of this architecture: one design, on one card, for one model.
MEASURED_DEVICE = "u280"
MEASURED_MODEL = "llama-3.2-1b"

# `Device.content_digest()` of the catalog's u280: a card of this name with other numbers in it is another card. A test holds
# it against the catalog.
MEASURED_DEVICE_DIGEST = "2cb21620e4e05029"

MEASURED_CLOCKS_MHZ = (304.0, 292.0)

# Canonical key of flexllm-u280: prefill at 304 MHz, decode at 292 MHz (arXiv 2601.15710, table of accelerators, U280). A
# test holds it against the catalog's published design.
MEASURED_DESIGN_KEY = "1e42b4438fd25cd7"


def is_measured_design(point: DesignPoint) -> bool:
    """Whether bitstreams of this very design were built and ran at its clock targets, on the measured card."""
    clocks = point.clock_target_mhz
    # The clocks first: they are cheap to compare, and a batch may hold many designs.
    return (clocks.prefill, clocks.decode) == MEASURED_CLOCKS_MHZ and point.canonical_key() == MEASURED_DESIGN_KEY


def is_measured_card(device: Device) -> bool:
    """Whether it is the card that the bitstreams ran on, by name and by content."""
    return device.name == MEASURED_DEVICE and device.content_digest() == MEASURED_DEVICE_DIGEST


def clocks_were_measured(point: DesignPoint, model: str, device: Device) -> bool:
    """Whether the design ran at its clock targets for the model of that name and on that very device."""
    return model == MEASURED_MODEL and is_measured_design(point) and is_measured_card(device)
