"""What pragmas say of the memory behind a variable: how many accesses a cycle its ports take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

_MANY = 1 << 20  # as many as it takes: the memory is copied


@dataclass(frozen=True, slots=True)
class Ports:
    """Accesses that one bank of a memory takes in a cycle: reads, writes, and both together."""

    reads: int
    writes: int
    together: int

    def interval(self, reads: int, writes: int) -> int:
        """Cycles that so many accesses need."""
        return max(1, -(-reads // self.reads), -(-writes // self.writes), -(-(reads + writes) // self.together))


# A block RAM or UltraRAM with two ports for anything (UG573), which an HLS tool may choose where it is not told otherwise.
TRUE_DUAL_PORT = Ports(2, 2, 2)
# A memory-mapped port: one read and one write side by side (UG1399, M_AXI).
MEMORY_MAPPED = Ports(1, 1, 2)
# Types of BIND_STORAGE, and cores of RESOURCE with what they are made of left out (UG1399, "pragma HLS bind_storage").
_PORTS = {
    "ram_1p": Ports(1, 1, 1),
    "ram_s2p": Ports(1, 1, 2),
    "ram_2p": Ports(2, 1, 2),
    "ram_t2p": TRUE_DUAL_PORT,
    "ram_1wnr": Ports(_MANY, 1, _MANY),
    "rom_1p": Ports(1, 1, 1),
    "rom_2p": Ports(2, 1, 2),
    "rom_np": Ports(_MANY, 1, _MANY),
    "fifo": Ports(1, 1, 2),
}
SEVERAL_BUNDLES = "*"  # of a function that is called with different ports: any of them
_DEFAULT_BUNDLE = "gmem"  # of an INTERFACE that names none (UG1399)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a pragma says of one variable. `bundle`: of the memory-mapped port that an argument shares with others."""

    variable: str
    ports: Ports
    bundle: str | None
    line: int

    def anywhere(self) -> Memory:
        """Where callers hand on several: through one port with all others that are not known, if it is memory-mapped."""
        return replace(self, line=0, bundle=None if self.bundle is None else SEVERAL_BUNDLES)


def memory_of(name: str, options: Mapping[str, str], flags: frozenset[str], line: int) -> Memory | None:
    """The memory that a pragma describes; `name` and `flags` in lower case; None where it describes none that is known."""
    if name == "interface":
        variable = options.get("port")
        if variable and "m_axi" in (options.get("mode", "").lower(), *flags):
            return Memory(variable, MEMORY_MAPPED, options.get("bundle", _DEFAULT_BUNDLE), line)
        return None
    if name not in ("bind_storage", "resource") or "variable" not in options:
        return None
    kind = (options.get("type") or options.get("core") or "").lower()
    ports = _PORTS.get(kind) or _PORTS.get("_".join(kind.split("_")[:2]))
    return Memory(options["variable"], ports, None, line) if ports is not None else None
