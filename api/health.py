"""Is the process alive, can it serve, what does it count."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.deps import DatabaseDep
from api.metrics import CONTENT_TYPE, RequestMetrics
from api.problems import responses
from db.migrations import check_schema
from spec.strict import StrictModel

router = APIRouter(tags=["health"])


class Health(StrictModel):
    """The process lives."""

    status: Literal["ok"]


class Readiness(StrictModel):
    """It can serve. Without a broker too: jobs are kept, and workers ask the database for them."""

    status: Literal["ready"]
    broker: Annotated[
        Literal["ok", "degraded", "none"], Field(description="degraded: jobs start later; none: there is none to lose")
    ]


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses=responses(503))
def readyz(request: Request, database: DatabaseDep) -> Readiness:
    """The database can be read and has the schema of this version; whether the broker rings."""
    check_schema(database)
    return Readiness(status="ready", broker=request.app.state.broker_state())


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text form", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
)
def metrics(request: Request) -> Response:
    """Requests, queues, jobs, leases, tool runs: for Prometheus, with a key of the scope `admin`."""
    found: RequestMetrics = request.app.state.metrics
    return Response(found.text(), media_type=CONTENT_TYPE)
