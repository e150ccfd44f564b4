"""The worker's ear for the bell: a Celery worker in a thread, whose only task is to wake up the main thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from workers.bell import RING_TASK, celery_app

logger = logging.getLogger("flexdse.ear")

_TICK_S = 0.1  # how soon a stop is noticed
_CLOSE_PATIENCE_S = 0.3
_NEW_EAR_AFTER_S = 5.0


class Rings:
    """Between the ear and the one who works: a ring is answered once the queue was looked into after it.

    Until then the ear takes no other ring, so those go to workers who have nothing to do.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._changed = threading.Condition()
        self._rung = False
        self._answered = 0

    def ring(self) -> None:
        """Rings and waits for the answer."""
        with self._changed:
            self._rung = True
            before = self._answered
            self._changed.notify_all()
            while self._answered == before and not self._stop.is_set():
                self._changed.wait(_TICK_S)

    def wait(self, timeout_s: float) -> None:
        """Whoever works has found the queue empty, and waits for a ring, for that long at most."""
        end_s = time.monotonic() + timeout_s
        with self._changed:
            # A ring that came while the queue was looked into is still to be answered: `_rung` stays.
            self._answered += 1
            self._changed.notify_all()
            while not self._rung and not self._stop.is_set() and (left_s := end_s - time.monotonic()) > 0:
                self._changed.wait(min(left_s, _TICK_S))
            self._rung = False


class Ear:
    """Listens at the queues until it is closed, whatever becomes of the broker meanwhile."""

    def __init__(self, broker_url: str, queues: Sequence[str], worker_id: str, rings: Rings) -> None:
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._listen, args=(broker_url, tuple(queues), worker_id, rings), name="ear", daemon=True
        )

    def open(self) -> None:
        """Begins to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stops listening. A broker that hangs is not waited for."""
        if self._thread.is_alive():
            from celery.worker import state

            self._closed.set()
            state.should_stop = 0
            self._thread.join(_CLOSE_PATIENCE_S)

    def _listen(self, broker_url: str, queues: tuple[str, ...], worker_id: str, rings: Rings) -> None:
        app = celery_app(broker_url)  # first: it imports Celery so that threads do not get into each other's way
        from celery.worker import WorkController

        for name in ("celery.worker.consumer.consumer", "celery.worker.consumer.connection"):
            logging.getLogger(name).addFilter(_without_traceback)
        while not self._closed.is_set():

            @app.task(name=RING_TASK)  # type: ignore[untyped-decorator]
            def ring(job_id: str) -> None:
                logger.debug("job %s", job_id)
                rings.ring()

            with suppress(SystemExit):
                WorkController(
                    app=app,
                    hostname=f"flexdse@{worker_id}",
                    # In the loop of the consumer itself: while a ring is not answered it takes no other one, and it
                    # takes the next at once.
                    pool="solo",
                    queues=list(queues),
                    loglevel="WARNING",
                    without_gossip=True,
                    without_heartbeat=True,
                    without_mingle=True,
                ).start()
            if not self._closed.wait(_NEW_EAR_AFTER_S):
                logger.warning("listens for rings again")
                app = celery_app(broker_url)


def _without_traceback(record: logging.LogRecord) -> bool:
    # A broker that is lost is an incident, not a bug: one line says it.
    record.exc_info = None
    return True
