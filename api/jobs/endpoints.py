"""/jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from api.deps import DatabaseDep, OwnerDep, PageDep
from api.jobs import service
from api.jobs.schemas import Job, JobPage
from api.problems import responses

router = APIRouter(prefix="/jobs", tags=["jobs"])

JobId = Annotated[str, Path(max_length=64)]


@router.get("", responses=responses(422))
def list_jobs(database: DatabaseDep, owner: OwnerDep, page: PageDep) -> JobPage:
    """Jobs, newest first."""
    return service.page(database, owner, page.after, page.limit)


@router.get("/{job_id}", responses=responses(404))
def get_job(job_id: JobId, database: DatabaseDep, owner: OwnerDep) -> Job:
    """One job."""
    return service.get(database, owner, job_id)


@router.post("/{job_id}:cancel", status_code=202, responses=responses(404, 409))
def cancel_job(job_id: JobId, database: DatabaseDep, owner: OwnerDep) -> Job:
    """Cancel a job: at once where it is queued, within a second where it runs."""
    return service.cancel(database, owner, job_id)
