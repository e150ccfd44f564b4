"""On-chip memories of our C++ library by rule: which kind of storage a buffer or a FIFO gets, and how many blocks of it.

The one source for the cost models (arrays of designs) and for open synthesis (one project): depth, width and number may
be whole numbers or arrays of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Storage = Literal["auto", "lutram", "bram", "uram"]
Count = int | npt.NDArray[Any]  # whole numbers

# Depth x width of an 18 kbit block in simple dual port mode, and of an UltraRAM (UG573).
BRAM18_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
URAM_DEPTH, URAM_BITS = 4096, 72
# Storage of 32 bits x 128 words takes no block RAM, 32 x 256 does, arrays and FIFOs alike (storage bindings of the csynth
# reports of Stream-HLS, Vitis HLS 2023.2).
MOST_LUTRAM_WORDS = 128
_MOST_SRL_BITS = 1024  # config_storage -auto_srl_max_bits (UG1399); FIFOs of 32 x 32 are `srl` in those reports
# Distributed RAM with a port to write and one to read: 14 bits of 32 words (RAM32M16) or 7 of 64 (RAM64M8) in eight LUTs; a
# LUT as a shift register: two bits of 16 words, or one of 32 (UG574).
_RAM_LUTS, _RAM_BITS_OF_32, _RAM_BITS_OF_64 = 8, 14, 7


def ceil_div(numerator: Count, denominator: Count) -> Count:
    """Whole division rounded up, elementwise."""
    return -(-numerator // denominator)


def bram18_blocks(depth: Count, width_bits: Count) -> Count:
    """18 kbit blocks of a buffer in the cheapest aspect ratio, elementwise."""
    found = [ceil_div(depth, rows) * ceil_div(width_bits, columns) for rows, columns in BRAM18_SHAPES]
    whole = [blocks for blocks in found if isinstance(blocks, int)]
    if len(whole) == len(found):
        return min(whole)
    return np.asarray(np.minimum.reduce([np.asarray(blocks) for blocks in found]))


def uram_blocks(depth: Count, width_bits: Count) -> Count:
    """UltraRAM blocks of a buffer, elementwise."""
    return ceil_div(depth, URAM_DEPTH) * ceil_div(width_bits, URAM_BITS)


def chosen(condition: bool | npt.NDArray[np.bool_], yes: Count, no: Count) -> Count:
    """`yes` where the condition holds, else `no`: whole numbers stay whole numbers."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, yes, no)
    return yes if condition else no


@dataclass(frozen=True, slots=True)
class Memory:
    """`banks` equal buffers of `depth` words of `width_bits`. `storage`: what the source binds it to, auto where nothing."""

    name: str
    depth: Count
    width_bits: Count
    banks: Count = 1
    storage: Storage = "auto"
    is_fifo: bool = False

    @property
    def in_blocks(self) -> bool | npt.NDArray[np.bool_]:
        """Where it is in block RAM or UltraRAM."""
        return self.storage in ("bram", "uram") or (self.storage == "auto" and self.depth > MOST_LUTRAM_WORDS)

    @property
    def in_shift_registers(self) -> bool | npt.NDArray[np.bool_]:
        """Where it is a FIFO in shift registers."""
        if not self.is_fifo or self.storage != "auto":
            return False
        small = (self.depth <= 2) | (self.depth * self.width_bits <= _MOST_SRL_BITS)
        return small & (self.depth <= MOST_LUTRAM_WORDS)

    @property
    def bram_18k(self) -> Count:
        """Blocks of 18 kbit of all banks."""
        if self.storage not in ("auto", "bram"):
            return 0
        return chosen(self.in_blocks, self.banks * bram18_blocks(self.depth, self.width_bits), 0)

    @property
    def uram(self) -> Count:
        """UltraRAM blocks of all banks."""
        return self.banks * uram_blocks(self.depth, self.width_bits) if self.storage == "uram" else 0

    @property
    def luts(self) -> Count:
        """LUTs that hold the words, where LUTs do."""
        short = chosen(
            self.depth <= 32,
            ceil_div(_RAM_LUTS * self.width_bits, _RAM_BITS_OF_32),
            ceil_div(_RAM_LUTS * self.width_bits, _RAM_BITS_OF_64) * ceil_div(self.depth, 64),
        )
        shifting = chosen(self.depth <= 16, ceil_div(self.width_bits, 2), self.width_bits * ceil_div(self.depth, 32))
        return chosen(self.in_blocks, 0, self.banks * chosen(self.in_shift_registers, shifting, short))
