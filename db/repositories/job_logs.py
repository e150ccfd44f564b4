"""What the processes of jobs printed, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CursorResult, delete, func, insert, select
from sqlalchemy.orm import Session

from db.job_state import FINAL_STATES
from db.models.job import Job
from db.models.job_log import JobLogLine

MAX_LINES = 20_000  # of one job, over all its attempts


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, to be stored."""

    at: datetime
    stream: str
    text: str


class JobLogs:
    """The table of log lines within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, job_id: str, lines: Sequence[LogLine]) -> None:
        """Adds lines, as many as the job still may; of what is cut off, one line tells.

        To be called by the holder of the job's lease alone.
        """
        first = self.length(job_id) + 1
        room = MAX_LINES - first + 1
        kept = list(lines[:room])
        if room > 0 and len(lines) >= room:
            kept[-1] = LogLine(lines[-1].at, "worker", f"(the log ends here: it has {MAX_LINES} lines)")
        if kept:
            rows = [
                {"job_id": job_id, "seq": first + index, "at": line.at, "stream": line.stream, "text": line.text}
                for index, line in enumerate(kept)
            ]
            self._session.execute(insert(JobLogLine), rows)

    def length(self, job_id: str) -> int:
        """The number of its newest line."""
        return int(self._session.scalar(select(func.max(JobLogLine.seq)).where(JobLogLine.job_id == job_id)) or 0)

    def read(self, job_id: str, after: int, limit: int) -> list[JobLogLine]:
        """At most `limit` lines behind number `after`."""
        statement = select(JobLogLine).where(JobLogLine.job_id == job_id, JobLogLine.seq > after)
        return list(self._session.scalars(statement.order_by(JobLogLine.seq).limit(limit)))

    def delete_of_jobs_finished_before(self, moment: datetime) -> int:
        """Retention; how many lines went."""
        old = select(Job.id).where(Job.state.in_(FINAL_STATES), Job.finished_at < moment)
        result = self._session.execute(delete(JobLogLine).where(JobLogLine.job_id.in_(old)))
        assert isinstance(result, CursorResult)
        return result.rowcount
