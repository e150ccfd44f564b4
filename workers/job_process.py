"""The worker's end of the process of a job (`workers.child` is the other end)."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Message:
    """What the job said: `progress`, `result` or `error`."""

    kind: str
    data: Any


class JobProcess:
    """One job at work. Start it from a thread that outlives it: the kernel kills it when that thread ends."""

    def __init__(self, body: str, job_input: dict[str, Any]) -> None:
        self._reader, writer = os.pipe()
        self._buffer = bytearray()
        self._ended = False
        try:
            self._process = subprocess.Popen(
                # -P: a folder called `workers` where the user happens to stand must not hide ours.
                [sys.executable, "-P", "-m", "workers.child", str(os.getpid()), str(writer), body],
                stdin=subprocess.PIPE,
                pass_fds=(writer,),
                process_group=0,  # killed as a whole, and deaf to the Ctrl-C that the worker gets
            )
        except BaseException:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as stdin:  # gone already: the end of the pipe will tell
            stdin.write(json.dumps(job_input).encode())

    @property
    def pid(self) -> int:
        """Its process id, and that of its group."""
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """It closed its pipe: nothing more will be said."""
        return self._ended

    def listen(self, timeout_s: float) -> list[Message]:
        """What it said, after at most `timeout_s`."""
        if self._ended or not select.select([self._reader], [], [], timeout_s)[0]:
            return []
        chunk = os.read(self._reader, _CHUNK_BYTES)
        if not chunk:
            self._ended = True
            return []
        self._buffer += chunk
        if b"\n" not in chunk:
            return []
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = bytearray(rest)
        return [Message(**json.loads(line)) for line in lines]

    def kill(self) -> str:
        """Kills it with all that it started, and says how it ended."""
        # Not reaped yet, so the number cannot belong to anybody else by now.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1
        self._ended = True
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"
