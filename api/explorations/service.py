"""What can be done with explorations, without HTTP."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from api.access.principal import Principal
from api.conditional import check_unchanged
from api.described import Description
from api.designs.service import evaluation_json
from api.events import Snapshot, StreamEvent
from api.explorations import presentation, tables
from api.explorations.preview import checked
from api.explorations.schemas import (
    Exploration,
    ExplorationInput,
    ExplorationPage,
    Front,
    FrontDesign,
    History,
    Measured,
    Measurements,
    ProjectOfFront,
    SuggestInput,
    Suggestions,
    TellInput,
)
from api.idempotency import Answer, once
from api.jobs.service import request_cancel
from api.pagination import page_of
from api.problems import ConflictError, NotFoundError
from api.projects.presentation import project_answer
from api.quotas import check_jobs, check_storage
from db.artifacts import ArtifactStore
from db.base import utc_now
from db.models import Exploration as ExplorationRow
from db.models import Job, Measurement
from db.paging import Position
from db.repositories.explorations import StoredFrontEntry
from db.session import Database, UnitOfWork
from spec.calibration import MeasuredProvenance
from spec.design_point import DesignPoint
from spec.errors import UnknownNameError
from spec.exploration import ExplorationRequest
from spec.metrics import METRICS
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION
from workers.enqueue import enqueue_exploration, enqueue_project

if TYPE_CHECKING:
    import pyarrow as pa

COLLECTION = "/api/v1/explorations"
_STORY_PART = 256
FRONT_FIELDS = ("index", "key", "design", "metrics")


def submit(database: Database, principal: Principal, request: ExplorationInput, key: str | None) -> Answer:
    """Stores an exploration for the workers; under a key that was used before, the answer of then.

    Raises:
        ConflictError: the key was used for another request.
        QuotaError: there is no room for another job.
        InputError: its changes to the space leave no design.
        InfeasibleError: the model breaks a rule that no design can mend.
    """
    if request.space is not None:  # what else could be wrong with it, its own document tells
        checked(request)

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
        return presentation.detail(*_found(work, owner, exploration_id))


def describe(
    database: Database, owner: str, exploration_id: str, changes: Description, if_match: str | None
) -> Exploration:
    """Changes what is said about it.

    Raises:
        NotFoundError: there is none of that id.
        PreconditionError: it is not any more what `if_match` names.
    """
    with database.write() as work:
        check_unchanged(if_match, presentation.detail(*_found(work, owner, exploration_id)))
        work.explorations.update(exploration_id, name=changes.name, labels=changes.labels, note=changes.note)
        work.session.expire_all()
        return presentation.detail(*_found(work, owner, exploration_id))


def cancel(database: Database, owner: str, exploration_id: str, key: str | None) -> Answer:
    """Cancels it at once where it waits, and asks its worker to where it runs.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has ended.
    """

    def do(work: UnitOfWork) -> Answer:
        request_cancel(work, _found(work, owner, exploration_id)[1], "exploration")
        work.session.expire_all()
        return Answer.of(202, presentation.detail(*_found(work, owner, exploration_id)))

    return once(database, owner, f"POST {COLLECTION}/{exploration_id}:cancel", key, None, do)


def delete(database: Database, owner: str, exploration_id: str) -> None:
    """Deletes it with its front and its job.

    Raises:
        NotFoundError: there is none of that id.
        ConflictError: it has not ended.
    """
    with database.write() as work:
        row, job = _found(work, owner, exploration_id)
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


def front_json(
    database: Database, owner: str, exploration_id: str, first: int, limit: int | None, fields: Sequence[str] | None
) -> bytes:
    """The document of the front, put together from the stored texts: parsing thousands of designs takes seconds."""
    with database.read() as work:
        row, job = _found(work, owner, exploration_id)
        entries = work.explorations.front(exploration_id, first, limit + 1 if limit is not None else None)
    more = limit is not None and len(entries) > limit
    shown = entries[:limit]
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
        next_cursor=str(first + len(shown)) if more else None,
    )
    text = head.model_dump_json(by_alias=True, exclude={"entries"}).removesuffix("}")
    wanted = FRONT_FIELDS if fields is None else tuple(fields)
    return f'{text},"entries":[{",".join(_entry_json(entry, wanted) for entry in shown)}]}}'.encode()


def _entry_json(entry: StoredFrontEntry, fields: Sequence[str]) -> str:
    texts = {"index": str(entry.index), "key": f'"{entry.key}"', "design": entry.design, "metrics": entry.metrics}
    return "{" + ",".join(f'"{name}":{texts[name]}' for name in fields) + "}"


def check_front_fields(fields: Sequence[str] | None) -> None:
    """Refuses a field that entries of a front do not have.

    Raises:
        UnknownNameError: with the nearest names.
    """
    for name in fields or ():
        if name not in FRONT_FIELDS:
            raise UnknownNameError("field", name, FRONT_FIELDS, field="fields")


def front_table(
    database: Database,
    store: ArtifactStore | None,
    kept: tables.FrontTables,
    owner: str,
    exploration_id: str,
) -> tuple[pa.Table, str]:
    """The front as a table, and a text that is another for every other content.

    Raises:
        NotFoundError: there is no exploration of that id.
    """
    with database.read() as work:
        row, job = _found(work, owner, exploration_id)
        artifact = work.artifacts.get(row.front_artifact_id) if row.front_artifact_id is not None else None
        table = kept.get(exploration_id)
        entries = [] if table is not None or artifact is not None else work.explorations.front(exploration_id)
    if table is None and artifact is not None and store is not None:
        table = tables.front_from_store(store, artifact)
        if table is None:  # the file went with its age or the quota; the rows stay
            with database.read() as work:
                entries = work.explorations.front(exploration_id)
    if table is None:
        table = tables.table_of_entries(entries)
    if job.state.is_final:
        kept.keep(exploration_id, table)
    return table, f"{exploration_id}|{job.state_version}|{row.front_size}"


def front_design(database: Database, owner: str, exploration_id: str, index: int) -> bytes:
    """One design of the front with its metrics.

    Raises:
        NotFoundError: no such exploration, or no such design on its front.
    """
    with database.read() as work:
        row, _ = _found(work, owner, exploration_id)
        entry = _front_entry(work, row, index)
    return _entry_json(entry, FRONT_FIELDS).encode()


def evaluations_artifact(database: Database, owner: str, exploration_id: str) -> tuple[Any, int | None] | None:
    """The artifact with the evaluations and how many the search priced; None where they are not kept.

    Raises:
        NotFoundError: no such exploration.
    """
    with database.read() as work:
        row, _ = _found(work, owner, exploration_id)
        wanted = row.evaluations_artifact_id
        artifact = work.artifacts.get(wanted) if wanted is not None else None
        return (artifact, row.evaluations) if artifact is not None else None


def history(database: Database, owner: str, exploration_id: str) -> History:
    """How the search went so far.

    Raises:
        NotFoundError: no such exploration.
    """
    with database.read() as work:
        _, job = _found(work, owner, exploration_id)
        return presentation.history(exploration_id, job, work.explorations.history(exploration_id))


def request_of(database: Database, owner: str, exploration_id: str) -> ExplorationRequest:
    """What was asked for.

    Raises:
        NotFoundError: no such exploration.
    """
    with database.read() as work:
        return ExplorationRequest.model_validate(_found(work, owner, exploration_id)[0].request)


def report_json(database: Database, owner: str, exploration_id: str, index: int) -> bytes:
    """The evaluation of one design of the front, on the exploration's own model, device and workload.

    Raises:
        NotFoundError: no such exploration, or no such design on its front.
    """
    with database.read() as work:
        row, _ = _found(work, owner, exploration_id)
        entry = _front_entry(work, row, index)
    request = ExplorationRequest.model_validate(row.request)
    design = DesignPoint.model_validate_json(entry.design)
    return evaluation_json(design, request.model, request.device, request.workload)


def _front_entry(work: UnitOfWork, row: ExplorationRow, index: int) -> StoredFrontEntry:
    entry = work.explorations.front_entry(row.id, index)
    if entry is None:
        raise NotFoundError(
            "no such design on the front",
            field="index",
            value=index,
            rule=f"from 0 to {row.front_size - 1}" if row.front_size else "the front has no design",
            hint=f"GET {COLLECTION}/{row.id}/front lists them",
        )
    return entry


def generate(
    database: Database, principal: Principal, exploration_id: str, wanted: ProjectOfFront, key: str | None
) -> Answer:
    """A project of one design of the front, on the exploration's own model, device and workload.

    Raises:
        NotFoundError: no such exploration, or no such design on its front.
    """

    def do(work: UnitOfWork) -> Answer:
        row, _ = _found(work, principal.owner, exploration_id)
        entry = _front_entry(work, row, wanted.index)
        check_jobs(work, principal)
        check_storage(work, principal)
        request = ExplorationRequest.model_validate(row.request)
        project, job = enqueue_project(
            work,
            design=DesignPoint.model_validate_json(entry.design),
            model=request.model,
            device=request.device,
            workload=request.workload,
            owner=principal.owner,
            name=wanted.name or f"{row.name or row.id} #{wanted.index}",
            seed=wanted.seed,
            labels=wanted.labels,
            note=wanted.note,
            limits=wanted.limits.document(),
        )
        return project_answer(202, project, job)

    return once(database, principal.owner, f"POST {COLLECTION}/{exploration_id}:generate", key, wanted, do)


def suggest(
    database: Database,
    table: pa.Table,
    owner: str,
    exploration_id: str,
    wanted: SuggestInput,
    key: str | None,
) -> Answer:
    """Designs of the front to measure next; nobody else is asked for them until the lease ends.

    Raises:
        NotFoundError: no such exploration.
        ConflictError: it has no front yet.
    """
    from api.explorations.suggest import next_designs  # loads NumPy

    def do(work: UnitOfWork) -> Answer:
        row, job = _found(work, owner, exploration_id)
        if not table.num_rows:
            raise ConflictError(
                f"the exploration is {job.state.value} and has no front",
                field="state",
                value=job.state.value,
                rule="designs are suggested from the front of an exploration that succeeded",
                hint=f"wait for it: GET {COLLECTION}/{exploration_id}/events",
            )
        now = utc_now()
        expires_at = now + timedelta(seconds=wanted.lease_s)
        taken = work.measurements.suggested(exploration_id, now)
        taken |= {measurement.design_key for measurement in work.measurements.of(exploration_id)}
        objectives = [name for name in row.request["objectives"] if name in METRICS] or list(METRICS)
        entries = [_front_entry(work, row, index) for index in next_designs(table, objectives, taken, wanted.count)]
        work.measurements.suggest(exploration_id, owner, [(entry.key, entry.index) for entry in entries], expires_at)
        designs = tuple(FrontDesign.model_validate_json(_entry_json(entry, FRONT_FIELDS)) for entry in entries)
        shown = Suggestions(exploration_id=exploration_id, expires_at=expires_at, designs=designs)
        return Answer.of(200, shown)

    return once(database, owner, f"POST {COLLECTION}/{exploration_id}:suggest", key, wanted, do)


def tell(
    database: Database, table: pa.Table, owner: str, exploration_id: str, told: TellInput, key: str | None
) -> Answer:
    """Keeps measurements of designs of the front.

    Raises:
        NotFoundError: no such exploration.
        InputError: a design that is not on the front, or an unknown metric.
    """
    index_of = dict(zip(table.column("key").to_pylist(), table.column("index").to_pylist(), strict=True))
    for i, one in enumerate(told.measurements):
        if one.key not in index_of:
            raise UnknownNameError(
                "design of the front", one.key, index_of, field=f"measurements[{i}].key", hint="Keys are in the front."
            )
        for name in one.metrics:
            if name not in METRICS:
                raise UnknownNameError("metric", name, METRICS, field=f"measurements[{i}].metrics.{name}")

    def do(work: UnitOfWork) -> Answer:
        row, _ = _found(work, owner, exploration_id)
        for one in told.measurements:
            entry = _front_entry(work, row, index_of[one.key])
            work.measurements.add(
                owner=owner,
                exploration_id=exploration_id,
                design_key=one.key,
                index=entry.index,
                design=DesignPoint.model_validate_json(entry.design).model_dump(mode="json", by_alias=True),
                metrics=one.metrics,
                provenance=one.provenance,
                source=one.source,
            )
        return Answer.of(200, _measurements(work.measurements.of(exploration_id), table))

    return once(database, owner, f"POST {COLLECTION}/{exploration_id}:tell", key, told, do)


def measurements(database: Database, table: pa.Table, owner: str, exploration_id: str) -> Measurements:
    """All that was told of an exploration.

    Raises:
        NotFoundError: no such exploration.
    """
    with database.read() as work:
        _found(work, owner, exploration_id)
        return _measurements(work.measurements.of(exploration_id), table)


def _measurements(rows: Sequence[Measurement], table: pa.Table) -> Measurements:
    row_of = {key: row for row, key in enumerate(table.column("key").to_pylist())}
    items = []
    logs: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        place = row_of.get(row.design_key)
        predicted = {
            name: table.column(name)[place].as_py() if place is not None and name in table.column_names else None
            for name in row.metrics
        }
        ratio = {name: value / predicted[name] if predicted[name] else None for name, value in row.metrics.items()}
        for name, value in ratio.items():
            if value is not None:
                logs.setdefault((row.provenance, name), []).append(math.log(value))
        items.append(
            Measured(
                id=row.id,
                key=row.design_key,
                index=row.index,
                provenance=cast("MeasuredProvenance", row.provenance),
                source=row.source,
                metrics=row.metrics,
                predicted=predicted,
                ratio=ratio,
                created_at=row.created_at,
            )
        )
    means: dict[str, dict[str, float]] = {}
    for (provenance, name), values in logs.items():
        means.setdefault(provenance, {})[name] = math.exp(sum(values) / len(values))
    return Measurements(items=tuple(items), mean_ratio=means)


def job_of(database: Database, owner: str, exploration_id: str) -> Job:
    """The job behind an exploration.

    Raises:
        NotFoundError: there is none of that id.
    """
    with database.read() as work:
        return _found(work, owner, exploration_id)[1]


@dataclass(frozen=True, slots=True)
class ExplorationStory:
    """What can be told about an exploration, for the hub of events."""

    database: Database
    owner: str
    exploration_id: str

    def now(self) -> Snapshot | None:
        """The exploration as it is; None where it was deleted."""
        with self.database.read() as work:
            found = work.explorations.get_with_job(self.exploration_id, self.owner)
            return presentation.snapshot(*found) if found is not None else None

    def after(self, version: int) -> list[StreamEvent]:
        """The next versions of its job, oldest first."""
        with self.database.read() as work:
            found = work.explorations.get_with_job(self.exploration_id, self.owner)
            if found is None:
                return []
            row, job = found
            return [presentation.story_event(row, one) for one in work.job_events.after(job.id, version, _STORY_PART)]
