"""The decode kernel of our library, unit by unit as the generator writes it (hls_gen/templates/decode.cpp.j2).

What the generator has no template for (several engines, weights on the chip, other schemes) is priced by the same units.
The cache's capacity counts as the tokens of the request: the kernels round it up to a block of prefill.
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import BoolArray, IntArray
from cost_models.kernels.adapters import DATAFLOW_CONTROL
from cost_models.kernels.library_adapters import adapter_rows
from cost_models.kernels.library_engine import engine_units
from cost_models.kernels.library_logic import Sheet
from cost_models.kernels.library_scheme import AttentionFormats
from cost_models.kernels.parts import Part, RowParts, Rows
from cost_models.kernels.pieces import pieces_of
from cost_models.kernels.projections import hadamard_blocks
from cost_models.row_sets import RowFinder
from cost_models.stage_setup import StageSetup
from spec import library_units as units
from spec.design_batch import DecodeBatch
from spec.fifo_depths import fifo_depths
from spec.library_memories import Count, ceil_div, uram_blocks
from spec.module_choices import DecodeModules

_FP32 = 32


def library_decode_parts(
    batch: DecodeBatch, modules: DecodeModules, setup: StageSetup, finder: RowFinder[DecodeBatch] | None = None
) -> RowParts:
    """Resources of the decode kernel by module, shell not included; `finder`: of the rows of this batch, where there is one."""
    finder = RowFinder(batch) if finder is None else finder
    table, weights, scales = batch.placements, batch.placements.role("weights"), batch.placements.role("scales")
    port_bits = np.where(np.isfinite(table.width_bits), table.width_bits, _FP32).astype(np.int64)
    on_weight_ports = cache_on_weight_ports(batch).astype(np.int64)
    heads = ("head_parallelism", "block_parallelism")
    engine = finder.of(
        ("block_parallelism", "weight_parallelism", "engine_splits"), ("weights", "scales"), ("weights",)
    )
    vectors = finder.of(("block_parallelism", "vector_parallelism", "engine_splits"))
    keys = finder.of((*heads, "key_parallelism"), placed={"on_weight_ports": on_weight_ports})
    values = finder.of((*heads, "value_parallelism"), placed={"on_weight_ports": on_weight_ports})
    ahead = finder.of(("head_parallelism",), ("weights",), placed={"on_weight_ports": on_weight_ports})

    def head_words(rows: DecodeBatch) -> IntArray:
        return np.gcd(rows.block_parallelism, setup.model.head_dim // 2)

    of, at = engine.batch, engine.batch.placement
    groups = (
        adapter_rows(batch, setup),
        Rows.found(engine, engine_units(
            modules, setup, of.block_parallelism, of.weight_parallelism, of.engine_splits,
            np.maximum(table.ports[:, weights], 1)[at], port_bits[:, weights][at], port_bits[:, scales][at],
        )),
        Rows.found(vectors, _vector_units(modules, setup, vectors.batch.block_parallelism, vectors.batch.vector_parallelism)),
        Rows.found(keys, _scores(
            modules, setup, keys.batch.head_parallelism, keys.batch.key_parallelism, head_words(keys.batch),
            on_weight_ports[keys.batch.placement],
        )),
        Rows.found(values, _values(
            modules, setup, values.batch.head_parallelism, values.batch.value_parallelism, head_words(values.batch),
            on_weight_ports[values.batch.placement],
        )),
        Rows.found(ahead, _ahead_of_caches(
            modules, ahead.batch.head_parallelism, port_bits[:, weights][ahead.batch.placement],
            on_weight_ports[ahead.batch.placement],
        )),
    )  # fmt: skip
    modules_of = {name for group in groups for name in group.parts}
    return RowParts(groups, pieces_of("decode", modules_of, batch))


def cache_on_weight_ports(batch: DecodeBatch) -> BoolArray:
    """Where all ports of the caches also carry weights, (n_placements,)."""
    table = batch.placements
    caches = table.ports[:, table.role("k_cache")] + table.ports[:, table.role("v_cache")]
    return np.asarray(table.further_clients >= caches)


def _transform_lanes(order: int, lanes: Count) -> Count:
    """The most lanes of a serial transform: a power of two that divides `lanes` and the order without its base."""
    common = np.gcd(lanes, order // units.base_of_order(order))
    return common & -common


def _vector_units(modules: DecodeModules, setup: StageSetup, tb: Count, t4: Count) -> dict[str, Part]:
    """Norm, residual, SwiGLU, words resized between them, the transform before down_proj; and the state in memory."""
    model, scheme, value = setup.model, setup.scheme, setup.value_bits
    sheet, vector, depth = Sheet(setup), "vector_passes", fifo_depths(modules, setup.model).vector
    head_words = np.gcd(tb, model.head_dim // 2)
    sheet.unit(vector, units.rms_norm(t4, model.hidden_dim // t4, value))
    sheet.unit(vector, units.adder_lanes(t4))
    sheet.unit(vector, units.swiglu(tb))
    for lanes_in, lanes_out in ((t4, tb), (tb, head_words), (tb, t4)):
        sheet.unit(vector, units.resize_words(lanes_in, lanes_out, value))
    if model.qkv_bias:
        sheet.unit(vector, units.adder_lanes(tb))
        sheet.fifos(2, depth, value * tb)
    sheet.part("hadamard")
    processes = 10 + model.qkv_bias
    if scheme.transforms_down_input:
        size, _ = hadamard_blocks(model, scheme)
        if modules.hadamard == "streaming":
            lanes: Count = modules.hadamard_width
            sheet.unit("hadamard", units.hadamard_butterflies(size, 1, lanes, value))
            sheet.unit("hadamard", units.hadamard_rows(size, 1, lanes, value))
        else:
            lanes = _transform_lanes(size, tb)
            sheet.unit("hadamard", units.hadamard_serial(size, 1, lanes, value_bits=value))
        streams = modules.hadamard == "streaming"
        sheet.unit("hadamard", units.resize_words(tb, lanes, value))
        sheet.fifos(2 + streams, depth, value * lanes)
        processes += 2 + streams
    sheet.fifos(13, depth, value * tb)  # sources, engine's input, results, sinks, gate, up, hidden
    sheet.fifos(7, depth, value * t4)
    sheet.processes(processes)
    # Sources and sinks of the engine; the state, the embedding and the parameters between port and streams.
    sheet.logic(DATAFLOW_CONTROL, (2 * tb + 4 * t4) * value, (6 * tb + 8 * t4) * value)
    return sheet.parts


def _lane_heads(setup: StageSetup, hp: Count) -> Count:
    """KV heads of a head lane, at most."""
    return ceil_div(setup.model.n_kv_heads, hp)


def _scores(
    modules: DecodeModules, setup: StageSetup, hp: Count, keys: Count, head_words: Count, on_weight_ports: Count
) -> dict[str, Part]:
    """Scores and softmax of each head lane; RoPE, the transform of heads and the quantizers before them."""
    model, scheme, value = setup.model, setup.scheme, setup.value_bits
    sheet, attention, formats = Sheet(setup), "attention", AttentionFormats.of(setup.scheme)
    depths = fifo_depths(modules, model)
    rows = model.gqa_group if modules.kv_read == "per_kv_head" else 1
    words_of_head = model.head_dim // head_words
    sheet.unit(attention, units.rope(head_words, words_of_head // 2, value))
    if model.qk_norm:
        sheet.unit(attention, units.rms_norm(head_words, words_of_head, value))
        sheet.fifos(2, depths.vector, value * head_words)
    processes: Count = 8 + model.qk_norm
    if scheme.transforms_heads:
        processes = processes + _transform_heads(sheet, setup, head_words, depths.vector)
    for bits in (scheme.attention_bits, scheme.kv_bits):  # keys and values take turns at one
        sheet.unit(
            attention, units.quantize_static(head_words, head_words, bits, value).add(formats.ranges(head_words))
        )
    sheet.unit(
        attention,
        units.attention_scores(rows, keys, 1, model.head_dim, modules.attention_pe, formats.scores, value),
        hp,
    )
    wide, tokens = rows * modules.softmax_width, setup.workload.context_tokens
    if modules.softmax == "pipelined":
        sheet.unit(attention, units.softmax_maxima(wide, 1, value), hp)
        sheet.unit(attention, units.softmax_weights(wide, 1, scheme.attention_bits, value), hp)
        sheet.fifos(hp, tokens, value * wide, attention, ultra=True)
        sheet.fifos(hp, 2, value * wide)
    else:
        sheet.unit(attention, units.softmax(wide, 1, tokens, scheme.attention_bits, value), hp)
    _cache_way(sheet, modules, setup, hp, keys, head_words, on_weight_ports)
    head_depth = max(depths.vector, model.n_q_heads + 1)
    sheet.fifos(1, depths.vector, 2 * value * head_words)  # cosines and sines
    sheet.fifos(7, depths.vector, value * head_words)
    sheet.fifos(3, head_depth, value * head_words, attention)
    sheet.fifos(2 * hp, head_depth, value)
    sheet.fifos(1 + hp, depths.vector, scheme.attention_bits * head_words)
    sheet.fifos(hp, depths.vector, value * rows)
    sheet.fifos(hp, depths.vector, scheme.attention_bits * rows)
    sheet.fifos(hp, 2, _FP32 * rows)  # sums of weights
    sheet.processes(processes + hp * (5 + (modules.softmax == "pipelined")))
    return sheet.parts


def _transform_heads(sheet: Sheet, setup: StageSetup, head_words: Count, depth: int) -> Count:
    """The transform of queries and keys; its processes."""
    order, value = setup.model.head_dim, setup.value_bits
    lanes = _transform_lanes(order, head_words)
    streams = units.base_of_order(order) == 1
    if streams:
        sheet.unit("attention", units.hadamard_butterflies(order, 1, lanes, value))
        sheet.unit("attention", units.hadamard_rows(order, 1, lanes, value))
        sheet.fifos(1, depth, value * lanes)
    else:
        sheet.unit("attention", units.hadamard_serial(order, 1, lanes, value_bits=value))
    sheet.fifos(1, depth, value * head_words)
    resized = np.asarray(lanes != head_words, dtype=np.int64)
    sheet.unit("attention", units.resize_words(head_words, lanes, value), 2 * resized)
    sheet.fifos(2 * resized, depth, value * lanes)
    return 1 + streams + 2 * resized


def _values(
    modules: DecodeModules, setup: StageSetup, hp: Count, values: Count, head_words: Count, on_weight_ports: Count
) -> dict[str, Part]:
    """Weighted sums of values of each head lane."""
    model, value = setup.model, setup.value_bits
    sheet, attention, formats = Sheet(setup), "attention", AttentionFormats.of(setup.scheme)
    rows = model.gqa_group if modules.kv_read == "per_kv_head" else 1
    results, tokens = (
        np.gcd(np.gcd(head_words, values), units.ATTENTION_RESULT_LANES),
        max(setup.workload.context_tokens, 1),
    )
    unit = units.attention_values(rows, values, 1, results, model.head_dim, tokens, modules.attention_pe,
                                  formats.values, value, rows_are_heads=True)  # fmt: skip
    sheet.unit(attention, unit, hp)
    _cache_way(sheet, modules, setup, hp, values, head_words, on_weight_ports)
    depth = fifo_depths(modules, model).vector
    sheet.fifos(hp, model.gqa_group * model.head_dim // results, value * results, attention)
    sheet.fifos(1, depth, value * results)
    sheet.processes(2 + hp)
    # Heads gathered from their lanes.
    sheet.logic(DATAFLOW_CONTROL, value * results * (hp - 1), 2 * value * results)
    return sheet.parts


def _cache_way(
    sheet: Sheet, modules: DecodeModules, setup: StageSetup, hp: Count, chunk: Count, head_words: Count,
    on_weight_ports: Count,
) -> None:  # fmt: skip
    """Keys or values from the quantizer to the cache, and from there to the head lanes."""
    model, bits, depths = setup.model, setup.scheme.kv_bits, fifo_depths(modules, setup.model)
    port = np.maximum(bits * chunk, _FP32)
    sheet.unit("attention", units.write_cache(1, model.head_dim, chunk, bits, port), hp)
    sheet.unit("attention", units.port_words(port, bits * chunk), hp)
    sheet.fifos(hp, depths.cache, bits * chunk)
    sheet.fifos(1 + hp, depths.vector, bits * head_words)  # quantized; dealt to the lanes
    if modules.weight_buffer_beats:  # the newest token goes around a port that has run ahead
        words = _lane_heads(setup, hp) * (model.head_dim // head_words)
        sheet.fifos(3 * on_weight_ports, depths.vector, bits * head_words)
        sheet.fifos(hp * on_weight_ports, words, bits * head_words, "attention")
        sheet.processes(2 * on_weight_ports)


def _ahead_of_caches(modules: DecodeModules, hp: Count, port_bits: Count, on_weight_ports: Count) -> dict[str, Part]:
    """Buffers of the words of the caches that their ports have fetched ahead."""
    blocks = 0 * hp
    if modules.weight_buffer_beats:
        blocks = 2 * hp * on_weight_ports * uram_blocks(modules.weight_buffer_beats, port_bits)
    return {"attention": Part(uram=np.asarray(blocks, dtype=np.float64))}
