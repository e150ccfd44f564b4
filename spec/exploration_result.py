"""ExplorationResult: the front and the record of how it was found, as plain data for files, database and REST."""

from __future__ import annotations

from typing import Literal

from spec.design_point import DesignPoint
from spec.exploration import ExplorationRequest
from spec.strict import StrictModel


class FrontEntry(StrictModel):
    """One design of a front: exactly an element of `front.json`."""

    design: DesignPoint
    metrics: dict[str, float | None]


class StageEnumeration(StrictModel):
    """How the designs of one stage were narrowed down."""

    stage: Literal["prefill", "decode"]
    legal_designs: int
    feasible_designs: int
    non_dominated_designs: int


class SearchRecord(StrictModel):
    """What was searched and how far.

    `hypervolume` is on log-scaled objectives against `reference_point`, the nadir of the exact front of the same
    space; `hypervolume_ratio` is its share of the exact front's, the distance from the optimum.
    """

    space_size: int
    evaluations: int
    feasible_evaluations: int
    seconds: float
    designs_per_s: float
    exact: bool
    stages: tuple[StageEnumeration, ...] = ()
    hypervolume: float | None
    exact_hypervolume: float | None
    hypervolume_ratio: float | None
    reference_point: tuple[float, ...]
    ideal_point: tuple[float, ...]
    missing: dict[str, str] = {}


class ExplorationResult(StrictModel):
    """A finished search."""

    request: ExplorationRequest
    front: tuple[FrontEntry, ...]
    record: SearchRecord


class ExplorationProgress(StrictModel):
    """A snapshot while a search runs. `front` holds objective values only, in the order of the request."""

    phase: str
    evaluations: int
    total: int | None
    designs_per_s: float
    eta_s: float | None
    feasible_fraction: float | None
    front: tuple[tuple[float, ...], ...]
    hypervolume: float | None = None
