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
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from pydantic import SecretStr

from api.access.local_token import ensure_token
from api.app import create_app, stop_streams
from api.gate import host_name
from api.settings import LOOPBACK_NAMES, ApiSettings
from db.artifacts import ArtifactStore
from db.data_folder import HomeLock, locked_home, prepare_home, private_files
from db.migrations import upgrade
from db.session import Database
from db.settings import WORK_NAME, Locations
from flexdse.supervise import Service, Supervisor, WorkerService
from flexdse.valkey import ValkeyService, valkey_program
from spec.errors import FlexDSEError, InputError
from workers.bell import Bell
from workers.enqueue import Queue
from workers.holders import release_dead
from workers.housekeeping import Housekeeper, Retention
from workers.logs import log_to_stderr
from workers.parent import die_with_parent
from workers.worker import DEFAULT_LEASE_S

logger = logging.getLogger("flexdse.serve")

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
_PORTS_TO_TRY = 50
_GRACEFUL_SHUTDOWN_S = 2

# One worker each: what takes seconds must not wait for what takes minutes, nor that for a search that takes hours.
WORKER_QUEUES = ((Queue.SEARCH,), (Queue.CSIM,), (Queue.SIMULATE, Queue.SYNTHESIZE))


def is_loopback(host: str) -> bool:
    """Only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_host(host: str, *, authentication: bool) -> None:
    if is_loopback(host):
        return
    if not authentication:
        raise InputError(
            "only this machine can be served without authentication",
            field="host",
            value=host,
            rule="--no-auth needs a loopback address: 127.0.0.1, ::1 or localhost",
            hint="leave out --no-auth, or leave out --host and use an SSH tunnel",
        )
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise InputError(
            "no address to listen on",
            field="host",
            value=host,
            rule="an IP address of this machine, or localhost; 0.0.0.0 for all of them",
            hint="give the name that users type as --allowed-host",
        ) from error


def _own_names(listener: socket.socket, host: str) -> frozenset[str]:
    """The names that requests may call this server by, unless told others."""
    own = {host_name(_url(listener).removeprefix("http://"))}
    if not is_loopback(host):
        own |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return LOOPBACK_NAMES | own


def _bind(host: str, port: int, *, strict_port: bool) -> socket.socket:
    """A listening socket at `port`, or at the next free one.

    Raises:
        InputError: the port is none, may not be used, or is taken.
    """
    if not 0 <= port <= 65535:
        raise InputError(
            "no such port",
            field="port",
            value=port,
            rule="0 to 65535; 0 takes any free one",
            hint=f"leave it out for {DEFAULT_PORT} or the next free one",
        )
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


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server answers, and the token that opens it (None: --no-auth)."""

    url: str
    token: str | None

    def login_url(self, path: str = "/") -> str:
        """What to open in a browser: the server takes the token out of the address and keeps a cookie in its place."""
        if self.token is None:
            return f"{self.url}{path}"
        return f"{self.url}{path}{'&' if '?' in path else '?'}token={self.token}"

    @property
    def headers(self) -> dict[str, str]:
        """What a program sends along."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


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
    listener: socket.socket, settings: ApiSettings, supervisor: Supervisor, on_ready: Callable[[], None]
) -> None:
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACEFUL_SHUTDOWN_S,
    )

    def started() -> None:
        supervisor.start()  # only now: they would compete with the server for the first second
        on_ready()

    server = _Server(config, started, lambda: stop_streams(app))

    def ask_to_stop() -> None:
        if server.should_exit:
            server.force_exit = True  # asked twice: do not wait for anybody
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop)
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
    on_ready: Callable[[Address], None] | None = None,
    strict_port: bool = False,
    authentication: bool = True,
    allowed_hosts: Collection[str] = (),
    lease_s: float = DEFAULT_LEASE_S,
    workers: bool = True,
    bodies: Mapping[str, str] | None = None,
) -> None:
    """Serves from the data folder `home`, in the main thread, until SIGINT or SIGTERM.

    Database, broker and artifacts are those of the environment (see `db.settings`), else in the data folder.

    Args:
        on_ready: called with the address once requests are answered.
        strict_port: refuse a port that is taken, instead of taking the next free one.
        authentication: ask for the token of the data folder or an API key; without, only on a loopback address.
        allowed_hosts: further names that requests may call this server by.
        lease_s: how long a worker may stay silent before its job is given to another.
        workers: do the work too; without, others have to (`flexdse worker`).
        bodies: kind of job -> `module:function` that runs instead of ours.

    Raises:
        InputError: the host, port or data folder cannot be used.
        DatabaseError: the database cannot be used.
    """
    _check_host(host, authentication=authentication)
    locations = Locations.of(home)  # refuses a name before anything is made
    home = prepare_home(home)
    # Whatever the folder allows to others.
    with private_files() if locations.is_local else nullcontext(), locked_home(home) as lock:
        upgrade(locations.database_url)
        valkey = _embedded_broker(home) if locations.broker_url is None and workers else None
        broker_url = valkey.url if valkey is not None else locations.broker_url
        bell = Bell(broker_url)
        database = Database(locations.database_url, bell.ring)
        stop_housekeeping = threading.Event()
        try:
            # Whoever worked here before is gone: its job need not wait for its lease.
            release_dead(database)
            token = ensure_token(home) if authentication else None
            store = ArtifactStore.open(locations.artifacts_url)
            with _bind(host, port, strict_port=strict_port) as listener:
                settings = ApiSettings(
                    database_url=locations.database_url,
                    broker_url=broker_url,
                    artifacts_url=locations.artifacts_url,
                    token=SecretStr(token) if token is not None else None,
                    authentication=authentication,
                    allowed_hosts=_own_names(listener, host) | {name.lower() for name in allowed_hosts},
                )
                services: list[Service] = [valkey] if valkey is not None else []
                if workers:
                    services += _workers(database, locations, broker_url, home, lease_s, bodies or {})
                housekeeper = Housekeeper(database, store, bell, Retention.of())
                threading.Thread(
                    target=housekeeper.run, args=(stop_housekeeping,), name="housekeeping", daemon=True
                ).start()
                facts = {"broker_url": broker_url} if broker_url is not None else {}
                _serve_on(listener, lock, facts, settings, on_ready, Supervisor(services))
        finally:
            stop_housekeeping.set()
            bell.close()
            database.close()


def _workers(
    database: Database,
    locations: Locations,
    broker_url: str | None,
    home: Path,
    lease_s: float,
    bodies: Mapping[str, str],
) -> list[WorkerService]:
    return [
        WorkerService(
            database,
            locations.artifacts_url,
            broker_url,
            home / WORK_NAME,
            queues=queues,
            lease_s=lease_s,
            bodies=dict(bodies),
        )
        for queues in WORKER_QUEUES
    ]


def _embedded_broker(home: Path) -> ValkeyService | None:
    program = valkey_program()
    if program is None:
        logger.info("no Valkey for this machine: workers ask the database for work")
        return None
    return ValkeyService(program, home)


def _serve_on(
    listener: socket.socket,
    lock: HomeLock,
    facts: Mapping[str, str],
    settings: ApiSettings,
    on_ready: Callable[[Address], None] | None,
    supervisor: Supervisor,
) -> None:
    token = settings.token.get_secret_value() if settings.token is not None else None
    address = Address(_url(listener), token)

    def ready() -> None:
        lock.tell({"pid": os.getpid(), "url": address.url, **facts})
        logger.info("serving %s", address.url)
        if on_ready is not None:
            on_ready(address)

    asyncio.run(_run(listener, settings, supervisor, ready))
    logger.info("stopped")


class BackgroundService:
    """A server in a process of its own; it ends with `stop`, and with this process in any case."""

    def __init__(self, process: subprocess.Popen[bytes], address: Address) -> None:
        self._process = process
        self.address = address

    @property
    def url(self) -> str:
        """Where it answers."""
        return self.address.url

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self, patience_s: float = 20.0) -> int:
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
    authentication: bool = True,
    allowed_hosts: Collection[str] = (),
    lease_s: float = DEFAULT_LEASE_S,
    workers: bool = True,
    bodies: Mapping[str, str] | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> BackgroundService:
    """Starts `serve` in a process of its own and waits until it answers. Its log goes to our stderr, or to `log`.

    `environment`: variables for it beside ours.

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
        "authentication": authentication,
        "allowed_hosts": list(allowed_hosts),
        "lease_s": lease_s,
        "bodies": dict(bodies or {}),
        "workers": workers,
    }
    command = [sys.executable, "-P", "-m", "flexdse.serve", str(os.getpid()), str(writer), json.dumps(options)]
    try:
        with log.open("ab") if log is not None else nullcontext() as stream:
            process = subprocess.Popen(
                command,
                pass_fds=(writer,),
                stdin=subprocess.DEVNULL,
                stderr=stream,
                process_group=0,
                env={**os.environ, **(environment or {})},
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
    return BackgroundService(process, Address(told["url"], told["token"]))


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
        serve(home=home, on_ready=lambda address: tell(asdict(address)), **given.options)
    except FlexDSEError as error:
        tell({"message": str(error), "exit_code": error.exit_code})
        return error.exit_code
    return 0


if __name__ == "__main__":
    exit_code = _serve_in_background(sys.argv[1:])
    # All is stored, closed and told. A thread that still loads Celery, for a bell that nobody rings, is not waited for.
    logging.shutdown()
    sys.stderr.flush()
    os._exit(exit_code)
