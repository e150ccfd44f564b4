"""Memory images: the bytes that a host uploads for the weight and scale ports of both kernels.

Orders are those that the library's headers read (`load_weights.hpp`, `load_scales.hpp`); surplus lanes, surplus channels
of a ragged last pass and the end of the last scale word are zero.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hls_gen.planning.cycle_laws import ceil_div

Int8 = npt.NDArray[np.int8]
Fp32 = npt.NDArray[np.float32]


def _to_words(lanes: Int8, width_bits: int) -> bytes:
    """int4 values `lanes` (words, lanes) as words of `width_bits`, the even lane in the low nibble of its byte."""
    words, count = lanes.shape
    nibbles = np.zeros((words, width_bits // 4), dtype=np.uint8)
    nibbles[:, :count] = lanes.view(np.uint8) & 0xF
    return (nibbles[:, 0::2] | nibbles[:, 1::2] << 4).tobytes()


def pack_prefill_weights(weights: Int8, columns: int, sub_arrays: int, width_bits: int) -> list[bytes]:
    """One image for each sub-array of `weights` (d_out, d_in): word (pass, k) holds `columns` output channels."""
    d_out, d_in = weights.shape
    width = columns * sub_arrays
    passes = ceil_div(d_out, width)
    padded = np.zeros((passes * width, d_in), dtype=np.int8)
    padded[:d_out] = weights
    by_pass = padded.reshape(passes, sub_arrays, columns, d_in)
    return [
        _to_words(by_pass[:, j].transpose(0, 2, 1).reshape(passes * d_in, columns), width_bits)
        for j in range(sub_arrays)
    ]


def pack_decode_weights(
    weights: Int8, block_parallelism: int, weight_parallelism: int, n_ports: int, width_bits: int
) -> list[bytes]:
    """One image for each port of `weights` (d_out, d_in): word (pass, k) holds its share of the TB x W lanes.

    Lane g * W + n of a pass is output channel g * (d_out / TB) + pass * W + n.
    """
    d_out, d_in = weights.shape
    rows = d_out // block_parallelism
    passes = ceil_div(rows, weight_parallelism)
    padded = np.zeros((block_parallelism, passes * weight_parallelism, d_in), dtype=np.int8)
    padded[:, :rows] = weights.reshape(block_parallelism, rows, d_in)
    by_pass = padded.reshape(block_parallelism, passes, weight_parallelism, d_in).transpose(1, 3, 0, 2)
    lanes = by_pass.reshape(passes * d_in, n_ports, block_parallelism * weight_parallelism // n_ports)
    return [_to_words(lanes[:, port], width_bits) for port in range(n_ports)]


def _pairs_to_words(pairs: Fp32, width_bits: int) -> bytes:
    per_word = width_bits // 64
    padded = np.zeros((ceil_div(len(pairs), per_word) * per_word, 2), dtype="<f4")
    padded[: len(pairs)] = pairs
    return padded.tobytes()


def pack_prefill_scales(scales: Fp32, row_sums: Fp32, width_bits: int) -> bytes:
    """{scale, row sum} of each channel, in channel order."""
    return _pairs_to_words(np.stack([scales, row_sums], axis=1), width_bits)


def pack_decode_scales(scales: Fp32, row_sums: Fp32, block_parallelism: int, width_bits: int) -> bytes:
    """{scale, row sum} in the order of the results: row i of each group, then row i + 1."""
    pairs = np.stack([scales, row_sums], axis=1).reshape(block_parallelism, -1, 2)
    return _pairs_to_words(pairs.transpose(1, 0, 2).reshape(-1, 2), width_bits)
