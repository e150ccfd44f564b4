"""GET /designs, POST /designs:evaluate."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from api.catalog_names import known
from api.designs.schemas import DesignList, DesignSummary, Evaluation, EvaluationRequest
from api.designs.service import evaluation_json
from api.problems import BODY_PROBLEMS, catalog_not_found, responses
from api.strict_route import StrictRoute
from spec import catalog
from spec.catalog import PublishedDesign

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


@router.post("/designs:evaluate", response_model=Evaluation, responses=responses(*BODY_PROBLEMS))
def evaluate_design(body: Annotated[EvaluationRequest, Body()]) -> Response:
    """Price one design. What does not fit the card is an answer too: see `violations`."""
    content = evaluation_json(body.design, body.model, body.device, body.workload)
    return Response(content, media_type="application/json")
