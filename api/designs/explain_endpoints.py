"""POST /designs:explain, /designs:compare, /designs:compare-reference; GET /references."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from api.designs import explain
from api.designs.explain import (
    CompareReferenceRequest,
    CompareRequest,
    Comparison,
    ExplainRequest,
    Explanation,
    ReferenceComparison,
    ReferenceList,
)
from api.media import JSON
from api.problems import BODY_PROBLEMS, responses
from api.strict_route import StrictRoute

router = APIRouter(tags=["designs"], route_class=StrictRoute)


def _answer(document: dict[str, Any]) -> Response:
    return Response(json.dumps(document, allow_nan=False), media_type=JSON)


@router.post("/designs:explain", response_model=Explanation, responses=responses(*BODY_PROBLEMS))
def explain_design(body: Annotated[ExplainRequest, Body()]) -> Response:
    """What binds a design, what one step of each knob changes, and the nearest designs that meet a target."""
    return _answer(explain.explained(body))


@router.post("/designs:compare", response_model=Comparison, responses=responses(*BODY_PROBLEMS))
def compare_designs(body: Annotated[CompareRequest, Body()]) -> Response:
    """Two designs knob by knob and metric by metric, and what binds each."""
    return _answer(explain.compared(body))


@router.post("/designs:compare-reference", response_model=ReferenceComparison, responses=responses(*BODY_PROBLEMS))
def compare_with_reference(body: Annotated[CompareReferenceRequest, Body()]) -> Response:
    """Speed-up and energy ratio of a design over a reference system."""
    return _answer(explain.compared_with_reference(body))


@router.get("/references")
def list_references() -> ReferenceList:
    """Every system that a design can be compared with."""
    return explain.references()
