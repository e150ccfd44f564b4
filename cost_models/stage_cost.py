"""What the laws of one stage give for a batch of designs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ResourceArrays
from cost_models.resources import Part, module_arrays
from spec.memory_map import PortRole
from spec.workload import Stage

ClockLaw = Callable[[ResourceArrays], FloatArray]  # resources of a kernel -> its clock (MHz), (n_points,)


@dataclass(frozen=True, slots=True)
class ModuleCycles:
    """One module. `critical` (n_points,) are its cycles on the critical path: over all modules they sum to the
    stage's cycles. `busy` are the cycles it works, which may overlap with others. `hbm_bound`: its stream is slower
    than one beat a cycle.
    """

    name: str
    critical: FloatArray
    busy: FloatArray
    hbm_bound: FloatArray
    source: str


@dataclass(frozen=True, slots=True)
class StageTotals:
    """What the metrics take of one stage of a batch, (n_points,) each. For decode, `cycles` is the mean step after the first
    and `first_cycles` the first step; for prefill both are the whole prefill. `attention_j`: `power.attention_active_j`.
    """

    stage: Stage
    cycles: FloatArray
    first_cycles: FloatArray
    clock_mhz: FloatArray
    resources: ResourceArrays
    attention_j: FloatArray

    @property
    def latency_s(self) -> FloatArray:
        """Seconds of `cycles`, (n_points,)."""
        return self.cycles / (self.clock_mhz * 1e6)

    @property
    def first_latency_s(self) -> FloatArray:
        """Seconds of `first_cycles`, (n_points,)."""
        return self.first_cycles / (self.clock_mhz * 1e6)


@dataclass(frozen=True, slots=True)
class StageCost(StageTotals):
    """One stage of a batch, module by module. `traffic_bytes` belongs to `cycles`.

    `parts`: what `resources` is the sum of, by module. `shared_arrays`: modules that compute on the array of another,
    with the names of those. `detail` makes the modules, which pricing in bulk does not need.
    """

    traffic_bytes: dict[PortRole, FloatArray]
    parts: Mapping[str, Part]
    shared_arrays: Mapping[str, str]
    detail: Callable[[], tuple[ModuleCycles, ...]]

    @property
    def modules(self) -> tuple[ModuleCycles, ...]:
        """The modules of the stage; each call computes them anew."""
        return self.detail()

    @property
    def module_resources(self) -> dict[str, ResourceArrays]:
        """Resources by module, (n_points,) each; AXI adapters and process control stand beside the modules that take
        time. They sum to `resources`.
        """
        return module_arrays(self.parts, len(self.cycles))

    def with_modules(self, modules: tuple[ModuleCycles, ...]) -> StageCost:
        """The same with other modules."""
        return replace(self, detail=lambda: modules)

    def bottleneck(self) -> IntArray:
        """Index of the module with the most critical cycles, (n_points,)."""
        return np.asarray(np.argmax(np.stack([module.critical for module in self.modules]), axis=0), dtype=np.int64)
