"""What can be done with explorations, without HTTP."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from api.designs.service import evaluation_json
from api.events import Snapshot
from api.explorations import presentation
from api.explorations.schemas import Exploration, ExplorationPage, Front
from api.pagination import page_of
from api.problems import ConflictError, NotFoundError
from db.models import Exploration as ExplorationRow
from db.models import Job
from db.paging import Position
from db.repositories.explorations import StoredFrontEntry
from db.repositories.idempotency import KeyTaken
from db.session import Database, UnitOfWork
from spec.design_point import DesignPoint
from spec.exploration import ExplorationRequest
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION
from workers.enqueue import enqueue_exploration

COLLECTION = "/api/v1/explorations"
_SUBMIT_ROUTE = f"POST {COLLECTION}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission."""

    location: str
    body: dict[str, Any]
    replayed: bool


def submit(database: Database, owner: str, request: ExplorationRequest, key: str | None) -> Accepted:
    """Stores an exploration for the workers; under a key that was used before, the answer of then.

    Raises:
        ConflictError: the key was used for another request.
    """
    document = json.dumps(request.model_dump(mode="json", by_alias=True), sort_keys=True)
    digest = hashlib.sha256(document.encode()).hexdigest()
    try:
        return _submit(database, owner, request, key, digest)
    except KeyTaken:  # now it can be seen
        return _submit(database, owner, request, key, digest)


def _submit(database: Database, owner: str, request: ExplorationRequest, key: str | None, digest: str) -> Accepted:
    with database.write() as work:
        if key is not None and (given := work.idempotency_keys.get(owner, _SUBMIT_ROUTE, key)) is not None:
            if given.request_sha256 != digest:
                raise ConflictError(
                    "this Idempotency-Key was used for another request",
                    field="Idempotency-Key",
                    value=key,
                    rule="one key, one request",
                    hint="take a new key for a new request",
                )
            return Accepted(given.location, given.body, replayed=True)
        row, job = enqueue_exploration(work, request, owner=owner)
        location = f"{COLLECTION}/{row.id}"
        body = presentation.detail(row, job).model_dump(mode="json", by_alias=True)
        if key is not None:
            work.idempotency_keys.add(
                owner=owner,
                route=_SUBMIT_ROUTE,
                key=key,
                request_sha256=digest,
                status=202,
                location=location,
                body=body,
            )
    return Accepted(location, body, replayed=False)


def _found(work: UnitOfWork, owner: str, exploration_id: str) -> tuple[ExplorationRow, Job]:
    found = work.explorations.get_with_job(exploration_id, owner)
    if found is None:
        raise NotFoundError(
            "no such exploration",
            field="exploration_id",
            value=exploration_id,
            rule="must be the id of an exploration",
            hint=f"GET {COLLECTION} lists them",
        )
    return found


def page(database: Database, owner: str, after: Position | None, limit: int) -> ExplorationPage:
    """Explorations, newest first."""
    with database.read() as work:
        rows = work.explorations.page(owner, after, limit + 1)
        shown, cursor = page_of(rows, limit, lambda pair: Position(pair[0].created_at, pair[0].id))
        return ExplorationPage(items=tuple(presentation.summary(*pair) for pair in shown), next_cursor=cursor)


def get(database: Database, owner: str, exploration_id: str) -> Exploration:
    """One exploration.

    Raises:
        NotFoundError: there is none of that id.
    """
    with database.read() as work:
        return presentation.detail(*_found(work, owner, exploration_id))


def cancel(database: Database, owner: str, exploration_id: str) -> Exploration:
    """Cancels it at once where it waits, and asks its worker to where it runs.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has ended.
    """
    with database.write() as work:
        _, job = _found(work, owner, exploration_id)
        if not work.jobs.request_cancel(job.id):
            raise ConflictError(
                f"the exploration has {job.state.value} already",
                field="state",
                value=job.state.value,
                rule="only a queued or running exploration can be cancelled",
            )
        work.session.expire_all()
        return presentation.detail(*_found(work, owner, exploration_id))


def delete(database: Database, owner: str, exploration_id: str) -> None:
    """Deletes it with its front and its job.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has not ended.
    """
    with database.write() as work:
        _, job = _found(work, owner, exploration_id)
        if not job.state.is_final:
            raise ConflictError(
                f"the exploration is {job.state.value}",
                field="state",
                value=job.state.value,
                rule="only an exploration that ended can be deleted",
                hint=f"POST {COLLECTION}/{exploration_id}:cancel first",
            )
        work.explorations.delete(exploration_id)
        work.jobs.delete_final(job.id)


def front_json(database: Database, owner: str, exploration_id: str) -> bytes:
    """The document of the front, put together from the stored texts: parsing thousands of designs takes seconds."""
    with database.read() as work:
        row, job = _found(work, owner, exploration_id)
        entries = work.explorations.front(exploration_id)
    head = Front(
        schema_name="flexdse/front/v1",
        flexdse_version=row.flexdse_version or FLEXDSE_VERSION,
        model_version=row.model_version or MODEL_VERSION,
        timing_table_version=row.timing_table_version or DEFAULT_TIMING_TABLE.version,
        exploration_id=row.id,
        state=job.state,
        provenance="analytical",
        objectives=tuple(row.request["objectives"]),
        metrics=presentation.metric_infos(),
        missing=(row.record or {}).get("missing", {}),
        entries=(),
    )
    text = head.model_dump_json(by_alias=True, exclude={"entries"}).removesuffix("}")
    return f'{text},"entries":[{",".join(map(_entry_json, entries))}]}}'.encode()


def _entry_json(entry: StoredFrontEntry) -> str:
    return f'{{"index":{entry.index},"key":"{entry.key}","design":{entry.design},"metrics":{entry.metrics}}}'


def report_json(database: Database, owner: str, exploration_id: str, index: int) -> bytes:
    """The evaluation of one design of the front, on the exploration's own model, device and workload.

    Raises:
        NotFoundError: no such exploration, or no such design on its front.
    """
    with database.read() as work:
        row, _ = _found(work, owner, exploration_id)
        entry = work.explorations.front_entry(exploration_id, index)
    if entry is None:
        raise NotFoundError(
            "no such design on the front",
            field="index",
            value=index,
            rule=f"from 0 to {row.front_size - 1}" if row.front_size else "the front has no design",
        )
    request = ExplorationRequest.model_validate(row.request)
    design = DesignPoint.model_validate_json(entry.design)
    return evaluation_json(design, request.model, request.device, request.workload)


def job_of(database: Database, owner: str, exploration_id: str) -> Job:
    """The job behind an exploration.

    Raises:
        NotFoundError: there is none of that id.
    """
    with database.read() as work:
        return _found(work, owner, exploration_id)[1]


def snapshot(database: Database, owner: str, exploration_id: str) -> Snapshot | None:
    """What a listener can be told now; None where the exploration was deleted."""
    with database.read() as work:
        found = work.explorations.get_with_job(exploration_id, owner)
        return presentation.snapshot(*found) if found is not None else None
