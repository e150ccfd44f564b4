"""The table of 2^(i/256) behind the exponential, computed exactly; the C++ library holds the same numbers as constants."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np

EXP2_TABLE_ENTRIES = 256
EXP2_TABLE_FRACTION_BITS = 25


def _entry(index: int) -> int:
    with localcontext() as context:
        context.prec = 50
        exact = Decimal(2) ** (Decimal(index) / EXP2_TABLE_ENTRIES) * 2**EXP2_TABLE_FRACTION_BITS
        return int(exact.to_integral_value())


EXP2_TABLE = np.array([_entry(i) for i in range(EXP2_TABLE_ENTRIES)], dtype=np.int64)
"""(256,) nearest integers of 2^(i/256) * 2^25: 26 bits unsigned, 27 with a sign as a DSP's wide port takes it."""
