"""Memory images: the bytes that a host uploads to the ports of both kernels, from a quantized checkpoint.

Orders are those that the library's headers read (`load_weights.hpp`, `load_scales.hpp`, `fp32_io.hpp`, `kv_cache.hpp`,
`decode_memory.hpp`); fp32 values are rounded to the number format of the kernels. Surplus lanes, surplus channels of a ragged last pass and the end of the last word are zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from hls_gen.golden.attention import attention_constants
from hls_gen.golden.hmt import plugin_weights
from hls_gen.golden.number_format import FP32, NumberFormat
from hls_gen.golden.rope import rope_table
from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.types import CacheLayout, DecodePlan, HmtPlan, LinearPlan, PrefillPlan, Section
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.quantized_checkpoint import QuantizedCheckpoint, QuantizedLinear

Int8 = npt.NDArray[np.int8]
Fp32 = npt.NDArray[np.float32]
Images = dict[str, bytes]
_TILE = 64  # bytes: a cache line

LINEAR_NAMES = {
    "q": "self_attn.q_proj",
    "k": "self_attn.k_proj",
    "v": "self_attn.v_proj",
    "o": "self_attn.o_proj",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def integer_words(values: Int8, bits: int, width_bits: int) -> bytes:
    """Integers `values` (words, lanes) as words of `width_bits`; 4-bit lanes two to a byte, the even one low."""
    words, count = values.shape
    if bits == 8:
        if count * 8 == width_bits:
            return values.tobytes()
        whole = np.zeros((words, width_bits // 8), dtype=np.int8)
        whole[:, :count] = values
        return whole.tobytes()
    nibbles = values.view(np.uint8) & 0xF
    if count % 2:
        nibbles = np.pad(nibbles, ((0, 0), (0, 1)))
    packed = nibbles[:, 0::2] | nibbles[:, 1::2] << 4
    if packed.shape[1] * 8 == width_bits:
        return packed.tobytes()
    padded = np.zeros((words, width_bits // 8), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.tobytes()


def _transposed(matrices: Int8) -> Int8:
    """(n, columns, rows) of `matrices` (n, rows, columns), tile by tile: a whole one at once misses the cache with each byte."""
    n, rows, columns = matrices.shape
    result = np.empty((n, columns, rows), dtype=np.int8)
    for column in range(0, columns, _TILE):
        for row in range(0, rows, _TILE):
            tile = matrices[:, row : row + _TILE, column : column + _TILE]
            result[:, column : column + _TILE, row : row + _TILE] = tile.swapaxes(1, 2)
    return result


def prefill_weight_words(weights: Int8, columns: int, sub_arrays: int, bits: int, width_bits: int) -> list[bytes]:
    """One image for each sub-array of `weights` (d_out, d_in): word (pass, k) holds `columns` output channels."""
    d_out, d_in = weights.shape
    width = columns * sub_arrays
    passes = ceil_div(d_out, width)
    padded = np.zeros((passes * width, d_in), dtype=np.int8)
    padded[:d_out] = weights
    by_pass = padded.reshape(passes, sub_arrays, columns, d_in)
    return [
        integer_words(_transposed(by_pass[:, j]).reshape(passes * d_in, columns), bits, width_bits)
        for j in range(sub_arrays)
    ]


def decode_weight_words(
    weights: Int8,
    block_parallelism: int,
    weight_parallelism: int,
    n_ports: int,
    bits: int,
    width_bits: int,
    sub_engines: int = 1,
    d_in_splits: int = 1,
) -> list[bytes]:
    """One image for each port of `weights` (d_out, d_in): word (pass, k) holds its share of the TB x W lanes of one
    sub-engine.

    Lane g * W + n of a pass is output channel pass * TB * W + n * TB + g. Passes of several sub-engines are computed at a
    time: their words lie side by side, (passes, k, sub-engine), of the last ones as many as there are. Where the lanes share
    out d_in, part p has TB / d_in_splits of the groups, g within it, and input channel k * d_in_splits + p.
    """
    d_out, d_in = weights.shape
    groups, steps = block_parallelism // d_in_splits, d_in // d_in_splits
    width = groups * weight_parallelism
    passes = ceil_div(d_out, width)
    padded = np.zeros((passes * width, d_in), dtype=np.int8)
    padded[:d_out] = weights
    by_lane = padded.reshape(passes, weight_parallelism, groups, d_in).swapaxes(1, 2).reshape(passes, width, d_in)
    lanes = _transposed(by_lane).reshape(passes * steps, n_ports, d_in_splits * width // n_ports)
    if sub_engines > 1:
        order = np.arange(passes * steps).reshape(passes, steps)
        together = [order[first : first + sub_engines].T.ravel() for first in range(0, passes, sub_engines)]
        lanes = lanes[np.concatenate(together)]
    return [integer_words(np.ascontiguousarray(lanes[:, port]), bits, width_bits) for port in range(n_ports)]


def scale_words(scales: Fp32, row_sums: Fp32, d_out: int, width_bits: int) -> bytes:
    """{scale, row sum} of each of `d_out` channels, in channel order; those beyond `scales` are zero."""
    per_word = width_bits // 64
    padded = np.zeros((ceil_div(d_out, per_word) * per_word, 2), dtype="<f4")
    padded[: len(scales), 0] = scales
    padded[: len(scales), 1] = row_sums
    return padded.tobytes()


def fp32_words(values: Fp32, width_bits: int) -> bytes:
    """Contiguous fp32 in whole words."""
    per_word = width_bits // 32
    padded = np.zeros(ceil_div(values.size, per_word) * per_word, dtype="<f4")
    padded[: values.size] = values.ravel()
    return padded.tobytes()


def cache_words(cached: npt.NDArray[np.integer], layout: CacheLayout, tokens: int, bits: int, width_bits: int) -> bytes:
    """Keys or values `cached` (tokens so far, heads, head_dim) as [head][token] of `tokens` tokens a head."""
    present, heads, head_dim = cached.shape
    values = np.zeros((heads, tokens, layout.words_per_token, layout.chunks_per_word * layout.chunk), dtype=np.int8)
    chunks = np.zeros((heads, present, layout.chunks * layout.chunk), dtype=np.int8)
    chunks[:, :, :head_dim] = cached.transpose(1, 0, 2)
    flat = values.reshape(heads, tokens, -1)
    flat[:, :present, : chunks.shape[2]] = chunks
    return integer_words(values.reshape(heads * tokens * layout.words_per_token, -1), bits, width_bits)


def _of_layer(checkpoint: QuantizedCheckpoint, layer: int, projection: str) -> QuantizedLinear:
    name = "lm_head" if projection == "lm_head" else f"layers.{layer}.{LINEAR_NAMES[projection]}"
    return checkpoint.linear(name)


def _stacked(parts: Sequence[npt.NDArray[np.generic]], interleave: int) -> npt.NDArray[np.generic]:
    """Rows of the parts one after the other, or in turn `interleave` at a time."""
    if len(parts) == 1:
        return parts[0]
    if not interleave:
        return np.concatenate(parts)
    shape = parts[0].shape
    blocks = [part.reshape(shape[0] // interleave, 1, interleave, *shape[1:]) for part in parts]
    return np.concatenate(blocks, axis=1).reshape(-1, *shape[1:])


def stacked_linear(checkpoint: QuantizedCheckpoint, layer: int, linear: LinearPlan, interleave: int) -> QuantizedLinear:
    """The projections of an engine's linear layer as one; gate and up alternate `interleave` rows at a time."""
    parts = [_of_layer(checkpoint, layer, projection) for projection in linear.projections]
    in_turn = interleave if "gate" in linear.projections else 0
    return QuantizedLinear(
        weight=_stacked([part.weight for part in parts], in_turn),  # type: ignore[arg-type]
        scale=_stacked([part.scale[:, 0] for part in parts], in_turn),  # type: ignore[arg-type]
        row_sum=_stacked([part.row_sum[:, 0] for part in parts], in_turn),  # type: ignore[arg-type]
        bias=None,
    )


def _rope_rows(checkpoint: QuantizedCheckpoint, tokens: int, lanes: int) -> Fp32:
    """(tokens, head_dim): of each `lanes` channels of half a head the cosines, then the sines."""
    table = rope_table(tokens, checkpoint["rope.inverse_frequencies"])
    half = table.cos.shape[1]
    pairs = np.stack(
        [table.cos.reshape(tokens, half // lanes, lanes), table.sin.reshape(tokens, half // lanes, lanes)], 2
    )
    return pairs.reshape(tokens, 2 * half).astype(np.float32)


def _layer_parameters(
    checkpoint: QuantizedCheckpoint, layer: int, sections: Iterable[Section], lanes: int, units_of_kv_head: int
) -> dict[str, Fp32]:
    """The values of each section of a layer; scales of a head are repeated for the `lanes` channels of a word."""
    prefix = f"layers.{layer}."
    constants = attention_constants(checkpoint, layer)
    model = checkpoint.model
    values = {
        "gamma_1": checkpoint[f"{prefix}input_layernorm.weight"],
        "gamma_2": checkpoint[f"{prefix}post_attention_layernorm.weight"],
        "k_inverse": np.repeat(constants.k_inverse, lanes),
        "v_inverse": np.repeat(constants.v_inverse, lanes),
        "q_inverse": np.repeat(constants.q_inverse, lanes),
        "score_factors": constants.score_factor,
        "value_scales": np.repeat(constants.v_scale, units_of_kv_head),
    }
    if model.qkv_bias:
        biases = {name: _of_layer(checkpoint, layer, name).bias for name in "kqv"}
        values["bias"] = np.concatenate([bias for bias in biases.values() if bias is not None])
        values |= {f"{name}_bias": bias for name, bias in biases.items() if bias is not None}
    if model.qk_norm:
        k, q = (checkpoint[f"{prefix}self_attn.{name}_norm.weight"] for name in "kq")
        values["head_gamma"] = np.concatenate([np.tile(k, model.n_kv_heads), np.tile(q, model.n_q_heads)])
        values |= {"k_gamma": k, "q_gamma": q}
    wanted = [section.name for section in sections]
    return {name: np.asarray(values[name], dtype=np.float32) for name in wanted}


def parameter_words(
    checkpoint: QuantizedCheckpoint,
    sections: Sequence[Section],
    lanes: int,
    units_of_kv_head: int,
    tokens: int,
    width_bits: int,
    final_norm: bool,
    number: NumberFormat = FP32,
) -> bytes:
    """RoPE rows of all positions, then the sections of each layer, then the weights of the last norm."""
    rows = number.rounded(_rope_rows(checkpoint, tokens, lanes))
    per_word = width_bits // 32
    padded = np.zeros((tokens, ceil_div(rows.shape[1], per_word) * per_word), dtype=np.float32)
    padded[:, : rows.shape[1]] = rows
    parts = [padded.astype("<f4").tobytes()]
    for layer in range(checkpoint.model.n_layers):
        values = _layer_parameters(checkpoint, layer, sections, lanes, units_of_kv_head)
        for section in sections:
            whole = np.zeros(section.values, dtype=np.float32)
            whole[: values[section.name].size] = number.rounded(values[section.name])
            parts.append(fp32_words(whole, width_bits))
    if final_norm:
        parts.append(fp32_words(number.rounded(checkpoint["norm.weight"]), width_bits))
    return b"".join(parts)


def check_checkpoint(checkpoint: QuantizedCheckpoint, plan_bits: int) -> None:
    """Raise if the integers of a layer are wider than the engine's weights.

    Raises:
        InputError: names the tensor.
    """
    for name, bits in checkpoint.header.weight_bits.items():
        if bits > plan_bits:
            raise InputError(
                f"{name} has weights of {bits} bits, the engine takes {plan_bits}",
                field="checkpoint.weight_bits",
                value={name: bits},
                rule=f"at most {plan_bits} bits",
                hint="generate the project with the checkpoint's quant_scheme",
            )


def decode_images(
    plan: DecodePlan, checkpoint: QuantizedCheckpoint, max_tokens: int, number: NumberFormat = FP32
) -> Images:
    """Image of each port of the decode kernel by port name; caches and hidden state begin as zeros and have none."""
    model, bits = checkpoint.model, checkpoint.header.quant_scheme.weight_bits
    check_checkpoint(checkpoint, bits)
    tb, w = plan.block_parallelism, plan.weight_parallelism // plan.sub_engines
    weights: list[list[bytes]] = [[] for _ in plan.weight_ports]
    scales = []
    layers = [(layer, linear) for layer in range(model.n_layers) for linear in plan.linears]
    for layer, linear in (*layers, (model.n_layers, plan.head)):
        stacked = stacked_linear(checkpoint, layer, linear, tb)
        rows = ceil_div(len(stacked.weight), tb) * tb
        words = decode_weight_words(
            stacked.weight, tb, w, len(plan.weight_ports), bits, plan.weight_ports[0].width_bits, plan.sub_engines,
            plan.d_in_splits,
        )  # fmt: skip
        for images_of_port, image in zip(weights, words, strict=True):
            images_of_port.append(image)
        scales.append(
            scale_words(
                number.rounded(stacked.scale), number.rounded(stacked.row_sum), rows, plan.scale_port.width_bits
            )
        )
    images = {port.name: b"".join(image) for port, image in zip(plan.weight_ports, weights, strict=True)}
    images[plan.scale_port.name] = b"".join(scales)
    images[plan.parameter_port.name] = parameter_words(
        checkpoint,
        plan.sections,
        plan.head_word_lanes,
        model.gqa_group // plan.groups,
        max_tokens,
        plan.parameter_port.width_bits,
        final_norm=True,
        number=number,
    )
    table = number.rounded(checkpoint["embed_tokens.weight"])
    for i, port in enumerate(plan.embedding_ports):
        rows_of_port = table[i * plan.embedding_rows_per_port : (i + 1) * plan.embedding_rows_per_port]
        row_floats = plan.embedding_row_words * port.width_bits // 32
        whole = np.zeros((len(rows_of_port), row_floats), dtype="<f4")
        whole[:, : table.shape[1]] = rows_of_port
        images[port.name] = whole.tobytes()
    return images


def hmt_images(plan: HmtPlan, seed: int, model: ModelConfig) -> Images:
    """Image of each port of the HMT plug-in: W_q, W_k and an empty queue; an empty state and T. The weights are synthetic."""
    weights = plugin_weights(seed, model.hidden_dim)
    images: Images = {}
    for group, port in enumerate(plan.weight_ports):
        words = np.zeros((plan.port_words, port.width_bits // 32), dtype="<f4")
        word = 0
        for matrix in (weights.w_q, weights.w_k):
            # (pass, lane, group, channel of the input): a word is a pass and an input channel, its lanes those of the group.
            lanes = matrix.reshape(-1, plan.weight_parallelism, plan.block_parallelism, model.hidden_dim)[:, :, group]
            found = lanes.transpose(0, 2, 1).reshape(-1, plan.weight_parallelism)
            words[word : word + len(found), : plan.weight_parallelism] = found
            word += len(found)
        images[port.name] = words.tobytes()
    state = np.zeros(plan.outer_word * plan.io_port.width_bits // 32, dtype="<f4")
    images[plan.io_port.name] = np.concatenate([state, weights.outer]).astype("<f4").tobytes()
    return images


def prefill_images(plan: PrefillPlan, checkpoint: QuantizedCheckpoint, number: NumberFormat = FP32) -> Images:
    """Image of each port of the prefill kernel by port name; caches and hidden state begin as zeros and have none."""
    bits = checkpoint.header.quant_scheme.weight_bits
    check_checkpoint(checkpoint, bits)
    images: Images = {}
    for engine in plan.engines:
        width_bits = engine.weight_ports[0].width_bits
        weights: list[list[bytes]] = [[] for _ in engine.weight_ports]
        scales = []
        for layer in range(checkpoint.model.n_layers):
            for linear in engine.linears:
                stacked = stacked_linear(checkpoint, layer, linear, 0)
                words = prefill_weight_words(stacked.weight, engine.columns, engine.sub_arrays, bits, width_bits)
                for images_of_port, image in zip(weights, words, strict=True):
                    images_of_port.append(image)
                scale, row_sum = number.rounded(stacked.scale), number.rounded(stacked.row_sum)
                scales.append(scale_words(scale, row_sum, linear.d_out, engine.scale_port.width_bits))
        images |= {port.name: b"".join(image) for port, image in zip(engine.weight_ports, weights, strict=True)}
        images[engine.scale_port.name] = b"".join(scales)
    images[plan.parameter_port.name] = parameter_words(
        checkpoint,
        plan.sections,
        1,
        checkpoint.model.gqa_group // plan.groups,
        plan.max_tokens,
        plan.parameter_port.width_bits,
        final_norm=False,
        number=number,
    )
    return images
