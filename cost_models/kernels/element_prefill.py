"""FlexLLM's prefill kernel (SpinQuant_Prefilling_mem_opt.h), module by module."""

from __future__ import annotations

import numpy as np

from cost_models import coefficients as c
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
from cost_models.kernels.projections import FFN_PROJECTIONS, array_owner, group_width, hadamard_blocks, longest_input
from cost_models.macs import ArrayShape, mac_cost
from cost_models.nonlinear import LaneCost, lane_cost
from cost_models.onchip import bram18_blocks, fifo_blocks, uram_blocks
from cost_models.stage_setup import StageSetup
from spec.design_batch import PrefillBatch
from spec.fifo_depths import fifo_depths
from spec.module_choices import PrefillModules


def element_prefill_parts(batch: PrefillBatch, modules: PrefillModules, setup: StageSetup) -> dict[str, Part]:
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
        add_array(part, tp * wide, group, "prefill", modules, ArrayShape(tp, columns), setup)
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
    q.bram_18k = q.bram_18k + bram18_blocks(tokens, value * model.head_dim)  # cosines and sines are compiled in
    if scheme.transforms_heads:
        streaming_hadamard(q, 2 * tp, model.head_dim, 1, setup)  # queries and keys
    o.add_lanes(2 * tp, lane("residual"))
    held = fifo_blocks(float(fifo_depths(modules, model).residual), float(value) * tp)  # the residual FIFOs
    o.uram, o.bram_18k = o.uram + 2 * held.uram, plus(o.bram_18k, 2 * held.bram_18k)
    into_down = fifo_blocks(float(fifo_depths(modules, model).quantizer), float(value) * tp)
    for module in ("swish", "gate"):
        parts["gate_up_proj"].add_lanes(tp, lane(module))
    norm.add_lanes(2 * tp, lane("norm"))
    for module in ("quant", "dequant"):
        norm.add_lanes(len(modules.linear_groups) * tp, lane(module))
    norm.bram_18k = 2 * tp * bram18_blocks(d, value)
    norm.uram = tp * uram_blocks(d, value)  # input kept for the second phase
    norm.uram, norm.bram_18k = norm.uram + into_down.uram, plus(norm.bram_18k, into_down.bram_18k)

    if scheme.transforms_down_input:
        size, _ = hadamard_blocks(model, scheme)
        if modules.hadamard == "streaming":
            streaming_hadamard(parts["hadamard"], tp, size, modules.hadamard_width, setup)
        else:
            parts["hadamard"].add_lanes(tp, lane("hadamard"))
            parts["hadamard"].bram_18k = 3 * tp * bram18_blocks(ff, value)  # two ping-pong buffers and the shuffle

    _prefill_deep_fifos(parts, batch, modules, setup)
    processes = c.PREFILL_PROCESSES + 3 * batch.ffn_weight_blocks
    return parts | infrastructure(batch, processes, _prefill_streams(batch, modules, setup))


def _prefill_streams(batch: PrefillBatch, modules: PrefillModules, setup: StageSetup) -> list[Streams]:
    """Streams of SpinQuant_Prefilling_mem_opt.h: for each array its operands, weights, sums before and after surplus lanes
    are dropped, two scales and two vectors; heads quantized; keys and values stored and loaded; the other vectors.
    """
    scheme, deep = setup.scheme, depths(modules, setup.model)
    groups, inner = modules.linear_groups, WORD_PASSES
    tp, blocks = batch.token_parallelism.astype(np.float64), batch.ffn_weight_blocks.astype(np.float64)
    sums = sum(sum_bits(group, setup) for group in groups)
    wide = sum(1 for group in groups if FFN_PROJECTIONS & set(group))
    columns = wide * batch.ffn_weight_parallelism + (len(groups) - wide) * batch.qkvo_weight_parallelism
    vectors = c.PREFILL_VECTOR_STREAMS + 2 * len(groups)
    cached = 2.0 * scheme.kv_bits * (batch.key_parallelism + batch.value_parallelism)
    operands = (len(groups) * scheme.activation_bits + 2 * sums + 5 * scheme.attention_bits) * tp
    scales = 2 * 64.0 * len(groups)
    return [
        Streams(operands + scales, 5.0 * len(groups) + 5.0, deep.operand),
        Streams(inner * scheme.weight_bits * columns, inner * (wide * blocks + (len(groups) - wide)), deep.weight),
        Streams(vectors * float(setup.value_bits) * tp, float(vectors), deep.vector),
        Streams(inner * cached, inner * 4.0, deep.cache),
    ]


def _prefill_deep_fifos(
    parts: dict[str, Part], batch: PrefillBatch, modules: PrefillModules, setup: StageSetup
) -> None:
    """FIFOs that hold a row: operands and sums of the arrays that wait for each other, the input of the Hadamard."""
    model, scheme, tp = setup.model, setup.scheme, batch.token_parallelism.astype(np.float64)
    for group in modules.linear_groups:
        part = parts[array_owner(group, "prefill")]
        if {"gate", "up"} & set(group):
            continue
        block_fifo(part, float(longest_input(group, model)), scheme.activation_bits * tp + 1)
        block_fifo(part, float(model.hidden_dim), sum_bits(group, setup) * tp + 1)
    block_fifo(parts["hadamard"], float(model.ffn_dim), float(setup.value_bits) * tp + 1)
