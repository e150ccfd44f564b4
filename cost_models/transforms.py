"""Online Hadamard transform, the serial form that FlexLLM builds (quant.h, pref_FHT / dec_FHT)."""

from __future__ import annotations

import math

import numpy as np

from cost_models.arrays import FloatArray, IntArray
from spec.hadamard import hadamard_base


def serial_hadamard_cycles(dim: int, lanes: int | IntArray, restart_cycles: float) -> FloatArray:
    """Cycles of one transform of `dim` values over `lanes` lanes (FlexLLM: one in prefill, block_parallelism in decode).

    Read `dim`, for each of log2(dim) butterfly stages a shuffle of `dim` and `dim / 2` butterflies, write `dim`:
    `dim / lanes * (2 + 1.5 log2 dim) + (2 + 2 log2 dim) restart`, each loop after the other. A base b > 1 (dim = b * 2^k)
    replaces log2(b) stages by one dense stage of b additions a value on the same two adders, plus its shuffle:
    `dim * (1 + b / 2)` (our extension, not in FlexLLM).
    A dim without a Hadamard matrix is refused by legality; here it counts as a power of two rounded up.
    """
    base = hadamard_base(dim) or 1
    stages = math.ceil(math.log2(dim / base))
    dense = 1 + base / 2 if base > 1 else 0.0
    loops = 2 + 2 * stages + (2 if base > 1 else 0)
    return np.asarray(dim * (2 + 1.5 * stages + dense) / lanes + loops * restart_cycles)
