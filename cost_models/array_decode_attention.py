"""Attention of our library's decode kernel: from the queries in memory to words at the engine's input.

Sources: hls_gen/library attention_scores.hpp, softmax.hpp, attention_values.hpp, route_words.hpp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cost_models.array_decode_units import DecodeUnits, gcd
from cost_models.array_timing import Words
from cost_models.arrays import FloatArray
from cost_models.memory import stream_slowdown, word_bytes
from spec.library_units import ATTENTION_RESULT_LANES


@dataclass(frozen=True, slots=True)
class Attended:
    """Attention over so many tokens, (n_points,) each: `begin`, the cycle of the step in which the engine gets its first
    quantized word; `alone`, the part of it that attention takes; `cycles`, the mean of that part over the contexts asked for.
    `cached`: cycles of a port that runs ahead, for the keys or values of the earlier tokens; None where none does.
    """

    begin: FloatArray
    alone: FloatArray
    cycles: FloatArray
    cached: FloatArray | None


class AttentionUnits(DecodeUnits):
    """Attention of a batch of decode designs of one set of modules."""

    def attended(self, low: int, high: int) -> Attended:
        """Attention in the mean token of those that attend to `low` .. `high` tokens.

        It is a maximum of straight lines in the tokens it reads: its mean is that of the trapezoids over two halves,
        exact where no line crosses another within one.
        """
        keys = (low + high) / 2
        words = self.attention(np.full(len(self.batch), keys))
        begin = self._quantized(words, float(self.model.q_dim)).first + 1
        alone = self._alone(words)
        cycles = alone
        if low != high:
            ends = [self._alone(self.attention(np.full(len(self.batch), float(end)))) for end in (low, high)]
            cycles = (ends[0] + 2 * alone + ends[1]) / 4
        cached = None
        if self.modules.weight_buffer_beats and not self._caches_apart.all():
            cached = np.where(self._caches_apart, 0.0, self._cache_stream(keys))
        return Attended(np.asarray(begin), alone, cycles, cached)

    def _alone(self, words: Words) -> FloatArray:
        return np.asarray(words.last - 1 - self.access)

    def attention(self, keys: FloatArray) -> Words:
        """Words of attention's results at the engine's input, cycles (n_points,).

        A head lane takes its units one after the other: with per_query_head a query head, with per_kv_head the group of a KV
        head side by side. With a = keys ceil(dh / KP), v = keys ceil(dh / VP) and what goes with them, a unit takes

            serial softmax      max(a' + v', ...): its load waits for scores, its weights wait for values,
            pipelined           max(a, keys, v).

        Queries are dealt to the lanes in turn (deal_words): a lane that has not taken the heads of its group beyond the
        FIFO's words keeps the next lane waiting, so narrow words let the lanes begin one after the other.
        """
        model, modules, depths, access = self.model, self.modules, self.depths, self.access
        group = model.gqa_group
        rows = float(group if modules.kv_read == "per_kv_head" else 1)
        units = group / rows
        lanes, dh = self.head_lanes, float(model.head_dim)
        words = dh / lanes
        out_lanes = gcd(gcd(lanes, self.batch.value_parallelism.astype(np.float64)), ATTENTION_RESULT_LANES)
        q_first = 12 + access
        queries = self._read(model.q_dim, lanes, self.io, stream_slowdown(self.batch, "io"), 3.0)
        scales_end = q_first + np.ceil(model.n_q_heads * lanes / gcd(lanes, self.norm_port)) + 6
        factors = scales_end + access + 5
        rounds = np.ceil(model.n_kv_heads / self.hp)
        key_words = np.ceil(dh / self.batch.key_parallelism) * keys
        value_words = np.ceil(dh / self.batch.value_parallelism) * keys
        load = rows * words + rows + 9
        k_read = key_words * stream_slowdown(self.batch, "k_cache") + access + 9
        v_read = value_words * stream_slowdown(self.batch, "v_cache") + access + 9
        if modules.weight_buffer_beats and not self._caches_apart.all():
            k_read = np.where(self._caches_apart, k_read, key_words + 8)
            v_read = np.where(self._caches_apart, v_read, value_words + 8)
        scores = np.maximum(key_words + load + depths.score_out + 5, k_read)
        result_words = rows * dh / out_lanes
        values = np.maximum(value_words + depths.value_step + depths.value_factor + result_words + 22, v_read)
        fifo = float(self.vector_fifo)
        chunks_k, chunks_v = key_words / keys, value_words / keys
        if modules.softmax == "serial":
            weigh = np.maximum(keys, (keys - fifo) * chunks_v)
            ahead = np.minimum(weigh, fifo * chunks_k + scores - key_words)
            period = np.maximum(keys, scores - ahead) + weigh + depths.weight_out + depths.weight_sum + 12
        else:
            period = keys + depths.weight_out + depths.weight_sum + 8
        period = np.maximum(np.maximum(scores, values), period)
        latency = (
            load
            + np.maximum(key_words, 0)
            + depths.score_out
            + depths.weight_out
            + 8
            + np.maximum(keys, value_words)
            + depths.value_step
            + depths.value_factor
            + result_words
            + 20
        )
        begin = np.maximum(queries.first + depths.static_quantize_out + 2, factors - rows * words)
        # Heads of a group that must have begun before the rest of its queries fits the FIFO.
        waiting = np.maximum(np.ceil((group * words - fifo) / (rows * words)) - 1, 0.0)
        waiting = np.minimum(waiting, units - 1)
        # The scores of a unit are done before its weights: its successor's queries are taken then.
        apart = np.where(waiting > 0, (waiting - 1) * period + scores, 0.0) + group * words + 4
        last = model.n_kv_heads - 1
        of_lane = units * period
        begun = np.maximum(last * apart, (rounds - 1) * of_lane + (last % self.hp) * apart)
        done = begin + begun + (units - 1) * period + latency
        gathered = group * dh / out_lanes
        in_round = (last % self.hp) + 1
        first_of_round = (
            begin + np.maximum((last - in_round + 1) * apart, (rounds - 1) * of_lane) + (units - 1) * period + latency
        )
        done = np.maximum(done + 4, first_of_round + in_round * (gathered + 4) - gathered + result_words)
        sent = self.tb / out_lanes
        return Words(done - np.minimum(self.model.q_dim / out_lanes, gathered), done + sent + 2)

    def _cache_stream(self, keys: float) -> FloatArray:
        """Cycles of a port for the keys or values of the earlier tokens of a layer."""
        model, bits = self.model, self.setup.scheme.kv_bits
        reads = np.ceil(model.n_kv_heads / self.hp)
        if self.modules.kv_read == "per_query_head":
            reads = reads * model.gqa_group
        words = np.zeros(len(self.batch))
        for parallel in (self.batch.key_parallelism, self.batch.value_parallelism):
            per_word = np.floor(8 * word_bytes(self.batch, "weights") / (bits * parallel))
            token = np.ceil(np.ceil(model.head_dim / parallel) / np.maximum(per_word, 1.0))
            words = np.maximum(words, token)
        return reads * ((keys - 1) * words * self.weight_slowdown + self.access + 7)
