"""Resources of each stage's kernel, module by module: multiplier arrays, non-linear lanes, buffers, adapters, control.

Each module of the breakdown has a part; AXI adapters and process control have parts of their own. The kernel is their
sum. An array that several projections share belongs to one of them (`array_owner`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray, IntArray, ResourceArrays, ceil_div
from cost_models.macs import ArrayShape, MacCost, mac_cost
from cost_models.nonlinear import LaneCost, lane_cost, operators_cost
from cost_models.onchip import bram18_blocks, fifo_blocks, shift_register_lut, uram_blocks
from cost_models.stage_setup import StageSetup
from cost_models.transforms import streaming_hadamard_hardware
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.fifo_depths import FifoDepths, fifo_depths
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, DecodeProjection, PrefillModules
from spec.quant_scheme import QuantScheme
from spec.resources import RESOURCE_NAMES
from spec.workload import Stage

AXI_ADAPTERS, DATAFLOW_CONTROL = "axi_adapters", "dataflow_control"

Amount = FloatArray | IntArray | float

# Module of the breakdown that each projection belongs to.
PROJECTION_MODULES = {
    "k": "kv_proj", "v": "kv_proj", "q": "q_proj", "o": "o_proj",
    "gate": "gate_up_proj", "up": "gate_up_proj", "down": "down_proj", "lm_head": "lm_head",
}  # fmt: skip
_OWNERS = {  # of a shared array, the first that is in the group
    "prefill": ("gate_up_proj", "down_proj", "o_proj", "q_proj", "kv_proj"),
    "decode": ("gate_up_proj", "down_proj", "o_proj", "q_proj", "kv_proj", "lm_head"),
}
FFN_PROJECTIONS = frozenset({"gate", "up", "down"})


def plus(a: Amount, b: Amount) -> Amount:
    """a + b, without an array operation where one of them is nothing."""
    if isinstance(a, float) and a == 0.0:
        return b
    return a if isinstance(b, float) and b == 0.0 else a + b


@dataclass(slots=True)
class Part:
    """Resources of one module, each a number or (n_points,)."""

    lut: Amount = 0.0
    ff: Amount = 0.0
    dsp: Amount = 0.0
    bram_18k: Amount = 0.0
    uram: Amount = 0.0

    def add_logic(self, lut: Amount, ff: Amount) -> None:
        """LUT and FF of an inventory, with what it leaves out."""
        self.lut = plus(self.lut, lut * c.LUT_UNLISTED)
        self.ff = plus(self.ff, ff * c.FF_UNLISTED)

    def add_lanes(self, lanes: Amount, cost: LaneCost) -> None:
        """`lanes` lanes of non-linear operators, LUT and FF as they are after routing."""
        self.add_logic(lanes * (cost.lut * c.LUT_ROUTE_FACTOR), lanes * (cost.ff * c.FF_ROUTE_FACTOR))
        if cost.dsp:
            self.dsp = plus(self.dsp, lanes * float(cost.dsp))

    def add_macs(self, macs: Amount, cost: MacCost) -> None:
        """`macs` multiply-accumulates of an array."""
        self.add_logic(macs * cost.lut, macs * cost.ff)
        if cost.dsp:
            self.dsp = plus(self.dsp, macs * cost.dsp)


Parts = dict[str, Part]


def total_resources(parts: Mapping[str, Part], n: int) -> ResourceArrays:
    """The sum of all parts, (n_points,) each."""
    totals = []
    for name in RESOURCE_NAMES:
        total: Amount = 0.0
        for part in parts.values():
            total = plus(total, getattr(part, name))
        totals.append(np.broadcast_to(np.asarray(total, dtype=np.float64), (n,)))
    return ResourceArrays(*totals)


def module_arrays(parts: Mapping[str, Part], n: int) -> dict[str, ResourceArrays]:
    """The parts as arrays by module, (n_points,) each."""
    return {
        module: ResourceArrays(
            *(np.broadcast_to(np.asarray(getattr(part, name), dtype=np.float64), (n,)) for name in RESOURCE_NAMES)
        )
        for module, part in parts.items()
    }


def array_owner(group: tuple[str, ...], stage: str) -> str:
    """The module that a shared array is counted under."""
    members = {PROJECTION_MODULES[projection] for projection in group}
    return next(owner for owner in _OWNERS[stage] if owner in members)


def shared_arrays(groups: Iterable[tuple[str, ...]], stage: str) -> dict[str, str]:
    """Modules without an array of their own, each with the modules that its arrays are counted under, by comma."""
    owners: dict[str, list[str]] = {}
    for group in groups:
        owner = array_owner(group, stage)
        for name in group:
            known = owners.setdefault(PROJECTION_MODULES[name], [])
            if owner not in known:
                known.append(owner)
    having = {owner for names in owners.values() for owner in names}
    return {module: ", ".join(names) for module, names in owners.items() if module not in having}


def longest_input(group: tuple[str, ...], model: ModelConfig) -> int:
    """Input channels of the longest projection of a group."""
    inputs = {"o": model.q_dim, "down": model.ffn_dim}
    return max(inputs.get(projection, model.hidden_dim) for projection in group)


def group_width(group: tuple[str, ...], batch: PrefillBatch) -> FloatArray:
    """Output channels per pass of a prefill array, (n_points,), whole numbers."""
    narrow, wide = batch.qkvo_weight_parallelism, batch.ffn_weight_parallelism
    return (wide if FFN_PROJECTIONS & set(group) else narrow).astype(np.float64)


def hadamard_blocks(model: ModelConfig, scheme: QuantScheme) -> tuple[int, int]:
    """Size and number of the transforms before down_proj."""
    size = scheme.hadamard_block or model.ffn_dim
    return size, max(model.ffn_dim // size, 1)


def _infrastructure(
    batch: PrefillBatch | DecodeBatch,
    modules: PrefillModules | DecodeModules,
    processes: Amount,
    streams: Sequence[Streams],
) -> Parts:
    """Adapters of the memory ports; control of the processes with the streams between them.

    `element`: a task that shares a port has an adapter of its own and reaches the port over a crossbar (TAPA).
    """
    table, index = batch.placements, batch.placement
    ports = table.total_ports.astype(np.float64)
    bits = table.total_port_bits.astype(np.float64)
    lut: Amount = processes * c.LUT_PER_PROCESS
    ff: Amount = processes * c.FF_PER_PROCESS
    bram: Amount = 0.0
    for stream in streams:
        wires, number = stream.bits, stream.number
        lut = lut + shift_register_lut(wires, float(stream.depth)) + number * c.FIFO_CONTROL_LUT
        ff = ff + wires * c.FF_PER_STREAM_BIT + number * c.FIFO_CONTROL_FF
    if modules.process_granularity == "element" and table.further_clients.any():
        more, wide = table.further_clients.astype(np.float64), table.further_client_bits.astype(np.float64)
        crossbar_lut, crossbar_ff = c.CROSSBAR_LUT_BASE, c.CROSSBAR_FF_BASE
        lut = (
            lut + ((c.AXI_LUT_BASE + crossbar_lut) * more + (c.AXI_LUT_PER_BIT + c.CROSSBAR_LUT_PER_BIT) * wide)[index]
        )
        ff = ff + ((c.AXI_FF_BASE + crossbar_ff) * more + (c.AXI_FF_PER_BIT + c.CROSSBAR_FF_PER_BIT) * wide)[index]
        bram = (c.AXI_BRAM18_BASE * more + c.AXI_BRAM18_PER_BIT * wide)[index]
    return {
        AXI_ADAPTERS: Part(*(amount[index] for amount in adapter_amounts(ports, bits))),
        DATAFLOW_CONTROL: Part(lut * c.LUT_UNLISTED, ff * c.FF_UNLISTED, bram_18k=bram),
    }


def adapter_amounts(
    ports: FloatArray | IntArray | float, bits: FloatArray | IntArray | float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """LUT, FF, DSP and BRAM18 of `ports` AXI adapters that are `bits` wide together, elementwise."""
    number, width = np.asarray(ports, dtype=np.float64), np.asarray(bits, dtype=np.float64)
    return (
        np.asarray((c.AXI_LUT_BASE * number + c.AXI_LUT_PER_BIT * width) * c.LUT_UNLISTED),
        np.asarray((c.AXI_FF_BASE * number + c.AXI_FF_PER_BIT * width) * c.FF_UNLISTED),
        np.zeros_like(number),
        np.asarray(c.AXI_BRAM18_BASE * number + c.AXI_BRAM18_PER_BIT * width),
    )


@dataclass(frozen=True, slots=True)
class Streams:
    """`number` FIFOs of `depth` words in shift registers, `bits` wires in all of them, each a number or (n_points,)."""

    bits: Amount
    number: Amount
    depth: int


TAPA_STREAM_DEPTH = 2  # of a stream without a depth


def _depths(modules: PrefillModules | DecodeModules, model: ModelConfig) -> FifoDepths:
    """Of the shallow FIFOs. FlexLLM's streams are as deep as TAPA's default, those that hold more are counted apart."""
    built = fifo_depths(modules, model)
    if modules.process_granularity == "array":
        return built
    d = TAPA_STREAM_DEPTH
    return FifoDepths(
        modules.operand_fifo_depth or d, modules.weight_fifo_depth or d, modules.vector_fifo_depth or d,
        modules.cache_fifo_depth or d, built.residual,
    )  # fmt: skip


def _block_fifo(part: Part, depth: FloatArray | float, width_bits: FloatArray | float) -> None:
    """A FIFO between tasks that TAPA puts into block RAM or URAM: its blocks and the registers around them."""
    blocks = fifo_blocks(depth, width_bits)
    part.bram_18k, part.uram = plus(part.bram_18k, blocks.bram_18k), plus(part.uram, blocks.uram)
    part.add_logic(width_bits * c.BLOCK_FIFO_LUT_PER_BIT, width_bits * c.BLOCK_FIFO_FF_PER_BIT)


def _streaming_hadamard(part: Part, lanes: Amount, dim: int, width: int, setup: StageSetup) -> None:
    hardware = streaming_hadamard_hardware(dim, width, setup.value_bits)
    operators = {"fadd": hardware.adders, "fmul": hardware.multipliers}
    part.add_lanes(lanes, operators_cost(operators, setup.timing, setup.fabric))
    part.add_logic(lanes * hardware.lut, 0.0)
    part.bram_18k = part.bram_18k + lanes * hardware.bram_18k


def _add_array(
    part: Part,
    macs: FloatArray,
    group: tuple[str, ...],
    stage: Stage,
    modules: PrefillModules | DecodeModules,
    shape: ArrayShape,
    setup: StageSetup,
) -> None:
    """Multipliers of a linear array, and the scaling of partial sums where weights have a scale a group."""
    scheme, d_in = setup.scheme, longest_input(group, setup.model)
    bits = [scheme.weight_bits for p in group if p != "lm_head"] + [
        scheme.lm_head_weight_bits for p in group if p == "lm_head"
    ]
    unit = mac_cost(
        stage, modules.linear_pe, max(bits), scheme.activation_bits, d_in, modules.process_granularity, shape
    )
    part.add_macs(macs, unit)
    if scheme.weight_group_size is not None:
        part.add_lanes(
            np.ceil(macs / scheme.weight_group_size), lane_cost("group_scale", setup.timing, fabric=setup.fabric)
        )


def prefill_parts(batch: PrefillBatch, modules: PrefillModules, setup: StageSetup) -> Parts:
    """Resources of the prefill kernel by module, shell not included."""
    model, scheme, timing, fabric = setup.model, setup.scheme, setup.timing, setup.fabric
    tp, d, ff = batch.token_parallelism.astype(np.float64), model.hidden_dim, model.ffn_dim  # converted once
    tokens, value = setup.workload.prompt_tokens, setup.value_bits
    reuse, width = modules.token_blocks_per_weight_pass, modules.softmax_width
    buffers = 2 if modules.input_buffers == "double" else 1

    def lane(module: str) -> LaneCost:
        return lane_cost(module, timing, scheme, modules.quantizer, fabric)

    names = ("kv_proj", "q_proj", "attention_qk", "attention_softmax", "attention_av", "o_proj", "gate_up_proj",
             "hadamard", "down_proj", "norm_and_quant")  # fmt: skip
    parts = {name: Part() for name in names}
    for group in modules.linear_groups:
        part, wide, d_in = parts[array_owner(group, "prefill")], group_width(group, batch), longest_input(group, model)
        columns = wide / batch.ffn_weight_blocks if FFN_PROJECTIONS & set(group) else wide
        _add_array(part, tp * wide, group, "prefill", modules, ArrayShape(tp, columns), setup)
        part.uram = (
            part.uram
            + buffers * uram_blocks(reuse * d_in, float(scheme.activation_bits) * tp)
            + tp * uram_blocks(d_in, value)  # its quantizer
        )
        if reuse > 1:  # the tile in use and the next
            part.uram = part.uram + 2 * uram_blocks(d_in, float(scheme.weight_bits) * wide)

    operand = float(scheme.attention_bits)
    qk, av = parts["attention_qk"], parts["attention_av"]
    qk.add_macs(
        tp * batch.key_parallelism,
        mac_cost(
            "prefill",
            modules.attention_pe,
            scheme.kv_bits,
            scheme.attention_bits,
            model.head_dim,
            modules.process_granularity,
            ArrayShape(tp, batch.key_parallelism),
        ),
    )
    av.add_macs(
        tp * batch.value_parallelism,
        mac_cost(
            "prefill",
            modules.attention_pe,
            scheme.kv_bits,
            scheme.attention_bits,
            tokens,
            modules.process_granularity,
            ArrayShape(tp, batch.value_parallelism),
        ),
    )
    qk.add_lanes((3 + width) * tp, lane("static_quant"))  # Q, K, V; the softmax output
    av.add_lanes((1 + width) * tp, lane("static_dequant"))  # output; scores
    scores = fifo_blocks(tokens, (2 * operand + np.ceil(np.log2(model.head_dim))) * tp)
    weights = fifo_blocks(tokens, operand * tp)
    qk.bram_18k, qk.uram = scores.bram_18k + weights.bram_18k, scores.uram + weights.uram
    av.bram_18k = buffers * bram18_blocks(tokens, operand * tp)
    if modules.kv_read == "per_kv_head":  # the keys and values of a KV head, for all query heads of its group
        cached = float(scheme.kv_bits)
        qk.uram = qk.uram + uram_blocks(tokens * model.head_dim / batch.key_parallelism, cached * batch.key_parallelism)
        av.uram = av.uram + uram_blocks(
            tokens * model.head_dim / batch.value_parallelism, cached * batch.value_parallelism
        )

    softmax = parts["attention_softmax"]
    softmax.add_lanes(width * tp, lane("softmax"))
    copies = 4 if modules.softmax == "pipelined" else 1  # two buffers between each two passes
    softmax.bram_18k = copies * width * tp * bram18_blocks(tokens / width, value)

    q, o, norm = parts["q_proj"], parts["o_proj"], parts["norm_and_quant"]
    q.add_lanes(tp, lane("rope"))
    if modules.process_granularity == "element":  # cosines and sines are compiled in; our library streams them
        q.bram_18k = q.bram_18k + bram18_blocks(tokens, value * model.head_dim)
    if scheme.transforms_heads:
        _streaming_hadamard(q, 2 * tp, model.head_dim, 1, setup)  # queries and keys
    o.add_lanes(2 * tp, lane("residual"))
    held = fifo_blocks(float(fifo_depths(modules, model).residual), float(value) * tp)  # the residual FIFOs
    o.uram, o.bram_18k = o.uram + 2 * held.uram, plus(o.bram_18k, 2 * held.bram_18k)
    for module in ("swish", "gate"):
        parts["gate_up_proj"].add_lanes(tp, lane(module))
    norm.add_lanes(2 * tp, lane("norm"))
    for module in ("quant", "dequant"):
        norm.add_lanes(len(modules.linear_groups) * tp, lane(module))
    norm.bram_18k = 2 * tp * bram18_blocks(d, value)
    norm.uram = tp * uram_blocks(d, value)  # input kept for the second phase

    if scheme.transforms_down_input:
        size, _ = hadamard_blocks(model, scheme)
        if modules.hadamard == "streaming":
            _streaming_hadamard(parts["hadamard"], tp, size, modules.hadamard_width, setup)
        else:
            parts["hadamard"].add_lanes(tp, lane("hadamard"))
            parts["hadamard"].bram_18k = 3 * tp * bram18_blocks(ff, value)  # two ping-pong buffers and the shuffle

    if modules.process_granularity == "element":
        _prefill_deep_fifos(parts, batch, modules, setup)
    processes = c.PREFILL_PROCESSES + 3 * batch.ffn_weight_blocks
    return parts | _infrastructure(batch, modules, processes, _prefill_streams(batch, modules, setup))


def _words_pass(modules: PrefillModules | DecodeModules) -> float:
    """FIFOs that a word of weights passes: FlexLLM's arrays hand it on to their elements over one more (block_B_loader)."""
    return 2.0 if modules.process_granularity == "element" else 1.0


def _sum_bits(group: tuple[str, ...], setup: StageSetup) -> float:
    """Bits of a sum that leaves an array."""
    scheme = setup.scheme
    return scheme.weight_bits + scheme.activation_bits + math.ceil(math.log2(longest_input(group, setup.model)))


def _prefill_streams(batch: PrefillBatch, modules: PrefillModules, setup: StageSetup) -> list[Streams]:
    """Streams of SpinQuant_Prefilling_mem_opt.h: for each array its operands, weights, sums before and after surplus lanes
    are dropped, two scales and two vectors; heads quantized; keys and values stored and loaded; the other vectors.
    """
    scheme, depths = setup.scheme, _depths(modules, setup.model)
    groups, inner = modules.linear_groups, _words_pass(modules)
    tp, blocks = batch.token_parallelism.astype(np.float64), batch.ffn_weight_blocks.astype(np.float64)
    sums = sum(_sum_bits(group, setup) for group in groups)
    wide = sum(1 for group in groups if FFN_PROJECTIONS & set(group))
    columns = wide * batch.ffn_weight_parallelism + (len(groups) - wide) * batch.qkvo_weight_parallelism
    vectors = c.PREFILL_VECTOR_STREAMS + 2 * len(groups)
    cached = 2.0 * scheme.kv_bits * (batch.key_parallelism + batch.value_parallelism)
    operands = (len(groups) * scheme.activation_bits + 2 * sums + 5 * scheme.attention_bits) * tp
    scales = 2 * 64.0 * len(groups)
    return [
        Streams(operands + scales, 5.0 * len(groups) + 5.0, depths.operand),
        Streams(inner * scheme.weight_bits * columns, inner * (wide * blocks + (len(groups) - wide)), depths.weight),
        Streams(vectors * float(setup.value_bits) * tp, float(vectors), depths.vector),
        Streams(inner * cached, inner * 4.0, depths.cache),
    ]


def _prefill_deep_fifos(parts: Parts, batch: PrefillBatch, modules: PrefillModules, setup: StageSetup) -> None:
    """FIFOs that hold a row: operands and sums of the arrays that wait for each other, the input of the Hadamard."""
    model, scheme, tp = setup.model, setup.scheme, batch.token_parallelism.astype(np.float64)
    for group in modules.linear_groups:
        part = parts[array_owner(group, "prefill")]
        if {"gate", "up"} & set(group):
            continue
        _block_fifo(part, float(longest_input(group, model)), scheme.activation_bits * tp + 1)
        _block_fifo(part, float(model.hidden_dim), _sum_bits(group, setup) * tp + 1)
    _block_fifo(parts["hadamard"], float(model.ffn_dim), float(setup.value_bits) * tp + 1)


def decode_parts(batch: DecodeBatch, modules: DecodeModules, setup: StageSetup) -> Parts:
    """Resources of the decode kernel by module, shell not included."""
    model, scheme, timing, fabric = setup.model, setup.scheme, setup.timing, setup.fabric
    tb, w, hp, t4 = (
        column.astype(np.float64)  # converted once
        for column in (
            batch.block_parallelism, batch.weight_parallelism, batch.head_parallelism, batch.vector_parallelism
        )
    )  # fmt: skip
    d, ff, kv, value = model.hidden_dim, model.ffn_dim, model.kv_dim, setup.value_bits
    context, keys, channels = setup.workload.context_tokens, batch.key_parallelism, batch.value_parallelism
    lanes, width = tb * w, modules.softmax_width
    buffers = 2 if modules.input_buffers == "double" else 1
    rows = model.gqa_group if modules.kv_read == "per_kv_head" else 1

    def lane(module: str) -> LaneCost:
        return lane_cost(module, timing, scheme, modules.quantizer, fabric)

    names = ("kv_proj", "q_proj", "attention", "o_proj", "gate_up_proj", "hadamard", "down_proj", "vector_passes",
             "lm_head", "sampler")  # fmt: skip
    parts = {name: Part() for name in names}
    for group in modules.linear_groups:
        part = parts[array_owner(group, "decode")]
        _add_array(part, lanes, group, "decode", modules, ArrayShape(1, w), setup)
        # Bound to URAM whatever their depth: the engine inputs, a copy a split.
        deep = longest_input(group, model) / tb
        part.uram = part.uram + buffers * tb * batch.engine_splits * uram_blocks(deep, float(scheme.activation_bits))
    engine = parts[array_owner(modules.linear_groups[-1] if len(modules.linear_groups) == 1 else ("gate",), "decode")]
    if modules.weight_buffer_beats:
        engine.uram = engine.uram + uram_blocks(modules.weight_buffer_beats, float(scheme.weight_bits) * lanes)
    for (first, *_), d_in, d_out in engine_calls(modules, model, on_chip=True):
        part, bits = parts[PROJECTION_MODULES[first]], weight_bits(first, scheme)
        calls = 1 if first == "lm_head" else model.n_layers
        steps = ceil_div(d_out, lanes) * float(d_in * calls)
        part.uram = plus(part.uram, uram_blocks(steps, float(bits) * lanes))

    attention, operand = parts["attention"], float(scheme.attention_bits)
    for columns, terms in ((keys, model.head_dim), (channels, context)):
        pe = mac_cost(
            "decode", modules.attention_pe, scheme.kv_bits, scheme.attention_bits, terms, modules.process_granularity,
            ArrayShape(1, columns),
        )  # fmt: skip
        attention.add_macs(rows * (hp * columns), pe)
    attention.add_lanes(hp, lane("rope"))
    attention.add_lanes(rows * width * hp, lane("softmax"))
    attention.add_lanes((1 + rows * width) * hp, lane("static_quant"))  # Q, K, V; the softmax output
    attention.add_lanes((rows + rows * width) * hp, lane("static_dequant"))  # output; scores
    if scheme.transforms_heads:
        _streaming_hadamard(attention, hp, model.head_dim, 1, setup)
    key_banks = hp * keys // 2
    copies = 4 if modules.softmax == "pipelined" else 1
    scores = fifo_blocks(context, (2 * operand + np.ceil(np.log2(model.head_dim))) * (rows * hp))
    weights = fifo_blocks(context, operand * (rows * hp))
    attention.bram_18k = (
        key_banks * bram18_blocks(model.n_layers * kv * keys / key_banks, scheme.kv_bits)  # open key tile of every layer
        + bram18_blocks(context, value * model.head_dim)  # RoPE cosines and sines
        + copies * width * rows * hp * bram18_blocks(context / width, value)  # softmax
        + buffers * bram18_blocks(context, operand * (rows * hp))  # AV input
        + scores.bram_18k + weights.bram_18k
    )  # fmt: skip
    attention.uram = scores.uram + weights.uram

    vector = parts["vector_passes"]
    for module in ("quant", "dequant", "swish", "gate"):
        vector.add_lanes(tb, lane(module))
    for module in ("norm", "residual"):
        vector.add_lanes(t4, lane(module))
    vector.bram_18k = t4 * bram18_blocks(d / t4, value)
    vector.uram = (1 + c.DECODE_WIDTH_CONVERSIONS) * tb * uram_blocks(ff / tb, value)  # quantizer, width converters

    if scheme.transforms_down_input:
        hadamard, (size, _) = parts["hadamard"], hadamard_blocks(model, scheme)
        if modules.hadamard == "streaming":
            _streaming_hadamard(hadamard, 1, size, modules.hadamard_width, setup)
        else:
            hadamard.add_lanes(tb, lane("hadamard"))
            hadamard.bram_18k = 3 * tb * bram18_blocks(ff / tb, value)

    sampler = parts["sampler"]
    sampler.add_lanes(1, lane("sampler"))
    lists = (
        tb if modules.process_granularity == "element" else 1.0
    )  # FlexLLM: a list a group; ours: one, a logit a cycle
    sampler.add_logic(lists * c.LUT_PER_SAMPLER_LANE, lists * c.FF_PER_SAMPLER_LANE)

    if modules.process_granularity == "element":
        _decode_deep_fifos(parts, batch, setup)
    processes = c.DECODE_PROCESSES + tb + 2 * hp
    return parts | _infrastructure(batch, modules, processes, _decode_streams(batch, modules, setup))


def _decode_streams(batch: DecodeBatch, modules: DecodeModules, setup: StageSetup) -> list[Streams]:
    """Streams of SpinQuant_Decoding_mem_opt.h: vectors of T4, TB and HP lanes; for each engine its operands, weights and
    sums, and a scale; each head lane's keys and values stored and loaded, its scores and weights.
    """
    scheme, depths, value = setup.scheme, _depths(modules, setup.model), float(setup.value_bits)
    inner = _words_pass(modules)
    tb, hp, t4 = (
        column.astype(np.float64)
        for column in (batch.block_parallelism, batch.head_parallelism, batch.vector_parallelism)
    )
    engines, rows = len(modules.linear_groups), setup.model.gqa_group if modules.kv_read == "per_kv_head" else 1
    sums = sum(_sum_bits(group, setup) for group in modules.linear_groups)
    lanes = tb * batch.weight_parallelism
    vectors = value * (c.DECODE_T4_STREAMS * t4 + c.DECODE_TB_STREAMS * tb + c.DECODE_HEAD_STREAMS * rows * hp)
    heads = float(scheme.attention_bits) * (8 + 4 * rows) * hp
    cached = 2.0 * scheme.kv_bits * hp * (batch.key_parallelism + batch.value_parallelism)
    number = c.DECODE_T4_STREAMS + c.DECODE_TB_STREAMS + c.DECODE_HEAD_STREAMS
    return [
        Streams((2.0 * engines * scheme.activation_bits + 2.0 * sums) * tb + heads + 128.0, 8.0 * engines + 8.0,
                depths.operand),
        Streams(inner * engines * scheme.weight_bits * lanes, inner * engines * tb, depths.weight),
        Streams(vectors, float(number), depths.vector),
        Streams(inner * cached, inner * 4 * hp, depths.cache),
    ]  # fmt: skip


def _decode_deep_fifos(parts: Parts, batch: DecodeBatch, setup: StageSetup) -> None:
    """FIFOs that hold a vector: four of the hidden state, the engine's operands and sums, its logits, gate, heads."""
    model, scheme, value, vector = setup.model, setup.scheme, float(setup.value_bits), parts["vector_passes"]
    tb, hp, t4 = (
        column.astype(np.float64)
        for column in (batch.block_parallelism, batch.head_parallelism, batch.vector_parallelism)
    )
    for _ in range(4):
        _block_fifo(vector, model.hidden_dim / t4, value * t4)
    _block_fifo(vector, model.ffn_dim / tb, scheme.activation_bits * tb)
    _block_fifo(vector, model.ffn_dim / tb, _sum_bits(("down",), setup) * tb)
    _block_fifo(vector, model.ffn_dim / tb, value * tb)
    _block_fifo(vector, model.hidden_dim / tb, value * tb)
    _block_fifo(vector, model.hidden_dim / hp, scheme.attention_bits * hp)


def weight_bits(projection: str, scheme: QuantScheme) -> int:
    """Bits of a weight of that projection."""
    return scheme.lm_head_weight_bits if projection == "lm_head" else scheme.weight_bits


def projection_dims(projection: str, model: ModelConfig) -> tuple[int, int]:
    """(d_in, d_out) of a projection; lm_head with its padded rows."""
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    return {
        "q": (d, q), "k": (d, kv), "v": (d, kv), "o": (q, d), "gate": (d, ff), "up": (d, ff), "down": (ff, d),
        "lm_head": (d, model.padded_vocab_size),
    }[projection]  # fmt: skip


def engine_calls(
    modules: DecodeModules, model: ModelConfig, *, on_chip: bool
) -> list[tuple[tuple[DecodeProjection, ...], int, int]]:
    """Calls of a layer and of the head whose weights stay on the chip, or whose weights do not: projections, d_in, d_out.

    K and V are one call of both their channels where one engine does both; each call is padded to whole passes.
    """
    fused = any({"k", "v"} <= set(group) for group in modules.linear_groups)
    together: tuple[tuple[DecodeProjection, ...], ...] = (("k", "v"),) if fused else (("k",), ("v",))
    calls = []
    for names in (*together, ("q",), ("o",), ("gate",), ("up",), ("down",), ("lm_head",)):
        here: tuple[DecodeProjection, ...] = tuple(n for n in names if (n in modules.on_chip_projections) == on_chip)
        if here:
            d_in, d_out = projection_dims(here[0], model)
            calls.append((here, d_in, len(here) * d_out))
    return calls
