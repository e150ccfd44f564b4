"""What the laws of one stage give for a batch of designs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cost_models.arrays import FloatArray, IntArray, ResourceArrays
from spec.memory_map import PortRole
from spec.workload import Stage


@dataclass(frozen=True, slots=True)
class ModuleCycles:
    """One module. `critical` (n_points,) are its cycles on the critical path: over all modules they sum to the
    stage's cycles. `busy` are the cycles it works, which may overlap with others. `hbm_bound`: its stream is slower
    than one beat a cycle.
    """

    name: str
    critical: FloatArray
    busy: FloatArray
    dsp: FloatArray
    hbm_bound: FloatArray
    source: str


@dataclass(frozen=True, slots=True)
class StageCost:
    """One stage of a batch. For decode, `cycles` is the mean step after the first and `first_cycles` the first step;
    for prefill both are the whole prefill. `traffic_bytes` belongs to `cycles`.
    """

    stage: Stage
    cycles: FloatArray
    first_cycles: FloatArray
    clock_mhz: FloatArray
    modules: tuple[ModuleCycles, ...]
    resources: ResourceArrays
    traffic_bytes: dict[PortRole, FloatArray]

    @property
    def latency_s(self) -> FloatArray:
        """Seconds of `cycles`, (n_points,)."""
        return self.cycles / (self.clock_mhz * 1e6)

    @property
    def first_latency_s(self) -> FloatArray:
        """Seconds of `first_cycles`, (n_points,)."""
        return self.first_cycles / (self.clock_mhz * 1e6)

    def bottleneck(self) -> IntArray:
        """Index of the module with the most critical cycles, (n_points,)."""
        return np.asarray(np.argmax(np.stack([module.critical for module in self.modules]), axis=0), dtype=np.int64)
