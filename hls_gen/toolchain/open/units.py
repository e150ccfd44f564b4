"""The parts of each function that a project calls: the laws of `spec.library_units` in the names of the C++ templates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hls_gen.toolchain.open.cxx_values import StreamType
from hls_gen.toolchain.open.leaves import Leaf, leaf
from hls_gen.toolchain.open.structure import Call
from spec import library_units as units
from spec.library_memories import Memory
from spec.library_units import FP32, UnitParts

BF16, BF16_PREFIX = 16, "bf16_"


@dataclass(slots=True)
class Hardware:
    """The parts of a unit with leaves that can be mapped; see `UnitParts`. Operators in bf16 have names of their own."""

    leaves: Counter[Leaf] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    memories: list[Memory] = field(default_factory=list)
    mux_bits: int = 0
    register_bits: int = 0
    dsp: int = 0
    value_bits: int = FP32

    @classmethod
    def of(cls, parts: UnitParts, value_bits: int) -> Hardware:
        """The parts as whole numbers; what there are none of is left out."""
        leaves: Counter[Leaf] = Counter()
        for use in parts.leaves:
            if use.number:
                leaves[leaf(use.module, **{name: int(value) for name, value in use.parameters.items()})] += int(
                    use.number
                )
        prefix = BF16_PREFIX if value_bits == BF16 else ""
        operators = Counter({f"{prefix}{name}": int(number) for name, number in parts.operators.items() if number})
        operators += Counter({name: int(number) for name, number in parts.fp32_operators.items() if number})
        return cls(
            leaves=leaves,
            operators=operators,
            memories=list(parts.memories),
            mux_bits=int(parts.mux_bits),
            register_bits=int(parts.register_bits),
            dsp=int(parts.dsp),
            value_bits=value_bits,
        )

    def add(self, other: Hardware) -> None:
        """Take in the parts of another."""
        self.leaves += other.leaves
        self.operators += other.operators
        self.memories += other.memories
        self.mux_bits += other.mux_bits
        self.register_bits += other.register_bits
        self.dsp += other.dsp
        self.value_bits = min(self.value_bits, other.value_bits)


class Unit:
    """A call, as a law reads it: parameters as attributes of `p`, streams by name; `bits` of a value."""

    def __init__(self, call: Call, bits: int) -> None:
        self.bits = bits
        self.p = Parameters(call)
        self.streams = dict(call.streams)

    def stream(self, name: str) -> StreamType:
        """The type of a stream argument."""
        return self.streams[name]

    @property
    def asymmetric(self) -> bool:
        """Whether activations have a zero point."""
        return bool(self.p.S == "asymmetric")


class Parameters:
    """Values of template parameters by name; what the reader could not deduce is an error that names it."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._values: Mapping[str, Any] = dict(call.values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise UnknownUnitError(f"{self._call.function}: template parameter {name}") from None


class UnknownUnitError(ValueError):
    """A function, or a form of one, without a law."""


def _add_parts(u: Unit) -> UnitParts:
    totals = u.p.TB * u.p.W // u.p.LANES * units.groups_of_unit(u.p.W, u.p.LANES)
    return units.add_parts(totals, u.p.PARTS, u.p.SUBS, u.p.PART_ACC, u.p.ACC)


def _attention_scores(u: Unit) -> UnitParts:
    p = u.p
    return units.attention_scores(p.LANES, p.KP, p.GROUPS, p.DH, p.KIND, p.F, u.bits)


def _attention_values(u: Unit) -> UnitParts:
    p = u.p
    return units.attention_values(
        p.LANES, p.VP, p.GROUPS, p.OUT, p.DH, p.MAX_KEYS, p.KIND, p.F, u.bits, rows_are_heads=p.ROWS == "heads"
    )


def _quantize_dynamic(u: Unit) -> UnitParts:
    p = u.p
    return units.quantize_dynamic(p.TP, p.CP, p.MAX_WORDS, p.BITS, u.asymmetric, p.Q == "divide", u.bits)


def _resize_words(u: Unit) -> UnitParts:
    return units.resize_words(u.p.A, u.p.B, u.stream("in").word.element_bits)


def _route(sources: Callable[[Unit], int]) -> Callable[[Unit], UnitParts]:
    def law(u: Unit) -> UnitParts:
        bits = max((stream.word.bits for stream in u.streams.values()), default=FP32)
        return units.route(bits, sources(u))

    return law


def _port_words(values: Callable[[Any], int]) -> Callable[[Unit], UnitParts]:
    return lambda u: units.port_words(u.p.BITS, values(u.p))


_ONE_WAY = _route(lambda u: 1)

LAWS: dict[str, Callable[[Unit], UnitParts]] = {
    "add_bias": lambda u: units.adder_lanes(u.p.TP * u.p.CP),
    "add_parts": _add_parts,
    "add_residual": lambda u: units.adder_lanes(u.p.LANES),
    "append_newest": _port_words(lambda p: p.CHUNK * p.KV_BITS),
    "attention_scores": _attention_scores,
    "attention_values": _attention_values,
    "deal_fp32": _port_words(lambda p: FP32),
    "deal_weights": _port_words(lambda p: p.BITS),
    "deal_words": _ONE_WAY,
    "dequantize_tokens": lambda u: units.dequantize_tokens(u.p.TP, u.p.SUBS, u.p.ACC, u.asymmetric, u.bits),
    "dequantize_vector": lambda u: units.dequantize_vector(u.p.TB, u.p.PAIRS, u.p.ACC, u.asymmetric, u.bits),
    "feed_tokens": lambda u: units.feed_tokens(u.p.F.x_bits, u.p.TP, u.p.MAX_D_IN),
    "feed_vector": lambda u: units.feed_vector(u.p.F.x_bits, u.p.TB, u.p.MAX_D_IN),
    "gather_words": _route(lambda u: u.p.LANES),
    "gemv_lane_unit": lambda u: units.mac_tile(1, u.p.LANES, u.p.KIND, u.p.F, u.p.ACC),
    "gemv_port_unit": lambda u: UnitParts().add(units.mac_tile(1, u.p.LANES, u.p.KIND, u.p.F, u.p.ACC), u.p.SUBS),
    "hadamard_butterflies": lambda u: units.hadamard_butterflies(u.p.N, u.p.TP, u.p.CP, u.bits),
    "hadamard_rows": lambda u: units.hadamard_rows(u.p.N, u.p.TP, u.p.CP, u.bits),
    "hadamard_serial": lambda u: units.hadamard_serial(u.p.N, u.p.TP, u.p.CP, u.p.ADDERS, u.bits),
    "join_beats": lambda u: units.join_beats(u.p.CHUNK, u.stream("words").word.element_bits),
    "join_words": _route(lambda u: 2),
    "load_scales": _port_words(lambda p: 2 * FP32 * p.PAIRS),
    "load_weights": _port_words(lambda p: p.BITS),
    "quantize_dynamic": _quantize_dynamic,
    "quantize_static": lambda u: units.quantize_static(u.p.TP * u.p.CP, u.p.CP, u.p.BITS, u.bits),
    "read_cache": _port_words(lambda p: p.KV_BITS * p.CHUNK),
    "read_fp32": _port_words(lambda p: FP32 * p.N),
    "read_integers": _port_words(lambda p: p.VALUE_BITS * p.N),
    "read_rope_blocks": _port_words(lambda p: 2 * FP32 * p.TP),
    "read_rope_rows": _port_words(lambda p: 2 * FP32 * p.LANES),
    "read_vectors": _port_words(lambda p: FP32 * p.LANES),
    "repeat_words": lambda u: units.repeat_words(u.p.MAX_WORDS, u.p.T.bits),
    "resize_words": _resize_words,
    "rms_norm": lambda u: units.rms_norm(u.p.TP * u.p.CP, u.p.MAX_WORDS, u.bits),
    "rope": lambda u: units.rope(u.p.LANES, u.p.HALF_WORDS, u.bits),
    "route_words": _ONE_WAY,
    "run_ahead_cache": _port_words(lambda p: p.BITS),
    "sample": lambda u: units.sample(u.p.CP, u.p.LISTS, u.p.MAX_K, u.bits),
    "select_words": _route(lambda u: u.p.WAYS),
    "share_words": _ONE_WAY,
    "softmax": lambda u: units.softmax(u.p.ROWS, u.p.GROUPS, u.p.MAX_KEYS, u.p.P_BITS, u.bits),
    "softmax_maxima": lambda u: units.softmax_maxima(u.p.ROWS, u.p.GROUPS, u.bits),
    "softmax_weights": lambda u: units.softmax_weights(u.p.ROWS, u.p.GROUPS, u.p.P_BITS, u.bits),
    "split_words": _ONE_WAY,
    "swiglu": lambda u: units.swiglu(u.p.LANES),
    "systolic_sub_array": lambda u: units.mac_tile(u.p.TP, u.p.COLUMNS, u.p.KIND, u.p.F, u.p.ACC),
    "take_part": _ONE_WAY,
    "write_cache": lambda u: units.write_cache(u.p.ROWS, u.p.DH, u.p.CHUNK, u.p.KV_BITS, u.p.BITS),
    "write_fp32": _port_words(lambda p: FP32 * p.N),
    "write_integers": _port_words(lambda p: p.VALUE_BITS * p.N),
    "write_vectors": _port_words(lambda p: FP32 * p.LANES),
}


def hardware_of(call: Call, value_bits: int = FP32) -> Hardware:
    """The parts of one call, where values have so many bits.

    Raises:
        UnknownUnitError: no law knows the function, or a parameter of it.
    """
    law = LAWS.get(call.function)
    if law is None:
        raise UnknownUnitError(f"the function {call.function}")
    return Hardware.of(law(Unit(call, value_bits)), value_bits)
