"""What each function of our C++ library is built of: operators, leaf units, memories, plain registers, multiplexers.

The one source for the cost models (arrays of designs) and for open synthesis (one project): every parameter that is a
`Count` may be a whole number or an array of them. One law a function, in the words of its template parameters. The
operators of a pipelined loop are instances of their own; loops of one function that never run together share none (Vitis
HLS makes a module of each pipelined loop). `value_bits`: of a value of the non-linear units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from spec.library_memories import Count, Memory, ceil_div, chosen
from spec.module_choices import AttentionPe, LinearPe

# Forms of a processing element (KIND of mac_tile and dot_product in the RTL).
DSP1, DSP2_PACKED, DSP2_SPLIT, DSP4, LUT = range(5)
MACS_PER_DSP = {DSP1: 1, DSP2_PACKED: 2, DSP2_SPLIT: 2, DSP4: 4}
_MULTIPLIER_BITS, _ACCUMULATOR_BITS = 27, 48  # wide input and accumulator of a DSP48E2 (UG579), as ints.hpp says
FP32 = 32


@dataclass(frozen=True, slots=True)
class MacFormat:
    """`mac_format<symmetry, A, W>` of ints.hpp."""

    x_signed: bool
    x_bits: int
    w_bits: int

    def accumulator_bits(self, terms: int) -> int:
        """Two's complement bits that hold every sum of `terms` products."""
        largest = (1 << (self.x_bits - 1)) if self.x_signed else (1 << self.x_bits) - 1
        magnitude = largest * (1 << (self.w_bits - 1)) * terms + (1 if self.x_signed else 0)
        return 1 + math.ceil(math.log2(magnitude))


@dataclass(frozen=True, slots=True)
class LeafUse:
    """`number` instances of a leaf unit; parameters as in its RTL."""

    module: str
    parameters: dict[str, Count]
    number: Count


@dataclass(slots=True)
class UnitParts:
    """The parts of a unit. `operators`: in the format of the non-linear units; `fp32_operators`: of scalars that are fp32 also
    where values are bf16. `mux_bits`: bits that a choice of two or more sources makes; `register_bits`: of plain registers
    beside those in leaves and operators; `dsp`: slices of integer products that are no leaf."""

    operators: dict[str, Count] = field(default_factory=dict)
    fp32_operators: dict[str, Count] = field(default_factory=dict)
    leaves: list[LeafUse] = field(default_factory=list)
    memories: list[Memory] = field(default_factory=list)
    mux_bits: Count = 0
    register_bits: Count = 0
    dsp: Count = 0

    def add(self, other: UnitParts, times: Count = 1) -> UnitParts:
        """Take in the parts of another, so many times; returns itself."""
        for mine, theirs in ((self.operators, other.operators), (self.fp32_operators, other.fp32_operators)):
            for name, number in theirs.items():
                mine[name] = mine.get(name, 0) + number * times
        self.leaves += [replace(leaf, number=leaf.number * times) for leaf in other.leaves]
        self.memories += [replace(memory, banks=memory.banks * times) for memory in other.memories]
        self.mux_bits = self.mux_bits + other.mux_bits * times
        self.register_bits = self.register_bits + other.register_bits * times
        self.dsp = self.dsp + other.dsp * times
        return self


def linear_kind(pe: LinearPe, form: MacFormat, acc: int) -> int:
    """Form of the elements of an array (pe.hpp): pairs stay packed where two sums fit the DSP."""
    if pe == "dsp2":
        fits = 2 * acc <= _ACCUMULATOR_BITS and acc + form.w_bits + 1 <= _MULTIPLIER_BITS
        return DSP2_PACKED if fits else DSP2_SPLIT
    return {"dsp1": DSP1, "dsp4": DSP4, "lut": LUT}[pe]


def mac_tile(rows: Count, columns: Count, pe: LinearPe, form: MacFormat, acc: int) -> UnitParts:
    """An array of elements with the chains that the sums leave by: `gemv_lane_unit` (one row), `systolic_sub_array`."""
    parameters = {"ROWS": rows, "COLUMNS": columns, "KIND": linear_kind(pe, form, acc), "X_BITS": form.x_bits,
                  "X_SIGNED": form.x_signed, "W_BITS": form.w_bits, "ACC": acc}  # fmt: skip
    return UnitParts(leaves=[LeafUse("mac_tile", parameters, 1)])


def rms_norm(lanes: Count, max_words: Count, value_bits: int = FP32) -> UnitParts:
    """`rms_norm`."""
    # A lane: square, factor, weight. Once: the mean and epsilon, and rsqrt unrolled: 3 steps of 3 products and a difference,
    # and half of v (rsqrt.hpp); two products bring the exact sum back to fp32 (exact_sum.hpp).
    return UnitParts(
        operators={"fmul": 3 * lanes},
        fp32_operators={"fmul": 10 + 2, "fadd": 1 + 3, "fdiv": 1, "int_to_float": 2},
        leaves=[LeafUse("exact_sum", {}, lanes)],
        memories=[Memory("buffer", max_words, value_bits * lanes, storage="uram")],
        mux_bits=2 * 64,  # the adders that merge the lanes' counters
        register_bits=2 * 64,
    )


def repeat_words(max_words: Count, word_bits: Count) -> UnitParts:
    """`repeat_words`."""
    return UnitParts(memories=[Memory("buffer", max_words, word_bits)])


def rope(lanes: Count, half_words: Count, value_bits: int = FP32) -> UnitParts:
    """`rope`."""
    bits = value_bits * lanes
    return UnitParts(
        operators={"fmul": 4 * lanes, "fadd": 2 * lanes},
        memories=[
            Memory("rows", half_words, 2 * bits),
            Memory("low", half_words, bits),
            Memory("turned", half_words, bits),
        ],
    )


def quantize_static(lanes: Count, channels: Count, bits: int, value_bits: int = FP32) -> UnitParts:
    """`quantize_static` of `lanes` values a cycle, `channels` of each of its tokens."""
    return UnitParts(
        operators={"fmul": lanes},
        leaves=[LeafUse("round_to_integer", {"BITS": bits, "SIGNED": 1}, lanes)],
        register_bits=value_bits * channels,
    )


def quantize_dynamic(
    tokens: Count, channels: Count, max_words: Count, bits: int, asymmetric: bool, divides: bool, value_bits: int = FP32
) -> UnitParts:
    """`quantize_dynamic`."""
    lanes = tokens * channels
    return UnitParts(
        operators={
            "fadd": lanes if asymmetric else 0,
            "fdiv": lanes if divides else 0,
            "fmul": 0 if divides else lanes,
        },
        fp32_operators={"fadd": 1 if asymmetric else 0, "fdiv": 1 if divides else 2},  # the scale, and the factor
        leaves=[
            LeafUse("value_range", {}, lanes + 1),
            LeafUse("round_to_integer", {"BITS": bits, "SIGNED": not asymmetric}, lanes),
        ],
        memories=[Memory("buffer", max_words, value_bits * lanes, storage="uram")],
        register_bits=3 * value_bits * tokens,
    )


def feed_vector(x_bits: int, blocks: Count, max_d_in: int) -> UnitParts:
    """`feed_vector`: an input of the engine in as many banks as it has blocks."""
    return UnitParts(
        memories=[Memory("buffer", max_d_in // blocks, x_bits, banks=blocks)],
        mux_bits=x_bits * (blocks - 1),
        register_bits=x_bits * blocks,
    )


def groups_of_unit(group_width: Count, unit_lanes: Count) -> Count:
    """The most groups of `group_width` outputs that a unit touches (gemv.hpp)."""
    width = np.maximum(group_width, 1)
    last_offset = width - np.gcd(width, unit_lanes)
    return chosen(unit_lanes % width == 0, unit_lanes // width, ceil_div(last_offset + unit_lanes, width))


def add_parts(totals: Count, parts: int, sub_engines: Count, part_acc: int, acc: int) -> UnitParts:
    """`add_parts`: `totals` a cycle (of each unit of a part the groups that it touches), each of the sums of `parts` lanes of one
    of the sub-engines."""
    chosen_sums = part_acc * parts * (sub_engines - 1)
    return UnitParts(register_bits=totals * acc, mux_bits=totals * (chosen_sums + acc * (parts - 1)))  # choice; adders


def feed_tokens(x_bits: int, tokens: Count, max_d_in: int) -> UnitParts:
    """`feed_tokens`."""
    return UnitParts(memories=[Memory("buffer", max_d_in, x_bits * tokens, storage="uram")])


def _dequantizers(count: Count, asymmetric: bool) -> UnitParts:
    operators: dict[str, Count] = {"int_to_float": count, "fmul": (3 if asymmetric else 2) * count}
    if asymmetric:
        operators["fadd"] = count
    return UnitParts(operators=operators)


def dequantize_vector(blocks: Count, pairs: Count, acc: int, asymmetric: bool, value_bits: int = FP32) -> UnitParts:
    """`dequantize_vector`: `pairs` channels a cycle, as many as the port of the scales delivers."""
    made = _dequantizers(pairs, asymmetric)
    made.register_bits = blocks * (acc + value_bits)
    made.mux_bits = acc * (blocks - pairs)
    return made


def dequantize_tokens(
    tokens: Count, sub_arrays: Count, acc: int, asymmetric: bool, value_bits: int = FP32
) -> UnitParts:
    """`dequantize_tokens`."""
    made = _dequantizers(tokens, asymmetric)
    made.register_bits = 2 * value_bits * tokens
    made.mux_bits = tokens * acc * (sub_arrays - 1)
    return made


def attention_scores(
    lanes: Count, keys: Count, groups: int, head_dim: int, pe: AttentionPe, form: MacFormat, value_bits: int = FP32
) -> UnitParts:
    """`attention_scores`: rows in pairs share the DSP slices of a key, where there is an even number."""
    acc = form.accumulator_bits(head_dim)
    paired = (lanes % 2 == 0) if pe == "dsp2" else False
    form_of = {"TERMS": keys, "X_BITS": form.x_bits, "X_SIGNED": form.x_signed, "W_BITS": form.w_bits}
    acc_of_keys = _accumulators(form, keys)
    single = LUT if pe == "lut" else DSP1
    return UnitParts(
        operators={"int_to_float": lanes, "fmul": lanes},
        leaves=[
            LeafUse("dot_product", {**form_of, "ROWS": 2, "KIND": DSP2_SPLIT, "ACC": acc_of_keys},
                    chosen(paired, lanes // 2, 0)),
            LeafUse("dot_product", {**form_of, "ROWS": 1, "KIND": single, "ACC": acc_of_keys}, chosen(paired, 0, lanes)),
        ],
        memories=[Memory("rows", groups * ceil_div(head_dim, keys), form.x_bits, banks=lanes * keys)],
        register_bits=groups * (lanes * acc + value_bits) + keys * form.w_bits,
        mux_bits=lanes * acc,
    )  # fmt: skip


def _accumulators(form: MacFormat, terms: Count) -> Count:
    if isinstance(terms, np.ndarray):
        return np.array([form.accumulator_bits(int(one)) for one in terms], dtype=np.int64)
    return form.accumulator_bits(terms)


ATTENTION_RESULT_LANES = 8
"""Most channels of a word of decode attention's results: each costs a head lane a converter and a multiplier, and a layer
takes q_dim / 8 cycles to gather the heads."""


def attention_values(
    lanes: Count, values: Count, groups: int, results: Count, head_dim: int, max_keys: int, pe: AttentionPe,
    form: MacFormat, value_bits: int = FP32, rows_are_heads: bool = False,
) -> UnitParts:  # fmt: skip
    """`attention_values`: rows of tokens leave side by side, rows of heads `results` channels of one head at a time. Its accumulators are words of a memory, several sums deep: products leave the DSP each cycle."""
    acc = form.accumulator_bits(max_keys)
    paired = (values % 2 == 0) if pe == "dsp2" else False
    form_of: dict[str, Count] = {"X_BITS": form.x_bits, "X_SIGNED": form.x_signed, "W_BITS": form.w_bits, "ACC": acc}
    made = results if rows_are_heads else lanes * results
    of_one_head = results * acc * (lanes - 1) if rows_are_heads else 0
    products = lanes * values
    single = 0 if pe == "lut" else chosen(paired, 0, products)
    return UnitParts(
        operators={"int_to_float": made, "fmul": made},
        fp32_operators={"fdiv": lanes},
        leaves=[
            LeafUse("mac_pair_split", form_of, chosen(paired, products // 2, 0)),
            LeafUse("mac_single", form_of, single),
            LeafUse("mac_lut", form_of, products if pe == "lut" else 0),
        ],
        memories=[Memory("sums", groups * ceil_div(head_dim, values), acc, banks=products)],
        register_bits=groups * lanes * (form.x_bits + value_bits) + values * form.w_bits,
        mux_bits=lanes * acc * (values - results) + of_one_head + single * acc,
    )


def softmax_maxima(rows: Count, groups: int, value_bits: int = FP32) -> UnitParts:
    """`softmax_maxima`."""
    return UnitParts(leaves=[LeafUse("value_range", {}, rows)], register_bits=value_bits * groups * rows)


def softmax_weights(rows: Count, groups: int, weight_bits: int, value_bits: int = FP32) -> UnitParts:
    """`softmax_weights`."""
    return UnitParts(
        operators={"fadd": rows, "fexp": rows, "fmul": rows},
        fp32_operators={"int_to_float": rows},  # of the sum of a row
        leaves=[LeafUse("round_to_integer", {"BITS": weight_bits, "SIGNED": 0}, rows)],
        register_bits=2 * value_bits * groups * rows,
        mux_bits=value_bits * rows,  # masked scores
    )


def softmax(rows: Count, groups: int, max_keys: Count, weight_bits: int, value_bits: int = FP32) -> UnitParts:
    """`softmax`: both halves, one after the other, over a buffer of the scores."""
    made = softmax_maxima(rows, groups, value_bits).add(softmax_weights(rows, groups, weight_bits, value_bits))
    made.memories.append(Memory("buffer", max_keys * groups, value_bits * rows, storage="uram"))
    return made


def swiglu(lanes: Count) -> UnitParts:
    """`swiglu`."""
    return UnitParts(operators={"fexp": lanes, "fadd": lanes, "fdiv": lanes, "fmul": lanes})


def adder_lanes(lanes: Count) -> UnitParts:
    """`add_bias`, `add_residual`."""
    return UnitParts(operators={"fadd": lanes})


def base_of_order(order: int) -> int:
    """Order of the base of a Hadamard matrix: 4 times the odd factor, 1 where there is none (hadamard_signs.hpp)."""
    odd = order // (order & -order)
    return 1 if odd == 1 else 4 * odd


def _log2(value: Count) -> Count:
    if isinstance(value, np.ndarray):
        return np.log2(value).astype(np.int64)
    return value.bit_length() - 1


def hadamard_serial(order: int, tokens: Count, channels: Count, adders: int = 1, value_bits: int = FP32) -> UnitParts:
    """`hadamard_serial`: butterflies of two words in two cycles, an adder does both of a lane's."""
    lanes, base = tokens * channels, base_of_order(order)
    made = UnitParts(
        operators={"fadd": lanes * _log2(channels) + lanes + (adders * lanes if base > 1 else 0), "fmul": lanes},
        memories=[Memory("buffer", order // channels, value_bits * lanes, storage="bram")],
    )
    if base > 1:
        made.memories.append(Memory("sums", order // base // channels, value_bits * lanes, banks=adders))
    return made


def hadamard_butterflies(order: int, tokens: Count, channels: Count, value_bits: int = FP32) -> UnitParts:
    """`hadamard_butterflies`: the power of two of a streaming transform, `channels` values a cycle."""
    lanes = tokens * channels
    levels = _log2(order // base_of_order(order) // channels)
    most = int(np.max(levels, initial=0))
    return UnitParts(
        operators={"fadd": lanes * (_log2(channels) + levels)},
        memories=[
            Memory(f"stage_{level}", 1 << level, value_bits * lanes, banks=chosen(level < levels, 2, 0))
            for level in range(most)
        ],
    )


def hadamard_rows(order: int, tokens: Count, channels: Count, value_bits: int = FP32) -> UnitParts:
    """`hadamard_rows`: the base of a streaming transform, and its scale."""
    lanes, base = tokens * channels, base_of_order(order)
    made = UnitParts(operators={"fmul": lanes})
    if base > 1:
        made.operators["fadd"] = lanes * base
        made.memories.append(Memory("sums", order // base // channels, value_bits * lanes, banks=2 * base))
    return made


def resize_words(lanes_in: Count, lanes_out: Count, element_bits: int) -> UnitParts:
    """`resize_words`."""
    chunk: Count = np.gcd(lanes_in, lanes_out)
    registers = lanes_in * element_bits + (lanes_out * element_bits) * (lanes_in != lanes_out)
    return UnitParts(register_bits=registers, mux_bits=(lanes_in // chunk - 1) * chunk * element_bits)


def join_beats(chunk: Count, element_bits: int) -> UnitParts:
    """`join_beats`: beats move up through the word, so nothing is chosen."""
    return UnitParts(register_bits=chunk * element_bits)


def route(word_bits: Count, sources: Count = 1) -> UnitParts:
    """A choice among streams; a route to several of them has only their handshakes."""
    return UnitParts(mux_bits=word_bits * (sources - 1), register_bits=word_bits)


def port_words(port_bits: Count, value_bits: Count) -> UnitParts:
    """Between a port and streams: a register of either, and a choice where a word holds several values."""
    choices: Count = np.abs(port_bits - value_bits)
    return UnitParts(register_bits=port_bits + value_bits, mux_bits=choices)


def write_cache(rows: Count, head_dim: int, chunk: Count, kv_bits: int, port_bits: Count) -> UnitParts:
    """`write_cache`."""
    width = ceil_div(head_dim, chunk) * chunk * kv_bits
    choices = np.ceil(np.log2(np.maximum(2, rows * width / port_bits)))
    return UnitParts(register_bits=rows * width + port_bits, mux_bits=port_bits * choices.astype(np.int64))


def sample(lanes: Count, lists: Count, top_k: int, value_bits: int = FP32) -> UnitParts:
    """`sample`: logits as they come, everything else in fp32."""
    return UnitParts(
        fp32_operators={"fadd": 1, "fexp": 1, "fmul": 2},
        leaves=[LeafUse("candidate_list", {"MAX_K": top_k}, lists)],
        register_bits=value_bits * lanes + FP32 * top_k,
        mux_bits=value_bits * (lanes - lists),
        dsp=4 + 2,  # random word times the lower 32 and the upper 6 bits of the total, in products of 27 x 18 (UG579)
    )
