"""ExplorationResult: the front and the record of how it was found, as plain data for files, database and REST."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spec.cost_report import Fit
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
    unknown: Annotated[int, Field(description="not decided: the solver's time, or that of the check, came first; kept")]
    cut: Annotated[int, Field(description="parts that were refused; whatever has one is not on the front")]
    unchecked: Annotated[
        int, Field(description="those of the unknown that the assignment was not asked for: the time was spent")
    ]
    rounds: Annotated[int, Field(description="fronts that were looked at until all stood")]
    complete: Annotated[bool, Field(description="whether the last front was free of refusals")]
    limit_s: Annotated[
        float | None, Field(description="processor seconds in which parts were asked for; null in records of before")
    ] = None
    limit_reached: Annotated[bool, Field(description="whether they were spent before all was checked")] = False
    seconds: Annotated[
        float, Field(description="processor seconds that it took, fronts that were solved again included")
    ]

    @property
    def verdicts(self) -> str:
        """How many parts got which verdict, in words; none of those that no part got but the first."""
        parts = [f"{self.placed:,} placed"]
        for count, what in (
            (self.within_band, "within the error band"),
            (self.unknown - self.unchecked, "not decided"),
            (self.unchecked, "not checked"),
        ):
            if count:
                parts.append(f"{count:,} {what}")
        return ", ".join(parts)


class WarmStart(StrictModel):
    """What became of the designs that a sampled search was given to begin with."""

    given: int
    in_space: Annotated[int, Field(description="different ones that are in the space of this search")]
    evaluated: Annotated[int, Field(description="as many as the budget holds, spread evenly over them")]


class OutsideDesign(StrictModel):
    """A design of the catalog, made for the model and the card, that is not in the space that was searched."""

    name: str
    title: str
    design_key: str
    fit: Fit
    meets_constraints: bool
    metrics: dict[str, float | None]
    dominates: Annotated[
        int, Field(description="designs of the front that it is no worse than in every objective, and better in one")
    ]
    best_in: Annotated[
        tuple[str, ...], Field(description="objectives in which it is better than every design of the front")
    ]


class SearchRecord(StrictModel):
    """What was searched and how far.

    `hypervolume` is on log-scaled objectives against `reference_point`, the nadir of the exact front of the same
    space; `hypervolume_ratio` is its share of the exact front's, the distance from the optimum. Where no design is better
    than that point in every objective both are null, with the reason in `missing`, and `own_hypervolume` is against the
    front's own nadir: a number that compares with no other front.
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
    own_hypervolume: Annotated[
        float | None, Field(description="against own_reference_point; null where hypervolume has a value")
    ] = None
    own_reference_point: Annotated[
        tuple[float, ...], Field(description="nadir of the front itself; empty where hypervolume has a value")
    ] = ()
    proof: ProofRecord | None = None
    gap: Annotated[str | None, Field(description="what keeps an exact front from being proven, if anything")] = None
    floorplan: Annotated[FloorplanCheck | None, Field(description="null, with the reason, where it was not asked")] = (
        None
    )
    warm_start: Annotated[WarmStart | None, Field(description="null where none was given")] = None
    knees: Annotated[tuple[int, ...], Field(description="entries of the front with the best trade-off")] = ()
    outside: Annotated[
        tuple[OutsideDesign, ...],
        Field(
            description="designs of the catalog for this model and card that fit and are not in the space; "
            "the front says nothing of them"
        ),
    ] = ()
    missing: dict[str, str] = {}


class ExplorationResult(StrictModel):
    """A finished search."""

    request: ExplorationRequest
    front: tuple[FrontEntry, ...]
    record: SearchRecord


class ExplorationProgress(StrictModel):
    """A snapshot while a search runs. `front` holds objective values only, in the order of the request."""

    phase: Annotated[
        str,
        Field(
            description="yardstick (the exact front that a sampled search is held against), a stage or a method while it "
            "prices, floorplan, done"
        ),
    ]
    evaluations: int
    total: int | None
    designs_per_s: Annotated[float, Field(description="while it priced; phases that price nothing do not count")]
    eta_s: float | None
    feasible_fraction: float | None
    front: tuple[tuple[float, ...], ...]
    hypervolume: Annotated[
        float | None,
        Field(
            description="of the front so far, null while no design is better than the reference point in every objective; "
            "the reference point is final only in the result"
        ),
    ] = None
    legal_designs: Annotated[int | None, Field(description="legal pairs of designs in the space")] = None
    elapsed_s: Annotated[float | None, Field(description="since the search began")] = None
    front_size: Annotated[int | None, Field(description="of the whole front; `front` is thinned")] = None
    best: Annotated[
        dict[str, float] | None,
        Field(description="objective -> its best value on the whole front so far; null while that is empty"),
    ] = None
    detail: Annotated[str | None, Field(description="where the phase stands, in words")] = None
