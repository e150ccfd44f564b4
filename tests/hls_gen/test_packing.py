"""Memory images against loops that follow the words of the headers."""

from __future__ import annotations

import numpy as np
import pytest

from hls_gen.packing import (
    cache_words,
    decode_weight_words,
    fp32_words,
    prefill_weight_words,
    scale_words,
)
from hls_gen.planning.types import CacheLayout


def value(image: bytes, word: int, lane: int, bits: int, width_bits: int) -> int:
    """Signed integer number `lane` of a word, the lowest bits first."""
    whole = int.from_bytes(image[word * width_bits // 8 : (word + 1) * width_bits // 8], "little")
    raw = whole >> lane * bits & (1 << bits) - 1
    return raw - (1 << bits) if raw >> bits - 1 else raw


def random_weights(d_out: int, d_in: int, bits: int) -> np.ndarray:
    top = 1 << bits - 1
    return np.random.default_rng(d_out * d_in).integers(-top, top, (d_out, d_in), dtype=np.int8)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    ("d_out", "columns", "sub_arrays", "width_bits"), [(20, 6, 1, 64), (31, 4, 3, 64), (8, 8, 1, 64)]
)
def test_prefill_weights(d_out: int, columns: int, sub_arrays: int, width_bits: int, bits: int) -> None:
    d_in = 5
    weights = random_weights(d_out, d_in, bits)
    images = prefill_weight_words(weights, columns, sub_arrays, bits, width_bits)
    width = columns * sub_arrays
    passes = -(-d_out // width)
    assert [len(image) for image in images] == [passes * d_in * width_bits // 8] * sub_arrays
    for j, image in enumerate(images):
        for p in range(passes):
            for k in range(d_in):
                for lane in range(width_bits // bits):
                    channel = p * width + j * columns + lane
                    expected = weights[channel, k] if lane < columns and channel < d_out else 0
                    assert value(image, p * d_in + k, lane, bits, width_bits) == expected


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("groups", "lanes", "ports", "d_out"), [(4, 6, 3, 44), (2, 8, 4, 26), (3, 16, 2, 51)])
def test_decode_weights(groups: int, lanes: int, ports: int, d_out: int, bits: int) -> None:
    d_in, width_bits = 5, 256
    weights = random_weights(d_out, d_in, bits)
    images = decode_weight_words(weights, groups, lanes, ports, bits, width_bits)
    passes = -(-d_out // (groups * lanes))
    per_port = groups * lanes // ports
    for port, image in enumerate(images):
        assert len(image) == passes * d_in * width_bits // 8
        for p in range(passes):
            for k in range(d_in):
                for i in range(per_port):
                    g, n = divmod(port * per_port + i, lanes)
                    channel = p * groups * lanes + n * groups + g
                    expected = weights[channel, k] if channel < d_out else 0
                    assert value(image, p * d_in + k, i, bits, width_bits) == expected


@pytest.mark.parametrize("d_out", [4, 24, 30, 48, 53])
def test_words_of_sub_engines_lie_side_by_side(d_out: int) -> None:
    """Two sub-engines of 4 groups x 3 channels: the words of their passes alternate, where the last pass has both."""
    groups, lanes, ports, bits, d_in, width_bits, subs = 4, 3, 2, 4, 5, 64, 2
    weights = random_weights(d_out, d_in, bits)
    images = decode_weight_words(weights, groups, lanes, ports, bits, width_bits, subs)
    sub_passes = -(-d_out // (groups * lanes))
    per_port = groups * lanes // ports
    for port, image in enumerate(images):
        assert len(image) == sub_passes * d_in * width_bits // 8
        word = 0
        for first in range(0, sub_passes, subs):
            for k in range(d_in):
                for sub_pass in range(first, min(first + subs, sub_passes)):
                    for i in range(per_port):
                        g, n = divmod(port * per_port + i, lanes)
                        channel = sub_pass * groups * lanes + n * groups + g
                        expected = weights[channel, k] if channel < d_out else 0
                        assert value(image, word, i, bits, width_bits) == expected
                    word += 1


@pytest.mark.parametrize("d_out", [8, 12, 21])
def test_parts_of_the_lanes_hold_every_so_many_th_input_channel(d_out: int) -> None:
    """Three parts of 2 groups x 4 channels, on three ports; two sub-engines, whose passes have 8 output channels."""
    groups, lanes, ports, bits, d_in, width_bits, subs, parts = 6, 4, 3, 4, 12, 64, 2, 3
    weights = random_weights(d_out, d_in, bits)
    images = decode_weight_words(weights, groups, lanes, ports, bits, width_bits, subs, parts)
    of_part = groups // parts
    word = 0
    for first in range(0, -(-d_out // (of_part * lanes)), subs):
        for k in range(d_in // parts):
            for sub_pass in range(first, min(first + subs, -(-d_out // (of_part * lanes)))):
                for lane in range(groups * lanes):
                    g, n = divmod(lane, lanes)
                    part, group = divmod(g, of_part)
                    channel = sub_pass * of_part * lanes + n * of_part + group
                    expected = weights[channel, k * parts + part] if channel < d_out else 0
                    port, place = divmod(lane, groups * lanes // ports)
                    assert value(images[port], word, place, bits, width_bits) == expected
                word += 1
    assert {len(image) for image in images} == {word * width_bits // 8}


def test_scales_are_pairs_in_channel_order() -> None:
    scales, sums = np.arange(5, dtype=np.float32), np.arange(5, 10, dtype=np.float32)
    found = np.frombuffer(scale_words(scales, sums, 6, 256), dtype="<f4").reshape(-1, 2)
    assert found.shape == (8, 2)
    assert np.array_equal(found[:5], np.stack([scales, sums], axis=1))
    assert not found[5:].any()


def test_fp32_fill_whole_words() -> None:
    found = np.frombuffer(fp32_words(np.arange(5, dtype=np.float32), 128), dtype="<f4")
    assert found.tolist() == [0, 1, 2, 3, 4, 0, 0, 0]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(("chunk", "head_dim", "width_bits"), [(4, 16, 64), (8, 20, 64), (16, 16, 256)])
def test_cache(bits: int, chunk: int, head_dim: int, width_bits: int) -> None:
    tokens, heads, room = 3, 2, 5
    cached = random_weights(tokens * heads, head_dim, bits).reshape(tokens, heads, head_dim)
    chunks = -(-head_dim // chunk)
    per_word = width_bits // (bits * chunk)
    words = -(-chunks // per_word)
    image = cache_words(cached, CacheLayout(chunk, chunks, per_word, words, words * room), room, bits, width_bits)
    assert len(image) == heads * room * words * width_bits // 8
    for head in range(heads):
        for token in range(tokens):
            for channel in range(head_dim):
                word = (head * room + token) * words + channel // chunk // per_word
                lane = channel // chunk % per_word * chunk + channel % chunk
                assert value(image, word, lane, bits, width_bits) == cached[token, head, channel]
