"""Orders of Hadamard matrices that our transform modules build: a Paley base times a power of two."""

from __future__ import annotations

from functools import cache

# Paley constructions of orders 12, 20, 28, 36, 44, 76, 140; 1 stands for a pure power of two (Sylvester).
BASES = (1, 12, 20, 28, 36, 44, 76, 140)


@cache
def hadamard_base(dim: int) -> int | None:
    """The smallest base `b` such that `dim / b` is a power of two, or None where we have no such matrix."""
    for base in BASES:
        quotient, remainder = divmod(dim, base)
        if remainder == 0 and quotient > 0 and quotient & (quotient - 1) == 0:
            return base
    return None
