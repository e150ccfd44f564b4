"""The decode kernel: one datapath whose GEMV engine serves every linear layer in turn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from hls_gen.planning import cycle_laws
from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.kernel import (
    cache_layout,
    head_transform_streams,
    plan_kernel,
    sections_of,
    streaming_transform_lanes,
    transform_lanes,
    transform_order,
)
from hls_gen.planning.ports import SCALE_PAIR_BITS, ports_of, single_port
from hls_gen.planning.types import (
    CacheLayout,
    DecodePlan,
    HeadLanePlan,
    LaneUnitPlan,
    LinearPlan,
    ModuleCycles,
    PortPlan,
)
from spec.design_point import DecodeDesign, DesignPoint
from spec.errors import InputError
from spec.fifo_depths import fifo_depths
from spec.library_units import ATTENTION_RESULT_LANES
from spec.memory_map import PortRole
from spec.model_config import ModelConfig

MAX_TOP_K = 8
SCALARS = (
    "first_token", "first_position", "max_tokens", "layers", "vocab", "stop_token", "top_k", "inverse_temperature", "seed",
)  # fmt: skip


def padded_rows(rows: int, lanes: int) -> int:
    """Output channels in whole words of `lanes`; the surplus has weights and scales 0."""
    return ceil_div(rows, lanes) * lanes


def _linear(
    decode: DecodeDesign,
    name: str,
    projections: tuple[str, ...],
    d_in: int,
    rows: int,
    weight_word: int,
    scale_word: int,
    sub_engines: int,
) -> LinearPlan:
    tb, w = decode.block_parallelism, decode.weight_parallelism
    if d_in % tb:
        raise InputError(
            f"block_parallelism does not divide the input of {name}",
            field="decode.block_parallelism",
            value=tb,
            rule=f"a divisor of its {d_in} input channels: the input lies in as many banks",
            hint=f"use {math.gcd(tb, d_in)}",
        )
    if w > d_in:
        raise InputError(
            f"weight_parallelism is larger than the input of {name}",
            field="decode.weight_parallelism",
            value=w,
            rule=f"at most its {d_in} input channels: the results of a pass leave during the next one",
            hint=f"lower weight_parallelism to {d_in} or less",
        )
    d_out = padded_rows(rows, tb)
    channels = tb * w // sub_engines // decode.modules.d_in_splits
    return LinearPlan(name, projections, d_in, d_out, ceil_div(d_out, channels), weight_word, scale_word)


def _linears(
    decode: DecodeDesign, model: ModelConfig, pairs_per_word: int, sub_engines: int
) -> tuple[tuple[LinearPlan, ...], int, int]:
    """The linear layers of a decoder layer; words of their weights on each port, and of their scales."""
    rows = (
        ("qkv", ("k", "q", "v"), model.hidden_dim, model.q_dim + 2 * model.kv_dim),
        ("o", ("o",), model.q_dim, model.hidden_dim),
        ("gate_up", ("gate", "up"), model.hidden_dim, 2 * model.ffn_dim),
        ("down", ("down",), model.ffn_dim, model.hidden_dim),
    )
    linears, weight_word, scale_word = [], 0, 0
    for name, projections, d_in, d_out in rows:
        linear = _linear(decode, name, projections, d_in, d_out, weight_word, scale_word, sub_engines)
        linears.append(linear)
        weight_word += linear.passes * linear.d_in // decode.modules.d_in_splits
        scale_word += ceil_div(linear.d_out, pairs_per_word)
    return tuple(linears), weight_word, scale_word


def _sub_engines(decode: DecodeDesign, ports: tuple[PortPlan, ...], weight_bits: int) -> int:
    """Words that each port has to deliver for a step of the engine: 1, or more where a buffer lets the engine be faster.

    Raises:
        InputError: the engine does not divide into as many, or its parts have no port for each of their units.
    """
    if not decode.modules.weight_buffer_beats:
        return 1
    if len(ports) % decode.engine_splits:
        raise InputError(
            "the parts of an engine behind weight buffers share a port",
            field="decode.engine_splits",
            value=decode.engine_splits,
            rule=f"a divisor of the {len(ports)} weight ports: a port feeds a lane unit of its own",
            hint=f"use {math.gcd(decode.engine_splits, len(ports))}",
        )
    lanes, port_bits = decode.block_parallelism * decode.weight_parallelism, len(ports) * ports[0].width_bits
    words = max(1, ceil_div(lanes * weight_bits, port_bits))
    if decode.weight_parallelism % words:
        raise InputError(
            f"weight_parallelism does not divide into the {words} words that a port delivers for a step",
            field="decode.weight_parallelism",
            value=decode.weight_parallelism,
            rule=f"a multiple of {words}: {lanes} weights of {weight_bits} bits a step, {port_bits} bits a beat",
            hint=f"use {ceil_div(decode.weight_parallelism, words) * words}",
        )
    return words


def _lane_units(
    decode: DecodeDesign, n_ports: int, width_bits: int, weight_bits: int, sub_engines: int
) -> tuple[int, int]:
    """(units per port, lanes of a unit) of a sub-engine: as few units as give each part of the engine whole units."""
    lanes = decode.block_parallelism * decode.weight_parallelism // sub_engines
    units_per_port = decode.engine_splits // math.gcd(decode.engine_splits, n_ports)
    units = n_ports * units_per_port
    if lanes % (2 * units):
        raise InputError(
            f"the {lanes} lanes of the decode engine do not divide into {units} lane units of even width",
            field="decode.weight_parallelism",
            value=decode.weight_parallelism,
            rule=f"block_parallelism x weight_parallelism is a multiple of {2 * units * sub_engines} "
            f"({n_ports} weight ports, {decode.engine_splits} engine_splits)",
            hint="change weight_parallelism, engine_splits or the number of weight ports",
        )
    if weight_bits * lanes // n_ports > width_bits:
        raise InputError(
            "the weight ports are too narrow for the lanes that they feed",
            field="memory_map.ports",
            value=width_bits,
            rule=f"width_bits >= {weight_bits * lanes // n_ports}: {lanes // n_ports} weights of {weight_bits} bits "
            "a cycle and port",
            hint="widen the ports, add ports, or lower the parallelism",
        )
    return units_per_port, lanes // units


def _sampler_lists(lanes: int, vocab: int, head: LinearPlan, sub_engines: int, d_in_splits: int) -> int:
    """Logits that the sampler takes a cycle: the fewest, a power of two that divides a word, that keep pace with the engine."""
    lists, steps = 1, head.d_in // d_in_splits
    while lists * ceil_div(head.passes, sub_engines) * steps < vocab and lanes % (2 * lists) == 0:
        lists *= 2
    return lists


def _unit_groups(weight_parallelism: int, unit_lanes: int) -> int:
    """The most groups that a unit touches; `groups_of_unit` of the library's gemv.hpp."""
    if unit_lanes % weight_parallelism == 0:
        return unit_lanes // weight_parallelism
    last_offset = weight_parallelism - math.gcd(weight_parallelism, unit_lanes)
    return ceil_div(last_offset + unit_lanes, weight_parallelism)


def _cache_ports(design: DesignPoint, role: PortRole) -> tuple[PortPlan, ...]:
    """A port for each head lane. Of more weight ports than lanes that offer themselves, evenly spaced ones."""
    found = ports_of(design, "decode", role, frozenset({"weights"}))
    lanes = design.decode.head_parallelism
    surplus = [port for port in design.memory_map.of("decode", role) if "weights" not in port.roles]
    if len(found) < lanes or (len(found) > lanes and surplus):
        raise InputError(
            f"decode has {len(found)} ports for {role}",
            field="memory_map.ports",
            value=[port.name for port in found],
            rule=f"one for each of head_parallelism = {lanes} head lanes: each reads its own heads",
            hint=f"give {role} {lanes} ports, or change head_parallelism",
        )
    return found[:: len(found) // lanes][:lanes]


def plan_decode(design: DesignPoint, model: ModelConfig, max_tokens: int) -> DecodePlan:
    """The decode kernel of a legal design.

    Raises:
        InputError: the generated modules can not be built with these numbers.
    """
    decode, modules, scheme = design.decode, design.decode.modules, design.quant_scheme
    tb, w, hp, lanes = (
        decode.block_parallelism,
        decode.weight_parallelism,
        decode.head_parallelism,
        decode.vector_parallelism,
    )
    if hp > model.n_kv_heads:
        raise InputError(
            "more head lanes than KV heads",
            field="decode.head_parallelism",
            value=hp,
            rule=f"at most n_kv_heads = {model.n_kv_heads}: a lane serves whole KV heads",
            hint=f"use {model.n_kv_heads} or less",
        )
    if model.hidden_dim % lanes:
        raise InputError(
            "vector_parallelism does not divide the hidden vector",
            field="decode.vector_parallelism",
            value=lanes,
            rule=f"a divisor of hidden_dim = {model.hidden_dim}",
            hint=f"use {math.gcd(lanes, model.hidden_dim)}",
        )
    cache_roles: frozenset[PortRole] = frozenset({"k_cache", "v_cache"})
    weight_ports = ports_of(design, "decode", "weights", cache_roles)
    k_ports, v_ports = _cache_ports(design, "k_cache"), _cache_ports(design, "v_cache")
    weight_names = {port.name for port in weight_ports}
    sharing = [port.name in weight_names for port in (*k_ports, *v_ports)]
    shared = all(sharing)
    if (any(sharing) and not shared) or {port.name for port in k_ports} & {port.name for port in v_ports}:
        raise InputError(
            "the caches of decode lie partly on weight ports, or keys and values on one port",
            field="memory_map.ports",
            value=[port.name for port in (*k_ports, *v_ports)],
            rule="each head lane has a port for keys and another for values, all of them weight ports or none",
            hint="give the caches ports of one kind",
        )
    sub_engines = _sub_engines(decode, weight_ports, scheme.weight_bits)
    sub_w, d_in_splits = w // sub_engines, modules.d_in_splits
    scale_port = single_port(design, "decode", "scales", SCALE_PAIR_BITS)
    pairs_per_word = scale_port.width_bits // SCALE_PAIR_BITS
    linears, layer_weight_words, layer_scale_words = _linears(decode, model, pairs_per_word, sub_engines)
    head = _linear(decode, "lm_head", ("lm_head",), model.hidden_dim, model.vocab_size, 0, 0, sub_engines)
    cache_names = {port.name for port in (*k_ports, *v_ports)}
    weight_ports = tuple(dataclasses.replace(port, is_written=port.name in cache_names) for port in weight_ports)
    units_per_port, unit_lanes = _lane_units(
        decode, len(weight_ports), weight_ports[0].width_bits, scheme.weight_bits, sub_engines
    )
    n_units = len(weight_ports) * units_per_port
    units_per_split = n_units // decode.engine_splits
    units = tuple(
        LaneUnitPlan(
            index=i,
            group_offset=i * unit_lanes % sub_w,
            port=i // units_per_port,
            port_unit=i % units_per_port,
            split=i // units_per_split,
            split_unit=i % units_per_split,
        )
        for i in range(n_units)
    )
    key_layout = cache_layout(
        "decode", "key", decode.key_parallelism, scheme.kv_bits, model.head_dim, k_ports[0], max_tokens
    )
    value_layout = cache_layout(
        "decode", "value", decode.value_parallelism, scheme.kv_bits, model.head_dim, v_ports[0], max_tokens
    )
    for lane, (k_port, v_port) in enumerate(zip(k_ports, v_ports, strict=True)):
        for port, is_keys in ((k_port, True), (v_port, False)):
            weight_ports = tuple(
                _with_cache(weights, lane, is_keys) if weights.name == port.name else weights
                for weights in weight_ports
            )
    groups = model.gqa_group if modules.kv_read == "per_kv_head" else 1
    head_word_lanes = math.gcd(tb, model.head_dim // 2)
    parameter_port = single_port(design, "decode", "norm_weights")
    rope_row_words = ceil_div(32 * model.head_dim, parameter_port.width_bits)
    sizes = {"gamma_1": model.hidden_dim, "gamma_2": model.hidden_dim}
    if model.qkv_bias:
        sizes["bias"] = linears[0].d_out
    if model.qk_norm:
        sizes["head_gamma"] = model.head_dim * (model.n_kv_heads + model.n_q_heads)
    sizes |= {
        "k_inverse": model.n_kv_heads * head_word_lanes,
        "v_inverse": model.n_kv_heads * head_word_lanes,
        "q_inverse": model.n_q_heads * head_word_lanes,
        "score_factors": model.n_q_heads,
        "value_scales": model.n_kv_heads * (model.gqa_group // groups),
    }
    sections, layer_parameter_words = sections_of(parameter_port, sizes)
    io_port = single_port(design, "decode", "io")
    state, state_words = sections_of(io_port, {"x": model.hidden_dim, "q": model.q_dim, "h": model.ffn_dim})
    # Keys and values of the newest token, where the ports of the cache have run ahead.
    runs_ahead = modules.weight_buffer_beats > 0 and shared
    newest_words = ceil_div(model.kv_dim * scheme.kv_bits, io_port.width_bits) if runs_ahead else 0
    embedding_ports = ports_of(design, "decode", "embedding")
    if len(embedding_ports) > 2:
        raise InputError(
            f"the embedding table lies on {len(embedding_ports)} ports",
            field="memory_map.ports",
            value=[port.name for port in embedding_ports],
            rule="on one or two",
            hint="use a memory with larger channels",
        )
    depths = fifo_depths(modules, model)
    order = transform_order(design, model)
    streams = modules.hadamard == "streaming" and scheme.transforms_down_input
    other = tuple(port for port in (*k_ports, *v_ports) if not shared)
    ports = (io_port, parameter_port, *embedding_ports, *weight_ports, *other, scale_port)
    return DecodePlan(
        kernel=plan_kernel(design, "decode", ports, SCALARS),
        block_parallelism=tb,
        weight_parallelism=w,
        sub_engines=sub_engines,
        d_in_splits=d_in_splits,
        buffer_beats=modules.weight_buffer_beats,
        engine_splits=decode.engine_splits,
        head_parallelism=hp,
        vector_parallelism=lanes,
        unit_lanes=unit_lanes,
        unit_groups=_unit_groups(sub_w, unit_lanes),
        units=units,
        units_per_port=units_per_port,
        units_per_split=units_per_split,
        pairs=math.gcd(pairs_per_word, tb // d_in_splits),
        max_d_in=max(linear.d_in for linear in (*linears, head)),
        linear_pe=modules.linear_pe,
        attention_pe=modules.attention_pe,
        quotient=_QUOTIENTS[modules.quantizer],
        groups=groups,
        head_word_lanes=head_word_lanes,
        result_lanes=math.gcd(head_word_lanes, decode.value_parallelism, ATTENTION_RESULT_LANES),
        softmax_is_pipelined=modules.softmax == "pipelined",
        sampler_lists=_sampler_lists(tb, model.vocab_size, head, sub_engines, d_in_splits),
        transform_lanes=streaming_transform_lanes("decode", order, modules.hadamard_width)
        if streams
        else transform_lanes(order, tb),
        transform_order=order,
        transform_streams=streams,
        head_transform_lanes=transform_lanes(model.head_dim, head_word_lanes),
        head_transform_streams=head_transform_streams(model.head_dim),
        weight_ports=weight_ports,
        scale_port=scale_port,
        io_port=io_port,
        parameter_port=parameter_port,
        embedding_ports=embedding_ports,
        head_lanes=tuple(
            HeadLanePlan(i, k, v, shared, ceil_div(model.n_kv_heads - i, hp))
            for i, (k, v) in enumerate(zip(k_ports, v_ports, strict=True))
        ),
        key_layout=key_layout,
        value_layout=value_layout,
        cache_is_shared=shared,
        lane_heads=ceil_div(model.n_kv_heads, hp),
        linears=linears,
        head=head,
        layer_weight_words=layer_weight_words,
        layer_scale_words=layer_scale_words,
        sections=sections,
        layer_parameter_words=layer_parameter_words,
        rope_row_words=rope_row_words,
        first_layer_word=max_tokens * rope_row_words,
        x_word=state[0].word,
        q_word=state[1].word,
        h_word=state[2].word,
        k_word=state_words,
        v_word=state_words + newest_words,
        state_words=state_words + 2 * newest_words,
        embedding_row_words=ceil_div(32 * model.hidden_dim, embedding_ports[0].width_bits),
        embedding_rows_per_port=ceil_div(model.vocab_size, len(embedding_ports)),
        max_top_k=min(MAX_TOP_K, model.vocab_size),
        operand_depth=depths.operand,
        weight_depth=depths.weight,
        vector_depth=depths.vector,
        cache_depth=depths.cache,
    )


_QUOTIENTS = {"divider": "divide", "reciprocal": "reciprocal"}


def _with_cache(port: PortPlan, lane: int, is_keys: bool) -> PortPlan:
    return dataclasses.replace(
        port,
        cache_lane=lane,
        cache_is_keys=is_keys,
        cache_chunk="kKeyChunk" if is_keys else "kValueChunk",
        cache_stream="lane_keys" if is_keys else "lane_values",
        cache_word="k_word" if is_keys else "v_word",
    )


def cache_words(plan: DecodePlan, layout: CacheLayout, layers: int) -> int:
    """Words of a lane's cache on its port."""
    return layers * plan.lane_heads * layout.words_per_head


def head_rows(plan: DecodePlan, vocab: int) -> int:
    """Rows of lm_head that are stored and computed for `vocab` tokens."""
    return padded_rows(vocab, plan.block_parallelism)


def weight_words(plan: DecodePlan, layers: int, vocab: int) -> int:
    """Words of all weights on each port."""
    channels = plan.block_parallelism * plan.weight_parallelism // plan.sub_engines // plan.d_in_splits
    steps = plan.head.d_in // plan.d_in_splits
    return layers * plan.layer_weight_words + ceil_div(head_rows(plan, vocab), channels) * steps


def decode_cycles(plan: DecodePlan, restart: int) -> Iterator[ModuleCycles]:
    """Expected cycles per token of each module and linear layer."""
    tb, w, splits = plan.block_parallelism, plan.weight_parallelism, plan.d_in_splits
    gemv_law, dequantize_law = (
        (cycle_laws.GEMV_LAW, cycle_laws.DEQUANTIZE_VECTOR_LAW)
        if splits == 1
        else (cycle_laws.GEMV_SPLIT_LAW, cycle_laws.DEQUANTIZE_SPLIT_LAW)
    )
    for linear in (*plan.linears, plan.head):
        steps = linear.d_in // splits
        rows = (
            ("quantize_dynamic", cycle_laws.quantize_vector_cycles(linear.d_in, tb), cycle_laws.QUANTIZE_VECTOR_LAW),
            ("gemv", cycle_laws.gemv_cycles(steps, linear.d_out, tb // splits, w, restart), gemv_law),
            (
                "dequantize_vector",
                cycle_laws.dequantize_vector_cycles(linear.d_out, tb // splits, w, plan.pairs),
                dequantize_law,
            ),
        )
        for module, cycles, law in rows:
            yield ModuleCycles("decode", module, linear.name, cycles, law)
