"""Prefill kernel of our library (`process_granularity: array`): cycles of a layer, as two regions over all token blocks.

    kv      x -> RMSNorm -> K and V of every block -> caches
    main    x -> RMSNorm -> Q -> attention -> O -> + x -> RMSNorm -> gate, up -> SwiGLU [-> Hadamard] -> down -> + x'

Each region is a line of processes over N = ceil(tokens / TP) blocks: T_first + (N - 1) I, with T_first the passage of the first
block and I the longest cycle of any process or of two neighbours. With d a block's input channels, an array of WP columns
takes `d + P (d + 5)`, P = ceil(d_out / WP) (feed_tokens; without the first d where the first pass feeds what arrives). A module
that takes a whole block in before it gives anything (RMSNorm, quantizer, serial Hadamard; `R` cycles until it takes the
next block) holds its producer back: the pair takes `T + max(0, R - slack)`, where slack is what the producer can do
meanwhile: fill, its first two passes, and the passes whose results the FIFOs between them hold. Where attention skips later
keys its cycle grows from block to block. Sources: hls_gen/templates/prefill.cpp.j2 and the headers it includes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from cost_models.array_timing import (
    ITERATION_CYCLES,
    LOOP_CYCLES,
    REGION_CYCLES,
    LoopDepths,
    has_built_quantizers,
    loop_cycles,
)
from cost_models.arrays import FloatArray
from cost_models.memory import stream_slowdown, word_bytes
from cost_models.stage_setup import HIDDEN_BYTES, StageSetup
from spec.design_batch import PrefillBatch
from spec.fifo_depths import fifo_depths
from spec.hadamard import hadamard_base
from spec.memory_map import PortRole
from spec.module_choices import FLEXLLM_PREFILL_GROUPS, PrefillModules
from spec.quant_scheme import QuantScheme

FEED_RESTART = 5.0  # of a pass in feed_tokens: its loop and an iteration of the loop over passes


class _Array:
    """One call of an engine on a block: d_in channels to d_out, WP at a time."""

    def __init__(
        self, law: PrefillLaw, d_in: float, d_out: float, width: FloatArray, role: PortRole, fifo_words: float
    ) -> None:
        slowdown = stream_slowdown(law.batch, role)
        self.d_in, self.d_out, self.width = d_in, d_out, width
        self.passes = np.ceil(d_out / width)
        self.a_pass = np.maximum(d_in + FEED_RESTART, d_in * slowdown)
        self.fill = 0.0 if law.fused else d_in + 4.0
        dequantize = law.tokens + 6 + self.passes * width + 30
        self.cycles = np.maximum(self.fill + self.passes * self.a_pass + 1, dequantize)
        columns = width / law.sub_arrays(width, role)
        self.cycles = np.maximum(self.cycles, self.passes * d_in * np.maximum(slowdown, 1.0) + columns + 12)
        # From the last result of a block to the first of the next, and the passes whose results find room in between.
        self.first_result = self.a_pass + 16 + law.depths.dequantize_out
        self.slack = self.fill + self.a_pass + self.a_pass * (1 + np.floor(fifo_words / width)) - width
        # The same where a pipeline behind the array stands still with its last words until the next block's first result.
        self.late_slack = self.a_pass * (1 + np.floor(fifo_words / width))
        self.drain = width + 14 + law.depths.dequantize_out

    def passage(self, start: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(first result, last result) of a block whose first channel comes at `start` at full speed."""
        begin = start + self.fill
        return begin + self.first_result, begin + self.passes * self.a_pass + self.drain - self.width + (
            self.d_out - (self.passes - 1) * self.width
        )


class PrefillLaw:
    """The two regions of a layer of a batch of prefill designs of one set of modules. Each method's arrays: (n_points,)."""

    def __init__(self, batch: PrefillBatch, setup: StageSetup) -> None:
        modules, model, scheme = batch.modules[0], setup.model, setup.scheme
        self.batch, self.setup, self.model, self.modules = batch, setup, model, modules
        self.depths = LoopDepths.of(
            setup.timing, modules.quantizer == "reciprocal", scheme.activation_symmetry == "symmetric"
        )
        self.access = setup.timing.memory_access_cycles
        self.tokens = batch.token_parallelism.astype(np.float64)
        self.fused = modules.input_buffers == "double"
        depths = fifo_depths(modules, model)
        self.fifo, self.residual_words = float(depths.vector), float(depths.residual)
        # Words of TP fp32 between memory and the vectors' FIFOs: cycles of a channel.
        self.io = np.ceil(self.tokens * HIDDEN_BYTES / np.maximum(word_bytes(batch, "io"), 1.0)) * stream_slowdown(
            batch, "io"
        )
        self.group = float(model.gqa_group if modules.kv_read == "per_kv_head" else 1)
        self.units = model.n_q_heads / self.group
        d, ff, q, kv = (float(x) for x in (model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim))
        narrow = batch.qkvo_weight_parallelism.astype(np.float64)
        wide = batch.ffn_weight_parallelism.astype(np.float64)
        self.k = _Array(self, d, kv, narrow, "weights_kq", self.fifo)
        self.q = _Array(self, d, q, narrow, "weights_kq", self.fifo)
        self.o = _Array(self, q, d, narrow, "weights_vo", 3 * self.fifo)
        self.gate = _Array(self, d, ff, wide, "weights_gate", 2 * self.fifo)
        self.down = _Array(self, ff, d, wide, "weights_down", self.fifo)

    def sub_arrays(self, width: FloatArray, role: PortRole) -> FloatArray:
        """Processes that share the columns of an array: one a weight port."""
        table = self.batch.placements
        return np.maximum(table.ports[:, table.role(role)][self.batch.placement], 1.0)

    # ---- modules that take a whole block

    def _scaled(self, factor: float) -> FloatArray:
        return np.asarray(self.tokens + factor + LOOP_CYCLES - 1)

    def norm_turn(self) -> FloatArray:
        """RMSNorm between the last word in and the first word out."""
        return self.depths.norm_load + 1 + self._scaled(self.depths.norm_factor) + 1 + self.depths.norm_out

    def quantize_turn(self) -> FloatArray:
        """A quantizer between the last word in and the first word out."""
        return 3 + self._scaled(self.depths.quantize_scale) + 1 + self.depths.quantize_out

    def held(self, words: float, turn: FloatArray) -> FloatArray:
        """Cycles in which such a module takes nothing in: its turn, its words out, the end of its pipeline."""
        return turn + words + 4

    def transform_turn(self, size: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """A transform of `size` words: (last word in to first word out, first to last word out, cycles it takes nothing in)."""
        stages, base = _shape(size)
        row = float(size // base)
        if self.modules.hadamard == "streaming":
            turn = row + 9.0 * stages + self.depths.transform_out + (size if base > 1 else 0.0)
            zero = np.zeros(len(self.batch))
            return zero + turn - (size - 1), zero + size, zero
        butterflies = loop_cycles(stages * float(size), self.depths.butterfly) if stages else 2.0
        first = butterflies + 3 + self.depths.transform_out + 1
        out = float(size)
        if base > 1:
            a_row = base * row + self.depths.base_sum + 1 + ITERATION_CYCLES + row + self.depths.transform_out + 2
            first = first + base * row + self.depths.base_sum + 1
            out = base * a_row - (base * row + self.depths.base_sum)
        zero = np.zeros(len(self.batch))
        return zero + first, zero + out, zero + first + out + 4

    # ---- parameters and caches

    def _rope_rows(self) -> FloatArray:
        """The rows of a block: a burst for each token, then the table (read_rope_blocks)."""
        dh = float(self.model.head_dim)
        return self.tokens * (dh + self.access + 6) + dh / 2 + 6

    def _rope(self, heads: float) -> FloatArray:
        dh = float(self.model.head_dim)
        cycles = heads * (dh + self.depths.rope_low + self.depths.rope_out + 5) + dh + 12
        if self.model.qk_norm:
            cycles = np.maximum(cycles, heads * (2 * dh + self.norm_turn() + 4))
        if self.setup.scheme.transforms_heads and hadamard_base(self.model.head_dim) != 1:
            held = self._head_transform()[2]
            cycles = np.maximum(cycles, heads * (dh + held))
        return np.asarray(cycles)

    def _head_transform(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        size = self.model.head_dim
        stages, base = _shape(size)
        if base == 1:  # heads of a power of two always stream
            zero = np.zeros(len(self.batch))
            return zero + size + 9.0 * stages, zero + size, zero
        return self.transform_turn(size)

    def _head_latency(self) -> FloatArray:
        """From the last result of a head to its last rotated word, before the quantizer."""
        latency: FloatArray | float = self.model.head_dim / 2 + self.depths.rope_out + 10
        if self.model.qkv_bias:
            latency = latency + self.depths.residual_out + 1
        if self.model.qk_norm:
            latency = latency + self.norm_turn() + self.model.head_dim
        if self.setup.scheme.transforms_heads:
            turn, out, _ = self._head_transform()
            latency = latency + turn + (out if hadamard_base(self.model.head_dim) != 1 else 0.0)
        return np.asarray(latency + self.depths.static_quantize_out)

    def _cache_write(self) -> FloatArray:
        """write_cache of a head of a block: its words in, those of the tokens out, the last response."""
        words = np.ceil(
            np.ceil(
                self.model.head_dim * self.setup.scheme.kv_bits / 8 / np.maximum(word_bytes(self.batch, "k_cache"), 1.0)
            )
        )
        return self.model.head_dim + self.tokens * words + self.access + 6

    # ---- regions

    def kv(self, blocks: FloatArray) -> FloatArray:
        """Cycles of region kv of a layer over `blocks` blocks."""
        d = float(self.model.hidden_dim)
        k = self.k
        rope = self._rope(self.model.n_kv_heads)
        write = self.model.n_kv_heads * self._cache_write() + 3
        norm = self.held(d, self.norm_turn())
        interval = _largest(
            [k.cycles, rope, write, self._rope_rows(), d * np.maximum(self.io, 1.0) + norm,
             d + self.held(d, self.quantize_turn()), self._behind(k, write / 8)]
        )  # fmt: skip
        start = self._first_quantized()
        first, last = k.passage(start)
        parameters = d + 3 * self.access + 2 * self.model.n_kv_heads + 40 + self._rope_rows()
        if self.model.qkv_bias:
            parameters = parameters + 2 * (self.access + self.model.kv_dim)
        first_k = np.maximum(first, parameters)
        done = np.maximum(
            last + self._head_latency() + self._cache_write(),
            np.maximum(
                first_k + rope + self._head_latency() + self._cache_write() - self.model.head_dim / 2,
                first + self.model.head_dim + write,
            ),
        )
        return np.asarray(done + (blocks - 1) * interval + 4)

    def _behind(self, array: _Array, held: FloatArray, slack: FloatArray | None = None) -> FloatArray:
        """An array before a module that takes nothing in for `held` cycles a block."""
        return np.asarray(array.cycles + np.maximum(held - (array.slack if slack is None else slack), 0.0))

    def _first_quantized(self) -> FloatArray:
        """First quantized word of the first block: memory, RMSNorm, quantizer."""
        d = float(self.model.hidden_dim)
        x = self.access + 4 + d * np.maximum(self.io, 1.0)
        gamma = self.access + d + 6  # repeat_words takes all of the norm weights before it gives any
        return np.maximum(x + self.norm_turn(), gamma) + d + self.quantize_turn() + 2

    def attention(self, keys: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(cycles of a unit between two units, of the first from its queries to its last result, results of a unit)."""
        model, modules, depths, access, g = self.model, self.modules, self.depths, self.access, self.group
        dh = float(model.head_dim)
        chunks_k = np.ceil(dh / self.batch.key_parallelism)
        chunks_v = np.ceil(dh / self.batch.value_parallelism)
        k_read = keys * chunks_k * stream_slowdown(self.batch, "k_cache") + access + 9
        v_read = keys * chunks_v * stream_slowdown(self.batch, "v_cache") + access + 9
        load = g + 4 + g * dh + 4
        steps = keys * chunks_k * g
        scores = np.maximum(load + steps + depths.score_out + 5, k_read)
        value_steps = keys * chunks_v * g
        out = g * dh + depths.value_out + 4
        tail = g + depths.value_factor + 4
        values = np.maximum(value_steps + depths.value_step + tail + out, v_read)
        if modules.softmax == "serial":
            weigh = np.maximum(keys * g, value_steps - self.fifo * chunks_v)
            ahead = np.minimum(weigh, self.fifo * chunks_k + scores - steps)
            period = np.maximum(keys * g, scores - ahead) + weigh + depths.weight_out + depths.weight_sum + g + 12
        else:
            period = keys * g + depths.weight_out + depths.weight_sum + 2 * g + 8
        period = np.maximum(np.maximum(scores, values), period)
        latency = (
            load
            + steps
            + depths.score_out
            + 6
            + np.maximum(keys * g, value_steps)
            + depths.weight_out
            + 8
            + depths.value_step
            + tail
            + out
        )
        return period, np.asarray(latency), np.asarray(tail + out)

    def main(self, blocks: FloatArray) -> Region:
        """Region main of a layer over `blocks` blocks."""
        model, depths = self.model, self.depths
        d, ff, q = float(model.hidden_dim), float(model.ffn_dim), float(model.q_dim)
        causal = self.modules.attention_mask == "causal_skip"
        all_keys = blocks * self.tokens
        period, latency, results = self.attention(self.tokens if causal else all_keys)
        # ---- intervals
        rope = self._rope(model.n_q_heads)
        io = d * np.maximum(self.io, 1.0)
        norm = self.held(d, self.norm_turn())
        quantize_q = self.held(q, self.quantize_turn())
        others = [
            self.q.cycles, rope, self._rope_rows(), io + norm, d + self.held(d, self.quantize_turn()),
            q + quantize_q, self._behind(self.o, norm), ff + self.held(ff, self.quantize_turn()), self.down.cycles,
        ]  # fmt: skip
        turn: FloatArray = np.zeros(len(self.batch))
        out: FloatArray = np.zeros(len(self.batch))
        vectors = 1.0
        if self.setup.scheme.transforms_down_input:
            size = self.setup.scheme.hadamard_block or model.ffn_dim
            turn, out, held = self.transform_turn(size)
            vectors = ff / size
            others.append(vectors * (size + held))
            gate = (
                self._behind(self.gate, held, self.gate.late_slack)
                if vectors == 1
                else np.maximum(self.gate.cycles, vectors * (size + held))
            )
        else:
            gate = self._behind(self.gate, self.held(ff, self.quantize_turn()))
        others.append(gate)
        slowest = _largest(others)
        before_down = _largest([self.q.cycles, self.o.cycles, gate])
        unit_words = self.group * model.head_dim
        a_unit = np.ceil(unit_words / self.q.width) * self.q.a_pass

        def attended(unit: FloatArray) -> FloatArray:
            """Interval of attention: its units, what the quantizer behind and the array before it keep it waiting."""
            buffered = 1 + np.floor(5 * self.fifo / unit_words)
            starved = np.maximum(self.q.fill + self.q.a_pass + a_unit - buffered * unit, 0.0)
            stopped = np.maximum(quantize_q - (unit - results), 0.0)
            return np.asarray(self.units * unit + np.maximum(starved, stopped))

        if causal:
            low = attended(self.attention(2 * self.tokens)[0])
            interval: FloatArray = (low + attended(self.attention(all_keys)[0])) / 2
        else:
            low = interval = attended(period)
        # ---- the first block
        start = self._first_quantized()
        first_q, last_q = self.q.passage(start)
        parameters = 2 * d + 6 * self.access + 3 * model.n_q_heads + 60 + self._rope_rows()
        if model.qkv_bias:
            parameters = parameters + self.access + q
        head = self._head_latency()
        more_passes = (np.ceil(unit_words / self.q.width) - 1) * self.q.a_pass
        first_unit = np.maximum(first_q, parameters) + np.maximum(more_passes, unit_words) + head
        per_unit = _largest([period, self.q.passes * self.q.a_pass / self.units, rope / self.units])
        attended_at = np.maximum(first_unit + (self.units - 1) * per_unit + latency, last_q + head + latency)
        o_first, o_last = self.o.passage(attended_at + self.quantize_turn() + 2)
        o_last = np.maximum(o_last, o_first + d)
        normed = o_last + depths.residual_out + 4 + self.norm_turn() + d + self.quantize_turn() + 2
        hidden = self.gate.passage(normed)[1] + depths.swiglu_out + 3
        transformed = hidden + turn + out
        d_last = self.down.passage(transformed + self.quantize_turn() + 2)[1]
        # A residual FIFO with room for R blocks lets a block in when the (R - 1)-th before it has left: the last words of a
        # block leave a pipeline when those of the next one come (`spec.fifo_depths.least_depths`).
        room = np.maximum(np.floor(self.residual_words / d) - 1, 1.0)
        held_back = np.maximum(o_last - self.access, d_last - o_last) / room
        slowest = np.maximum(slowest, held_back)
        if causal:
            further = self._growing(blocks, slowest, low, interval * 2 - low)
        else:
            further = (blocks - 1) * np.maximum(slowest, interval)
        end = d_last + depths.residual_out + 8 + self.access + np.maximum(self.io - 1, 0.0) * self.down.width
        lag = np.zeros(len(self.batch))
        if self.setup.scheme.transforms_down_input and self.modules.hadamard == "streaming":
            # A streaming transform gives a vector while the next one arrives: down is a vector behind until the end.
            lag = np.where(blocks > 1, np.minimum(self.down.cycles, np.maximum(before_down, interval)) / vectors, 0.0)
        critical = {
            "norm_and_quant": start + (normed - o_last),
            "q_proj": first_unit - start,
            "attention": attended_at - first_unit,
            "o_proj": o_last - attended_at,
            "gate_up_proj": hidden - normed + lag,
            "hadamard": transformed - hidden,
            "down_proj": end - transformed,
        }
        each = {
            "q_proj": self.q.cycles,
            "attention": interval,
            "o_proj": self.o.cycles,
            "gate_up_proj": gate,
            "hadamard": turn + out,
            "down_proj": self.down.cycles,
        }
        scores, softmax, values = self._unit_work(self.tokens if causal else all_keys)
        names = list(each)
        longest = np.argmax(np.stack([cycles + np.zeros(len(self.batch)) for cycles in each.values()]), axis=0)
        for i, name in enumerate(names):
            critical[name] = critical[name] + np.where(longest == i, further, 0.0)
        busy = {name: blocks * cycles for name, cycles in each.items()}
        # What attention takes is that of its three modules together, which work on the same keys.
        for spent in (critical, busy):
            attention = spent.pop("attention") / (scores + softmax + values)
            spent |= {
                "attention_qk": attention * scores,
                "attention_softmax": attention * softmax,
                "attention_av": attention * values,
            }
        return Region(critical, busy)

    def _unit_work(self, keys: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Cycles that QK, the softmax and AV themselves work on a unit."""
        dh, g = float(self.model.head_dim), self.group
        scores = g * dh + keys * g * np.ceil(dh / self.batch.key_parallelism)
        softmax = keys * g * (2.0 if self.modules.softmax == "serial" else 1.0)
        return scores, softmax, g * dh + keys * g * np.ceil(dh / self.batch.value_parallelism)

    def _growing(self, blocks: FloatArray, slowest: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """Sum over the blocks behind the first of the longer of `slowest` and attention, which grows evenly from `low` to
        `high`."""
        steps = np.maximum(blocks - 1, 1.0)
        rise = np.where(blocks > 2, (high - low) / np.maximum(steps - 1, 1.0), 0.0)
        never = np.where(slowest > low, steps, 0.0)
        short = np.ceil(np.divide(slowest - low, rise, out=never, where=rise > 0))
        short = np.clip(short, 0, steps)
        long = steps - short
        return np.asarray(
            np.where(blocks > 1, short * slowest + long * low + rise * (short + steps - 1) * long / 2, 0.0)
        )

    def layer(self, tokens: float) -> tuple[FloatArray, Region]:
        """Cycles of region kv of a layer, and region main, for a prompt of so many tokens; the steps' own cycles with them."""
        blocks = np.ceil(tokens / self.tokens)
        main = self.main(blocks)
        main.critical["norm_and_quant"] = main.critical["norm_and_quant"] + REGION_CYCLES
        return self.kv(blocks) + REGION_CYCLES, main


@dataclass(frozen=True, slots=True)
class Region:
    """Cycles of each stage of a region on its critical path, which sum to the region's, and those it works."""

    critical: dict[str, FloatArray]
    busy: dict[str, FloatArray]

    @property
    def cycles(self) -> FloatArray:
        """Of the whole region."""
        return np.asarray(reduce(np.add, self.critical.values()))


def _largest(arrays: Sequence[FloatArray | float]) -> FloatArray:
    return np.asarray(reduce(np.maximum, arrays))


def _shape(size: int) -> tuple[int, int]:
    """Butterfly stages and order of the base of a transform."""
    base = hadamard_base(size) or 1
    return round(np.log2(size // base)), base


def is_built(modules: PrefillModules, scheme: QuantScheme) -> bool:
    """Whether these are choices that the generator builds; the law knows no others."""
    return (
        modules.process_granularity == "array"
        and modules.linear_groups == FLEXLLM_PREFILL_GROUPS
        and modules.token_blocks_per_weight_pass == modules.softmax_width == modules.hadamard_width == 1
        and has_built_quantizers(scheme)
    )
