"""FlexLLM's decode kernel (SpinQuant_Decoding_mem_opt.h), module by module."""

from __future__ import annotations

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import ceil_div
from cost_models.kernels.element import (
    WORD_PASSES,
    Streams,
    add_array,
    block_fifo,
    depths,
    infrastructure,
    streaming_hadamard,
    sum_bits,
)
from cost_models.kernels.parts import Part, plus
from cost_models.kernels.projections import (
    PROJECTION_MODULES,
    array_owner,
    engine_calls,
    hadamard_blocks,
    longest_input,
    weight_bits,
)
from cost_models.macs import ArrayShape, mac_cost
from cost_models.nonlinear import LaneCost, lane_cost
from cost_models.onchip import bram18_blocks, fifo_blocks, uram_blocks
from cost_models.stage_setup import StageSetup
from spec.design_batch import DecodeBatch
from spec.module_choices import DecodeModules


def element_decode_parts(batch: DecodeBatch, modules: DecodeModules, setup: StageSetup) -> dict[str, Part]:
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
        add_array(part, lanes, group, "decode", modules, ArrayShape(1, w), setup)
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
            "decode", modules.attention_pe, scheme.kv_bits, scheme.attention_bits, terms, ArrayShape(1, columns),
        )  # fmt: skip
        attention.add_macs(rows * (hp * columns), pe)
    attention.add_lanes(hp, lane("rope"))
    attention.add_lanes(rows * width * hp, lane("softmax"))
    attention.add_lanes((1 + rows * width) * hp, lane("static_quant"))  # Q, K, V; the softmax output
    attention.add_lanes((rows + rows * width) * hp, lane("static_dequant"))  # output; scores
    if scheme.transforms_heads:
        streaming_hadamard(attention, hp, model.head_dim, 1, setup)
    key_banks = np.maximum(hp * keys // 2, 1)  # a single lane, which no rule allows, has a bank too
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
            streaming_hadamard(hadamard, 1, size, modules.hadamard_width, setup)
        else:
            hadamard.add_lanes(tb, lane("hadamard"))
            hadamard.bram_18k = 3 * tb * bram18_blocks(ff / tb, value)

    sampler = parts["sampler"]
    sampler.add_lanes(1, lane("sampler"))
    sampler.add_logic(tb * c.LUT_PER_SAMPLER_LANE, tb * c.FF_PER_SAMPLER_LANE)  # a list of candidates a group

    _decode_deep_fifos(parts, batch, setup)
    processes = c.DECODE_PROCESSES + tb + 2 * hp
    return parts | infrastructure(batch, processes, _decode_streams(batch, modules, setup))


def _decode_streams(batch: DecodeBatch, modules: DecodeModules, setup: StageSetup) -> list[Streams]:
    """Streams of SpinQuant_Decoding_mem_opt.h: vectors of T4, TB and HP lanes; for each engine its operands, weights and
    sums, and a scale; each head lane's keys and values stored and loaded, its scores and weights.
    """
    scheme, deep, value = setup.scheme, depths(modules, setup.model), float(setup.value_bits)
    inner = WORD_PASSES
    tb, hp, t4 = (
        column.astype(np.float64)
        for column in (batch.block_parallelism, batch.head_parallelism, batch.vector_parallelism)
    )
    engines, rows = len(modules.linear_groups), setup.model.gqa_group if modules.kv_read == "per_kv_head" else 1
    sums = sum(sum_bits(group, setup) for group in modules.linear_groups)
    lanes = tb * batch.weight_parallelism
    vectors = value * (c.DECODE_T4_STREAMS * t4 + c.DECODE_TB_STREAMS * tb + c.DECODE_HEAD_STREAMS * rows * hp)
    heads = float(scheme.attention_bits) * (8 + 4 * rows) * hp
    cached = 2.0 * scheme.kv_bits * hp * (batch.key_parallelism + batch.value_parallelism)
    number = c.DECODE_T4_STREAMS + c.DECODE_TB_STREAMS + c.DECODE_HEAD_STREAMS
    return [
        Streams((2.0 * engines * scheme.activation_bits + 2.0 * sums) * tb + heads + 128.0, 8.0 * engines + 8.0,
                deep.operand),
        Streams(inner * engines * scheme.weight_bits * lanes, inner * engines * tb, deep.weight),
        Streams(vectors, float(number), deep.vector),
        Streams(inner * cached, inner * 4 * hp, deep.cache),
    ]  # fmt: skip


def _decode_deep_fifos(parts: dict[str, Part], batch: DecodeBatch, setup: StageSetup) -> None:
    """FIFOs that hold a vector: four of the hidden state, the engine's operands and sums, its logits, gate, heads."""
    model, scheme, value, vector = setup.model, setup.scheme, float(setup.value_bits), parts["vector_passes"]
    tb, hp, t4 = (
        column.astype(np.float64)
        for column in (batch.block_parallelism, batch.head_parallelism, batch.vector_parallelism)
    )
    for _ in range(4):
        block_fifo(vector, model.hidden_dim / t4, value * t4)
    block_fifo(vector, model.ffn_dim / tb, scheme.activation_bits * tb)
    block_fifo(vector, model.ffn_dim / tb, sum_bits(("down",), setup) * tb)
    block_fifo(vector, model.ffn_dim / tb, value * tb)
    block_fifo(vector, model.hidden_dim / tb, value * tb)
    block_fifo(vector, model.hidden_dim / hp, scheme.attention_bits * hp)
