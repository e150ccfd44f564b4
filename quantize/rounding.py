"""Weights to integers: round to nearest on a grid per channel, per group or per tensor, with the clip of least error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from spec.errors import InputError
from spec.quant_scheme import QuantScheme

Fp32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]

# Fractions of the largest magnitude that are tried as clip; below 8 bits a little clipping halves the error.
CLIP_FRACTIONS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
CLIPPED_BELOW_BITS = 6  # at 6 bits and more the search gains nothing worth its time
SMALLEST_SCALE = np.float32(2.0**-100)  # spec/numerics.md, range of s_w


class RoundedWeight(NamedTuple):
    """weight = integers * scale, group by group; `zero` is already subtracted from the integers of asymmetric weights."""

    integers: Int16  # (d_out, d_in)
    scale: Fp32  # (d_out, groups)

    def values(self) -> Fp32:
        """The weights that the integers stand for, fp32 (d_out, d_in)."""
        d_out, groups = self.scale.shape
        grouped = self.integers.reshape(d_out, groups, -1).astype(np.float32) * self.scale[:, :, None]
        return np.asarray(grouped.reshape(self.integers.shape), dtype=np.float32)


def grid_scale(weight: Fp32, bits: int, *, clip: bool) -> Fp32:
    """(rows, 1): the symmetric scale of each row, its largest magnitude or the clip of least squared error."""
    top = np.float32(2 ** (bits - 1) - 1)
    largest = np.maximum(np.abs(weight).max(axis=1, keepdims=True) / top, SMALLEST_SCALE)
    if not clip:
        return np.asarray(largest, dtype=np.float32)
    best = largest
    least = np.full(largest.shape, np.inf, dtype=np.float32)
    for fraction in CLIP_FRACTIONS:
        scale = largest * np.float32(fraction)
        error = np.square(to_grid(weight, scale, bits) * scale - weight).sum(axis=1, keepdims=True)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return np.asarray(best, dtype=np.float32)


def to_grid(weight: Fp32, scale: Fp32, bits: int) -> Fp32:
    """The nearest integers -2^(bits-1) .. 2^(bits-1)-1 to weight / scale, ties to even, as fp32."""
    return np.asarray(np.clip(np.rint(weight / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), dtype=np.float32)


class Grid(NamedTuple):
    """The values that weights are rounded to: scale * (lowest .. lowest + 2^bits - 1), (d_out, groups) each."""

    scale: Fp32
    lowest: Fp32  # integers, as fp32
    bits: int

    def nearest(self, weight: Fp32, scale: Fp32, lowest: Fp32) -> Fp32:
        """The integers nearest to `weight` where `scale` and `lowest` of this grid broadcast against it, ties to even."""
        return np.asarray(np.clip(np.rint(weight / scale), lowest, lowest + (2**self.bits - 1)), dtype=np.float32)


def grid_of(weight: Fp32, bits: int, scheme: QuantScheme, *, clip: bool | None = None) -> Grid:
    """The grid that `scheme` describes for `weight` (d_out, d_in) at `bits`.

    `clip`: whether symmetric scales are the clip of least squared error; by default at few bits.

    Raises:
        InputError: a group size that does not divide d_in.
    """
    d_out, d_in = weight.shape
    if scheme.weight_scale == "per_tensor":
        rows = weight.reshape(1, -1)
    elif scheme.weight_scale == "per_group":
        rows = weight.reshape(-1, check_group(d_in, scheme.weight_group_size))
    else:
        rows = weight
    if scheme.weight_symmetry == "asymmetric":
        scale, lowest = _asymmetric_grid(rows, bits)
    else:
        scale = grid_scale(rows, bits, clip=bits < CLIPPED_BELOW_BITS if clip is None else clip)
        lowest = np.full_like(scale, -(2 ** (bits - 1)))
    shape = (d_out, 1) if scheme.weight_scale == "per_tensor" else (d_out, rows.size // rows.shape[1] // d_out)
    scale, lowest = (
        np.broadcast_to(part, shape) if part.size == 1 else part.reshape(shape) for part in (scale, lowest)
    )
    return Grid(np.ascontiguousarray(scale), np.ascontiguousarray(lowest), bits)


def joined_grids(grids: Sequence[Grid]) -> Grid:
    """The grids of several layers that read the same input, one below the other."""
    return Grid(np.concatenate([g.scale for g in grids]), np.concatenate([g.lowest for g in grids]), grids[0].bits)


def round_to_nearest(weight: Fp32, bits: int, scheme: QuantScheme) -> RoundedWeight:
    """`weight` (d_out, d_in) on the grid that `scheme` describes, at `bits`.

    Raises:
        InputError: a group size that does not divide d_in.
    """
    grid = grid_of(weight, bits, scheme)
    d_out, groups = grid.scale.shape
    grouped = weight.reshape(d_out, groups, -1)
    integers = grid.nearest(grouped, grid.scale[:, :, None], grid.lowest[:, :, None])
    return RoundedWeight(integers.reshape(weight.shape).astype(np.int16), grid.scale)


def check_group(d_in: int, group: int | None) -> int:
    """`group` if it divides `d_in`.

    Raises:
        InputError: it does not.
    """
    if not group or d_in % group:
        raise InputError(
            f"weight groups of {group} channels do not divide {d_in} channels",
            field="weight_group_size",
            value=group,
            rule=f"a divisor of {d_in}",
            hint="take a smaller power of two, or weight_scale: per_channel",
        )
    return group


def _asymmetric_grid(rows: Fp32, bits: int) -> tuple[Fp32, Fp32]:
    """(rows, 1) scale and lowest integer: from the smallest to the largest weight, zero among the values."""
    levels = np.float32(2**bits - 1)
    low = np.minimum(rows.min(axis=1, keepdims=True), 0)
    high = np.maximum(rows.max(axis=1, keepdims=True), 0)
    scale = np.maximum((high - low) / levels, SMALLEST_SCALE).astype(np.float32)
    return scale, np.asarray(-np.rint(-low / scale), dtype=np.float32)
