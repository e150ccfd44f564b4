"""Prefill stage: FlexLLM's spatial task graph, per token block, with its overlap, fill and drain.

Phase A: K and V of all token blocks, side by side on the kq and vo arrays. Phase B, a pipeline over token blocks:
Q -> QK -> softmax -> AV -> O -> norm -> gate, up -> swish -> Hadamard -> down. Per layer

    N T_KV + T_first + (N - 1) max(T of the stages of phase B) + entries,

N = token blocks, T_first = the first block through all of phase B, entries = norm and quantizer passes that nothing
hides. Heads flow one by one from Q through attention. With h = cycles of one head in Q, QK, softmax and AV,

    T_first = T_Q,fill + h_Q + h_QK + h_SM/3 + h_AV + (Hq - 1) max(h) + T_O + T_GU + T_FHT - F + T_DN:

the softmax reads scores while QK makes them and writes while AV reads, the Hadamard reads while gate and up write.
Derived from the loop bounds of SpinQuant_Prefilling_mem_opt.h (FlexLLM @09a6534). FIFOs between stages must hold a
block, those of attention one head's scores; then a line of stages with fixed times waits for its slowest alone.
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ceil_div
from cost_models.attention import SOFTMAX_PASSES, prefill_av_cycles, prefill_qk_cycles, prefill_softmax_cycles
from cost_models.linear import array_dsp, systolic_cycles
from cost_models.memory import port_bytes, stream_slowdown, word_bytes
from cost_models.nonlinear import PREFILL_INSTANCES, lane_cost
from cost_models.resources import prefill_resources
from cost_models.stage_cost import ModuleCycles, StageCost
from cost_models.transforms import serial_hadamard_cycles
from spec.design_batch import PrefillBatch
from spec.memory_map import PREFILL_ROLES, PortRole
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.timing import TimingTable
from spec.workload import Workload

SOFTMAX_UNROLL = 4  # scores are padded to a multiple of it (FlexLLM Softmax.h)
SCALE_BYTES = 8  # fp32 {scale, row sum} a channel
HIDDEN_BYTES = 4  # fp32 hidden state between layers

_SOURCE = "FlexLLM @09a6534 {}, loop bounds"


def prefilled_tokens(workload: Workload) -> int:
    """Tokens that go through prefill: the last prompt token goes through decode."""
    return workload.prompt_tokens - 1


def padded_tokens(tokens: int, batch: PrefillBatch) -> IntArray:
    """Tokens padded to what the blocks and the softmax need, (n_points,)."""
    step = np.lcm(np.maximum(batch.token_parallelism, batch.key_parallelism), SOFTMAX_UNROLL)
    return ceil_div(tokens, step) * step


def evaluate_prefill(
    batch: PrefillBatch,
    model: ModelConfig,
    workload: Workload,
    scheme: QuantScheme,
    timing: TimingTable,
) -> StageCost:
    """Cycles, modules, resources and traffic of a batch of prefill designs."""
    restart = timing.loop_restart_cycles
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    tokens = padded_tokens(prefilled_tokens(workload), batch)
    blocks = tokens // batch.token_parallelism
    wq, wf = batch.qkvo_weight_parallelism, batch.ffn_weight_parallelism

    slow = {role: stream_slowdown(batch, role) for role in PREFILL_ROLES if role.startswith("weights")}
    k_slow, v_slow = stream_slowdown(batch, "k_cache"), stream_slowdown(batch, "v_cache")

    k = systolic_cycles(d, kv, wq, slow["weights_kq"], restart)
    v = systolic_cycles(d, kv, wq, slow["weights_vo"], restart)
    block_cycles: dict[str, FloatArray] = {
        "q_proj": systolic_cycles(d, q, wq, slow["weights_kq"], restart),
        "attention_qk": prefill_qk_cycles(
            tokens, model.n_q_heads, model.head_dim, batch.key_parallelism, k_slow, restart
        ),
        "attention_softmax": prefill_softmax_cycles(tokens, model.n_q_heads),
        "attention_av": prefill_av_cycles(
            tokens, model.n_q_heads, model.head_dim, batch.value_parallelism, v_slow, restart
        ),
        "o_proj": systolic_cycles(q, d, wq, slow["weights_vo"], restart),
        "gate_up_proj": np.maximum(
            systolic_cycles(d, ff, wf, slow["weights_gate"], restart),
            systolic_cycles(d, ff, wf, slow["weights_up"], restart),
        ),
        "hadamard": np.full(len(batch), serial_hadamard_cycles(ff, 1, restart)),
        "down_proj": systolic_cycles(ff, d, wf, slow["weights_down"], restart),
    }
    names = list(block_cycles)
    stacked = np.stack(list(block_cycles.values()))
    slowest_index, slowest = stacked.argmax(axis=0), stacked.max(axis=0)
    first_block = _first_block_cycles(block_cycles, model)
    # Before K and V: the norm reads, then it writes while the quantizer reads. Before gate and up: the norm writes. Before
    # Q both are done while the array is busy with K. The quantizer writes while an array fills, which is counted there.
    entries = np.full(len(batch), 3.0 * d)

    layers = model.n_layers
    running = (tokens > 0) * float(layers)
    kv_proj = np.maximum(k, v)
    kv_hbm = np.maximum(slow["weights_kq"], slow["weights_vo"])
    hbm = {
        "q_proj": slow["weights_kq"],
        "attention_qk": k_slow,
        "attention_av": v_slow,
        "o_proj": slow["weights_vo"],
        "gate_up_proj": np.maximum(slow["weights_gate"], slow["weights_up"]),
        "down_proj": slow["weights_down"],
    }
    dsp = _module_dsp(batch, timing)
    ones, zeros = np.ones(len(batch)), np.zeros(len(batch))
    modules = [
        ModuleCycles(
            "kv_proj",
            running * blocks * kv_proj,
            running * blocks * kv_proj,
            zeros,
            kv_hbm,
            _SOURCE.format("Linear_Layer.h; K on the kq array beside V on the vo array"),
        )
    ]
    for i, name in enumerate(names):
        critical = first_block[name] + np.where(slowest_index == i, (blocks - 1) * slowest, 0.0)
        modules.append(
            ModuleCycles(
                name,
                running * critical,
                running * blocks * block_cycles[name],
                dsp.get(name, zeros),
                hbm.get(name, ones),
                _SOURCE.format(_FILES[name]),
            )
        )
    modules.append(
        ModuleCycles(
            "norm_and_quant",
            running * entries,
            running * blocks * entries,
            dsp["norm_and_quant"],
            ones,
            _SOURCE.format("LayerNorm.h, quant.h"),
        )
    )
    total = running * (blocks * kv_proj + sum(first_block.values()) + (blocks - 1) * slowest + entries)
    return StageCost(
        stage="prefill",
        cycles=total,
        first_cycles=total,
        clock_mhz=batch.clock_mhz,
        modules=tuple(modules),
        resources=prefill_resources(batch, model, workload, timing),
        traffic_bytes=prefill_traffic_bytes(batch, model, tokens, scheme),
    )


def _first_block_cycles(block_cycles: dict[str, FloatArray], model: ModelConfig) -> dict[str, FloatArray]:
    """What each stage of phase B adds to the time of the first token block from the entry to the end, (n_points,) each.

    Q and attention work head by head side by side: one head through all four, and the others in the slowest of them.
    """
    fill, heads = float(model.hidden_dim), model.n_q_heads
    per_head = {"q_proj": (block_cycles["q_proj"] - fill) / heads}
    per_head.update({name: block_cycles[name] / heads for name in _ATTENTION})
    stacked = np.stack(list(per_head.values()))
    slowest_index, slowest = stacked.argmax(axis=0), stacked.max(axis=0)
    first = dict(block_cycles)
    for i, name in enumerate(per_head):
        alone = per_head[name] / SOFTMAX_PASSES if name == "attention_softmax" else per_head[name]
        first[name] = alone + np.where(slowest_index == i, (heads - 1) * slowest, 0.0)
    first["hadamard"] = block_cycles["hadamard"] - model.ffn_dim
    first["q_proj"] = first["q_proj"] + fill
    return first


_ATTENTION = ("attention_qk", "attention_softmax", "attention_av")
_FILES = {
    "q_proj": "Linear_Layer.h",
    "attention_qk": "MHA.h",
    "attention_softmax": "Softmax.h",
    "attention_av": "MHA.h",
    "o_proj": "Linear_Layer.h",
    "gate_up_proj": "Linear_Layer.h",
    "hadamard": "quant.h pref_FHT",
    "down_proj": "Linear_Layer.h",
}


def _module_dsp(batch: PrefillBatch, timing: TimingTable) -> dict[str, FloatArray]:
    """DSP of each module; the kq array is counted under q_proj, the vo array under o_proj."""
    tp = batch.token_parallelism
    ffn = array_dsp(tp, batch.ffn_weight_parallelism)
    qkvo = array_dsp(tp, batch.qkvo_weight_parallelism)

    def lanes(*modules: str) -> FloatArray:
        instances = {name: PREFILL_INSTANCES[name] for name in modules}
        return (tp * lane_cost(instances, timing).dsp).astype(np.float64)

    return {
        "q_proj": qkvo + lanes("rope"),
        "attention_qk": array_dsp(tp, batch.key_parallelism) + lanes("static_quant"),
        "attention_softmax": lanes("softmax"),
        "attention_av": array_dsp(tp, batch.value_parallelism) + lanes("static_dequant"),
        "o_proj": qkvo + lanes("residual"),
        "gate_up_proj": 2 * ffn + lanes("swish", "gate"),
        "hadamard": lanes("hadamard"),
        "down_proj": ffn.astype(np.float64),
        "norm_and_quant": lanes("norm", "quant", "dequant"),
    }


def prefill_traffic_bytes(
    batch: PrefillBatch, model: ModelConfig, tokens: IntArray, scheme: QuantScheme
) -> dict[PortRole, FloatArray]:
    """Bytes each role moves in the whole prefill, (n_points,) each.

    Weights are streamed again for every token block; keys and values are read once per query head and block. All at the
    full port word: surplus lanes are fetched and dropped.
    """
    blocks = tokens // batch.token_parallelism
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    layers = float(model.n_layers)
    reads = layers * blocks * model.n_q_heads
    key_beats = ceil_div(tokens, batch.key_parallelism) * model.head_dim
    value_beats = model.head_dim // batch.value_parallelism * tokens
    written = layers * tokens * kv * scheme.kv_bits / 8
    scale = layers * blocks * SCALE_BYTES
    weights = {role: blocks * stored for role, stored in stored_weight_bytes(batch, model).items()}
    return {
        **weights,
        "k_cache": reads * key_beats * word_bytes(batch, "k_cache") + written,
        "v_cache": reads * value_beats * word_bytes(batch, "v_cache") + written,
        "scales_kq": scale * (kv + q),
        "scales_vo": scale * (kv + d),
        "scales_gate": scale * ff,
        "scales_up": scale * ff,
        "scales_down": scale * d,
        "io": layers * tokens * d * HIDDEN_BYTES * 3.0,  # read in both phases, written once
        "norm_weights": layers * 2 * d * HIDDEN_BYTES * np.ones(len(batch)),
    }


def stored_weight_bytes(batch: PrefillBatch, model: ModelConfig) -> dict[PortRole, FloatArray]:
    """Bytes of the weights of each role as they lie in memory, (n_points,) each: padded to passes and port words."""
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    wq, wf = batch.qkvo_weight_parallelism, batch.ffn_weight_parallelism
    kv_beats, into_ffn = ceil_div(kv, wq) * d, ceil_div(ff, wf) * d
    beats: dict[PortRole, IntArray] = {
        "weights_kq": kv_beats + ceil_div(q, wq) * d,
        "weights_vo": kv_beats + ceil_div(d, wq) * q,
        "weights_gate": into_ffn,
        "weights_up": into_ffn,
        "weights_down": ceil_div(d, wf) * ff,
    }
    return {role: model.n_layers * count * port_bytes(batch, role) for role, count in beats.items()}
