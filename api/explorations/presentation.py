"""Rows of the database as the outside sees them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from api.events import Snapshot, StreamEvent
from api.explorations.schemas import (
    DoneData,
    Exploration,
    ExplorationSummary,
    History,
    HistoryColumns,
    MetricInfo,
    StateData,
)
from api.problems import Problem
from db.job_state import JobState
from db.models import Exploration as ExplorationRow
from db.models import Job, JobEventKind
from db.repositories.explorations import ListedExploration
from db.repositories.job_events import StoryEvent
from spec.exploration_result import ExplorationProgress, SearchRecord
from spec.metrics import METRICS
from spec.space_overrides import SpaceOverrides
from spec.workload import Workload

# Of the record of a search that ended, of the progress of one that runs.
_FIGURES = ("designs_per_s", "feasible_fraction", "hypervolume")


def summary(row: ListedExploration) -> ExplorationSummary:
    """One line of the list."""
    asked, now = row.summary, row.progress or {}
    return ExplorationSummary(
        id=row.id,
        job_id=row.job_id,
        name=row.name,
        state=row.state,
        cancel_requested=row.cancel_requested,
        model=row.model_name,
        device=row.device_name,
        workload=Workload.model_validate(asked["workload"]),
        objectives=tuple(asked["objectives"]),
        method=asked["method"],
        budget=asked["budget"],
        seed=asked["seed"],
        phase=now.get("phase"),
        total_evaluations=now.get("total"),
        front_size=now.get("front_size", row.front_size),
        evaluations=now.get("evaluations", row.evaluations),
        **{name: now.get(name, asked.get(name)) for name in ("best", *_FIGURES)},
        labels=tuple(row.labels),
        sweep_id=row.sweep_id,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _listed(row: ExplorationRow, job: Job) -> ListedExploration:
    of_job = ("state", "cancel_requested", "started_at", "finished_at")
    known = {
        name: getattr(job if name in of_job else row, name) for name in ListedExploration._fields if name != "progress"
    }
    return ListedExploration(**known, progress=job.progress if job.state is JobState.RUNNING else None)


def detail(row: ExplorationRow, job: Job) -> Exploration:
    """The whole exploration."""
    asked = row.request
    return Exploration(
        **dict(summary(_listed(row, job))),
        note=row.note,
        constraints=tuple(asked.get("constraints", ())),
        space=SpaceOverrides.model_validate(asked["space"]) if asked.get("space") is not None else None,
        epsilon=asked.get("epsilon", 0.0),
        floorplan=asked.get("floorplan", True),
        has_evaluations=row.evaluations_artifact_id is not None,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        progress=ExplorationProgress.model_validate(job.progress) if job.progress is not None else None,
        record=SearchRecord.model_validate(row.record) if row.record is not None else None,
        cause=job.cause,
        error=Problem.model_validate(job.error) if job.error is not None else None,
    )


def history(exploration_id: str, job: Job, stored: Mapping[str, Any] | None) -> History:
    """How its search went."""
    known = stored or {"attempt": None, "columns": dict.fromkeys(HistoryColumns.model_fields, ())}
    return History(
        exploration_id=exploration_id,
        state=job.state,
        attempt=known["attempt"],
        columns=HistoryColumns(**{name: tuple(column) for name, column in known["columns"].items()}),
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
        events.append(StreamEvent(job.progress_version, "progress", _progress(json.dumps(job.progress))))
    if job.state.is_final:
        events.append(StreamEvent(job.version, "done", _done(row, job.state, job.cause, job.error)))
    return Snapshot(job.version, tuple(sorted(events, key=lambda event: event.id)), job.state.is_final)


def story_event(row: ExplorationRow, event: StoryEvent) -> StreamEvent:
    """One version of the job of an exploration, as listeners are told of it."""
    if event.kind is JobEventKind.PROGRESS:
        data = _progress(event.data)
    elif event.kind is JobEventKind.STATE:
        data = StateData.model_validate_json(event.data).model_dump_json()
    else:
        end = json.loads(event.data)
        data = _done(row, JobState(end["state"]), end["cause"], end["error"])
    return StreamEvent(event.version, event.kind.value, data)


def _progress(text: str) -> str:
    return ExplorationProgress.model_validate_json(text).model_dump_json()


def _done(row: ExplorationRow, state: JobState, cause: str | None, error: dict[str, Any] | None) -> str:
    problem = Problem.model_validate(error) if error is not None else None
    front_size = row.front_size if state is JobState.SUCCEEDED else None
    return DoneData(state=state, front_size=front_size, cause=cause, error=problem).model_dump_json()
