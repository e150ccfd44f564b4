"""Submitting work: all that the API may know of the workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from db.base import utc_now
from db.job_state import JobState
from db.models import Exploration, Job, Project, Run, Sweep
from db.session import UnitOfWork
from dse.windows import night_at
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import UnknownNameError
from spec.exploration import ExplorationRequest
from spec.model_config import ModelConfig
from spec.sweep import SweepPlan
from spec.workload import Workload
from workers.bell import Bell, BrokerState

__all__ = [
    "RUN_STEPS",
    "Bell",
    "BrokerState",
    "JobKind",
    "Queue",
    "enqueue_exploration",
    "enqueue_generation",
    "enqueue_project",
    "enqueue_run",
    "enqueue_sweep",
    "enqueue_sweep_file",
    "feed_sweep",
]

# A seat of it is needed by whatever may start the vendor's tools; `flexdse jobs seats vitis 2` sets how many there are.
VITIS_LICENCE = "vitis"


class Queue(StrEnum):
    """Resource classes. A worker takes jobs of the queues that it was started for."""

    SEARCH = "search"
    CSIM = "csim"
    SIMULATE = "simulate"
    SYNTHESIZE = "synthesize"


class JobKind(StrEnum):
    """What a job does. The name stays in databases: never rename one."""

    EXPLORE = "explore"
    GENERATE = "generate"
    CSIM = "csim"
    SIMULATE = "simulate"
    SYNTHESIZE = "synthesize"


_QUEUE_OF_STEP = {
    JobKind.CSIM: Queue.CSIM,
    JobKind.SIMULATE: Queue.SIMULATE,
    JobKind.SYNTHESIZE: Queue.SYNTHESIZE,
}
RUN_STEPS = tuple(_QUEUE_OF_STEP)

Limits = dict[str, Any]


def enqueue_exploration(
    work: UnitOfWork,
    request: ExplorationRequest,
    *,
    owner: str,
    priority: int = 0,
    limits: Limits | None = None,
    labels: Sequence[str] = (),
    note: str = "",
    sweep_id: str | None = None,
) -> tuple[Exploration, Job]:
    """Stores the exploration and its job. Both exist, or neither, once the transaction of `work` ends."""
    exploration_id = work.explorations.next_id()
    job = work.jobs.add(
        kind=JobKind.EXPLORE,
        queue=Queue.SEARCH,
        subject_id=exploration_id,
        owner=owner,
        priority=priority,
        limits=limits,
    )
    exploration = work.explorations.add(
        request, exploration_id=exploration_id, job_id=job.id, owner=owner, labels=labels, note=note, sweep_id=sweep_id
    )
    return exploration, job


def enqueue_sweep(
    work: UnitOfWork,
    name: str,
    document: dict[str, Any],
    requests: Sequence[ExplorationRequest],
    *,
    owner: str,
    priority: int = -1,
    limits: Limits | None = None,
    labels: Sequence[str] = (),
    note: str = "",
) -> tuple[Sweep, list[tuple[Exploration, Job]]]:
    """Stores a sweep with all its explorations; by default they let single explorations go first."""
    sweep = work.sweeps.add(owner=owner, name=name, document=document, labels=labels, note=note)
    return sweep, [
        enqueue_exploration(work, request, owner=owner, priority=priority, limits=limits, sweep_id=sweep.id)
        for request in requests
    ]


def enqueue_sweep_file(
    work: UnitOfWork,
    plan: SweepPlan,
    models: Mapping[str, ModelConfig],
    devices: Mapping[str, Device],
    *,
    owner: str,
    priority: int = -1,
    limits: Limits | None = None,
    labels: Sequence[str] = (),
    note: str = "",
) -> Sweep:
    """Stores a sweep and submits as many of its cases as may start now; `feed_sweep` submits the others.

    `models` and `devices`: what the names in the plan stand for.
    """
    allowed = dict(limits or {})
    if plan.budget.case_s is not None:
        allowed["time_s"] = min(plan.budget.case_s, allowed.get("time_s", plan.budget.case_s))
    document = {
        "plan": plan.model_dump(mode="json", by_alias=True),
        "models": {name: model.model_dump(mode="json", by_alias=True) for name, model in models.items()},
        "devices": {name: device.model_dump(mode="json", by_alias=True) for name, device in devices.items()},
        "priority": priority,
        "limits": allowed or None,
    }
    waiting = {"waiting": len(plan.all_cases())}
    sweep = work.sweeps.add(owner=owner, name=plan.name, document=document, labels=labels, note=note, results=waiting)
    feed_sweep(work, sweep, utc_now())
    return sweep


def feed_sweep(work: UnitOfWork, sweep: Sweep, now: datetime) -> int:
    """Submits cases of a sweep that wait, as far as its window, its night's budget and its concurrency let it; how many."""
    document = sweep.document
    plan = SweepPlan.model_validate(document["plan"])
    if not _is_open(plan, now):
        return 0
    states = work.sweeps.states([sweep.id])[sweep.id]
    room = plan.concurrency - states.get(JobState.QUEUED, 0) - states.get(JobState.RUNNING, 0)
    left = (sweep.results or {})["waiting"]
    cases = plan.all_cases()
    chosen = cases[len(cases) - left :][: max(0, room)]
    for case in chosen:
        model = ModelConfig.model_validate(document["models"][case.model])
        device = Device.model_validate(document["devices"][case.device])
        enqueue_exploration(
            work,
            plan.request(case, model, device),
            owner=sweep.owner,
            priority=document["priority"],
            limits=document["limits"],
            sweep_id=sweep.id,
        )
    if chosen:
        work.sweeps.update(sweep.id, results={"waiting": left - len(chosen)})
    return len(chosen)


def _is_open(plan: SweepPlan, now: datetime) -> bool:
    if plan.window is None:
        return True
    night = night_at(plan.window, now)
    if night is None:
        return False
    night_s = plan.budget.night_s
    return night_s is None or (now - night[0]).total_seconds() < night_s


def enqueue_project(
    work: UnitOfWork,
    *,
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    owner: str,
    name: str = "",
    seed: int = 0,
    labels: Sequence[str] = (),
    note: str = "",
    priority: int = 0,
    limits: Limits | None = None,
) -> tuple[Project, Job]:
    """Stores a project and the job that generates it."""
    project_id = work.projects.next_id()
    job = work.jobs.add(
        kind=JobKind.GENERATE,
        queue=Queue.CSIM,
        subject_id=project_id,
        owner=owner,
        priority=priority,
        limits=limits,
    )
    project = work.projects.add(
        project_id=project_id,
        job_id=job.id,
        owner=owner,
        design=design,
        model=model,
        device=device,
        workload=workload,
        name=name,
        labels=labels,
        note=note,
        seed=seed,
    )
    return project, job


def enqueue_generation(
    work: UnitOfWork, project: Project, *, owner: str, priority: int = 0, limits: Limits | None = None
) -> Job:
    """A job that makes the files of a project once more: they are the same as before, its inputs are."""
    job = work.jobs.add(
        kind=JobKind.GENERATE,
        queue=Queue.CSIM,
        subject_id=project.id,
        owner=owner,
        priority=priority,
        limits=limits,
    )
    work.projects.generate_again(project.id, job.id)
    return job


def enqueue_run(
    work: UnitOfWork,
    project: Project,
    step: str,
    options: dict[str, Any] | None = None,
    *,
    owner: str,
    priority: int = 0,
    limits: Limits | None = None,
) -> tuple[Run, Job]:
    """Stores a run of a tool on a project and its job.

    Raises:
        UnknownNameError: no such step.
    """
    if step not in RUN_STEPS:
        raise UnknownNameError("step", step, RUN_STEPS, field="step")
    kind = JobKind(step)
    given = dict(options or {})
    needs_licence = kind is JobKind.SYNTHESIZE and given.get("backend", "auto") != "open"
    run_id = work.runs.next_id()
    job = work.jobs.add(
        kind=kind,
        queue=_QUEUE_OF_STEP[kind],
        subject_id=run_id,
        owner=owner,
        priority=priority,
        licence=VITIS_LICENCE if needs_licence else None,
        limits=limits,
    )
    run = work.runs.add(run_id=run_id, job_id=job.id, owner=owner, project_id=project.id, step=kind, options=given)
    return run, job
