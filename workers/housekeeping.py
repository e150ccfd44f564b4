"""What has to be done now and then, by anybody and as often as they like: every step is idempotent."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from db.artifacts import ArtifactMissing, ArtifactStore
from db.base import utc_now
from db.session import Database
from spec.errors import FlexDSEError, InputError
from workers.bell import Bell
from workers.enqueue import feed_sweep
from workers.holders import release_dead

logger = logging.getLogger("flexdse.housekeeping")

ROUND_S = 5.0
RING_AGAIN = timedelta(seconds=30)
RING_AT_MOST = 32  # jobs of each queue: whoever ends a job takes the next one unasked
_RETENTION_S = 3600.0
_DAY_S = 86_400.0

DAYS_VARIABLE = "FLEXDSE_ARTIFACTS_DAYS"
GIB_VARIABLE = "FLEXDSE_ARTIFACTS_GIB"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, and how much. None: for ever, and as much as there is room for."""

    idempotency_days: float = 1.0
    event_days: float | None = 30.0
    job_story_days: float | None = 7.0
    job_log_days: float | None = 90.0
    audit_days: float | None = 365.0
    artifact_days: float | None = None
    artifact_bytes: int | None = None

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ) -> Retention:
        """As FLEXDSE_ARTIFACTS_DAYS and FLEXDSE_ARTIFACTS_GIB say; the rest as it is here.

        Raises:
            InputError: one of them is no positive number.
        """
        days, gib = _positive(environment, DAYS_VARIABLE), _positive(environment, GIB_VARIABLE)
        return Retention(artifact_days=days, artifact_bytes=round(gib * 2**30) if gib is not None else None)


def _positive(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(
            "not a positive number", field=name, value=text, rule="must be above 0", hint="unset it: no limit then"
        )
    return value


@dataclass(frozen=True, slots=True)
class Swept:
    """What retention took away."""

    idempotency_keys: int = 0
    events: int = 0
    job_story_events: int = 0
    job_log_lines: int = 0
    audit_entries: int = 0
    artifacts: int = 0
    blobs: int = 0
    staged_files: int = 0


def recover(database: Database, bell: Bell) -> int:
    """Takes back lost leases and rings again for jobs that still wait; the number of leases."""
    lost = release_dead(database)
    with database.read() as work:
        expired = work.jobs.has_expired()
    if expired:
        with database.write() as work:
            lost += work.jobs.lose_expired()
    if lost:
        logger.warning("%d leases were lost", lost)
    if bell.state() == "ok":
        with database.write() as work:
            again = work.jobs.ring_again(RING_AGAIN, RING_AT_MOST)
        bell.ring(again)
    return lost


def feed_sweeps(database: Database) -> int:
    """Submits the cases of sweeps that may start now: their window is open and others of theirs have ended; how many."""
    with database.read() as work:
        waiting = work.sweeps.has_waiting()
    if not waiting:
        return 0
    now = utc_now()
    with database.write() as work:
        fed = sum(feed_sweep(work, sweep, now) for sweep in work.sweeps.take_waiting())
    if fed:
        logger.info("%d explorations of sweeps were submitted", fed)
    return fed


def finish_publishing(database: Database, store: ArtifactStore) -> int:
    """Renames what a worker staged and committed, but died before it renamed; the number of files."""
    staged = list(store.staged())
    if not staged:
        return 0
    with database.read() as work:
        known = work.artifacts.known_blobs(staged)
    for sha256 in known:
        try:
            store.publish(sha256)
        except ArtifactMissing:  # its worker was quicker
            continue
    return len(known)


def sweep(database: Database, store: ArtifactStore, retention: Retention, *, grace_s: float = _DAY_S) -> Swept:
    """Deletes what is older than it need be, and bytes that nobody names.

    `grace_s`: bytes that are younger stay, because a job that is about to end may name them.
    """
    now = utc_now()

    def before(days: float) -> timedelta:
        return timedelta(days=days)

    with database.write() as work:
        keys = work.idempotency_keys.purge(now - before(retention.idempotency_days))
        events = (
            work.events.delete_before(now - before(retention.event_days)) if retention.event_days is not None else 0
        )
        audit = work.audit.delete_before(now - before(retention.audit_days)) if retention.audit_days is not None else 0
        lines = stories = 0
        if retention.job_story_days is not None:
            stories = work.job_events.delete_of_jobs_finished_before(now - before(retention.job_story_days))
        if retention.job_log_days is not None:
            lines = work.job_logs.delete_of_jobs_finished_before(now - before(retention.job_log_days))
        oldest = now - before(retention.artifact_days) if retention.artifact_days is not None else None
        artifacts = work.artifacts.delete_expired(now, oldest)
        if retention.artifact_bytes is not None:
            artifacts += work.artifacts.delete_oldest(retention.artifact_bytes)
    blobs = 0
    while True:
        with database.write() as work:
            # Deleted while their rows are locked: whoever stores the same bytes waits for us, and stores them anew.
            unused = work.artifacts.take_unused_blobs(now - timedelta(seconds=grace_s))
            for sha256 in unused:
                store.delete(sha256, older_than_s=grace_s)
        blobs += len(unused)
        if not unused:
            break
    with database.read() as work:
        known = work.artifacts.known_blobs(list(store.staged()))
    return Swept(keys, events, stories, lines, audit, artifacts, blobs, store.sweep_staged(known, grace_s))


class Housekeeper:
    """Does the rounds until it is stopped."""

    def __init__(self, database: Database, store: ArtifactStore, bell: Bell, retention: Retention) -> None:
        self._database = database
        self._store = store
        self._bell = bell
        self._retention = retention
        self._next_sweep_s = time.monotonic() + _RETENTION_S

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set."""
        while not stop.wait(ROUND_S):
            try:
                self.round()
            except FlexDSEError as error:
                logger.error("%s", error)
            except Exception:  # the next round may do better, and nobody else would do it
                logger.exception("housekeeping failed")

    def round(self) -> None:
        """Whatever is due."""
        recover(self._database, self._bell)
        feed_sweeps(self._database)
        finish_publishing(self._database, self._store)
        if time.monotonic() >= self._next_sweep_s:
            self._next_sweep_s = time.monotonic() + _RETENTION_S
            logger.info("swept: %s", sweep(self._database, self._store, self._retention))
