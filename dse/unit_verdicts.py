"""Verdicts on the bitstreams of one arm by exact assignment: stage designs priced in blocks, units made once for each, and
an assignment that served before tried before any other.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cost_models.arrays import ResourceArrays
from cost_models.clb import CLB_ROUTED
from cost_models.evaluate import price_decode, price_prefill
from cost_models.stage_cost import StageCost
from dse.arms import Arm
from dse.axes import MODULE_SET
from dse.floorplan import StageUnits, problem_of, settled, stage_units
from dse.packing import Packing
from dse.placement import Assignment, PlacementProblem, assign
from spec.design_batch import DecodeBatch, IntArray, PrefillBatch
from spec.design_point import DesignPoint
from spec.floorplan import FloorplanStatus
from spec.workload import Stage

BLOCK_DESIGNS = 4_096
MAX_KNOWN = 6  # assignments that are tried before a new one is looked for
DETERMINISTIC_LIMIT = 2.0  # of the solver for each assignment, in its own seconds; one takes a hundredth


@dataclass(frozen=True, slots=True)
class _Priced:
    """A row of a block; `resources`: those of the whole block, by module."""

    cost: StageCost
    batch: PrefillBatch | DecodeBatch
    resources: Mapping[str, ResourceArrays]
    row: int


@dataclass(frozen=True, slots=True)
class _Units:
    """`packing`: of the units alone, with no SLR fuller than one that was seen to route."""

    units: StageUnits
    packing: Packing


def _solve(problem: PlacementProblem) -> Assignment:
    return assign(problem, optimise=False, deterministic_limit=DETERMINISTIC_LIMIT)


class UnitVerdicts:
    """Of stage designs, and of pairs in one bitstream, by flat index."""

    def __init__(self, arm: Arm) -> None:
        self._arm = arm
        self._priced: dict[tuple[Stage, int], _Priced] = {}
        self._designs: dict[tuple[Stage, int], DesignPoint] = {}
        self._digests: dict[tuple[Stage, int], str] = {}
        self._units: dict[tuple[Stage, int], _Units] = {}
        self._known: dict[tuple[tuple[str, ...], ...], deque[tuple[int, ...]]] = {}

    def price(self, stage: Stage, index: IntArray) -> None:
        """Price stage designs, (n_points,), that will be asked for."""
        index = np.array([i for i in index.tolist() if (stage, i) not in self._priced], dtype=np.int64)
        if not len(index):
            return
        space, context = self._arm.space, self._arm.context
        module_set = (space.prefill if stage == "prefill" else space.decode).columns(index)[MODULE_SET]
        for one in np.unique(module_set):  # units are made of one set of modules
            group = index[module_set == one]
            for start in range(0, len(group), BLOCK_DESIGNS):
                block = group[start : start + BLOCK_DESIGNS]
                batch: PrefillBatch | DecodeBatch
                if stage == "prefill":
                    batch = space.prefill_at(block)
                    cost = price_prefill(batch, context)
                else:
                    batch = space.decode_at(block)
                    cost = price_decode(batch, context)
                resources = cost.module_resources
                for row, i in enumerate(block.tolist()):
                    self._priced[stage, i] = _Priced(cost, batch, resources, row)

    def digest(self, stage: Stage, index: int) -> str:
        """Names a stage design, its ports included, whatever space it is of."""
        if (stage, index) not in self._digests:
            design = self._design(stage, index)
            half = design.prefill if stage == "prefill" else design.decode
            ports = [port.model_dump_json() for port in design.memory_map.ports if port.stage == stage]
            text = "".join([stage, half.model_dump_json(), *ports])
            self._digests[stage, index] = hashlib.sha256(text.encode()).hexdigest()
        return self._digests[stage, index]

    def verdict(self, stages: Sequence[tuple[Stage, int]]) -> FloorplanStatus:
        """What the exact assignment says of a bitstream with these stage designs."""
        units = [self._units_of(stage, index) for stage, index in stages]
        known = self._known.setdefault(tuple(one.units.names for one in units), deque(maxlen=MAX_KNOWN))
        regions = Packing.joined([one.packing for one in units]).found(known)
        if regions is not None:
            if regions not in known:
                known.appendleft(regions)
            return "placed"
        return settled([one.units for one in units], self._arm.context.device, None, _solve)[0]

    def _units_of(self, stage: Stage, index: int) -> _Units:
        if (stage, index) not in self._units:
            self.price(stage, np.array([index]))
            priced, device = self._priced[stage, index], self._arm.context.device
            design = self._design(stage, index)
            units = stage_units(priced.cost, priced.batch, design, device, priced.row, priced.resources)
            packing = Packing.of(problem_of([units], device, clb_cap=CLB_ROUTED))
            self._units[stage, index] = _Units(units, packing)
        return self._units[stage, index]

    def _design(self, stage: Stage, index: int) -> DesignPoint:
        """A design with this half; its other half does not matter: ports and units are of a stage alone."""
        if (stage, index) not in self._designs:
            space = self._arm.space
            halves = [
                {name: int(column[0]) for name, column in part.columns(np.array([i])).items()}
                for part, i in (
                    (space.prefill, index if stage == "prefill" else 0),
                    (space.decode, index if stage == "decode" else 0),
                )
            ]
            self._designs[stage, index] = space.design_point(*halves)
        return self._designs[stage, index]
