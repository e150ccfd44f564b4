"""Jobs as the outside sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.job_limits import JobLimits
from api.problems import Problem
from db.job_state import JobState
from spec.strict import StrictModel


class Job(StrictModel):
    """One piece of work for the workers."""

    id: str
    kind: str
    queue: Annotated[str, Field(description="resource class: which workers may take it")]
    resource: Annotated[str, Field(description="path of what the job works on")]
    state: JobState
    cancel_requested: bool
    priority: Annotated[int, Field(description="higher goes first")]
    limits: Annotated[JobLimits, Field(description="as they were submitted; its worker may have stricter ones")]
    attempt: int
    max_attempts: int
    progress: Annotated[dict[str, Any] | None, Field(description="of the kind's own shape; in lists without its front")]
    cause: str | None
    error: Problem | None
    created_at: datetime
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None


class JobPage(StrictModel):
    """Jobs, newest first."""

    items: tuple[Job, ...]
    next_cursor: Annotated[str | None, Field(description="`cursor` of the next page; null on the last")]


class LogLine(StrictModel):
    """A line that the process of a job printed, or that its worker adds."""

    seq: Annotated[int, Field(description="counts from 1 through all attempts")]
    at: datetime
    stream: str
    text: str


class JobLog(StrictModel):
    """A part of the log. `next_after` is the `after` of the next part; null where the job ended and all is told."""

    lines: tuple[LogLine, ...]
    next_after: int | None


class LogEvent(StrictModel):
    """`event: line`"""

    id: str
    event: Literal["line"]
    data: LogLine


class LogDone(StrictModel):
    """The job ended and its log is told."""

    state: JobState


class LogDoneEvent(StrictModel):
    """`event: done`"""

    id: str
    event: Literal["done"]
    data: LogDone


JobLogEvent = Annotated[LogEvent | LogDoneEvent, Field(discriminator="event")]
