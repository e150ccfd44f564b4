"""The kinds of jobs: where each gets its input, what runs, and how its result is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from db.models import Artifact, Job, Project
from db.repositories.explorations import ResultVersions, stored_front_entry
from db.session import UnitOfWork
from spec.errors import InputError, UnknownNameError
from spec.exploration_result import FrontEntry, SearchRecord
from spec.goals import parse_objective
from workers.enqueue import JobKind
from workers.search_history import SearchHistory

# Stores a result with the artifacts that came with it, by the names of their files.
Publication = Callable[[UnitOfWork, Mapping[str, Artifact]], None]

PROJECT_ZIP = "project.zip"
REPORTS_ZIP = "reports.zip"


@dataclass(frozen=True, slots=True)
class JobInput:
    """What a job is given: plain data, and files of the artifact store, by the names that it finds them under."""

    data: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job. `body` is `module:function` (see `workers.child.JobBody`) and runs in a process of its own.

    `prepare` checks and converts the result of the body, which may take a while. What it returns runs in the
    transaction that also ends the job: the result is there exactly if the job succeeded. `history` keeps points of what
    an attempt says of its progress.
    """

    body: str
    load_input: Callable[[UnitOfWork, Job], JobInput]
    prepare: Callable[[Job, dict[str, Any]], Publication]
    history: Callable[[], SearchHistory] | None = None


def _exploration_input(work: UnitOfWork, job: Job) -> JobInput:
    exploration = work.explorations.get(job.subject_id)
    if exploration is None:
        raise LookupError(f"job {job.id} has no exploration {job.subject_id}")
    return JobInput({"request": exploration.request})


def _prepare_exploration(job: Job, result: dict[str, Any]) -> Publication:
    names = ("flexdse_version", "model_version", "timing_table_version")
    versions = ResultVersions(**{name: result["versions"][name] for name in names})
    record = SearchRecord.model_validate(result["record"])
    entries = [FrontEntry.model_validate(entry) for entry in result["front"]]
    front = [stored_front_entry(index, entry) for index, entry in enumerate(entries)]
    best = _best(result.get("objectives", ()), entries)

    def publish(work: UnitOfWork, artifacts: Mapping[str, Artifact]) -> None:
        ids = {name: artifact.id for name, artifact in artifacts.items()}
        work.explorations.publish(
            job.subject_id,
            front,
            record,
            versions,
            best=best,
            front_artifact_id=ids.get("front.arrow"),
            evaluations_artifact_id=ids.get("evaluations.parquet"),
        )

    return publish


def _best(objectives: Sequence[str], front: Sequence[FrontEntry]) -> dict[str, float | None]:
    """The best value on the front of each objective, None where no design has one."""
    found: dict[str, float | None] = {}
    for text in objectives:
        objective = parse_objective(text)
        values = [objective.expression.of(entry.metrics) for entry in front]
        known = [value for value in values if value is not None]
        found[text] = (min(known) if objective.sense == "min" else max(known)) if known else None
    return found


def _project_input(work: UnitOfWork, job: Job) -> JobInput:
    project = work.projects.get(job.subject_id)
    if project is None:
        raise LookupError(f"job {job.id} has no project {job.subject_id}")
    names = ("design", "model", "device", "workload", "seed")
    return JobInput({name: getattr(project, name) for name in names})


def _prepare_project(job: Job, result: dict[str, Any]) -> Publication:
    manifest, sha256 = dict(result["manifest"]), result.get("manifest_sha256")

    def publish(work: UnitOfWork, artifacts: Mapping[str, Artifact]) -> None:
        work.projects.publish(job.subject_id, manifest, artifacts[PROJECT_ZIP].id, sha256)

    return publish


def _run_input(work: UnitOfWork, job: Job) -> JobInput:
    run = work.runs.get(job.subject_id)
    project = work.projects.get(run.project_id) if run is not None else None
    if run is None or project is None:
        raise LookupError(f"job {job.id} has no run {job.subject_id} of a project")
    return JobInput({"options": run.options}, {PROJECT_ZIP: _zip_of(work, project)})


def _zip_of(work: UnitOfWork, project: Project) -> str:
    artifact = work.artifacts.get(project.artifact_id) if project.artifact_id is not None else None
    if artifact is not None:
        return artifact.sha256
    generated = project.manifest is not None
    raise InputError(
        "the files of the project are gone" if generated else "the project is not generated yet",
        field="project_id",
        value=project.id,
        rule="a tool runs on the files of a generated project",
        hint="generate the project again" if generated else "wait until its job succeeded",
    )


def _prepare_run(job: Job, result: dict[str, Any]) -> Publication:
    passed = bool(result["passed"])
    reports = [(str(report["step"]), dict(report["document"])) for report in result["reports"]]

    def publish(work: UnitOfWork, artifacts: Mapping[str, Artifact]) -> None:
        run = work.runs.get(job.subject_id)
        if run is None:
            raise LookupError(f"job {job.id} has no run {job.subject_id}")
        kept = artifacts.get(REPORTS_ZIP)
        work.runs.publish(run.id, passed=passed, artifact_id=kept.id if kept is not None else None)
        for step, document in reports:
            work.reports.add(
                owner=job.owner, step=step, document=document, project_id=run.project_id, run_id=run.id, job_id=job.id
            )

    return publish


KINDS: Mapping[str, Kind] = {
    JobKind.EXPLORE: Kind("workers.tasks.explore:run", _exploration_input, _prepare_exploration, SearchHistory),
    JobKind.GENERATE: Kind("workers.tasks.generate:run", _project_input, _prepare_project),
    JobKind.CSIM: Kind("workers.tasks.csim:run", _run_input, _prepare_run),
    JobKind.SIMULATE: Kind("workers.tasks.simulate:run", _run_input, _prepare_run),
    JobKind.SYNTHESIZE: Kind("workers.tasks.synthesize:run", _run_input, _prepare_run),
}


def with_bodies(bodies: Mapping[str, str]) -> dict[str, Kind]:
    """The kinds, some with another body: for tests, and for whoever wraps a body of ours.

    Raises:
        InputError: an unknown kind, or not `module:function`.
    """
    kinds = dict(KINDS)
    for name, body in bodies.items():
        if name not in kinds:
            raise UnknownNameError("kind of job", name, kinds, field="bodies")
        if body.count(":") != 1 or not all(part.strip() for part in body.split(":")):
            raise InputError("not the name of a function", field="bodies", value=body, rule="module:function")
        kinds[name] = replace(kinds[name], body=body)
    return kinds
