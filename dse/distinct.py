"""Counts distinct rows of a stream, by 64-bit hashes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spec.design_batch import FloatArray

HashArray = npt.NDArray[np.uint64]

# Above it rows are no longer remembered: 16 Mi hashes are 128 MiB, and as many may be waiting to be merged.
MAX_REMEMBERED = 1 << 24
_PART = 1 << 20  # hashes that are told apart at a time

# Multipliers and shifts of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
_GOLDEN, _M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def row_hashes(columns: list[FloatArray]) -> HashArray:
    """A hash of each row of float columns, (n_rows,); -0.0 and 0.0 are one value."""
    state = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        state += (np.ascontiguousarray(column, dtype=np.float64) + 0.0).view(np.uint64) + _GOLDEN
        state ^= state >> np.uint64(30)
        state *= _M1
        state ^= state >> np.uint64(27)
        state *= _M2
        state ^= state >> np.uint64(31)
    return state


class DistinctCounter:
    """Distinct rows seen. Memory is bounded: past `limit` distinct rows they are forgotten, `count` is `limit`, a lower
    bound, and `exact` is False.
    """

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._limit = limit
        # Known hashes in increasing order, then those that wait to be merged. Pages that are not used cost nothing.
        self._hashes: HashArray = np.empty(2 * limit, dtype=np.uint64)
        self._n_known = self._n = 0
        self.exact = True

    def add(self, columns: list[FloatArray]) -> None:
        """Count rows given by their columns, (n_rows,) each."""
        if not self.exact or not len(columns[0]):
            return
        hashes = row_hashes(columns)
        for start in range(0, len(hashes), self._limit):
            part = hashes[start : start + self._limit]
            if self._n + len(part) > len(self._hashes):
                self._merge()
            if not len(self._hashes):  # more than the limit
                return
            self._hashes[self._n : self._n + len(part)] = part
            self._n += len(part)
        # Merged when as many are waiting as are known: each hash is sorted a bounded number of times.
        if self._n - self._n_known >= max(self._n_known, 1 << 20):
            self._merge()

    def _merge(self) -> None:
        # Sorted by hand: np.unique collects integers in a hash table first, ten times as slow on millions of them.
        hashes = self._hashes[: self._n]
        hashes.sort()
        kept = 0
        for start in range(0, self._n, _PART):  # in place: what is written lies before what is still to be read
            part = hashes[start : start + _PART]
            first = np.ones(len(part), dtype=bool)
            np.not_equal(part[1:], part[:-1], out=first[1:])
            if kept:
                first[0] = part[0] != hashes[kept - 1]
            different = part[first]
            hashes[kept : kept + len(different)] = different
            kept += len(different)
        self._n_known = self._n = kept
        if kept > self._limit:
            self.exact = False
            self._hashes = np.empty(0, dtype=np.uint64)
            self._n_known = self._n = 0

    @property
    def known(self) -> HashArray:
        """The hashes of all distinct rows so far, in increasing order; none where `exact` is False."""
        if self._n > self._n_known:
            self._merge()
        return self._hashes[: self._n_known]

    def restore(self, known: HashArray, *, exact: bool) -> None:
        """Go on from what `known` gave."""
        self.exact = exact
        self._n_known = self._n = len(known) if exact else 0
        self._hashes = np.empty(2 * self._limit if exact else 0, dtype=np.uint64)
        self._hashes[: self._n] = known[: self._n]

    @property
    def count(self) -> int:
        """Distinct rows so far; a lower bound where `exact` is False."""
        known = self.known
        return len(known) if self.exact else self._limit
