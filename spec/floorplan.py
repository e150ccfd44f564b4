"""Floorplan: which super logic region (SLR) holds each module, what it fills there, and what crosses between SLRs."""

from __future__ import annotations

from typing import Literal

from spec.design_point import KernelPlacement
from spec.resources import ResourceVector
from spec.strict import StrictModel
from spec.violation import Violation
from spec.workload import Stage

# placed: every cap holds at the predicted resources and no SLR is fuller of CLBs than one that was seen to route.
# within_band: the caps hold, but an SLR is fuller than that, or they hold only at the low end of the error bands.
# refused: not even then; proven by the solver. unknown: the solver's time ran out before it knew.
FloorplanStatus = Literal["placed", "within_band", "refused", "unknown"]


class RegionUse(StrictModel):
    """One SLR of one bitstream. `used` and the fractions are of the whole SLR, the shell's part included."""

    slr: str
    modules: tuple[str, ...]
    used: ResourceVector
    lut_fraction: float
    ff_fraction: float
    dsp_fraction: float
    bram_18k_fraction: float
    uram_fraction: float
    clb_fraction: float


class BoundaryUse(StrictModel):
    """The super long lines (SLL) between two neighbouring SLRs. `fraction` includes the shell's; None: no public count."""

    boundary: str
    stream_bits: int
    shell_bits: int
    available_bits: int | None
    fraction: float | None


class BitstreamFloorplan(StrictModel):
    """The assignment of one bitstream. `proven_optimal`: no assignment crosses fewer bits, nor balances them better.

    `shortfalls`: of a refused bitstream, the smallest excess that any assignment leaves, by region and resource.
    """

    stages: tuple[Stage, ...]
    status: FloorplanStatus
    proven_optimal: bool
    placements: tuple[KernelPlacement, ...]
    regions: tuple[RegionUse, ...]
    boundaries: tuple[BoundaryUse, ...]
    crossing_bits: int | None
    shortfalls: tuple[Violation, ...]


class Floorplan(StrictModel):
    """All bitstreams of a design on a card; `status` is the worst of theirs."""

    status: FloorplanStatus
    solver: str
    bitstreams: tuple[BitstreamFloorplan, ...]
    assumptions: tuple[str, ...]
