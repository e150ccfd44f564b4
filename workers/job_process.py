"""The worker's end of the process of a job (`workers.child` is the other end)."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from db.settings import ARTIFACTS_VARIABLE, BROKER_VARIABLE, DATABASE_VARIABLE
from workers.limits import JobLimits, resident_bytes

_CHUNK_BYTES = 2**20
# They may hold passwords, and neither a job nor the tools that it starts have any use for them.
_SECRET_VARIABLES = frozenset({DATABASE_VARIABLE, BROKER_VARIABLE, ARTIFACTS_VARIABLE})
_MAX_LINE_BYTES = 8_000  # of the log; a longer one is cut
_GUARD_PATIENCE_S = 60.0  # a process in the middle of a disk access dies when that is over


@dataclass(frozen=True, slots=True)
class Message:
    """What the job said: `progress`, `result` or `error`; or `log`, a line that it or a tool of it printed."""

    kind: str
    data: Any


class _Lines:
    """Whole lines out of a pipe."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.ended = False
        self._rest = bytearray()

    def read(self) -> list[bytes]:
        chunk = os.read(self.descriptor, _CHUNK_BYTES)
        if not chunk:
            self.ended = True
            last, self._rest = bytes(self._rest), bytearray()
            return [last] if last else []
        self._rest += chunk
        if b"\n" not in chunk:
            return []
        *lines, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        return [bytes(line) for line in lines]

    def close(self) -> None:
        self.ended = True
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class JobProcess:
    """One job at work. Start it from a thread that outlives it: the kernel kills it when that thread ends."""

    def __init__(
        self,
        body: str,
        job_input: Mapping[str, Any],
        limits: JobLimits | None = None,
        about: Mapping[str, str | int] | None = None,
    ) -> None:
        """Starts it. `about` is said in each line that it logs."""
        limits = limits or JobLimits()
        said, said_writer = os.pipe()
        log, log_writer = os.pipe()
        self._said, self._log = _Lines(said), _Lines(log)
        command = [
            # -P: a folder called `workers` where the user happens to stand must not hide ours.
            *(sys.executable, "-P", "-m", "workers.child"),
            *(str(os.getpid()), str(said_writer), body, json.dumps(asdict(limits)), json.dumps(dict(about or {}))),
        ]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log_writer,
                stderr=log_writer,
                pass_fds=(said_writer,),
                env={name: value for name, value in os.environ.items() if name not in _SECRET_VARIABLES},
                process_group=0,  # killed as a whole, and deaf to the Ctrl-C that the worker gets
            )
        except BaseException:
            self._said.close()
            self._log.close()
            raise
        finally:
            os.close(said_writer)
            os.close(log_writer)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as stdin:  # gone already: the end of the pipe will tell
            stdin.write(json.dumps(job_input).encode())

    @property
    def pid(self) -> int:
        """The id of the upper of its two guards; the job and its tools are below."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """It closed its pipe: nothing more will be said."""
        return self._said.ended

    def resident_bytes(self) -> int:
        """Memory of the job with all that it started."""
        return resident_bytes(self._process.pid)

    def listen(self, timeout_s: float) -> list[Message]:
        """What it said, after at most `timeout_s`."""
        open_pipes = [pipe.descriptor for pipe in (self._said, self._log) if not pipe.ended]
        if self._said.ended or not open_pipes:
            return []
        ready = select.select(open_pipes, [], [], timeout_s)[0]
        messages = []
        if self._log.descriptor in ready:
            messages += [_log_message(line) for line in self._log.read()]
        if self._said.descriptor in ready:
            messages += [Message(**json.loads(line)) for line in self._said.read()]
        return messages

    def rest_of_log(self) -> list[Message]:
        """What is left in the log after the end; to be asked before `kill`."""
        messages = []
        while not self._log.ended and select.select([self._log.descriptor], [], [], 0)[0]:
            messages += [_log_message(line) for line in self._log.read()]
        return messages

    def kill(self) -> str:
        """Kills it with all that it started, and says how it ended."""
        # Its guard is told, which knows all of them. Not reaped yet, so the number cannot belong to anybody else by now.
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGTERM)
            os.kill(self._process.pid, signal.SIGCONT)  # a guard that somebody stopped hears nothing
        try:
            code = self._process.wait(_GUARD_PATIENCE_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            code = self._process.wait()
        self._said.close()
        self._log.close()
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"


def _log_message(line: bytes) -> Message:
    # Zero bytes: PostgreSQL stores none in a text.
    text = line[:_MAX_LINE_BYTES].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
    return Message("log", text)
