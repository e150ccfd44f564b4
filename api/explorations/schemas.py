"""What goes into an exploration over REST and what comes out. Outputs have no defaults: each field is always there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.catalog_names import DeviceField, ModelField
from api.described import Labels, Name, Note
from api.job_limits import NO_LIMITS, LimitsField
from api.problems import Problem
from db.job_state import JobState
from spec.calibration import MeasuredProvenance
from spec.cost_report import Provenance, QualityReport
from spec.design_point import DesignPoint
from spec.exploration import ExplorationRequest, Method
from spec.exploration_result import ExplorationProgress, SearchRecord
from spec.metrics import Sense
from spec.space_overrides import SpaceOverrides
from spec.strict import StrictModel
from spec.violation import Violation
from spec.workload import Workload


class ExplorationInput(ExplorationRequest):
    """An exploration to run. `model` and `device` are names of the catalog or whole documents."""

    model: ModelField
    device: DeviceField
    labels: Labels = ()
    note: Note = ""
    priority: Annotated[int, Field(ge=-10, le=10, description="higher goes first")] = 0
    limits: LimitsField = NO_LIMITS

    def as_request(self) -> ExplorationRequest:
        """The request with its documents filled in, as the workers take it."""
        return ExplorationRequest(**{name: getattr(self, name) for name in ExplorationRequest.model_fields})


class Preview(StrictModel):
    """What an exploration would search. `legal_designs`: legal pairs of prefill and decode designs."""

    legal_designs: int
    prefill_designs: Annotated[int, Field(description="legal designs of prefill, of all schemes and deployments")]
    decode_designs: int
    evaluations: Annotated[
        int, Field(description="what the method will price: the budget; every design of each stage where it is exact")
    ]
    estimated_seconds: Annotated[float, Field(description="at work; waiting in the queue comes before")]
    estimated_floorplan_seconds: Annotated[
        float, Field(description="of these, for the exact assignment of the front to SLRs; 0 where it is not asked")
    ]
    estimated_from: Annotated[
        int, Field(description="finished explorations that the estimate rests on; 0: a guess for a common machine")
    ]
    rate_from: Annotated[
        int, Field(description="of these, long enough to tell the rate; 0: it is that of a common machine")
    ]


_SO_FAR = "so far while it runs, null before and where it ended without a result"


class ExplorationSummary(StrictModel):
    """One line of the list of explorations."""

    id: str
    job_id: str
    name: str
    state: JobState
    cancel_requested: bool
    model: Annotated[str, Field(description="name of the model")]
    device: Annotated[str, Field(description="name of the device")]
    workload: Workload
    objectives: tuple[str, ...]
    method: Method
    budget: int
    seed: int
    phase: Annotated[str | None, Field(description="what it does now; null unless it runs")]
    total_evaluations: Annotated[int | None, Field(description="that it will price; null unless it runs")]
    front_size: Annotated[int | None, Field(description=f"designs on the front, {_SO_FAR}")]
    evaluations: Annotated[int | None, Field(description=f"designs that were priced, {_SO_FAR}")]
    best: Annotated[
        dict[str, float | None] | None,
        Field(description=f"objective -> its best value on the front, null where no design has one; {_SO_FAR}"),
    ]
    designs_per_s: Annotated[float | None, Field(description=f"designs priced a second, {_SO_FAR}")]
    feasible_fraction: Annotated[float | None, Field(description=f"of the designs that were priced, {_SO_FAR}")]
    hypervolume: Annotated[
        float | None,
        Field(
            description=f"null also where the front spans no volume; {_SO_FAR}, by a reference point that may move yet"
        ),
    ]
    labels: Labels
    sweep_id: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Exploration(ExplorationSummary):
    """One exploration."""

    note: Note
    constraints: Annotated[tuple[str, ...], Field(description="bounds on metrics that the search keeps")]
    space: Annotated[SpaceOverrides | None, Field(description="changes to the default design space; null: none")]
    epsilon: Annotated[float, Field(description="designs within this fraction in every objective count as one")]
    floorplan: Annotated[bool, Field(description="what the exact assignment to SLRs refuses is cut")]
    has_evaluations: Annotated[bool, Field(description="GET .../evaluations has them")]
    attempt: Annotated[int, Field(description="1 unless a worker was lost on the way")]
    max_attempts: int
    progress: ExplorationProgress | None
    record: Annotated[SearchRecord | None, Field(description="what was searched; null until it succeeded")]
    cause: Annotated[str | None, Field(description="code of the reason why it failed, `lost` where its workers died")]
    error: Annotated[Problem | None, Field(description="why it failed")]


class ExplorationPage(StrictModel):
    """Explorations, newest first."""

    items: tuple[ExplorationSummary, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]


class MetricInfo(StrictModel):
    """What a metric is. `unit` "1" marks a dimensionless one."""

    name: str
    unit: str
    sense: Sense
    title: str
    definition: str


class FrontDesign(StrictModel):
    """One design of the front. `index` is its place, `key` is equal exactly for equal designs."""

    index: int
    key: str
    design: DesignPoint
    metrics: dict[str, float | None]


class Front(StrictModel):
    """The front of an exploration; `entries` is empty until `state` is `succeeded`."""

    schema_name: Annotated[Literal["flexdse/front/v1"], Field(alias="schema")]
    flexdse_version: str
    model_version: str
    timing_table_version: str
    exploration_id: str
    state: JobState
    provenance: Provenance
    objectives: tuple[str, ...]
    metrics: tuple[MetricInfo, ...]
    missing: Annotated[dict[str, str], Field(description="metric that no entry has -> the reason")]
    qualities: Annotated[
        dict[str, QualityReport],
        Field(description="quantization scheme -> its quality by the tables of now, its band and what it rests on"),
    ]
    entries: tuple[FrontDesign, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next part; null where this is the last")]


RowsAre = Annotated[
    Literal["evaluated", "all", "sampled"],
    Field(description="every evaluation in its order; all legal designs; legal designs drawn uniformly"),
]


class DensityCells(StrictModel):
    """The cells with a design in them: place along each axis, number of designs, and how many of them are feasible."""

    x: tuple[int, ...]
    y: tuple[int, ...]
    designs: tuple[int, ...]
    feasible: tuple[int, ...]


class Density(StrictModel):
    """How the designs behind a front are spread over two of their numbers. Bin `i` goes from edge `i` to edge `i + 1`."""

    x: str
    y: str
    bins: int
    log: bool
    x_edges: Annotated[
        tuple[float, ...], Field(description="`bins` + 1 of them; none where no design has both numbers")
    ]
    y_edges: tuple[float, ...]
    cells: DensityCells
    rows: Annotated[int, Field(description="designs")]
    missing: Annotated[int, Field(description="of them without one of the two numbers, in no cell")]
    rows_are: RowsAre


class EvaluationColumns(StrictModel):
    """Evaluations as columns: those of the designs, the metrics, `feasible`."""

    schema_name: Annotated[Literal["flexdse/evaluations/v1"], Field(alias="schema")]
    exploration_id: str
    provenance: Provenance
    rows_are: RowsAre
    total: Annotated[int, Field(description="rows of the whole table, of which these are some or all")]
    evaluations: Annotated[
        int | None, Field(description="designs that the search priced; the exact method prices the stages apart")
    ]
    rows: Annotated[int, Field(description="of them in this answer")]
    columns: dict[str, tuple[float | bool | str | None, ...]]


class EvaluationRow(StrictModel):
    """One design behind a front, whole, with what the search held against it."""

    exploration_id: str
    row: Annotated[int, Field(description="its place in the table of the evaluations")]
    key: str
    design: DesignPoint
    metrics: dict[str, float | None]
    feasible: Annotated[bool, Field(description="no limit of the card and no constraint of the request is missed")]
    violated: Annotated[str | None, Field(description="the first rule or constraint that is broken")]
    violations: Annotated[
        tuple[Violation, ...],
        Field(description="limits that are broken by the estimate, which a search takes as it is"),
    ]
    missed: Annotated[tuple[str, ...], Field(description="constraints of the request that are missed")]


class HistoryColumns(StrictModel):
    """Points of a search, oldest first, of equal length."""

    evaluations: tuple[int, ...]
    seconds: Annotated[tuple[float, ...], Field(description="since the search began")]
    hypervolume: Annotated[
        tuple[float | None, ...],
        Field(
            description="of the front so far. Of a sampled search against the nadir of the exact front, so the points "
            "can be compared; of the exact method against the front's own nadir, which moves until the last point"
        ),
    ]
    front_size: tuple[int | None, ...]


class History(StrictModel):
    """How a search went, in at most some 500 points that lie the denser the earlier they are."""

    exploration_id: str
    state: JobState
    attempt: Annotated[int | None, Field(description="of the job that it is of; null before its first point")]
    columns: HistoryColumns


class SuggestInput(StrictModel):
    """How many designs to measure next."""

    count: Annotated[int, Field(ge=1, le=100)] = 1
    lease_s: Annotated[
        float, Field(ge=1, le=30 * 86_400, description="nobody else is asked to measure them meanwhile")
    ] = 86_400.0


class Suggestions(StrictModel):
    """Designs to measure, the most telling first; none where all are measured or being measured."""

    exploration_id: str
    expires_at: datetime
    designs: tuple[FrontDesign, ...]


class Told(StrictModel):
    """What was measured of one design of the front: by its `key`."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    metrics: Annotated[
        dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]],
        Field(min_length=1, description="names of the registry; only what was measured"),
    ]
    provenance: MeasuredProvenance
    source: Annotated[str, Field(min_length=1, max_length=200, description="report, run or board")]


class TellInput(StrictModel):
    """Measurements of suggested designs, or of any others of the front."""

    measurements: Annotated[tuple[Told, ...], Field(min_length=1, max_length=100)]


class Measured(StrictModel):
    """One measurement beside the prediction."""

    id: str
    key: str
    index: int | None
    provenance: MeasuredProvenance
    source: str
    metrics: dict[str, float]
    predicted: dict[str, float | None]
    ratio: Annotated[dict[str, float | None], Field(description="measured / predicted; null without a prediction")]
    created_at: datetime


class Measurements(StrictModel):
    """All that was told of an exploration, oldest first; per fidelity and metric the geometric mean of the ratios."""

    items: tuple[Measured, ...]
    mean_ratio: dict[str, dict[str, float]]


class ProjectOfFront(StrictModel):
    """A design of the front to generate a project of."""

    index: Annotated[int, Field(ge=0, le=2**31 - 1)]
    name: Name = ""
    labels: Labels = ()
    note: Note = ""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="of the golden vectors")] = 0
    limits: LimitsField = NO_LIMITS


class StateData(StrictModel):
    """The job moved on."""

    state: JobState
    attempt: int
    max_attempts: int
    cancel_requested: bool


class DoneData(StrictModel):
    """The last word of the stream."""

    state: JobState
    front_size: int | None
    cause: str | None
    error: Problem | None


class StateEvent(StrictModel):
    """`event: state`"""

    id: str
    event: Literal["state"]
    data: StateData


class ProgressEvent(StrictModel):
    """`event: progress`"""

    id: str
    event: Literal["progress"]
    data: ExplorationProgress


class DoneEvent(StrictModel):
    """`event: done`"""

    id: str
    event: Literal["done"]
    data: DoneData


ExplorationEvent = Annotated[StateEvent | ProgressEvent | DoneEvent, Field(discriminator="event")]
