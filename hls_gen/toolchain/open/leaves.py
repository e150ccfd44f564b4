"""The leaf units that exist as RTL of ours (`hls_gen/rtl`): ports, latency, DSP slices, and their check against the C++.

A leaf is a module and the values of its parameters. Latency counts enabled clock cycles from operands to results.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from spec.library_units import DSP1, DSP2_PACKED, DSP2_SPLIT, DSP4, LUT, MACS_PER_DSP

Parameters = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a leaf beside clk, reset and enable."""

    name: str
    bits: int
    is_output: bool = False


@dataclass(frozen=True, slots=True)
class LeafKind:
    """A module of `hls_gen/rtl`. `check`: the class in `rtl/bench` that compares it with the C++ library, and its
    template arguments; None: checked as a part of another leaf. `latency_cycles` is None where a module is no pipeline. `controls`: which common ports it has.
    """

    module: str
    ports: Callable[[Parameters], tuple[Port, ...]]
    latency_cycles: Callable[[Parameters], int] | None
    dsp: Callable[[Parameters], int]
    check: Callable[[Parameters], str] | None
    controls: tuple[str, ...] = ("clk", "enable")


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """A module with the values of its parameters, by name."""

    module: str
    parameters: tuple[tuple[str, int], ...] = field(default=())

    @property
    def kind(self) -> LeafKind:
        """What is known of the module."""
        return LEAF_KINDS[self.module]

    @property
    def values(self) -> dict[str, int]:
        """Parameters by name."""
        return dict(self.parameters)

    @property
    def title(self) -> str:
        """Readable and the same for equal leaves: `mac_tile(ROWS=4, KIND=1)`."""
        return f"{self.module}({', '.join(f'{name}={value}' for name, value in self.parameters)})"

    @property
    def latency_cycles(self) -> int | None:
        """From operands to results; None for FIFOs, memories and control."""
        law = self.kind.latency_cycles
        return None if law is None else law(self.values)

    @property
    def dsp(self) -> int:
        """DSP slices by construction: each is instantiated."""
        return self.kind.dsp(self.values)


def leaf(module: str, **parameters: int) -> Leaf:
    """A leaf; the order of the parameters does not matter."""
    return Leaf(module, tuple(sorted((name, int(value)) for name, value in parameters.items())))


def _inputs(**bits: int) -> tuple[Port, ...]:
    return tuple(Port(name, count) for name, count in bits.items())


def _outputs(**bits: int) -> tuple[Port, ...]:
    return tuple(Port(name, count, True) for name, count in bits.items())


def _bool(value: int) -> str:
    return "true" if value else "false"


# Registers of a DSP slice that stand in the way of an operand: A, M, P; D, AD, M, P with the pre-adder; in LUTs the same
# as A, M, P. Where sums leave the slice each cycle, the accumulator behind it is one more.
MAC_LATENCY = {DSP1: 3, DSP2_PACKED: 4, DSP2_SPLIT: 5, DSP4: 5, LUT: 3}


def _mac_tile_dsp(p: Parameters) -> int:
    return 0 if p["KIND"] == LUT else p["ROWS"] * p["COLUMNS"] // MACS_PER_DSP[p["KIND"]]


def _mac_tile_check(p: Parameters) -> str:
    values = (p["ROWS"], p["COLUMNS"], p["KIND"], p["X_BITS"], _bool(p["X_SIGNED"]), p["W_BITS"], p["ACC"])
    return f"mac_tile_check<{', '.join(map(str, values))}>"


def _mac_cell(module: str, kind: int, rows: int, columns: int, slices: int) -> LeafKind:
    """A processing element; it is compared with the C++ as a part of mac_tile."""
    result = "sum" if rows * columns == 1 else "sums"
    return LeafKind(
        module,
        lambda p: (
            *_inputs(accumulate=1, x=rows * p["X_BITS"], w=columns * p["W_BITS"]),
            Port(result, rows * columns * p["ACC"], True),
        ),
        lambda p: MAC_LATENCY[kind],
        lambda p: slices,
        None,
    )


_MAC_CELLS = {
    DSP1: "mac_single",
    DSP2_PACKED: "mac_pair_packed",
    DSP2_SPLIT: "mac_pair_split",
    DSP4: "mac_quad",
    LUT: "mac_lut",
}


def tile_parts(tile: Leaf) -> dict[Leaf, int]:
    """The modules that a mac_tile is made of, with their instances: its mapping is theirs, but for a few control bits."""
    p = tile.values
    form = {name: p[name] for name in ("X_BITS", "X_SIGNED", "W_BITS", "ACC")}
    macs = p["ROWS"] * p["COLUMNS"]
    parts = {
        leaf(_MAC_CELLS[p["KIND"]], **form): macs // MACS_PER_DSP.get(p["KIND"], 1),
        leaf("drain_row", COLUMNS=p["COLUMNS"], ACC=p["ACC"]): p["ROWS"],
    }
    if p["KIND"] == DSP2_PACKED:
        parts[leaf("packed_pair_fields", ACC=p["ACC"])] = macs // 2
    return parts


def _dot_product_dsp(p: Parameters) -> int:
    if p["KIND"] == LUT:
        return 0
    return p["TERMS"] if p["KIND"] == DSP2_SPLIT else p["TERMS"] * p["ROWS"]


def _dot_product_latency(p: Parameters) -> int:
    product = {DSP1: 3, DSP2_SPLIT: 4, LUT: 2}[p["KIND"]]
    return product + math.ceil(math.log2(p["TERMS"]))


def _dot_product_check(p: Parameters) -> str:
    values = (p["TERMS"], p["ROWS"], p["KIND"], p["X_BITS"], _bool(p["X_SIGNED"]), p["W_BITS"], p["ACC"])
    return f"dot_product_check<{', '.join(map(str, values))}>"


def _floating_ports(p: Parameters) -> tuple[Port, ...]:
    bits = 1 + p["EXPONENT"] + p["FRACTION"]
    return (*_inputs(a=bits, b=bits), *_outputs(y=bits))


def _floating_check(operation: Callable[[Parameters], int]) -> Callable[[Parameters], str]:
    return lambda p: f"floating_check<{operation(p)}, {p['EXPONENT']}, {p['FRACTION']}>"


def _fifo_ports(p: Parameters) -> tuple[Port, ...]:
    return (
        Port("in", p["WIDTH"]), Port("in_valid", 1), Port("in_ready", 1, True),
        Port("out", p["WIDTH"], True), Port("out_valid", 1, True), Port("out_ready", 1),
    )  # fmt: skip


def _address_bits(depth: int) -> int:
    return math.ceil(math.log2(depth))


LEAF_KINDS: dict[str, LeafKind] = {
    kind.module: kind
    for kind in (
        LeafKind(
            "mac_tile",
            lambda p: (
                *_inputs(first=1, last=1, x=p["ROWS"] * p["X_BITS"], w=p["COLUMNS"] * p["W_BITS"]),
                *_outputs(column=p["ROWS"] * p["ACC"], column_0=1),
            ),
            lambda p: MAC_LATENCY[p["KIND"]] + 1,
            _mac_tile_dsp,
            _mac_tile_check,
        ),
        LeafKind(
            "dot_product",
            lambda p: (
                *_inputs(x=p["ROWS"] * p["TERMS"] * p["X_BITS"], w=p["TERMS"] * p["W_BITS"]),
                *_outputs(sums=p["ROWS"] * p["ACC"]),
            ),
            _dot_product_latency,
            _dot_product_dsp,
            _dot_product_check,
        ),
        LeafKind(
            "fp_multiply",
            _floating_ports,
            lambda p: 4,
            lambda p: 1 if p["FRACTION"] + 1 <= 17 else 2,
            _floating_check(lambda p: 0),
        ),
        LeafKind(
            "fp_add",
            _floating_ports,
            lambda p: p["LATENCY"],
            lambda p: 0,
            _floating_check(lambda p: 2 if p.get("SUBTRACT") else 1),
        ),
        LeafKind(
            "int_to_fp",
            lambda p: (*_inputs(x=p["IN"]), *_outputs(y=32)),
            lambda p: 6,
            lambda p: 0,
            lambda p: f"int_to_fp_check<{p['IN']}>",
        ),
        LeafKind(
            "round_to_integer",
            lambda p: (*_inputs(x=32), *_outputs(q=p["BITS"])),
            lambda p: 2,
            lambda p: 0,
            lambda p: f"round_check<{p['BITS']}, {_bool(p['SIGNED'])}>",
        ),
        LeafKind(
            "quantize_lane",
            lambda p: (*_inputs(x=32, inverse=32), *_outputs(q=p["BITS"])),
            lambda p: 6,
            lambda p: 2,
            lambda p: f"quantize_lane_check<{p['BITS']}>",
        ),
        LeafKind(
            "value_range",
            lambda p: (*_inputs(first=1, x=32), *_outputs(min_key=32, max_key=32)),
            lambda p: 1,
            lambda p: 0,
            lambda p: "value_range_check",
        ),
        LeafKind(
            "exact_sum",
            lambda p: (*_inputs(first=1, square=32), *_outputs(whole=64, fraction=64)),
            lambda p: 2,
            lambda p: 0,
            lambda p: "exact_sum_check",
        ),
        LeafKind(
            "candidate_list",
            lambda p: (
                *_inputs(first=1, key=32, token=32),
                *_outputs(keys=32 * p["MAX_K"], tokens=32 * p["MAX_K"]),
            ),
            lambda p: 1,
            lambda p: 0,
            lambda p: f"candidate_list_check<{p['MAX_K']}>",
        ),
        _mac_cell("mac_single", DSP1, 1, 1, 1),
        _mac_cell("mac_pair_packed", DSP2_PACKED, 1, 2, 1),
        _mac_cell("mac_pair_split", DSP2_SPLIT, 1, 2, 1),
        _mac_cell("mac_quad", DSP4, 2, 2, 1),
        _mac_cell("mac_lut", LUT, 1, 1, 0),
        LeafKind(
            "packed_pair_fields",
            lambda p: (*_inputs(pair=2 * p["ACC"]), *_outputs(low=p["ACC"], high=p["ACC"])),
            lambda p: 0,
            lambda p: 0,
            None,
            (),
        ),
        LeafKind(
            "drain_row",
            lambda p: (*_inputs(load=1, finished=p["COLUMNS"] * p["ACC"]), *_outputs(next=p["ACC"])),
            lambda p: 1,
            lambda p: 0,
            None,
        ),
        LeafKind(
            "hadamard_word",
            lambda p: (*_inputs(x=32 * p["CHANNELS"]), *_outputs(y=32 * p["CHANNELS"])),
            lambda p: p["ADD_LATENCY"] * _address_bits(p["CHANNELS"]),
            lambda p: 0,
            lambda p: f"hadamard_word_check<{p['CHANNELS']}>",
        ),
        LeafKind(
            "fifo_registers",
            _fifo_ports,
            None,
            lambda p: 0,
            lambda p: f"fifo_check<{p['WIDTH']}, {p['DEPTH']}>",
            ("clk", "reset"),
        ),
        LeafKind(
            "fifo_memory",
            _fifo_ports,
            None,
            lambda p: 0,
            lambda p: f"fifo_check<{p['WIDTH']}, {p['DEPTH']}>",
            ("clk", "reset"),
        ),
        LeafKind(
            "buffer_1w1r",
            lambda p: (
                *_inputs(write=1, write_address=_address_bits(p["DEPTH"]), write_data=p["WIDTH"]),
                *_inputs(read=1, read_address=_address_bits(p["DEPTH"])),
                *_outputs(read_data=p["WIDTH"]),
            ),
            None,
            lambda p: 0,
            lambda p: f"buffer_check<{p['WIDTH']}, {p['DEPTH']}>",
            ("clk",),
        ),
        LeafKind(
            "loop_nest",
            lambda p: (
                *_inputs(start=1, enable=1, bounds=p["LOOPS"] * p["BITS"]),
                *_outputs(running=1, first=1, last=1, done=1, counters=p["LOOPS"] * p["BITS"]),
            ),
            None,
            lambda p: 0,
            lambda p: f"loop_nest_check<{p['LOOPS']}, {p['BITS']}>",
            ("clk", "reset"),
        ),
    )
}
