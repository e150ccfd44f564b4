"""What can be told about an exploration while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from api.events import Snapshot, StreamEvent
from api.explorations import presentation
from db.session import Database

_STORY_PART = 256


@dataclass(frozen=True, slots=True)
class ExplorationStory:
    """What can be told about an exploration, for the hub of events."""

    database: Database
    owner: str
    exploration_id: str

    def now(self) -> Snapshot | None:
        """The exploration as it is; None where it was deleted."""
        with self.database.read() as work:
            found = work.explorations.get_with_job(self.exploration_id, self.owner)
            return presentation.snapshot(*found) if found is not None else None

    def after(self, version: int) -> list[StreamEvent]:
        """The next versions of its job, oldest first."""
        with self.database.read() as work:
            found = work.explorations.get_with_job(self.exploration_id, self.owner)
            if found is None:
                return []
            row, job = found
            return [presentation.story_event(row, one) for one in work.job_events.after(job.id, version, _STORY_PART)]
