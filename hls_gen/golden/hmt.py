"""The HMT plug-in of spec/numerics.md, "HMT": a prompt segment by segment through a memory of earlier segments.

All of it is fp32. The weights W_q and W_k come from the caller; nobody publishes trained ones for a Llama, so tests and
generated projects draw them at random (`random_weights`): what is shown is the arithmetic, not the quality of recall.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hls_gen.golden import fp32
from hls_gen.golden.elementary import Int64, integers_to_fp32
from hls_gen.golden.fp32 import Fp32
from hls_gen.golden.softmax import softmax
from spec.hmt import HmtPlugin, WindowKind

PARTIAL_SUMS = 8  # of a dot product: additions in flight in one adder, latency of fadd at 300 MHz (TimingTable)
PROBABILITY_BITS = 16


def dot_products(x: Fp32, weights: Fp32) -> Fp32:
    """`x` (d_in,) with each row of `weights` (d_out, d_in): (d_out,). d_in is a multiple of PARTIAL_SUMS."""
    partial = np.zeros((len(weights), PARTIAL_SUMS), dtype=np.float32)
    for first in range(0, len(x), PARTIAL_SUMS):
        part = slice(first, first + PARTIAL_SUMS)
        partial = fp32.add(partial, fp32.multiply(x[part], weights[:, part]))
    while partial.shape[1] > 1:
        half = partial.shape[1] // 2
        partial = fp32.add(partial[:, :half], partial[:, half:])
    return partial[:, 0]


class Retrieval(NamedTuple):
    """From a summary to the prompt vector: `query`, `prompt` (d,), `scores`, `weights` (memories,), sum of the weights."""

    query: Fp32
    scores: Fp32
    weights: Int64
    weight_sum: int
    prompt: Fp32


@dataclass(slots=True)
class MemoryQueue:
    """The last `slots` memories and their keys, (slots, d) each; an empty slot is zeros."""

    w_q: Fp32
    w_k: Fp32
    slots: int
    memories: Fp32 = field(init=False)
    keys: Fp32 = field(init=False)
    remembered: int = 0

    def __post_init__(self) -> None:
        self.memories = np.zeros((self.slots, self.w_q.shape[0]), dtype=np.float32)
        self.keys = self.memories.copy()

    @property
    def filled(self) -> int:
        """Slots that hold a memory."""
        return min(self.remembered, self.slots)

    def remember(self, memory: Fp32) -> None:
        """Append `memory` (d,) and its key; the oldest goes where all slots are taken."""
        slot = self.remembered % self.slots
        self.memories[slot] = memory
        self.keys[slot] = dot_products(memory, self.w_k)
        self.remembered += 1

    def retrieve(self, summary: Fp32) -> Retrieval:
        """Cross-attention of `summary` (d,) over the memories; one must have been remembered."""
        query = dot_products(summary, self.w_q)
        scale = np.float32(1 / math.sqrt(len(query)))
        scores = fp32.multiply(dot_products(query, self.keys), scale)
        found = softmax(scores, np.arange(self.slots) < self.filled, PROBABILITY_BITS)
        mixed = dot_products(integers_to_fp32(found.weights), np.ascontiguousarray(self.memories.T))
        inverse = fp32.divide(np.float32(1), integers_to_fp32(found.sums))
        return Retrieval(query, scores, found.weights, int(found.sums), fp32.multiply(mixed, inverse))


class Window(NamedTuple):
    """One prefill of a segmented prompt: `rows` (rows, d) in, `read_back` the row of the result that is kept."""

    kind: WindowKind
    segment: int
    rows: Fp32
    read_back: int


def summary_window(hmt: HmtPlugin, prompt: Fp32, outer: Fp32, segment: int) -> Window:
    """`[T, first tokens of the segment, T]` and zero rows; `prompt` (tokens, d) embeddings, `outer` (d,) is T."""
    first = segment * hmt.segment_tokens
    tokens = prompt[first : min(first + hmt.segment_tokens, len(prompt))][: hmt.summary_tokens]
    return _padded("summary", segment, hmt, [outer[None], tokens, outer[None]])


def memory_window(hmt: HmtPlugin, prompt: Fp32, vector: Fp32, segment: int) -> Window:
    """`[P, last tokens of the segment before, the segment, P]` and zero rows; `vector` (d,) is P.

    The first segment has nothing before it: zero rows stand there.
    """
    first = segment * hmt.segment_tokens
    before = prompt[max(first - hmt.recall_tokens, 0) : first]
    missing = np.zeros((hmt.recall_tokens - len(before), prompt.shape[1]), dtype=np.float32)
    tokens = prompt[first : first + hmt.segment_tokens]
    return _padded("memory", segment, hmt, [vector[None], missing, before, tokens, vector[None]])


def _padded(kind: WindowKind, segment: int, hmt: HmtPlugin, parts: list[Fp32]) -> Window:
    rows = np.concatenate(parts)
    padding = np.zeros((hmt.padded(len(rows)) - len(rows), rows.shape[1]), dtype=np.float32)
    return Window(kind, segment, np.concatenate([rows, padding]), len(rows) - 1)


class WindowResult(NamedTuple):
    """What a window gave: its prefill's `result` (rows, d); after a summary window the `retrieval`."""

    window: Window
    result: Fp32
    retrieval: Retrieval | None


def run_segments(
    hmt: HmtPlugin, queue: MemoryQueue, prompt: Fp32, outer: Fp32, prefill: Callable[[Fp32], Fp32]
) -> Iterator[WindowResult]:
    """All windows of `prompt` (tokens, d) in their order. `prefill` takes and gives (rows, d), from an empty KV cache."""
    vector = outer
    segments = hmt.segments(len(prompt))
    for segment in range(segments):
        if segment > 0:
            window = summary_window(hmt, prompt, outer, segment)
            result = prefill(window.rows)
            found = queue.retrieve(result[window.read_back])
            vector = found.prompt
            yield WindowResult(window, result, found)
        window = memory_window(hmt, prompt, vector, segment)
        result = prefill(window.rows)
        if segment + 1 < segments:
            queue.remember(result[window.read_back])
        yield WindowResult(window, result, None)


class PluginWeights(NamedTuple):
    """W_q and W_k, (d, d), and T, (d,): the row that opens and closes a summary window."""

    w_q: Fp32
    w_k: Fp32
    outer: Fp32


def random_weights(rng: np.random.Generator, d: int) -> PluginWeights:
    """Of variance 1/d; T of variance 1."""
    w_q, w_k = (rng.standard_normal((2, d, d)) / math.sqrt(d)).astype(np.float32)
    return PluginWeights(w_q, w_k, rng.standard_normal(d).astype(np.float32))


def plugin_weights(seed: int, d: int) -> PluginWeights:
    """The synthetic weights of a generated project."""
    return random_weights(np.random.default_rng([seed, 2]), d)
