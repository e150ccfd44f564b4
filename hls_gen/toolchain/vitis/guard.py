"""Runs a tool so that its whole tree of processes dies with whoever started it. A program of its own, standard library only.

    guard.py PARENT_PID STATUS_FILE LOCK_FILE MEMORY_LIMIT_BYTES TOOL ARGUMENTS...

The tools of AMD are shell scripts that start loaders, simulators and Vivado, some in process groups of their own, so
killing one process or one group is not enough. Two processes of this program stand between the caller and the tool:

- The watch stays in the caller's process group. The kernel kills it with the caller (the caller asked for that), and the
  caller kills it on a time-out.
- The reaper, detached from that group, adopts every orphan below it. It gets a signal when the watch dies, by whatever way,
  and then kills all its descendants; so it does when the tool ends, or when the tree takes more memory than allowed.

The reaper holds the lock file until nothing of the tool is left, and writes how the tool ended to the status file.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_LOOK_S = 0.25
_OOM_SCORE = 500  # when memory runs out, the kernel takes the tool before its caller
_LOST = 125

_WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_prctl = ctypes.CDLL(None).prctl


def _stat(pid: str) -> tuple[int, str] | None:
    """Parent and state of a process."""
    try:
        text = Path("/proc", pid, "stat").read_text(errors="replace")
    except OSError:
        return None
    state, parent = text[text.rindex(")") + 2 :].split()[:2]  # the name may hold anything, parentheses too
    return int(parent), state


def descendants(root: int) -> list[int]:
    """Every living process below `root`."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names only, and often
        if entry.isdecimal():
            known = _stat(entry)
            if known is not None and known[1] != "Z":
                children.setdefault(known[0], []).append(int(entry))
    found: list[int] = []
    front = [root]
    while front:
        below = children.get(front.pop(), [])
        found += below
        front += below
    return found


def private_bytes(pids: list[int]) -> int:
    """Memory of these processes that they share with no other."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            _, resident, shared = Path("/proc", str(pid), "statm").read_text().split()[:3]
            total += max(0, int(resident) - int(shared))
    return total * os.sysconf("SC_PAGE_SIZE")


def kernel_oom_kills() -> int:
    """How many processes of our control group the kernel has killed for memory so far."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                file = Path(f"/sys/fs/cgroup{path}/memory.events")
            elif "memory" in controllers.split(","):
                file = Path(f"/sys/fs/cgroup/memory{path}/memory.oom_control")
            else:
                continue
            with contextlib.suppress(OSError):
                counts = dict(line.split() for line in file.read_text().splitlines())
                if "oom_kill" in counts:
                    return int(counts["oom_kill"])
    return 0


def kill_all_below(root: int) -> None:
    """Kill every descendant, also those that it starts meanwhile, and collect them."""
    pause_s = 0.01
    while True:
        for pid in descendants(root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            return
        time.sleep(pause_s)  # a process in the middle of a disk access takes its time to die
        pause_s = min(2 * pause_s, 0.5)


def _die_with(parent: int, how: signal.Signals) -> None:
    """From now on the kernel sends `how` when the parent dies; if it is dead already, end here."""
    _prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:
        os._exit(_LOST)


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    reaper = os.getpid()

    def prepare() -> None:
        _die_with(reaper, signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)

    return subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=prepare)


def _reap(command: list[str], lock: str, status_file: Path, memory_limit_bytes: int) -> int:
    """Start the tool and stay until nothing of it is left."""
    with open(lock, "w") as held:  # noqa: PTH123
        fcntl.flock(held, fcntl.LOCK_EX)
        kills_before = kernel_oom_kills()
        ended, code, peak = "exit", 127, 0
        try:
            process = _start(command)  # kept to the end: when it is dropped, it collects the status that we wait for
            tool = process.pid
        except (OSError, subprocess.SubprocessError) as error:
            sys.stderr.write(f"{command[0]}: {error}\n")
            tool = -1
        next_look = time.monotonic()
        while tool > 0:
            info = signal.sigtimedwait(_WATCHED, _LOOK_S)
            if info is not None and info.si_signo != signal.SIGCHLD:
                ended, code = "stopped", -info.si_signo
                break
            finished = _collect(tool)
            if finished is not None:
                ended, code = ("exit", finished) if finished >= 0 else ("signal", -finished)
                break
            if time.monotonic() >= next_look:
                used = private_bytes(descendants(os.getpid()))
                peak = max(peak, used)
                if 0 < memory_limit_bytes < used:
                    ended, code = "memory", used
                    break
                next_look = time.monotonic() + _LOOK_S
        kill_all_below(os.getpid())
        status = {"ended": ended, "code": code, "peak_bytes": peak, "oom_kills": kernel_oom_kills() - kills_before}
        with contextlib.suppress(OSError):
            status_file.write_text(json.dumps(status))
        return code if ended == "exit" else _LOST


def _collect(tool: int) -> int | None:
    """Collect what has ended, adopted orphans too; exit code or negative signal of the tool if it was among them."""
    finished = None
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if pid == tool:
                finished = os.waitstatus_to_exitcode(status)
    return finished


def main(arguments: list[str]) -> int:
    """The watch: starts the reaper, and ends with the tool's exit code."""
    parent, status, lock, memory_limit_bytes, *command = arguments
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    if os.getppid() != int(parent):
        return _LOST
    watch = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)  # before the fork: no signal may come in between
    reaper = os.fork()
    if reaper == 0:
        os.setsid()
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        _die_with(watch, signal.SIGTERM)
        os._exit(_reap(command, lock, Path(status), int(memory_limit_bytes)))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    _, ended = os.waitpid(reaper, 0)
    kill_all_below(watch)  # only if somebody killed the reaper
    return os.WEXITSTATUS(ended) if os.WIFEXITED(ended) else _LOST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
