"""External memory: the port law and the traffic of each channel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cost_models.arrays import FloatArray
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.device import Device
from spec.memory_map import PortRole


def port_limit_bytes_per_s(device: Device, width_bits: float, clock_mhz: float, channel_demand_bits: float) -> float:
    """Bytes/s that one port gets: min(kernel side, memory side of the port, its share of the channel).

    kernel side = width/8 x clock; memory side = native port width x its clock; the channel gives its sustained rate x
    efficiency, shared by the concurrently streaming ports in proportion to their width.
    """
    memory = device.hbm or device.memory("ddr")
    kernel_side = width_bits / 8 * clock_mhz * 1e6
    channel = memory.channel_sustained_bytes_per_s * memory.efficiency * width_bits / channel_demand_bits
    return min(kernel_side, memory.memory_port_bytes_per_s, channel)


def stream_slowdown(batch: PrefillBatch | DecodeBatch, role: PortRole, device: Device) -> FloatArray:
    """How much longer than one cycle a beat of `role` takes, (n_points,), >= 1: the port law over the kernel side."""
    memory = device.hbm or device.memory("ddr")
    channel_rate = memory.channel_sustained_bytes_per_s * memory.efficiency
    table, column = batch.placements, batch.placements.role(role)
    width, demand = table.width_bits[:, column], table.channel_demand_bits[:, column]
    bytes_per_mhz = 1e6 / 8
    by_port = width * bytes_per_mhz / memory.memory_port_bytes_per_s
    by_channel = demand * bytes_per_mhz / channel_rate
    worst = np.maximum(by_port, by_channel)[batch.placement]
    return np.asarray(np.maximum(1.0, worst * batch.clock_mhz))


def port_bytes(batch: PrefillBatch | DecodeBatch, role: PortRole) -> FloatArray:
    """Bytes that all ports of a role deliver in one beat, (n_points,)."""
    table, column = batch.placements, batch.placements.role(role)
    return (table.ports[:, column] * table.width_bits[:, column] / 8)[batch.placement]


def channel_bytes(batch: PrefillBatch | DecodeBatch, role_bytes: Mapping[PortRole, FloatArray]) -> FloatArray:
    """Bytes on each HBM channel, (n_points, n_channels), from the bytes of each role, (n_points,) each."""
    table = batch.placements
    total = np.zeros((len(batch), table.share.shape[2]))
    for role, amount in role_bytes.items():
        total += amount[:, np.newaxis] * table.share[batch.placement, table.role(role)]
    return total
