"""Decode stage: FlexLLM's serial chain over one GEMV engine that every linear layer reuses.

Per token: `layers x (T_w + T_att(S) + T_fht + T_vec) + T_head`. T_w: K|V, Q, O, gate, up and down back to back while
weights stream; T_att: attention at context S; T_fht: the serial Hadamard; T_vec: vector passes that nothing hides
(norm, quantizer, residual, drains, pipeline depths). Nothing overlaps weight streaming with attention, Hadamard or
norm (SpinQuant_Decoding_mem_opt.h, FlexLLM @09a6534).
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ceil_div
from cost_models.attention import decode_attention_cycles
from cost_models.linear import array_dsp, gemv_cycles
from cost_models.memory import port_bytes, stream_slowdown
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
from spec.device import Device
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.timing import TimingTable
from spec.workload import Workload

SCALE_BYTES = 8
HIDDEN_BYTES = 4

# The vocabulary is padded with zero rows to a multiple of the widest engine of the family: FlexLLM pads 128,256 rows
# to 131,072 (VOCAB_SIZE_PAD).
VOCAB_PAD_CHANNELS = 4096

_SOURCE = "FlexLLM @09a6534 {}, loop bounds"


def padded_vocab(model: ModelConfig) -> int:
    """Rows of lm_head as stored and computed."""
    return int(ceil_div(model.vocab_size, VOCAB_PAD_CHANNELS)) * VOCAB_PAD_CHANNELS


def decode_contexts(workload: Workload) -> IntArray:
    """Attended tokens of each decode step, (output_tokens,): `prompt_tokens + i` for output token i."""
    return workload.prompt_tokens + np.arange(workload.output_tokens, dtype=np.int64)


def evaluate_decode(
    batch: DecodeBatch,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    scheme: QuantScheme,
    timing: TimingTable,
) -> StageCost:
    """Cycles, modules, resources and traffic of a batch of decode designs."""
    restart = timing.loop_restart_cycles
    d, ff, q, kv, layers = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim, model.n_layers
    tb, w = batch.block_parallelism, batch.weight_parallelism
    lanes = tb * w
    slow = stream_slowdown(batch, "weights", device)

    def gemv(d_in: int, d_out: int) -> FloatArray:
        return gemv_cycles(d_in, d_out, lanes, slow, restart)

    # Scales of a pass arrive one channel a cycle; they show where a pass is shorter than that (dec_dequant_bandwidth).
    scale_stall = np.maximum(0, lanes + w - d)
    passes = {
        "kv_proj": ceil_div(2 * kv, lanes),
        "q_proj": ceil_div(q, lanes),
        "o_proj": ceil_div(d, lanes),
        "gate_up_proj": 2 * ceil_div(ff, lanes),
        "lm_head": ceil_div(padded_vocab(model), lanes),
    }
    kv_proj = gemv(d, 2 * kv) + passes["kv_proj"] * scale_stall
    q_proj = gemv(d, q) + passes["q_proj"] * scale_stall
    o_proj = gemv(q, d) + passes["o_proj"] * np.maximum(0, lanes + w - q)
    gate_up = 2 * gemv(d, ff) + passes["gate_up_proj"] * scale_stall
    down = gemv(ff, d)
    first_attention, attention = _attention(batch, model, device, workload, timing)
    hadamard = serial_hadamard_cycles(ff) / tb
    vector = _vector_cycles(batch, model, timing)
    # Insertion of a pass into the top-k lists hides under the next pass over the input, unless that is shorter.
    insert = w * timing.sampler_insert_cycles
    head = gemv(d, padded_vocab(model)) + passes["lm_head"] * np.maximum(scale_stall, np.maximum(0, insert - d))
    sampler = (
        timing.top_k * tb * timing.sampler_merge_cycles
        + insert
        + timing.sampler_tail_cycles
        + 3 * (d / batch.vector_parallelism)  # final norm reads twice, embedding row
        + 2 * (d / tb)  # its quantizer
    )
    dsp = _module_dsp(batch, timing)
    ones, zeros = np.ones(len(batch)), np.zeros(len(batch))
    kv_slow = np.maximum(stream_slowdown(batch, "k_cache", device), stream_slowdown(batch, "v_cache", device))

    def module(
        name: str, per_token: FloatArray, hbm: FloatArray, where: str, dsp_key: str | None = None
    ) -> ModuleCycles:
        return ModuleCycles(
            name, per_token, per_token, dsp.get(dsp_key or name, zeros), hbm, _SOURCE.format(where)
        )  # fmt: skip

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
    cycles = sum((m.critical for m in modules), zeros)
    first = cycles - layers * attention + layers * first_attention
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
    batch: DecodeBatch, model: ModelConfig, device: Device, workload: Workload, timing: TimingTable
) -> tuple[FloatArray, FloatArray]:
    """Attention of one layer, first step and mean of the further ones.

    The law depends on few parameters, and is summed over every context, so it is computed once per distinct row.
    """
    k_slow, v_slow = stream_slowdown(batch, "k_cache", device), stream_slowdown(batch, "v_cache", device)
    rows = np.stack([batch.head_parallelism, batch.key_parallelism, batch.value_parallelism, k_slow, v_slow])
    distinct, inverse = np.unique(rows, axis=1, return_inverse=True)
    heads, keys, channels = (distinct[i].astype(np.int64) for i in range(3))
    first, further = decode_attention_cycles(
        decode_contexts(workload), model.n_q_heads, model.head_dim, heads, keys, channels,
        distinct[3], distinct[4], timing,
    )  # fmt: skip
    if workload.output_tokens == 1:
        further = first
    return first[inverse], further[inverse]


def _vector_cycles(batch: DecodeBatch, model: ModelConfig, timing: TimingTable) -> FloatArray:
    """Vector passes of one layer that nothing hides, (n_points,).

    Two norms (two passes of D/T4) each followed by a quantizer (two of D/TB); the quantizers of O (q_dim) and down
    (ffn_dim); the write of the hidden state, awaited and read back by the next layer; four drains of the engine with
    their dequantization (1.5 W + W).
    """
    d, q, ff = model.hidden_dim, model.q_dim, model.ffn_dim
    t4, tb, w = batch.vector_parallelism, batch.block_parallelism, batch.weight_parallelism
    norms = 2 * (2 * d / t4 + 2 * d / tb)
    quantizers = 2 * q / tb + 2 * ff / tb
    write_back = d / t4 + 2 * timing.memory_access_cycles
    drains = 4 * 2.5 * w
    return norms + quantizers + write_back + drains + timing.decode_chain_depth_cycles


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

    Output channels are padded to whole passes; keys and values are read once per query head.
    """
    contexts = decode_contexts(workload)
    mean_context = float(contexts[1:].mean() if contexts.size > 1 else contexts.mean())
    d, ff, q, kv, layers = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim, model.n_layers
    lanes = batch.block_parallelism * batch.weight_parallelism
    words = port_bytes(batch, "weights")
    layer_beats = (
        ceil_div(2 * kv, lanes) * d
        + ceil_div(q, lanes) * d
        + ceil_div(d, lanes) * q
        + 2 * ceil_div(ff, lanes) * d
        + ceil_div(d, lanes) * ff
    )
    head_beats = ceil_div(padded_vocab(model), lanes) * d
    channels = layers * (2 * kv + q + d + 2 * ff + d) + padded_vocab(model)
    ones = np.ones(len(batch))
    kv_word = scheme.kv_bits / 8
    cache = layers * (mean_context * model.n_q_heads * model.head_dim * kv_word + kv * kv_word) * ones
    return {
        "weights": (layers * layer_beats + head_beats) * words,
        "scales": channels * SCALE_BYTES * ones,
        "k_cache": cache,
        "v_cache": cache,
        "io": layers * 2 * d * HIDDEN_BYTES * ones,
        "norm_weights": (2 * layers + 1) * d * HIDDEN_BYTES * ones,
        "embedding": d * HIDDEN_BYTES * ones,
    }
