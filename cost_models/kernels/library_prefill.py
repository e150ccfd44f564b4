"""The prefill kernel of our library, unit by unit as the generator writes it (hls_gen/templates/prefill.cpp.j2).

What the generator has no template for (other groups of projections, wider softmax, tiles of weights that stay, other
schemes) is priced by the same units. Columns of a batch that a group of units does not depend on are not its parameters.
"""

from __future__ import annotations

import numpy as np

from cost_models.arrays import FloatArray, IntArray
from cost_models.kernels.adapters import DATAFLOW_CONTROL
from cost_models.kernels.library_adapters import adapter_rows
from cost_models.kernels.library_logic import Sheet
from cost_models.kernels.library_scheme import AttentionFormats, LinearFormat, dequantizer_extra, quantizer
from cost_models.kernels.parts import Part, RowParts, Rows
from cost_models.kernels.pieces import pieces_of
from cost_models.kernels.projections import FFN_PROJECTIONS, array_owner, hadamard_blocks, longest_input
from cost_models.memory import word_bytes
from cost_models.row_sets import RowFinder
from cost_models.stage_setup import StageSetup
from spec import library_units as units
from spec.design_batch import PrefillBatch
from spec.fifo_depths import fifo_depths
from spec.library_memories import Count, ceil_div, uram_blocks
from spec.memory_map import PortRole
from spec.module_choices import PrefillModules, Projection

_FP32 = 32


def library_prefill_parts(
    batch: PrefillBatch, modules: PrefillModules, setup: StageSetup, finder: RowFinder[PrefillBatch] | None = None
) -> RowParts:
    """Resources of the prefill kernel by module, shell not included; `finder`: of the rows of this batch, where there is
    one.
    """
    finder = RowFinder(batch) if finder is None else finder
    narrow = tuple(group for group in modules.linear_groups if not FFN_PROJECTIONS & set(group))
    wide = tuple(group for group in modules.linear_groups if FFN_PROJECTIONS & set(group))
    tokens = "token_parallelism"
    lanes, keys, values = (
        finder.of((tokens,)),
        finder.of((tokens, "key_parallelism"), ("k_cache",)),
        finder.of((tokens, "value_parallelism"), ("v_cache",)),
    )
    ffn = finder.of((tokens, "ffn_weight_parallelism", "ffn_weight_blocks"))
    feeding = _narrow_role(narrow)
    attention = finder.of((tokens, "qkvo_weight_parallelism"), ports=feeding)
    groups = (
        adapter_rows(batch, setup),
        Rows.found(lanes, _token_units(modules, setup, lanes.batch.token_parallelism)),
        Rows.found(keys, _query_keys(
            modules, setup, keys.batch.token_parallelism, keys.batch.key_parallelism, word_bytes(keys.batch, "k_cache")
        )),
        Rows.found(values, _values(
            modules, setup, values.batch.token_parallelism, values.batch.value_parallelism,
            word_bytes(values.batch, "v_cache"),
        )),
        Rows.found(ffn, _ffn_arrays(
            modules, setup, wide, ffn.batch.token_parallelism, ffn.batch.ffn_weight_parallelism,
            ffn.batch.ffn_weight_blocks,
        )),
        Rows.found(attention, _narrow_arrays(
            modules, setup, narrow, attention.batch.token_parallelism, attention.batch.qkvo_weight_parallelism,
            _narrow_ports(attention.batch, feeding),
        )),
    )  # fmt: skip
    modules_of = {name for group in groups for name in group.parts}
    return RowParts(groups, pieces_of("prefill", modules_of, batch))


_PORTS: dict[Projection, PortRole] = {"k": "weights_kq", "q": "weights_kq", "v": "weights_vo", "o": "weights_vo"}


def _narrow_role(groups: tuple[tuple[Projection, ...], ...]) -> tuple[PortRole, ...]:
    """The ports that the first narrow array is fed by; none where there is no such array."""
    return (_PORTS[groups[0][0]],) if groups else ()


def _narrow_ports(batch: PrefillBatch, feeding: tuple[PortRole, ...]) -> IntArray:
    """Sub-arrays of a narrow array, (n_points,): one a port of its weights, that of the first array for all."""
    table = batch.placements
    if not feeding:
        return np.ones(len(batch), dtype=np.int64)
    return np.maximum(table.ports[:, table.role(feeding[0])], 1)[batch.placement]


def _token_units(modules: PrefillModules, setup: StageSetup, tp: Count) -> dict[str, Part]:
    """What depends on the tokens side by side alone: norms, quantizers, softmax, the transform before down_proj."""
    model, scheme, value = setup.model, setup.scheme, setup.value_bits
    sheet, depths = Sheet(setup), fifo_depths(modules, model)
    heads_of_read = model.gqa_group if modules.kv_read == "per_kv_head" else 1
    vectors = 15 + 2 * model.qkv_bias + model.qk_norm

    norms = "norm_and_quant"
    for _ in range(2):
        sheet.unit(norms, units.rms_norm(tp, model.hidden_dim, value))
        sheet.unit(norms, units.repeat_words(model.hidden_dim, value))
    if model.qk_norm:
        sheet.unit(norms, units.rms_norm(tp, model.head_dim, value))
        sheet.unit(norms, units.repeat_words(model.head_dim, value))
    for group in modules.linear_groups:
        d_in, form = longest_input(group, model), LinearFormat.of(scheme, group)
        sheet.unit(norms, quantizer(scheme, modules.quantizer, tp, 1, d_in, value))
        acc = form.mac.accumulator_bits(d_in)
        sheet.unit(
            norms, units.dequantize_tokens(tp, 1, acc, form.asymmetric, value).add(dequantizer_extra(scheme, tp))
        )
    softmax, rows = "attention_softmax", modules.softmax_width * tp
    tokens = np.maximum(ceil_div(setup.workload.context_tokens, tp), 3) * tp  # that the cache holds
    if modules.softmax == "pipelined":
        sheet.unit(softmax, units.softmax_maxima(rows, heads_of_read, value))
        sheet.unit(softmax, units.softmax_weights(rows, heads_of_read, scheme.attention_bits, value))
        sheet.fifos(1, tokens * heads_of_read, value * rows, softmax, ultra=True)
        sheet.fifos(1, 2 * heads_of_read, value * rows)
    else:
        sheet.unit(softmax, units.softmax(rows, heads_of_read, tokens, scheme.attention_bits, value))
    sheet.part("hadamard")
    if scheme.transforms_down_input:
        size, _ = hadamard_blocks(model, scheme)
        width = modules.hadamard_width
        vectors += 1
        if modules.hadamard == "streaming":
            vectors += 1
            sheet.unit("hadamard", units.hadamard_butterflies(size, tp, width, value))
            sheet.unit("hadamard", units.hadamard_rows(size, tp, width, value))
        else:
            sheet.unit("hadamard", units.hadamard_serial(size, tp, 1, value_bits=value))
    if scheme.transforms_heads:
        vectors += 1 + (units.base_of_order(model.head_dim) == 1)

    sheet.fifos(
        vectors + 2 * len(modules.linear_groups) - 1, depths.vector, value * tp
    )  # of vectors; in and out of arrays
    sheet.fifos(1, depths.quantizer, value * tp, norms)  # into down
    sheet.fifos(len(modules.linear_groups), 2 * tp, 2 * value)  # scales of tokens
    sheet.fifos(len(modules.linear_groups), depths.weight, 2 * value)  # and of channels
    sheet.fifos(2 * _parameters(setup), depths.vector, value)
    sheet.fifos(1, depths.vector, 2 * value * tp)  # cosines and sines
    sheet.fifos(2, depths.vector, scheme.kv_bits * tp)
    sheet.fifos(2, depths.vector, scheme.attention_bits * tp)  # queries, weights of attention
    sheet.fifos(1, heads_of_read + 1, _FP32 * tp)  # sums of weights
    sheet.processes(_processes(modules, setup))
    sheet.logic(
        DATAFLOW_CONTROL, 3 * value * tp, 8 * value * tp + 64 * tp
    )  # shared, routed and selected words; io, RoPE
    return sheet.parts


def _parameters(setup: StageSetup) -> int:
    """Vectors of parameters that are read once and repeated for each block."""
    return 7 + 2 * setup.model.qkv_bias + setup.model.qk_norm


def _processes(modules: PrefillModules, setup: StageSetup) -> int:
    """Processes beside the sub-arrays and their loaders."""
    model, scheme = setup.model, setup.scheme
    transform = 2 if modules.hadamard == "streaming" else 1
    of_heads = 2 if units.base_of_order(model.head_dim) == 1 else 1
    return (
        1 + _parameters(setup)
        + 5  # input, two norms and their shares of the vectors
        + 4 * len(modules.linear_groups)  # quantizer, feeder, scales, dequantizer
        + 2 * model.qkv_bias + model.qk_norm + 1 + of_heads * scheme.transforms_heads
        + 2 + 3 + 2 + 2  # routes, static quantizers, cache written and read
        + 3 + (modules.softmax == "pipelined")
        + 6 + transform * scheme.transforms_down_input
    )  # fmt: skip


def _query_keys(
    modules: PrefillModules, setup: StageSetup, tp: Count, keys: Count, port_bytes: FloatArray
) -> dict[str, Part]:
    """Scores, the static quantizers of K, V and Q, and the keys' way through the cache."""
    model, scheme, value = setup.model, setup.scheme, setup.value_bits
    sheet, qk, formats = Sheet(setup), "attention_qk", AttentionFormats.of(scheme)
    groups = model.gqa_group if modules.kv_read == "per_kv_head" else 1
    sheet.unit(
        qk, units.attention_scores(tp, keys, groups, model.head_dim, modules.attention_pe, formats.scores, value)
    )
    for bits in (scheme.kv_bits, scheme.kv_bits, scheme.attention_bits):
        sheet.unit(qk, units.quantize_static(tp, 1, bits, value).add(formats.ranges(tp)))
    for number in (model.n_kv_heads, model.n_kv_heads, model.n_q_heads, model.n_q_heads, model.n_q_heads):
        sheet.unit(qk, units.repeat_words(number, value))
    _cache_way(sheet, qk, tp, keys, port_bytes, modules, setup)
    return sheet.parts


def _values(
    modules: PrefillModules, setup: StageSetup, tp: Count, values: Count, port_bytes: FloatArray
) -> dict[str, Part]:
    """Weighted sums of values, and their way through the cache."""
    model, scheme, value = setup.model, setup.scheme, setup.value_bits
    sheet, av, formats = Sheet(setup), "attention_av", AttentionFormats.of(scheme)
    groups = model.gqa_group if modules.kv_read == "per_kv_head" else 1
    most = max(setup.workload.context_tokens, 1)
    sheet.unit(av, units.attention_values(tp, values, groups, 1, model.head_dim, most, modules.attention_pe,
                                          formats.values, value))  # fmt: skip
    _cache_way(sheet, av, tp, values, port_bytes, modules, setup)
    return sheet.parts


def _cache_way(
    sheet: Sheet,
    module: str,
    tp: Count,
    chunk: Count,
    port_bytes: FloatArray,
    modules: PrefillModules,
    setup: StageSetup,
) -> None:
    """From the quantizer to the cache and back: words of `chunk` values, or the beats of a narrower port that make one."""
    bits, depth = setup.scheme.kv_bits, fifo_depths(modules, setup.model).cache
    beat = np.minimum(chunk, np.maximum(8 * port_bytes // bits, 1).astype(np.int64))
    joined = (beat < chunk).astype(np.int64)
    sheet.unit(module, units.write_cache(tp, setup.model.head_dim, beat, bits, np.maximum(bits * beat, 32)))
    sheet.fifos(1, depth, bits * chunk)
    if joined.any():
        sheet.unit(module, units.join_beats(chunk, bits), joined)
        sheet.fifos(joined, depth, bits * beat)
        sheet.processes(joined)


def _array(
    sheet: Sheet, modules: PrefillModules, setup: StageSetup, group: tuple[Projection, ...], tp: Count, columns: Count,
    sub_arrays: Count,
) -> None:  # fmt: skip
    """An array of `sub_arrays` of `columns` each with its feeder, loaders and FIFOs."""
    model, scheme, depths = setup.model, setup.scheme, fifo_depths(modules, setup.model)
    owner, d_in, form = array_owner(group, "prefill"), longest_input(group, model), LinearFormat.of(scheme, group)
    reuse, acc = modules.token_blocks_per_weight_pass, form.mac.accumulator_bits(d_in)
    sheet.unit(owner, units.feed_tokens(form.mac.x_bits, tp, reuse * d_in))
    sheet.unit(owner, units.mac_tile(tp, columns, modules.linear_pe, form.mac, acc), sub_arrays)
    wide = columns * sub_arrays
    if reuse > 1:  # the tile of weights in use and the next
        sheet.part(owner).add(Part(uram=np.asarray(2 * uram_blocks(d_in, form.mac.w_bits * wide), dtype=np.float64)))
    sheet.unit(owner, form.group_scales(scheme, tp * wide))
    operands = form.mac.x_bits * tp
    sheet.fifos(1 + sub_arrays, depths.operand, operands)
    sheet.fifos(sub_arrays, depths.weight, form.mac.w_bits * columns)
    sheet.fifos(sub_arrays, columns, acc * tp)
    sheet.processes(2 * sub_arrays)
    sheet.logic(DATAFLOW_CONTROL, tp * acc * (sub_arrays - 1), 0)  # the dequantizer takes the sub-arrays in turn


def _narrow_arrays(
    modules: PrefillModules, setup: StageSetup, groups: tuple[tuple[Projection, ...], ...], tp: Count, width: Count,
    ports: Count,
) -> dict[str, Part]:  # fmt: skip
    """Arrays of Q, K, V and O; RoPE and the transform of heads; the residual of O and its FIFOs."""
    model, scheme, value = setup.model, setup.scheme, setup.value_bits
    sheet = Sheet(setup)
    for name in ("kv_proj", "q_proj", "o_proj"):
        sheet.part(name)
    for group in groups:
        _array(sheet, modules, setup, group, tp, ceil_div(width, ports), ports)
    sheet.unit("q_proj", units.rope(tp, model.head_dim // 2, value))
    if scheme.transforms_heads:
        if units.base_of_order(model.head_dim) == 1:
            sheet.unit("q_proj", units.hadamard_butterflies(model.head_dim, tp, 1, value))
            sheet.unit("q_proj", units.hadamard_rows(model.head_dim, tp, 1, value))
        else:
            sheet.unit("q_proj", units.hadamard_serial(model.head_dim, tp, 1, value_bits=value))
    if model.qkv_bias:
        sheet.unit("q_proj", units.adder_lanes(tp), 2)
        for words in (model.q_dim, model.kv_dim):
            sheet.unit("q_proj", units.repeat_words(words, value))
    sheet.unit("o_proj", units.adder_lanes(tp), 2)
    sheet.fifos(2, fifo_depths(modules, model).residual, value * tp, "o_proj")
    return sheet.parts


def _ffn_arrays(
    modules: PrefillModules, setup: StageSetup, groups: tuple[tuple[Projection, ...], ...], tp: Count, width: Count,
    blocks: Count,
) -> dict[str, Part]:  # fmt: skip
    """Arrays of gate, up and down, and SwiGLU between them."""
    sheet = Sheet(setup)
    for name in ("gate_up_proj", "down_proj"):
        sheet.part(name)
    for group in groups:
        _array(sheet, modules, setup, group, tp, ceil_div(width, blocks), blocks)
    sheet.unit("gate_up_proj", units.swiglu(tp))
    return sheet.parts
