"""What one key may have at the same time."""

from __future__ import annotations

from api.access.principal import Principal
from api.problems import QuotaError
from db.job_state import JobState
from db.session import UnitOfWork


def check_jobs(work: UnitOfWork, principal: Principal, adding: int = 1) -> None:
    """Room for more jobs.

    Raises:
        QuotaError: too many are queued or running.
    """
    if principal.limits is None:
        return
    counts = work.jobs.count_by_state(principal.owner)
    active = counts.get(JobState.QUEUED, 0) + counts.get(JobState.RUNNING, 0)
    _check("active jobs", active + adding, principal.limits.active_jobs, "wait until some end, or cancel them")


def check_uploads(work: UnitOfWork, principal: Principal) -> None:
    """Room for one more device or model.

    Raises:
        QuotaError: there are too many.
    """
    if principal.limits is None:
        return
    count = sum(len(work.uploads.list(principal.owner, kind)) for kind in ("device", "model"))
    _check("uploads", count + 1, principal.limits.uploads, "delete some that are not needed")


def check_storage(work: UnitOfWork, principal: Principal) -> None:
    """Room for more artifacts: what a job makes is not known before, so this asks what is there already.

    Raises:
        QuotaError: there is no room left.
    """
    if principal.limits is None:
        return
    used = work.artifacts.used_bytes(principal.owner)
    if used >= principal.limits.stored_bytes:
        _check("stored bytes", used + 1, principal.limits.stored_bytes, "delete projects or artifacts")


def _check(what: str, wanted: int, limit: int, hint: str) -> None:
    if wanted > limit:
        raise QuotaError(
            f"this key has no room for more: {what}",
            field="quota",
            value=wanted,
            rule=f"at most {limit} {what} with this key",
            hint=hint,
        )
