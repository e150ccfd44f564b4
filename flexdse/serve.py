"""`flexdse serve`: server and worker on one data folder, all gone when this process goes."""

from __future__ import annotations

import argparse
import asyncio
import errno
import ipaddress
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn

from api.app import create_app, stop_streams
from api.gate import host_name
from api.settings import ApiSettings
from db.data_folder import HomeLock, database_url, locked_home, prepare_home
from db.migrations import upgrade
from db.session import Database
from flexdse.supervise import WorkerSupervisor
from spec.errors import FlexDSEError, InputError
from workers.logs import log_to_stderr
from workers.parent import die_with_parent
from workers.runner import DEFAULT_LEASE_S

logger = logging.getLogger("flexdse.serve")

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
_PORTS_TO_TRY = 50
_GRACEFUL_SHUTDOWN_S = 2


def _check_host(host: str) -> None:
    if host == "localhost":
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise InputError(
        "only this machine can be served so far",
        field="host",
        value=host,
        rule="must be a loopback address: 127.0.0.1, ::1 or localhost, as there is no authentication yet",
        hint="leave it out, and reach the service from elsewhere through an SSH tunnel",
    )


def _bind(host: str, port: int, *, strict_port: bool) -> socket.socket:
    """A listening socket at `port`, or at the next free one.

    Raises:
        InputError: the port is none, may not be used, or is taken.
    """
    if not 0 <= port <= 65535:
        raise InputError("no such port", field="port", value=port, rule="0 to 65535; 0 takes any free one")
    last = port if strict_port or port == 0 else min(port + _PORTS_TO_TRY, 65535)
    for candidate in range(port, last + 1):
        try:
            return _listen(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise InputError(
                    f"the port cannot be used: {error.strerror}",
                    field="port",
                    value=candidate,
                    rule="must be a port that this user may listen on",
                    hint="take a port from 1024 up",
                ) from error
            logger.warning("port %d is in use%s", candidate, "" if candidate == last else ", trying the next one")
    raise InputError(
        "the port is in use" if strict_port else "no port is free",
        field="port",
        value=port,
        rule="must be free" if strict_port else f"one of {port} to {last} must be free",
        hint="stop the program that listens there, or name another port; 0 takes any free one",
    )


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        # A port whose last server just ended is free; one that somebody listens on is still refused.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: the worker has to stop too, so signals are ours."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None], on_stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self._on_stopping = on_stopping

    @contextmanager
    def capture_signals(self) -> Any:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stopping()
        await super().shutdown(sockets)


async def _run(
    listener: socket.socket, database: Database, supervisor: WorkerSupervisor, on_ready: Callable[[], None]
) -> None:
    settings = ApiSettings(database_url=database.url.render_as_string(hide_password=False))
    # Another loopback address than the usual ones is a name that this server answers to as well.
    own_name = host_name(_url(listener).removeprefix("http://"))
    app = create_app(settings.model_copy(update={"allowed_hosts": settings.allowed_hosts | {own_name}}))
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
    )
    server = _Server(config, on_ready, lambda: stop_streams(app))

    def ask_to_stop() -> None:
        if server.should_exit:
            server.force_exit = True  # asked twice: do not wait for anybody
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop)
    supervisor.start()
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not serving.done() and not server.should_exit:
            await asyncio.wait([serving], timeout=0.1)
        # Both at once: each may need a second.
        await asyncio.gather(serving, supervisor.stop())
    finally:
        await supervisor.stop()


def serve(
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    home: Path,
    on_ready: Callable[[str], None] | None = None,
    strict_port: bool = False,
    lease_s: float = DEFAULT_LEASE_S,
    bodies: Mapping[str, str] | None = None,
) -> None:
    """Serves from the data folder `home`, in the main thread, until SIGINT or SIGTERM.

    Args:
        on_ready: called with the address once requests are answered.
        strict_port: refuse a port that is taken, instead of taking the next free one.
        lease_s: how long a worker may stay silent before its job is given to another.
        bodies: kind of job -> `module:function` that runs instead of ours.

    Raises:
        InputError: the host, port or data folder cannot be used.
        DatabaseError: the database cannot be used.
    """
    _check_host(host)
    home = prepare_home(home)
    with locked_home(home) as lock:
        url = database_url(home)
        upgrade(url)
        database = Database(url)
        try:
            with database.write() as work:
                # We hold the folder, so whoever worked here before is gone: its job need not wait for its lease.
                work.jobs.lose_held()
            with _bind(host, port, strict_port=strict_port) as listener:
                _serve_on(
                    listener, lock, database, on_ready, WorkerSupervisor(database, lease_s=lease_s, bodies=bodies)
                )
        finally:
            database.close()


def _serve_on(
    listener: socket.socket,
    lock: HomeLock,
    database: Database,
    on_ready: Callable[[str], None] | None,
    supervisor: WorkerSupervisor,
) -> None:
    address = _url(listener)

    def ready() -> None:
        lock.tell({"pid": os.getpid(), "url": address})
        logger.info("serving %s from %s", address, database.url.database)
        if on_ready is not None:
            on_ready(address)

    asyncio.run(_run(listener, database, supervisor, ready))
    logger.info("stopped")


class BackgroundService:
    """A server in a process of its own; it ends with `stop`, and with this process in any case."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self.url = url

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self, patience_s: float = 5.0) -> int:
        """Stops server and worker; the exit code."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start_background(
    *,
    home: Path,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    strict_port: bool = False,
    lease_s: float = DEFAULT_LEASE_S,
    bodies: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> BackgroundService:
    """Starts `serve` in a process of its own and waits until it answers. Its log goes to our stderr, or to `log`.

    Call it from a thread that lives as long as the service shall: the kernel ends the service with that thread.

    Raises:
        FlexDSEError: the service cannot start, with the service's own message.
    """
    reader, writer = os.pipe()
    options: dict[str, Any] = {
        "home": str(home),
        "host": host,
        "port": port,
        "strict_port": strict_port,
        "lease_s": lease_s,
        "bodies": dict(bodies or {}),
    }
    command = [sys.executable, "-P", "-m", "flexdse.serve", str(os.getpid()), str(writer), json.dumps(options)]
    try:
        with log.open("ab") if log is not None else nullcontext() as stream:
            process = subprocess.Popen(
                command, pass_fds=(writer,), stdin=subprocess.DEVNULL, stderr=stream, process_group=0
            )
    finally:
        os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as answer:
        line = answer.readline()
    if not line:
        raise FlexDSEError(f"the service ended at once (exit code {process.wait()})", hint="its log says why")
    told = json.loads(line)
    if "url" not in told:
        process.wait()
        raise (
            InputError(told["message"]) if told["exit_code"] == InputError.exit_code else FlexDSEError(told["message"])
        )
    return BackgroundService(process, told["url"])


def _serve_in_background(arguments: list[str]) -> int:
    """The other end of `start_background`: PARENT_PID PIPE_FD OPTIONS."""
    parser = argparse.ArgumentParser(prog="python -m flexdse.serve")
    parser.add_argument("parent_pid", type=int)
    parser.add_argument("pipe", type=int)
    parser.add_argument("options", type=json.loads)
    given = parser.parse_args(arguments)
    die_with_parent(given.parent_pid)
    os.set_inheritable(given.pipe, False)  # the worker must not keep it open
    log_to_stderr()

    pipe = os.fdopen(given.pipe, "w", encoding="utf-8")

    def tell(facts: dict[str, Any]) -> None:
        if not pipe.closed:
            with suppress(BrokenPipeError), pipe:
                pipe.write(json.dumps(facts) + "\n")

    try:
        home = Path(given.options.pop("home"))
        serve(home=home, on_ready=lambda url: tell({"url": url}), **given.options)
    except FlexDSEError as error:
        tell({"message": str(error), "exit_code": error.exit_code})
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(_serve_in_background(sys.argv[1:]))
