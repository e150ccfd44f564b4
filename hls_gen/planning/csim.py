"""What C simulation runs and compares: full widths, few layers, tokens and rows of lm_head."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.decode import cache_words, head_rows, weight_words
from hls_gen.planning.hmt import prompt_words, small_plugin
from hls_gen.planning.types import CsimCase, CsimPlan, DecodePlan, HmtPlan, PortPlan, PrefillPlan
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme

CSIM_BLOCKS = 2  # token blocks of prefill: what blocks do to each other shows between two neighbours
CSIM_DECODE_TOKENS = 2
CSIM_WHOLE_SEGMENTS = 2  # of a prompt that goes segment by segment; a shorter one follows
CSIM_HEAD_PASSES = 3  # of lm_head: first, one in the middle, and a ragged last one
SMALL_LAYER_WEIGHTS = 4_000_000  # a layer of so many weights or fewer is simulated twice, with its neighbour


def csim_model(model: ModelConfig, pass_channels: int) -> ModelConfig:
    """The model with as many layers and rows of lm_head as C simulation computes."""
    layers = min(model.n_layers, 2 if model.layer_linear_weights <= SMALL_LAYER_WEIGHTS else 1)
    vocab = min(model.vocab_size, (CSIM_HEAD_PASSES - 1) * pass_channels + max(2, pass_channels // 3))
    return model.model_copy(update={"n_layers": layers, "vocab_size": vocab})


def planned_cases(
    prefill: PrefillPlan, decode: DecodePlan, plan: CsimPlan, scheme: QuantScheme
) -> tuple[CsimCase, ...]:
    """All comparisons of a run."""
    return (*prefill_cases(prefill, plan, scheme), *decode_cases(decode, plan, scheme))


def plan_csim(model: ModelConfig, prefill: PrefillPlan, decode: DecodePlan, scheme: QuantScheme, seed: int) -> CsimPlan:
    """Sizes, tokens and comparisons."""
    small = csim_model(model, decode.block_parallelism * decode.weight_parallelism)
    hmt = None if prefill.hmt is None else small_plugin(prefill.hmt.plugin)
    tokens = CSIM_BLOCKS * prefill.token_parallelism
    if hmt is not None:
        tokens = CSIM_WHOLE_SEGMENTS * hmt.segment_tokens + max(1, hmt.segment_tokens - 2)
    ids = np.random.default_rng([seed, 1]).integers(0, small.vocab_size, tokens + 1)
    plan = CsimPlan(small, tokens, CSIM_DECODE_TOKENS, tuple(int(i) for i in ids), hmt=hmt)
    return dataclasses.replace(plan, cases=planned_cases(prefill, decode, plan, scheme))


def _qkv_cases(model: ModelConfig, scheme: QuantScheme) -> list[tuple[str, str, str, int]]:
    """(stream, module, name in the reference's trace, channels) of what both stages make of K and Q."""
    rotated = "hadamard" if scheme.transforms_heads else "rope"
    return [
        ("rotated", rotated, f"k_{rotated}", model.kv_dim),
        ("rotated", rotated, f"q_{rotated}", model.q_dim),
        ("quantized_keys", "quantize_static", "k8", model.kv_dim),
        ("quantized_values", "quantize_static", "v8", model.kv_dim),
        ("queries", "quantize_static", "q8", model.q_dim),
    ]


def decode_cases(decode: DecodePlan, plan: CsimPlan, scheme: QuantScheme) -> Iterator[CsimCase]:
    """Runs of values on each tapped stream of the decode kernel, token after token, in the order of the program."""
    model = plan.model
    rows_of_head = head_rows(decode, model.vocab_size)
    rows: list[tuple[str, str, str, int]] = [("embedding", "embedding", "embedding", model.hidden_dim)]
    for layer in range(model.n_layers):
        of_layer = [
            ("normed", "rms_norm", "rms_norm_1", model.hidden_dim),
            ("qkv", "gemv", "k", model.kv_dim),
            ("qkv", "gemv", "q", model.q_dim),
            ("qkv", "gemv", "v", model.kv_dim),
            *_qkv_cases(model, scheme),
            ("attention", "attention", "attention", model.q_dim),
            ("branch", "gemv", "o_proj", model.hidden_dim),
            ("residual", "residual", "residual_1", model.hidden_dim),
            ("normed", "rms_norm", "rms_norm_2", model.hidden_dim),
            ("gate", "gemv", "gate", model.ffn_dim),
            ("up", "gemv", "up", model.ffn_dim),
            ("swiglu_out", "swiglu", "swiglu", model.ffn_dim),
            *([("hidden_out", "hadamard", "hadamard", model.ffn_dim)] if scheme.transforms_down_input else []),
            ("branch", "gemv", "down", model.hidden_dim),
            ("residual", "residual", "residual_2", model.hidden_dim),
        ]
        rows += [(stream, module, f"layer.{layer}.{name}", values) for stream, module, name, values in of_layer]
    rows += [
        ("normed", "rms_norm", "final_norm", model.hidden_dim),
        ("sinks[3]", "gemv", "logits", rows_of_head),
        ("chosen", "sampler", "token", 1),
    ]
    for token in range(plan.decode_tokens):
        for stream, module, name, values in rows:
            yield CsimCase("decode", module, name, f"decode.{stream}", plan.position + token, 1, 1, values)


def prefill_cases(prefill: PrefillPlan, plan: CsimPlan, scheme: QuantScheme) -> Iterator[CsimCase]:
    """Runs of values on each tapped stream of the prefill kernel, block after block of each layer's two phases."""
    model, tp = plan.model, prefill.token_parallelism
    heads = "biased" if model.qkv_bias else "kq_results"
    values_of = "unbiased_values" if model.qkv_bias else "vo_ways[0]"
    rotated = "hadamard" if scheme.transforms_heads else "rope"
    key_phase = [
        ("normed_1", "rms_norm", "rms_norm_1", model.hidden_dim),
        (heads, "systolic", "k", model.kv_dim),
        (values_of, "systolic", "v", model.kv_dim),
        ("rotated", rotated, f"k_{rotated}", model.kv_dim),
        ("quantized_keys", "quantize_static", "k8", model.kv_dim),
        ("quantized_values", "quantize_static", "v8", model.kv_dim),
    ]
    main_phase = [
        ("normed_1", "rms_norm", "rms_norm_1", model.hidden_dim),
        (heads, "systolic", "q", model.q_dim),
        ("rotated", rotated, f"q_{rotated}", model.q_dim),
        ("queries", "quantize_static", "q8", model.q_dim),
        ("vo_sources[1]", "attention", "attention", model.q_dim),
        ("vo_ways[1]", "systolic", "o_proj", model.hidden_dim),
        ("residual_1", "residual", "residual_1", model.hidden_dim),
        ("normed_2", "rms_norm", "rms_norm_2", model.hidden_dim),
        ("gate_results", "systolic", "gate", model.ffn_dim),
        ("up_results", "systolic", "up", model.ffn_dim),
        ("hidden" if scheme.transforms_down_input else "down_in", "swiglu", "swiglu", model.ffn_dim),
        *([("down_in", "hadamard", "hadamard", model.ffn_dim)] if scheme.transforms_down_input else []),
        ("down_results", "systolic", "down", model.hidden_dim),
        ("residual_2", "residual", "residual_2", model.hidden_dim),
    ]
    for window, tokens in enumerate(window_rows(plan)):
        for layer in range(model.n_layers):
            for phase in (key_phase, main_phase):
                for first in range(0, tokens, tp):
                    valid = min(tp, tokens - first)
                    for stream, module, name, values in phase:
                        yield CsimCase(
                            "prefill", module, f"layer.{layer}.{name}", f"prefill.{stream}", first, tp, valid,
                            tp * values, window,
                        )  # fmt: skip
    if prefill.hmt is not None and plan.hmt is not None:
        yield from hmt_cases(prefill.hmt, plan, tp)


def window_rows(plan: CsimPlan) -> tuple[int, ...]:
    """Rows of each prefill of the run: one of all tokens, or the windows of an HMT plug-in in their order."""
    if plan.hmt is None:
        return (plan.prefill_tokens,)
    hmt, left = plan.hmt, plan.prefill_tokens
    rows: list[int] = []
    while left > 0:
        tokens = min(left, hmt.segment_tokens)
        first = left == plan.prefill_tokens
        rows += [] if first else [hmt.window("summary", tokens, 1).rows]
        rows.append(hmt.window("memory", tokens, 1, first=first).rows)
        left -= tokens
    return tuple(rows)


def hmt_cases(hmt: HmtPlan, plan: CsimPlan, tp: int) -> Iterator[CsimCase]:
    """Runs of values on each tapped stream of the plug-in, window after window."""
    d = plan.model.hidden_dim
    retrieved = [
        ("sinks[0]", "hmt_engine", "query", d),
        ("scores", "hmt_retrieval", "scores", hmt.memories),
        ("weights", "hmt_retrieval", "weights", hmt.memories),
        ("prompt", "hmt_retrieval", "prompt", d),
    ]
    remembered = [("memory_row", "hmt_window", "memory", d), ("sinks[3]", "hmt_engine", "key", d)]
    rows = window_rows(plan)
    for window, count in enumerate(rows):
        for first in range(0, count, tp):
            yield CsimCase("prefill", "hmt_window", "hmt.window", "prefill.hmt_window", first, tp, tp, tp * d, window)
        is_summary, is_last = window % 2 == 1, window == len(rows) - 1
        for stream, module, name, values in retrieved if is_summary else () if is_last else remembered:
            yield CsimCase("prefill", module, f"hmt.{name}", f"prefill.hmt_{stream}", 0, 1, 1, values, window)


def decode_memories(plan: DecodePlan, csim: CsimPlan) -> dict[str, tuple[int, int]]:
    """(words of memory, words that an image fills) of each port in C simulation."""
    model = csim.model
    weights = weight_words(plan, model.n_layers, model.vocab_size)
    pairs = plan.scale_port.width_bits // 64
    rows = head_rows(plan, model.vocab_size)
    scales = model.n_layers * plan.layer_scale_words + ceil_div(rows, pairs)
    norm = ceil_div(32 * model.hidden_dim, plan.parameter_port.width_bits)
    parameters = plan.first_layer_word + model.n_layers * plan.layer_parameter_words + norm
    sizes = {
        plan.scale_port.name: (scales, scales),
        plan.parameter_port.name: (parameters, parameters),
        plan.io_port.name: (plan.state_words, 0),
    }
    for i, port in enumerate(plan.embedding_ports):
        rows_here = max(0, min(plan.embedding_rows_per_port, model.vocab_size - i * plan.embedding_rows_per_port))
        sizes[port.name] = (max(1, rows_here * plan.embedding_row_words), rows_here * plan.embedding_row_words)
    for port in plan.weight_ports:
        sizes[port.name] = (weights, weights)
    for lane in plan.head_lanes:
        for port, layout in ((lane.k_port, plan.key_layout), (lane.v_port, plan.value_layout)):
            words = cache_words(plan, layout, model.n_layers) + (weights if plan.cache_is_shared else 0)
            sizes[port.name] = (words, words)
    return sizes


def prefill_memories(plan: PrefillPlan, csim: CsimPlan) -> dict[str, tuple[int, int]]:
    """(words of memory, words that an image fills) of each port in C simulation."""
    model = csim.model
    longest = max(window_rows(csim))
    x_words = ceil_div(longest, plan.token_parallelism) * model.hidden_dim * plan.vector_words
    parameters = plan.first_layer_word + model.n_layers * plan.layer_parameter_words
    sizes = {
        plan.io_port.name: (x_words, x_words if plan.hmt is None else 0),
        plan.parameter_port.name: (parameters, parameters),
        plan.k_port.name: (model.n_layers * model.n_kv_heads * plan.key_layout.words_per_head, 0),
        plan.v_port.name: (model.n_layers * model.n_kv_heads * plan.value_layout.words_per_head, 0),
    }
    for engine in plan.engines:
        for port in engine.weight_ports:
            sizes[port.name] = (model.n_layers * engine.layer_weight_words,) * 2
        sizes[engine.scale_port.name] = (model.n_layers * engine.layer_scale_words,) * 2
    if plan.hmt is not None:
        sizes[plan.hmt.io_port.name] = (prompt_words(plan.hmt, csim.prefill_tokens),) * 2
        sizes |= {port.name: (plan.hmt.port_words,) * 2 for port in plan.hmt.weight_ports}
    return sizes


def with_memories(ports: tuple[PortPlan, ...], sizes: dict[str, tuple[int, int]]) -> tuple[PortPlan, ...]:
    """The ports with the sizes of their memories in C simulation, which co-simulation needs to know."""
    return tuple(
        dataclasses.replace(port, csim_words=sizes[port.name][0], image_words=sizes[port.name][1]) for port in ports
    )
