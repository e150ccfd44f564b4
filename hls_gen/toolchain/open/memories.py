"""On-chip memories by rule: which kind of storage a buffer or a FIFO gets, and how many blocks of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Literal

Storage = Literal["auto", "lutram", "bram", "uram"]

# Depth x width of an 18 kbit block in simple dual port mode, and of an UltraRAM (UG573).
_BRAM18_SHAPES = ((16384, 1), (8192, 2), (4096, 4), (2048, 9), (1024, 18), (512, 36))
_URAM_DEPTH, _URAM_BITS = 4096, 72
# Storage of 32 bits x 128 words takes no block RAM, 32 x 256 does, arrays and FIFOs alike (storage bindings of the csynth
# reports of Stream-HLS, Vitis HLS 2023.2).
_MOST_LUTRAM_WORDS = 128
_MOST_SRL_BITS = 1024  # config_storage -auto_srl_max_bits (UG1399); FIFOs of 32 x 32 are `srl` in those reports
_LUTRAM_DEPTH = 64  # words of a LUT as distributed RAM (UG574)
_SRL_DEPTH = 32  # of a LUT as a shift register (UG574)


def bram18_blocks(depth: int, width_bits: int) -> int:
    """18 kbit blocks of a buffer in the cheapest aspect ratio."""
    return min(ceil(depth / rows) * ceil(width_bits / columns) for rows, columns in _BRAM18_SHAPES)


def uram_blocks(depth: int, width_bits: int) -> int:
    """UltraRAM blocks of a buffer."""
    return ceil(depth / _URAM_DEPTH) * ceil(width_bits / _URAM_BITS)


@dataclass(frozen=True, slots=True)
class Memory:
    """`banks` equal buffers of `depth` words of `width_bits`. `storage`: what the source binds it to, auto where nothing."""

    name: str
    depth: int
    width_bits: int
    banks: int = 1
    storage: Storage = "auto"
    is_fifo: bool = False

    @property
    def kind(self) -> Literal["lutram", "srl", "bram", "uram"]:
        """The storage that it gets."""
        if self.storage in ("uram", "bram", "lutram"):
            return self.storage
        if self.depth > _MOST_LUTRAM_WORDS:
            return "bram"
        if self.is_fifo and (self.depth <= 2 or self.depth * self.width_bits <= _MOST_SRL_BITS):
            return "srl"
        return "lutram"

    @property
    def bram_18k(self) -> int:
        """Blocks of 18 kbit of all banks."""
        return self.banks * bram18_blocks(self.depth, self.width_bits) if self.kind == "bram" else 0

    @property
    def uram(self) -> int:
        """UltraRAM blocks of all banks."""
        return self.banks * uram_blocks(self.depth, self.width_bits) if self.kind == "uram" else 0

    @property
    def luts(self) -> int:
        """LUTs that hold the words, where LUTs do."""
        per_bit = {"srl": _SRL_DEPTH, "lutram": _LUTRAM_DEPTH}.get(self.kind)
        return self.banks * self.width_bits * ceil(self.depth / per_bit) if per_bit else 0
