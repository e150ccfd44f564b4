"""Is the process alive, can it serve."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from api.deps import DatabaseDep
from api.problems import responses
from db.migrations import check_schema
from spec.strict import StrictModel

router = APIRouter(tags=["health"])


class Health(StrictModel):
    """All is well."""

    status: Literal["ok", "ready"]


@router.get("/healthz")
def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", responses=responses(503))
def readyz(database: DatabaseDep) -> Health:
    """The database can be read and has the schema of this version."""
    check_schema(database)
    return Health(status="ready")
