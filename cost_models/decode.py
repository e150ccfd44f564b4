"""Decode stage: FlexLLM's serial chain over a GEMV engine that the linear layers reuse, and what may overlap with it.

Per token: `layers x (T_w + T_att(S) + T_fht + T_vec) + T_head`. T_w: K|V, Q, O, gate, up and down back to back while
weights stream; T_att: attention at context S; T_fht: the Hadamard transform; T_vec: vector passes that nothing hides
(norm, quantizer, residual, drains, pipeline depths). As published nothing overlaps weight streaming with attention,
Hadamard or norm (SpinQuant_Decoding_mem_opt.h, FlexLLM @09a6534). A design may choose: a weight buffer that keeps the
ports streaming through those gaps (`weight_stream.py`), attention beside the query projection, gate beside up on an
engine of its own, weights that stay on the chip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from cost_models.array_decode import DecodeLaw, contexts, nearest_built, total
from cost_models.array_timing import LIBRARY_FILES, LIBRARY_SOURCE
from cost_models.arrays import BoolArray, FloatArray, IntArray, ResourceArrays, ceil_div
from cost_models.attention import decode_attention_cycles, mean_key_tiles
from cost_models.kernels.parts import Parts
from cost_models.linear import gemv_cycles
from cost_models.memory import port_bytes, ports_cycles, stream_slowdown, word_bytes
from cost_models.power import attention_active_j
from cost_models.resources import (
    PROJECTION_MODULES,
    Part,
    decode_parts,
    engine_calls,
    hadamard_blocks,
    projection_dims,
    shared_arrays,
    total_resources,
    weight_bits,
)
from cost_models.stage_cost import ClockLaw, ModuleCycles, StageCost
from cost_models.stage_setup import HIDDEN_BYTES, SCALE_BYTES, StageSetup, channel_scales, layer_scales
from cost_models.transforms import (
    serial_hadamard_cycles,
    streaming_hadamard_latency,
)
from cost_models.unbuilt import change, changed_modules
from cost_models.weight_stream import Step, chain_cycles
from spec.design_batch import DecodeBatch
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules
from spec.timing import TimingTable

_FILES = {
    "kv_proj": "Linear_Layer.h",
    "q_proj": "Linear_Layer.h",
    "attention": "MHA.h, Softmax.h",
    "o_proj": "Linear_Layer.h",
    "gate_up_proj": "Linear_Layer.h",
    "hadamard": "quant.h dec_FHT",
    "down_proj": "Linear_Layer.h",
    "vector_passes": "LayerNorm.h, quant.h, data_io.h; depths from TimingTable",
    "lm_head": "Linear_Layer.h",
    "sampler": "Logits.h; tail from TimingTable",
}
_SOURCE = "FlexLLM @09a6534 {}, loop bounds"
_ATTENTION = "attention"


def evaluate_decode(
    batch: DecodeBatch, setup: StageSetup, clock: ClockLaw | None = None, parts: Parts | None = None
) -> StageCost:
    """Cycles, modules, resources and traffic of a batch of decode designs of one set of modules (`batch.modules[0]`).

    `clock`: kernel resources -> clock (MHz), (n_points,); the batch's own clock where it is not given. `parts`: the
    resources by module, where they are known.
    """
    n, modules = len(batch), batch.modules[0]
    if parts is None:
        parts = decode_parts(batch, modules, setup)
    resources = total_resources(parts, n)
    if clock is not None:
        batch = replace(batch, clock_mhz=clock(resources))
    if modules.process_granularity == "array":
        time = _library(batch, setup)
    else:
        time = _flexllm(batch, setup)
    return _stage_cost(batch, setup, time, resources, parts)


@dataclass(frozen=True, slots=True)
class _Time:
    """Cycles (n_points,) of the mean step after the first, of the first, and the modules of the former."""

    cycles: FloatArray
    first: FloatArray
    detail: Callable[[], tuple[ModuleCycles, ...]]


def _library(batch: DecodeBatch, setup: StageSetup) -> _Time:
    """Of our library; of choices that it does not build by `cost_models.unbuilt`."""
    modules, scheme = nearest_built(batch.modules[0], setup.scheme)
    built, built_setup = replace(batch, modules=(modules,)), replace(setup, scheme=scheme)
    law = DecodeLaw(built, built_setup)
    by_context = [law.tokens(low, high) for low, high in contexts(setup.workload)]
    spent, first, cycles = by_context[-1], total(by_context[0]), total(by_context[-1])
    library = partial(_modules, built, spent, LIBRARY_FILES["decode"], LIBRARY_SOURCE)
    if (modules, scheme) == (batch.modules[0], setup.scheme):
        return _Time(cycles, first, library)
    asked, before = _flexllm(batch, setup), _flexllm(built, built_setup)
    cycles = cycles * change(asked.cycles, before.cycles)

    def detail() -> tuple[ModuleCycles, ...]:
        return changed_modules(library(), asked.detail(), before.detail(), cycles)

    return _Time(cycles, first * change(asked.first, before.first), detail)


def _flexllm(batch: DecodeBatch, setup: StageSetup) -> _Time:
    """Of FlexLLM's kernel, and of choices beyond it."""
    n, layers, modules = len(batch), setup.model.n_layers, batch.modules[0]
    first_attention, attention = _attention(batch, setup)
    chain = _Chain.of(batch, setup)
    if modules.weight_buffer_beats:
        cycles, spent = chain.buffered(attention)
        first = cycles if setup.workload.output_tokens == 1 else chain.buffered(first_attention)[0]
    else:
        spent = chain.serial()
        besides = sum(spent.values(), np.zeros(n))
        spent[_ATTENTION] = layers * chain.exposed(attention)
        cycles, first = besides + spent[_ATTENTION], besides + layers * chain.exposed(first_attention)
    return _Time(cycles, first, partial(_modules, batch, spent, _FILES, _SOURCE))


def _stage_cost(
    batch: DecodeBatch,
    setup: StageSetup,
    time: _Time,
    resources: ResourceArrays,
    parts: Mapping[str, Part],
) -> StageCost:
    modules = batch.modules[0]
    return StageCost(
        stage="decode",
        cycles=time.cycles if setup.workload.output_tokens > 1 else np.zeros(len(batch)),
        first_cycles=time.first,
        clock_mhz=batch.clock_mhz,
        resources=resources,
        attention_j=attention_active_j(parts, len(batch)),
        traffic_bytes=decode_traffic_bytes(batch, setup),
        parts=parts,
        shared_arrays=shared_arrays(modules.linear_groups, "decode"),
        detail=time.detail,
    )


def _modules(
    batch: DecodeBatch, spent: dict[str, FloatArray], files: Mapping[str, str], source: str
) -> tuple[ModuleCycles, ...]:
    n, ones = len(batch), np.ones(len(batch))
    weights = stream_slowdown(batch, "weights")
    cache = np.maximum(stream_slowdown(batch, "k_cache"), stream_slowdown(batch, "v_cache"))
    projections = set(PROJECTION_MODULES.values())
    found = []
    for name, where in files.items():
        hbm = cache if name == _ATTENTION else weights if name in projections else ones
        cycles = np.broadcast_to(np.asarray(spent.get(name, 0.0), dtype=np.float64), (n,))
        found.append(ModuleCycles(name, cycles, cycles, hbm, source.format(where)))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Call:
    """One call of the engine, or two engines side by side. Cycles (n_points,) each: computing, with weights that arrive
    beat by beat as they are used, and of the ports alone (None: its weights are on the chip).
    """

    module: str
    compute: FloatArray
    in_step: FloatArray
    stream: FloatArray | None


@dataclass(frozen=True, slots=True)
class _Chain:
    """The calls and gaps of one layer and of the head, for one batch."""

    batch: DecodeBatch
    setup: StageSetup
    calls: dict[str, list[_Call]]
    hadamard: FloatArray
    vector: FloatArray
    sampler: FloatArray

    @classmethod
    def of(cls, batch: DecodeBatch, setup: StageSetup) -> _Chain:
        """The chain of a batch of one set of modules."""
        model, timing, modules = setup.model, setup.timing, batch.modules[0]
        group: dict[str, int] = {name: i for i, names in enumerate(modules.linear_groups) for name in names}
        engine = _Engine.of(batch, setup)
        lanes = batch.block_parallelism * batch.weight_parallelism
        # Ours: one list, a logit a cycle beside the stream of lm_head; FlexLLM: a list a group, merged in the end.
        one_list = modules.process_granularity == "array"
        insert = lanes if one_list else batch.weight_parallelism * timing.sampler_insert_cycles
        merge = 0 if one_list else timing.top_k * batch.block_parallelism * timing.sampler_merge_cycles + insert

        def pair(one: str, other: str, fused: int | None) -> list[_Call]:
            if group[one] != group[other]:
                return [engine.side_by_side(one, other)]
            return [engine.call(one, fused)] if fused else [engine.call(one), engine.call(other)]

        calls = {
            "kv_proj": pair("k", "v", 2 * model.kv_dim),
            "q_proj": [engine.call("q")],
            "o_proj": [engine.call("o")],
            "gate_up_proj": pair("gate", "up", None),
            "down_proj": [engine.call("down")],
            # Insertion of a pass into the top-k lists hides under the next pass over the input, unless that is shorter.
            "lm_head": [engine.call("lm_head", beside=insert)],
        }
        up = sum((call.compute for call in calls["gate_up_proj"]), np.zeros(len(batch)))
        d = model.hidden_dim
        sampler = (
            merge
            + timing.sampler_tail_cycles
            + 2 * (d / batch.vector_parallelism + d / batch.block_parallelism)  # final norm and its quantizer
            + d / _port_lanes(batch, "embedding")  # row of the new token
        )
        vector = _vector_cycles(batch, setup, engine.output_interval)
        return cls(batch, setup, calls, _hadamard(batch, setup, up), vector, sampler)

    def exposed(self, attention: FloatArray) -> FloatArray:
        """Attention of one layer as far as the query projection does not hide it, (n_points,).

        With overlap the heads of each of the p query passes start when that pass is done: two stages of p equal jobs,
        `max(T_q + T_att / p, T_q / p + T_att)`, less T_q.
        """
        if self.batch.modules[0].overlap_attention == "off":
            return attention
        query = self.calls["q_proj"][0].in_step
        lanes = self.batch.block_parallelism * self.batch.weight_parallelism
        passes = ceil_div(self.setup.model.q_dim, lanes)
        return np.asarray(np.maximum(attention / passes, query / passes + attention - query))

    def serial(self) -> dict[str, FloatArray]:
        """Cycles of each module but attention in one token, weights arriving as they are used."""
        layers = self.setup.model.n_layers
        spent = {
            name: (1 if name == "lm_head" else layers) * sum((c.in_step for c in calls[1:]), calls[0].in_step)
            for name, calls in self.calls.items()
        }
        spent["hadamard"] = layers * self.hadamard
        spent["vector_passes"] = layers * self.vector
        spent["sampler"] = self.sampler
        return spent

    def buffered(self, attention: FloatArray) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Cycles of one token and of each module in it, weights running ahead as far as the buffer goes."""
        table = self.batch.placements
        free = table.cache_apart[self.batch.placement].astype(np.float64)

        def steps(name: str) -> list[Step]:
            return [Step(call.module, call.compute, call.stream) for call in self.calls[name]]

        # Where a port carries both, our run-ahead reads its keys and values in their turn, as a part of the stream.
        cached = None
        if self.batch.modules[0].process_granularity == "array" and not free.all():
            cached = np.where(free > 0, 0.0, _cache_beats(self.batch, self.setup))
        half = self.vector / 2  # norm and quantizer before K, V; the same before gate, up; residuals after each
        layer = [
            Step("vector_passes", half), *steps("kv_proj"), *steps("q_proj"),
            Step(_ATTENTION, self.exposed(attention), cached, free=free), *steps("o_proj"),
            Step("vector_passes", half), *steps("gate_up_proj"), Step("hadamard", self.hadamard), *steps("down_proj"),
        ]  # fmt: skip
        head = [*steps("lm_head"), Step("sampler", self.sampler)]
        room = self.batch.modules[0].weight_buffer_beats * weight_pace(self.batch, self.setup, "weights")
        return chain_cycles(layer, head, self.setup.model.n_layers, room)


@dataclass(frozen=True, slots=True)
class _Engine:
    """Lanes of an engine, the pace of its ports, the words of a port that a step takes, and what goes on beside a pass.

    `scale_cycles`: of one scale for each lane over the scale ports; `output_cycles`: of the outputs of a pass.
    """

    lanes: FloatArray
    setup: StageSetup
    modules: DecodeModules
    pace: FloatArray
    head_pace: FloatArray
    scale_cycles: FloatArray
    output_cycles: FloatArray
    output_interval: float
    words: FloatArray

    @classmethod
    def of(cls, batch: DecodeBatch, setup: StageSetup) -> _Engine:
        """The engine of a batch; scales of a pass arrive over their ports, then its outputs leave (dec_dequant_*)."""
        lanes, modules = (batch.block_parallelism * batch.weight_parallelism).astype(np.float64), batch.modules[0]
        interval = dequantizer_interval(modules, setup.timing)
        return cls(
            lanes=lanes,
            setup=setup,
            modules=modules,
            pace=weight_pace(batch, setup, "weights"),
            head_pace=weight_pace(batch, setup, "weights_lm_head"),
            scale_cycles=lanes * ports_cycles(batch, "scales", SCALE_BYTES),
            output_cycles=batch.weight_parallelism * interval,
            output_interval=interval,
            words=words_per_step(batch, setup),
        )

    def call(self, projection: str, d_out: int | None = None, beside: FloatArray | IntArray | None = None) -> _Call:
        """One call over `d_out` channels, all of the projection's by default."""
        d_in, channels = projection_dims(projection, self.setup.model)
        return self._call(projection, d_in, d_out or channels, self._pace(projection), self._beside(d_in), beside)

    def side_by_side(self, one: str, other: str) -> _Call:
        """Two projections of equal shape on two engines at a time, over the same ports for weights and for scales."""
        d_in, channels = projection_dims(one, self.setup.model)
        off_chip = sum(name not in self.modules.on_chip_projections for name in (one, other))
        return self._call(one, d_in, channels, self.pace * off_chip if off_chip else None, self._beside(d_in, 2), None)

    def _beside(self, d_in: int, engines: int = 1) -> FloatArray:
        """Cycles of the scales of a pass of each engine, then of its outputs."""
        return self.scale_cycles * (engines * channel_scales(d_in, self.setup.scheme)) + self.output_cycles

    def _pace(self, projection: str) -> FloatArray | None:
        if projection in self.modules.on_chip_projections:
            return None
        return self.head_pace if projection == "lm_head" else self.pace

    def _call(
        self,
        projection: str,
        d_in: int,
        d_out: int,
        pace: FloatArray | None,
        drained: FloatArray,
        beside: FloatArray | IntArray | None,
    ) -> _Call:
        restart = self.setup.timing.loop_restart_cycles
        longest = drained if beside is None else np.maximum(drained, beside)
        in_step = gemv_cycles(d_in, d_out, self.lanes, 1.0 if pace is None else np.maximum(pace, 1.0), restart, longest)
        if not self.modules.weight_buffer_beats:
            return _Call(PROJECTION_MODULES[projection], in_step, in_step, None)
        compute = gemv_cycles(d_in, d_out, self.lanes, 1.0, restart, longest)
        stream = None if pace is None else ceil_div(d_out, self.lanes / self.words) * d_in * (pace / self.words)
        return _Call(PROJECTION_MODULES[projection], compute, in_step, stream)


def dequantizer_interval(modules: DecodeModules, timing: TimingTable) -> float:
    """Cycles between two outputs of a pass that leave the dequantizer.

    FlexLLM's loop (quant.h dec_dequant_layer_qint_fp32_bandwidth, dequant_weight_loop) has no PIPELINE directive, and
    with W = 64 no more iterations than the limit above which Vitis HLS pipelines a loop by itself (UG1399, pipeline_loops:
    "greater than", 64): each output takes the depth of its operators, conversion, two products and a sum.
    """
    if modules.dequantizer == "pipelined":
        return 1.0
    return sum(timing.operators[name].latency_cycles for name in ("int_to_float", "fmul", "fmul", "fadd"))


def words_per_step(batch: DecodeBatch, setup: StageSetup) -> FloatArray:
    """Words of each weight port that an engine step takes, (n_points,): more than one where a buffered engine of our
    library is wider than its ports. Then words of lanes without a channel are neither stored nor read.
    """
    modules = batch.modules[0]
    if modules.process_granularity == "element" or not modules.weight_buffer_beats:
        return np.ones(len(batch))
    bits = batch.block_parallelism * batch.weight_parallelism * float(setup.scheme.weight_bits)
    port_bits = 8 * port_bytes(batch, "weights")
    return np.asarray(np.maximum(np.ceil(bits / np.where(port_bits > 0, port_bits, np.inf)), 1.0))


def weight_pace(batch: DecodeBatch, setup: StageSetup, role: PortRole) -> FloatArray:
    """Cycles that the ports take for the weights of one engine step, (n_points,).

    `weights_lm_head` uses the ports of `weights` where it has none of its own.
    """
    lanes = batch.block_parallelism * batch.weight_parallelism

    def pace(source: PortRole) -> FloatArray:
        bits = weight_bits("lm_head" if role == "weights_lm_head" else "q", setup.scheme)
        port_bits = 8 * port_bytes(batch, source)
        return lanes * bits / np.where(port_bits > 0, port_bits, np.inf) * stream_slowdown(batch, source)

    if role == "weights":
        return pace("weights")
    own = own_lm_head_ports(batch)
    if not own.any():
        return pace("weights")
    return np.where(own, pace("weights_lm_head"), pace("weights"))


def _hadamard(batch: DecodeBatch, setup: StageSetup, gate_up: FloatArray) -> FloatArray:
    """Transform before down_proj, (n_points,): what follows the last output of gate and up.

    A streaming one has taken in what came before: the last pass over the channels is left (or all that its width could
    not take in while gate and up ran), then the last block leaves.
    """
    model, modules, timing = setup.model, batch.modules[0], setup.timing
    if not setup.scheme.transforms_down_input:
        return np.zeros(len(batch))
    size, blocks = hadamard_blocks(model, setup.scheme)
    if modules.hadamard == "serial":
        return serial_hadamard_cycles(size, batch.block_parallelism, timing.loop_restart_cycles, blocks)
    width = modules.hadamard_width
    lanes = np.minimum(batch.block_parallelism * batch.weight_parallelism, model.ffn_dim)
    waiting = np.maximum(lanes / width, model.ffn_dim / width - gate_up)
    adder = setup.fabric.operator("fadd", timing).latency_cycles
    return np.asarray(waiting + streaming_hadamard_latency(size, width, adder))


def _attention(batch: DecodeBatch, setup: StageSetup) -> tuple[FloatArray, FloatArray]:
    """Attention of one layer, first step and mean of the further ones, (n_points,) each."""
    model, modules = setup.model, batch.modules[0]
    heads, keys, channels = batch.head_parallelism, batch.key_parallelism, batch.value_parallelism
    k_slow, v_slow = stream_slowdown(batch, "k_cache"), stream_slowdown(batch, "v_cache")
    first, further = decode_attention_cycles(
        setup.workload, _cache_reads(model, modules), model.head_dim, heads, keys, channels, k_slow, v_slow,
        setup.timing, modules,
    )  # fmt: skip
    if setup.workload.output_tokens == 1:
        further = first
    extra = 0.0
    if setup.scheme.transforms_heads:  # queries and keys through a streaming transform of a head
        adder = setup.fabric.operator("fadd", setup.timing).latency_cycles
        extra += streaming_hadamard_latency(model.head_dim, 1, adder)
    if setup.scheme.attention_scale == "dynamic_per_token":  # a pass over each head for its largest value
        extra += model.head_dim
    return first + extra, further + extra


def _cache_beats(batch: DecodeBatch, setup: StageSetup) -> FloatArray:
    """Beats of a layer's keys or values at the busiest port, mean over the steps, (n_points,)."""
    model, reads = setup.model, _cache_reads(setup.model, batch.modules[0])
    a_port = ceil_div(reads, batch.head_parallelism)
    keys = mean_key_tiles(setup.workload, batch.key_parallelism) * model.head_dim * stream_slowdown(batch, "k_cache")
    mean_context = setup.workload.prompt_tokens + setup.workload.output_tokens / 2
    values = model.head_dim / batch.value_parallelism * mean_context * stream_slowdown(batch, "v_cache")
    return np.asarray(a_port * np.maximum(keys, values))


def _cache_reads(model: ModelConfig, modules: DecodeModules) -> int:
    """Reads of the cache of a layer: heads that each read keys and values of their own."""
    return model.n_kv_heads if modules.kv_read == "per_kv_head" else model.n_q_heads


def _vector_cycles(batch: DecodeBatch, setup: StageSetup, output_interval: float) -> FloatArray:
    """Vector passes of one layer that nothing hides, (n_points,).

    Two norms (two passes of D/T4) each followed by a quantizer (two of D/TB, one with static scales); the quantizers of
    O (q_dim) and down (ffn_dim); the write of the hidden state over its port, awaited and read back by the next layer;
    four drains of the engine with their dequantization (1.5 W, then W outputs). Norm weights are fetched beforehand.
    """
    model, timing = setup.model, setup.timing
    d, q, ff = model.hidden_dim, model.q_dim, model.ffn_dim
    t4, tb, w = batch.vector_parallelism, batch.block_parallelism, batch.weight_parallelism
    passes = 1 if setup.scheme.activation_scale == "static_per_tensor" else 2
    norms = 2 * (2 * d / t4 + passes * d / tb)
    quantizers = passes * q / tb + passes * ff / tb
    write_back = d / _port_lanes(batch, "io") + 2 * timing.memory_access_cycles
    drains = 4 * (1.5 + output_interval) * w
    return norms + quantizers + write_back + drains + timing.decode_chain_depth_cycles


def _port_lanes(batch: DecodeBatch, role: PortRole) -> FloatArray:
    """fp32 values that pass between a port of `role` and the vector lanes each cycle, (n_points,): what the port holds and
    its memory delivers.
    """
    return np.minimum(batch.vector_parallelism, word_bytes(batch, role) / HIDDEN_BYTES / stream_slowdown(batch, role))


def decode_traffic_bytes(batch: DecodeBatch, setup: StageSetup) -> dict[PortRole, FloatArray]:
    """Bytes each role moves in the mean decode step after the first (the only step if there is one), (n_points,) each.

    Output channels are padded to whole passes. Keys and values are read once per query head (or once per KV head), at
    the full port word (surplus lanes are fetched and dropped), and written once.
    """
    model, workload, scheme, modules = setup.model, setup.workload, setup.scheme, batch.modules[0]
    contexts_to = workload.context_tokens
    contexts_from = workload.prompt_tokens + (1 if workload.output_tokens > 1 else 0)
    mean_context = (contexts_from + contexts_to) / 2
    d, heads, layers = model.hidden_dim, _cache_reads(model, modules), model.n_layers
    key_beats = heads * mean_key_tiles(workload, batch.key_parallelism) * model.head_dim
    value_beats = heads * (model.head_dim // batch.value_parallelism) * mean_context
    written = model.kv_dim * scheme.kv_bits / 8
    scales = layers * layer_scales(model, scheme) + model.padded_vocab_size * channel_scales(d, scheme)
    ones = np.ones(len(batch))
    layer_bytes, head_bytes = stored_weight_bytes(batch, setup)
    moved: dict[PortRole, FloatArray] = {
        "weights": layer_bytes + head_bytes,
        "scales": scales * SCALE_BYTES * ones,
        "k_cache": layers * (key_beats * word_bytes(batch, "k_cache") + written),
        "v_cache": layers * (value_beats * word_bytes(batch, "v_cache") + written),
        "io": layers * 2 * d * HIDDEN_BYTES * ones,
        "norm_weights": (2 * layers + 1) * d * HIDDEN_BYTES * ones,
        "embedding": d * HIDDEN_BYTES * ones,
    }
    own = own_lm_head_ports(batch)
    if own.any():
        moved["weights"] = layer_bytes + np.where(own, 0.0, head_bytes)
        moved["weights_lm_head"] = np.where(own, head_bytes, 0.0)
    return moved


def own_lm_head_ports(batch: DecodeBatch) -> BoolArray:
    """(n_points,) where lm_head streams over ports of its own."""
    table = batch.placements
    return np.asarray((table.ports[:, table.role("weights_lm_head")] > 0)[batch.placement])


def stored_weight_bytes(batch: DecodeBatch, setup: StageSetup) -> tuple[FloatArray, FloatArray]:
    """Bytes of the weights of all layers and of lm_head as they lie in memory and are read once a token, (n_points,)
    each: output channels padded to whole passes; what stays on the chip is not read.
    """
    model, scheme, modules = setup.model, setup.scheme, batch.modules[0]
    parts = modules.d_in_splits
    lanes = batch.block_parallelism * batch.weight_parallelism / words_per_step(batch, setup)
    beats: FloatArray | IntArray | float = 0.0
    head: FloatArray | IntArray | float = 0.0
    for (first, *_), d_in, d_out in engine_calls(modules, model, on_chip=False):
        if first == "lm_head":
            head = ceil_div(d_out, lanes / parts) * (d_in / parts)
        else:
            beats = beats + ceil_div(d_out, lanes / parts) * (d_in / parts)
    step_bytes = lanes / 8
    return (
        np.asarray(model.n_layers * beats * (step_bytes * scheme.weight_bits) + np.zeros(len(batch))),
        np.asarray(head * (step_bytes * scheme.lm_head_weight_bits) + np.zeros(len(batch))),
    )
