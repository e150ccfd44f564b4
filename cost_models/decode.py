"""Decode stage: FlexLLM's serial chain over one GEMV engine that every linear layer reuses.

Per token: `layers x (T_w + T_att(S) + T_fht + T_vec) + T_head`. T_w: K|V, Q, O, gate, up and down back to back while
weights stream; T_att: attention at context S; T_fht: the serial Hadamard; T_vec: vector passes that nothing hides
(norm, quantizer, residual, drains, pipeline depths). Nothing overlaps weight streaming with attention, Hadamard or
norm (SpinQuant_Decoding_mem_opt.h, FlexLLM @09a6534).
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ceil_div, distinct_rows
from cost_models.attention import decode_attention_cycles, mean_key_tiles
from cost_models.linear import array_dsp, gemv_cycles
from cost_models.memory import port_bytes, stream_slowdown, word_bytes
from cost_models.nonlinear import (
    DECODE_BLOCK_INSTANCES,
    DECODE_HEAD_INSTANCES,
    DECODE_SINGLE_INSTANCES,
    DECODE_VECTOR_INSTANCES,
    lane_cost,
)
from cost_models.resources import decode_resources
from cost_models.stage_cost import ModuleCycles, StageCost
from cost_models.transforms import serial_hadamard_cycles
from spec.design_batch import DecodeBatch
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.timing import TimingTable
from spec.workload import Workload

SCALE_BYTES = 8
HIDDEN_BYTES = 4

_SOURCE = "FlexLLM @09a6534 {}, loop bounds"


def evaluate_decode(
    batch: DecodeBatch,
    model: ModelConfig,
    workload: Workload,
    scheme: QuantScheme,
    timing: TimingTable,
) -> StageCost:
    """Cycles, modules, resources and traffic of a batch of decode designs."""
    restart = timing.loop_restart_cycles
    d, ff, q, kv, layers = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim, model.n_layers
    tb, w = batch.block_parallelism, batch.weight_parallelism
    lanes = tb * w
    slow = stream_slowdown(batch, "weights")
    # Insertion of a pass into the top-k lists hides under the next pass over the input, unless that is shorter.
    insert = w * timing.sampler_insert_cycles

    def gemv(d_in: int, d_out: int, beside: IntArray | FloatArray) -> FloatArray:
        # `beside` are cycles beside a pass that hide under it, unless it is shorter.
        stall = np.maximum(0.0, beside - d_in * slow)
        return gemv_cycles(d_in, d_out, lanes, slow, restart) + ceil_div(d_out, lanes) * stall

    # Scales of a pass arrive one channel a cycle, then its outputs leave (FlexLLM dec_dequant_layer_*_bandwidth).
    scales = lanes + w
    kv_proj, q_proj, o_proj = gemv(d, 2 * kv, scales), gemv(d, q, scales), gemv(q, d, scales)
    gate_up, down = 2 * gemv(d, ff, scales), gemv(ff, d, scales)
    head = gemv(d, model.padded_vocab_size, np.maximum(scales, insert))
    first_attention, attention = _attention(batch, model, workload, timing)
    hadamard = serial_hadamard_cycles(ff, tb, restart)
    vector = _vector_cycles(batch, model, timing)
    sampler = (
        timing.top_k * tb * timing.sampler_merge_cycles
        + insert
        + timing.sampler_tail_cycles
        + 2 * (d / batch.vector_parallelism + d / tb)  # final norm and its quantizer
        + d / _port_lanes(batch, "embedding")  # row of the new token
    )
    dsp = _module_dsp(batch, timing)
    ones, zeros = np.ones(len(batch)), np.zeros(len(batch))
    kv_slow = np.maximum(stream_slowdown(batch, "k_cache"), stream_slowdown(batch, "v_cache"))

    def module(name: str, per_token: FloatArray, hbm: FloatArray, where: str) -> ModuleCycles:
        return ModuleCycles(name, per_token, per_token, dsp.get(name, zeros), hbm, _SOURCE.format(where))

    modules = (
        module("kv_proj", layers * kv_proj, slow, "Linear_Layer.h"),
        module("q_proj", layers * q_proj, slow, "Linear_Layer.h"),
        module("attention", layers * attention, kv_slow, "MHA.h, Softmax.h"),
        module("o_proj", layers * o_proj, slow, "Linear_Layer.h"),
        module("gate_up_proj", layers * gate_up, slow, "Linear_Layer.h"),
        module("hadamard", layers * hadamard, ones, "quant.h dec_FHT"),
        module("down_proj", layers * down, slow, "Linear_Layer.h"),
        module("vector_passes", layers * vector, ones, "LayerNorm.h, quant.h, data_io.h; depths from TimingTable"),
        module("lm_head", head, slow, "Linear_Layer.h"),
        module("sampler", sampler, ones, "Logits.h; tail from TimingTable"),
    )
    besides = sum((m.critical for m in modules if m.name != "attention"), zeros)
    cycles, first = besides + layers * attention, besides + layers * first_attention
    return StageCost(
        stage="decode",
        cycles=cycles if workload.output_tokens > 1 else zeros,
        first_cycles=first,
        clock_mhz=batch.clock_mhz,
        modules=modules,
        resources=decode_resources(batch, model, workload, timing),
        traffic_bytes=decode_traffic_bytes(batch, model, workload, scheme),
    )


def _attention(
    batch: DecodeBatch, model: ModelConfig, workload: Workload, timing: TimingTable
) -> tuple[FloatArray, FloatArray]:
    """Attention of one layer, first step and mean of the further ones, computed once for each distinct row."""
    heads, keys, channels = batch.head_parallelism, batch.key_parallelism, batch.value_parallelism
    k_slow, v_slow = stream_slowdown(batch, "k_cache"), stream_slowdown(batch, "v_cache")
    one, inverse = distinct_rows(heads, keys, channels, k_slow, v_slow)
    first, further = decode_attention_cycles(
        workload, model.n_q_heads, model.head_dim,
        heads[one], keys[one], channels[one], k_slow[one], v_slow[one], timing,
    )  # fmt: skip
    if workload.output_tokens == 1:
        further = first
    return first[inverse], further[inverse]


def _vector_cycles(batch: DecodeBatch, model: ModelConfig, timing: TimingTable) -> FloatArray:
    """Vector passes of one layer that nothing hides, (n_points,).

    Two norms (two passes of D/T4) each followed by a quantizer (two of D/TB); the quantizers of O (q_dim) and down
    (ffn_dim); the write of the hidden state over its port, awaited and read back by the next layer; four drains of the
    engine with their dequantization (1.5 W + W). Norm weights are fetched beforehand.
    """
    d, q, ff = model.hidden_dim, model.q_dim, model.ffn_dim
    t4, tb, w = batch.vector_parallelism, batch.block_parallelism, batch.weight_parallelism
    norms = 2 * (2 * d / t4 + 2 * d / tb)
    quantizers = 2 * q / tb + 2 * ff / tb
    write_back = d / _port_lanes(batch, "io") + 2 * timing.memory_access_cycles
    drains = 4 * 2.5 * w
    return norms + quantizers + write_back + drains + timing.decode_chain_depth_cycles


def _port_lanes(batch: DecodeBatch, role: PortRole) -> FloatArray:
    """fp32 values that pass between a port of `role` and the vector lanes each cycle, (n_points,)."""
    return np.minimum(batch.vector_parallelism, word_bytes(batch, role) / HIDDEN_BYTES)


def _module_dsp(batch: DecodeBatch, timing: TimingTable) -> dict[str, FloatArray]:
    """DSP by module; the one GEMV engine that all linear layers share is counted under gate_up_proj."""
    hp = batch.head_parallelism
    attention = array_dsp(hp, batch.key_parallelism) + array_dsp(hp, batch.value_parallelism)
    blocks = {name: n for name, n in DECODE_BLOCK_INSTANCES.items() if name != "hadamard"}
    return {
        "gate_up_proj": array_dsp(batch.block_parallelism, batch.weight_parallelism).astype(np.float64),
        "attention": (attention + hp * lane_cost(DECODE_HEAD_INSTANCES, timing).dsp).astype(np.float64),
        "hadamard": (batch.block_parallelism * lane_cost({"hadamard": 1}, timing).dsp).astype(np.float64),
        "vector_passes": (
            batch.block_parallelism * lane_cost(blocks, timing).dsp
            + batch.vector_parallelism * lane_cost(DECODE_VECTOR_INSTANCES, timing).dsp
        ).astype(np.float64),
        "sampler": np.full(len(batch), float(lane_cost(DECODE_SINGLE_INSTANCES, timing).dsp)),
    }


def decode_traffic_bytes(
    batch: DecodeBatch, model: ModelConfig, workload: Workload, scheme: QuantScheme
) -> dict[PortRole, FloatArray]:
    """Bytes each role moves in the mean decode step after the first (the only step if there is one), (n_points,) each.

    Output channels are padded to whole passes. Keys and values are read once per query head, at the full port word
    (surplus lanes are fetched and dropped), and written once.
    """
    contexts_to = workload.context_tokens
    contexts_from = workload.prompt_tokens + (1 if workload.output_tokens > 1 else 0)
    mean_context = (contexts_from + contexts_to) / 2
    d, heads, layers = model.hidden_dim, model.n_q_heads, model.n_layers
    key_beats = heads * mean_key_tiles(workload, batch.key_parallelism) * model.head_dim
    value_beats = heads * (model.head_dim // batch.value_parallelism) * mean_context
    written = model.kv_dim * scheme.kv_bits / 8
    channels = layers * (2 * model.kv_dim + model.q_dim + d + 2 * model.ffn_dim + d) + model.padded_vocab_size
    ones = np.ones(len(batch))
    return {
        "weights": stored_weight_bytes(batch, model),
        "scales": channels * SCALE_BYTES * ones,
        "k_cache": layers * (key_beats * word_bytes(batch, "k_cache") + written),
        "v_cache": layers * (value_beats * word_bytes(batch, "v_cache") + written),
        "io": layers * 2 * d * HIDDEN_BYTES * ones,
        "norm_weights": (2 * layers + 1) * d * HIDDEN_BYTES * ones,
        "embedding": d * HIDDEN_BYTES * ones,
    }


def stored_weight_bytes(batch: DecodeBatch, model: ModelConfig) -> FloatArray:
    """Bytes of all weights as they lie in memory and are read once a token: output channels padded to whole passes."""
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    lanes = batch.block_parallelism * batch.weight_parallelism
    layer_beats = (
        ceil_div(2 * kv, lanes) * d
        + ceil_div(q, lanes) * d
        + ceil_div(d, lanes) * q
        + 2 * ceil_div(ff, lanes) * d
        + ceil_div(d, lanes) * ff
    )
    head_beats = ceil_div(model.padded_vocab_size, lanes) * d
    return (model.n_layers * layer_beats + head_beats) * port_bytes(batch, "weights")
