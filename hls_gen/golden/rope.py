"""Rotary position embedding: the tables are data made once in float64, the rotation is fp32 of spec/numerics.md."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.number_format import FP32, NumberFormat


class RopeTable(NamedTuple):
    """`cos` and `sin`, (positions, head_dim / 2)."""

    cos: Fp32
    sin: Fp32

    def rows(self, first: int, count: int) -> RopeTable:
        """The rows of `count` positions from `first` on."""
        return RopeTable(self.cos[first : first + count], self.sin[first : first + count])


def rope_table(positions: int, inverse_frequencies: Fp32) -> RopeTable:
    """Rows of positions 0, 1, ...: the angle is one fp32 product, its cosine and sine are float64, rounded once.

    Scaling for long contexts (llama3, linear) is already in `inverse_frequencies` (head_dim / 2,).
    """
    angles = np.multiply.outer(np.arange(positions, dtype=np.float32), inverse_frequencies).astype(np.float64)
    return RopeTable(np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32))


def rope(x: Fp32, table: RopeTable, number: NumberFormat = FP32) -> Fp32:
    """`x` (tokens, heads, head_dim) turned by the table's rows of its tokens; channel i goes with i + head_dim / 2."""
    half = x.shape[-1] // 2
    low, high = x[..., :half], x[..., half:]
    cos, sin = (number.rounded(part)[:, None, :] for part in table)
    return np.concatenate(
        [
            number.subtract(number.multiply(low, cos), number.multiply(high, sin)),
            number.add(number.multiply(high, cos), number.multiply(low, sin)),
        ],
        axis=-1,
    )
