"""Online Hadamard transforms: the serial form that FlexLLM builds (FHT.h, pref_FHT / dec_FHT) and a streaming one.

A transform of `dim` = b 2^k values is a Paley base of order b (1: none) times k butterfly stages. A block-wise transform
is the transform of one block of `dim` values, `blocks` times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cost_models.arrays import FloatArray, IntArray
from cost_models.onchip import bram18_blocks
from spec.hadamard import hadamard_base

SRL_DEPTH = 64  # shorter delay lines live in shift registers, two LUT a bit of 32 (UG574)
SERIAL_LOOPS_PER_STAGE = 2  # shuffle, butterfly


def _shape(dim: int) -> tuple[int, int]:
    """Order of the base and number of butterfly stages; a dim without a matrix counts as a power of two rounded up."""
    base = hadamard_base(dim) or 1
    return base, math.ceil(math.log2(dim / base))


def serial_hadamard_cycles(dim: int, lanes: int | IntArray, restart_cycles: float, blocks: int = 1) -> FloatArray:
    """Cycles of `blocks` transforms of `dim` values over `lanes` lanes (FlexLLM: one in prefill, TB in decode).

    Read `dim`, for each of log2(dim) butterfly stages a shuffle of `dim` and `dim / 2` butterflies, write `dim`:
    `dim / lanes * (2 + 1.5 log2 dim) + (2 + 2 log2 dim) restart`, each loop after the other. A base b > 1 (dim = b * 2^k)
    replaces log2(b) stages by one dense stage of b additions a value on the same two adders, plus its shuffle:
    `dim * (1 + b / 2)` (our extension, not in FlexLLM).
    """
    base, stages = _shape(dim)
    dense = 1 + base / 2 if base > 1 else 0.0
    loops = 2 + SERIAL_LOOPS_PER_STAGE * stages + (2 if base > 1 else 0)
    # The loops of a stage run over all blocks: their restarts are paid once.
    return np.asarray(blocks * dim * (2 + 1.5 * stages + dense) / lanes + loops * restart_cycles)


def streaming_hadamard_interval(dim: int, width: int, blocks: int = 1) -> float:
    """Cycles between two vectors: `blocks dim / width`; the stages work one behind the other, `width` values a cycle."""
    return blocks * dim / width


def streaming_hadamard_latency(dim: int, width: int, adder_cycles: float) -> float:
    """Cycles from the first value in to the first out.

    Single-path delay feedback: a stage of distance s waits for s values, in all dim - base of them, then its adder; a
    base collects its b values and adds them in a tree of depth ceil(log2 b).
    """
    base, stages = _shape(dim)
    tree = math.ceil(math.log2(base)) if base > 1 else 0
    return (dim - 1) / width + (stages + tree) * adder_cycles


@dataclass(frozen=True, slots=True)
class StreamingHadamard:
    """Hardware of a streaming transform of one lane of `width` values a cycle: operators, block RAM, shift registers."""

    adders: int
    multipliers: int
    bram_18k: float
    lut: float


def streaming_hadamard_hardware(dim: int, width: int, value_bits: int) -> StreamingHadamard:
    """What one streaming transform is made of.

    Stage of distance s >= width: max(2, width) adders (sum and difference) and a delay line of s / width words; below
    width the stage is wiring and `width` adders. Base of order b: b additions a value. One multiplication a value
    scales by 1 / sqrt(dim).
    """
    base, stages = _shape(dim)
    adders = stages * max(2, width) + (base * width if base > 1 else 0)
    bram, lut = 0.0, 0.0
    word = width * value_bits
    distances = [base * 2**s for s in range(stages)] + ([base] if base > 1 else [])
    for distance in distances:
        depth = math.ceil(distance / width)
        if depth <= 1:
            continue
        if depth <= SRL_DEPTH:
            lut += word * math.ceil(depth / 32)
        else:
            bram += float(bram18_blocks(depth, word))
    return StreamingHadamard(adders, width, bram, lut)
