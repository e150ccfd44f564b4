"""What can be done with explorations, without HTTP; their fronts are in `front`, measurements in `measure`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from api.access.principal import Principal
from api.conditional import check_unchanged
from api.described import Description
from api.explorations import presentation
from api.explorations.preview import checked
from api.explorations.schemas import (
    Exploration,
    ExplorationInput,
    ExplorationPage,
    History,
)
from api.idempotency import Answer, once
from api.jobs.service import request_cancel
from api.pagination import page_of
from api.problems import ConflictError, NotFoundError
from api.quotas import check_jobs, check_storage
from db.models import Exploration as ExplorationRow
from db.models import Job
from db.paging import Position
from db.session import Database, UnitOfWork
from spec.exploration import ExplorationRequest
from workers.enqueue import enqueue_exploration

if TYPE_CHECKING:
    pass

COLLECTION = "/api/v1/explorations"


def submit(database: Database, principal: Principal, request: ExplorationInput, key: str | None) -> Answer:
    """Stores an exploration for the workers; under a key that was used before, the answer of then.

    Raises:
        ConflictError: the key was used for another request.
        QuotaError: there is no room for another job.
        InputError: its changes to the space leave no design.
        InfeasibleError: the model breaks a rule that no design can mend.
    """
    if request.space is not None:  # what else could be wrong with it, its own document tells
        checked(request.as_request())

    def do(work: UnitOfWork) -> Answer:
        check_jobs(work, principal)
        check_storage(work, principal)
        row, job = enqueue_exploration(
            work,
            request.as_request(),
            owner=principal.owner,
            priority=request.priority,
            limits=request.limits.document(),
            labels=request.labels,
            note=request.note,
        )
        return Answer.of(202, presentation.detail(row, job), f"{COLLECTION}/{row.id}")

    return once(database, principal.owner, f"POST {COLLECTION}", key, request, do)


def found(work: UnitOfWork, owner: str, exploration_id: str) -> tuple[ExplorationRow, Job]:
    """The exploration of that id with its job.

    Raises:
        NotFoundError: there is none.
    """
    pair = work.explorations.get_with_job(exploration_id, owner)
    if pair is None:
        raise NotFoundError(
            "no such exploration",
            field="exploration_id",
            value=exploration_id,
            rule="must be the id of an exploration",
            hint=f"GET {COLLECTION} lists them",
        )
    return pair


def page(
    database: Database, owner: str, after: Position | None, limit: int, filters: Mapping[str, Any]
) -> ExplorationPage:
    """Explorations, newest first."""
    with database.read() as work:
        rows = work.explorations.page(owner, after, limit + 1, **filters)
        shown, cursor = page_of(rows, limit, lambda row: Position(row.created_at, row.id))
        return ExplorationPage(items=tuple(presentation.summary(row) for row in shown), next_cursor=cursor)


def get(database: Database, owner: str, exploration_id: str) -> Exploration:
    """One exploration.

    Raises:
        NotFoundError: there is none of that id.
    """
    with database.read() as work:
        return presentation.detail(*found(work, owner, exploration_id))


def describe(
    database: Database, owner: str, exploration_id: str, changes: Description, if_match: str | None
) -> Exploration:
    """Changes what is said about it.

    Raises:
        NotFoundError: there is none of that id.
        PreconditionError: it is not any more what `if_match` names.
    """
    with database.write() as work:
        check_unchanged(if_match, presentation.detail(*found(work, owner, exploration_id)))
        work.explorations.update(exploration_id, name=changes.name, labels=changes.labels, note=changes.note)
        work.session.expire_all()
        return presentation.detail(*found(work, owner, exploration_id))


def cancel(database: Database, owner: str, exploration_id: str, key: str | None) -> Answer:
    """Cancels it at once where it waits, and asks its worker to where it runs.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has ended.
    """

    def do(work: UnitOfWork) -> Answer:
        request_cancel(work, found(work, owner, exploration_id)[1], "exploration")
        work.session.expire_all()
        return Answer.of(202, presentation.detail(*found(work, owner, exploration_id)))

    return once(database, owner, f"POST {COLLECTION}/{exploration_id}:cancel", key, None, do)


def delete(database: Database, owner: str, exploration_id: str) -> None:
    """Deletes it with its front and its job.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has not ended.
    """
    with database.write() as work:
        row, job = found(work, owner, exploration_id)
        if not job.state.is_final:
            raise ConflictError(
                f"the exploration is {job.state.value}",
                field="state",
                value=job.state.value,
                rule="only an exploration that ended can be deleted",
                hint=f"POST {COLLECTION}/{exploration_id}:cancel first",
            )
        artifacts = [one for one in (row.front_artifact_id, row.evaluations_artifact_id) if one is not None]
        work.explorations.delete(exploration_id)
        work.jobs.delete_final(job.id)
        for artifact_id in artifacts:
            work.artifacts.delete(artifact_id)


def evaluations_artifact(database: Database, owner: str, exploration_id: str) -> tuple[Any, int | None] | None:
    """The artifact with the evaluations and how many the search priced; None where they are not kept.

    Raises:
        NotFoundError: no such exploration.
    """
    with database.read() as work:
        row, _ = found(work, owner, exploration_id)
        wanted = row.evaluations_artifact_id
        artifact = work.artifacts.get(wanted) if wanted is not None else None
        return (artifact, row.evaluations) if artifact is not None else None


def history(database: Database, owner: str, exploration_id: str) -> History:
    """How the search went so far.

    Raises:
        NotFoundError: no such exploration.
    """
    with database.read() as work:
        _, job = found(work, owner, exploration_id)
        return presentation.history(exploration_id, job, work.explorations.history(exploration_id))


def request_of(database: Database, owner: str, exploration_id: str) -> ExplorationRequest:
    """What was asked for.

    Raises:
        NotFoundError: no such exploration.
    """
    with database.read() as work:
        return ExplorationRequest.model_validate(found(work, owner, exploration_id)[0].request)


def job_of(database: Database, owner: str, exploration_id: str) -> Job:
    """The job behind an exploration.

    Raises:
        NotFoundError: there is none of that id.
    """
    with database.read() as work:
        return found(work, owner, exploration_id)[1]
