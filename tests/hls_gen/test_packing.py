"""Memory images against loops that follow the words of the headers."""

from __future__ import annotations

import numpy as np
import pytest

from hls_gen.packing import pack_decode_scales, pack_decode_weights, pack_prefill_scales, pack_prefill_weights


def nibble(image: bytes, word: int, lane: int, width_bits: int) -> int:
    byte = image[word * width_bits // 8 + lane // 2]
    value = byte >> 4 if lane % 2 else byte & 0xF
    return value - 16 if value > 7 else value


def random_weights(d_out: int, d_in: int) -> np.ndarray:
    return np.random.default_rng(d_out * d_in).integers(-8, 8, (d_out, d_in), dtype=np.int8)


@pytest.mark.parametrize(
    ("d_out", "columns", "sub_arrays", "width_bits"), [(20, 6, 1, 32), (31, 4, 3, 64), (8, 8, 1, 32)]
)
def test_prefill_weights(d_out: int, columns: int, sub_arrays: int, width_bits: int) -> None:
    d_in = 5
    weights = random_weights(d_out, d_in)
    images = pack_prefill_weights(weights, columns, sub_arrays, width_bits)
    width = columns * sub_arrays
    passes = -(-d_out // width)
    assert [len(image) for image in images] == [passes * d_in * width_bits // 8] * sub_arrays
    for j, image in enumerate(images):
        for p in range(passes):
            for k in range(d_in):
                for lane in range(width_bits // 4):
                    channel = p * width + j * columns + lane
                    expected = weights[channel, k] if lane < columns and channel < d_out else 0
                    assert nibble(image, p * d_in + k, lane, width_bits) == expected


@pytest.mark.parametrize(
    ("tb", "w", "ports", "width_bits"), [(4, 4, 4, 32), (4, 4, 2, 32), (2, 8, 4, 32), (4, 6, 3, 64)]
)
def test_decode_weights(tb: int, w: int, ports: int, width_bits: int) -> None:
    rows, d_in = 7, 8
    d_out = rows * tb
    weights = random_weights(d_out, d_in)
    images = pack_decode_weights(weights, tb, w, ports, width_bits)
    share = tb * w // ports
    passes = -(-rows // w)
    assert len(images) == ports
    for port, image in enumerate(images):
        assert len(image) == passes * d_in * width_bits // 8
        for p in range(passes):
            for k in range(d_in):
                for lane in range(width_bits // 4):
                    group, n = divmod(port * share + lane, w)
                    row = p * w + n
                    expected = weights[group * rows + row, k] if lane < share and row < rows else 0
                    assert nibble(image, p * d_in + k, lane, width_bits) == expected


def test_scales() -> None:
    scales = np.arange(1, 13, dtype=np.float32)
    prefill = np.frombuffer(pack_prefill_scales(scales, -scales, 512), dtype="<f4").reshape(-1, 2)
    assert len(prefill) == 16  # two words of eight pairs
    assert prefill[:12, 0].tolist() == scales.tolist()
    assert prefill[:12, 1].tolist() == (-scales).tolist()
    assert not prefill[12:].any()
    decode = np.frombuffer(pack_decode_scales(scales, -scales, 4, 64), dtype="<f4").reshape(-1, 2)
    # Four groups of three rows: row 0 of each group, then row 1, then row 2.
    assert decode[:, 0].tolist() == [1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12]
    assert decode[:, 1].tolist() == (-decode[:, 0]).tolist()
