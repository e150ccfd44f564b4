"""What a mapped netlist takes: cells by kind, LUTs before and after pairing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Cells of Yosys' Xilinx library by what they occupy. A distributed RAM or a shift register sits in LUTs (UG574).
_FLIP_FLOPS = frozenset({"FDRE", "FDSE", "FDCE", "FDPE"})
_DSP = frozenset({"DSP48E2"})
_BRAM_18K = {"RAMB18E2": 1, "RAMB36E2": 2}
_URAM = frozenset({"URAM288", "URAM288_BASE"})
_MEMORY_LUTS = {
    "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1, "RAM32X1S": 1, "RAM64X1S": 1, "RAM32X1D": 2, "RAM64X1D": 2,
    "RAM128X1S": 2, "RAM128X1D": 4, "RAM256X1S": 4, "RAM256X1D": 8, "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8,
    "RAM64M8": 8, "RAM512X1S": 8,
}  # fmt: skip
_FREE = frozenset({"MUXF7", "MUXF8", "MUXF9", "CARRY4", "CARRY8", "GND", "VCC", "$scopeinfo"})


@dataclass(frozen=True, slots=True)
class Mapped:
    """Counts of a mapped module. `lut_cells`: LUTs as mapped, one a site; `lut_paired`: two functions of together at most
    five inputs share a site, as in the device; both with LUTs used as memory. The truth of a placed design lies between.
    """

    lut_cells: int = 0
    lut_paired: int = 0
    ff: int = 0
    dsp: int = 0
    bram_18k: int = 0
    uram: int = 0
    carry_4: int = 0

    def __add__(self, other: Mapped) -> Mapped:
        return Mapped(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))

    def times(self, count: int) -> Mapped:
        """So many instances."""
        return Mapped(*(count * value for value in asdict(self).values()))


class UnknownCellError(ValueError):
    """A cell that no rule counts: nothing is left out in silence."""


def count(netlist: Mapping[str, Any], top: str) -> Mapped:
    """Counts of `top` in a netlist of Yosys (`write_json`), its instances included."""
    modules = netlist["modules"]
    done: dict[str, Mapped] = {}

    def of(name: str) -> Mapped:
        if name not in done:
            own, instances = _own(modules[name], modules)
            total = own
            for child, number in instances.items():
                total += of(child).times(number)
            done[name] = total
        return done[name]

    return of(top)


def _is_design(module: Mapping[str, Any]) -> bool:
    return not ({"blackbox", "whitebox"} & set(module.get("attributes", {})))


def _own(module: Mapping[str, Any], modules: Mapping[str, Any]) -> tuple[Mapped, dict[str, int]]:
    instances: dict[str, int] = defaultdict(int)
    tally: dict[str, int] = defaultdict(int)
    for cell in module["cells"].values():
        kind = cell["type"]
        if kind in modules and _is_design(modules[kind]):
            instances[kind] += 1
        else:
            tally[kind] += 1
    luts = sum(n for kind, n in tally.items() if _is_lut(kind))
    memory = sum(n * _MEMORY_LUTS.get(kind, 0) for kind, n in tally.items())
    unknown = {
        kind
        for kind in tally
        if not (
            _is_lut(kind)
            or kind in _FLIP_FLOPS
            or kind in _DSP
            or kind in _BRAM_18K
            or kind in _URAM
            or kind in _MEMORY_LUTS
            or kind in _FREE
        )
    }
    if unknown:
        raise UnknownCellError(f"cells that are not counted: {', '.join(sorted(unknown))}")
    own = Mapped(
        lut_cells=luts + memory,
        lut_paired=luts - _pairs(module["cells"]) + memory,
        ff=sum(tally[kind] for kind in _FLIP_FLOPS),
        dsp=sum(tally[kind] for kind in _DSP),
        bram_18k=sum(tally[kind] * blocks for kind, blocks in _BRAM_18K.items()),
        uram=sum(tally[kind] for kind in _URAM),
        carry_4=tally["CARRY4"] + 2 * tally["CARRY8"],
    )
    return own, dict(instances)


def _is_lut(kind: str) -> bool:
    return kind in ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "INV")


def _pairs(cells: Mapping[str, Any]) -> int:
    """Pairs of LUTs that fit one site (UG574): at most five inputs together. Greedy, the fullest first.

    A LUT that feeds a carry's select input occupies that bit's site, whose second output can only be the same bit's data
    input.
    """
    inputs: dict[str, frozenset[int]] = {}
    driver: dict[int, str] = {}
    for name, cell in cells.items():
        if not _is_lut(cell["type"]):
            continue
        directions, connections = cell["port_directions"], cell["connections"]
        inputs[name] = frozenset(
            bit
            for port, bits in connections.items()
            if directions[port] == "input"
            for bit in bits
            if isinstance(bit, int)
        )
        driver.update((bit, name) for port, bits in connections.items() if directions[port] == "output" for bit in bits)
    partner_of_carry = _carry_partners(cells, driver)
    small = sorted((n for n in inputs if len(inputs[n]) <= 5), key=lambda n: (-len(inputs[n]), n))
    users: dict[int, list[str]] = defaultdict(list)
    for name in small:
        for bit in inputs[name]:
            users[bit].append(name)
    used: set[str] = set()
    pairs = 0
    for name in small:
        if name in used:
            continue
        if name in partner_of_carry:
            found = partner_of_carry[name]
            if found is None or found in used or found == name or len(inputs[name] | inputs[found]) > 5:
                continue
        else:
            found = _partner(name, inputs, users, used, partner_of_carry)
            if found is None:
                continue
        used |= {name, found}
        pairs += 1
    return pairs


def _carry_partners(cells: Mapping[str, Any], driver: Mapping[int, str]) -> dict[str, str | None]:
    """LUTs that feed a carry's select input, each with the LUT of the same bit's data input."""
    found: dict[str, str | None] = {}
    for cell in cells.values():
        if cell["type"] not in ("CARRY4", "CARRY8"):
            continue
        for select, data in zip(cell["connections"]["S"], cell["connections"]["DI"], strict=True):
            if select in driver:
                found[driver[select]] = driver.get(data)
    return found


def _partner(
    name: str,
    inputs: Mapping[str, frozenset[int]],
    users: Mapping[int, list[str]],
    used: set[str],
    of_carries: Mapping[str, str | None],
) -> str | None:
    """The free LUT that shares most inputs with `name`."""
    best, best_shared = None, 0
    for bit in inputs[name]:
        for other in users[bit][:64]:  # a reset or a select feeds thousands: the nearest will do
            if other == name or other in used or other in of_carries:
                continue
            together = inputs[name] | inputs[other]
            shared = len(inputs[name] & inputs[other])
            if len(together) <= 5 and (shared, other) > (best_shared, best or ""):
                best, best_shared = other, shared
    return best
