"""Prefill stage: FlexLLM's spatial task graph, per token block, with its overlap, fill and drain.

Phase A: K and V of all token blocks, side by side on the kq and vo arrays. Phase B, a pipeline over token blocks:
Q -> QK -> softmax -> AV -> O -> norm -> gate, up -> swish -> Hadamard -> down. Per layer

    N T_KV + T_first + (N - 1) max(T of the stages of phase B) + entries,

N = token blocks, T_first = the first block through all of phase B, entries = norm and quantizer passes that nothing
hides. Heads flow one by one from Q through attention. With h = cycles of one head in Q, QK, softmax and AV,

    T_first = T_Q,fill + h_Q + h_QK + h_SM/3 + h_AV + (Hq - 1) max(h) + T_O + T_GU + T_FHT - F + T_DN:

the softmax reads scores while QK makes them and writes while AV reads, the Hadamard reads while gate and up write.
Derived from the loop bounds of SpinQuant_Prefilling_mem_opt.h (FlexLLM @09a6534). FIFOs between stages must hold a
block, those of attention one head's scores; then a line of stages with fixed times waits for its slowest alone.

Variants. Projections that share an array take turns: the array is a stage whose time is the sum of its calls in phase
B, and K and V on one array follow each other. With M token blocks a weight pass a block is M blocks. Where attention
skips later keys its stages grow from block to block. With a(b) the slowest of them in block b, R the blocks that fit between
attention and another stage of time T (none before Q) and P the passage of one block from attention through that stage,
the place of N max is taken by the largest, over the other stages, of

    sum over b of max(a(b), T) - max(0, R T - P)    and    N T:

early blocks wait for that stage, late ones for attention, which has run ahead of it by R blocks at most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from cost_models.array_prefill import PrefillLaw, Region, nearest_built
from cost_models.array_timing import LIBRARY_FILES, LIBRARY_SOURCE
from cost_models.arrays import FloatArray, IntArray, ceil_div
from cost_models.attention import (
    SOFTMAX_PASSES,
    causal_steady_cycles,
    prefill_av_cycles,
    prefill_qk_cycles,
    prefill_softmax_cycles,
)
from cost_models.kernels.parts import Parts
from cost_models.linear import systolic_cycles
from cost_models.memory import operand_beats, port_bytes, ports_cycles, stream_slowdown, word_bytes
from cost_models.power import attention_active_j
from cost_models.resources import (
    PROJECTION_MODULES,
    group_width,
    hadamard_blocks,
    prefill_parts,
    projection_dims,
    shared_arrays,
    total_resources,
)
from cost_models.stage_cost import ClockLaw, ModuleCycles, StageCost
from cost_models.stage_setup import HIDDEN_BYTES, SCALE_BYTES, StageSetup, channel_scales, prefilled_tokens
from cost_models.transforms import (
    serial_hadamard_cycles,
    streaming_hadamard_interval,
    streaming_hadamard_latency,
)
from cost_models.unbuilt import change, changed_modules
from spec.design_batch import PrefillBatch
from spec.fifo_depths import fifo_depths
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.module_choices import PrefillModules

SOFTMAX_UNROLL = 4  # scores are padded to a multiple of it (FlexLLM Softmax.h)

_SOURCE = "FlexLLM @09a6534 {}, loop bounds"
_FILES = {
    "kv_proj": "Linear_Layer.h; K on the kq array beside V on the vo array",
    "q_proj": "Linear_Layer.h",
    "attention_qk": "MHA.h",
    "attention_softmax": "Softmax.h",
    "attention_av": "MHA.h",
    "o_proj": "Linear_Layer.h",
    "gate_up_proj": "Linear_Layer.h",
    "hadamard": "quant.h pref_FHT",
    "down_proj": "Linear_Layer.h",
    "norm_and_quant": "LayerNorm.h, quant.h",
}
_ATTENTION = ("attention_qk", "attention_softmax", "attention_av")
# The role whose ports feed a projection.
WEIGHT_ROLES: dict[str, PortRole] = {
    "q": "weights_kq", "k": "weights_kq", "v": "weights_vo", "o": "weights_vo",
    "gate": "weights_gate", "up": "weights_up", "down": "weights_down",
}  # fmt: skip
SCALE_ROLES: dict[str, PortRole] = {
    "q": "scales_kq", "k": "scales_kq", "v": "scales_vo", "o": "scales_vo",
    "gate": "scales_gate", "up": "scales_up", "down": "scales_down",
}  # fmt: skip
_PHASE_B = ("q", "o", "gate", "up", "down")
# Blocks that lie between attention and a stage while it works: its quantizer; the O array, norm and quantizer before gate
# and up; those arrays; the Hadamard and its FIFO; the residual FIFO of eight blocks ends it (FlexLLM, depths 8 D).
BLOCKS_BEHIND_ATTENTION = {"o_proj": 1, "gate_up_proj": 4, "hadamard": 6, "down_proj": 8}


def padded_tokens(tokens: int, batch: PrefillBatch) -> IntArray:
    """Tokens padded to what the blocks and the softmax need, (n_points,)."""
    block = batch.token_parallelism * batch.modules[0].token_blocks_per_weight_pass
    widest = np.maximum(block, batch.key_parallelism)
    # The least common multiple with SOFTMAX_UNROLL = 4, by the two lowest bits: np.lcm is a hundred times as slow.
    step = np.where(widest & 3 == 0, widest, np.where(widest & 1 == 0, 2 * widest, 4 * widest))
    return ceil_div(tokens, step) * step


def evaluate_prefill(
    batch: PrefillBatch, setup: StageSetup, clock: ClockLaw | None = None, parts: Parts | None = None
) -> StageCost:
    """Cycles, modules, resources and traffic of a batch of prefill designs of one set of modules (`batch.modules[0]`).

    `clock`: kernel resources -> clock (MHz), (n_points,); the batch's own clock where it is not given. `parts`: the
    resources by module, where they are known.
    """
    n, model = len(batch), setup.model
    if parts is None:
        parts = prefill_parts(batch, batch.modules[0], setup)
    resources = total_resources(parts, n)
    if clock is not None:
        batch = replace(batch, clock_mhz=clock(resources))
    tokens = padded_tokens(prefilled_tokens(setup.workload), batch)
    running = (tokens > 0) * float(model.n_layers)
    detail: Callable[[], tuple[ModuleCycles, ...]]
    if batch.modules[0].process_granularity == "array":
        total, detail = _library(batch, setup, tokens, running)
    else:
        line = _Line.of(batch, setup, tokens)
        total = running * line.cycles
        detail = partial(_modules, batch, line, running)
    return StageCost(
        stage="prefill",
        cycles=total,
        first_cycles=total,
        clock_mhz=batch.clock_mhz,
        resources=resources,
        attention_j=attention_active_j(parts, len(batch)),
        traffic_bytes=prefill_traffic_bytes(batch, setup, tokens),
        parts=parts,
        shared_arrays=shared_arrays(batch.modules[0].linear_groups, "prefill"),
        detail=detail,
    )


def _library(
    batch: PrefillBatch, setup: StageSetup, tokens: IntArray, running: FloatArray
) -> tuple[FloatArray, Callable[[], tuple[ModuleCycles, ...]]]:
    """Cycles (n_points,) and modules of our library; of choices that it does not build by `cost_models.unbuilt`."""
    modules, scheme = nearest_built(batch.modules[0], setup.scheme)
    built, built_setup = replace(batch, modules=(modules,)), replace(setup, scheme=scheme)
    # Our blocks are whole tokens blocks and nothing else: prefill has no more of them than the prompt needs.
    kv, main = PrefillLaw(built, built_setup).layer(max(prefilled_tokens(setup.workload), 1))
    total = running * (kv + main.cycles)
    library = partial(_library_modules, built, kv, main, running)
    if (modules, scheme) == (batch.modules[0], setup.scheme):
        return total, library
    line = _Line.of(batch, setup, tokens)
    before = _Line.of(built, built_setup, padded_tokens(prefilled_tokens(setup.workload), built))
    total = total * change(line.cycles, before.cycles)

    def detail() -> tuple[ModuleCycles, ...]:
        asked, known = _modules(batch, line, running), _modules(built, before, running)
        return changed_modules(library(), asked, known, total)

    return total, detail


@dataclass(frozen=True, slots=True)
class _Line:
    """The stages of a layer, cycles (n_points,). A block is all token blocks of one weight pass.

    `block_cycles`: each stage of phase B, for the mean block where attention grows. `arrays`: the time of each shared
    array in phase B with the stage that it is counted under. `first`: what each stage adds to the first block.
    `further`: what the other blocks add.
    """

    blocks: IntArray
    kv_proj: FloatArray
    block_cycles: dict[str, FloatArray]
    arrays: tuple[tuple[str, FloatArray], ...]
    first: dict[str, FloatArray]
    further: FloatArray
    entries: float

    @property
    def cycles(self) -> FloatArray:
        """Of a layer."""
        first = sum(self.first.values(), np.zeros(len(self.blocks)))
        return self.blocks * self.kv_proj + first + self.further + self.entries

    @classmethod
    def of(cls, batch: PrefillBatch, setup: StageSetup, tokens: IntArray) -> _Line:
        """The stages of a batch of one set of modules."""
        model, modules = setup.model, batch.modules[0]
        reuse = modules.token_blocks_per_weight_pass
        blocks = tokens // (batch.token_parallelism * reuse)
        linear = _linear_cycles(batch, setup)
        group: dict[str, int] = {name: i for i, names in enumerate(modules.linear_groups) for name in names}

        def pair(one: str, other: str) -> FloatArray:
            apart = group[one] != group[other]
            return np.maximum(linear[one], linear[other]) if apart else linear[one] + linear[other]

        causal = modules.attention_mask == "causal_skip"
        step = np.maximum(batch.token_parallelism * reuse, batch.key_parallelism)
        attention = _attention_lines(batch, setup)
        seen = step if causal else tokens
        first_cycles: dict[str, FloatArray] = {"q_proj": linear["q"]}
        first_cycles.update({name: start + slope * seen for name, (start, slope) in attention.items()})
        first_cycles["o_proj"] = linear["o"]
        first_cycles["gate_up_proj"] = pair("gate", "up")
        first_cycles["hadamard"] = _hadamard_interval(batch, setup)
        first_cycles["down_proj"] = linear["down"]
        arrays = tuple(
            (PROJECTION_MODULES[members[-1]], sum((linear[name] for name in members), np.zeros(len(batch))))
            for members in ([name for name in names if name in _PHASE_B] for names in modules.linear_groups)
            if len(members) > 1
        )
        others = {name: cycles for name, cycles in first_cycles.items() if name not in attention}
        io = reuse * model.hidden_dim * _token_beats(batch)
        slowest_other = np.maximum.reduce([*others.values(), *(time for _, time in arrays), io])
        block_cycles = dict(first_cycles)
        first = _first_block_cycles(first_cycles, batch, setup)
        if causal:
            per_step = np.maximum(step // (batch.token_parallelism * reuse), 1)
            lines = list(attention.values())
            # An array of several projections stands before and behind attention: none runs ahead of it.
            waits = [(others["q_proj"], np.zeros(len(batch))), *((time, np.zeros(len(batch))) for _, time in arrays)]
            passage = np.zeros(len(batch))
            for name, held in BLOCKS_BEHIND_ATTENTION.items():
                passage = passage + first[name]
                waits.append((others[name], np.maximum(held * others[name] - passage, 0.0)))
            steady, first_slowest = blocks * slowest_other, slowest_other
            for time, ahead in waits:
                blocked, first_with = causal_steady_cycles(blocks, per_step, step, lines, time)
                steady = np.maximum(steady, blocked - ahead)
                first_slowest = np.maximum(first_slowest, first_with)
            further = np.maximum(steady - first_slowest, 0.0)
            mean = (tokens + step) / 2
            block_cycles.update({name: start + slope * mean for name, (start, slope) in attention.items()})
        else:
            slowest = np.maximum.reduce([slowest_other, *(first_cycles[name] for name in _ATTENTION)])
            further = (blocks - 1) * slowest
        further = np.maximum(further, (blocks - 1) * _residual_interval(first, modules, model))
        return cls(
            blocks=blocks,
            kv_proj=pair("k", "v"),
            block_cycles=block_cycles,
            arrays=arrays,
            first=first,
            further=further,
            # Before K and V: the norm reads, then it writes while the quantizer reads. Before gate and up: the norm
            # writes. Before Q both are done while the array is busy with K. The quantizer writes while an array fills,
            # which is counted there.
            entries=3.0 * reuse * model.hidden_dim,
        )


# Stages between the two ends of a residual branch: of attention, and of the feed-forward network.
_BRANCHES = (("q_proj", *_ATTENTION, "o_proj"), ("gate_up_proj", "hadamard", "down_proj"))


def _residual_interval(first: dict[str, FloatArray], modules: PrefillModules, model: ModelConfig) -> FloatArray:
    """Cycles between two blocks that a shallow residual FIFO allows, (n_points,): with room for R blocks a block enters
    a branch when the R-th before it has left. Not less than the passage of a block over R.
    """
    blocks = fifo_depths(modules, model).residual // (modules.token_blocks_per_weight_pass * model.hidden_dim)
    passages = [sum((first[name] for name in branch[1:]), first[branch[0]]) for branch in _BRANCHES]
    return np.asarray(np.maximum(*passages) / max(blocks, 1))


def _linear_cycles(batch: PrefillBatch, setup: StageSetup) -> dict[str, FloatArray]:
    """Cycles of each projection over the token blocks of one weight pass, (n_points,)."""
    modules, restart = batch.modules[0], setup.timing.loop_restart_cycles
    found: dict[str, FloatArray] = {}
    slow = {role: stream_slowdown(batch, role) for role in dict.fromkeys(WEIGHT_ROLES.values())}
    a_scale = {role: ports_cycles(batch, role, SCALE_BYTES) for role in dict.fromkeys(SCALE_ROLES.values())}
    for group in modules.linear_groups:
        width = group_width(group, batch)
        for name in group:
            d_in, d_out = projection_dims(name, setup.model)
            found[name] = systolic_cycles(
                d_in, d_out, width, slow[WEIGHT_ROLES[name]] * beats_per_step(batch, name, width, setup),
                restart,
                modules.token_blocks_per_weight_pass, modules.input_buffers == "double",
                width * (channel_scales(d_in, setup.scheme) * a_scale[SCALE_ROLES[name]]),
            )  # fmt: skip
    return found


def _token_beats(batch: PrefillBatch) -> FloatArray:
    """Cycles in which the port brings one channel of the hidden state of a token block, (n_points,)."""
    words = np.ceil(batch.token_parallelism * HIDDEN_BYTES / np.maximum(word_bytes(batch, "io"), 1.0))
    return np.asarray(words * stream_slowdown(batch, "io"))


def beats_per_step(batch: PrefillBatch, projection: str, width: FloatArray, setup: StageSetup) -> FloatArray | float:
    """Port beats for the weights of one step of an array, (n_points,): more than one only where a tile is reused."""
    if batch.modules[0].token_blocks_per_weight_pass == 1:
        return 1.0
    bits = 8 * port_bytes(batch, WEIGHT_ROLES[projection])
    return np.asarray(np.ceil(width * setup.scheme.weight_bits / np.maximum(bits, 1.0)))


def _attention_lines(batch: PrefillBatch, setup: StageSetup) -> dict[str, tuple[FloatArray, FloatArray]]:
    """(cycles at zero tokens, cycles a token) of the attention stages of one block, (n_points,) each.

    From the laws at two lengths: they are straight lines in whole tiles of keys. Query heads that share a read stream
    once and find the rest on the chip.
    """
    model, modules, restart = setup.model, batch.modules[0], setup.timing.loop_restart_cycles
    reuse, double = modules.token_blocks_per_weight_pass, modules.input_buffers == "double"
    heads, dh, width = model.n_q_heads, model.head_dim, modules.softmax_width
    k_slow, v_slow = _shared_read(batch, setup, "k_cache"), _shared_read(batch, setup, "v_cache")
    zero, tile = np.zeros(len(batch), dtype=np.int64), batch.key_parallelism

    def line(law: Callable[[IntArray], FloatArray]) -> tuple[FloatArray, FloatArray]:
        start = reuse * law(zero)
        return start, (reuse * law(tile) - start) / tile

    return {
        "attention_qk": line(lambda s: prefill_qk_cycles(s, heads, dh, batch.key_parallelism, k_slow, restart, double)),
        "attention_softmax": line(lambda s: prefill_softmax_cycles(s, heads, modules.softmax, width)),
        "attention_av": line(
            lambda s: prefill_av_cycles(s, heads, dh, batch.value_parallelism, v_slow, restart, width, double)
        ),
    }


def _shared_read(batch: PrefillBatch, setup: StageSetup, role: PortRole) -> FloatArray:
    """Mean cycles of a beat of the cache over the query heads, (n_points,)."""
    slow, group = stream_slowdown(batch, role), setup.model.gqa_group
    return slow if batch.modules[0].kv_read == "per_query_head" else (slow + (group - 1)) / group


def _hadamard_interval(batch: PrefillBatch, setup: StageSetup) -> FloatArray:
    """Cycles of one block in the transform before down_proj, (n_points,)."""
    modules, reuse = batch.modules[0], batch.modules[0].token_blocks_per_weight_pass
    if not setup.scheme.transforms_down_input:
        return np.zeros(len(batch))
    size, blocks = hadamard_blocks(setup.model, setup.scheme)
    if modules.hadamard == "streaming":
        return np.full(len(batch), reuse * streaming_hadamard_interval(size, modules.hadamard_width, blocks))
    cycles = serial_hadamard_cycles(size, 1, setup.timing.loop_restart_cycles, blocks)
    return np.full(len(batch), reuse * float(cycles))


def _hadamard_first(batch: PrefillBatch, setup: StageSetup, interval: FloatArray) -> FloatArray:
    """What the transform adds to the first block, (n_points,): it reads while gate and up write."""
    modules = batch.modules[0]
    if not setup.scheme.transforms_down_input:
        return interval
    size, _ = hadamard_blocks(setup.model, setup.scheme)
    if modules.hadamard == "serial":
        return interval - setup.model.ffn_dim
    adder = setup.fabric.operator("fadd", setup.timing).latency_cycles
    latency = streaming_hadamard_latency(size, modules.hadamard_width, adder)
    return np.asarray(latency + interval * (1 - 1 / modules.token_blocks_per_weight_pass))


def _first_block_cycles(
    block_cycles: dict[str, FloatArray], batch: PrefillBatch, setup: StageSetup
) -> dict[str, FloatArray]:
    """What each stage of phase B adds to the time of the first token block from the entry to the end, (n_points,) each.

    Q and attention work head by head side by side: one head through all four, and the others in the slowest of them.
    """
    model, modules = setup.model, batch.modules[0]
    fill = float(model.hidden_dim * modules.token_blocks_per_weight_pass)
    if modules.input_buffers == "double":
        fill = 0.0  # beside the last of K, on the array that Q shares with it
    heads = model.n_q_heads
    per_head = {"q_proj": (block_cycles["q_proj"] - fill) / heads}
    per_head.update({name: block_cycles[name] / heads for name in _ATTENTION})
    slowest = np.maximum.reduce(list(per_head.values()))
    first = dict(block_cycles)
    taken = np.zeros(len(batch), dtype=bool)
    # The softmax reads while QK writes and writes while AV reads: one of three passes is its own.
    alone = 1 / SOFTMAX_PASSES if modules.softmax == "serial" else 1.0
    for name, cycles in per_head.items():
        here = (cycles == slowest) & ~taken
        taken |= here
        own = cycles * alone if name == "attention_softmax" else cycles
        first[name] = own + np.where(here, (heads - 1) * slowest, 0.0)
    first["hadamard"] = _hadamard_first(batch, setup, block_cycles["hadamard"])
    first["q_proj"] = first["q_proj"] + fill
    return first


def _stream_bounds(batch: PrefillBatch) -> dict[str, FloatArray]:
    """How much the streams of a module slow it down, (n_points,) each."""
    slow = {role: stream_slowdown(batch, role) for role in (*WEIGHT_ROLES.values(), "k_cache", "v_cache")}
    return {
        "kv_proj": np.maximum(slow["weights_kq"], slow["weights_vo"]),
        "q_proj": slow["weights_kq"],
        "attention_qk": slow["k_cache"],
        "attention_av": slow["v_cache"],
        "o_proj": slow["weights_vo"],
        "gate_up_proj": np.maximum(slow["weights_gate"], slow["weights_up"]),
        "down_proj": slow["weights_down"],
    }


def _library_modules(
    batch: PrefillBatch, kv: FloatArray, main: Region, running: FloatArray
) -> tuple[ModuleCycles, ...]:
    """The modules of our library with their share of the critical path of both regions."""
    ones, hbm = np.ones(len(batch)), _stream_bounds(batch)
    critical = {"kv_proj": kv, **main.critical}
    busy = {**critical, **main.busy}
    return tuple(
        ModuleCycles(
            name, running * critical[name], running * busy[name], hbm.get(name, ones), LIBRARY_SOURCE.format(where)
        )
        for name, where in LIBRARY_FILES["prefill"].items()
    )


def _modules(batch: PrefillBatch, line: _Line, running: FloatArray) -> tuple[ModuleCycles, ...]:
    """The modules with their share of the critical path; the steady part goes to the slowest stage."""
    n, ones = len(batch), np.ones(len(batch))
    hbm = _stream_bounds(batch)
    contenders = [*line.block_cycles.items(), *line.arrays]
    slowest = np.argmax(np.stack([cycles for _, cycles in contenders]), axis=0)
    names = [name for name, _ in contenders]
    critical: dict[str, FloatArray] = {"kv_proj": line.blocks * line.kv_proj}
    busy: dict[str, FloatArray] = dict(critical)
    for name, cycles in line.block_cycles.items():
        mine = np.isin(slowest, [i for i, other in enumerate(names) if other == name])
        critical[name] = line.first[name] + np.where(mine, line.further, 0.0)
        busy[name] = line.blocks * cycles
    critical["norm_and_quant"] = np.full(n, line.entries)
    busy["norm_and_quant"] = line.blocks * line.entries
    return tuple(
        ModuleCycles(
            name,
            running * critical[name],
            running * busy[name],
            hbm.get(name, ones),
            _SOURCE.format(where),
        )
        for name, where in _FILES.items()
    )


def prefill_traffic_bytes(batch: PrefillBatch, setup: StageSetup, tokens: IntArray) -> dict[PortRole, FloatArray]:
    """Bytes each role moves in the whole prefill, (n_points,) each.

    Weights are streamed again for every weight pass; keys and values are read once per query head and block, or once
    per KV head, up to the end of the block where later keys are skipped. All at the full port word: surplus lanes are
    fetched and dropped.
    """
    model, scheme, modules = setup.model, setup.scheme, batch.modules[0]
    passes = tokens // (batch.token_parallelism * modules.token_blocks_per_weight_pass)
    d, layers = model.hidden_dim, float(model.n_layers)
    reads = (
        layers
        * _tokens_read(batch, tokens)
        * (model.n_kv_heads if modules.kv_read == "per_kv_head" else model.n_q_heads)
    )
    key_beats = (
        model.head_dim / batch.key_parallelism * operand_beats(batch, "k_cache", batch.key_parallelism, scheme.kv_bits)
    )
    value_beats = (
        model.head_dim
        // batch.value_parallelism
        * operand_beats(batch, "v_cache", batch.value_parallelism, scheme.kv_bits)
    )
    written = layers * tokens * model.kv_dim * scheme.kv_bits / 8
    scale = layers * passes * SCALE_BYTES
    weights = {role: passes * stored for role, stored in stored_weight_bytes(batch, setup).items()}
    scales = _scales(setup)
    return {
        **weights,
        "k_cache": reads * key_beats * word_bytes(batch, "k_cache") + written,
        "v_cache": reads * value_beats * word_bytes(batch, "v_cache") + written,
        **{role: scale * count for role, count in scales.items()},
        "io": layers * tokens * d * HIDDEN_BYTES * 3.0,  # read in both phases, written once
        "norm_weights": layers * 2 * d * HIDDEN_BYTES * np.ones(len(batch)),
    }


def _tokens_read(batch: PrefillBatch, tokens: IntArray) -> FloatArray:
    """Keys that one head reads in one layer, over all token blocks, (n_points,)."""
    modules = batch.modules[0]
    blocks = tokens // batch.token_parallelism
    if modules.attention_mask == "full":
        return np.asarray(blocks * tokens, dtype=np.float64)
    step = np.maximum(batch.token_parallelism * modules.token_blocks_per_weight_pass, batch.key_parallelism)
    return np.asarray(blocks * (tokens + step) / 2)


def _scales(setup: StageSetup) -> dict[PortRole, int]:
    """Scales of a layer by role."""
    model = setup.model
    counts: dict[PortRole, int] = {}
    for name, scales in SCALE_ROLES.items():
        d_in, d_out = projection_dims(name, model)
        counts[scales] = counts.get(scales, 0) + d_out * channel_scales(d_in, setup.scheme)
    return counts


def stored_weight_bytes(batch: PrefillBatch, setup: StageSetup) -> dict[PortRole, FloatArray]:
    """Bytes of the weights of each role as they lie in memory, (n_points,) each: padded to passes and port words."""
    model, stored = setup.model, dict[PortRole, FloatArray]()
    for group in batch.modules[0].linear_groups:
        width = group_width(group, batch)
        for name in group:
            d_in, d_out = projection_dims(name, model)
            role = WEIGHT_ROLES[name]
            beats = beats_per_step(batch, name, width, setup)
            # Ports too narrow for their lanes (rule port_feeds_lanes) do not make the weights fewer.
            step = np.maximum(beats * port_bytes(batch, role), width * setup.scheme.weight_bits / 8)
            stored[role] = stored.get(role, 0.0) + model.n_layers * (ceil_div(d_out, width) * d_in) * step
    return stored
