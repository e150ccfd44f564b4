"""External memory: how long a beat takes, and the bytes on each channel. The port law itself is in `spec.design_batch`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cost_models.arrays import FloatArray, IntArray
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.device import Device
from spec.memory_map import PortRole


def stream_slowdown(batch: PrefillBatch | DecodeBatch, role: PortRole) -> FloatArray:
    """How much longer than one cycle a beat of `role` takes, (n_points,), >= 1: kernel clock over saturation clock."""
    table = batch.placements
    return np.asarray(np.maximum(1.0, batch.clock_mhz / table.saturation_mhz[:, table.role(role)][batch.placement]))


def ports_cycles(batch: PrefillBatch | DecodeBatch, role: PortRole, value_bytes: int) -> FloatArray:
    """Cycles in which all ports of a role bring one value of `value_bytes` each lane, (n_points,): not less than a cycle for
    what a beat of them holds, longer where memory does not keep pace (the port law).
    """
    values = np.maximum(port_bytes(batch, role) / value_bytes, 1.0)
    return np.asarray(stream_slowdown(batch, role) / values)


def port_bytes(batch: PrefillBatch | DecodeBatch, role: PortRole) -> FloatArray:
    """Bytes that all ports of a role deliver in one beat, (n_points,); 0 without ports."""
    table, column = batch.placements, batch.placements.role(role)
    ports, width = table.ports[:, column], table.width_bits[:, column]
    return (ports * np.where(ports > 0, width, 0.0) / 8)[batch.placement]


def word_bytes(batch: PrefillBatch | DecodeBatch, role: PortRole) -> FloatArray:
    """Bytes that one port of a role delivers in one beat, (n_points,)."""
    table, column = batch.placements, batch.placements.role(role)
    return (table.width_bits[:, column] / 8)[batch.placement]


def operand_beats(batch: PrefillBatch | DecodeBatch, role: PortRole, lanes: IntArray, bits: int) -> FloatArray:
    """Beats of a port that make a word of `lanes` operands of `bits`, (n_points,): more than one where the port is narrower, and
    then whole ones (rule `cache_beats`).
    """
    return np.maximum(lanes * (bits / 8) / np.maximum(word_bytes(batch, role), 1.0), 1.0)


def hbm_bytes(batch: PrefillBatch | DecodeBatch, role_bytes: Mapping[PortRole, FloatArray]) -> FloatArray:
    """The part of the bytes of all roles that is in HBM, (n_points,)."""
    return _sum_where(batch, role_bytes, hbm=True)


def ddr_bytes(batch: PrefillBatch | DecodeBatch, role_bytes: Mapping[PortRole, FloatArray]) -> FloatArray:
    """The part of the bytes of all roles that is in DDR, (n_points,)."""
    return _sum_where(batch, role_bytes, hbm=False)


def _sum_where(
    batch: PrefillBatch | DecodeBatch, role_bytes: Mapping[PortRole, FloatArray], *, hbm: bool
) -> FloatArray:
    table = batch.placements
    total = np.zeros(len(batch))
    for role, amount in role_bytes.items():
        there = table.on_hbm[:, table.role(role)] == hbm
        if there.all():
            total += amount
        elif there.any():
            total += np.where(there[batch.placement], amount, 0.0)
    return total


def ddr_rate_bound(batch: PrefillBatch | DecodeBatch, device: Device) -> FloatArray:
    """Bytes a second that the DDR channels with ports of a design deliver, (n_points,)."""
    ddr = device.ddr
    each = 0.0 if ddr is None else ddr.channel_sustained_bytes_per_s * ddr.efficiency
    return np.asarray((batch.placements.ddr_ports.channels * each)[batch.placement])


def fullest_channel_bytes(batch: PrefillBatch | DecodeBatch, role_bytes: Mapping[PortRole, FloatArray]) -> FloatArray:
    """Bytes on the HBM channel that has the most of them, (n_points,), from the bytes of each role."""
    table = batch.placements
    by_column = {table.role(role): amount for role, amount in role_bytes.items()}
    channels: dict[int, FloatArray] = {}
    for mix, column in table.mix_terms:
        if column in by_column:
            part = by_column[column] * table.mixes[:, mix, column][batch.placement]
            channels[mix] = channels[mix] + part if mix in channels else part
    return np.maximum.reduce(list(channels.values())) if channels else np.zeros(len(batch))


def channel_bytes(
    batch: PrefillBatch | DecodeBatch, role_bytes: Mapping[PortRole, FloatArray], point: int = 0
) -> dict[int, float]:
    """Bytes on each HBM channel that carries something, of one design of the batch."""
    table, placement = batch.placements, int(batch.placement[point])
    by_column = {table.role(role): float(amount[point]) for role, amount in role_bytes.items()}
    return {
        channel: sum(by_column.get(r, 0.0) * number / int(table.ports[placement, r]) for r, number in carried.items())
        for channel, carried in sorted(table.channels[placement].items())
    }
