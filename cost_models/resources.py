"""Resources of each stage's kernel, module by module: multiplier arrays, non-linear lanes, buffers, adapters, control.

Each module of the breakdown has a part; AXI adapters and process control have parts of their own. The kernel is their
sum. An array that several projections share belongs to one of them (`array_owner`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cost_models import coefficients as c
from cost_models.arrays import FloatArray, IntArray, ResourceArrays, ceil_div
from cost_models.macs import MacCost, mac_cost
from cost_models.nonlinear import LaneCost, lane_cost, operators_cost
from cost_models.onchip import bram18_blocks, fifo_blocks, uram_blocks
from cost_models.stage_setup import StageSetup
from cost_models.transforms import streaming_hadamard_hardware
from spec.design_batch import DecodeBatch, PrefillBatch
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, DecodeProjection, PrefillModules
from spec.quant_scheme import QuantScheme
from spec.resources import RESOURCE_NAMES

AXI_ADAPTERS, DATAFLOW_CONTROL = "axi_adapters", "dataflow_control"

Amount = FloatArray | IntArray | float

# Module of the breakdown that each projection belongs to.
PROJECTION_MODULES = {
    "k": "kv_proj", "v": "kv_proj", "q": "q_proj", "o": "o_proj",
    "gate": "gate_up_proj", "up": "gate_up_proj", "down": "down_proj", "lm_head": "lm_head",
}  # fmt: skip
_OWNERS = {  # of a shared array, the first that is in the group
    "prefill": ("gate_up_proj", "down_proj", "o_proj", "q_proj", "kv_proj"),
    "decode": ("gate_up_proj", "down_proj", "o_proj", "q_proj", "kv_proj", "lm_head"),
}
FFN_PROJECTIONS = frozenset({"gate", "up", "down"})


def plus(a: Amount, b: Amount) -> Amount:
    """a + b, without an array operation where one of them is nothing."""
    if isinstance(a, float) and a == 0.0:
        return b
    return a if isinstance(b, float) and b == 0.0 else a + b


@dataclass(slots=True)
class Part:
    """Resources of one module, each a number or (n_points,)."""

    lut: Amount = 0.0
    ff: Amount = 0.0
    dsp: Amount = 0.0
    bram_18k: Amount = 0.0
    uram: Amount = 0.0

    def add_lanes(self, lanes: Amount, cost: LaneCost) -> None:
        """`lanes` lanes of non-linear operators, LUT and FF as they are after routing."""
        self.lut = plus(self.lut, lanes * (cost.lut * c.LUT_ROUTE_FACTOR))
        self.ff = plus(self.ff, lanes * (cost.ff * c.FF_ROUTE_FACTOR))
        if cost.dsp:
            self.dsp = plus(self.dsp, lanes * float(cost.dsp))

    def add_macs(self, macs: Amount, cost: MacCost) -> None:
        """`macs` multiply-accumulates of an array."""
        self.lut = plus(self.lut, macs * cost.lut)
        self.ff = plus(self.ff, macs * cost.ff)
        if cost.dsp:
            self.dsp = plus(self.dsp, macs * cost.dsp)


Parts = dict[str, Part]


def total_resources(parts: Mapping[str, Part], n: int) -> ResourceArrays:
    """The sum of all parts, (n_points,) each."""
    totals = []
    for name in RESOURCE_NAMES:
        total: Amount = 0.0
        for part in parts.values():
            total = plus(total, getattr(part, name))
        totals.append(np.broadcast_to(np.asarray(total, dtype=np.float64), (n,)))
    return ResourceArrays(*totals)


def module_arrays(parts: Mapping[str, Part], n: int) -> dict[str, ResourceArrays]:
    """The parts as arrays by module, (n_points,) each."""
    return {
        module: ResourceArrays(
            *(np.broadcast_to(np.asarray(getattr(part, name), dtype=np.float64), (n,)) for name in RESOURCE_NAMES)
        )
        for module, part in parts.items()
    }


def array_owner(group: tuple[str, ...], stage: str) -> str:
    """The module that a shared array is counted under."""
    members = {PROJECTION_MODULES[projection] for projection in group}
    return next(owner for owner in _OWNERS[stage] if owner in members)


def shared_arrays(groups: Iterable[tuple[str, ...]], stage: str) -> dict[str, str]:
    """Modules without an array of their own, each with the modules that its arrays are counted under, by comma."""
    owners: dict[str, list[str]] = {}
    for group in groups:
        owner = array_owner(group, stage)
        for name in group:
            known = owners.setdefault(PROJECTION_MODULES[name], [])
            if owner not in known:
                known.append(owner)
    having = {owner for names in owners.values() for owner in names}
    return {module: ", ".join(names) for module, names in owners.items() if module not in having}


def longest_input(group: tuple[str, ...], model: ModelConfig) -> int:
    """Input channels of the longest projection of a group."""
    inputs = {"o": model.q_dim, "down": model.ffn_dim}
    return max(inputs.get(projection, model.hidden_dim) for projection in group)


def group_width(group: tuple[str, ...], batch: PrefillBatch) -> FloatArray:
    """Output channels per pass of a prefill array, (n_points,), whole numbers."""
    narrow, wide = batch.qkvo_weight_parallelism, batch.ffn_weight_parallelism
    return (wide if FFN_PROJECTIONS & set(group) else narrow).astype(np.float64)


def hadamard_blocks(model: ModelConfig, scheme: QuantScheme) -> tuple[int, int]:
    """Size and number of the transforms before down_proj."""
    size = scheme.hadamard_block or model.ffn_dim
    return size, max(model.ffn_dim // size, 1)


def _infrastructure(batch: PrefillBatch | DecodeBatch, processes: Amount) -> Parts:
    table, index = batch.placements, batch.placement
    ports = table.total_ports.astype(np.float64)
    bits = table.total_port_bits.astype(np.float64)
    return {
        AXI_ADAPTERS: Part(
            lut=(c.AXI_LUT_BASE * ports + c.AXI_LUT_PER_BIT * bits)[index],
            ff=(c.AXI_FF_BASE * ports + c.AXI_FF_PER_BIT * bits)[index],
            bram_18k=(c.AXI_BRAM18_BASE * ports + c.AXI_BRAM18_PER_BIT * bits)[index],
        ),
        DATAFLOW_CONTROL: Part(lut=processes * c.LUT_PER_PROCESS, ff=processes * c.FF_PER_PROCESS),
    }


def _streaming_hadamard(part: Part, lanes: Amount, dim: int, width: int, setup: StageSetup) -> None:
    hardware = streaming_hadamard_hardware(dim, width, setup.value_bits)
    operators = {"fadd": hardware.adders, "fmul": hardware.multipliers}
    part.add_lanes(lanes, operators_cost(operators, setup.timing, setup.fabric))
    part.lut = part.lut + lanes * hardware.lut
    part.bram_18k = part.bram_18k + lanes * hardware.bram_18k


def _add_array(part: Part, macs: FloatArray, group: tuple[str, ...], stage: str, pe: str, setup: StageSetup) -> None:
    """Multipliers of a linear array, and the scaling of partial sums where weights have a scale a group."""
    scheme, d_in = setup.scheme, longest_input(group, setup.model)
    bits = [scheme.weight_bits for p in group if p != "lm_head"] + [
        scheme.lm_head_weight_bits for p in group if p == "lm_head"
    ]
    part.add_macs(macs, mac_cost(stage, pe, max(bits), scheme.activation_bits, d_in))  # type: ignore[arg-type]
    if scheme.weight_group_size is not None:
        part.add_lanes(
            np.ceil(macs / scheme.weight_group_size), lane_cost("group_scale", setup.timing, fabric=setup.fabric)
        )


def prefill_parts(batch: PrefillBatch, modules: PrefillModules, setup: StageSetup) -> Parts:
    """Resources of the prefill kernel by module, shell not included."""
    model, scheme, timing, fabric = setup.model, setup.scheme, setup.timing, setup.fabric
    tp, d, ff = batch.token_parallelism.astype(np.float64), model.hidden_dim, model.ffn_dim  # converted once
    tokens, value = setup.workload.prompt_tokens, setup.value_bits
    reuse, width = modules.token_blocks_per_weight_pass, modules.softmax_width
    buffers = 2 if modules.input_buffers == "double" else 1

    def lane(module: str) -> LaneCost:
        return lane_cost(module, timing, scheme, modules.quantizer, fabric)

    names = ("kv_proj", "q_proj", "attention_qk", "attention_softmax", "attention_av", "o_proj", "gate_up_proj",
             "hadamard", "down_proj", "norm_and_quant")  # fmt: skip
    parts = {name: Part() for name in names}
    for group in modules.linear_groups:
        part, wide, d_in = parts[array_owner(group, "prefill")], group_width(group, batch), longest_input(group, model)
        _add_array(part, tp * wide, group, "prefill", modules.linear_pe, setup)
        part.uram = (
            part.uram
            + buffers * uram_blocks(reuse * d_in, float(scheme.activation_bits) * tp)
            + tp * uram_blocks(d_in, value)  # its quantizer
        )
        if reuse > 1:  # the tile in use and the next
            part.uram = part.uram + 2 * uram_blocks(d_in, float(scheme.weight_bits) * wide)

    operand = float(scheme.attention_bits)
    qk, av = parts["attention_qk"], parts["attention_av"]
    qk.add_macs(
        tp * batch.key_parallelism,
        mac_cost("prefill", modules.attention_pe, scheme.kv_bits, scheme.attention_bits, model.head_dim),
    )
    av.add_macs(
        tp * batch.value_parallelism,
        mac_cost("prefill", modules.attention_pe, scheme.kv_bits, scheme.attention_bits, tokens),
    )
    qk.add_lanes((3 + width) * tp, lane("static_quant"))  # Q, K, V; the softmax output
    av.add_lanes((1 + width) * tp, lane("static_dequant"))  # output; scores
    scores = fifo_blocks(tokens, (2 * operand + np.ceil(np.log2(model.head_dim))) * tp)
    weights = fifo_blocks(tokens, operand * tp)
    qk.bram_18k, qk.uram = scores.bram_18k + weights.bram_18k, scores.uram + weights.uram
    av.bram_18k = buffers * bram18_blocks(tokens, operand * tp)
    if modules.kv_read == "per_kv_head":  # the keys and values of a KV head, for all query heads of its group
        cached = float(scheme.kv_bits)
        qk.uram = qk.uram + uram_blocks(tokens * model.head_dim / batch.key_parallelism, cached * batch.key_parallelism)
        av.uram = av.uram + uram_blocks(
            tokens * model.head_dim / batch.value_parallelism, cached * batch.value_parallelism
        )

    softmax = parts["attention_softmax"]
    softmax.add_lanes(width * tp, lane("softmax"))
    copies = 4 if modules.softmax == "pipelined" else 1  # two buffers between each two passes
    softmax.bram_18k = copies * width * tp * bram18_blocks(tokens / width, value)

    q, o, norm = parts["q_proj"], parts["o_proj"], parts["norm_and_quant"]
    q.add_lanes(tp, lane("rope"))
    q.bram_18k = q.bram_18k + bram18_blocks(tokens, value * model.head_dim)  # cosines and sines
    if scheme.transforms_heads:
        _streaming_hadamard(q, 2 * tp, model.head_dim, 1, setup)  # queries and keys
    o.add_lanes(2 * tp, lane("residual"))
    o.uram = o.uram + 2 * uram_blocks(8.0 * reuse * d, float(value) * tp)  # residual FIFOs, eight blocks deep
    for module in ("swish", "gate"):
        parts["gate_up_proj"].add_lanes(tp, lane(module))
    norm.add_lanes(2 * tp, lane("norm"))
    for module in ("quant", "dequant"):
        norm.add_lanes(len(modules.linear_groups) * tp, lane(module))
    norm.bram_18k = 2 * tp * bram18_blocks(d, value)
    norm.uram = tp * uram_blocks(d, value)  # input kept for the second phase

    if scheme.transforms_down_input:
        size, _ = hadamard_blocks(model, scheme)
        if modules.hadamard == "streaming":
            _streaming_hadamard(parts["hadamard"], tp, size, modules.hadamard_width, setup)
        else:
            parts["hadamard"].add_lanes(tp, lane("hadamard"))
            parts["hadamard"].bram_18k = 3 * tp * bram18_blocks(ff, value)  # two ping-pong buffers and the shuffle

    control = _infrastructure(batch, c.PREFILL_PROCESSES + 3 * batch.ffn_weight_blocks)
    control[DATAFLOW_CONTROL].bram_18k = c.PREFILL_FIFO_BRAM18_PER_TOKEN_LANE * tp
    return parts | control


def decode_parts(batch: DecodeBatch, modules: DecodeModules, setup: StageSetup) -> Parts:
    """Resources of the decode kernel by module, shell not included."""
    model, scheme, timing, fabric = setup.model, setup.scheme, setup.timing, setup.fabric
    tb, w, hp, t4 = (
        column.astype(np.float64)  # converted once
        for column in (
            batch.block_parallelism, batch.weight_parallelism, batch.head_parallelism, batch.vector_parallelism
        )
    )  # fmt: skip
    d, ff, kv, value = model.hidden_dim, model.ffn_dim, model.kv_dim, setup.value_bits
    context, keys, channels = setup.workload.context_tokens, batch.key_parallelism, batch.value_parallelism
    lanes, width = tb * w, modules.softmax_width
    buffers = 2 if modules.input_buffers == "double" else 1
    rows = model.gqa_group if modules.kv_read == "per_kv_head" else 1

    def lane(module: str) -> LaneCost:
        return lane_cost(module, timing, scheme, modules.quantizer, fabric)

    names = ("kv_proj", "q_proj", "attention", "o_proj", "gate_up_proj", "hadamard", "down_proj", "vector_passes",
             "lm_head", "sampler")  # fmt: skip
    parts = {name: Part() for name in names}
    for group in modules.linear_groups:
        part = parts[array_owner(group, "decode")]
        _add_array(part, lanes, group, "decode", modules.linear_pe, setup)
        # Bound to URAM whatever their depth: the engine inputs, a copy a split.
        deep = longest_input(group, model) / tb
        part.uram = part.uram + buffers * tb * batch.engine_splits * uram_blocks(deep, float(scheme.activation_bits))
    engine = parts[array_owner(modules.linear_groups[-1] if len(modules.linear_groups) == 1 else ("gate",), "decode")]
    if modules.weight_buffer_beats:
        engine.uram = engine.uram + uram_blocks(modules.weight_buffer_beats, float(scheme.weight_bits) * lanes)
    for (first, *_), d_in, d_out in engine_calls(modules, model, on_chip=True):
        part, bits = parts[PROJECTION_MODULES[first]], weight_bits(first, scheme)
        calls = 1 if first == "lm_head" else model.n_layers
        steps = ceil_div(d_out, lanes) * float(d_in * calls)
        part.uram = plus(part.uram, uram_blocks(steps, float(bits) * lanes))

    attention, operand = parts["attention"], float(scheme.attention_bits)
    for macs, terms in ((hp * keys, model.head_dim), (hp * channels, context)):
        pe = mac_cost("decode", modules.attention_pe, scheme.kv_bits, scheme.attention_bits, terms)
        attention.add_macs(rows * macs, pe)
    attention.add_lanes(hp, lane("rope"))
    attention.add_lanes(rows * width * hp, lane("softmax"))
    attention.add_lanes((1 + rows * width) * hp, lane("static_quant"))  # Q, K, V; the softmax output
    attention.add_lanes((rows + rows * width) * hp, lane("static_dequant"))  # output; scores
    if scheme.transforms_heads:
        _streaming_hadamard(attention, hp, model.head_dim, 1, setup)
    key_banks = hp * keys // 2
    copies = 4 if modules.softmax == "pipelined" else 1
    scores = fifo_blocks(context, (2 * operand + np.ceil(np.log2(model.head_dim))) * (rows * hp))
    weights = fifo_blocks(context, operand * (rows * hp))
    attention.bram_18k = (
        key_banks * bram18_blocks(model.n_layers * kv * keys / key_banks, scheme.kv_bits)  # open key tile of every layer
        + bram18_blocks(context, value * model.head_dim)  # RoPE cosines and sines
        + copies * width * rows * hp * bram18_blocks(context / width, value)  # softmax
        + buffers * bram18_blocks(context, operand * (rows * hp))  # AV input
        + scores.bram_18k + weights.bram_18k
    )  # fmt: skip
    attention.uram = scores.uram + weights.uram

    vector = parts["vector_passes"]
    for module in ("quant", "dequant", "swish", "gate"):
        vector.add_lanes(tb, lane(module))
    for module in ("norm", "residual"):
        vector.add_lanes(t4, lane(module))
    vector.bram_18k = t4 * bram18_blocks(d / t4, value)
    vector.uram = (1 + c.DECODE_WIDTH_CONVERSIONS) * tb * uram_blocks(ff / tb, value)  # quantizer, width converters

    if scheme.transforms_down_input:
        hadamard, (size, _) = parts["hadamard"], hadamard_blocks(model, scheme)
        if modules.hadamard == "streaming":
            _streaming_hadamard(hadamard, 1, size, modules.hadamard_width, setup)
        else:
            hadamard.add_lanes(tb, lane("hadamard"))
            hadamard.bram_18k = 3 * tb * bram18_blocks(ff / tb, value)

    sampler = parts["sampler"]
    sampler.add_lanes(1, lane("sampler"))
    sampler.lut = sampler.lut + tb * c.LUT_PER_SAMPLER_LANE
    sampler.ff = sampler.ff + tb * c.FF_PER_SAMPLER_LANE

    control = _infrastructure(batch, c.DECODE_PROCESSES + tb + 2 * hp)
    control[DATAFLOW_CONTROL].bram_18k = float(c.DECODE_FIFO_BRAM18)
    return parts | control


def weight_bits(projection: str, scheme: QuantScheme) -> int:
    """Bits of a weight of that projection."""
    return scheme.lm_head_weight_bits if projection == "lm_head" else scheme.weight_bits


def projection_dims(projection: str, model: ModelConfig) -> tuple[int, int]:
    """(d_in, d_out) of a projection; lm_head with its padded rows."""
    d, ff, q, kv = model.hidden_dim, model.ffn_dim, model.q_dim, model.kv_dim
    return {
        "q": (d, q), "k": (d, kv), "v": (d, kv), "o": (q, d), "gate": (d, ff), "up": (d, ff), "down": (ff, d),
        "lm_head": (d, model.padded_vocab_size),
    }[projection]  # fmt: skip


def engine_calls(
    modules: DecodeModules, model: ModelConfig, *, on_chip: bool
) -> list[tuple[tuple[DecodeProjection, ...], int, int]]:
    """Calls of a layer and of the head whose weights stay on the chip, or whose weights do not: projections, d_in, d_out.

    K and V are one call of both their channels where one engine does both; each call is padded to whole passes.
    """
    fused = any({"k", "v"} <= set(group) for group in modules.linear_groups)
    together: tuple[tuple[DecodeProjection, ...], ...] = (("k", "v"),) if fused else (("k",), ("v",))
    calls = []
    for names in (*together, ("q",), ("o",), ("gate",), ("up",), ("down",), ("lm_head",)):
        here: tuple[DecodeProjection, ...] = tuple(n for n in names if (n in modules.on_chip_projections) == on_chip)
        if here:
            d_in, d_out = projection_dims(here[0], model)
            calls.append((here, d_in, len(here) * d_out))
    return calls
