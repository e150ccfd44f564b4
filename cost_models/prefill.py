"""Prefill stage: FlexLLM's spatial task graph, per token block, with its overlap, fill and drain.

Phase A: K and V of all token blocks, side by side on the kq and vo arrays. Phase B, a pipeline over token blocks:
Q -> QK -> softmax -> AV -> O -> norm -> gate, up -> swish -> Hadamard -> down. Per layer

    N T_KV + N max(stages of phase B) + (T_Q + T_O + T_GU + T_FHT) + entries,

N = token blocks. Derived from the loop bounds of SpinQuant_Prefilling_mem_opt.h (FlexLLM @09a6534); entries = norm and
quantizer passes at the three entries of a layer and one head through attention.
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ceil_div
from cost_models.attention import prefill_av_cycles, prefill_qk_cycles, prefill_softmax_cycles
from cost_models.linear import array_dsp, systolic_cycles
from cost_models.memory import port_bytes, stream_slowdown
from cost_models.nonlinear import PREFILL_INSTANCES, lane_cost
from cost_models.resources import prefill_resources
from cost_models.stage_cost import ModuleCycles, StageCost
from cost_models.transforms import serial_hadamard_cycles
from spec.design_batch import PrefillBatch
from spec.device import Device
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
    device: Device,
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

    slow = {role: stream_slowdown(batch, role, device) for role in PREFILL_ROLES if role.startswith("weights")}
    k_slow = stream_slowdown(batch, "k_cache", device)
    v_slow = stream_slowdown(batch, "v_cache", device)

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
        "hadamard": np.full(len(batch), serial_hadamard_cycles(ff)),
        "down_proj": systolic_cycles(ff, d, wf, slow["weights_down"], restart),
    }
    names = list(block_cycles)
    stacked = np.stack(list(block_cycles.values()))
    slowest_index = stacked.argmax(axis=0)
    slowest = stacked.max(axis=0)

    fill = {name: block_cycles[name] for name in ("q_proj", "o_proj", "gate_up_proj", "hadamard")}
    # Norm reads twice, the quantizer twice, at the entries of phase A, phase B and the FFN.
    entries = np.full(len(batch), 3.0 * (2 * d + 2 * d))
    one_head = (block_cycles["attention_qk"] + block_cycles["attention_softmax"] + block_cycles["attention_av"]) / (
        model.n_q_heads
    )

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
        critical = np.where(slowest_index == i, blocks * slowest, 0.0)
        if name in fill:
            critical = critical + fill[name]
        if name.startswith("attention"):
            critical = critical + block_cycles[name] / model.n_q_heads
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
            running * blocks * entries / 3 * 2,
            dsp["norm_and_quant"],
            ones,
            _SOURCE.format("LayerNorm.h, quant.h"),
        )
    )
    total = running * (blocks * kv_proj + blocks * slowest + sum(fill.values()) + entries + one_head)
    return StageCost(
        stage="prefill",
        cycles=total,
        first_cycles=total,
        clock_mhz=batch.clock_mhz,
        modules=tuple(modules),
        resources=prefill_resources(batch, model, workload, timing),
        traffic_bytes=prefill_traffic_bytes(batch, model, tokens, scheme),
    )


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

    Weights are streamed again for every token block, at the full port word (surplus lanes are fetched and dropped);
    keys and values are read once per query head and block.
    """
    blocks = tokens // batch.token_parallelism
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    wq, wf = batch.qkvo_weight_parallelism, batch.ffn_weight_parallelism

    def weights(role: PortRole, *shapes: tuple[int, int, IntArray]) -> FloatArray:
        words = port_bytes(batch, role)
        beats = sum(ceil_div(d_out, lanes) * d_in for d_in, d_out, lanes in shapes)
        return model.n_layers * blocks * beats * words

    head = model.n_q_heads * model.head_dim * scheme.kv_bits / 8
    cache_write = tokens * kv * scheme.kv_bits / 8
    layers = float(model.n_layers)
    scale = layers * blocks * SCALE_BYTES
    return {
        "weights_kq": weights("weights_kq", (d, kv, wq), (d, q, wq)),
        "weights_vo": weights("weights_vo", (d, kv, wq), (q, d, wq)),
        "weights_gate": weights("weights_gate", (d, ff, wf)),
        "weights_up": weights("weights_up", (d, ff, wf)),
        "weights_down": weights("weights_down", (ff, d, wf)),
        "k_cache": layers * (blocks * tokens * head + cache_write),
        "v_cache": layers * (blocks * tokens * head + cache_write),
        "scales_kq": scale * (kv + q),
        "scales_vo": scale * (kv + d),
        "scales_gate": scale * ff,
        "scales_up": scale * ff,
        "scales_down": scale * d,
        "io": layers * tokens * d * HIDDEN_BYTES * 3.0,  # read in both phases, written once
        "norm_weights": layers * 2 * d * HIDDEN_BYTES * np.ones(len(batch)),
    }
