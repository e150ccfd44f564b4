"""The axes of the default space: rows of parameters that the module templates can build for this model on this card."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import product
from threading import Lock
from typing import Any

import numpy as np

from cost_models.arrays import distinct_rows
from dse.axes import MODULE_SET, Axis
from dse.overrides import Overrides
from dse.spread import port_keys, spread_placements
from spec.design_batch import BoolArray, DecodeBatch, IntArray, PrefillBatch, StagePlacements
from spec.device import Device, MemorySystem
from spec.errors import InfeasibleError
from spec.legality import Rule, decode_rules, prefill_rules
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
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


def _increasing(rows: IntArray) -> bool:
    """Whether each row comes after the one before it, column by column: sorting takes longest of what an axis does."""
    after, equal = np.zeros(max(len(rows) - 1, 0), dtype=bool), np.ones(max(len(rows) - 1, 0), dtype=bool)
    for column in rows.T:
        step = np.diff(column)
        after |= equal & (step > 0)
        equal &= step == 0
    return bool(after.all())


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
    table = np.asarray(rows, dtype=np.int64)
    if not _increasing(table):
        table = np.unique(table, axis=0)
    columns = {parameter: table[:, i] for i, parameter in enumerate(parameters)}
    one_of_each, port_class = distinct_rows(*port_keys(name.split(".")[0], columns, scheme, len(table)))
    return Axis(name, parameters, table, port_class, len(one_of_each), group_columns)


Candidates = dict[str, tuple[int, ...]]  # values of each parameter of a stage that may be legal, in increasing order


def default_axes(
    stage: Stage, model: ModelConfig, device: Device, scheme: QuantScheme, wanted: Overrides, module_sets: int
) -> tuple[Axis, ...]:
    """The axes of one stage with every value that is asked for, before anything is fixed, restricted or forbidden.

    The axis of module sets varies slowest and that of clock targets fastest.

    Raises:
        InfeasibleError: a parameter has no legal value.
    """
    memory = device.hbm or device.memory("ddr")
    default_candidates = _prefill_candidates if stage == "prefill" else _decode_candidates
    candidates = {
        name: tuple(wanted.candidates(stage, name, values))
        for name, values in default_candidates(model, scheme, memory).items()
    }
    clocks = {int(device.clock.default_mhz * part) for part in CLOCK_FRACTIONS}
    clocks_mhz = [clock for clock in wanted.candidates(stage, "clock_mhz", clocks) if clock <= device.clock.max_mhz]
    return (
        _axis(f"{stage}.modules", (MODULE_SET,), [(i,) for i in range(module_sets)], scheme),
        *_legal_axes(stage, model, device, scheme, candidates),
        _axis(f"{stage}.clock", ("clock_mhz",), [(clock,) for clock in clocks_mhz], scheme),
    )


_MAX_REMEMBERED = 16  # of some MB each
_lock = Lock()
_legal: OrderedDict[tuple[object, ...], tuple[Axis, ...]] = OrderedDict()  # the one that was used last comes last


def _legal_axes(
    stage: Stage, model: ModelConfig, device: Device, scheme: QuantScheme, candidates: Candidates
) -> tuple[Axis, ...]:
    """The legal rows of `candidates`, remembered for the last stages of this process: most changes to a space leave the
    candidates as they are.
    """
    about = (stage, *(part.model_dump_json() for part in (model, device, scheme)), tuple(candidates.items()))
    with _lock:
        known = _legal.pop(about, None)
    if known is None:
        build = _prefill_axes if stage == "prefill" else _decode_axes
        known = tuple(build(model, device, scheme, candidates))
    with _lock:
        _legal[about] = known
        while len(_legal) > _MAX_REMEMBERED:
            _legal.popitem(last=False)
    return known


def _keep(rules: Iterator[Rule], n: int, constraints: tuple[str, ...]) -> BoolArray:
    keep = np.ones(n, dtype=bool)
    for rule in rules:
        if rule.constraint in constraints:
            keep &= ~rule.broken
    return keep


def _placed(
    stage: Stage, columns: dict[str, IntArray], model: ModelConfig, device: Device, scheme: QuantScheme
) -> tuple[IntArray, StagePlacements]:
    """Placement of each of the given designs, and the distinct placements, each laid out on the first design with it."""
    return spread_placements(stage, columns, model, device, scheme, max_layouts=len(next(iter(columns.values()))))


# Legal with any row of any axis, so that a rule that breaks on a candidate row speaks of that row.
_SMALLEST_PREFILL = {
    "token_parallelism": 2,
    "qkvo_weight_parallelism": LANE_STEP,
    "ffn_weight_parallelism": LANE_STEP,
    "ffn_weight_blocks": 1,
    "key_parallelism": 2,
    "value_parallelism": 2,
}


def _prefill_candidates(model: ModelConfig, scheme: QuantScheme, memory: MemorySystem) -> dict[str, Sequence[int]]:
    max_lanes = memory.max_port_bits // scheme.weight_bits
    max_words = memory.max_port_bits // scheme.kv_bits
    return {
        "token_parallelism": even_values(MAX_TOKEN_PARALLELISM),
        "key_parallelism": even_values(min(model.head_dim, max_words)),
        "qkvo_weight_parallelism": range(LANE_STEP, max_lanes + 1, LANE_STEP),
        "ffn_weight_parallelism": range(LANE_STEP, MAX_FFN_WEIGHT_PARALLELISM + 1, LANE_STEP),
        "ffn_weight_blocks": range(1, MAX_FFN_WEIGHT_BLOCKS + 1),
        "value_parallelism": even_divisors(model.head_dim, max_words),
    }


def _prefill_axes(model: ModelConfig, device: Device, scheme: QuantScheme, values: Candidates) -> Iterator[Axis]:
    memory = device.hbm or device.memory("ddr")
    max_lanes = memory.max_port_bits // scheme.weight_bits
    max_words = memory.max_port_bits // scheme.kv_bits
    candidates: tuple[tuple[str, tuple[str, ...], list[tuple[int, ...]], tuple[str, ...]], ...] = (
        (
            "prefill.tokens",
            ("token_parallelism", "key_parallelism"),
            list(product(values["token_parallelism"], values["key_parallelism"])),
            ("even_lanes", "token_key_widths", "keys_per_pass", "port_feeds_lanes", "port_width"),
        ),
        (
            "prefill.qkvo",
            ("qkvo_weight_parallelism",),
            [(lanes,) for lanes in values["qkvo_weight_parallelism"] if lanes <= max_lanes],
            ("even_lanes", "weight_lanes"),
        ),
        (
            "prefill.ffn",
            ("ffn_weight_parallelism", "ffn_weight_blocks"),
            [
                (w, b)
                for w, b in product(values["ffn_weight_parallelism"], values["ffn_weight_blocks"])
                if w % (2 * b) == 0 and w // b <= max_lanes
            ],
            ("ffn_blocks", "ffn_block_passes", "weight_lanes", "hbm_ports"),
        ),
        (
            "prefill.value",
            ("value_parallelism",),
            [(v,) for v in values["value_parallelism"] if v <= max_words],
            ("even_lanes", "value_channels"),
        ),
    )
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


def _decode_candidates(model: ModelConfig, scheme: QuantScheme, memory: MemorySystem) -> dict[str, Sequence[int]]:
    max_words = memory.max_port_bits // scheme.kv_bits
    return {
        "block_parallelism": range(1, MAX_BLOCK_PARALLELISM + 1),
        "weight_parallelism": DECODE_WEIGHT_LANES,
        "weight_port_bits": [bits for bits in DECODE_PORT_BITS if bits <= memory.max_port_bits],
        "engine_splits": ENGINE_SPLITS,
        "head_parallelism": range(1, model.n_kv_heads + 1),
        "key_parallelism": even_divisors(model.head_dim, max_words),
        "value_parallelism": even_divisors(model.head_dim, max_words),
        "vector_parallelism": range(1, MAX_VECTOR_PARALLELISM + 1),
    }


def _decode_axes(model: ModelConfig, device: Device, scheme: QuantScheme, values: Candidates) -> Iterator[Axis]:
    """Engine and attention in one conditional axis, as they share ports; the vector lanes stand alone."""
    memory = device.hbm or device.memory("ddr")
    max_words = memory.max_port_bits // scheme.kv_bits
    engines = [
        (blocks, lanes, bits, splits)
        for blocks in values["block_parallelism"]
        if all(dim % blocks == 0 for dim in (model.hidden_dim, model.q_dim, model.ffn_dim))
        for lanes in values["weight_parallelism"]
        if blocks * lanes <= MAX_DECODE_LANES
        for bits in values["weight_port_bits"]
        if bits in PORT_BITS and bits <= memory.max_port_bits
        if (blocks * lanes * scheme.weight_bits) % bits == 0
        and blocks * lanes * scheme.weight_bits // bits <= memory.channels
        for splits in values["engine_splits"]
        if blocks % splits == 0
    ]
    attentions = [
        (heads, keys, channels)
        for heads in values["head_parallelism"]
        if model.n_kv_heads % heads == 0
        for keys in values["key_parallelism"]
        for channels in values["value_parallelism"]
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
    yield _axis("decode.engine", parameters, table[keep], scheme, group_columns=4)
    vectors = [(lanes,) for lanes in values["vector_parallelism"] if model.hidden_dim % (4 * lanes) == 0]
    yield _axis("decode.vector", ("vector_parallelism",), vectors, scheme)
