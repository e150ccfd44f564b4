"""Runs one command under the guard: live log, log file, time and memory limits, and how it ended."""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from hls_gen.toolchain.processes import Cancelled, OnLog, run_program

_GUARD = Path(__file__).with_name("guard.py")
_MAX_LOG_BYTES = 256 * 2**20  # a looping tool must not fill the disk
_MAX_FINDINGS = 200  # from the start, and as many from the end
_MAX_MARKS = 10_000
_LINE_CHARS = 2000
_CLEANUP_PATIENCE_S = 60.0
_POLL_S = 0.05

# Lines that may say why a tool failed; causes.py tells which. The tools write thousands of others.
_INTERESTING = re.compile(
    r"error|killed|fail|bad_alloc|memory|no space|quota|licen[cs]e|not installed|timing|deadlock|segmentation|abort",
    re.IGNORECASE,
)
_CHATTER = ("INFO", "WARNING: [HLS", "WARNING: [XFORM", "WARNING: [SIM")
# Lines that the testbench and C simulation write for us.
_MARKS = ("@case ", "CSim done")


_How = Literal["exit", "signal", "timeout", "memory", "cancelled", "unknown"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `code` is an exit code, or the number of a signal."""

    how: _How
    code: int
    seconds: float
    peak_memory_bytes: int | None
    oom_kills: int
    findings: tuple[str, ...]
    marks: tuple[str, ...]


class _Log:
    """The log file, the caller's live log, and the lines worth remembering."""

    def __init__(self, file: IO[str], on_log: OnLog | None) -> None:
        self._file = file
        self._on_log = on_log
        self._bytes = 0
        self.marks: list[str] = []
        self._first: list[str] = []
        self._last: deque[str] = deque(maxlen=_MAX_FINDINGS)

    @property
    def findings(self) -> tuple[str, ...]:
        """Lines that may tell the cause, in their order."""
        return (*self._first, *self._last)

    def line(self, line: str) -> None:
        self._bytes += len(line) + 1
        if self._bytes <= _MAX_LOG_BYTES:
            self._file.write(line + "\n")
            self._file.flush()
        short = line[:_LINE_CHARS]
        if self._on_log is not None and not short.startswith("@case "):  # that is for us, not for a person
            self._on_log(short)
        if any(mark in short for mark in _MARKS) and len(self.marks) < _MAX_MARKS:
            self.marks.append(short)
        elif not short.startswith(_CHATTER) and _INTERESTING.search(short):
            (self._first if len(self._first) < _MAX_FINDINGS else self._last).append(short)


@contextmanager
def held(lock: Path, patience_s: float) -> Iterator[bool]:
    """The lock file, held; yields False where somebody else kept it for `patience_s`."""
    deadline = time.monotonic() + patience_s
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    yield False
                    return
                time.sleep(_POLL_S)
        yield True


def await_end_of_tool(lock: Path) -> bool:
    """Wait until nothing of an earlier tool is left; False where it does not end."""
    with held(lock, _CLEANUP_PATIENCE_S) as free:
        return free


def run_guarded(
    command: list[str],
    folder: Path,
    *,
    timeout_s: float,
    memory_limit_bytes: int | None,
    log_file: Path,
    lock: Path,
    on_log: OnLog | None,
    cancel: threading.Event | None,
) -> Ended:
    """Run `command` in `folder`; everything that it started is gone when this returns.

    Raises:
        OSError: the log could not be written.
    """
    status_file = log_file.with_suffix(".status")
    status_file.unlink(missing_ok=True)
    # -I -S: the guard is one file of plain Python, nothing on the path can get in its way
    guard = [sys.executable, "-I", "-S", str(_GUARD), str(os.getpid()), str(status_file), str(lock),
             str(memory_limit_bytes or 0)]  # fmt: skip
    started = time.monotonic()
    how: _How | None = None
    with log_file.open("w", errors="replace") as file:
        log = _Log(file, on_log)
        try:
            finished = run_program([*guard, *command], folder, started + timeout_s, log.line, cancel)
            how = "timeout" if finished.timed_out else None
            last = finished.output.rpartition("\n")[2]
            if last:  # a last line without its end
                log.line(last)
        except Cancelled:
            how = "cancelled"
        finally:
            await_end_of_tool(lock)
    seconds = time.monotonic() - started
    status = _status(status_file)
    peak, kills = int(status.get("peak_bytes", 0)) or None, int(status.get("oom_kills", 0))
    ways: dict[object, _How] = {"exit": "exit", "signal": "signal", "memory": "memory"}
    return Ended(
        how=how or ways.get(status.get("ended"), "unknown"),
        code=int(status.get("code", 0)),
        seconds=seconds,
        peak_memory_bytes=peak,
        oom_kills=kills,
        findings=log.findings,
        marks=tuple(log.marks),
    )


def _status(file: Path) -> dict[str, int | str]:
    try:
        status = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    finally:
        file.unlink(missing_ok=True)
    return status if isinstance(status, dict) else {}
