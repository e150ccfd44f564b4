"""The design space: legal values computed from model x card x scheme, never sampled and then repaired.

A stage's space is a product of independent axes; an axis lists legal rows of parameters that constrain each other
(for example token and key parallelism). Every point of the product is legal, so sizes are exact and an index is a
design.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from cost_models.arrays import distinct_rows
from spec.design_batch import BoolArray, DecodeBatch, IntArray, PrefillBatch, StagePlacements
from spec.design_point import DecodeDesign, DesignPoint, PrefillDesign, StageClocks
from spec.device import Device, MemorySystem
from spec.errors import InfeasibleError
from spec.legality import Rule, decode_rules, model_rules, prefill_rules
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8, QuantScheme
from spec.spread_memory_map import MIN_PORT_BITS, PlannedPort, decode_ports, prefill_ports, spread_memory_map
from spec.workload import Stage

# Upper ends of the axes. Beyond them no card of the catalog has room, so that the constraints end the front, not these;
# only MAX_VECTOR_PARALLELISM is reached, and twice as many vector lanes would save less than 0.5 % of a decode step.
MAX_TOKEN_PARALLELISM = 64
MAX_FFN_WEIGHT_PARALLELISM = 512
MAX_FFN_WEIGHT_BLOCKS = 6
MAX_BLOCK_PARALLELISM = 128
MAX_DECODE_LANES = 8192
DECODE_WEIGHT_LANES = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
MAX_VECTOR_PARALLELISM = 32
LANE_STEP = 8  # output lanes come in whole bytes of a port word
DECODE_PORT_BITS = (128, 256, 512)


@dataclass(frozen=True, slots=True)
class Axis:
    """Legal rows of one or more parameters, (n_rows, n_parameters), in increasing order.

    `group_columns` > 0: rows with equal first `group_columns` parameters form a group; which rows a group has depends
    on the group (a conditional parameter). `port_class` (n_rows,): which of `n_port_classes` layouts of its ports a
    row has.
    """

    name: str
    parameters: tuple[str, ...]
    rows: IntArray
    port_class: IntArray
    n_port_classes: int
    group_columns: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: IntArray) -> Axis:
        """The axis with only the rows at `index`, in increasing order: part of a space is a space."""
        kept = np.unique(index)
        return replace(self, rows=self.rows[kept], port_class=self.port_class[kept])

    def columns(self) -> dict[str, IntArray]:
        """The rows by parameter, (n_rows,) each."""
        return {name: self.rows[:, i] for i, name in enumerate(self.parameters)}

    def group_starts(self) -> IntArray:
        """First row of each group, and the number of rows at the end, (n_groups + 1,)."""
        keys = self.rows[:, : self.group_columns]
        starts = np.flatnonzero(np.any(np.diff(keys, axis=0) != 0, axis=1)) + 1
        return np.concatenate([[0], starts, [len(self.rows)]])


@dataclass(frozen=True, slots=True)
class StageSpace:
    """The product of axes; the last axis varies fastest. `placements`: of the product of the axes' port classes."""

    stage: Stage
    axes: tuple[Axis, ...]
    placements: StagePlacements

    @property
    def size(self) -> int:
        """Number of designs."""
        return math.prod(len(axis) for axis in self.axes)

    def columns(self, index: IntArray) -> dict[str, IntArray]:
        """Parameters of the designs at flat `index`, (n_points,) each."""
        columns: dict[str, IntArray] = {}
        for axis, row in zip(self.axes, self._rows(index), strict=True):
            for i, name in enumerate(axis.parameters):
                columns[name] = axis.rows[row, i]
        return columns

    def placement(self, index: IntArray) -> IntArray:
        """Index into `placements` of the designs at flat `index`, (n_points,)."""
        result = np.zeros(len(index), dtype=np.int64)
        for axis, row in zip(self.axes, self._rows(index), strict=True):
            result = result * axis.n_port_classes + axis.port_class[row]
        return result

    def _rows(self, index: IntArray) -> tuple[IntArray, ...]:
        return np.unravel_index(index, tuple(len(axis) for axis in self.axes))


def even_values(limit: int) -> list[int]:
    """Even numbers up to `limit` in steps of at most a quarter: 2, 4, ..., 16, 20, 24, 28, 32, 40, 48, 56, 64, 80."""
    values = []
    value, step = 2, 2
    while value <= limit:
        values.append(value)
        if value == 8 * step:
            step *= 2
        value += step
    return values


def engine_splits(block_parallelism: int) -> int:
    """Parts of the decode engine: two, as in FlexLLM's measured pair, where the groups divide.

    More or fewer parts cost or save URAM and change floorplan and fan-out, which nothing prices yet: searched, the axis
    would only ever lose. A design document may say otherwise.
    """
    return 2 if block_parallelism % 2 == 0 else 1


def even_divisors(value: int, limit: int) -> list[int]:
    """Even divisors of `value` up to `limit`."""
    return [d for d in range(2, min(value, limit) + 1, 2) if value % d == 0]


def _axis(
    name: str, parameters: tuple[str, ...], rows: Sequence[tuple[int, ...]], scheme: QuantScheme, group_columns: int = 0
) -> Axis:
    if not rows:
        raise InfeasibleError(
            f"no legal value for {' and '.join(parameters)}",
            field=name,
            rule="each parameter has at least one legal value for this model on this card",
            hint="take another card, or check the model's dimensions",
        )
    table = np.array(sorted(set(rows)), dtype=np.int64)
    columns = {parameter: table[:, i] for i, parameter in enumerate(parameters)}
    one_of_each, port_class = distinct_rows(*_port_keys(name.split(".")[0], columns, scheme, len(table)))
    return Axis(name, parameters, table, port_class, len(one_of_each), group_columns)


@dataclass(frozen=True, slots=True)
class DesignSpace:
    """All legal pairs of prefill and decode designs for a model on a card."""

    model: ModelConfig
    device: Device
    scheme: QuantScheme
    prefill: StageSpace
    decode: StageSpace

    @property
    def size(self) -> int:
        """Number of joint designs."""
        return self.prefill.size * self.decode.size

    def prefill_at(self, index: IntArray) -> PrefillBatch:
        """The prefill designs at flat `index`."""
        placements = self.prefill.placements
        return _prefill_batch(self.prefill.columns(index), self.prefill.placement(index), placements, self.device)

    def decode_at(self, index: IntArray) -> DecodeBatch:
        """The decode designs at flat `index`."""
        placements = self.decode.placements
        return _decode_batch(self.decode.columns(index), self.decode.placement(index), placements, self.device)

    def design_point(self, prefill: dict[str, int], decode: dict[str, int]) -> DesignPoint:
        """The design point of one pair, memory map included."""
        prefill_design = PrefillDesign(**{name: prefill[name] for name in PrefillDesign.model_fields})
        decode_design = DecodeDesign(**{name: decode[name] for name in DecodeDesign.model_fields})
        clock = self.device.clock.default_mhz
        memory_map = spread_memory_map(
            prefill_design,
            decode_design,
            self.device,
            self.scheme,
            decode["weight_port_bits"],
            _embedding_bytes(self.model),
        )
        return DesignPoint(
            deployment="two_bitstreams",
            prefill=prefill_design,
            decode=decode_design,
            memory_map=memory_map,
            quant_scheme=self.scheme,
            nonlinear_format="fp32",
            clock_target_mhz=StageClocks(prefill=clock, decode=clock),
        )


def _prefill_batch(
    columns: dict[str, IntArray], placement: IntArray, placements: StagePlacements, device: Device
) -> PrefillBatch:
    clock = np.full(len(placement), device.clock.default_mhz)
    return PrefillBatch(**columns, clock_mhz=clock, placement=placement, placements=placements)


def _decode_batch(
    columns: dict[str, IntArray], placement: IntArray, placements: StagePlacements, device: Device
) -> DecodeBatch:
    clock = np.full(len(placement), device.clock.default_mhz)
    designs = {name: column for name, column in columns.items() if name != "weight_port_bits"}
    return DecodeBatch(**designs, clock_mhz=clock, placement=placement, placements=placements)


def _layout(
    stage: Stage, design: dict[str, int], model: ModelConfig, device: Device, scheme: QuantScheme
) -> list[PlannedPort]:
    if stage == "prefill":
        return prefill_ports(
            design["qkvo_weight_parallelism"],
            design["ffn_weight_parallelism"] // design["ffn_weight_blocks"],
            design["ffn_weight_blocks"],
            design["key_parallelism"],
            design["value_parallelism"],
            device,
            scheme,
        )
    return decode_ports(
        design["block_parallelism"] * design["weight_parallelism"],
        design["weight_port_bits"],
        design["head_parallelism"],
        design["key_parallelism"],
        design["value_parallelism"],
        device,
        scheme,
        _embedding_bytes(model),
    )


def _embedding_bytes(model: ModelConfig) -> int:
    return 4 * model.vocab_size * model.hidden_dim  # fp32


def _port_keys(stage: str, columns: dict[str, IntArray], scheme: QuantScheme, n: int) -> list[IntArray]:
    """What decides the ports of designs of which these are some of the parameters, (n_points,) each.

    Port counts and widths, so that designs with equal keys have equal ports. Parameters that decide together are on
    one axis.
    """
    keys = [np.zeros(n, dtype=np.int64)]
    if stage == "prefill":
        for name, bits in (
            ("qkvo_weight_parallelism", scheme.weight_bits),
            ("key_parallelism", scheme.kv_bits),
            ("value_parallelism", scheme.kv_bits),
        ):
            if name in columns:
                keys.append(_lane_port_bits(columns[name], bits))
        if "ffn_weight_parallelism" in columns:
            blocks = columns["ffn_weight_blocks"]
            lanes = columns["ffn_weight_parallelism"] // blocks
            keys.extend([blocks, _lane_port_bits(lanes, scheme.weight_bits)])
    elif "block_parallelism" in columns:
        port_bits = columns["weight_port_bits"]
        lane_bits = columns["block_parallelism"] * columns["weight_parallelism"] * scheme.weight_bits
        keys.extend([port_bits, lane_bits // port_bits])
        keys.extend(columns[name] for name in ("head_parallelism", "key_parallelism", "value_parallelism"))
    return keys


def _lane_port_bits(lanes: IntArray, bits: int) -> IntArray:
    """`spread_memory_map.lane_port_bits` of arrays."""
    exponent = np.frexp((lanes - 1).astype(np.float64))[1].astype(np.int64)
    return np.asarray(np.maximum(MIN_PORT_BITS, (1 << exponent) * bits))


def _placed(
    stage: Stage, columns: dict[str, IntArray], model: ModelConfig, device: Device, scheme: QuantScheme
) -> tuple[IntArray, StagePlacements]:
    """Placement of each of the given designs, and the distinct placements, each laid out on the first design with it."""
    n = len(next(iter(columns.values())))
    first, index = distinct_rows(*_port_keys(stage, columns, scheme, n))
    layouts = [_layout(stage, {name: int(c[i]) for name, c in columns.items()}, model, device, scheme) for i in first]
    return index, StagePlacements.of(layouts, stage, device)


def _stage_space(
    stage: Stage, axes: tuple[Axis, ...], model: ModelConfig, device: Device, scheme: QuantScheme
) -> StageSpace:
    """Lays out one design of each combination of port classes."""
    examples = [
        [{name: int(column[row]) for name, column in axis.columns().items()} for row in first]
        for axis in axes
        for first in (np.unique(axis.port_class, return_index=True)[1],)
    ]
    layouts = [
        _layout(stage, {name: value for part in parts for name, value in part.items()}, model, device, scheme)
        for parts in product(*examples)
    ]
    return StageSpace(stage, axes, StagePlacements.of(layouts, stage, device))


def _keep(rules: Iterator[Rule], n: int, constraints: tuple[str, ...]) -> BoolArray:
    keep = np.ones(n, dtype=bool)
    for rule in rules:
        if rule.constraint in constraints:
            keep &= ~rule.broken
    return keep


def design_space(model: ModelConfig, device: Device, scheme: QuantScheme = W4A4KV8) -> DesignSpace:
    """The default space of `model` on `device`.

    Raises:
        InfeasibleError: the model breaks a rule that no design can mend, or a parameter has no legal value.
    """
    for rule in model_rules(1, model, scheme):
        if rule.broken[0]:
            raise InfeasibleError(
                rule.message,
                field=rule.where,
                value=float(rule.demand[0]),
                rule=f"at most {rule.bound[0]:g} {rule.unit}",
                hint=" or ".join(rule.levers),
            )
    memory = device.hbm or device.memory("ddr")
    prefill, decode = (
        tuple(_prefill_axes(model, device, scheme, memory)),
        tuple(_decode_axes(model, device, scheme, memory)),
    )
    return DesignSpace(
        model,
        device,
        scheme,
        _stage_space("prefill", prefill, model, device, scheme),
        _stage_space("decode", decode, model, device, scheme),
    )


# Legal with any row of any axis, so that a rule that breaks on a candidate row speaks of that row.
_SMALLEST_PREFILL = {
    "token_parallelism": 2,
    "qkvo_weight_parallelism": LANE_STEP,
    "ffn_weight_parallelism": LANE_STEP,
    "ffn_weight_blocks": 1,
    "key_parallelism": 2,
    "value_parallelism": 2,
}


def _prefill_axes(model: ModelConfig, device: Device, scheme: QuantScheme, memory: MemorySystem) -> Iterator[Axis]:
    max_lanes = memory.max_port_bits // scheme.weight_bits
    max_words = memory.max_port_bits // scheme.kv_bits
    tokens, keys = even_values(MAX_TOKEN_PARALLELISM), even_values(min(model.head_dim, max_words))
    qkvo_lanes = range(LANE_STEP, max_lanes + 1, LANE_STEP)
    ffn_lanes = range(LANE_STEP, MAX_FFN_WEIGHT_PARALLELISM + 1, LANE_STEP)
    blocks = range(1, MAX_FFN_WEIGHT_BLOCKS + 1)
    candidates: tuple[tuple[str, tuple[str, ...], list[tuple[int, ...]], tuple[str, ...]], ...] = (
        (
            "prefill.tokens",
            ("token_parallelism", "key_parallelism"),
            list(product(tokens, keys)),
            ("token_key_widths", "keys_per_pass"),
        ),
        ("prefill.qkvo", ("qkvo_weight_parallelism",), [(lanes,) for lanes in qkvo_lanes], ("weight_lanes",)),
        (
            "prefill.ffn",
            ("ffn_weight_parallelism", "ffn_weight_blocks"),
            [(w, b) for w, b in product(ffn_lanes, blocks) if w % (2 * b) == 0 and w // b <= max_lanes],
            ("ffn_blocks", "ffn_block_passes", "weight_lanes", "hbm_ports"),
        ),
        (
            "prefill.value",
            ("value_parallelism",),
            [(v,) for v in even_divisors(model.head_dim, max_words)],
            ("value_channels",),
        ),
    )
    for name, parameters, rows, constraints in candidates:
        table = np.array(rows, dtype=np.int64).reshape(-1, len(parameters))
        columns = {
            parameter: np.full(len(table), value, dtype=np.int64) for parameter, value in _SMALLEST_PREFILL.items()
        }
        columns.update({parameter: table[:, i] for i, parameter in enumerate(parameters)})
        batch = _prefill_batch(columns, *_placed("prefill", columns, model, device, scheme), device)
        keep = _keep(prefill_rules(batch, model, device, scheme), len(table), constraints)
        yield _axis(name, parameters, [tuple(row) for row in table[keep].tolist()], scheme)


def _decode_axes(model: ModelConfig, device: Device, scheme: QuantScheme, memory: MemorySystem) -> Iterator[Axis]:
    """Engine and attention in one conditional axis, as they share ports; the vector lanes stand alone."""
    max_words = memory.max_port_bits // scheme.kv_bits
    widths = [bits for bits in DECODE_PORT_BITS if bits <= memory.max_port_bits]
    engines = [
        (blocks, lanes, bits, splits)
        for blocks in range(1, MAX_BLOCK_PARALLELISM + 1)
        if all(dim % blocks == 0 for dim in (model.hidden_dim, model.q_dim, model.ffn_dim))
        for lanes in DECODE_WEIGHT_LANES
        if blocks * lanes <= MAX_DECODE_LANES
        for bits in widths
        if (blocks * lanes * scheme.weight_bits) % bits == 0
        and blocks * lanes * scheme.weight_bits // bits <= memory.channels
        for splits in (engine_splits(blocks),)
    ]
    attentions = [
        (heads, keys, channels)
        for heads in range(1, model.n_kv_heads + 1)
        if model.n_kv_heads % heads == 0
        for keys in even_divisors(model.head_dim, max_words)
        for channels in even_divisors(model.head_dim, max_words)
    ]
    parameters = (
        "block_parallelism",
        "weight_parallelism",
        "weight_port_bits",
        "engine_splits",
        "head_parallelism",
        "key_parallelism",
        "value_parallelism",
    )
    table = np.array([e + a for e, a in product(engines, attentions)], dtype=np.int64).reshape(-1, len(parameters))
    columns = {name: table[:, i] for i, name in enumerate(parameters)}
    columns["vector_parallelism"] = np.ones(len(table), dtype=np.int64)
    batch = _decode_batch(columns, *_placed("decode", columns, model, device, scheme), device)
    rules = decode_rules(batch, model, device, scheme)
    keep = _keep(rules, len(table), ("hbm_ports", "port_feeds_lanes", "port_per_head", "port_width"))
    rows = [tuple(row) for row in table[keep].tolist()]
    yield _axis("decode.engine", parameters, rows, scheme, group_columns=4)
    vectors = [(lanes,) for lanes in range(1, MAX_VECTOR_PARALLELISM + 1) if model.hidden_dim % (4 * lanes) == 0]
    yield _axis("decode.vector", ("vector_parallelism",), vectors, scheme)
