"""The steps of a token in our library's decode kernel but attention: embed; qkv, O, gate_up, down of a layer; head.

Each is a series source -> quantizer -> engine -> dequantizer -> sink. Sources: hls_gen/templates/decode.cpp.j2 and the headers
it includes, rope.hpp, kv_cache.hpp, swiglu.hpp, hadamard.hpp, residual.hpp, sampler.hpp among them.
"""

from __future__ import annotations

import numpy as np

from cost_models.array_decode_engine import DecodeStep, EngineUnits, ResidualStep, Results
from cost_models.array_decode_units import gcd, lowest_bit, transform_shape
from cost_models.array_timing import (
    ITERATION_CYCLES,
    LOOP_CYCLES,
    REGION_CYCLES,
    Cycles,
    loop_cycles,
    remainder_cycles,
)
from cost_models.arrays import FloatArray
from cost_models.memory import stream_slowdown, word_bytes

MAX_TOP_K = 8  # candidates of a list of the sampler (hls_gen/planning/decode.py)


class StepUnits(EngineUnits):
    """The steps of a batch of decode designs of one set of modules. Each method's arrays are (n_points,)."""

    def embed(self) -> FloatArray:
        """The row of the token from memory into the hidden state."""
        slowdown = stream_slowdown(self.batch, "embedding")
        row = self._read(self.model.hidden_dim, self.v, self._port_lanes("embedding"), slowdown, 0.0)
        return np.asarray(self._stored(row.last, self.model.hidden_dim, row.first) + 6 + REGION_CYCLES)

    def qkv(self) -> DecodeStep:
        """K, Q and V in this order: K and Q through [bias, QK-norm,] RoPE [and transform], then the caches and the state."""
        model, depths = self.model, self.depths
        d = float(model.hidden_dim)
        rows = np.ceil((model.q_dim + 2 * model.kv_dim) / self.tb)
        begin = np.asarray(self._normed_input.first + 1)
        pace = self._pace(d, rows)
        results = Results(pace, pace.first.after(begin))
        lanes, dh = self.head_lanes, float(model.head_dim)
        words_of_head = dh / lanes
        rotate = words_of_head + depths.rope_low + depths.rope_out + 2 + 2 * LOOP_CYCLES + ITERATION_CYCLES - 2
        a_head = np.maximum(words_of_head, rotate)
        latency = 4.0 + remainder_cycles(self.tb / lanes) + words_of_head + depths.rope_out
        if model.qkv_bias:
            latency = latency + depths.residual_out + 1
        if model.qk_norm:
            normed = 2 * words_of_head + lanes + depths.token_factor + 1
            a_head = np.maximum(a_head, normed + depths.norm_load + depths.norm_out + 4)
            latency = latency + normed + depths.norm_load + depths.norm_out
        if self.setup.scheme.transforms_heads:
            stages, base = transform_shape(model.head_dim)
            if base == 1:
                latency = latency + words_of_head + 9 * stages + depths.transform_out
            else:
                serial = self._serial_transform(model.head_dim, lanes)
                a_head = np.maximum(a_head, words_of_head + 3 + serial)
                latency = latency + serial + words_of_head
        heads_row = self.tb / dh  # heads of a row
        k_rows, kq_rows = model.kv_dim / self.tb, (model.kv_dim + model.q_dim) / self.tb
        kq_work = np.maximum(self.tb / lanes, heads_row * a_head)
        q_work = self.tb / gcd(lanes, self.io)
        queries = np.maximum(
            results.served(0.0, kq_rows, kq_work), results.served(k_rows, kq_rows, np.maximum(kq_work, q_work))
        )
        queries = queries + latency + 4 + self.access
        # A head lane writes its heads one after the other, each with a response of its own (write_cache).
        rounds = np.ceil(model.n_kv_heads / self.hp)
        token_words = np.ceil(dh * self.setup.scheme.kv_bits / (8 * word_bytes(self.batch, "v_cache")))
        a_write = words_of_head + token_words + self.access + 7
        v_first, v_last = results.written(np.floor(kq_rows)), results.served(kq_rows, rows, self.tb / lanes)
        keys = results.served(0.0, np.ceil(k_rows), kq_work) + latency
        keys = np.maximum(
            keys + token_words + self.access + 7, results.written(0.0) + latency + words_of_head + rounds * a_write
        )
        v_first = np.maximum(v_first, keys - self.access)
        values = (
            12
            + depths.static_quantize_out
            + np.maximum(v_last + token_words + self.access + 7, v_first + words_of_head + rounds * a_write)
        )
        end = np.maximum(np.maximum(queries, values), results.finished())
        return self._step(begin, pace, end)

    def gate_up(self) -> DecodeStep:
        """Gate and up word by word in turn, SwiGLU, the transform."""
        model, depths = self.model, self.depths
        d, ff = float(model.hidden_dim), float(model.ffn_dim)
        rows = np.ceil(2 * ff / self.tb)
        begin = np.asarray(self._normed_input.first + 1)
        pace = self._pace(d, rows)
        results = Results(pace, pace.first.after(begin))
        latency = 4.0 + depths.swiglu_out
        finished = results.finished()
        if not self.setup.scheme.transforms_down_input:
            work = self.tb / gcd(self.tb, self.io) / 2
            end = results.served(0.0, rows, work) + latency + 4 + self.access
            return self._step(begin, pace, np.maximum(end, finished))
        size = self.setup.scheme.hadamard_block or model.ffn_dim
        vectors = ff / size
        stages, base = transform_shape(size)
        power = float(size // base)
        if self.modules.hadamard == "streaming":
            lanes = np.full(len(self.batch), float(self.modules.hadamard_width))
            in_chunk = gcd(self.tb, lanes)
        else:
            common = gcd(self.tb, power)
            lanes = lowest_bit(common)
            in_chunk = lanes
        loaded = results.served(0.0, rows, self.tb / in_chunk / 2) + latency + remainder_cycles(self.tb / in_chunk)
        words = size / lanes
        stored = np.maximum(lanes / gcd(lanes, self.io), 1.0)
        if self.modules.hadamard == "streaming":
            behind: FloatArray = (
                power / lanes + 9 * stages + depths.transform_out + (words * stored if base > 1 else 0.0)
            )
            work = np.asarray(ff / lanes * stored)
            done: FloatArray = np.maximum(loaded + behind, results.written(0.0) + latency + work + power / lanes)
        else:
            behind = self._serial_transform(size, lanes, stored)
            # The vectors of a block-wise transform follow each other: one is worked on while the next ones wait.
            a_vector = words + 3 + behind
            begun = results.written(0.0) + latency
            done = np.maximum(loaded + 3 + behind, begun + vectors * a_vector)
        end = np.maximum(done + 5 + self.access, finished)
        return self._step(begin, pace, end, transform=done - loaded)

    def down(self) -> DecodeStep:
        """The stored hidden vector through down, + x."""
        ff = float(self.model.ffn_dim)
        hidden = self._read(ff, self.tb, self.io, stream_slowdown(self.batch, "io"), 4.0)
        begin = np.asarray(self._quantized(hidden, ff).first + 1)
        return self._residual_step(ff).beginning(begin, begin, np.zeros_like(begin))

    def o(self) -> ResidualStep:
        """O, + x, behind attention."""
        return self._residual_step(float(self.model.q_dim))

    def head(self) -> DecodeStep:
        """lm_head and the sampler, whose lists take a logit a cycle each."""
        model, depths = self.model, self.depths
        d = float(model.hidden_dim)
        rows = np.ceil(model.vocab_size / self.tb)
        begin = np.asarray(self._normed_input.first + 1)
        pace = self._pace(d, rows)
        results = Results(pace, pace.first.after(begin))
        lists = self._sampler_lists(rows)
        logits = results.served(0.0, rows, self.tb / lists) + depths.logit + 4
        k = float(min(MAX_TOP_K, model.vocab_size))
        chosen = logits + (lists - 1) * (k + 6) + depths.candidate_weight + 12
        return self._step(begin, pace, np.maximum(chosen, results.finished()))

    def _sampler_lists(self, rows: FloatArray) -> FloatArray:
        """The fewest, a power of two that divides a word, that keep pace with the engine (hls_gen/planning/decode.py)."""
        passes = np.ceil(rows / (self.w / self.parts))
        needed = self.model.vocab_size / (passes * (self.model.hidden_dim / self.parts))
        return np.minimum(lowest_bit(self.tb), np.exp2(np.maximum(np.ceil(np.log2(needed)), 0.0)))

    def _serial_transform(self, size: int, lanes: FloatArray, stored: Cycles = 1.0) -> FloatArray:
        """hadamard_serial behind its last word in: butterflies of two words in two cycles, rows of the base, the results."""
        base = transform_shape(size)[1]
        words, row_words = size / lanes, size // base / lanes
        levels = np.log2(np.maximum(row_words, 1.0))
        # Each stride is a pipeline of its own.
        butterflies = np.where(levels > 0, levels * (words + self.depths.butterfly) + 3, 2.0)
        if base == 1:
            return np.asarray(butterflies + loop_cycles(words * stored, self.depths.transform_out + 1))
        a_row = base * row_words + self.depths.base_sum + 1 + ITERATION_CYCLES
        results = np.maximum(row_words * stored, row_words) + self.depths.transform_out + 2
        a_row = a_row + row_words + self.depths.transform_out + 2
        return np.asarray(
            butterflies + (base - 1) * a_row + a_row - row_words - self.depths.transform_out - 2 + results
        )
