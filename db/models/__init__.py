"""One file per aggregate. Importing this package fills `Base.metadata`."""

from db.models.exploration import Exploration, FrontEntryRow
from db.models.idempotency import IdempotencyKey
from db.models.job import Job

__all__ = ["Exploration", "FrontEntryRow", "IdempotencyKey", "Job"]
