"""The front of an exploration, and what can be done with one design of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api.access.principal import Principal
from api.designs.service import evaluation_json
from api.explorations import presentation, tables
from api.explorations.schemas import Front, ProjectOfFront
from api.explorations.service import COLLECTION, found
from api.idempotency import Answer, once
from api.problems import NotFoundError
from api.projects.presentation import project_answer
from api.quotas import check_jobs, check_storage
from cost_models.quality import quality_report
from db.artifacts import ArtifactStore
from db.models import Exploration as ExplorationRow
from db.repositories.explorations import StoredFrontEntry
from db.session import Database, UnitOfWork
from spec.cost_report import QualityReport
from spec.design_point import DesignPoint
from spec.errors import UnknownNameError
from spec.exploration import ExplorationRequest
from spec.model_config import ModelConfig
from spec.scheme_names import scheme_named
from spec.space_overrides import SpaceOverrides
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import FLEXDSE_VERSION, MODEL_VERSION
from workers.enqueue import enqueue_project

if TYPE_CHECKING:
    import pyarrow as pa

FRONT_FIELDS = ("index", "key", "design", "metrics")


def front_json(
    database: Database, owner: str, exploration_id: str, first: int, limit: int | None, fields: Sequence[str] | None
) -> bytes:
    """The document of the front, put together from the stored texts: parsing thousands of designs takes seconds."""
    with database.read() as work:
        row, job = found(work, owner, exploration_id)
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
        qualities=_qualities(row.request),
        entries=(),
        next_cursor=str(first + len(shown)) if more else None,
    )
    text = head.model_dump_json(by_alias=True, exclude={"entries"}).removesuffix("}")
    wanted = FRONT_FIELDS if fields is None else tuple(fields)
    return f'{text},"entries":[{",".join(entry_json(entry, wanted) for entry in shown)}]}}'.encode()


def _qualities(request: Mapping[str, Any]) -> dict[str, QualityReport]:
    """What the quality of each scheme that was searched rests on; nothing else of a design decides it."""
    model = ModelConfig.model_validate(request["model"])
    space = request.get("space")
    names = (SpaceOverrides() if space is None else SpaceOverrides.model_validate(space)).quant_schemes
    return {scheme.name: quality_report(model, scheme) for scheme in map(scheme_named, names)}


def entry_json(entry: StoredFrontEntry, fields: Sequence[str]) -> str:
    """The entry with these fields, as JSON text."""
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
        row, job = found(work, owner, exploration_id)
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
        row, _ = found(work, owner, exploration_id)
        entry = front_entry(work, row, index)
    return entry_json(entry, FRONT_FIELDS).encode()


def front_entry(work: UnitOfWork, row: ExplorationRow, index: int) -> StoredFrontEntry:
    """One entry of the front.

    Raises:
        NotFoundError: it has none of that number.
    """
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


def report_json(database: Database, owner: str, exploration_id: str, index: int) -> bytes:
    """The evaluation of one design of the front, on the exploration's own model, device and workload.

    Raises:
        NotFoundError: no such exploration, or no such design on its front.
    """
    with database.read() as work:
        row, _ = found(work, owner, exploration_id)
        entry = front_entry(work, row, index)
    request = ExplorationRequest.model_validate(row.request)
    design = DesignPoint.model_validate_json(entry.design)
    return evaluation_json(design, request.model, request.device, request.workload)


def generate(
    database: Database, principal: Principal, exploration_id: str, wanted: ProjectOfFront, key: str | None
) -> Answer:
    """A project of one design of the front, on the exploration's own model, device and workload.

    Raises:
        NotFoundError: no such exploration, or no such design on its front.
    """

    def do(work: UnitOfWork) -> Answer:
        row, _ = found(work, principal.owner, exploration_id)
        entry = front_entry(work, row, wanted.index)
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
