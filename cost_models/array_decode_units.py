"""Vector units of our library's decode kernel, and what every step of a token reads of a design.

Memory to words, RMSNorm (2 d / V + V), words resized, quantizer (2 d_in / TB + TB), each with its pipelines' depths. Sources:
hls_gen/library fp32_io.hpp, rms_norm.hpp, quantize_dynamic.hpp.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from cost_models.array_timing import Cycles, LoopDepths, Words, loop_cycles, remainder_cycles
from cost_models.arrays import FloatArray
from cost_models.memory import stream_slowdown, word_bytes
from cost_models.stage_setup import HIDDEN_BYTES, SCALE_BYTES, StageSetup
from spec.design_batch import DecodeBatch
from spec.fifo_depths import fifo_depths
from spec.hadamard import hadamard_base
from spec.memory_map import PortRole


def gcd(a: FloatArray, b: FloatArray | float) -> FloatArray:
    """Greatest common divisor of whole numbers that are floats, elementwise."""
    return np.gcd(np.asarray(a).astype(np.int64), np.asarray(b).astype(np.int64)).astype(np.float64)


def transform_shape(size: int) -> tuple[int, int]:
    """Butterfly stages and order of the base of a transform."""
    base = hadamard_base(size) or 1
    return round(np.log2(size // base)), base


def lowest_bit(values: FloatArray) -> FloatArray:
    """The largest power of two that divides each."""
    whole = values.astype(np.int64)
    return (whole & -whole).astype(np.float64)


class DecodeUnits:
    """What the steps of a batch of decode designs of one set of modules have in common. Each method's arrays are (n_points,)."""

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
        self.parts = float(modules.d_in_splits)  # of the lanes, which share out the input channels
        self.head_lanes = gcd(self.tb, model.head_dim // 2)  # channels of a word where heads are worked on
        scale_pairs = np.maximum(word_bytes(batch, "scales") / SCALE_BYTES, 1.0)
        self.pairs = gcd(scale_pairs, self.tb / self.parts)
        self.beat = self.tb / self.pairs
        # What the memory takes for the scales of a pass; the port reads ahead, so that it is the passes that wait, not the rows.
        self.scales_of_pass = self.tb * self.w / self.parts / scale_pairs * stream_slowdown(batch, "scales")
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
        chunk = gcd(lanes, port)
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
        factor = loaded + loop_cycles(self.v, self.depths.token_factor)
        rest = np.maximum(words - self.vector_fifo, 0) * np.maximum(self.v / gcd(self.v, self.norm_port), 1.0)
        last = np.maximum(np.maximum(factor + words, gamma.last + 1), factor + 1 + rest)
        first = np.maximum(factor + 1, gamma.first + 1)
        return Words(first + self.depths.norm_out, last + self.depths.norm_out)

    def _resized(self, words: Words, channels: float, wide: FloatArray, to: FloatArray) -> Words:
        """resize_words: gcd channels a cycle."""
        chunk = gcd(wide, to)
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

    @property
    def _caches_apart(self) -> FloatArray:
        table = self.batch.placements
        return np.asarray(table.cache_apart[self.batch.placement])
