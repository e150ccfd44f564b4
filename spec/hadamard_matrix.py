"""The Hadamard matrices themselves: H_n = P_b (x) S_(n/b), a Paley base times a Sylvester power of two.

The rotation folded into the weights and the transform that the hardware performs must be the same matrix, signs and
order of rows included; this is its one definition. Entry i of a vector is entry (i // p, i % p) of a (b, p) table with
p = n / b a power of two: the Sylvester transform runs along the rows of the table, the base along its columns.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from spec.errors import InputError
from spec.hadamard import BASES, hadamard_base

Signs = npt.NDArray[np.int8]

# Paley (1933): construction I gives order q + 1 for a prime q = 3 mod 4, construction II 2 (q + 1) for q = 1 mod 4.
_PALEY_I = {12: 11, 20: 19, 44: 43, 140: 139}
_PALEY_II = {28: 13, 36: 17, 76: 37}


def _jacobsthal(q: int) -> npt.NDArray[np.int64]:
    """Q[i][j] = chi(j - i), the quadratic character of the prime `q`."""
    character = np.full(q, -1)
    character[[i * i % q for i in range(1, q)]] = 1
    character[0] = 0
    index = np.arange(q)
    circulant: npt.NDArray[np.int64] = character[(index[None, :] - index[:, None]) % q]
    return circulant


@cache
def paley_matrix(order: int) -> Signs:
    """The base matrix of that order, entries +1 and -1, rows orthogonal; order 1 is [[1]]."""
    if order == 1:
        return np.ones((1, 1), dtype=np.int8)
    if order in _PALEY_I:
        q = _PALEY_I[order]
        skew = np.zeros((order, order), dtype=np.int64)
        skew[0, 1:], skew[1:, 0], skew[1:, 1:] = 1, -1, _jacobsthal(q)
        return (skew + np.eye(order, dtype=np.int64)).astype(np.int8)
    if order in _PALEY_II:
        half = order // 2
        conference = np.zeros((half, half), dtype=np.int64)
        conference[0, 1:], conference[1:, 0], conference[1:, 1:] = 1, 1, _jacobsthal(_PALEY_II[order])
        sum_block, diagonal_block = np.array([[1, 1], [1, -1]]), np.array([[1, -1], [-1, -1]])
        return (np.kron(conference, sum_block) + np.kron(np.eye(half, dtype=np.int64), diagonal_block)).astype(np.int8)
    raise InputError(
        f"no Hadamard base of order {order}",
        field="order",
        value=order,
        rule=f"one of {', '.join(map(str, BASES))}",
        hint="take the base of the dimension from hadamard_base",
    )


@cache
def sylvester_matrix(order: int) -> Signs:
    """H[i][j] = (-1)^popcount(i & j); `order` is a power of two."""
    matrix = np.ones((1, 1), dtype=np.int8)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


def factors(dim: int) -> tuple[Signs, Signs]:
    """(base, power of two) with `dim` = len(base) * len(power of two).

    Raises:
        InputError: a dimension for which we have no matrix.
    """
    base = hadamard_base(dim)
    if base is None:
        raise InputError(
            f"no Hadamard matrix of order {dim}",
            field="dim",
            value=dim,
            rule=f"a power of two times one of {', '.join(map(str, BASES))}",
            hint="leave out the rotation of this dimension",
        )
    return paley_matrix(base), sylvester_matrix(dim // base)


def hadamard_matrix(dim: int) -> Signs:
    """H_dim (dim, dim), unnormalised: H @ H.T = dim * I. The orthonormal rotation is H / sqrt(dim), y = H x / sqrt(dim).

    Raises:
        InputError: a dimension for which we have no matrix.
    """
    base, power = factors(dim)
    return np.kron(base, power)
