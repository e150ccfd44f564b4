"""The report of a sweep: a row for each of its explorations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from db.job_state import JobState
from db.models import Exploration, Job, Sweep
from db.session import UnitOfWork
from spec.documents import envelope
from spec.strict import StrictModel
from spec.workload import Workload


class SweepRow(StrictModel):
    """One exploration of a sweep. What only a search that succeeded has is null until then."""

    exploration_id: str
    name: str
    model: str
    device: str
    workload: Workload
    method: str
    seed: int
    state: JobState
    cause: str | None
    front_size: int | None
    evaluations: int | None
    seconds: float | None
    hypervolume: float | None
    hypervolume_ratio: Annotated[float | None, Field(description="share of the hypervolume of the exact front")]
    best: Annotated[dict[str, float | None], Field(description="objective -> its best value on the front")]
    model_version: str | None
    finished_at: datetime | None


class SweepReport(StrictModel):
    """Every exploration of a sweep, in the order of the sweep."""

    schema_name: Annotated[str, Field(alias="schema")]
    flexdse_version: str
    model_version: str
    timing_table_version: str
    sweep_id: str
    name: str
    rows: tuple[SweepRow, ...]


def report_of(work: UnitOfWork, sweep: Sweep) -> SweepReport:
    """The report as it stands now."""
    found = work.explorations.of_sweep(sweep.id)
    return SweepReport(
        **envelope("sweep-report/v1"),
        sweep_id=sweep.id,
        name=sweep.name,
        rows=tuple(_row(exploration, job) for exploration, job in found),
    )


def _row(exploration: Exploration, job: Job) -> SweepRow:
    record = exploration.record or {}
    asked = exploration.summary
    return SweepRow(
        exploration_id=exploration.id,
        name=exploration.name,
        model=exploration.model_name,
        device=exploration.device_name,
        workload=Workload.model_validate(asked["workload"]),
        method=asked["method"],
        seed=asked["seed"],
        state=job.state,
        cause=job.cause,
        front_size=exploration.front_size,
        evaluations=exploration.evaluations,
        seconds=record.get("seconds"),
        hypervolume=record.get("hypervolume"),
        hypervolume_ratio=record.get("hypervolume_ratio"),
        best=asked.get("best", {}),
        model_version=exploration.model_version,
        finished_at=job.finished_at,
    )
