"""Who sends a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from api.access.scopes import ALL_SCOPES, Scope
from spec.strict import StrictModel

LOCAL_OWNER = "local"
PRINCIPAL = "flexdse.principal"  # where the gate leaves it in the scope of a request


class KeyLimits(StrictModel):
    """What one key may use of the service. The defaults stop a runaway script, not a team at work."""

    requests_per_s: Annotated[float, Field(gt=0, le=10_000)] = 50.0
    burst_requests: Annotated[int, Field(ge=1, le=100_000)] = 200
    active_jobs: Annotated[int, Field(ge=0, description="queued and running at the same time")] = 1_000
    uploads: Annotated[int, Field(ge=0, description="devices and models")] = 200
    stored_bytes: Annotated[int, Field(ge=0, description="artifacts")] = 20 * 10**9


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the owner of what is made, and what that one may do. `limits` None: no limits."""

    owner: str
    scopes: frozenset[Scope] = ALL_SCOPES
    key_id: str | None = None
    limits: KeyLimits | None = None


# Whoever holds the token of the data folder, or anybody on the loopback address under --no-auth.
LOCAL = Principal(LOCAL_OWNER)
