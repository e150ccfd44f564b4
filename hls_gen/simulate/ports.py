"""Timing of a kernel's m_axi ports: the port law of the memory map, in kernel cycles."""

from __future__ import annotations

from hls_gen.planning.types import KernelPlan
from hls_gen.simulate.schedule import PortTiming
from spec.design_batch import StagePlacements
from spec.design_point import DesignPoint
from spec.device import Device
from spec.memory_map import MemoryPort
from spec.timing import TimingTable


def port_timing(kernel: KernelPlan, design: DesignPoint, device: Device, timing: TimingTable) -> dict[str, PortTiming]:
    """By argument of the kernel; the written twin of a port and the tokens' port have the timing of theirs.

    A word takes a cycle, or longer where the port law gives memory less than the port asks for at the kernel's clock. The
    first word of a burst, and the response to the last write, take a dependent access (`memory_access_cycles`).
    """
    layout = [port for port in design.memory_map.ports if port.stage == kernel.stage]
    placements = StagePlacements.of([layout], kernel.stage, device)
    latency = round(timing.memory_access_cycles)
    by_name: dict[str, MemoryPort] = {port.name: port for port in layout}
    found: dict[str, PortTiming] = {}
    for port in kernel.ports:
        roles = by_name[port.name].roles
        saturation = min(float(placements.saturation_mhz[0, placements.role(role)]) for role in roles)
        one = PortTiming(
            cycles_per_word=max(1.0, kernel.clock_mhz / saturation),
            latency_cycles=latency,
            response_cycles=latency,
            prefetched_words=port.burst_words * port.outstanding,
        )
        found[port.argument] = found[f"{port.argument}_out"] = one
    if kernel.token_port is not None:
        found["tokens_out"] = found[kernel.token_port.argument]
    return found
