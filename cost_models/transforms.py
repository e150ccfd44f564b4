"""Online Hadamard transform, the serial form that FlexLLM builds (quant.h, pref_FHT / dec_FHT)."""

from __future__ import annotations

import math

from spec.hadamard import hadamard_base


def serial_hadamard_cycles(dim: int) -> float:
    """Cycles of one transform of `dim` values per lane.

    Read `dim`, for each of log2(dim) butterfly stages a shuffle of `dim` and `dim / 2` butterflies, write `dim`:
    `dim * (2 + 1.5 log2 dim)`. A base b > 1 (dim = b * 2^k) replaces log2(b) stages by one dense stage of b additions
    a value on the same two adders, plus its shuffle: `dim * (1 + b / 2)` (our extension, not in FlexLLM).
    A dim without a Hadamard matrix is refused by legality; here it counts as a power of two rounded up.
    """
    base = hadamard_base(dim) or 1
    stages = math.ceil(math.log2(dim / base))
    dense = 1 + base / 2 if base > 1 else 0.0
    return dim * (2 + 1.5 * stages + dense)
