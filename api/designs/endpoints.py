"""GET /designs, POST /designs:evaluate."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response

from api.calibrations.lookup import calibration_table
from api.catalog_names import known
from api.deps import AcceptHeader, DatabaseDep, NamesQuery, OwnerDep
from api.designs import service
from api.designs.schemas import DesignList, DesignSummary, Evaluation, EvaluationBatch, EvaluationRequest
from api.media import ARROW_STREAM, CSV, JSON, PARQUET, TABLE_TYPES, negotiate
from api.problems import BODY_PROBLEMS, MalformedError, catalog_not_found, responses
from api.strict_route import ARROW_BODY, StrictRoute
from api.tables import table_response
from spec import catalog
from spec.catalog import PublishedDesign
from spec.errors import InputError

router = APIRouter(tags=["designs"], route_class=StrictRoute)


@router.get("/designs")
def list_designs() -> DesignList:
    """Every published design of the catalog."""
    return DesignList(
        items=tuple(DesignSummary.of(catalog.load_published_design(name)) for name in catalog.names("designs"))
    )


@router.get("/designs/{name}", responses=responses(404))
def get_design(name: str) -> PublishedDesign:
    """One published design and what is known of it."""
    with catalog_not_found():
        return catalog.load_published_design(known("designs", "design", name))


_TABLE = {"schema": {"type": "string", "format": "binary", "description": "a row for each design"}}
_EVALUATE_DOCS: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            ARROW_STREAM: {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": "an uncompressed Arrow IPC stream of up to 10^6 rows; columns as in `columns` of the "
                    "JSON body; the rest is said by the query parameters",
                }
            }
        },
    }
}


@router.post(
    "/designs:evaluate",
    response_model=Evaluation | EvaluationBatch,
    responses={
        200: {
            "description": "One design: its report. Several: a table, by Accept",
            "content": dict.fromkeys((ARROW_STREAM, PARQUET, CSV), _TABLE),
        },
        **responses(*BODY_PROBLEMS, 406),
    },
    openapi_extra=_EVALUATE_DOCS,
)
def evaluate_designs(
    request: Request,
    database: DatabaseDep,
    owner: OwnerDep,
    body: Annotated[EvaluationRequest | None, Body()] = None,
    accept: AcceptHeader = None,
    design: Annotated[
        str | None, Query(max_length=200, description="Arrow: name of the design that the rows vary")
    ] = None,
    model: Annotated[str | None, Query(max_length=200, description="Arrow: name of the model")] = None,
    device: Annotated[str | None, Query(max_length=200, description="Arrow: name of the device")] = None,
    prompt_tokens: Annotated[int | None, Query(ge=1, le=2**31, description="Arrow: tokens in")] = None,
    output_tokens: Annotated[int | None, Query(ge=1, le=2**31, description="Arrow: tokens out")] = None,
    metrics: NamesQuery = None,
    calibration: Annotated[str | None, Query(max_length=64, description="Arrow: id of a calibration")] = None,
) -> Response:
    """Price one design, or up to a million. What does not fit the card is an answer too: `violations`, `feasible`."""
    arrow: bytes | None = request.scope.get(ARROW_BODY)
    given: dict[str, Any] = {
        "design": design,
        "model": model,
        "device": device,
        "prompt_tokens": prompt_tokens,
        "output_tokens": output_tokens,
        "metrics": metrics,
    }
    if arrow is not None:
        media_type = negotiate(accept, (ARROW_STREAM, JSON, PARQUET, CSV))
        batch = service.priced_arrow(arrow, **given, calibration=calibration_table(database, owner, calibration))
    else:
        for name, value in {**given, "calibration": calibration}.items():
            if value is not None:
                raise InputError(
                    "this parameter is for Arrow bodies",
                    field=name,
                    value=value,
                    rule="a JSON body says it itself",
                    hint=f"put {name} into the body",
                )
        if body is None:
            raise MalformedError("there is no body", field="body", rule="a JSON document or an Arrow stream")
        table = calibration_table(database, owner, body.calibration)
        if body.columns is None and body.designs is None:
            negotiate(accept, (JSON,))
            assert body.design is not None
            content = service.evaluation_json(
                body.design, body.model, body.device, body.workload, calibration=table, floorplan=body.floorplan
            )
            counted(request, 1)
            return Response(content, media_type=JSON)
        media_type = negotiate(accept, TABLE_TYPES)
        batch = service.priced(body, table)
    counted(request, batch.table.num_rows)
    return table_response(batch.table, media_type, batch.head())


def counted(request: Request, designs: int) -> None:
    """Adds to what /metrics tells of evaluations."""
    request.app.state.metrics.evaluations.inc(designs)
