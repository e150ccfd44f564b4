"""Which designs the module templates can build. Vectorised; the search space and user designs pass the same rules.

Each rule compares a demand with a bound, both (n_points,); a design is legal where no demand exceeds its bound.
Divisibility rules have the remainder as demand and 0 as bound.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from spec.design_batch import BoolArray, DecodeBatch, DesignBatch, FloatArray, IntArray, PrefillBatch
from spec.device import Device
from spec.fifo_depths import fifo_depths, least_depths
from spec.hadamard import hadamard_base
from spec.memory_map import PortRole
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, LinearPe, PrefillModules
from spec.quant_scheme import QuantScheme
from spec.spread_memory_map import last_power_of_two, next_power_of_two
from spec.workload import Stage

# An int4 product pair accumulates inside one 48-bit DSP register: 2 log2(d_in) + 16 bits <= 48, and its packed operand
# of log2(d_in) + 13 bits must fit the 27-bit port (FlexLLM PE.h), so d_in <= 2^14.
MAX_PACKED_INPUT_DIM = 2**14
PACKED_OPERAND_BITS = 4

# Widest operands of an element that computes so many products in one DSP: four pairs of fields of 4 bits, two of 8 in the
# 27 x 18 multiplier (FlexLLM PE.h; WP486), one of 16.
OPERAND_BITS: dict[str, int] = {"dsp1": 16, "dsp2": 8, "dsp4": 4, "lut": 16}


BatchT = TypeVar("BatchT", PrefillBatch, DecodeBatch)


@dataclass(frozen=True, slots=True)
class Rule:
    """One legality rule over a batch.

    `relative_low`, `relative_high`: the error band of the demand where that is an estimate. It holds three states: the
    demand fits up to the high end of its band; it does not fit even at the low end (broken); or the bound lies within
    the band, and nobody knows (`open`). An exact demand has an empty band and the first two states only.
    `limit`: what the estimate itself must not exceed, whatever its band: a card has no more than all of its resources.
    """

    constraint: str
    where: str
    demand: FloatArray
    bound: FloatArray
    unit: str
    message: str
    levers: tuple[str, ...]
    relative_low: float = 0.0
    relative_high: float = 0.0
    limit: float = np.inf

    @property
    def broken(self) -> BoolArray:
        """(n_points,) where the demand exceeds the bound even at the low end of its band, or the limit."""
        return np.asarray((self.demand * (1.0 + self.relative_low) > self.bound) | (self.demand > self.limit))

    @property
    def open(self) -> BoolArray:
        """(n_points,) where the bound lies within the band of the demand."""
        return np.asarray(~self.broken & (self.demand * (1.0 + self.relative_high) > self.bound))


def _rule(
    n: int,
    constraint: str,
    where: str,
    demand: npt.ArrayLike,
    bound: npt.ArrayLike,
    unit: str,
    message: str,
    *levers: str,
) -> Rule:
    return Rule(
        constraint,
        where,
        np.broadcast_to(np.asarray(demand, dtype=np.float64), (n,)),
        np.broadcast_to(np.asarray(bound, dtype=np.float64), (n,)),
        unit,
        message,
        levers,
    )


def _role_columns(batch: PrefillBatch | DecodeBatch, role: PortRole) -> tuple[IntArray, FloatArray]:
    """Ports and narrowest width of a role, per design (n_points,)."""
    column = batch.placements.role(role)
    return batch.placements.ports[batch.placement, column], batch.placements.width_bits[batch.placement, column]


def _port_rules(batch: PrefillBatch | DecodeBatch, stage: Stage, device: Device) -> Iterator[Rule]:
    n = len(batch)
    table, index = batch.placements, batch.placement
    for kind, ports, memory in (("hbm", table.hbm_ports, device.hbm), ("ddr", table.ddr_ports, device.ddr)):
        label = kind.upper()
        if memory is None:
            yield _rule(
                n, f"{kind}_missing", stage, ports.number[index], 0, "ports",
                f"{stage} maps ports to {label}, and {device.name} has none", "map them to a memory that the card has",
            )  # fmt: skip
            continue
        yield _rule(
            n, "port_width", stage, ports.widest_bits[index], memory.max_port_bits, "bits",
            f"{stage} asks for a port wider than the {label} of {device.name} offers",
            "lower the weight parallelism of the engine", "use more, narrower ports",
        )  # fmt: skip
        yield _rule(
            n, "memory_channel", stage, ports.highest_channel[index], memory.channels - 1, "channel",
            f"{stage} names a channel that the {label} of {device.name} does not have",
            "map the port to an existing channel",
        )  # fmt: skip
    if device.hbm is not None:
        yield _rule(
            n, "hbm_ports", stage, table.hbm_ports.number[index], device.hbm.channels, "ports",
            f"{stage} has more HBM ports than {device.name} has HBM channels",
            "lower the number of weight blocks", "use wider ports", "let ports carry several roles",
        )  # fmt: skip
    yield _rule(
        n, "streams_per_port", stage, table.streams_per_port[index], 1, "streams",
        f"a port of {stage} carries streams that run at the same time", "give each of them a port of its own",
    )  # fmt: skip
    yield _rule(
        n, "one_memory_per_role", stage, (table.on_hbm & table.on_ddr).sum(axis=1)[index], 0, "roles",
        f"a role of {stage} has ports in HBM and in DDR: its stream keeps the pace of the slower",
        "map all ports of a role to one memory",
    )  # fmt: skip


def _together(one: str, other: str, modules: DecodeModules) -> bool:
    return any(one in group and other in group for group in modules.linear_groups)


def _module_rules(
    n: int,
    stage: Stage,
    modules: PrefillModules | DecodeModules,
    model: ModelConfig,
    scheme: QuantScheme,
    keys: IntArray,
) -> Iterator[Rule]:
    """What the chosen modules of a stage ask of operands and widths."""
    weights = max(scheme.weight_bits, scheme.lm_head_weight_bits if stage == "decode" else 0)
    for field, element, bits in (
        ("linear_pe", modules.linear_pe, max(weights, scheme.activation_bits)),
        ("attention_pe", modules.attention_pe, max(scheme.kv_bits, scheme.attention_bits)),
    ):
        yield _rule(
            n, "operand_bits", f"{stage}.modules.{field}", bits, OPERAND_BITS[element], "bits",
            f"{element} packs operands of at most {OPERAND_BITS[element]} bits", "pack fewer products in a DSP",
            "use narrower operands",
        )  # fmt: skip
    built, least = fifo_depths(modules, model).as_dict(), least_depths(modules, model).as_dict()
    for field, depth in least.items():
        if built[field] < depth:
            yield _rule(
                n, "fifo_depth", f"{stage}.modules.{field}", depth, built[field], "words",
                "a FIFO too shallow: its fork blocks before the other branch has what it needs, and the kernel stops for"
                " ever (deadlock)", f"raise {stage}.modules.{field} to {depth}", f"leave {field} out: it is computed then",
            )  # fmt: skip
    widths = [("softmax_width", modules.softmax_width)]
    if modules.hadamard == "streaming":
        widths.append(("hadamard_width", modules.hadamard_width))
    for field, width in widths:
        yield _rule(
            n, "power_of_two", f"{stage}.modules.{field}", width & (width - 1), 0, "bits beyond the first",
            f"{field} must be a power of two: values move in pairs", "use a power of two",
        )  # fmt: skip
    yield _rule(
        n, "softmax_width", f"{stage}.modules.softmax_width", modules.softmax_width, keys, "scores",
        "the softmax takes no more scores a cycle than a QK pass makes keys", "lower softmax_width",
        "raise key_parallelism",
    )  # fmt: skip


def _even_lanes(
    batch: PrefillBatch | DecodeBatch, stage: Stage, columns: tuple[str, ...], products: str
) -> Iterator[Rule]:
    for field in columns:
        yield _rule(
            len(batch), "even_lanes", f"{stage}.{field}", getattr(batch, field) & 1, 0, "remainder",
            f"{field} must be even: processing elements compute {products} products", f"use an even {field}",
        )  # fmt: skip


def _prefill_attention_rules(
    batch: PrefillBatch, model: ModelConfig, device: Device, scheme: QuantScheme
) -> Iterator[Rule]:
    n = len(batch)
    yield from _even_lanes(batch, "prefill", ("token_parallelism", "key_parallelism", "value_parallelism"), "2 x 2")
    tokens, keys = batch.token_parallelism, batch.key_parallelism
    yield _rule(
        n, "token_key_widths", "prefill.key_parallelism", np.minimum(tokens % keys, keys % tokens), 0, "remainder",
        "one of token_parallelism and key_parallelism must divide the other: the buffer between them widens or narrows",
        "use a key_parallelism that divides token_parallelism, or is a multiple of it",
    )  # fmt: skip
    yield _rule(
        n, "keys_per_pass", "prefill.key_parallelism", keys, model.head_dim, "keys",
        "a QK pass holds at most head_dim keys", "lower key_parallelism",
    )  # fmt: skip
    yield _rule(
        n, "value_channels", "prefill.value_parallelism", model.head_dim % batch.value_parallelism, 0, "remainder",
        f"value_parallelism must divide head_dim = {model.head_dim}", f"use a divisor of {model.head_dim}",
    )  # fmt: skip
    yield from _module_rules(n, "prefill", batch.modules[0], model, scheme, batch.key_parallelism)
    modules = batch.modules[0]
    # Arrays of our library take a word of the cache for each head of a group in turn, while its beats come.
    joins = modules.process_granularity == "array" and modules.kv_read == "per_kv_head"
    beats = model.gqa_group if joins else 1
    caches: tuple[tuple[PortRole, IntArray], ...] = (("k_cache", keys), ("v_cache", batch.value_parallelism))
    for role, lanes in caches:
        yield from _prefill_cache_rules(batch, role, lanes, model, scheme.kv_bits, beats)


def _prefill_cache_rules(
    batch: PrefillBatch, role: PortRole, lanes: IntArray, model: ModelConfig, bits: int, beats: int
) -> Iterator[Rule]:
    """The port of a cache against the `lanes` of attention; `beats` that may make one of its words."""
    width = _role_columns(batch, role)[1]
    yield from _prefill_port_rules(batch, role, lanes, bits, beats)
    if beats > 1:
        rest = np.where(lanes * bits > width, (lanes * bits) % width + model.head_dim % lanes, 0)
        yield _rule(
            len(batch), "cache_beats", f"prefill.{role}", rest, 0, "remainder",
            f"whole beats of a port of {role} must make a word of attention, and whole words a head",
            "widen the port in the memory map", f"use a divisor of {model.head_dim} and a multiple of the port's operands",
        )  # fmt: skip


def _prefill_narrow_array_rules(
    batch: PrefillBatch, model: ModelConfig, device: Device, scheme: QuantScheme
) -> Iterator[Rule]:
    n = len(batch)
    yield from _even_lanes(batch, "prefill", ("qkvo_weight_parallelism",), "2 x 2")
    yield _rule(
        n, "weight_lanes", "prefill.qkvo_weight_parallelism", batch.qkvo_weight_parallelism,
        max(model.q_dim, model.hidden_dim), "lanes", "more lanes than output channels",
        "lower qkvo_weight_parallelism",
    )  # fmt: skip
    narrow: tuple[PortRole, ...] = ("weights_kq", "weights_vo")
    for role in narrow:
        ports, _ = _role_columns(batch, role)
        lanes = -(-batch.qkvo_weight_parallelism // np.maximum(ports, 1))  # the ports of an array share out its lanes
        yield from _prefill_port_rules(batch, role, lanes, scheme.weight_bits)


def _prefill_wide_array_rules(
    batch: PrefillBatch, model: ModelConfig, device: Device, scheme: QuantScheme
) -> Iterator[Rule]:
    n = len(batch)
    blocks = batch.ffn_weight_blocks
    yield _rule(
        n, "ffn_blocks", "prefill.ffn_weight_blocks", batch.ffn_weight_parallelism % (2 * blocks), 0, "remainder",
        "ffn_weight_parallelism must be an even multiple of ffn_weight_blocks",
        "change ffn_weight_parallelism", "change ffn_weight_blocks",
    )  # fmt: skip
    lanes = np.maximum(batch.ffn_weight_parallelism // blocks, 1)
    for d_out in sorted({model.ffn_dim, model.hidden_dim}):
        by_block = -(-(d_out // blocks) // lanes)
        whole = -(-d_out // batch.ffn_weight_parallelism)
        yield _rule(
            n, "ffn_block_passes", "prefill.ffn_weight_blocks", np.abs(by_block - whole), 0, "passes",
            f"the sub-arrays must need as many passes over {d_out} channels as the whole array",
            "change ffn_weight_blocks", "change ffn_weight_parallelism",
        )  # fmt: skip
    yield _rule(
        n, "weight_lanes", "prefill.ffn_weight_parallelism", batch.ffn_weight_parallelism, model.ffn_dim, "lanes",
        "more lanes than output channels", "lower ffn_weight_parallelism",
    )  # fmt: skip
    wide: tuple[PortRole, ...] = ("weights_gate", "weights_up", "weights_down")
    for role in wide:
        yield from _prefill_port_rules(batch, role, lanes, scheme.weight_bits)
        yield _rule(
            n, "port_per_block", f"prefill.{role}", np.abs(_role_columns(batch, role)[0] - blocks), 0, "ports",
            f"{role} needs one port for each of ffn_weight_blocks", "match the memory map to ffn_weight_blocks",
        )  # fmt: skip


def _prefill_port_rules(
    batch: PrefillBatch, role: PortRole, lanes: IntArray, bits: int, cycles: int = 1
) -> Iterator[Rule]:
    """A port of the role against the `lanes` that it feeds operands of so many `bits` every so many `cycles`."""
    if role.startswith("weights"):  # blocks that use a tile while the next arrives
        cycles = batch.modules[0].token_blocks_per_weight_pass
    pace = "cycle" if cycles == 1 else f"{cycles} cycles"
    yield _rule(
        len(batch), "port_feeds_lanes", f"prefill.{role}", lanes * bits, cycles * _role_columns(batch, role)[1], "bits",
        f"a port of {role} must deliver an operand to each of its lanes every {pace}",
        "widen the port in the memory map", "lower the parallelism", "raise token_blocks_per_weight_pass",
    )  # fmt: skip


def _prefill_layout_rules(
    batch: PrefillBatch, model: ModelConfig, device: Device, scheme: QuantScheme
) -> Iterator[Rule]:
    yield from _port_rules(batch, "prefill", device)


def _decode_engine_rules(batch: DecodeBatch, model: ModelConfig, device: Device, scheme: QuantScheme) -> Iterator[Rule]:
    n = len(batch)
    blocks, lanes = batch.block_parallelism, batch.weight_parallelism
    yield from _even_lanes(batch, "decode", ("weight_parallelism",), "pairs of")
    for dim, name in ((model.hidden_dim, "hidden_dim"), (model.q_dim, "q_dim"), (model.ffn_dim, "ffn_dim")):
        yield _rule(
            n, "input_banks", "decode.block_parallelism", dim % blocks, 0, "remainder",
            f"block_parallelism must divide {name} = {dim}: the input vector is stored in as many banks",
            f"use a divisor of {dim}",
        )  # fmt: skip
    yield _rule(
        n, "engine_splits", "decode.engine_splits", blocks % batch.engine_splits, 0, "remainder",
        "engine_splits must divide block_parallelism", "use a divisor of block_parallelism",
    )  # fmt: skip
    yield _rule(
        n, "vector_lanes", "decode.vector_parallelism", model.hidden_dim % (4 * batch.vector_parallelism), 0,
        "remainder", "4 x vector_parallelism must divide hidden_dim: the norm keeps four partial sums a lane",
        "lower vector_parallelism",
    )  # fmt: skip
    modules = batch.modules[0]
    if modules.d_in_splits > 1:
        yield from _d_in_split_rules(batch, model)
    ports, width = _role_columns(batch, "weights")
    asked, delivered = blocks * lanes * scheme.weight_bits, ports * width
    engines = 1 if _together("gate", "up", modules) and _together("k", "v", modules) else 2
    # Weights that are used as they arrive fill one engine, or both of two that work side by side; a buffer of weights may
    # be filled more slowly than the engine empties it.
    slack = (
        np.maximum(0, delivered - engines * asked)
        if modules.weight_buffer_beats
        else np.where(delivered > asked, np.abs(engines * asked - delivered), asked - delivered)
    )
    yield _rule(
        n, "port_feeds_lanes", "decode.weights", slack, 0,
        "bits", "weight ports x width must equal block_parallelism x weight_parallelism x weight bits",
        "change the number or width of the weight ports", "set weight_buffer_beats",
    )  # fmt: skip
    if modules.process_granularity == "array" and modules.weight_buffer_beats:
        words = -(-asked // np.maximum(delivered, 1).astype(np.int64))
        yield _rule(
            n, "port_words", "decode.weight_parallelism", lanes % np.maximum(words, 1), 0, "remainder",
            "weight_parallelism must be a multiple of the words of a port that an engine step takes",
            "change weight_parallelism", "change the number or width of the weight ports",
        )  # fmt: skip
        yield _rule(
            n, "engine_splits", "decode.engine_splits", ports % batch.engine_splits, 0, "remainder",
            "engine_splits must divide the number of weight ports: a part of the engine has ports of its own",
            "use a divisor of the number of weight ports",
        )  # fmt: skip


def _d_in_split_rules(batch: DecodeBatch, model: ModelConfig) -> Iterator[Rule]:
    """Of an engine whose lanes share out input channels: parts of whole engine parts, long enough for their results."""
    n, modules, where = len(batch), batch.modules[0], "decode.modules.d_in_splits"
    parts = modules.d_in_splits
    yield _rule(
        n, "d_in_splits", where, np.full(n, parts), parts if modules.process_granularity == "array" else 1, "parts",
        "rows of elements share out input channels, elements that are processes do not",
        "set process_granularity to array", "set d_in_splits to 1",
    )  # fmt: skip
    yield _rule(
        n, "d_in_splits", where, batch.engine_splits % parts, 0, "remainder",
        "d_in_splits must divide engine_splits: a part of the engine takes the input channels of one part",
        "set engine_splits to a multiple of d_in_splits", "lower d_in_splits",
    )  # fmt: skip
    shortest = min(model.hidden_dim, model.q_dim, model.ffn_dim)
    yield _rule(
        n, "d_in_splits", where, parts * batch.weight_parallelism, shortest, "channels",
        f"d_in_splits x weight_parallelism is at most the {shortest} input channels of the shortest dot product: the"
        " results of a pass leave during the next one",
        "lower weight_parallelism", "lower d_in_splits",
    )  # fmt: skip


def _decode_attention_rules(
    batch: DecodeBatch, model: ModelConfig, device: Device, scheme: QuantScheme
) -> Iterator[Rule]:
    n = len(batch)
    yield from _even_lanes(batch, "decode", ("key_parallelism", "value_parallelism"), "pairs of")
    yield _rule(
        n, "kv_heads", "decode.head_parallelism", model.n_kv_heads % batch.head_parallelism, 0, "remainder",
        f"head_parallelism must divide the {model.n_kv_heads} KV heads", f"use a divisor of {model.n_kv_heads}",
    )  # fmt: skip
    yield _rule(
        n, "keys_per_pass", "decode.key_parallelism", batch.key_parallelism, model.head_dim, "keys",
        "a QK pass holds at most head_dim keys", "lower key_parallelism",
    )  # fmt: skip
    yield _rule(
        n, "value_channels", "decode.value_parallelism", model.head_dim % batch.value_parallelism, 0, "remainder",
        f"value_parallelism must divide head_dim = {model.head_dim}", f"use a divisor of {model.head_dim}",
    )  # fmt: skip
    yield from _module_rules(n, "decode", batch.modules[0], model, scheme, batch.key_parallelism)
    caches: tuple[tuple[PortRole, IntArray], ...] = (
        ("k_cache", batch.key_parallelism),
        ("v_cache", batch.value_parallelism),
    )
    for role, cache_lanes in caches:
        ports, width = _role_columns(batch, role)
        yield _rule(
            n, "port_feeds_lanes", f"decode.{role}", cache_lanes * scheme.kv_bits, width, "bits",
            f"a port of {role} must deliver a word to each lane every cycle", "widen the port",
        )  # fmt: skip
        yield _rule(
            n, "port_per_head", f"decode.{role}", batch.head_parallelism, ports, "ports",
            f"{role} needs a port for each of head_parallelism", "add ports", "lower head_parallelism",
        )  # fmt: skip


def _decode_layout_rules(batch: DecodeBatch, model: ModelConfig, device: Device, scheme: QuantScheme) -> Iterator[Rule]:
    n, modules = len(batch), batch.modules[0]
    if modules.overlap_attention == "on":
        yield _rule(
            n, "cache_apart", "decode.overlap_attention", ~batch.placements.cache_apart[batch.placement], 0, "layouts",
            "attention can run beside the query projection only where cache and weights share no port and no channel",
            "give the caches ports and channels of their own", "set overlap_attention: off",
        )  # fmt: skip
    on_chip = modules.on_chip_projections
    yield _rule(
        n, "fused_kv", "decode.on_chip_projections", 1 if ("k" in on_chip) != ("v" in on_chip) else 0, 0, "projections",
        "the weights of k and v are one image: both stay on the chip, or neither", "add or remove the other",
    )  # fmt: skip
    yield from _port_rules(batch, "decode", device)


@dataclass(frozen=True, slots=True)
class RuleGroup(Generic[BatchT]):
    """Rules that read `columns` of a batch, and ports, widths and memories of `roles` in its placement, nothing else: who
    asks for many designs asks once for each distinct row of those.
    """

    law: Callable[[BatchT, ModelConfig, Device, QuantScheme], Iterator[Rule]]
    columns: tuple[str, ...]
    roles: tuple[PortRole, ...] = ()


PREFILL_RULES: tuple[RuleGroup[PrefillBatch], ...] = (
    RuleGroup(
        _prefill_attention_rules,
        ("token_parallelism", "key_parallelism", "value_parallelism"),
        ("k_cache", "v_cache"),
    ),
    RuleGroup(_prefill_narrow_array_rules, ("qkvo_weight_parallelism",), ("weights_kq", "weights_vo")),
    RuleGroup(
        _prefill_wide_array_rules,
        ("ffn_weight_parallelism", "ffn_weight_blocks"),
        ("weights_gate", "weights_up", "weights_down"),
    ),
    RuleGroup(_prefill_layout_rules, ("placement",)),
)
DECODE_RULES: tuple[RuleGroup[DecodeBatch], ...] = (
    RuleGroup(
        _decode_engine_rules,
        ("block_parallelism", "weight_parallelism", "engine_splits", "vector_parallelism"),
        ("weights",),
    ),
    RuleGroup(
        _decode_attention_rules,
        ("head_parallelism", "key_parallelism", "value_parallelism"),
        ("k_cache", "v_cache"),
    ),
    RuleGroup(_decode_layout_rules, ("placement",)),
)


def prefill_rules(batch: PrefillBatch, model: ModelConfig, device: Device, scheme: QuantScheme) -> Iterator[Rule]:
    """Rules of the prefill modules."""
    for group in PREFILL_RULES:
        yield from group.law(batch, model, device, scheme)


def decode_rules(batch: DecodeBatch, model: ModelConfig, device: Device, scheme: QuantScheme) -> Iterator[Rule]:
    """Rules of the decode modules."""
    for group in DECODE_RULES:
        yield from group.law(batch, model, device, scheme)


def model_rules(
    n: int, model: ModelConfig, scheme: QuantScheme, linear_pes: Collection[LinearPe] = frozenset({"dsp2"})
) -> Iterator[Rule]:
    """Rules that hold for every design of a model whose linear engines have elements of `linear_pes`."""
    longest = max(model.hidden_dim, model.q_dim, model.ffn_dim)
    narrow = max(scheme.weight_bits, scheme.activation_bits, scheme.lm_head_weight_bits) <= PACKED_OPERAND_BITS
    packed = narrow and "dsp2" in linear_pes
    yield _rule(
        n, "packed_accumulator", "linear", longest if packed else 0, MAX_PACKED_INPUT_DIM, "channels",
        "the packed int4 accumulator overflows for longer inputs", "use linear_pe: dsp1, dsp4 or lut",
        "take a model with a smaller ffn_dim",
    )  # fmt: skip
    for field in ("weight_bits", "lm_head_weight_bits", "kv_bits"):
        bits: int = getattr(scheme, field)
        narrower, wider = last_power_of_two(bits), next_power_of_two(bits)
        if narrower == wider:
            continue
        yield _rule(
            n, "stored_operand_bits", f"quant_scheme.{field}", bits, narrower, f"bits, or {wider}",
            f"{field} = {bits}: a word of a port holds whole operands, so those of {bits} bits lie in fields of {wider} and "
            f"cost the ports, the bandwidth and the memory of {wider} bits",
            f"use {field}: {wider}, at the same cost in memory and a better quality", f"use {field}: {narrower}",
        )  # fmt: skip
    if scheme.transforms_down_input:
        size = scheme.hadamard_block or model.ffn_dim
        yield _rule(
            n, "hadamard_order", "down_proj", 0 if hadamard_base(size) else 1, 0, "missing order",
            f"no Hadamard matrix of order {size} from our bases",
            "set quant_scheme.hadamard_block to a power of two that divides ffn_dim", "take a model whose ffn_dim has one",
        )  # fmt: skip
        yield _rule(
            n, "hadamard_blocks", "quant_scheme.hadamard_block", model.ffn_dim % size, 0, "remainder",
            f"the blocks of the transform must divide ffn_dim = {model.ffn_dim}", "use a divisor",
        )  # fmt: skip
    if scheme.transforms_heads:
        yield _rule(
            n, "hadamard_order", "attention", 0 if hadamard_base(model.head_dim) else 1, 0, "missing order",
            f"no Hadamard matrix of order {model.head_dim} from our bases", "set online_hadamard without qk",
        )  # fmt: skip
    if scheme.weight_group_size is not None:
        for name, dim in (("hidden_dim", model.hidden_dim), ("q_dim", model.q_dim), ("ffn_dim", model.ffn_dim)):
            yield _rule(
                n, "weight_groups", "quant_scheme.weight_group_size", dim % scheme.weight_group_size, 0, "remainder",
                f"groups of weights must divide {name} = {dim}", "use a divisor of every input dimension",
            )  # fmt: skip


def rules(batch: DesignBatch, model: ModelConfig, device: Device) -> Iterator[Rule]:
    """Every legality rule over a batch of designs."""
    elements = {modules.linear_pe for modules in (*batch.prefill.modules, *batch.decode.modules)}
    yield from model_rules(len(batch), model, batch.quant_scheme, elements)
    yield from prefill_rules(batch.prefill, model, device, batch.quant_scheme)
    yield from decode_rules(batch.decode, model, device, batch.quant_scheme)
