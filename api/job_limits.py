"""What a job may use at most, by whoever submits it; its worker may have stricter limits."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from spec.strict import StrictModel

_LONGEST_S = 30 * 86_400.0


class JobLimits(StrictModel):
    """Limits of one job with all that it starts. What is null is as the worker has it; the stricter limit holds."""

    cpus: Annotated[int | None, Field(ge=1, le=1024, description="cores that it is bound to")] = None
    memory_bytes: Annotated[
        int | None, Field(ge=2**26, le=2**50, description="beyond it the job fails with cause memory_limit")
    ] = None
    time_s: Annotated[
        float | None, Field(ge=1, le=_LONGEST_S, description="beyond it the job fails with cause time_limit")
    ] = None

    def document(self) -> dict[str, Any] | None:
        """As the row of a job keeps them; None where nothing is limited."""
        return self.model_dump(exclude_none=True) or None


LimitsField = Annotated[JobLimits, Field(description="what the job may use at most")]
NO_LIMITS = JobLimits()
