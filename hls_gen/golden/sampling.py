"""Choice of the next token, spec/numerics.md "Sampling": greedy, or top-k with temperature and 32 random bits a token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hls_gen.golden import fp32
from hls_gen.golden.elementary import exp
from hls_gen.golden.fp32 import Fp32


class Xorshift32:
    """Marsaglia's generator of 32-bit words with the shifts 13, 17, 5; the seed is not 0."""

    def __init__(self, seed: int) -> None:
        if not 0 < seed < 2**32:
            raise ValueError("the seed of xorshift32 is from 1 to 2^32 - 1")
        self._state = seed

    def next(self) -> int:
        """The next word."""
        x = self._state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self._state = x
        return x


@dataclass(frozen=True, slots=True)
class Sampling:
    """`top_k` 1 is greedy; `inverse_temperature` is fp32."""

    top_k: int = 1
    inverse_temperature: float = 1.0
    seed: int = 1


def top_candidates(logits: Fp32, count: int) -> list[int]:
    """Indices of the `count` largest of `logits` (vocab,), largest first; of equal ones the lower index first."""
    # -0 and +0 are equal here, in the hardware too: both compare as the canonical +0.
    return [int(i) for i in np.argsort(-logits.astype(np.float64), kind="stable")[:count]]


def choose(logits: Fp32, sampling: Sampling, random: Xorshift32) -> int:
    """The next token; takes one random word, greedy or not."""
    word = random.next()
    candidates = top_candidates(logits, sampling.top_k)
    values = logits[candidates]
    scaled = fp32.multiply(fp32.subtract(values, values[0]), np.float32(sampling.inverse_temperature))
    weights = [int(w) for w in np.trunc(exp(scaled).astype(np.float64) * 2.0**30)]
    threshold = word * sum(weights) >> 32
    cumulated = 0
    for candidate, weight in zip(candidates, weights, strict=True):
        cumulated += weight
        if cumulated > threshold:
            return candidate
    raise AssertionError("the last cumulated weight exceeds every threshold")
