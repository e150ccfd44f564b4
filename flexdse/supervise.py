"""Keeps one worker process alive beside the server, and takes it along when the server goes."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from db.session import Database
from spec.errors import FlexDSEError
from workers.runner import DEFAULT_LEASE_S, new_worker_id

logger = logging.getLogger("flexdse.serve")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
_STABLE_AFTER_S = 60.0
_STOP_PATIENCE_S = 1.5


class WorkerSupervisor:
    """Starts a worker, restarts it when it dies. Lives in the event loop of the main thread.

    The main thread, because the kernel ends the worker together with the thread that started it.
    """

    def __init__(
        self, database: Database, *, lease_s: float = DEFAULT_LEASE_S, bodies: Mapping[str, str] | None = None
    ) -> None:
        self._database = database
        self._options = ["--lease-s", str(lease_s)]
        for kind, body in (bodies or {}).items():
            self._options += ["--body", f"{kind}={body}"]
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the worker that runs now."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def start(self) -> None:
        """Starts to keep a worker."""
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Lets the worker give its job back, or kills it if that takes too long."""
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_PATIENCE_S)
        except TimeoutError:
            logger.warning("the worker does not stop by itself")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            worker_id = new_worker_id()
            started_s = time.monotonic()
            self._process = await self._spawn(worker_id)
            code = await self._process.wait()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            logger.error("the worker ended (%s); another one follows in %.1f s", how, pause_s)
            await asyncio.to_thread(self._release, worker_id)
            await asyncio.sleep(pause_s)
            stable = time.monotonic() - started_s > _STABLE_AFTER_S
            pause_s = _FIRST_PAUSE_S if stable else min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _spawn(self, worker_id: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a folder called `workers` where the user happens to stand must not hide ours
            "-m",
            "workers.runner",
            "--database",
            self._database.url.render_as_string(hide_password=False),
            "--worker-id",
            worker_id,
            "--parent-pid",
            str(os.getpid()),
            *self._options,
            stdin=asyncio.subprocess.DEVNULL,
            process_group=0,  # Ctrl-C reaches the server alone, which then stops the worker in order
        )

    def _release(self, worker_id: str) -> None:
        """Its job need not wait for the end of the lease: we saw the worker die, and its own process with it."""
        try:
            with self._database.write() as work:
                work.jobs.lose_held(worker_id)
        except FlexDSEError as error:
            logger.error("%s", error)  # then the lease runs out
