"""Ports of a kernel from the memory map: names that are safe in C++ and Tcl, and the rules of the generated loaders."""

from __future__ import annotations

import dataclasses

from hls_gen.planning.types import PortPlan, ReservedPort
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.memory_map import MemoryPort, PortRole
from spec.workload import Stage

# Roles of the modules that a project holds; ports of other roles are reserved for modules that it does not.
BUILT_ROLES: dict[Stage, frozenset[PortRole]] = {
    "prefill": frozenset({
        "io", "weights_kq", "weights_vo", "weights_gate", "weights_up", "weights_down",
        "scales_kq", "scales_vo", "scales_gate", "scales_up", "scales_down",
    }),
    "decode": frozenset({"io", "weights", "scales"}),
}  # fmt: skip

MAX_BURST_BYTES = 4096  # an AXI4 burst does not cross a 4 kB boundary (AMBA AXI4, A3.4.1)
MAX_BURST_WORDS = 256  # AXI4 burst length limit
SCALE_PAIR_BITS = 64  # fp32 {scale, row sum}


def bank(port: MemoryPort) -> str:
    """The memory bank in v++ notation."""
    return f"{port.memory.upper()}[{port.channel}]"


def plan_port(port: MemoryPort) -> PortPlan:
    """A user's port name may be a C++ keyword or one of our own names, so it never stands alone."""
    return PortPlan(
        name=port.name,
        argument=f"mem_{port.name}",
        bundle=f"gmem_{port.name}",
        bank=bank(port),
        width_bits=port.width_bits,
        burst_words=min(MAX_BURST_WORDS, MAX_BURST_BYTES * 8 // port.width_bits),
        csim_words=0,
    )


def with_csim_words(port: PortPlan, words: int) -> PortPlan:
    """The port with the size of its buffer in C simulation, which co-simulation needs to know."""
    return dataclasses.replace(port, csim_words=words)


def ports_of(design: DesignPoint, stage: Stage, role: PortRole) -> tuple[PortPlan, ...]:
    """The ports of a role, which run all the time, so that no second running role may share one.

    Raises:
        InputError: a port serves two roles that run at the same time.
    """
    found = design.memory_map.of(stage, role)
    for port in found:
        running = sorted(set(port.roles) & BUILT_ROLES[stage])
        if len(running) > 1:
            raise InputError(
                f"port {port.name} of {stage} carries {' and '.join(running)}, which run at the same time",
                field="memory_map.ports",
                value=port.name,
                rule="io, weights and scales each have ports of their own",
                hint=f"give {running[1]} a port of its own",
            )
    return tuple(plan_port(port) for port in found)


def single_port(design: DesignPoint, stage: Stage, role: PortRole, min_bits: int = 32) -> PortPlan:
    """The one port of a role.

    Raises:
        InputError: there are several, or it is too narrow.
    """
    found = ports_of(design, stage, role)
    if len(found) != 1:
        raise InputError(
            f"{stage} has {len(found)} ports for {role}",
            field="memory_map.ports",
            value=[port.name for port in found],
            rule=f"the generated kernel has one loader for {role}, hence one port",
            hint=f"keep {role} on one port",
        )
    if found[0].width_bits < min_bits:
        raise InputError(
            f"port {found[0].name} of {stage} is too narrow for {role}",
            field="memory_map.ports",
            value=found[0].width_bits,
            rule=f"width_bits >= {min_bits}",
            hint=f"use a port of {min_bits} bits",
        )
    return found[0]


def reserved_ports(design: DesignPoint, stage: Stage) -> tuple[ReservedPort, ...]:
    """The ports that no module of this project uses."""
    return tuple(
        ReservedPort(port.name, port.roles, bank(port))
        for port in design.memory_map.ports
        if port.stage == stage and not set(port.roles) & BUILT_ROLES[stage]
    )
