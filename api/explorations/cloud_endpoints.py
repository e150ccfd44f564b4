"""/explorations/{id}/evaluations: the designs behind a front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import Field

from api.artifacts.content import content_of
from api.conditional import etag_of, matches
from api.deps import AcceptHeader, DatabaseDep, FormatQuery, IfNoneMatch, NamesQuery, OwnerDep, StoreDep
from api.explorations import cloud, service
from api.explorations.row_filter import conditions_of
from api.explorations.schemas import Density, EvaluationColumns, EvaluationRow
from api.media import ARROW_STREAM, CSV, JSON, PARQUET, TABLE_TYPES, chosen_media_type
from api.openapi_parts import TABLE_CONTENT
from api.problems import responses
from api.tables import stream_response, table_response
from db.artifacts import ArtifactStore
from db.models import Artifact
from spec.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

router = APIRouter(prefix="/explorations", tags=["explorations"])

ExplorationId = Annotated[str, Path(max_length=64)]
_MAX_SAMPLE = 10_000_000
_MAX_JSON_ROWS = 100_000
_ColumnName = Annotated[str, Query(max_length=100, pattern=r"^[A-Za-z0-9_.]+$")]


@router.get(
    "/{exploration_id}/evaluations",
    response_model=EvaluationColumns,
    responses={200: {"content": TABLE_CONTENT}, 304: {"description": "Not modified"}, **responses(404, 406, 422)},
)
def get_evaluations(
    exploration_id: ExplorationId,
    database: DatabaseDep,
    store: StoreDep,
    owner: OwnerDep,
    accept: AcceptHeader = None,
    format_: FormatQuery = None,
    columns: NamesQuery = None,
    sample: Annotated[
        int | None, Query(ge=1, le=_MAX_SAMPLE, description="so many of them, drawn by chance; all where left out")
    ] = None,
    seed: Annotated[int, Query(ge=0, le=2**32 - 1, description="of the draw: the same seed, the same rows")] = 0,
    where: Annotated[
        list[Annotated[str, Field(max_length=300)]] | None,
        Query(max_length=20, description="only rows that meet all of these, as in ttft_s<=2, feasible=true"),
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The designs behind the front, feasible or not: all rows, those that meet conditions, or a sample of these.

    The column `row`, where `columns` names it, is the place of a design in the whole table, which a sample hides.

    `rows_are` (in the JSON document, or in the metadata of the Arrow schema) says which designs they are: `evaluated`,
    every evaluation in its order; or, of the exact method, which prices the stages apart: `all` the legal designs where
    they are few, else `sampled` uniformly from them.
    """
    media_type = chosen_media_type(accept, format_)
    found = service.evaluations_artifact(database, owner, exploration_id)
    if found is None or store is None:
        raise cloud.evaluations_gone()
    artifact, evaluations = found
    etag = etag_of(artifact.sha256, media_type, columns or "", str(sample), str(seed), *(where or ()))
    if matches(if_none_match, etag):
        return Response(status_code=304, headers={"ETag": etag, "Vary": "Accept"})
    headers = {"ETag": etag, "Vary": "Accept"}
    names = tuple(dict.fromkeys(columns.split(","))) if columns is not None else None
    if sample is None and where is None and names is None and media_type == PARQUET:
        whole = content_of(store, artifact)
        whole.headers.update(headers)
        return whole
    with cloud.opened(store, artifact) as file:
        wanted = cloud.checked_columns(file, names)
        rows = cloud.chosen_rows(file, conditions_of(where or (), file.schema_arrow), sample, seed)
        if media_type in (ARROW_STREAM, CSV):
            schema = cloud.schema_of(file, wanted)
            return stream_response(schema, _rows(store, artifact, wanted, rows), media_type, headers)
        if media_type == JSON:
            _refuse_large(sample, where, file.metadata.num_rows if rows is None else len(rows))
        table = cloud.table_of(file, wanted, rows)
        head = {
            "schema": "flexdse/evaluations/v1",
            "exploration_id": exploration_id,
            "provenance": "analytical",
            "rows_are": cloud.rows_are(file),
            "total": file.metadata.num_rows,
            "evaluations": evaluations,
        }
    return table_response(table, media_type, head, headers)


def _refuse_large(sample: int | None, where: list[str] | None, rows: int) -> None:
    if (sample is None and where is None) or rows > _MAX_JSON_ROWS:
        raise InputError(
            "this is too much for JSON",
            field="sample",
            value=sample,
            rule=f"at most {_MAX_JSON_ROWS} as JSON",
            hint=f"ask for a sample, or for one of {', '.join(TABLE_TYPES[1:])}",
        )


def _rows(
    store: ArtifactStore, artifact: Artifact, columns: list[str], rows: npt.NDArray[np.int64] | None
) -> Iterator[pa.RecordBatch]:
    """The rows, out of a file that is open as long as somebody reads them."""
    with cloud.opened(store, artifact) as file:
        yield from cloud.batches(file, columns, rows)


@router.get("/{exploration_id}/evaluations/density", responses=responses(404, 422))
def get_evaluation_density(
    exploration_id: ExplorationId,
    database: DatabaseDep,
    store: StoreDep,
    owner: OwnerDep,
    response: Response,
    x: _ColumnName,
    y: _ColumnName,
    bins: Annotated[int, Query(ge=2, le=512, description="along each axis")] = 128,
    log: Annotated[bool, Query(description="logarithmic bins; designs at or below 0 count as missing")] = False,
) -> Density:
    """How many of the designs behind the front lie where: a cloud of any size in a few kilobytes."""
    found: tuple[Any, int | None] | None = service.evaluations_artifact(database, owner, exploration_id)
    if found is None or store is None:
        raise cloud.evaluations_gone()
    with cloud.opened(store, found[0]) as file:
        shown = cloud.density(file, x, y, bins, log)
    response.headers["ETag"] = etag_of(found[0].sha256, x, y, str(bins), str(log))
    return shown


@router.get("/{exploration_id}/evaluations/{row}", responses=responses(404, 422))
def get_evaluation_row(
    exploration_id: ExplorationId,
    row: Annotated[int, Path(ge=0, le=2**31 - 1)],
    database: DatabaseDep,
    store: StoreDep,
    owner: OwnerDep,
) -> EvaluationRow:
    """One design behind the front, whole: what it is, what it costs, and which limits it breaks."""
    found = service.evaluations_artifact(database, owner, exploration_id)
    if found is None or store is None:
        raise cloud.evaluations_gone()
    request = service.request_of(database, owner, exploration_id)
    with cloud.opened(store, found[0]) as file:
        values = cloud.row_of(file, row)
    from dse.evaluated_row import row_document  # loads NumPy and the models

    return EvaluationRow(
        exploration_id=exploration_id,
        row=row,
        feasible=values["feasible"],
        violated=values["violated"],
        **row_document(request, values),
    )
