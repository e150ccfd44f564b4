"""One file per aggregate. Importing this package fills `Base.metadata`."""

from db.models.access import ApiKey, AuditEntry
from db.models.artifact import Artifact, Blob
from db.models.calibration import Calibration
from db.models.event import Event
from db.models.exploration import Exploration, FrontEntryRow
from db.models.idempotency import IdempotencyKey
from db.models.job import Job
from db.models.job_event import JobEvent, JobEventKind
from db.models.job_log import JobLogLine
from db.models.licence import LicencePool
from db.models.measurement import Measurement, Suggestion
from db.models.project import Project, Report, Run
from db.models.sweep import Sweep
from db.models.upload import Upload

__all__ = [
    "ApiKey",
    "Artifact",
    "AuditEntry",
    "Blob",
    "Calibration",
    "Event",
    "Exploration",
    "FrontEntryRow",
    "IdempotencyKey",
    "Job",
    "JobEvent",
    "JobEventKind",
    "JobLogLine",
    "LicencePool",
    "Measurement",
    "Project",
    "Report",
    "Run",
    "Suggestion",
    "Sweep",
    "Upload",
]
