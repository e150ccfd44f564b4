"""Many designs of one stage and one set of modules: what few of their columns decide is found once a distinct row.

A block is priced in two strides. Whole, as its rows are few: resources, the clock that follows from them, cycles of steps,
the excess of rules over the geometry and the memories, bytes moved. Then in chunks that stay in a cache: what each design
has for itself. The values are those of the laws on the whole batch, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np

from cost_models import array_decode, array_prefill
from cost_models.array_decode import TokenRows
from cost_models.array_prefill import PrefillRows
from cost_models.arrays import FloatArray, IntArray, ResourceArrays
from cost_models.capacity import stored_bytes
from cost_models.decode import decode_traffic_bytes, evaluate_decode
from cost_models.excess import CapsAt, WorstOfRows, largest_excess
from cost_models.feasibility import clock_rule, memory_rules
from cost_models.kernels.library_decode import library_decode_parts
from cost_models.kernels.library_prefill import library_prefill_parts
from cost_models.kernels.parts import RowParts, total_resources
from cost_models.memory import ddr_bytes, fullest_channel_bytes, hbm_bytes
from cost_models.power import attention_active_j
from cost_models.prefill import evaluate_prefill, padded_tokens, prefill_traffic_bytes, stored_weight_bytes
from cost_models.row_sets import Base, BatchT, RowFinder, RowSet
from cost_models.slr import memory_side_rules, unit_rules
from cost_models.stage_cost import ClockLaw, StageTotals
from cost_models.stage_setup import StageSetup, prefilled_tokens
from spec.design_batch import DecodeBatch, PrefillBatch, StagePlacements
from spec.device import Device
from spec.legality import DECODE_RULES, PREFILL_RULES, Rule, RuleGroup, model_rules
from spec.memory_map import ROLES, PortRole
from spec.workload import Stage, Workload

Cycles = Callable[[slice], tuple[FloatArray, FloatArray]]  # of the first and of the mean further step

_NARROW: tuple[PortRole, ...] = ("weights_kq", "weights_vo")
_WIDE: tuple[PortRole, ...] = ("weights_gate", "weights_up", "weights_down")
_NOT_WEIGHTS = tuple(role for role in ROLES["prefill"] if not role.startswith("weights"))

# What the laws of a stage read together: attention, the narrow arrays, the wide arrays; in decode all but the parts of the
# engine and the vector lanes, as ports follow from lanes, heads, keys and values.
PREFILL_BASES = (
    Base(("token_parallelism", "key_parallelism", "value_parallelism"), _NOT_WEIGHTS),
    Base(("token_parallelism", "qkvo_weight_parallelism"), _NARROW),
    Base(("token_parallelism", "ffn_weight_parallelism", "ffn_weight_blocks"), _WIDE),
)
DECODE_BASES = (
    Base(
        ("placement", "block_parallelism", "weight_parallelism"),
        held=("head_parallelism", "key_parallelism", "value_parallelism"),
    ),
)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is the same for all designs of a block: the window that the memories are filled for among it."""

    setup: StageSetup
    device: Device
    window: Workload
    caps_at: CapsAt
    coupled: bool  # whether both stages share a bitstream


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes that a stage moves over each kind of memory, (n_points,), in the time of its `cycles`."""

    hbm_bytes: FloatArray
    ddr_bytes: FloatArray


@dataclass(frozen=True, slots=True)
class Block(Generic[BatchT]):
    """Designs at their achieved clocks with what was found for them, (n_points,) each. `excess`: of the rules that neither
    cycles nor the sum of resources enter. `channel_bytes`: stored on the fullest HBM channel, where that matters to pairs.
    """

    stage: Stage
    batch: BatchT
    resources: ResourceArrays
    attention_j: FloatArray
    cycles: Cycles
    hbm_bytes: FloatArray
    ddr_bytes: FloatArray
    excess: FloatArray
    channel_bytes: FloatArray | None

    def totals(self, part: slice) -> StageTotals:
        """Of the designs in `part`."""
        first, cycles = self.cycles(part)
        resources = ResourceArrays(*(array[part] for _, array in self.resources.items()))
        return StageTotals(self.stage, cycles, first, self.batch.clock_mhz[part], resources, self.attention_j[part])

    def moved(self, part: slice) -> Moved:
        """The bytes that the designs in `part` move."""
        return Moved(self.hbm_bytes[part], self.ddr_bytes[part])


@dataclass(frozen=True, slots=True)
class _Stored:
    """Designs of the distinct rows of what decides the bytes in memory, as `stored_bytes` and `memory_rules` take them."""

    stage: Stage
    traffic_bytes: dict[PortRole, FloatArray]


def decode_block(batch: DecodeBatch, frame: Frame, clock: ClockLaw) -> Block[DecodeBatch]:
    """Decode designs of our library, of one set of modules."""
    setup, modules, n = frame.setup, batch.modules[0], len(batch)
    finder = RowFinder(batch, bases=DECODE_BASES)
    asked = finder.of(("clock_mhz",))
    parts = library_decode_parts(batch, modules, setup, finder)
    resources = total_resources(parts, len(batch))
    finder = finder.at(clock(resources))
    priced = finder.batch
    lanes = ("block_parallelism", "weight_parallelism")
    moving = finder.of(
        (*lanes, "key_parallelism", "value_parallelism"), ROLES["decode"], ("weights", "weights_lm_head")
    )
    moved = decode_traffic_bytes(moving.batch, setup)
    weights: tuple[PortRole, ...] = ("weights", "weights_lm_head")
    storing = finder.of(lanes, weights, weights, placed=_channels(batch.placements))
    stored = _Stored("decode", decode_traffic_bytes(storing.batch, setup))
    # The other rules of the model come with those of prefill.
    of_model = [next(model_rules(1, setup.model, setup.scheme))] if modules.linear_pe == "dsp2" else []

    def untabled(part: slice) -> tuple[FloatArray, FloatArray]:
        cost = evaluate_decode(priced.take(part), setup, None, parts.take(part))
        return cost.first_cycles, cost.cycles

    return Block(
        stage="decode",
        batch=priced,
        resources=resources,
        attention_j=attention_active_j(parts, n),
        cycles=TokenRows.of(finder, setup).cycles if array_decode.is_built(modules, setup.scheme) else untabled,
        hbm_bytes=moving.spread(hbm_bytes(moving.batch, moved)),
        ddr_bytes=moving.spread(ddr_bytes(moving.batch, moved)) if _uses_ddr(batch) else np.broadcast_to(0.0, (n,)),
        excess=_excess(finder, frame, DECODE_RULES, of_model, parts, stored, storing, asked),
        channel_bytes=_channel_bytes(stored, storing, frame) if frame.coupled else None,
    )


def prefill_block(batch: PrefillBatch, frame: Frame, clock: ClockLaw) -> Block[PrefillBatch]:
    """Prefill designs of our library, of one set of modules."""
    setup, modules, n = frame.setup, batch.modules[0], len(batch)
    finder = RowFinder(batch, bases=PREFILL_BASES)
    asked = finder.of(("clock_mhz",))
    parts = library_prefill_parts(batch, modules, setup, finder)
    resources = total_resources(parts, len(batch))
    finder = finder.at(clock(resources))
    priced = finder.batch
    weights = (*_NARROW, *_WIDE)
    storing = finder.of(
        ("qkvo_weight_parallelism", "ffn_weight_parallelism"), weights, weights, placed=_channels(batch.placements)
    )
    stored = _Stored("prefill", {})
    tokens, layers = prefilled_tokens(setup.workload), float(setup.model.n_layers)
    rows = None
    if array_prefill.is_built(modules, setup.scheme):
        rows = PrefillRows.of(finder, setup, max(tokens, 1))

    def cycles(part: slice) -> tuple[FloatArray, FloatArray]:
        if rows is None:
            found = evaluate_prefill(priced.take(part), setup, None, parts.take(part)).cycles
        else:
            found = (layers if tokens else 0.0) * rows.layer(part)
        return found, found

    of_model = model_rules(1, setup.model, setup.scheme, {modules.linear_pe})
    return Block(
        stage="prefill",
        batch=priced,
        resources=resources,
        attention_j=attention_active_j(parts, n),
        cycles=cycles,
        hbm_bytes=_prefill_moved_bytes(finder, setup, hbm_bytes),
        ddr_bytes=_prefill_moved_bytes(finder, setup, ddr_bytes) if _uses_ddr(batch) else np.broadcast_to(0.0, (n,)),
        excess=_excess(finder, frame, PREFILL_RULES, of_model, parts, stored, storing, asked),
        channel_bytes=_channel_bytes(stored, storing, frame) if frame.coupled else None,
    )


def _uses_ddr(batch: PrefillBatch | DecodeBatch) -> bool:
    return bool(batch.placements.on_ddr.any())


def _prefill_moved_bytes(
    finder: RowFinder[PrefillBatch], setup: StageSetup, of_memory: Callable[..., FloatArray]
) -> FloatArray:
    """Bytes that prefill moves over a kind of memory, (n_points,): weights once a pass, the rest by the tokens and the caches'
    lanes.

    Weights are whole bytes, far below 2^53: summed in any order to the same number.
    """
    weights: FloatArray | float = 0.0
    arrays: tuple[tuple[str, tuple[PortRole, ...]], ...] = (
        ("qkvo_weight_parallelism", _NARROW),
        ("ffn_weight_parallelism", _WIDE),
    )
    for column, roles in arrays:
        rows = finder.of((column,), roles, roles)
        stored = stored_weight_bytes(rows.batch, setup)
        found = of_memory(rows.batch, {role: amount for role, amount in stored.items() if role in roles})
        weights = weights + rows.spread(found)
    rows = finder.of(("token_parallelism", "key_parallelism", "value_parallelism"), _NOT_WEIGHTS)
    modules = rows.batch.modules[0]
    tokens = padded_tokens(prefilled_tokens(setup.workload), rows.batch)
    passes = tokens // (rows.batch.token_parallelism * modules.token_blocks_per_weight_pass)
    total = rows.spread(passes.astype(np.float64)) * weights
    for role, amount in prefill_traffic_bytes(rows.batch, setup, tokens).items():
        if not role.startswith("weights"):
            there = of_memory(rows.batch, {role: amount})
            if there.any():
                total += rows.spread(there)
    return np.asarray(total)


def _channels(table: StagePlacements) -> dict[str, FloatArray | IntArray]:
    """What decides how the bytes of roles come together in a memory."""
    return {"mixes": table.mixes, "on_hbm": table.on_hbm.astype(np.int64)}


def _channel_bytes(stored: _Stored, rows: RowSet[BatchT], frame: Frame) -> FloatArray:
    """Bytes on the fullest HBM channel, (n_points,)."""
    setup = frame.setup
    held = stored_bytes(stored, rows.batch, setup.model, frame.window, setup.scheme)
    return rows.spread(fullest_channel_bytes(rows.batch, held))


def _excess(
    finder: RowFinder[BatchT],
    frame: Frame,
    groups: Sequence[RuleGroup[BatchT]],
    of_model: Iterable[Rule],
    parts: RowParts,
    stored: _Stored,
    storing: RowSet[BatchT],
    asked: RowSet[BatchT],
) -> FloatArray:
    """Of the rules that few columns decide (`asked`: the clock targets), (n_points,): the model's, the geometry's, those of single units and of memories."""
    setup, device, stage, caps_at = frame.setup, frame.device, stored.stage, frame.caps_at
    worst = WorstOfRows(len(finder.batch), largest_excess(of_model, 1, caps_at)[0])

    def add(rules: Iterable[Rule], rows: int, row: IntArray, of: IntArray | None = None) -> None:
        worst.add(largest_excess(rules, rows, caps_at), row, of)

    for group in groups:
        found = finder.of(group.columns, group.roles, group.roles)
        add(group.law(found.batch, setup.model, device, setup.scheme), len(found.first), found.within, found.of)
    add([clock_rule(stage, asked.batch, device)], len(asked.first), asked.within, asked.of)
    placed = finder.of(("placement",))  # as the rules of layouts
    add(memory_side_rules(stage, placed.batch, device), len(placed.first), placed.within, placed.of)
    add(
        memory_rules(stored, storing.batch, setup.model, device, frame.window, setup.scheme),
        len(storing.first),
        storing.within,
        storing.of,
    )
    for rows in parts.groups:
        if rows.pieces:
            largest = {kind: np.atleast_1d(rows.largest_of_rows(kind)) for kind in ("lut", "dsp", "uram")}
            size = max(len(amounts) for amounts in largest.values())
            of_rows = {kind: np.broadcast_to(amounts, (size,)) for kind, amounts in largest.items()}
            rules = unit_rules(stage, size, device, of_rows.__getitem__)
            if size == 1:
                worst.add_to_all(largest_excess(rules, 1, caps_at)[0])
            else:
                add(rules, size, rows.within, rows.of)
    if (shared := parts.shared()) is not None:
        few, row, of = shared
        size = len(few.groups[0].within)
        add(unit_rules(stage, size, device, few.largest_shared), size, row, of)
    return worst.of_designs()
