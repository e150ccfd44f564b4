"""Rows of projects and runs as the outside sees them."""

from __future__ import annotations

from typing import Any, cast

from api.idempotency import Answer
from api.problems import Problem
from api.projects.schemas import Project, ProjectSummary, Run, Step
from db.models import Artifact, Job
from db.models import Project as ProjectRow
from db.models import Run as RunRow
from spec.design_point import DesignPoint
from spec.workload import Workload

COLLECTION = "/api/v1/projects"


def _summary_fields(row: ProjectRow, job: Job) -> dict[str, Any]:
    return {
        "id": row.id,
        "job_id": job.id,
        "name": row.name,
        "state": job.state,
        "model": row.model_name,
        "device": row.device_name,
        "workload": Workload.model_validate(row.workload),
        "design_key": row.design_key,
        "labels": tuple(row.labels),
        "created_at": row.created_at,
        "finished_at": job.finished_at,
    }


def summary(row: ProjectRow, job: Job) -> ProjectSummary:
    """One line of the list."""
    return ProjectSummary(**_summary_fields(row, job))


def detail(row: ProjectRow, job: Job, artifact: Artifact | None) -> Project:
    """The whole project; `artifact` is its zip."""
    return Project(
        **_summary_fields(row, job),
        note=row.note,
        seed=row.seed,
        design=DesignPoint.model_validate(row.design),
        manifest=row.manifest,
        download=f"{COLLECTION}/{row.id}/download" if artifact is not None else None,
        download_bytes=artifact.size_bytes if artifact is not None else None,
        cause=job.cause,
        error=Problem.model_validate(job.error) if job.error is not None else None,
    )


def project_answer(status: int, row: ProjectRow, job: Job) -> Answer:
    """The answer to the submission of a project."""
    return Answer.of(status, detail(row, job, None), f"{COLLECTION}/{row.id}")


def run(row: RunRow, job: Job) -> Run:
    """One run."""
    return Run(
        id=row.id,
        job_id=job.id,
        project_id=row.project_id,
        step=cast("Step", row.step),
        state=job.state,
        passed=row.passed,
        options=row.options,
        artifact_id=row.artifact_id,
        cause=job.cause,
        error=Problem.model_validate(job.error) if job.error is not None else None,
        created_at=row.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )
