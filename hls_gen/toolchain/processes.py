"""Runs a program so that nothing of it outlives the caller: own process group, killed on time-out, cancel and death."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

OnLog = Callable[[str], None]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_POLL_S = 0.2
_MAX_OUTPUT_BYTES = 4 * 2**20  # a compiler can print without end; the tail says enough

# Resolved before any fork: after it only async-signal-safe work is allowed. None: not Linux.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


class Finished(NamedTuple):
    """How a program ended. `timed_out`: it was killed; `returncode` < 0: by that signal."""

    returncode: int
    output: str
    seconds: float
    timed_out: bool


class Cancelled(Exception):
    """The run was given up because another part of the same job failed."""


def _die_with_parent() -> None:
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is not None:  # reaped: its number may be another's by now
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_program(
    command: Sequence[str | Path],
    folder: Path,
    deadline: float,
    on_log: OnLog | None = None,
    cancel: threading.Event | None = None,
) -> Finished:
    """Run `command` in `folder` until it ends or `deadline` (`time.monotonic()`); its output, both streams together.

    Raises:
        Cancelled: `cancel` was set.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
        preexec_fn=_die_with_parent,  # one system call, resolved before the fork
        env={**os.environ, "LC_ALL": "C"},  # messages in one language, whatever the user's
    )
    assert process.stdout is not None
    output = bytearray()
    line_start = 0
    timed_out = False
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    timed_out = True
                    break
                if cancel is not None and cancel.is_set():
                    raise Cancelled
                if not selector.select(min(left, _POLL_S)):
                    continue
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    break
                output += chunk
                if on_log is not None:
                    *lines, _ = output[line_start:].split(b"\n")
                    for line in lines:
                        on_log(line.decode(errors="replace"))
                        line_start += len(line) + 1
                if len(output) > _MAX_OUTPUT_BYTES:
                    dropped = len(output) - _MAX_OUTPUT_BYTES // 2
                    del output[:dropped]
                    line_start = max(0, line_start - dropped)
        if not timed_out:
            try:
                process.wait(timeout=max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                timed_out = True
    finally:
        _kill_group(process)
        process.stdout.close()
    return Finished(process.returncode, output.decode(errors="replace"), time.monotonic() - started, timed_out)
