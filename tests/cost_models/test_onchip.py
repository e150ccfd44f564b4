"""BRAM and URAM packing against brute force, and what the resource law counts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cost_models.macs import mac_cost
from cost_models.onchip import bram18_blocks, uram_blocks

DEPTH = st.integers(1, 70_000)
WIDTH = st.integers(1, 2_500)


def tiles(depth: int, width: int, block_depth: int, block_width: int) -> int:
    """Blocks of one shape that cover a buffer, laid one by one."""
    rows = columns = 0
    while rows * block_depth < depth:
        rows += 1
    while columns * block_width < width:
        columns += 1
    return rows * columns


@given(DEPTH, WIDTH)
def test_bram18_is_the_cheapest_of_all_shapes(depth: int, width: int) -> None:
    """18 kbit as 512 x 36 down to 16384 x 1; the widths below 9 bits cannot use the parity bits (UG573)."""
    shapes = [(512 << i, width) for i, width in enumerate((36, 18, 9, 4, 2, 1))]
    assert bram18_blocks(depth, width) == min(tiles(depth, width, d, w) for d, w in shapes)


@given(DEPTH, WIDTH)
def test_uram_has_one_shape(depth: int, width: int) -> None:
    assert uram_blocks(depth, width) == tiles(depth, width, 4096, 72)


@given(DEPTH, WIDTH, DEPTH, WIDTH)
def test_a_buffer_that_contains_another_is_no_smaller(depth: int, width: int, more: int, wider: int) -> None:
    for law in (bram18_blocks, uram_blocks):
        assert law(depth + more, width + wider) >= law(depth, width)


@given(DEPTH, WIDTH)
def test_blocks_hold_the_bits(depth: int, width: int) -> None:
    assert bram18_blocks(depth, width) * 18_432 >= depth * width
    assert uram_blocks(depth, width) * 294_912 >= depth * width


def test_packing_is_elementwise() -> None:
    depth, width = np.array([1, 512, 513, 40_000]), np.array([1, 36, 36, 5])
    assert bram18_blocks(depth, width).tolist() == [
        float(bram18_blocks(d, w)) for d, w in zip(depth, width, strict=True)
    ]


def test_known_buffers() -> None:
    assert bram18_blocks(1024, 32) == 2  # 1024 x 18, two side by side
    assert bram18_blocks(8192, 32) == 16  # 8192 x 2
    assert uram_blocks(2048, 32) == 1  # half empty: depth and width are fixed
    assert uram_blocks(16_384, 256) == 16


def test_two_macs_a_dsp() -> None:
    """A TP x WP array in 2 x 2 elements of two DSPs each; an odd number is refused by legality."""
    macs = np.array([2, 8, 16]) * np.array([2, 96, 128])
    assert (macs * mac_cost("prefill", "dsp2", 4, 4, 2048).dsp).tolist() == [2, 384, 1024]
