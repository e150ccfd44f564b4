"""/artifacts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field

from api.artifacts.content import content_of
from api.deps import DatabaseDep, OwnerDep, PageDep, RequiredStoreDep
from api.pagination import page_of
from api.problems import NotFoundError, responses
from db.models import Artifact as ArtifactRow
from db.paging import Position
from db.session import UnitOfWork
from spec.strict import StrictModel

router = APIRouter(prefix="/artifacts", tags=["artifacts"])

ArtifactId = Annotated[str, Path(max_length=64)]


class Artifact(StrictModel):
    """A file that a job made."""

    id: str
    job_id: str | None
    file_name: str
    media_type: str
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: Annotated[datetime | None, Field(description="null: kept until the quota or its age ends it")]


class ArtifactPage(StrictModel):
    """Artifacts, newest first, and what all of them take up."""

    items: tuple[Artifact, ...]
    used_bytes: int
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]


def _shown(row: ArtifactRow) -> Artifact:
    return Artifact(**{name: getattr(row, name) for name in Artifact.model_fields})


def _found(work: UnitOfWork, owner: str, artifact_id: str) -> ArtifactRow:
    row = work.artifacts.get(artifact_id, owner)
    if row is None:
        raise NotFoundError(
            "no such artifact",
            field="artifact_id",
            value=artifact_id,
            rule="must be the id of an artifact",
            hint="GET /api/v1/artifacts lists them",
        )
    return row


@router.get("", responses=responses(422))
def list_artifacts(
    database: DatabaseDep,
    owner: OwnerDep,
    page: PageDep,
    job_id: Annotated[str | None, Query(max_length=64, description="only those of this job")] = None,
) -> ArtifactPage:
    """Files that jobs made, newest first."""
    with database.read() as work:
        rows = work.artifacts.page(owner, page.after, page.limit + 1, job_id=job_id)
        shown, cursor = page_of(rows, page.limit, lambda row: Position(row.created_at, row.id))
        used = work.artifacts.used_bytes(owner)
    return ArtifactPage(items=tuple(_shown(row) for row in shown), used_bytes=used, next_cursor=cursor)


@router.get("/{artifact_id}", responses=responses(404))
def get_artifact(artifact_id: ArtifactId, database: DatabaseDep, owner: OwnerDep) -> Artifact:
    """What is known of a file."""
    with database.read() as work:
        return _shown(_found(work, owner, artifact_id))


@router.get(
    "/{artifact_id}/content",
    response_class=Response,
    responses={
        200: {
            "description": "The file",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "Not modified"},
        **responses(404, 410),
    },
)
def get_artifact_content(
    artifact_id: ArtifactId, database: DatabaseDep, store: RequiredStoreDep, owner: OwnerDep
) -> StreamingResponse:
    """The file itself."""
    with database.read() as work:
        row = _found(work, owner, artifact_id)
    return content_of(store, row)


@router.delete("/{artifact_id}", status_code=204, responses=responses(404))
def delete_artifact(artifact_id: ArtifactId, database: DatabaseDep, owner: OwnerDep) -> None:
    """Delete a file; whatever it belongs to stays, without it."""
    with database.write() as work:
        _found(work, owner, artifact_id)
        work.artifacts.delete(artifact_id)
