"""Ports of a kernel from the memory map: names that are safe in C++ and Tcl, and the rules of the generated loaders."""

from __future__ import annotations

from hls_gen.planning.types import PortPlan
from spec.axi_bursts import burst_words, outstanding_bursts
from spec.design_point import DesignPoint
from spec.errors import InputError
from spec.memory_map import WRITTEN_ROLES, MemoryPort, PortRole
from spec.workload import Stage

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
        burst_words=burst_words(port.width_bits),
        outstanding=outstanding_bursts(port.width_bits),
        is_written=bool(WRITTEN_ROLES & set(port.roles)),
    )


def _check_roles(port: MemoryPort, role: PortRole, beside: frozenset[PortRole]) -> None:
    others = set(port.roles) - {role} - beside
    if others:
        raise InputError(
            f"port {port.name} of {port.stage} carries {role} and {' and '.join(sorted(others))}",
            field="memory_map.ports",
            value=port.name,
            rule="of the generated kernel one process reads a port: only weights and a cache share one",
            hint=f"give {sorted(others)[0]} a port of its own",
        )


def ports_of(
    design: DesignPoint, stage: Stage, role: PortRole, beside: frozenset[PortRole] = frozenset()
) -> tuple[PortPlan, ...]:
    """The ports of a role, which may also carry the roles `beside`.

    Raises:
        InputError: a port carries another role; or the ports have different widths.
    """
    found = design.memory_map.of(stage, role)
    for port in found:
        _check_roles(port, role, beside)
    widths = sorted({port.width_bits for port in found})
    if len(widths) > 1:
        raise InputError(
            f"the ports of {stage} for {role} have different widths",
            field="memory_map.ports",
            value=widths,
            rule=f"all ports of {role} are equally wide: each feeds as many lanes",
            hint="use one width",
        )
    return tuple(plan_port(port) for port in found)


def single_port(design: DesignPoint, stage: Stage, role: PortRole, min_bits: int = 32) -> PortPlan:
    """The one port of a role; of several for the small norm parameters the first.

    Raises:
        InputError: there are several, or it is too narrow.
    """
    found = ports_of(design, stage, role)
    if len(found) != 1 and role != "norm_weights":
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
