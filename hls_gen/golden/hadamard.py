"""The Hadamard transform of spec/numerics.md: butterflies of growing stride, then the base's rows, then one factor."""

from __future__ import annotations

import math

import numpy as np

from hls_gen.golden import fp32
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.number_format import FP32, NumberFormat
from spec.hadamard_matrix import factors


def hadamard(x: Fp32, order: int | None = None, number: NumberFormat = FP32) -> Fp32:
    """Orthonormal transform of the last axis of `x` (..., d), in blocks of `order` (default d).

    Raises:
        InputError: we build no Hadamard matrix of this order.
    """
    order = order or x.shape[-1]
    signs, sylvester = factors(order)
    base, power = len(signs), len(sylvester)
    values = fp32.flush(np.asarray(x, dtype=np.float32)).reshape(-1, base, power)
    stride = 1
    while stride < power:
        pairs = values.reshape(len(values), base, power // (2 * stride), 2, stride)
        u, v = pairs[..., 0, :], pairs[..., 1, :]
        values = np.stack([number.add(u, v), number.subtract(u, v)], axis=3).reshape(len(values), base, power)
        stride *= 2
    if base > 1:
        rows = []
        for row in signs:
            total = values[:, 0] if row[0] > 0 else np.negative(values[:, 0])
            for column in range(1, base):
                term = values[:, column]
                total = number.add(total, term) if row[column] > 0 else number.subtract(total, term)
            rows.append(total)
        values = np.stack(rows, axis=1)
    return number.multiply(values, number.rounded(np.float32(1 / math.sqrt(order)))).reshape(x.shape)
