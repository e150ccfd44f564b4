"""Rows of the database as the outside sees them."""

from __future__ import annotations

from typing import Any

from api.events import Snapshot, StreamEvent
from api.explorations.schemas import DoneData, Exploration, ExplorationSummary, MetricInfo, StateData
from api.problems import Problem
from db.models import Exploration as ExplorationRow
from db.models import Job
from spec.exploration_result import ExplorationProgress, SearchRecord
from spec.metrics import METRICS
from spec.workload import Workload


def _summary_fields(row: ExplorationRow, job: Job) -> dict[str, Any]:
    request = row.request
    return {
        "id": row.id,
        "job_id": job.id,
        "name": row.name,
        "state": job.state,
        "cancel_requested": job.cancel_requested,
        "model": row.model_name,
        "device": row.device_name,
        "workload": Workload.model_validate(request["workload"]),
        "objectives": tuple(request["objectives"]),
        "method": request["method"],
        "budget": request["budget"],
        "seed": request["seed"],
        "front_size": row.front_size,
        "evaluations": row.evaluations,
        "labels": tuple(row.labels),
        "sweep_id": row.sweep_id,
        "created_at": row.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def summary(row: ExplorationRow, job: Job) -> ExplorationSummary:
    """One line of the list."""
    return ExplorationSummary(**_summary_fields(row, job))


def detail(row: ExplorationRow, job: Job) -> Exploration:
    """The whole exploration."""
    return Exploration(
        **_summary_fields(row, job),
        note=row.note,
        has_evaluations=row.evaluations_artifact_id is not None,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        progress=ExplorationProgress.model_validate(job.progress) if job.progress is not None else None,
        record=SearchRecord.model_validate(row.record) if row.record is not None else None,
        cause=job.cause,
        error=Problem.model_validate(job.error) if job.error is not None else None,
    )


def metric_infos() -> tuple[MetricInfo, ...]:
    """The registry of metrics, in its order."""
    return tuple(
        MetricInfo(name=m.name, unit=m.unit, sense=m.sense, title=m.title, definition=m.definition)
        for m in METRICS.values()
    )


def snapshot(row: ExplorationRow, job: Job) -> Snapshot:
    """What a listener can be told about the exploration now."""
    state = StateData(
        state=job.state, attempt=job.attempt, max_attempts=job.max_attempts, cancel_requested=job.cancel_requested
    )
    events = [StreamEvent(job.state_version, "state", state.model_dump_json())]
    if job.progress is not None:
        progress = ExplorationProgress.model_validate(job.progress)
        events.append(StreamEvent(job.progress_version, "progress", progress.model_dump_json()))
    if job.state.is_final:
        done = DoneData(
            state=job.state,
            front_size=row.front_size,
            cause=job.cause,
            error=Problem.model_validate(job.error) if job.error is not None else None,
        )
        events.append(StreamEvent(job.version, "done", done.model_dump_json()))
    return Snapshot(job.version, tuple(sorted(events, key=lambda event: event.id)), job.state.is_final)
