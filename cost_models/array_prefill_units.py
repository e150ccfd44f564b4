"""Processes of our library's prefill kernel, each on its own: arrays, modules that take a whole block, attention, caches.

With d a block's input channels, an array of WP columns takes `d + P (d + 5)`, P = ceil(d_out / WP) (feed_tokens; without the first d
where the first pass feeds what arrives). A module that takes a whole block in before it gives anything (RMSNorm, quantizer,
serial Hadamard; `R` cycles until it takes the next block) holds its producer back: the pair takes `T + max(0, R - slack)`,
where slack is what the producer can do meanwhile: fill, its first two passes, and the passes whose results the FIFOs between
them hold. Sources: hls_gen/library systolic_linear.hpp and the headers beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from cost_models.array_timing import ITERATION_CYCLES, LOOP_CYCLES, LoopDepths
from cost_models.arrays import FloatArray
from cost_models.memory import operand_beats, stream_slowdown, word_bytes
from cost_models.stage_setup import HIDDEN_BYTES, SCALE_BYTES, StageSetup
from spec.design_batch import PrefillBatch
from spec.fifo_depths import fifo_depths
from spec.hadamard import hadamard_base
from spec.memory_map import PortRole

SCALES_OF: dict[PortRole, PortRole] = {
    "weights_kq": "scales_kq", "weights_vo": "scales_vo",
    "weights_gate": "scales_gate", "weights_down": "scales_down",
}  # fmt: skip
FEED_RESTART = 5.0  # of a pass in feed_tokens: its loop and an iteration of the loop over passes


def largest(arrays: Sequence[FloatArray | float]) -> FloatArray:
    """Elementwise maximum."""
    return np.asarray(reduce(np.maximum, arrays))


@dataclass(frozen=True, slots=True)
class Passage:
    """A block through an array, from its first channel at full speed."""

    fill: FloatArray | float
    first_result: FloatArray
    passes: FloatArray
    drain: FloatArray
    width: FloatArray
    last_pass: FloatArray

    def first(self, start: FloatArray) -> FloatArray:
        """First result of a block whose first channel comes at `start`."""
        return start + self.fill + self.first_result

    def last(self, start: FloatArray) -> FloatArray:
        """Last result of it."""
        return start + self.fill + self.passes + self.drain - self.width + self.last_pass


class LinearArray:
    """One call of an engine on a block: d_in channels to d_out, WP at a time."""

    def __init__(
        self, law: PrefillUnits, d_in: float, d_out: float, width: FloatArray, role: PortRole, fifo_words: float
    ) -> None:
        slowdown = stream_slowdown(law.batch, role)
        self.d_in, self.d_out, self.width = d_in, d_out, width
        self.passes = np.ceil(d_out / width)
        self.a_pass = np.maximum(d_in + FEED_RESTART, d_in * slowdown)
        self.fill = 0.0 if law.fused else d_in + 4.0
        dequantize = law.tokens + 6 + self.passes * width * law.a_scale(role) + 30
        self.cycles = np.maximum(self.fill + self.passes * self.a_pass + 1, dequantize)
        columns = width / law.sub_arrays(width, role)
        self.cycles = np.maximum(self.cycles, self.passes * d_in * np.maximum(slowdown, 1.0) + columns + 12)
        # From the last result of a block to the first of the next, and the passes whose results find room in between.
        self.first_result = self.a_pass + 16 + law.depths.dequantize_out
        self.slack = self.fill + self.a_pass + self.a_pass * (1 + np.floor(fifo_words / width)) - width
        # The same where a pipeline behind the array stands still with its last words until the next block's first result.
        self.late_slack = self.a_pass * (1 + np.floor(fifo_words / width))
        self.drain = width + 14 + law.depths.dequantize_out

    @property
    def passage(self) -> Passage:
        """A block through the array."""
        return Passage(
            self.fill, self.first_result, self.passes * self.a_pass, self.drain, self.width,
            self.d_out - (self.passes - 1) * self.width,
        )  # fmt: skip


class PrefillUnits:
    """What the regions of a layer of a batch of prefill designs of one set of modules consist of. Each method's arrays:
    (n_points,)."""

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
        self.quantizer_fifo = float(depths.quantizer)
        # Words of TP fp32 between memory and the vectors' FIFOs: cycles of a channel.
        self.io = np.ceil(self.tokens * HIDDEN_BYTES / np.maximum(word_bytes(batch, "io"), 1.0)) * stream_slowdown(
            batch, "io"
        )
        self.group = float(model.gqa_group if modules.kv_read == "per_kv_head" else 1)
        self.units = model.n_q_heads / self.group

    @cached_property
    def k(self) -> LinearArray:
        """K, or V beside it."""
        return self._narrow(self.model.hidden_dim, self.model.kv_dim, "weights_kq", self.fifo)

    @cached_property
    def q(self) -> LinearArray:
        """Q, on the array of K."""
        return self._narrow(self.model.hidden_dim, self.model.q_dim, "weights_kq", self.fifo)

    @cached_property
    def o(self) -> LinearArray:
        """O, on the array of V."""
        return self._narrow(self.model.q_dim, self.model.hidden_dim, "weights_vo", 3 * self.fifo)

    @cached_property
    def gate(self) -> LinearArray:
        """Gate, or up beside it. Room for results before and behind SwiGLU, and behind the two pipelines of a streaming
        transform; a serial one takes and gives a vector in turns.
        """
        if self.transforms_serially:
            room = 2 * self.fifo
        else:
            room = self.fifo * (3 if self.setup.scheme.transforms_down_input else 1) + self.quantizer_fifo
        return self._wide(self.model.hidden_dim, self.model.ffn_dim, "weights_gate", room)

    @cached_property
    def down(self) -> LinearArray:
        """Down."""
        return self._wide(self.model.ffn_dim, self.model.hidden_dim, "weights_down", self.fifo)

    def _narrow(self, d_in: int, d_out: int, role: PortRole, room: float) -> LinearArray:
        width = self.batch.qkvo_weight_parallelism.astype(np.float64)
        return LinearArray(self, float(d_in), float(d_out), width, role, room)

    def _wide(self, d_in: int, d_out: int, role: PortRole, room: float) -> LinearArray:
        width = self.batch.ffn_weight_parallelism.astype(np.float64)
        return LinearArray(self, float(d_in), float(d_out), width, role, room)

    @property
    def transforms_serially(self) -> bool:
        return self.setup.scheme.transforms_down_input and self.modules.hadamard != "streaming"

    def sub_arrays(self, width: FloatArray, role: PortRole) -> FloatArray:
        """Processes that share the columns of an array: one a weight port."""
        table = self.batch.placements
        return np.maximum(table.ports[:, table.role(role)][self.batch.placement], 1.0)

    def a_scale(self, role: PortRole) -> FloatArray:
        """Cycles of a channel's scale in the dequantizer of an array: one, or what the memory takes for it."""
        scales = SCALES_OF[role]
        pairs = np.maximum(word_bytes(self.batch, scales) / SCALE_BYTES, 1.0)
        return np.asarray(np.maximum(stream_slowdown(self.batch, scales) / pairs, 1.0))

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

    def transform_turn(self, size: int) -> tuple[float, float, float]:
        """A transform of `size` words: (last word in to first word out, first to last word out, cycles it takes nothing in)."""
        stages, base = transform_shape(size)
        row = float(size // base)
        if self.modules.hadamard == "streaming":
            turn = row + 9.0 * stages + self.depths.transform_out + (size if base > 1 else 0.0)
            return turn - (size - 1), float(size), 0.0
        butterflies = 2.0  # each stride is a pipeline of its own
        if stages:
            butterflies = stages * (size + self.depths.butterfly) + 3
        first = butterflies + 3 + self.depths.transform_out + 1
        out = float(size)
        if base > 1:
            a_row = base * row + self.depths.base_sum + 1 + ITERATION_CYCLES + row + self.depths.transform_out + 2
            first = first + base * row + self.depths.base_sum + 1
            out = base * a_row - (base * row + self.depths.base_sum)
        return first, out, first + out + 4

    # ---- parameters and caches

    def rope_rows(self) -> FloatArray:
        """The rows of a block: a burst for each token, then the table (read_rope_blocks)."""
        dh = float(self.model.head_dim)
        return self.tokens * (dh + self.access + 6) + dh / 2 + 6

    def rope(self, heads: float) -> FloatArray:
        dh = float(self.model.head_dim)
        cycles = heads * (dh + self.depths.rope_low + self.depths.rope_out + 5) + dh + 12
        if self.model.qk_norm:
            cycles = np.maximum(cycles, heads * (2 * dh + self.norm_turn() + 4))
        if self.setup.scheme.transforms_heads and hadamard_base(self.model.head_dim) != 1:
            held = self._head_transform()[2]
            cycles = np.maximum(cycles, heads * (dh + held))
        return np.asarray(cycles)

    def _head_transform(self) -> tuple[float, float, float]:
        size = self.model.head_dim
        stages, base = transform_shape(size)
        if base == 1:  # heads of a power of two always stream
            return size + 9.0 * stages, float(size), 0.0
        return self.transform_turn(size)

    def head_latency(self) -> FloatArray:
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

    def cache_write(self) -> FloatArray:
        """write_cache of a head of a block: its words in, those of the tokens out, the last response."""
        words = np.ceil(
            np.ceil(
                self.model.head_dim * self.setup.scheme.kv_bits / 8 / np.maximum(word_bytes(self.batch, "k_cache"), 1.0)
            )
        )
        return self.model.head_dim + self.tokens * words + self.access + 6

    def behind(self, array: LinearArray, held: FloatArray, slack: FloatArray | None = None) -> FloatArray:
        """An array before a module that takes nothing in for `held` cycles a block."""
        return np.asarray(array.cycles + np.maximum(held - (array.slack if slack is None else slack), 0.0))

    def first_quantized(self) -> FloatArray:
        """First quantized word of the first block: memory, RMSNorm, quantizer."""
        d = float(self.model.hidden_dim)
        x = self.access + 4 + d * np.maximum(self.io, 1.0)
        gamma = self.access + d + 6  # repeat_words takes all of the norm weights before it gives any
        return np.maximum(x + self.norm_turn(), gamma) + d + self.quantize_turn() + 2

    def attention(self, keys: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """(cycles of a unit between two units, of the first from its queries to its last result, results of a unit)."""
        model, modules, depths, access, g = self.model, self.modules, self.depths, self.access, self.group
        dh = float(model.head_dim)
        chunks_k = np.ceil(dh / self.batch.key_parallelism)
        chunks_v = np.ceil(dh / self.batch.value_parallelism)
        bits = self.setup.scheme.kv_bits
        key_beats = operand_beats(self.batch, "k_cache", self.batch.key_parallelism, bits)
        value_beats = operand_beats(self.batch, "v_cache", self.batch.value_parallelism, bits)
        k_read = keys * chunks_k * key_beats * stream_slowdown(self.batch, "k_cache") + access + 9
        v_read = keys * chunks_v * value_beats * stream_slowdown(self.batch, "v_cache") + access + 9
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
        return period, np.asarray(latency), float(tail + out)

    def unit_work(self, keys: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Cycles that QK, the softmax and AV themselves work on a unit."""
        dh, g = float(self.model.head_dim), self.group
        scores = g * dh + keys * g * np.ceil(dh / self.batch.key_parallelism)
        softmax = keys * g * (2.0 if self.modules.softmax == "serial" else 1.0)
        return scores, softmax, g * dh + keys * g * np.ceil(dh / self.batch.value_parallelism)


def transform_shape(size: int) -> tuple[int, int]:
    """Butterfly stages and order of the base of a transform."""
    base = hadamard_base(size) or 1
    return round(np.log2(size // base)), base
