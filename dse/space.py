"""The design space: legal values computed from model x card x scheme, never sampled and then repaired.

A stage's space is a product of independent axes; an axis lists legal rows of parameters that constrain each other
(for example token and key parallelism). Every point of the product is legal, so sizes are exact and an index is a
design.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from spec.design_batch import BoolArray, DecodeBatch, IntArray, PrefillBatch, StagePlacements
from spec.design_point import DecodeDesign, DesignPoint, PrefillDesign, StageClocks
from spec.device import Device, MemorySystem
from spec.errors import InfeasibleError
from spec.legality import Rule, decode_rules, model_rules, prefill_rules
from spec.model_config import ModelConfig
from spec.quant_scheme import W4A4KV8, QuantScheme
from spec.spread_memory_map import PlannedPort, decode_ports, prefill_ports, spread_memory_map
from spec.workload import Stage

# Upper ends of the axes. Beyond them no card of the catalog has room: the constraints, not these, end the front.
MAX_TOKEN_PARALLELISM = 64
MAX_FFN_WEIGHT_PARALLELISM = 512
MAX_FFN_WEIGHT_BLOCKS = 6
MAX_BLOCK_PARALLELISM = 128
MAX_DECODE_LANES = 8192
DECODE_WEIGHT_LANES = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
MAX_VECTOR_PARALLELISM = 32
MAX_ENGINE_SPLITS = 4
LANE_STEP = 8  # output lanes come in whole bytes of a port word
DECODE_PORT_BITS = (128, 256, 512)


@dataclass(frozen=True, slots=True)
class Axis:
    """Legal rows of one or more parameters, (n_rows, n_parameters), in increasing order.

    `group_columns` > 0: rows with equal first `group_columns` parameters form a group; which rows a group has depends
    on the group (a conditional parameter).
    """

    name: str
    parameters: tuple[str, ...]
    rows: IntArray
    group_columns: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def group_starts(self) -> IntArray:
        """First row of each group, and the number of rows at the end, (n_groups + 1,)."""
        keys = self.rows[:, : self.group_columns]
        starts = np.flatnonzero(np.any(np.diff(keys, axis=0) != 0, axis=1)) + 1
        return np.concatenate([[0], starts, [len(self.rows)]])


@dataclass(frozen=True, slots=True)
class StageSpace:
    """The product of axes. The last axis varies fastest."""

    stage: Stage
    axes: tuple[Axis, ...]

    @property
    def size(self) -> int:
        """Number of designs."""
        return math.prod(len(axis) for axis in self.axes)

    def columns(self, index: IntArray) -> dict[str, IntArray]:
        """Parameters of the designs at flat `index`, (n_points,) each."""
        shape = tuple(len(axis) for axis in self.axes)
        return self.columns_of_rows(np.stack(np.unravel_index(index, shape)))

    def columns_of_rows(self, rows: IntArray) -> dict[str, IntArray]:
        """Parameters of the designs given by a row of each axis, `rows` (n_axes, n_points)."""
        columns: dict[str, IntArray] = {}
        for axis, row in zip(self.axes, rows, strict=True):
            for i, name in enumerate(axis.parameters):
                columns[name] = axis.rows[row, i]
        return columns


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


def even_divisors(value: int, limit: int) -> list[int]:
    """Even divisors of `value` up to `limit`."""
    return [d for d in range(2, min(value, limit) + 1, 2) if value % d == 0]


def _axis(name: str, parameters: tuple[str, ...], rows: Sequence[tuple[int, ...]], group_columns: int = 0) -> Axis:
    if not rows:
        raise InfeasibleError(
            f"no legal value for {' and '.join(parameters)}",
            field=name,
            rule="each parameter has at least one legal value for this model on this card",
            hint="take another card, or check the model's dimensions",
        )
    return Axis(name, parameters, np.array(sorted(set(rows)), dtype=np.int64), group_columns)


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

    def prefill_batch(self, columns: dict[str, IntArray]) -> PrefillBatch:
        """Prefill designs of the given parameters, each (n_points,)."""
        index, placements = self._place("prefill", columns)
        clock = np.full(len(index), self.device.clock.default_mhz)
        return PrefillBatch(**columns, clock_mhz=clock, placement=index, placements=placements)

    def decode_batch(self, columns: dict[str, IntArray]) -> DecodeBatch:
        """Decode designs of the given parameters, each (n_points,)."""
        index, placements = self._place("decode", columns)
        clock = np.full(len(index), self.device.clock.default_mhz)
        designs = {name: column for name, column in columns.items() if name != "weight_port_bits"}
        return DecodeBatch(**designs, clock_mhz=clock, placement=index, placements=placements)

    def design_point(self, prefill: dict[str, int], decode: dict[str, int]) -> DesignPoint:
        """The design point of one pair, memory map included."""
        prefill_design = PrefillDesign(**{name: prefill[name] for name in PrefillDesign.model_fields})
        decode_design = DecodeDesign(**{name: decode[name] for name in DecodeDesign.model_fields})
        clock = self.device.clock.default_mhz
        memory_map = spread_memory_map(
            prefill_design, decode_design, self.device, self.scheme, decode["weight_port_bits"]
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

    def _place(self, stage: Stage, columns: dict[str, IntArray]) -> tuple[IntArray, StagePlacements]:
        """Index into the distinct placements of these designs.

        A placement follows from port counts and widths alone, which take few values, so it is laid out once for each
        combination that occurs, on the first design that has it.
        """
        code = np.zeros(len(next(iter(columns.values()))), dtype=np.int64)
        for part in _port_signature(stage, columns):
            code = code * (int(part.max(initial=0)) + 1) + part
        _, first, index = np.unique(code, return_index=True, return_inverse=True)
        layouts = [self._layout(stage, {name: int(column[i]) for name, column in columns.items()}) for i in first]
        return index, StagePlacements.of(layouts, stage, self.device)

    def _layout(self, stage: Stage, design: dict[str, int]) -> list[PlannedPort]:
        if stage == "prefill":
            return prefill_ports(
                design["qkvo_weight_parallelism"],
                design["ffn_weight_parallelism"] // design["ffn_weight_blocks"],
                design["ffn_weight_blocks"],
                design["key_parallelism"],
                design["value_parallelism"],
                self.device,
                self.scheme,
            )
        return decode_ports(
            design["block_parallelism"] * design["weight_parallelism"],
            design["weight_port_bits"],
            design["head_parallelism"],
            design["key_parallelism"],
            design["value_parallelism"],
            self.device,
            self.scheme,
        )


def _exponent(values: IntArray) -> IntArray:
    """Exponent of the next power of two >= `values`: what a port width depends on."""
    return np.ceil(np.log2(values)).astype(np.int64)


def _port_signature(stage: Stage, columns: dict[str, IntArray]) -> list[IntArray]:
    """Small integers that decide the ports of a stage, (n_points,) each."""
    caches = [_exponent(columns["key_parallelism"]), _exponent(columns["value_parallelism"])]
    if stage == "prefill":
        lanes = columns["ffn_weight_parallelism"] // columns["ffn_weight_blocks"]
        return [columns["ffn_weight_blocks"], _exponent(lanes), _exponent(columns["qkvo_weight_parallelism"]), *caches]
    lanes = columns["block_parallelism"] * columns["weight_parallelism"]
    return [lanes // columns["weight_port_bits"], columns["weight_port_bits"], columns["head_parallelism"], *caches]


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
    empty = DesignSpace(model, device, scheme, StageSpace("prefill", ()), StageSpace("decode", ()))
    prefill = StageSpace("prefill", tuple(_prefill_axes(empty, memory)))
    decode = StageSpace("decode", tuple(_decode_axes(empty, memory)))
    return DesignSpace(model, device, scheme, prefill, decode)


# Legal with any row of any axis, so that a rule that breaks on a candidate row speaks of that row.
_SMALLEST_PREFILL = {
    "token_parallelism": 2,
    "qkvo_weight_parallelism": LANE_STEP,
    "ffn_weight_parallelism": LANE_STEP,
    "ffn_weight_blocks": 1,
    "key_parallelism": 2,
    "value_parallelism": 2,
}


def _prefill_axes(space: DesignSpace, memory: MemorySystem) -> Iterator[Axis]:
    model, scheme = space.model, space.scheme
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
        batch = space.prefill_batch(columns)
        keep = _keep(prefill_rules(batch, model, space.device, scheme), len(table), constraints)
        yield _axis(name, parameters, [tuple(row) for row in table[keep].tolist()])


def _decode_axes(space: DesignSpace, memory: MemorySystem) -> Iterator[Axis]:
    """Engine and attention in one conditional axis, as they share ports; the vector lanes stand alone."""
    model, scheme = space.model, space.scheme
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
        for splits in range(1, MAX_ENGINE_SPLITS + 1)
        if blocks % splits == 0
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
    batch = space.decode_batch(columns)
    rules = decode_rules(batch, model, space.device, scheme)
    keep = _keep(rules, len(table), ("hbm_ports", "port_feeds_lanes", "port_per_head", "port_width"))
    rows = [tuple(row) for row in table[keep].tolist()]
    yield _axis("decode.engine", parameters, rows, group_columns=4)
    vectors = [(lanes,) for lanes in range(1, MAX_VECTOR_PARALLELISM + 1) if model.hidden_dim % (4 * lanes) == 0]
    yield _axis("decode.vector", ("vector_parallelism",), vectors)
