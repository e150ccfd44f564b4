"""The doorbell: tells workers that there is something in the queue, by Celery over Redis or Valkey.

A message holds the id of a job and nothing else. It may be lost, doubled or late: workers ask the database what there is
to do, and ask it now and then even if nobody rang.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from db.repositories.outbox import QueuedJob

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger("flexdse.bell")

BrokerState = Literal["none", "ok", "degraded"]

RING_TASK = "flexdse.ring"
_EXPIRES_S = 120.0  # an old ring tells nothing new
_CLOSED = QueuedJob("", "", 0)  # the last in the line
_FIRST_S = 1.0  # without a ring, before Celery is loaded: whoever just starts has better things to do
_CHECK_S = 5.0  # how soon a broker that was lost, or came back, is noticed
TRANSPORT_OPTIONS: dict[str, Any] = {
    "global_keyprefix": "flexdse:",
    "socket_connect_timeout": 3,
    "socket_keepalive": True,
    "socket_timeout": 5,
}
_importing = threading.Lock()  # its package replaces itself while it is imported, which two threads must not see
_PENDING = 10_000  # rings that wait to be sent; what is beyond would find the workers busy for long anyway


def celery_app(broker_url: str) -> Celery:
    """The Celery application of sender and workers. Celery is imported here: it takes a while, and not all need it."""
    with _importing:
        from celery import Celery

    app = Celery("flexdse", broker=broker_url)
    app.conf.update(
        accept_content=["json"],
        broker_connection_max_retries=None,
        broker_connection_retry_on_startup=True,
        broker_transport_options=dict(TRANSPORT_OPTIONS),
        # Early: the row keeps the job alive, and an ack that comes late would ring again and again for a long job.
        task_acks_late=False,
        task_ignore_result=True,
        task_publish_retry=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_disable_prefetch=True,  # a ring in the hands of a busy worker would be lost on an idle one
        worker_hijack_root_logger=False,
        worker_prefetch_multiplier=1,
        worker_redirect_stdouts=False,
    )
    return app


class Bell:
    """Rings from a thread of its own: whoever submits a job waits for no broker and fails with none."""

    def __init__(self, broker_url: str | None) -> None:
        self._url = broker_url
        self._pending: queue.Queue[QueuedJob] = queue.Queue(_PENDING)
        self._answers = False
        self._thread: threading.Thread | None = None
        if broker_url is not None:
            self._thread = threading.Thread(target=self._run, args=(broker_url,), name="bell", daemon=True)
            self._thread.start()

    def state(self) -> BrokerState:
        """`none`: there is no broker, workers ask the database; `degraded`: there should be one, and they have to."""
        if self._url is None:
            return "none"
        return "ok" if self._answers else "degraded"

    def ring(self, jobs: Sequence[QueuedJob]) -> None:
        """Rings for each of the jobs, soon; never waits, never fails."""
        if self._thread is None:
            return
        try:
            for job in jobs:
                self._pending.put_nowait(job)
        except queue.Full:
            logger.warning("too many rings wait for the broker; workers will find the jobs by themselves")

    def close(self) -> None:
        """No more rings; what waits is sent if the broker answers."""
        if self._thread is not None:
            try:
                self._pending.put_nowait(_CLOSED)
            except queue.Full:
                return
            self._thread.join(2.0)

    def _run(self, url: str) -> None:
        waiting = self._next(_FIRST_S)
        if waiting is _CLOSED:
            return
        app = celery_app(url)
        next_check_s = 0.0
        with app.connection_for_write() as connection:
            while True:
                if time.monotonic() >= next_check_s:
                    self._set(_answers(connection))
                    next_check_s = time.monotonic() + _CHECK_S
                job, waiting = waiting or self._next(_CHECK_S), None
                if job is _CLOSED:
                    return
                if job is None or not self._answers:
                    continue  # dropped: the job is safe, and who comes back to life looks for what is queued
                try:
                    app.send_task(RING_TASK, (job.id,), queue=job.queue, expires=_EXPIRES_S)
                except Exception as error:  # whatever it is, no job depends on it
                    logger.warning("the broker did not take a ring: %s", error)
                    self._set(False)

    def _next(self, timeout_s: float) -> QueuedJob | None:
        """The next ring to send; None if there is none for that long."""
        try:
            return self._pending.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _set(self, answers: bool) -> None:
        if answers != self._answers:
            logger.info("the broker answers") if answers else logger.warning("the broker does not answer")
        self._answers = answers


def _answers(connection: Any) -> bool:
    try:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=3)
        connection.default_channel.client.ping()
    except Exception:
        connection.collapse() if hasattr(connection, "collapse") else None
        return False
    return True
