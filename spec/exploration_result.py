"""ExplorationResult: the front and the record of how it was found, as plain data for files, database and REST."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
    distinct_designs: Annotated[
        int | None, Field(description="with cost vectors that no other has; null where they were not counted")
    ] = None


class PruningBound(StrictModel):
    """Designs or pairs that one argument kept out of the front, and the argument."""

    bound: str
    unit: Literal["stage designs", "pairs"]
    pruned: int


class ProofRecord(StrictModel):
    """Why the exact front is exact: every legal design was priced or excluded by a named bound."""

    pairs: Annotated[int, Field(description="pairs of legal stage designs")]
    pairs_priced: int
    pruned: tuple[PruningBound, ...]
    enumeration_s: float
    merge_s: float
    statement: str


class FloorplanCheck(StrictModel):
    """What the exact assignment to SLRs says of a front. A part is what is placed on its own: a stage design, or a
    co-resident pair; the first four numbers are of the parts of the front as it is shown.
    """

    parts: int
    placed: int
    within_band: int
    unknown: Annotated[int, Field(description="the solver's time came first; they are kept")]
    cut: Annotated[int, Field(description="parts that were refused; whatever has one is not on the front")]
    unchecked: Annotated[int, Field(description="parts beyond what one exploration plans; they are kept")]
    rounds: Annotated[int, Field(description="fronts that were looked at until all stood")]
    complete: Annotated[bool, Field(description="whether the last front was free of refusals")]
    seconds: float


class SearchRecord(StrictModel):
    """What was searched and how far.

    `hypervolume` is on log-scaled objectives against `reference_point`, the nadir of the exact front of the same
    space; `hypervolume_ratio` is its share of the exact front's, the distance from the optimum.
    """

    space_size: Annotated[int, Field(description="designs with distinct cost vectors, stage by stage")]
    legal_designs: int | None = None
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
    proof: ProofRecord | None = None
    gap: Annotated[str | None, Field(description="what keeps an exact front from being proven, if anything")] = None
    floorplan: Annotated[FloorplanCheck | None, Field(description="null, with the reason, where it was not asked")] = (
        None
    )
    knees: Annotated[tuple[int, ...], Field(description="entries of the front with the best trade-off")] = ()
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
    hypervolume: Annotated[
        float | None, Field(description="of the front so far; its reference point is final only in the result")
    ] = None
    legal_designs: Annotated[int | None, Field(description="legal pairs of designs in the space")] = None
    elapsed_s: Annotated[float | None, Field(description="since the search began")] = None
    front_size: Annotated[int | None, Field(description="of the whole front; `front` is thinned")] = None
