"""Submitting work: all that the API may know of the workers."""

from __future__ import annotations

from enum import StrEnum

from db.models import Exploration, Job
from db.session import UnitOfWork
from spec.exploration import ExplorationRequest


class Queue(StrEnum):
    """Resource classes. A worker takes jobs of the queues that it was started for."""

    SEARCH = "search"


class JobKind(StrEnum):
    """What a job does. The name stays in databases: never rename one."""

    EXPLORE = "explore"


def enqueue_exploration(work: UnitOfWork, request: ExplorationRequest, *, owner: str) -> tuple[Exploration, Job]:
    """Stores the exploration and its job. Both exist, or neither, once the transaction of `work` ends."""
    exploration_id = work.explorations.next_id()
    job = work.jobs.add(kind=JobKind.EXPLORE, queue=Queue.SEARCH, subject_id=exploration_id, owner=owner)
    return work.explorations.add(request, exploration_id=exploration_id, job_id=job.id, owner=owner), job
