"""Stands between a worker and the process of a job, so that nothing that the job starts outlives either of them.

The kernel's own way (`workers.parent`) reaches direct children only: of a compiler that is killed, the parts that it
started would go on. A guard adopts whatever loses its parent, and kills everything below itself when the job ends, when
the worker dies, by whatever way, or when the worker asks by SIGTERM.

There are two, one below the other, because a guard may be killed as well: what the lower one leaves is adopted by the
upper one, and the lower one hears when the upper one dies.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from contextlib import suppress

from workers.limits import descendants
from workers.parent import die_with_parent

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_WATCHED = (signal.SIGCHLD, signal.SIGTERM)
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.002, 0.25


def guarded(parent_pid: int, *descriptors: int) -> None:
    """Returns in a new process, which runs the job; this one and one between them stay behind and end as the job ends.

    To be called before there is a second thread. `descriptors`: open files that are the job's alone.
    """
    _guard_next(parent_pid, descriptors)
    _guard_next(os.getppid(), descriptors)


def _guard_next(parent_pid: int, descriptors: tuple[int, ...]) -> None:
    """Returns in a new process; this one stays behind as its guard."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)  # first of all: none may come in between
    die_with_parent(parent_pid, signal.SIGTERM)
    guard = os.getpid()
    job = os.fork()
    if job == 0:
        die_with_parent(guard)
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    for descriptor in descriptors:
        os.close(descriptor)
    status = _watch(job)
    _kill_all_below(guard)
    _end_like(status)


def _watch(job: int) -> int | None:
    """How the job ended (as `os.waitpid` says it), None where it has to be ended."""
    while True:
        signal_number = signal.sigwait(_WATCHED)
        for pid, status in _collected():
            if pid == job:
                return status
        if signal_number != signal.SIGCHLD:
            return None


def _collected() -> list[tuple[int, int]]:
    """What ended below this process, and is adopted or its own."""
    found = []
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            found.append(ended)
    return found


def _kill_all_below(root: int) -> None:
    pause_s = _FIRST_PAUSE_S
    while True:
        for pid in descendants(root)[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(pause_s)  # one in the middle of a disk access takes its time to die
        pause_s = min(2 * pause_s, _LAST_PAUSE_S)


def _end_like(status: int | None) -> None:
    """Ends with the exit code or the signal of the job; one that was ended from outside, as by SIGKILL."""
    code = os.waitstatus_to_exitcode(status) if status is not None else -signal.SIGKILL
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {-code})
        os.kill(os.getpid(), -code)
    os._exit(code)
