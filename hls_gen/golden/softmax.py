"""Softmax of spec/numerics.md with unsigned integer weights: the division by their sum is left to the consumer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hls_gen.golden.elementary import Int64
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.number_format import FP32, NumberFormat


class SoftmaxWeights(NamedTuple):
    """`weights` (..., n) from 0 to 2^bits - 1 and their sums (...,): the probability of j is weights[j] / sum."""

    weights: Int64
    sums: Int64


def softmax(scores: Fp32, valid: npt.NDArray[np.bool_], bits: int, number: NumberFormat = FP32) -> SoftmaxWeights:
    """Over the last axis of `scores`; where `valid` (same shape) is False the weight is 0. One must be valid."""
    # A zero of either sign compares equal, and exp of either is 1: which of them is the maximum makes no difference.
    largest = np.where(valid, scores, -np.inf).max(axis=-1, keepdims=True).astype(np.float32)
    # A masked score is replaced before the subtraction: it may be anything.
    exponentials = number.exp(number.subtract(np.where(valid, scores, largest), largest))
    steps = number.multiply(exponentials, number.rounded(np.float32(2**bits - 1)))
    quantized = np.rint(np.minimum(steps, np.float32(2**bits - 1))).astype(np.int64)
    weights = np.where(valid, quantized, 0)
    return SoftmaxWeights(weights, weights.sum(axis=-1))
