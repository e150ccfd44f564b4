"""What goes into an exploration over REST and what comes out. Outputs have no defaults: each field is always there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from api.catalog_names import DeviceField, ModelField
from api.problems import Problem
from db.job_state import JobState
from spec.cost_report import Provenance
from spec.design_point import DesignPoint
from spec.exploration import ExplorationRequest, Method
from spec.exploration_result import ExplorationProgress, SearchRecord
from spec.metrics import Sense
from spec.strict import StrictModel
from spec.workload import Workload


class ExplorationInput(ExplorationRequest):
    """An exploration to run. `model` and `device` are names of the catalog or whole documents."""

    model: ModelField
    device: DeviceField

    def as_request(self) -> ExplorationRequest:
        """The request with its documents filled in, as the workers take it."""
        return ExplorationRequest(**{name: getattr(self, name) for name in ExplorationRequest.model_fields})


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
    front_size: Annotated[int | None, Field(description="designs on the front; null until it succeeded")]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Exploration(ExplorationSummary):
    """One exploration."""

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
    entries: tuple[FrontDesign, ...]


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
