"""On-chip memories: how many BRAM18 or URAM blocks a buffer of given depth and width takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from cost_models.arrays import FloatArray, IntArray

# Aspect ratios of an 18 kbit block RAM in true or simple dual port mode (UG573): depth x width.
_BRAM18_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
_URAM_DEPTH, _URAM_WIDTH = 4096, 72  # UG573


def bram18_blocks(depth: FloatArray | float, width_bits: FloatArray | float) -> FloatArray:
    """BRAM18 blocks of a depth x width buffer in its cheapest aspect ratio, elementwise."""
    shapes: tuple[tuple[int, int], ...] = _BRAM18_SHAPES
    if isinstance(depth, int | float):
        shapes = _shapes_for_depth(float(depth))
    elif isinstance(width_bits, int | float):
        shapes = _shapes_for_width(float(width_bits))
    best: FloatArray | None = None
    for rows, columns in shapes:
        blocks = np.asarray(_ceil(depth, rows) * _ceil(width_bits, columns))
        best = blocks if best is None else np.minimum(best, blocks, out=best if best.ndim else None)
    return np.asarray(best)


def _ceil(value: FloatArray | float, step: int) -> FloatArray | float:
    if isinstance(value, int | float):
        return float(math.ceil(value / step))
    return np.asarray(np.ceil(value / step))


@cache
def _shapes_for_depth(depth: float) -> tuple[tuple[int, int], ...]:
    """The shapes that can be the cheapest at this depth, whatever the width.

    With m = ceil(depth / rows), a shape never beats one that needs no more of m and is no narrower, nor one that divides
    its width w into w / v parts of v with m (w / v) <= its own m: ceil(x / v) <= (w / v) ceil(x / w).
    """
    found = [(math.ceil(depth / rows), width, (rows, width)) for rows, width in _BRAM18_SHAPES]

    def beaten(one: tuple[int, int, tuple[int, int]], other: tuple[int, int, tuple[int, int]]) -> bool:
        (m, w, _), (n, v, _) = one, other
        return (n <= m and v > w) or (v < w and w % v == 0 and n * (w // v) <= m)

    kept: list[tuple[int, int, tuple[int, int]]] = []
    for one in reversed(found):  # the widest first; what is left to compare with was not beaten itself
        if not any(beaten(one, other) for other in kept):
            kept = [other for other in kept if not beaten(other, one)]
            kept.append(one)
    return tuple(shape for _, _, shape in kept)


@cache
def _shapes_for_width(width: float) -> tuple[tuple[int, int], ...]:
    """The shapes that can be the cheapest at this width, whatever the depth: the same with rows and columns exchanged."""
    kept: list[tuple[int, int]] = []
    for rows, columns in reversed(_BRAM18_SHAPES):  # the shallowest first
        parts = math.ceil(width / columns)
        if not any(math.ceil(width / w) * (rows // d) <= parts for d, w in kept):
            kept.append((rows, columns))
    return tuple(kept)


def uram_blocks(depth: FloatArray | float, width_bits: FloatArray | float) -> FloatArray:
    """URAM blocks of a depth x width buffer, elementwise."""
    return np.asarray(np.ceil(np.asarray(depth) / _URAM_DEPTH) * np.ceil(np.asarray(width_bits) / _URAM_WIDTH))


def shift_register_lut(width_bits: FloatArray | IntArray | float, depth: FloatArray | float) -> FloatArray | float:
    """LUT of a FIFO's shift registers, elementwise: two bits a LUT to a depth of 16, else one a bit and 32 words (UG574)."""
    if isinstance(depth, int | float):
        return width_bits * (0.5 if depth <= 16 else math.ceil(depth / 32))
    return np.asarray(width_bits * np.where(depth <= 16, 0.5, np.ceil(depth / 32)))


@dataclass(frozen=True, slots=True)
class FifoBlocks:
    """Memory blocks of a FIFO; a short one is in shift registers and takes neither."""

    bram_18k: FloatArray | float
    uram: FloatArray | float


# TAPA's fifo.v (rapidstream-org/rapidstream-tapa): a FIFO of at least 4096 words of at least 36 bits is a URAM, one of
# at least 128 words a block RAM, any other shift registers.
_FIFO_URAM_DEPTH, _FIFO_URAM_BITS, _FIFO_BRAM_DEPTH = 4096, 36, 128


def fifo_blocks(depth: FloatArray | float, width_bits: FloatArray | float) -> FifoBlocks:
    """Blocks of a FIFO between two processes, elementwise in its depth and width."""
    if isinstance(depth, int | float):
        if depth < _FIFO_BRAM_DEPTH:
            return FifoBlocks(0.0, 0.0)
        bram = bram18_blocks(depth, width_bits)
        if depth < _FIFO_URAM_DEPTH:
            return FifoBlocks(bram, 0.0)
        wide = np.asarray(width_bits) >= _FIFO_URAM_BITS
        return FifoBlocks(np.where(wide, 0.0, bram), np.where(wide, uram_blocks(depth, width_bits), 0.0))
    ultra = (depth >= _FIFO_URAM_DEPTH) & (np.asarray(width_bits) >= _FIFO_URAM_BITS)
    block = (depth >= _FIFO_BRAM_DEPTH) & ~ultra
    return FifoBlocks(
        np.where(block, bram18_blocks(depth, width_bits), 0.0), np.where(ultra, uram_blocks(depth, width_bits), 0.0)
    )
