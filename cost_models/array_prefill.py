"""Prefill kernel of our library (`process_granularity: array`): cycles of a layer, as two regions over all token blocks.

    kv      x -> RMSNorm -> K and V of every block -> caches
    main    x -> RMSNorm -> Q -> attention -> O -> + x -> RMSNorm -> gate, up -> SwiGLU [-> Hadamard] -> down -> + x'

Each region is a line of processes over N = ceil(tokens / TP) blocks: T_first + (N - 1) I, with T_first the passage of the first
block and I the longest cycle of any process or of two neighbours (`array_prefill_units.py`). Where attention skips later
keys its cycle grows from block to block. Sources: hls_gen/templates/prefill.cpp.j2 and the headers it includes.

What a region takes is put together from what its narrow arrays, its wide arrays and attention read of a design, few columns
each: `PrefillRows` evaluates them once a distinct row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from cost_models.array_prefill_units import SCALES_OF, Passage, PrefillUnits, largest
from cost_models.array_timing import REGION_CYCLES, nearest_built_scheme
from cost_models.arrays import FloatArray, IntArray
from cost_models.row_sets import RowFinder, spread
from cost_models.stage_setup import StageSetup
from spec.design_batch import PrefillBatch
from spec.memory_map import PortRole
from spec.module_choices import FLEXLLM_PREFILL_GROUPS, PrefillModules
from spec.quant_scheme import QuantScheme


@dataclass(frozen=True, slots=True)
class NarrowArrays:
    """What the arrays of K, Q, V and O and the vector units around them take, cycles (n_points,) each.

    `kv`: region kv. `slowest`: the slowest of them in region main; `first_unit`, `last_head`: when attention has the queries
    of the first unit of the first block, and the last head of it; `per_unit`: between two units; `refill`: until the array
    has the queries of a unit more; `quantize_o`: the quantizer before O takes nothing in; `late_word`: of a word of the
    result that waits for the port.
    """

    blocks: FloatArray
    kv: FloatArray
    slowest: FloatArray
    q_cycles: FloatArray
    o_cycles: FloatArray
    start: FloatArray
    first_unit: FloatArray
    last_head: FloatArray
    per_unit: FloatArray
    refill: FloatArray
    o: Passage
    norm_turn: FloatArray
    quantize_turn: FloatArray
    quantize_o: FloatArray
    late_word: FloatArray


@dataclass(frozen=True, slots=True)
class WideArrays:
    """What the arrays of gate, up and down take, cycles (n_points,) each; `gate_cycles` with what holds them back."""

    slowest: FloatArray
    gate_cycles: FloatArray
    down_cycles: FloatArray
    gate: Passage
    down: Passage


@dataclass(frozen=True, slots=True)
class AttentionUnits:
    """Attention over one unit, cycles (n_points,) each: between two units and from queries to results in the first block,
    between two units of the second and of the last block, and what QK, the softmax and AV themselves work.
    """

    period: FloatArray
    latency: FloatArray
    results: float
    low: FloatArray
    high: FloatArray
    scores: FloatArray
    softmax: FloatArray
    values: FloatArray
    work: FloatArray


class PrefillLaw(PrefillUnits):
    """The two regions of a layer of a batch of prefill designs of one set of modules. Each method's arrays: (n_points,)."""

    def blocks(self, tokens: float) -> FloatArray:
        """Token blocks of a prompt."""
        return np.asarray(np.ceil(tokens / self.tokens))

    def kv(self, blocks: FloatArray) -> FloatArray:
        """Cycles of region kv of a layer over `blocks` blocks."""
        d = float(self.model.hidden_dim)
        k = self.k
        rope = self.rope(self.model.n_kv_heads)
        write = self.model.n_kv_heads * self.cache_write() + 3
        norm = self.held(d, self.norm_turn())
        interval = largest(
            [k.cycles, rope, write, self.rope_rows(), d * np.maximum(self.io, 1.0) + norm,
             d + self.held(d, self.quantize_turn()), self.behind(k, write / 8)]
        )  # fmt: skip
        start = self.first_quantized()
        first, last = k.passage.first(start), k.passage.last(start)
        parameters = d + 3 * self.access + 2 * self.model.n_kv_heads + 40 + self.rope_rows()
        if self.model.qkv_bias:
            parameters = parameters + 2 * (self.access + self.model.kv_dim)
        first_k = np.maximum(first, parameters)
        done = np.maximum(
            last + self.head_latency() + self.cache_write(),
            np.maximum(
                first_k + rope + self.head_latency() + self.cache_write() - self.model.head_dim / 2,
                first + self.model.head_dim + write,
            ),
        )
        return np.asarray(done + (blocks - 1) * interval + 4)

    def narrow_arrays(self, tokens: float) -> NarrowArrays:
        """Of a prompt of so many tokens."""
        model, q = self.model, self.q
        d, q_dim = float(model.hidden_dim), float(model.q_dim)
        rope = self.rope(model.n_q_heads)
        io = d * np.maximum(self.io, 1.0)
        norm = self.held(d, self.norm_turn())
        quantize_o = self.held(q_dim, self.quantize_turn())
        slowest = largest(
            [q.cycles, rope, self.rope_rows(), io + norm, d + self.held(d, self.quantize_turn()), q_dim + quantize_o,
             self.behind(self.o, norm)]
        )  # fmt: skip
        unit_words = self.group * model.head_dim
        unit_passes = np.ceil(unit_words / q.width)
        start = self.first_quantized()
        parameters = 2 * d + 6 * self.access + 3 * model.n_q_heads + 60 + self.rope_rows()
        if model.qkv_bias:
            parameters = parameters + self.access + q_dim
        head = self.head_latency()
        more_passes = (unit_passes - 1) * q.a_pass
        first_unit = np.maximum(q.passage.first(start), parameters) + np.maximum(more_passes, unit_words) + head
        blocks = self.blocks(tokens)
        return NarrowArrays(
            blocks=blocks,
            kv=self.kv(blocks) + REGION_CYCLES,
            slowest=slowest,
            q_cycles=q.cycles,
            o_cycles=self.o.cycles,
            start=start,
            first_unit=first_unit,
            last_head=q.passage.last(start) + head,
            per_unit=largest([q.passes * q.a_pass / self.units, rope / self.units]),
            refill=q.fill + q.a_pass + unit_passes * q.a_pass,
            o=self.o.passage,
            norm_turn=self.norm_turn(),
            quantize_turn=self.quantize_turn(),
            quantize_o=quantize_o,
            late_word=np.maximum(self.io - 1, 0.0),
        )

    def wide_arrays(self) -> WideArrays:
        """Gate, up and down, and the transform between them."""
        ff = float(self.model.ffn_dim)
        quantizer = self.held(ff, self.quantize_turn())
        others = [ff + quantizer, self.down.cycles]
        if not self.setup.scheme.transforms_down_input:
            gate = self.behind(self.gate, quantizer)
        else:
            size, vectors = self._vectors()
            held = self.transform_turn(size)[2]
            others.append(np.asarray(vectors * (size + held)))
            if self.transforms_serially and vectors > 1:
                gate = np.maximum(self.gate.cycles, vectors * (size + held))
            else:  # a streaming transform goes on as long as the quantizer behind it takes its words
                stopped = np.asarray(held) if self.transforms_serially else quantizer
                gate = self.behind(self.gate, stopped, self.gate.late_slack)
        return WideArrays(largest([*others, gate]), gate, self.down.cycles, self.gate.passage, self.down.passage)

    def _vectors(self) -> tuple[int, float]:
        """Words of a vector of the transform before down, and how many of them a block has."""
        size = self.setup.scheme.hadamard_block or self.model.ffn_dim
        return size, self.model.ffn_dim / size

    def attention_units(self, tokens: float) -> AttentionUnits:
        """Of a prompt of so many tokens."""
        all_keys = self.blocks(tokens) * self.tokens
        causal = self.modules.attention_mask == "causal_skip"
        keys = self.tokens if causal else all_keys
        period, latency, results = self.attention(keys)
        low = self.attention(2 * self.tokens)[0] if causal else period
        high = self.attention(all_keys)[0] if causal else period
        scores, softmax, values = self.unit_work(keys)
        work = scores + softmax + values
        return AttentionUnits(period, latency, results, low, high, scores, softmax, values, work)

    def main(self, narrow: NarrowArrays, wide: WideArrays, attention: AttentionUnits) -> Region:
        """Region main of a layer, put together from its parts; no column of a design is read here."""
        model, depths = self.model, self.depths
        d, blocks, n = float(model.hidden_dim), narrow.blocks, len(narrow.start)
        turn, out, vectors = 0.0, 0.0, 1.0
        if self.setup.scheme.transforms_down_input:
            size, vectors = self._vectors()
            turn, out, _ = self.transform_turn(size)
        buffered = 1 + np.floor(5 * self.fifo / (self.group * model.head_dim))

        def attended(unit: FloatArray) -> FloatArray:
            """Interval of attention: its units, what the quantizer behind and the array before it keep it waiting."""
            starved = np.maximum(narrow.refill - buffered * unit, 0.0)
            stopped = np.maximum(narrow.quantize_o - (unit - attention.results), 0.0)
            return np.asarray(self.units * unit + np.maximum(starved, stopped))

        low = interval = attended(attention.low)
        causal = self.modules.attention_mask == "causal_skip"
        if causal:
            interval = (low + attended(attention.high)) / 2
        # ---- the first block
        per_unit = np.maximum(attention.period, narrow.per_unit)
        attended_at = np.maximum(
            narrow.first_unit + (self.units - 1) * per_unit + attention.latency, narrow.last_head + attention.latency
        )
        o_start = attended_at + narrow.quantize_turn + 2
        o_last = np.maximum(narrow.o.last(o_start), narrow.o.first(o_start) + d)
        normed = o_last + depths.residual_out + 4 + narrow.norm_turn + d + narrow.quantize_turn + 2
        hidden = wide.gate.last(normed) + depths.swiglu_out + 3
        transformed = hidden + turn + out
        d_last = wide.down.last(transformed + narrow.quantize_turn + 2)
        # A residual FIFO with room for R blocks lets a block in when the (R - 1)-th before it has left: the last words of a
        # block leave a pipeline when those of the next one come (`spec.fifo_depths.least_depths`).
        room = np.maximum(np.floor(self.residual_words / d) - 1, 1.0)
        held_back = np.maximum(o_last - self.access, d_last - o_last) / room
        slowest = largest([narrow.slowest, wide.slowest, held_back])
        if causal:
            further = _growing(blocks, slowest, low, interval * 2 - low)
        else:
            further = (blocks - 1) * np.maximum(slowest, interval)
        end = d_last + depths.residual_out + 8 + self.access + narrow.late_word * wide.down.width
        gate_up = hidden - normed
        if self.setup.scheme.transforms_down_input and self.modules.hadamard == "streaming":
            # A streaming transform gives a vector while the next one arrives: down is a vector behind until the end.
            before = largest([narrow.q_cycles, narrow.o_cycles, wide.gate_cycles, interval])
            gate_up = gate_up + np.where(blocks > 1, np.minimum(wide.down_cycles, before) / vectors, 0.0)
        critical = {
            "norm_and_quant": narrow.start + (normed - o_last) + REGION_CYCLES,
            "q_proj": narrow.first_unit - narrow.start,
            "attention": attended_at - narrow.first_unit,
            "o_proj": o_last - attended_at,
            "gate_up_proj": gate_up,
            "hadamard": transformed - hidden,
            "down_proj": end - transformed,
        }
        each = {
            "q_proj": narrow.q_cycles,
            "attention": interval,
            "o_proj": narrow.o_cycles,
            "gate_up_proj": wide.gate_cycles,
            "hadamard": np.full(n, turn + out),
            "down_proj": wide.down_cycles,
        }
        # The steady part goes to the slowest stage, to the first of those that are equal.
        longest, taken = largest(list(each.values())), np.zeros(n, dtype=bool)
        for name, cycles in each.items():
            here = (cycles == longest) & ~taken
            taken |= here
            critical[name] = critical[name] + np.where(here, further, 0.0)
        return Region(_by_attention_module(critical, attention), each, blocks, attention)

    def layer(self, tokens: float) -> tuple[FloatArray, Region]:
        """Cycles of region kv of a layer, and region main, for a prompt of so many tokens; the steps' own cycles with them."""
        narrow = self.narrow_arrays(tokens)
        return narrow.kv, self.main(narrow, self.wide_arrays(), self.attention_units(tokens))


def _growing(blocks: FloatArray, slowest: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Sum over the blocks behind the first of the longer of `slowest` and attention, which grows evenly from `low` to
    `high`."""
    steps = np.maximum(blocks - 1, 1.0)
    rise = np.where(blocks > 2, (high - low) / np.maximum(steps - 1, 1.0), 0.0)
    never = np.where(slowest > low, steps, 0.0)
    short = np.ceil(np.divide(slowest - low, rise, out=never, where=rise > 0))
    short = np.clip(short, 0, steps)
    long = steps - short
    return np.asarray(np.where(blocks > 1, short * slowest + long * low + rise * (short + steps - 1) * long / 2, 0.0))


def _by_attention_module(cycles: dict[str, FloatArray], attention: AttentionUnits) -> dict[str, FloatArray]:
    """What attention takes is that of its three modules together, which work on the same keys."""
    others = {name: array for name, array in cycles.items() if name != "attention"}
    share = cycles["attention"] / attention.work
    return {
        **others,
        "attention_qk": share * attention.scores,
        "attention_softmax": share * attention.softmax,
        "attention_av": share * attention.values,
    }


@dataclass(frozen=True, slots=True)
class Region:
    """Cycles of each stage of a region on its critical path, which sum to the region's; `each`: of a block."""

    critical: dict[str, FloatArray]
    each: dict[str, FloatArray]
    blocks: FloatArray
    attention: AttentionUnits

    @property
    def busy(self) -> dict[str, FloatArray]:
        """Cycles that each stage works."""
        return _by_attention_module({name: self.blocks * cycles for name, cycles in self.each.items()}, self.attention)

    @property
    def cycles(self) -> FloatArray:
        """Of the whole region."""
        return np.asarray(reduce(np.add, self.critical.values()))


@dataclass(frozen=True, slots=True)
class PrefillRows:
    """The parts of many designs: each for the distinct rows of what it reads, and the row of each design, (n_points,)."""

    law: PrefillLaw  # of any designs of these modules
    narrow: NarrowArrays
    narrow_row: IntArray
    wide: WideArrays
    wide_row: IntArray
    attention: AttentionUnits
    attention_row: IntArray

    @classmethod
    def of(cls, finder: RowFinder[PrefillBatch], setup: StageSetup, tokens: float) -> PrefillRows:
        """Of a batch of one set of modules, at its clocks, for a prompt of so many tokens."""
        feeding: tuple[PortRole, ...] = ("weights_kq", "weights_vo")
        streams: tuple[PortRole, ...] = (*feeding, *(SCALES_OF[role] for role in feeding), "io")
        narrow = finder.of(("token_parallelism", "qkvo_weight_parallelism"), (*streams, "k_cache"), feeding, streams)
        feeding = ("weights_gate", "weights_down")
        streams = (*feeding, *(SCALES_OF[role] for role in feeding))
        wide = finder.of(("token_parallelism", "ffn_weight_parallelism"), streams, feeding, streams)
        caches: tuple[PortRole, ...] = ("k_cache", "v_cache")
        attention = finder.of(("token_parallelism", "key_parallelism", "value_parallelism"), caches, (), caches)
        law = PrefillLaw(narrow.batch, setup)
        return cls(
            law, law.narrow_arrays(tokens), narrow.row,
            PrefillLaw(wide.batch, setup).wide_arrays(), wide.row,
            PrefillLaw(attention.batch, setup).attention_units(tokens), attention.row,
        )  # fmt: skip

    def layer(self, part: slice) -> FloatArray:
        """Cycles of both regions of a layer, of the designs in `part`."""
        narrow = spread(self.narrow, self.narrow_row[part])
        attention = spread(self.attention, self.attention_row[part])
        return narrow.kv + self.law.main(narrow, spread(self.wide, self.wide_row[part]), attention).cycles


def is_built(modules: PrefillModules, scheme: QuantScheme) -> bool:
    """Whether these are choices that the generator builds; the law knows no others."""
    return modules.process_granularity == "array" and (modules, scheme) == nearest_built(modules, scheme)


def nearest_built(modules: PrefillModules, scheme: QuantScheme) -> tuple[PrefillModules, QuantScheme]:
    """The same with the values that the generator has templates for, where it has none for the given ones."""
    built = modules.model_copy(
        update={
            "linear_groups": FLEXLLM_PREFILL_GROUPS,
            "token_blocks_per_weight_pass": 1,
            "softmax_width": 1,
            "hadamard_width": 1,
        }
    )
    return built, nearest_built_scheme(scheme)
