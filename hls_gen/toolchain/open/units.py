"""What each function of the C++ library is built of: leaves, operators, memories, plain registers and multiplexers.

One law a function, in the names of its template parameters. The operators of a pipelined loop are instances of their
own; loops of one function that never run together share none (Vitis HLS makes a module of each pipelined loop).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, gcd, log2
from typing import Any

from hls_gen.toolchain.open.cxx_values import MacFormat, StreamType
from hls_gen.toolchain.open.leaves import DSP1, DSP2_PACKED, DSP2_SPLIT, DSP4, LUT, Leaf, leaf
from hls_gen.toolchain.open.memories import Memory
from hls_gen.toolchain.open.structure import Call

_FP32 = 32
_MULTIPLIER_BITS, _ACCUMULATOR_BITS = 27, 48  # wide input and accumulator of a DSP48E2 (UG579), as ints.hpp says


@dataclass(slots=True)
class Hardware:
    """The parts of a unit. `mux_bits`: bits that a choice of two or more sources makes; `register_bits`: of plain registers
    beside those in leaves and operators; `dsp`: slices of integer products that are no leaf."""

    leaves: Counter[Leaf] = field(default_factory=Counter)
    operators: Counter[str] = field(default_factory=Counter)
    memories: list[Memory] = field(default_factory=list)
    mux_bits: int = 0
    register_bits: int = 0
    dsp: int = 0

    def add(self, other: Hardware) -> None:
        """Take in the parts of another."""
        self.leaves += other.leaves
        self.operators += other.operators
        self.memories += other.memories
        self.mux_bits += other.mux_bits
        self.register_bits += other.register_bits
        self.dsp += other.dsp


class Unit:
    """A call, as a law reads it: parameters as attributes of `p`, streams by name."""

    def __init__(self, call: Call) -> None:
        self.p = Parameters(call)
        self.streams = dict(call.streams)

    def stream(self, name: str) -> StreamType:
        """The type of a stream argument."""
        return self.streams[name]


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


def mac_kind(kind: str, form: MacFormat, acc: int) -> int:
    """KIND of mac_tile for a kind of pe_array (pe.hpp): pairs stay packed where two sums fit the DSP."""
    if kind == "dsp2":
        fits = 2 * acc <= _ACCUMULATOR_BITS and acc + form.w_bits + 1 <= _MULTIPLIER_BITS
        return DSP2_PACKED if fits else DSP2_SPLIT
    return {"dsp1": DSP1, "dsp4": DSP4, "lut": LUT}[kind]


def _mac_tile(rows: int, columns: int, kind: int, form: MacFormat, acc: int) -> Leaf:
    return leaf(
        "mac_tile", ROWS=rows, COLUMNS=columns, KIND=kind, X_BITS=form.x_bits, X_SIGNED=form.x_signed, W_BITS=form.w_bits,
        ACC=acc,
    )  # fmt: skip


def _operators(**counts: int) -> Hardware:
    return Hardware(operators=Counter({name: count for name, count in counts.items() if count}))


def _rms_norm(u: Unit) -> Hardware:
    p, lanes = u.p, u.p.TP * u.p.CP
    made = _operators(fmul=3 * lanes)  # square, factor, weight
    # Once: the mean and epsilon, and rsqrt unrolled: 3 steps of 3 products and a difference, and half of v (rsqrt.hpp);
    # two products bring the exact sum back to fp32 (exact_sum.hpp).
    made.add(_operators(fmul=10 + 2, fadd=1 + 3, fdiv=1, int_to_float=2))
    made.leaves[leaf("exact_sum")] = lanes
    made.mux_bits = 2 * 64  # the adders that merge the lanes' counters
    made.register_bits = 2 * 64
    made.memories.append(Memory("buffer", p.MAX_WORDS, _FP32 * lanes, storage="uram"))
    return made


def _repeat_words(u: Unit) -> Hardware:
    return Hardware(memories=[Memory("buffer", u.p.MAX_WORDS, u.p.T.bits)])


def _rope(u: Unit) -> Hardware:
    lanes, half = u.p.LANES, u.p.HALF_WORDS
    made = _operators(fmul=4 * lanes, fadd=2 * lanes)
    made.memories = [
        Memory("rows", half, 2 * _FP32 * lanes), Memory("low", half, _FP32 * lanes), Memory("turned", half, _FP32 * lanes)
    ]  # fmt: skip
    return made


def _quantize_static(u: Unit) -> Hardware:
    lanes = u.p.TP * u.p.CP
    made = _operators(fmul=lanes)
    made.leaves[leaf("round_to_integer", BITS=u.p.BITS, SIGNED=1)] = lanes
    made.register_bits = _FP32 * u.p.CP
    return made


def _quantize_dynamic(u: Unit) -> Hardware:
    p, lanes = u.p, u.p.TP * u.p.CP
    asymmetric, divides = p.S == "asymmetric", p.Q == "divide"
    made = _operators(
        fadd=(lanes + 1) * asymmetric,
        fdiv=(lanes if divides else 1) + 1,  # each value, or the factor; the scale
        fmul=0 if divides else lanes,
    )
    made.leaves[leaf("value_range")] = lanes + 1
    made.leaves[leaf("round_to_integer", BITS=p.BITS, SIGNED=not asymmetric)] = lanes
    made.register_bits = 3 * _FP32 * p.TP
    made.memories.append(Memory("buffer", p.MAX_WORDS, _FP32 * lanes, storage="uram"))
    return made


def _feed_vector(u: Unit) -> Hardware:
    p = u.p
    return Hardware(
        memories=[Memory("buffer", p.MAX_D_IN // p.TB, p.F.x_bits, banks=p.TB)],
        mux_bits=p.F.x_bits * (p.TB - 1),
        register_bits=p.F.x_bits * p.TB,
    )


def _feed_tokens(u: Unit) -> Hardware:
    p = u.p
    return Hardware(memories=[Memory("buffer", p.MAX_D_IN, p.F.x_bits * p.TP, storage="uram")])


def _gemv_lane_unit(u: Unit) -> Hardware:
    p = u.p
    return Hardware(leaves=Counter({_mac_tile(1, p.LANES, mac_kind(p.KIND, p.F, p.ACC), p.F, p.ACC): 1}))


def _systolic_sub_array(u: Unit) -> Hardware:
    p = u.p
    return Hardware(leaves=Counter({_mac_tile(p.TP, p.COLUMNS, mac_kind(p.KIND, p.F, p.ACC), p.F, p.ACC): 1}))


def _dequantizers(count: int, symmetry: str) -> Hardware:
    asymmetric = symmetry == "asymmetric"
    return _operators(int_to_float=count, fmul=(3 if asymmetric else 2) * count, fadd=count if asymmetric else 0)


def _dequantize_vector(u: Unit) -> Hardware:
    p = u.p
    made = _dequantizers(p.PAIRS, p.S)
    made.register_bits = p.TB * (p.ACC + _FP32)
    made.mux_bits = p.ACC * (p.TB - p.PAIRS)
    return made


def _dequantize_tokens(u: Unit) -> Hardware:
    p = u.p
    made = _dequantizers(p.TP, p.S)
    made.register_bits = 2 * _FP32 * p.TP
    made.mux_bits = p.TP * p.ACC * (p.SUBS - 1)
    return made


def _attention_scores(u: Unit) -> Hardware:
    p, acc = u.p, u.p.F.accumulator_bits(u.p.DH)
    paired = p.KIND == "dsp2" and p.LANES % 2 == 0
    rows, kind = (2, DSP2_SPLIT) if paired else (1, LUT if p.KIND == "lut" else DSP1)
    dot = leaf(
        "dot_product", TERMS=p.KP, ROWS=rows, KIND=kind, X_BITS=p.F.x_bits, X_SIGNED=p.F.x_signed, W_BITS=p.F.w_bits,
        ACC=p.F.accumulator_bits(p.KP),
    )  # fmt: skip
    made = _operators(int_to_float=p.LANES, fmul=p.LANES)
    made.leaves[dot] = p.LANES // rows
    made.register_bits = p.GROUPS * (p.LANES * acc + _FP32) + p.KP * p.F.w_bits
    made.mux_bits = p.LANES * acc
    made.memories = [Memory("rows", p.GROUPS * ceil(p.DH / p.KP), p.F.x_bits, banks=p.LANES * p.KP)]
    return made


def _attention_values(u: Unit) -> Hardware:
    p, acc = u.p, u.p.F.accumulator_bits(u.p.MAX_KEYS)
    paired = p.KIND == "dsp2" and p.VP % 2 == 0
    # Its accumulators are words of a memory, several sums deep: products leave the DSP each cycle.
    cell = "mac_pair_split" if paired else "mac_lut" if p.KIND == "lut" else "mac_single"
    products = leaf(cell, X_BITS=p.F.x_bits, X_SIGNED=p.F.x_signed, W_BITS=p.F.w_bits, ACC=acc)
    results = p.LANES * p.OUT
    made = _operators(int_to_float=results, fmul=results, fdiv=p.LANES)
    made.leaves[products] = p.LANES * p.VP // (2 if paired else 1)
    made.register_bits = p.GROUPS * p.LANES * (p.F.x_bits + _FP32) + p.VP * p.F.w_bits
    made.mux_bits = p.LANES * acc * (p.VP - p.OUT) + (p.LANES * p.VP * acc if cell == "mac_single" else 0)
    made.memories = [Memory("sums", p.GROUPS * ceil(p.DH / p.VP), acc, banks=p.LANES * p.VP)]
    return made


def _softmax_maxima(u: Unit) -> Hardware:
    p = u.p
    made = Hardware(leaves=Counter({leaf("value_range"): p.ROWS}))
    made.register_bits = _FP32 * p.GROUPS * p.ROWS
    return made


def _softmax_weights(u: Unit) -> Hardware:
    p = u.p
    made = _operators(fadd=p.ROWS, fexp=p.ROWS, fmul=p.ROWS, int_to_float=p.ROWS)
    made.leaves[leaf("round_to_integer", BITS=p.P_BITS, SIGNED=0)] = p.ROWS
    made.register_bits = 2 * _FP32 * p.GROUPS * p.ROWS
    made.mux_bits = _FP32 * p.ROWS  # masked scores
    return made


def _softmax(u: Unit) -> Hardware:
    p = u.p
    made = _softmax_maxima(u)
    made.add(_softmax_weights(u))
    made.memories = [Memory("buffer", p.MAX_KEYS * p.GROUPS, _FP32 * p.ROWS, storage="uram")]
    return made


def _swiglu(u: Unit) -> Hardware:
    lanes = u.p.LANES
    return _operators(fexp=lanes, fadd=lanes, fdiv=lanes, fmul=lanes)


def base_of_order(order: int) -> int:
    """Order of the base of a Hadamard matrix: 4 times the odd factor, 1 where there is none (hadamard_signs.hpp)."""
    odd = order // (order & -order)
    return 1 if odd == 1 else 4 * odd


def _hadamard_serial(u: Unit) -> Hardware:
    p, lanes = u.p, u.p.TP * u.p.CP
    base = base_of_order(p.N)
    in_word = lanes * int(log2(p.CP))
    # Butterflies of two words in two cycles: an adder does both of a lane's.
    made = _operators(fadd=in_word + lanes + (p.ADDERS * lanes if base > 1 else 0), fmul=lanes)
    made.memories = [Memory("buffer", p.N // p.CP, _FP32 * lanes, storage="bram")]
    if base > 1:
        made.memories.append(Memory("sums", p.N // base // p.CP, _FP32 * lanes, banks=p.ADDERS))
    return made


def _hadamard_butterflies(u: Unit) -> Hardware:
    p, lanes = u.p, u.p.TP * u.p.CP
    row_words = p.N // base_of_order(p.N) // p.CP
    levels = int(log2(row_words)) if row_words > 1 else 0
    made = _operators(fadd=lanes * (int(log2(p.CP)) + levels))
    for level in range(levels):
        made.memories.append(Memory(f"stage_{level}", 1 << level, _FP32 * lanes, banks=2))
    return made


def _hadamard_rows(u: Unit) -> Hardware:
    p, lanes = u.p, u.p.TP * u.p.CP
    base = base_of_order(p.N)
    made = _operators(fmul=lanes, fadd=lanes * base if base > 1 else 0)
    if base > 1:
        made.memories = [Memory("sums", p.N // base // p.CP, _FP32 * lanes, banks=2 * base)]
    return made


def _adder_lanes(parameter: Callable[[Any], int]) -> Callable[[Unit], Hardware]:
    return lambda u: _operators(fadd=parameter(u.p))


def _resize_words(u: Unit) -> Hardware:
    p, element = u.p, u.stream("in").word.element_bits
    chunk = gcd(p.A, p.B)
    choices = (p.A // chunk - 1) * chunk * element
    return Hardware(register_bits=(p.A + p.B) * element if p.A != p.B else p.A * element, mux_bits=choices)


def _route(sources: Callable[[Unit], int]) -> Callable[[Unit], Hardware]:
    """A choice among streams; a route to several of them has only their handshakes."""

    def law(u: Unit) -> Hardware:
        bits = max((stream.word.bits for stream in u.streams.values()), default=_FP32)
        return Hardware(mux_bits=bits * (sources(u) - 1), register_bits=bits)

    return law


def _port_words(values: Callable[[Unit], int]) -> Callable[[Unit], Hardware]:
    """Between a port and streams: a register of either, and a choice where a word holds several values."""

    def law(u: Unit) -> Hardware:
        bits = values(u)
        return Hardware(
            register_bits=u.p.BITS + bits, mux_bits=max(u.p.BITS - bits, 0) if bits < u.p.BITS else bits - u.p.BITS
        )

    return law


def _write_cache(u: Unit) -> Hardware:
    p = u.p
    width = ceil(p.DH / p.CHUNK) * p.CHUNK * p.KV_BITS
    return Hardware(
        register_bits=p.ROWS * width + p.BITS, mux_bits=p.BITS * ceil(log2(max(2, p.ROWS * width / p.BITS)))
    )


def _sample(u: Unit) -> Hardware:
    p = u.p
    made = _operators(fadd=1, fexp=1, fmul=2)
    made.leaves[leaf("candidate_list", MAX_K=p.MAX_K)] = p.LISTS
    made.register_bits = _FP32 * p.CP + _FP32 * p.MAX_K
    made.mux_bits = _FP32 * (p.CP - p.LISTS)
    made.dsp = 4 + 2  # random word times the lower 32 and the upper 6 bits of the total, in products of 27 x 18 (UG579)
    return made


LAWS: dict[str, Callable[[Unit], Hardware]] = {
    "add_bias": _adder_lanes(lambda p: p.TP * p.CP),
    "add_residual": _adder_lanes(lambda p: p.LANES),
    "append_newest": _port_words(lambda u: u.p.CHUNK * u.p.KV_BITS),
    "attention_scores": _attention_scores,
    "attention_values": _attention_values,
    "deal_fp32": _port_words(lambda u: _FP32),
    "deal_weights": _port_words(lambda u: u.p.BITS),
    "deal_words": _route(lambda u: 1),
    "dequantize_tokens": _dequantize_tokens,
    "dequantize_vector": _dequantize_vector,
    "feed_tokens": _feed_tokens,
    "feed_vector": _feed_vector,
    "gather_words": _route(lambda u: u.p.LANES),
    "gemv_lane_unit": _gemv_lane_unit,
    "hadamard_butterflies": _hadamard_butterflies,
    "hadamard_rows": _hadamard_rows,
    "hadamard_serial": _hadamard_serial,
    "join_words": _route(lambda u: 2),
    "load_scales": _port_words(lambda u: 2 * _FP32 * u.p.PAIRS),
    "load_weights": _port_words(lambda u: u.p.BITS),
    "quantize_dynamic": _quantize_dynamic,
    "quantize_static": _quantize_static,
    "read_cache": _port_words(lambda u: u.p.KV_BITS * u.p.CHUNK),
    "read_fp32": _port_words(lambda u: _FP32 * u.p.N),
    "read_integers": _port_words(lambda u: u.p.VALUE_BITS * u.p.N),
    "read_rope_blocks": _port_words(lambda u: 2 * _FP32 * u.p.TP),
    "read_rope_rows": _port_words(lambda u: 2 * _FP32 * u.p.LANES),
    "read_vectors": _port_words(lambda u: _FP32 * u.p.LANES),
    "repeat_words": _repeat_words,
    "resize_words": _resize_words,
    "rms_norm": _rms_norm,
    "rope": _rope,
    "route_words": _route(lambda u: 1),
    "run_ahead_cache": _port_words(lambda u: u.p.BITS),
    "sample": _sample,
    "select_words": _route(lambda u: u.p.WAYS),
    "share_words": _route(lambda u: 1),
    "softmax": _softmax,
    "softmax_maxima": _softmax_maxima,
    "softmax_weights": _softmax_weights,
    "split_words": _route(lambda u: 1),
    "swiglu": _swiglu,
    "systolic_sub_array": _systolic_sub_array,
    "write_cache": _write_cache,
    "write_fp32": _port_words(lambda u: _FP32 * u.p.N),
    "write_integers": _port_words(lambda u: u.p.VALUE_BITS * u.p.N),
    "write_vectors": _port_words(lambda u: _FP32 * u.p.LANES),
}


def hardware_of(call: Call) -> Hardware:
    """The parts of one call.

    Raises:
        UnknownUnitError: no law knows the function, or a parameter of it.
    """
    law = LAWS.get(call.function)
    if law is None:
        raise UnknownUnitError(f"the function {call.function}")
    return law(Unit(call))
