"""Keeps processes alive beside this one, and takes them along when this one goes, however it goes."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from db.session import Database
from db.settings import ARTIFACTS_VARIABLE, BROKER_VARIABLE, DATABASE_VARIABLE
from spec.errors import FlexDSEError
from workers.holders import new_worker_id
from workers.limits import JobLimits
from workers.worker import ALL_QUEUES, DEFAULT_LEASE_S

logger = logging.getLogger("flexdse.supervise")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 15.0
_STABLE_AFTER_S = 60.0
_STOP_PATIENCE_S = 5.0
_START_S = 120.0  # to load its modules from a slow disk, on a busy machine
_WATCH_INTERVAL_S = 1.0
_SLEPT_S = 10.0  # we did not run for that long ourselves: nobody else can be blamed for silence
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # resolved before any fork


class Service(ABC):
    """A program that is to run all the time."""

    name: str
    silence_s: float | None = None  # it writes to a pipe while it lives; silent for so long, it is killed

    @abstractmethod
    def command(self, alive_fd: int) -> Sequence[str]:
        """What to start, once more. `alive_fd` is the pipe to write to."""

    def environment(self) -> Mapping[str, str]:
        """Variables for it beside ours: what holds a password must not stand in a command line that all can read."""
        return {}

    def ended(self, ran_s: float) -> None:  # noqa: B027  (most have nothing to do)
        """Called in a thread after an unexpected end, before the next start."""

    def removed(self) -> None:  # noqa: B027
        """Called after the last end."""


@dataclass(eq=False)
class WorkerService(Service):
    """A worker. Stopped in the middle of a transaction it would hold up everybody who shares its SQLite file, so one
    that is silent for two leases is killed; its job has another holder by then."""

    database: Database
    artifacts_url: str
    broker_url: str | None
    work: Path
    queues: Sequence[str] = ALL_QUEUES
    lease_s: float = DEFAULT_LEASE_S
    limits: JobLimits = field(default_factory=JobLimits)
    bodies: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.name = f"worker for {', '.join(self.queues)}"
        self.silence_s = max(2 * self.lease_s, 5.0)
        self._worker_id = ""

    def command(self, alive_fd: int) -> Sequence[str]:
        """A worker with a name of its own."""
        self._worker_id = new_worker_id()
        options: dict[str, object] = {
            "--work": self.work,
            "--queues": ",".join(self.queues),
            "--lease-s": self.lease_s,
            "--cpus": self.limits.cpus,
            "--memory-bytes": self.limits.memory_bytes,
            "--time-s": self.limits.time_s,
            "--worker-id": self._worker_id,
            "--parent-pid": os.getpid(),
            "--alive-fd": alive_fd,
        }
        # -P: a folder called `workers` where the user happens to stand must not hide ours
        command = [sys.executable, "-P", "-m", "workers.runner"]
        for option, value in options.items():
            command += [option, str(value)] if value is not None else []
        for kind, body in self.bodies.items():
            command += ["--body", f"{kind}={body}"]
        return command

    def environment(self) -> Mapping[str, str]:
        """The three addresses."""
        return {
            DATABASE_VARIABLE: self.database.url.render_as_string(hide_password=False),
            ARTIFACTS_VARIABLE: self.artifacts_url,
            BROKER_VARIABLE: self.broker_url or "",
        }

    def ended(self, ran_s: float) -> None:
        """Its job need not wait for the end of the lease: we saw the worker die, and its own process with it."""
        try:
            with self.database.write() as work:
                work.jobs.lose_held(self._worker_id)
        except FlexDSEError as error:
            logger.error("%s", error)  # then the lease runs out


def _die_with(parent_pid: int) -> Callable[[], None]:
    def before_exec() -> None:
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:
            os._exit(1)

    return before_exec


class Supervisor:
    """Starts services and restarts those that die. Lives in the event loop of the main thread.

    The main thread, because the kernel ends a child together with the thread that started it.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        self._services = tuple(services)
        self._running: dict[Service, asyncio.subprocess.Process] = {}
        self._keepers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Starts to keep them."""
        self._keepers = [asyncio.create_task(self._keep(service)) for service in self._services]

    async def stop(self) -> None:
        """Lets them end in order, and kills whoever takes too long: workers first, then what they need."""
        keepers, self._keepers = self._keepers, []
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        workers = [service for service in self._services if isinstance(service, WorkerService)]
        await asyncio.gather(*(self._end(worker) for worker in workers))
        await asyncio.gather(*(self._end(service) for service in self._services))
        if keepers:
            for service in self._services:
                service.removed()

    async def _end(self, service: Service) -> None:
        process = self._running.get(service)
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_PATIENCE_S)
        except TimeoutError:
            logger.warning("the %s does not stop by itself", service.name)
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _keep(self, service: Service) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            started_s = time.monotonic()
            code = await self._run_once(service)
            ran_s = time.monotonic() - started_s
            if ran_s > _STABLE_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            logger.error("the %s ended (%s); another one follows in %.1f s", service.name, how, pause_s)
            await asyncio.to_thread(service.ended, ran_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _run_once(self, service: Service) -> int:
        """Its exit code, negative for a signal."""
        reader, writer = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *service.command(writer),
                stdin=asyncio.subprocess.DEVNULL,
                process_group=0,  # Ctrl-C reaches us alone, who then stop everybody in order
                pass_fds=(writer,),
                env={**os.environ, **service.environment()},
                preexec_fn=_die_with(os.getpid()),
            )
        except BaseException:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._running[service] = process
        watch = asyncio.create_task(_watch(process, reader, service))
        try:
            return await process.wait()
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


async def _watch(process: asyncio.subprocess.Process, reader: int, service: Service) -> None:
    """Kills the process when it does not say any more that it lives."""
    heard_s = checked_s = time.monotonic()
    heard = False
    os.set_blocking(reader, False)
    try:
        while service.silence_s is not None:
            await asyncio.sleep(_WATCH_INTERVAL_S)
            now_s = time.monotonic()
            with suppress(BlockingIOError):
                if os.read(reader, 65536):
                    heard, heard_s = True, now_s
            if now_s - checked_s > _SLEPT_S:
                heard_s = now_s
            checked_s = now_s
            patience_s = service.silence_s if heard else max(_START_S, service.silence_s)
            if now_s - heard_s > patience_s:
                logger.error("the %s has been silent for %.0f s and is killed", service.name, patience_s)
                with suppress(ProcessLookupError):
                    process.kill()
                return
    finally:
        os.close(reader)
