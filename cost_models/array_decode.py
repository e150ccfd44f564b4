"""Decode kernel of our library (`process_granularity: array`): cycles of a token, step by step.

A token is a chain of steps, each a dataflow region of its own: embed; per layer qkv, attend, gate_up, down; head. A step is
a series source -> quantizer -> engine -> dequantizer -> sink, so its time is that of the last word at its sink:

    front   memory latency, RMSNorm (2 d / V + V), quantizer (2 d_in / TB + TB), each with its pipelines' depths
    passes  P = ceil(rows / W) of rows = d_out / TB:  (P - 1) I + d_in,  I = max(d_in + 5, W TB / pairs + 38, d_in slowdown)
    sink    the results of the last pass over the slowest unit behind the engine, and the last write's response

I: the feeder starts anew each pass (feed_vector), the dequantizer takes `pairs` channel scales a cycle (dequantize_vector).
Attention stands between the front and the engine of step `attend`; see `_attention`. With a weight buffer ports run ahead
through fronts and sinks (`weight_stream.py`). Sources: hls_gen/templates/decode.cpp.j2 and the headers it includes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cost_models.array_timing import (
    ITERATION_CYCLES,
    LOOP_CYCLES,
    REGION_CYCLES,
    Cycles,
    LoopDepths,
    Words,
    has_built_quantizers,
    loop_cycles,
    remainder_cycles,
)
from cost_models.arrays import FloatArray
from cost_models.memory import stream_slowdown, word_bytes
from cost_models.stage_setup import HIDDEN_BYTES, SCALE_BYTES, StageSetup
from cost_models.weight_stream import Step, chain_cycles
from spec.design_batch import DecodeBatch
from spec.fifo_depths import fifo_depths
from spec.hadamard import hadamard_base
from spec.library_units import ATTENTION_RESULT_LANES
from spec.memory_map import PortRole
from spec.module_choices import FLEXLLM_DECODE_GROUPS, DecodeModules
from spec.quant_scheme import QuantScheme

MAX_TOP_K = 8  # candidates of a list of the sampler (hls_gen/planning/decode.py)
FEED_RESTART = 5.0  # of a pass in feed_vector: its loop and an iteration of the loop over passes
_ORDER = ("qkv", "attend", "gate_up", "down", "head")
DEQUANTIZER_RESTART = 38.0  # of a pass in dequantize_vector: depth 36, its loop and an iteration


def _gcd(a: FloatArray, b: FloatArray | float) -> FloatArray:
    return np.gcd(np.asarray(a).astype(np.int64), np.asarray(b).astype(np.int64)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Results:
    """Rows of TB results as the dequantizer writes them: `first` of a pass, a pass every `interval`, a row every `beat`."""

    first: FloatArray
    interval: FloatArray
    beat: FloatArray
    rows_of_pass: FloatArray
    restart_rows: FloatArray  # rows between two restarts of the dequantizer
    rows: FloatArray

    def written(self, row: Cycles) -> FloatArray:
        """Cycle in which a row is written."""
        if isinstance(row, float) and row == 0.0:
            return self.first
        full = np.floor(row / self.rows_of_pass)
        within = row - full * self.rows_of_pass
        cycle = self.first + full * self.interval + within * self.beat
        if self.restart_rows is not self.rows_of_pass:
            cycle = cycle + np.floor(within / self.restart_rows) * DEQUANTIZER_RESTART
        return np.asarray(cycle)

    def served(self, start: Cycles, end: Cycles, work: Cycles) -> FloatArray:
        """When a unit that takes `work` cycles a row has taken rows `start` to `end` (not included).

        It works without a pause from the first row on, or from the first row of the last pass on, or it waits for the last.
        """
        last = np.maximum(end - 1, start)
        burst = np.maximum(np.floor(last / self.rows_of_pass) * self.rows_of_pass, start)
        return np.asarray(
            np.maximum(
                np.maximum(self.written(start) + (end - start) * work, self.written(burst) + (end - burst) * work),
                self.written(last) + work,
            )
        )


@dataclass(frozen=True, slots=True)
class DecodeStep:
    """One step: cycles before its first pass, of its passes, behind them; weight words of a port; `attention` of the front.

    `transform`: cycles of the Hadamard transform behind the last pass; `channels` of each projection share out the passes.
    """

    front: FloatArray
    passes: FloatArray
    compute: FloatArray
    stream: FloatArray
    tail: FloatArray
    attention: FloatArray
    transform: FloatArray

    @property
    def cycles(self) -> FloatArray:
        """Of the whole step, weights arriving as they are used."""
        return self.front + self.attention + self.passes + self.tail + self.transform


class DecodeLaw:
    """The steps of a batch of decode designs of one set of modules. Each method's arrays are (n_points,)."""

    def __init__(self, batch: DecodeBatch, setup: StageSetup) -> None:
        modules, model, scheme = batch.modules[0], setup.model, setup.scheme
        self.batch, self.setup, self.modules, self.model = batch, setup, modules, model
        self.depths = LoopDepths.of(
            setup.timing, modules.quantizer == "reciprocal", scheme.activation_symmetry == "symmetric"
        )
        self.access = setup.timing.memory_access_cycles
        self.tb = batch.block_parallelism.astype(np.float64)
        self.w = batch.weight_parallelism.astype(np.float64)
        self.v = batch.vector_parallelism.astype(np.float64)
        self.hp = batch.head_parallelism.astype(np.float64)
        self.io = self._port_lanes("io")
        self.norm_port = self._port_lanes("norm_weights")
        self.head_lanes = _gcd(self.tb, model.head_dim // 2)  # channels of a word where heads are worked on
        self.pairs = _gcd(np.maximum(word_bytes(batch, "scales") / SCALE_BYTES, 1.0), self.tb)
        self.beat = self.tb / self.pairs
        self.weight_slowdown = stream_slowdown(batch, "weights")
        self.vector_fifo = fifo_depths(modules, model).vector
        self.sub_engines = np.ones(len(batch))
        if modules.weight_buffer_beats:
            table, column = batch.placements, batch.placements.role("weights")
            port_bits = (table.ports[:, column] * table.width_bits[:, column])[batch.placement]
            self.sub_engines = np.maximum(
                np.ceil(self.tb * self.w * scheme.weight_bits / np.where(port_bits > 0, port_bits, np.inf)), 1.0
            )

    def _port_lanes(self, role: PortRole) -> FloatArray:
        return np.maximum(word_bytes(self.batch, role) / HIDDEN_BYTES, 1.0)

    # ---- memory

    def _read(self, values: float, lanes: FloatArray, port: FloatArray, slowdown: Cycles, begin: Cycles) -> Words:
        """fp32 from a port into words of `lanes` (fp32_io.hpp): gcd(lanes, port) values a cycle."""
        chunk = _gcd(lanes, port)
        out = self.depths.memory_out + remainder_cycles(port / chunk, lanes / chunk)
        first = begin + 1 + self.access + out
        return Words(first + lanes / chunk - 1, first + np.maximum(values / chunk, values / port * slowdown) - 1)

    def _hidden_state(self, begin: Cycles) -> Words:
        return self._read(self.model.hidden_dim, self.v, self.io, stream_slowdown(self.batch, "io"), begin)

    # ---- units of vectors

    def _normed(self) -> Words:
        """RMSNorm of the hidden state: all of it in, the factor, all of it out, with norm weights that arrived beside it."""
        d, x = self.model.hidden_dim, self._hidden_state(0.0)
        gamma = self._read(d, self.v, self.norm_port, stream_slowdown(self.batch, "norm_weights"), 0.0)
        words = d / self.v
        loaded = np.maximum(x.last + 1, x.first + words) + self.depths.norm_load + 1
        factor = loaded + np.where(self.v > 1, loop_cycles(self.v, self.depths.norm_factor), 6.0)
        rest = np.maximum(words - self.vector_fifo, 0) * np.maximum(self.v / _gcd(self.v, self.norm_port), 1.0)
        last = np.maximum(np.maximum(factor + words, gamma.last + 1), factor + 1 + rest)
        first = np.maximum(factor + 1, gamma.first + 1)
        return Words(first + self.depths.norm_out, last + self.depths.norm_out)

    def _resized(self, words: Words, channels: float, wide: FloatArray, to: FloatArray) -> Words:
        """resize_words: gcd channels a cycle."""
        chunk = _gcd(wide, to)
        out = remainder_cycles(wide / chunk, to / chunk)
        return words.through(channels / chunk, out, fill=to / chunk - 1, drain=wide / chunk - 1)

    def _quantized(self, words: Words, d_in: float) -> Words:
        """select_words and quantize_dynamic: load with the range, the scale, the values."""
        n = d_in / self.tb
        loaded = np.maximum(words.last + 2, words.first + 1 + n) + self.depths.norm_load / 3 + 1
        scaled = loaded + np.where(self.tb > 1, loop_cycles(self.tb, self.depths.quantize_scale), 6.0)
        return Words(scaled + 1 + self.depths.quantize_out, scaled + n + self.depths.quantize_out)

    @cached_property
    def _normed_input(self) -> Words:
        """The quantized input of the steps that begin with RMSNorm."""
        d = float(self.model.hidden_dim)
        return self._quantized(self._resized(self._normed(), d, self.v, self.tb), d)

    # ---- the engine

    def _engine(self, quantized: Words, d_in: float, rows: FloatArray) -> tuple[_Results, FloatArray, FloatArray]:
        """Results, cycle of the first pass's first activation, cycles of the passes."""
        passes = np.ceil(rows / self.w)
        sub_rows = self.w / self.sub_engines if self.modules.weight_buffer_beats else self.w
        dequantize = self.sub_engines * (sub_rows * self.beat + DEQUANTIZER_RESTART)
        interval = np.maximum(d_in + FEED_RESTART, dequantize)
        if not self.modules.weight_buffer_beats:
            interval = np.maximum(interval, d_in * self.weight_slowdown)
        begin = quantized.first + 1
        compute = (passes - 1) * interval + d_in
        sums = np.where(passes > 1, FEED_RESTART + 4, self.depths.mac + 6)
        first = begin + d_in + sums + self.depths.dequantize_out + self.beat
        return _Results(first, interval, self.beat, self.w, sub_rows, rows), np.asarray(begin), np.asarray(compute)

    def _finished(self, results: _Results, rows: FloatArray) -> FloatArray:
        """When the dequantizer ends: it takes the surplus rows of a ragged last pass too."""
        last = np.ceil(rows / self.w) - 1
        sub_rows = results.restart_rows
        subs = np.ceil((rows - last * self.w) / sub_rows)
        return np.asarray(
            results.first + last * results.interval + subs * (sub_rows * self.beat + DEQUANTIZER_RESTART) - self.beat
        )

    def _stream(self, d_in: float, rows: FloatArray) -> FloatArray:
        """Cycles of a weight port that runs ahead: its words of a linear layer, and the latency of their burst."""
        words = np.ceil(rows / (self.w / self.sub_engines)) * d_in
        return words * self.weight_slowdown + self.access + 7

    def _step(
        self,
        front: FloatArray,
        d_in: float,
        rows: FloatArray,
        compute: FloatArray,
        end: FloatArray,
        attention: Cycles = 0.0,
        transform: Cycles = 0.0,
    ) -> DecodeStep:
        zero = np.zeros(len(self.batch))
        tail = end + REGION_CYCLES - front - compute - transform
        return DecodeStep(
            front=front - attention,
            passes=compute,
            compute=compute,
            stream=self._stream(d_in, rows),
            tail=tail,
            attention=zero + attention,
            transform=zero + transform,
        )

    # ---- steps

    def embed(self) -> FloatArray:
        """The row of the token from memory into the hidden state."""
        row = self._read(self.model.hidden_dim, self.v, self._port_lanes("embedding"), 1.0, 0.0)
        return np.asarray(self._stored(row.last, self.model.hidden_dim, row.first) + 6 + REGION_CYCLES)

    def _stored(self, last: Cycles, values: float, first: Cycles) -> FloatArray:
        """write_fp32 of words of V, with the response to the last write."""
        chunk = _gcd(self.v, self.io)
        return np.asarray(np.maximum(last + self.v / chunk, first + values / chunk) + 3 + self.access)

    def qkv(self) -> DecodeStep:
        """K, Q and V in this order: K and Q through [bias, QK-norm,] RoPE [and transform], then the caches and the state."""
        model, depths = self.model, self.depths
        d = float(model.hidden_dim)
        quantized = self._normed_input
        rows = np.ceil((model.q_dim + 2 * model.kv_dim) / self.tb)
        results, begin, compute = self._engine(quantized, d, rows)
        lanes, dh = self.head_lanes, float(model.head_dim)
        words_of_head = dh / lanes
        rotate = words_of_head + depths.rope_low + depths.rope_out + 2 + 2 * LOOP_CYCLES + ITERATION_CYCLES - 2
        a_head = np.maximum(words_of_head, rotate)
        latency = 4.0 + remainder_cycles(self.tb / lanes) + words_of_head + depths.rope_out
        if model.qkv_bias:
            latency = latency + depths.residual_out + 1
        if model.qk_norm:
            normed = 2 * words_of_head + np.where(lanes > 1, lanes + depths.norm_factor + 1, 6.0)
            a_head = np.maximum(a_head, normed + depths.norm_load + depths.norm_out + 4)
            latency = latency + normed + depths.norm_load + depths.norm_out
        if self.setup.scheme.transforms_heads:
            stages, base = _shape(model.head_dim)
            if base == 1:
                latency = latency + words_of_head + 9 * stages + depths.transform_out
            else:
                serial = self._serial_transform(model.head_dim, lanes)
                a_head = np.maximum(a_head, words_of_head + 3 + serial)
                latency = latency + serial + words_of_head
        heads_row = self.tb / dh  # heads of a row
        k_rows, kq_rows = model.kv_dim / self.tb, (model.kv_dim + model.q_dim) / self.tb
        kq_work = np.maximum(self.tb / lanes, heads_row * a_head)
        q_work = self.tb / _gcd(lanes, self.io)
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
            + 2 * words_of_head * 0
            + depths.static_quantize_out
            + np.maximum(v_last + token_words + self.access + 7, v_first + words_of_head + rounds * a_write)
        )
        end = np.maximum(np.maximum(queries, values), self._finished(results, rows))
        return self._step(begin, d, rows, compute, end)

    def attend(self, keys: FloatArray) -> DecodeStep:
        """Attention over `keys` tokens, O, + x."""
        model = self.model
        words = self._attention(keys)
        q = float(model.q_dim)
        quantized = self._quantized(words, q)
        rows = np.asarray(np.ceil(model.hidden_dim / self.tb))
        results, begin, compute = self._engine(quantized, q, rows)
        return self._step(
            begin, q, rows, compute, self._to_residual(results, rows), attention=words.last - 1 - self.access
        )

    def _attended(self, keys: FloatArray) -> FloatArray:
        return np.asarray(self._attention(keys).last - 1 - self.access)

    def gate_up(self) -> DecodeStep:
        """Gate and up word by word in turn, SwiGLU, the transform."""
        model, depths = self.model, self.depths
        d, ff = float(model.hidden_dim), float(model.ffn_dim)
        quantized = self._normed_input
        rows = np.ceil(2 * ff / self.tb)
        results, begin, compute = self._engine(quantized, d, rows)
        latency = 4.0 + depths.swiglu_out
        finished = self._finished(results, rows)
        if not self.setup.scheme.transforms_down_input:
            work = self.tb / _gcd(self.tb, self.io) / 2
            end = results.served(0.0, rows, work) + latency + 4 + self.access
            return self._step(begin, d, rows, compute, np.maximum(end, finished))
        size = self.setup.scheme.hadamard_block or model.ffn_dim
        vectors = ff / size
        stages, base = _shape(size)
        power = float(size // base)
        if self.modules.hadamard == "streaming":
            lanes = np.full(len(self.batch), float(self.modules.hadamard_width))
            in_chunk = _gcd(self.tb, lanes)
        else:
            common = _gcd(self.tb, power)
            lanes = _lowest_bit(common)
            in_chunk = lanes
        loaded = results.served(0.0, rows, self.tb / in_chunk / 2) + latency + remainder_cycles(self.tb / in_chunk)
        words = size / lanes
        stored = np.maximum(lanes / _gcd(lanes, self.io), 1.0)
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
        return self._step(begin, d, rows, compute, end, transform=done - loaded)

    def down(self) -> DecodeStep:
        """The stored hidden vector through down, + x."""
        ff = float(self.model.ffn_dim)
        hidden = self._read(ff, self.tb, self.io, stream_slowdown(self.batch, "io"), 4.0)
        quantized = self._quantized(hidden, ff)
        rows = np.asarray(np.ceil(self.model.hidden_dim / self.tb))
        results, begin, compute = self._engine(quantized, ff, rows)
        return self._step(begin, ff, rows, compute, self._to_residual(results, rows))

    def head(self) -> DecodeStep:
        """lm_head and the sampler, whose lists take a logit a cycle each."""
        model, depths = self.model, self.depths
        d = float(model.hidden_dim)
        quantized = self._normed_input
        rows = np.ceil(model.vocab_size / self.tb)
        results, begin, compute = self._engine(quantized, d, rows)
        lists = self._sampler_lists(rows)
        logits = results.served(0.0, rows, self.tb / lists) + depths.logit + 4
        k = float(min(MAX_TOP_K, model.vocab_size))
        chosen = logits + (lists - 1) * (k + 6) + depths.candidate_weight + 12
        return self._step(begin, d, rows, compute, np.maximum(chosen, self._finished(results, rows)))

    def _sampler_lists(self, rows: FloatArray) -> FloatArray:
        """The fewest, a power of two that divides a word, that keep pace with the engine (hls_gen/planning/decode.py)."""
        needed = self.model.vocab_size / (np.ceil(rows / self.w) * self.model.hidden_dim)
        return np.minimum(_lowest_bit(self.tb), np.exp2(np.maximum(np.ceil(np.log2(needed)), 0.0)))

    def _to_residual(self, results: _Results, rows: FloatArray) -> FloatArray:
        """Results into words of V, + x, into memory."""
        chunk = np.minimum(_gcd(self.tb, self.v), _gcd(self.v, self.io))
        sent = results.served(0.0, rows, self.tb / chunk) + 6 + self.depths.residual_out
        sent = sent + remainder_cycles(self.tb / _gcd(self.tb, self.v), self.v / _gcd(self.tb, self.v))
        return np.maximum(sent + self.access + 3, self._finished(results, rows))

    def _serial_transform(self, size: int, lanes: FloatArray, stored: Cycles = 1.0) -> FloatArray:
        """hadamard_serial behind its last word in: butterflies of two words in two cycles, rows of the base, the results."""
        base = _shape(size)[1]
        words, row_words = size / lanes, size // base / lanes
        levels = np.log2(np.maximum(row_words, 1.0))
        butterflies = np.where(levels > 0, loop_cycles(levels * words, self.depths.butterfly), 2.0)
        if base == 1:
            return np.asarray(butterflies + loop_cycles(words * stored, self.depths.transform_out + 1))
        a_row = base * row_words + self.depths.base_sum + 1 + ITERATION_CYCLES
        results = np.maximum(row_words * stored, row_words) + self.depths.transform_out + 2
        a_row = a_row + row_words + self.depths.transform_out + 2
        return np.asarray(
            butterflies + (base - 1) * a_row + a_row - row_words - self.depths.transform_out - 2 + results
        )

    # ---- attention

    def _attention(self, keys: FloatArray) -> Words:
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
        out_lanes = _gcd(_gcd(lanes, self.batch.value_parallelism.astype(np.float64)), ATTENTION_RESULT_LANES)
        q_first = 12 + access
        queries = self._read(model.q_dim, lanes, self.io, stream_slowdown(self.batch, "io"), 3.0)
        scales_end = q_first + np.ceil(model.n_q_heads * lanes / _gcd(lanes, self.norm_port)) + 6
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

    @property
    def _caches_apart(self) -> FloatArray:
        table = self.batch.placements
        return np.asarray(table.cache_apart[self.batch.placement])

    # ---- a token

    def tokens(self, low: int, high: int) -> dict[str, FloatArray]:
        """Cycles of each module, (n_points,), in the mean token of those that attend to `low` .. `high` tokens.

        Attention is a maximum of straight lines in the tokens it reads: its mean is that of the trapezoids over two
        halves, exact where no line crosses another within one.
        """
        keys = (low + high) / 2
        attend = self.attend(np.full(len(self.batch), keys))
        if low != high:
            ends = [self._attended(np.full(len(self.batch), float(end))) for end in (low, high)]
            attend = replace(attend, attention=(ends[0] + 2 * attend.attention + ends[1]) / 4)
        return self._token({**self._steps, "attend": attend}, np.full(len(self.batch), keys))

    @cached_property
    def _steps(self) -> dict[str, DecodeStep]:
        """The steps that do not know how many tokens there are."""
        return {"qkv": self.qkv(), "gate_up": self.gate_up(), "down": self.down(), "head": self.head()}

    def _token(self, steps: dict[str, DecodeStep], keys: FloatArray) -> dict[str, FloatArray]:
        model, n = self.model, len(self.batch)
        spent = {"vector_passes": self.embed()}
        if self.modules.weight_buffer_beats:
            self._buffered({name: steps[name] for name in _ORDER}, keys, spent)
        else:
            for name, step in steps.items():
                times = 1.0 if name == "head" else float(model.n_layers)
                for module, cycles in self._shares(name, step, step.passes).items():
                    spent[module] = spent.get(module, 0.0) + times * cycles
        spent["vector_passes"] = spent["vector_passes"] + 6.0  # the loops over tokens and steps
        return {module: np.asarray(cycles + np.zeros(n)) for module, cycles in spent.items()}

    def _shares(self, name: str, step: DecodeStep, passes: FloatArray) -> dict[str, FloatArray]:
        model = self.model
        rest = "sampler" if name == "head" else "vector_passes"
        if name == "qkv":
            kv = 2 * model.kv_dim / (model.q_dim + 2 * model.kv_dim)
            return {"kv_proj": passes * kv, "q_proj": passes * (1 - kv), rest: step.front + step.tail}
        own = {"attend": "o_proj", "gate_up": "gate_up_proj", "down": "down_proj", "head": "lm_head"}[name]
        shares = {own: passes, rest: step.front + step.tail}
        if name == "attend":
            shares["attention"] = step.attention
        if name == "gate_up":
            shares["hadamard"] = step.transform
        return shares

    def _buffered(self, steps: dict[str, DecodeStep], keys: FloatArray, spent: dict[str, FloatArray]) -> None:
        """The steps as a chain of calls and gaps, ports running ahead as far as their FIFOs go."""
        apart = self._caches_apart
        layer: list[Step] = []
        head: list[Step] = []
        for name, step in steps.items():
            into = head if name == "head" else layer
            rest = "sampler" if name == "head" else "vector_passes"
            into.append(Step(f"{name} front {rest}", step.front))
            if name == "attend":
                cached = None if apart.all() else np.where(apart, 0.0, self._cache_stream(keys))
                into.append(Step("attend attention", step.attention, cached, free=1.0))
            into.append(Step(f"{name} passes", step.compute, step.stream))
            into.append(Step(f"{name} tail {rest}", step.tail))
            into.append(Step(f"{name} transform", step.transform))
        room = self.modules.weight_buffer_beats * self.sub_engines * self.weight_slowdown
        _, chained = chain_cycles(layer, head, self.model.n_layers, room)
        zero = np.zeros(len(self.batch))
        for name in steps:
            rest = "sampler" if name == "head" else "vector_passes"
            replaced = DecodeStep(
                chained[f"{name} front {rest}"], zero, zero, zero, chained[f"{name} tail {rest}"],
                chained.get("attend attention", zero), chained[f"{name} transform"],
            )  # fmt: skip
            for module, cycles in self._shares(name, replaced, chained[f"{name} passes"]).items():
                spent[module] = spent.get(module, 0.0) + cycles

    def _cache_stream(self, keys: FloatArray) -> FloatArray:
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


def _shape(size: int) -> tuple[int, int]:
    """Butterfly stages and order of the base of a transform."""
    base = hadamard_base(size) or 1
    return round(np.log2(size // base)), base


def _lowest_bit(values: FloatArray) -> FloatArray:
    whole = values.astype(np.int64)
    return (whole & -whole).astype(np.float64)


def is_built(modules: DecodeModules, scheme: QuantScheme) -> bool:
    """Whether these are choices that the generator builds; the law knows no others."""
    return (
        modules.process_granularity == "array"
        and modules.linear_groups == FLEXLLM_DECODE_GROUPS
        and modules.overlap_attention == "off"
        and not modules.on_chip_projections
        and modules.softmax_width == 1
        and has_built_quantizers(scheme)
    )
