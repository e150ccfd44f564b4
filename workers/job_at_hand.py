"""The job that a worker has at hand: its process, what it said and is not stored yet, when which word is due."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from db.base import utc_now
from db.models import Job
from db.repositories.job_logs import LogLine
from db.session import UnitOfWork
from workers.child import memory_problem
from workers.job_process import JobProcess, Message
from workers.kinds import Kind
from workers.limits import CAUSE_MEMORY, CAUSE_TIME, JobLimits
from workers.search_history import SearchHistory

_PROGRESS_INTERVAL_S = 0.2
_MEMORY_INTERVAL_S = 1.0


@dataclass(slots=True)
class JobAtHand:
    """One attempt at one job."""

    job: Job
    kind: Kind
    process: JobProcess
    folder: Path
    limits: JobLimits
    lease: timedelta
    history: SearchHistory | None = None
    unsaved_progress: dict[str, Any] | None = None
    unsaved_log: list[LogLine] = field(default_factory=list)
    next_heartbeat_s: float = 0.0
    next_save_s: float = 0.0
    next_memory_s: float = 0.0
    started_s: float = field(default_factory=time.monotonic)

    def take(self, message: Message) -> None:
        """Keeps what the process said until it is time to store it."""
        if message.kind == "progress":
            self.unsaved_progress = message.data
            if self.history is not None:
                self.history.add(message.data)
        elif message.kind == "log":
            self.unsaved_log.append(LogLine(utc_now(), "stderr", message.data))

    def save(self, work: UnitOfWork, *, last: bool = False) -> bool:
        """Stores what it said since the last time, and renews the lease; False if the job is not ours any more."""
        job = self.job
        if self.unsaved_progress is not None:
            held = work.jobs.save_progress(job.id, job.attempt, self.unsaved_progress, self.lease)
        else:
            held = work.jobs.heartbeat(job.id, job.attempt, self.lease)
        if held and self.unsaved_log:
            work.job_logs.append(job.id, self.unsaved_log)
        if held and self.history is not None and (last or self.history.is_due):
            work.explorations.save_history(job.subject_id, self.history.document(job.attempt))
        return held

    def save_all(self, work: UnitOfWork) -> bool:
        """As `save`, at the end."""
        return self.save(work, last=True)

    def is_due(self, now_s: float) -> bool:
        """It is time for a word to the database."""
        something_new = self.unsaved_progress is not None or bool(self.unsaved_log)
        return (something_new and now_s >= self.next_save_s) or now_s >= self.next_heartbeat_s

    def saved(self, now_s: float) -> None:
        """All that it said is stored."""
        self.unsaved_progress, self.unsaved_log = None, []
        if self.history is not None:
            self.history.saved()
        self.next_save_s = now_s + _PROGRESS_INTERVAL_S
        self.next_heartbeat_s = now_s + self.lease.total_seconds() / 4

    def broken_limit(self) -> Message | None:
        """The end of a job that took more than it was given."""
        now = time.monotonic()
        if self.limits.time_s is not None and now - self.started_s > self.limits.time_s:
            problem = {
                "type": f"urn:flexdse:problem:{CAUSE_TIME}",
                "title": "time limit",
                "status": 500,
                "detail": f"the job took longer than its {self.limits.time_s:g} s",
            }
            return Message("error", {"cause": CAUSE_TIME, "problem": problem})
        if self.limits.memory_bytes is not None and now >= self.next_memory_s:
            self.next_memory_s = now + _MEMORY_INTERVAL_S
            if self.process.resident_bytes() > self.limits.memory_bytes:
                return Message("error", {"cause": CAUSE_MEMORY, "problem": memory_problem(self.limits)})
        return None
