"""The design space: legal values computed from model x card x scheme, never sampled and then repaired.

A stage's space is a product of independent axes; an axis lists legal rows of parameters that constrain each other
(for example token and key parallelism). Every point of the product is legal, so sizes are exact and an index is a
design.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from threading import Lock
from typing import Any

import numpy as np

from cost_models.arrays import distinct_rows
from dse.axes import MODULE_SET, Axis, StageSpace
from dse.overrides import Overrides
from dse.spread import embedding_bytes, layout_of, port_keys, spread_placements
from spec.design_batch import BoolArray, DecodeBatch, IntArray, PrefillBatch, StagePlacements
from spec.design_point import (
    DECODE_PARAMETERS,
    DEFAULT_SYSTEM,
    PREFILL_PARAMETERS,
    DecodeDesign,
    DesignPoint,
    PrefillDesign,
    StageClocks,
    SystemChoices,
)
from spec.device import Device, MemorySystem
from spec.errors import InfeasibleError
from spec.legality import Rule, decode_rules, model_rules, prefill_rules
from spec.model_config import ModelConfig
from spec.module_choices import DecodeModules, PrefillModules
from spec.quant_scheme import W4A4KV8, QuantScheme
from spec.space_overrides import SpaceOverrides
from spec.spread_memory_map import spread_memory_map
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
PORT_BITS = (32, 64, 128, 256, 512, 1024)  # widths that `MemoryPort` knows
# Clock targets as parts of the card's default, which is the highest that public designs of this kind aim at. A slower
# kernel saves fabric power where its stage waits for memory anyhow.
CLOCK_FRACTIONS = (3 / 4, 1.0)
ENGINE_SPLITS = (1, 2, 4, 8)  # parts of the decode engine: a part must fit a super logic region


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


def _axis(
    name: str,
    parameters: tuple[str, ...],
    rows: IntArray | Sequence[tuple[int, ...]],
    scheme: QuantScheme,
    group_columns: int = 0,
) -> Axis:
    if not len(rows):
        raise InfeasibleError(
            f"no legal value for {' and '.join(parameters)}",
            field=name,
            rule="each parameter has at least one legal value for this model on this card",
            hint="take another card, or check the model's dimensions",
        )
    table = np.unique(np.asarray(rows, dtype=np.int64), axis=0)
    columns = {parameter: table[:, i] for i, parameter in enumerate(parameters)}
    one_of_each, port_class = distinct_rows(*port_keys(name.split(".")[0], columns, scheme, len(table)))
    return Axis(name, parameters, table, port_class, len(one_of_each), group_columns)


@dataclass(frozen=True, slots=True)
class DesignSpace:
    """All legal pairs of prefill and decode designs for a model on a card, of one scheme and one system."""

    model: ModelConfig
    device: Device
    scheme: QuantScheme
    prefill: StageSpace
    decode: StageSpace
    system: SystemChoices = DEFAULT_SYSTEM

    @property
    def size(self) -> int:
        """Number of joint designs."""
        return self.prefill.size * self.decode.size

    def prefill_at(self, index: IntArray) -> PrefillBatch:
        """The prefill designs at flat `index`."""
        columns, placement = self.prefill.columns(index), self.prefill.placement(index)
        return PrefillBatch(**_batch_fields(columns, placement, self.prefill))

    def decode_at(self, index: IntArray) -> DecodeBatch:
        """The decode designs at flat `index`."""
        columns, placement = self.decode.columns(index), self.decode.placement(index)
        return DecodeBatch(**_batch_fields(columns, placement, self.decode))

    def design_point(self, prefill: dict[str, int], decode: dict[str, int]) -> DesignPoint:
        """The design point of one pair, memory map included."""
        prefill_modules, decode_modules = (
            stage.modules[values[MODULE_SET]] for stage, values in ((self.prefill, prefill), (self.decode, decode))
        )
        prefill_design = PrefillDesign.model_validate(
            {**{name: prefill[name] for name in PREFILL_PARAMETERS}, "modules": prefill_modules}
        )
        decode_design = DecodeDesign.model_validate(
            {**{name: decode[name] for name in DECODE_PARAMETERS}, "modules": decode_modules}
        )
        memory_map = spread_memory_map(
            prefill_design,
            decode_design,
            self.device,
            self.scheme,
            decode["weight_port_bits"],
            embedding_bytes(self.model),
        )
        return DesignPoint(
            deployment=self.system.deployment,
            prefill=prefill_design,
            decode=decode_design,
            memory_map=memory_map,
            quant_scheme=self.scheme,
            nonlinear_format=self.system.nonlinear_format,
            clock_target_mhz=StageClocks(prefill=float(prefill["clock_mhz"]), decode=float(decode["clock_mhz"])),
        )

    def find(self, design: DesignPoint) -> tuple[int, int] | None:
        """Flat indices of the two stages of `design`, None where it is not in this space."""
        if design.quant_scheme != self.scheme or design.system != self.system or design.hmt is not None:
            return None
        found = []
        for space, stage, clock in (
            (self.prefill, design.prefill, design.clock_target_mhz.prefill),
            (self.decode, design.decode, design.clock_target_mhz.decode),
        ):
            values: dict[str, Any] = stage.model_dump(exclude={"modules"})
            modules: tuple[Any, ...] = space.modules
            if stage.modules not in modules or clock != int(clock):
                return None
            values |= {MODULE_SET: modules.index(stage.modules), "clock_mhz": int(clock)}
            if space.stage == "decode":
                ports = design.memory_map.of("decode", "weights")
                values["weight_port_bits"] = ports[0].width_bits
            found.append(space.find(values))
        prefill, decode = found
        return None if prefill is None or decode is None else (prefill, decode)


def _batch_fields(columns: dict[str, IntArray], placement: IntArray, space: StageSpace) -> dict[str, Any]:
    """Fields of a PrefillBatch or DecodeBatch."""
    result: dict[str, Any] = {
        name: column for name, column in columns.items() if name not in ("weight_port_bits", MODULE_SET)
    }
    module_set = columns[MODULE_SET]
    one = len(space.modules) == 1 or (len(module_set) > 0 and bool((module_set == module_set[0]).all()))
    result["modules"] = (space.modules[int(module_set[0])],) if one and len(module_set) else space.modules
    result["module_set"] = None if one else module_set
    result["clock_mhz"] = columns["clock_mhz"].astype(np.float64)
    return {**result, "placement": placement, "placements": space.placements}


def _placed(
    stage: Stage, columns: dict[str, IntArray], model: ModelConfig, device: Device, scheme: QuantScheme
) -> tuple[IntArray, StagePlacements]:
    """Placement of each of the given designs, and the distinct placements, each laid out on the first design with it."""
    return spread_placements(stage, columns, model, device, scheme, max_layouts=len(next(iter(columns.values()))))


def _stage_space(
    stage: Stage,
    axes: tuple[Axis, ...],
    module_sets: Any,
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme,
) -> StageSpace:
    """Lays out one design of each combination of port classes."""
    axes = tuple(_with_port_classes_renumbered(axis) for axis in axes)
    examples = [
        [{name: int(column[row]) for name, column in axis.columns().items()} for row in first]
        for axis in axes
        for first in (np.unique(axis.port_class, return_index=True)[1],)
    ]
    return StageSpace(stage, axes, _laid_out(stage, examples, model, device, scheme), module_sets)


_MAX_REMEMBERED = 6
_lock = Lock()
_remembered: OrderedDict[tuple[object, ...], StagePlacements] = OrderedDict()  # the one that was used last comes last


def _laid_out(
    stage: Stage, examples: list[list[dict[str, int]]], model: ModelConfig, device: Device, scheme: QuantScheme
) -> StagePlacements:
    """The layouts of every combination of the examples. They take seconds, most of what a space does; of the last spaces of
    this process they are remembered.
    """
    columns = tuple(tuple(tuple(example.items()) for example in part) for part in examples)
    about = (stage, columns, device.model_dump_json(), scheme.model_dump_json(), embedding_bytes(model))
    with _lock:
        known = _remembered.pop(about, None)
    if known is None:
        layouts = [
            layout_of(stage, {name: value for part in parts for name, value in part.items()}, model, device, scheme)
            for parts in product(*examples)
        ]
        known = StagePlacements.of(layouts, stage, device)
    with _lock:
        _remembered[about] = known
        while len(_remembered) > _MAX_REMEMBERED:
            _remembered.popitem(last=False)
    return known


def _with_port_classes_renumbered(axis: Axis) -> Axis:
    """A part of an axis may lack some of the classes of the whole."""
    classes, port_class = np.unique(axis.port_class, return_inverse=True)
    return replace(axis, port_class=port_class.astype(np.int64), n_port_classes=len(classes))


def _keep(rules: Iterator[Rule], n: int, constraints: tuple[str, ...]) -> BoolArray:
    keep = np.ones(n, dtype=bool)
    for rule in rules:
        if rule.constraint in constraints:
            keep &= ~rule.broken
    return keep


def design_space(
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme = W4A4KV8,
    overrides: SpaceOverrides | None = None,
    system: SystemChoices = DEFAULT_SYSTEM,
    modules: tuple[PrefillModules, DecodeModules] | None = None,
) -> DesignSpace:
    """The default space of `model` on `device`, changed by `overrides`; with the one set of `modules`, if given.

    Raises:
        InfeasibleError: the model breaks a rule that no design can mend, or a parameter has no legal value.
        InputError: an override of an unknown knob, an illegal value, or rules that leave no design.
    """
    spaces = {
        stage: _stage_space(stage, axes, sets, model, device, scheme)
        for stage, (axes, sets) in _stage_axes(model, device, scheme, overrides, modules).items()
    }
    return DesignSpace(model, device, scheme, spaces["prefill"], spaces["decode"], system)


def legal_stage_designs(
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme = W4A4KV8,
    overrides: SpaceOverrides | None = None,
) -> dict[Stage, int]:
    """How many legal designs `design_space` has of each stage, without laying out their memory: a tenth of the time.

    Raises:
        InfeasibleError: as `design_space`.
        InputError: as `design_space`.
    """
    return {
        stage: math.prod(len(axis) for axis in axes)
        for stage, (axes, _) in _stage_axes(model, device, scheme, overrides, None).items()
    }


def _stage_axes(
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme,
    overrides: SpaceOverrides | None,
    modules: tuple[PrefillModules, DecodeModules] | None,
) -> dict[Stage, tuple[tuple[Axis, ...], Any]]:
    """The axes of both stages after the overrides, each with its module sets."""
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
    wanted = Overrides(overrides or SpaceOverrides())
    prefill_sets: tuple[PrefillModules, ...] = (modules[0],) if modules else wanted.prefill_modules()
    decode_sets: tuple[DecodeModules, ...] = (modules[1],) if modules else wanted.decode_modules()
    found: dict[Stage, tuple[tuple[Axis, ...], Any]] = {
        "prefill": (tuple(_prefill_axes(model, device, scheme, memory, wanted, len(prefill_sets))), prefill_sets),
        "decode": (tuple(_decode_axes(model, device, scheme, memory, wanted, len(decode_sets))), decode_sets),
    }
    wanted.check_knobs({stage: axes for stage, (axes, _) in found.items()})
    return {stage: (wanted.applied(stage, axes), sets) for stage, (axes, sets) in found.items()}


# Legal with any row of any axis, so that a rule that breaks on a candidate row speaks of that row.
_SMALLEST_PREFILL = {
    "token_parallelism": 2,
    "qkvo_weight_parallelism": LANE_STEP,
    "ffn_weight_parallelism": LANE_STEP,
    "ffn_weight_blocks": 1,
    "key_parallelism": 2,
    "value_parallelism": 2,
}


def _system_axes(
    stage: Stage, device: Device, scheme: QuantScheme, wanted: Overrides, module_sets: int
) -> tuple[Axis, Axis]:
    """The axis of module sets, which varies slowest, and that of clock targets, which varies fastest."""
    clocks = {int(device.clock.default_mhz * part) for part in CLOCK_FRACTIONS}
    values = [clock for clock in wanted.candidates(stage, "clock_mhz", clocks) if clock <= device.clock.max_mhz]
    return (
        _axis(f"{stage}.modules", (MODULE_SET,), [(i,) for i in range(module_sets)], scheme),
        _axis(f"{stage}.clock", ("clock_mhz",), [(clock,) for clock in values], scheme),
    )


def _prefill_axes(
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme,
    memory: MemorySystem,
    wanted: Overrides,
    module_sets: int,
) -> Iterator[Axis]:
    def values(knob: str, default: Sequence[int]) -> list[int]:
        return wanted.candidates("prefill", knob, default)

    max_lanes = memory.max_port_bits // scheme.weight_bits
    max_words = memory.max_port_bits // scheme.kv_bits
    tokens = values("token_parallelism", even_values(MAX_TOKEN_PARALLELISM))
    keys = values("key_parallelism", even_values(min(model.head_dim, max_words)))
    qkvo_lanes = values("qkvo_weight_parallelism", range(LANE_STEP, max_lanes + 1, LANE_STEP))
    ffn_lanes = values("ffn_weight_parallelism", range(LANE_STEP, MAX_FFN_WEIGHT_PARALLELISM + 1, LANE_STEP))
    blocks = values("ffn_weight_blocks", range(1, MAX_FFN_WEIGHT_BLOCKS + 1))
    candidates: tuple[tuple[str, tuple[str, ...], list[tuple[int, ...]], tuple[str, ...]], ...] = (
        (
            "prefill.tokens",
            ("token_parallelism", "key_parallelism"),
            list(product(tokens, keys)),
            ("even_lanes", "token_key_widths", "keys_per_pass", "port_feeds_lanes", "port_width"),
        ),
        (
            "prefill.qkvo",
            ("qkvo_weight_parallelism",),
            [(lanes,) for lanes in qkvo_lanes if lanes <= max_lanes],
            ("even_lanes", "weight_lanes"),
        ),
        (
            "prefill.ffn",
            ("ffn_weight_parallelism", "ffn_weight_blocks"),
            [(w, b) for w, b in product(ffn_lanes, blocks) if w % (2 * b) == 0 and w // b <= max_lanes],
            ("ffn_blocks", "ffn_block_passes", "weight_lanes", "hbm_ports"),
        ),
        (
            "prefill.value",
            ("value_parallelism",),
            [(v,) for v in values("value_parallelism", even_divisors(model.head_dim, max_words)) if v <= max_words],
            ("even_lanes", "value_channels"),
        ),
    )
    modules, clock = _system_axes("prefill", device, scheme, wanted, module_sets)
    yield modules
    for name, parameters, rows, constraints in candidates:
        table = np.array(rows, dtype=np.int64).reshape(-1, len(parameters))
        columns = {
            parameter: np.full(len(table), value, dtype=np.int64) for parameter, value in _SMALLEST_PREFILL.items()
        }
        columns.update({parameter: table[:, i] for i, parameter in enumerate(parameters)})
        clocks = np.full(len(table), device.clock.default_mhz)
        placement, placements = _placed("prefill", columns, model, device, scheme)
        numbers: dict[str, Any] = dict(columns)
        batch = PrefillBatch(**numbers, clock_mhz=clocks, placement=placement, placements=placements)
        keep = _keep(prefill_rules(batch, model, device, scheme), len(table), constraints)
        yield _axis(name, parameters, table[keep], scheme)
    yield clock


def _decode_axes(
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme,
    memory: MemorySystem,
    wanted: Overrides,
    module_sets: int,
) -> Iterator[Axis]:
    """Engine and attention in one conditional axis, as they share ports; the vector lanes stand alone."""

    def values(knob: str, default: Sequence[int]) -> list[int]:
        return wanted.candidates("decode", knob, default)

    max_words = memory.max_port_bits // scheme.kv_bits
    widths = values("weight_port_bits", [bits for bits in DECODE_PORT_BITS if bits <= memory.max_port_bits])
    engines = [
        (blocks, lanes, bits, splits)
        for blocks in values("block_parallelism", range(1, MAX_BLOCK_PARALLELISM + 1))
        if all(dim % blocks == 0 for dim in (model.hidden_dim, model.q_dim, model.ffn_dim))
        for lanes in values("weight_parallelism", DECODE_WEIGHT_LANES)
        if blocks * lanes <= MAX_DECODE_LANES
        for bits in widths
        if bits in PORT_BITS and bits <= memory.max_port_bits
        if (blocks * lanes * scheme.weight_bits) % bits == 0
        and blocks * lanes * scheme.weight_bits // bits <= memory.channels
        for splits in values("engine_splits", ENGINE_SPLITS)
        if blocks % splits == 0
    ]
    attentions = [
        (heads, keys, channels)
        for heads in values("head_parallelism", range(1, model.n_kv_heads + 1))
        if model.n_kv_heads % heads == 0
        for keys in values("key_parallelism", even_divisors(model.head_dim, max_words))
        for channels in values("value_parallelism", even_divisors(model.head_dim, max_words))
        if max(keys, channels) <= max_words
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
    engine_rows = np.array(engines, dtype=np.int64).reshape(-1, 4)
    attention_rows = np.array(attentions, dtype=np.int64).reshape(-1, 3)
    first, second = np.divmod(np.arange(len(engine_rows) * len(attention_rows)), max(len(attention_rows), 1))
    table = np.column_stack([engine_rows[first], attention_rows[second]])
    columns = {name: table[:, i] for i, name in enumerate(parameters)}
    columns["vector_parallelism"] = np.ones(len(table), dtype=np.int64)
    clocks = np.full(len(table), device.clock.default_mhz)
    placement, placements = _placed("decode", columns, model, device, scheme)
    numbers: dict[str, Any] = {name: column for name, column in columns.items() if name != "weight_port_bits"}
    batch = DecodeBatch(**numbers, clock_mhz=clocks, placement=placement, placements=placements)
    rules = decode_rules(batch, model, device, scheme)
    kept = (
        "even_lanes",
        "keys_per_pass",
        "value_channels",
        "hbm_ports",
        "port_feeds_lanes",
        "port_per_head",
        "port_width",
    )
    keep = _keep(rules, len(table), kept)
    modules, clock = _system_axes("decode", device, scheme, wanted, module_sets)
    yield modules
    yield _axis("decode.engine", parameters, table[keep], scheme, group_columns=4)
    vectors = [
        (lanes,)
        for lanes in values("vector_parallelism", range(1, MAX_VECTOR_PARALLELISM + 1))
        if model.hidden_dim % (4 * lanes) == 0
    ]
    yield _axis("decode.vector", ("vector_parallelism",), vectors, scheme)
    yield clock
