"""Array types and the few integer helpers that every law uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spec.design_batch import BoolArray, FloatArray, IntArray
from spec.resources import RESOURCE_NAMES

__all__ = ["BoolArray", "FloatArray", "IntArray", "ResourceArrays", "ceil_div"]


def ceil_div(numerator: int | IntArray, denominator: int | IntArray) -> IntArray:
    """Integer division rounded up, elementwise."""
    return np.asarray(-(-np.asarray(numerator) // denominator), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ResourceArrays:
    """Resource counts of a batch, each (n_points,), in the order of `RESOURCE_NAMES`."""

    lut: FloatArray
    ff: FloatArray
    dsp: FloatArray
    bram_18k: FloatArray
    uram: FloatArray

    def items(self) -> list[tuple[str, FloatArray]]:
        """Name and array of each kind."""
        return [(name, getattr(self, name)) for name in RESOURCE_NAMES]
