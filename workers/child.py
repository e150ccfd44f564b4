"""The process that runs one job. It knows no database: input comes on stdin, what it says goes to a pipe as JSON lines.

    python -m workers.child PARENT_PID PIPE_FD MODULE:FUNCTION LIMITS ABOUT

A separate process, because a job must be killed without asking it (cancel, memory, a bug in a native library) and
because the worker has to renew its lease while the job keeps a core busy. The process that the worker starts stays behind
as one of its guards (`workers.guard`).
"""

from __future__ import annotations

import errno
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

from spec.errors import FlexDSEError
from workers.guard import guarded
from workers.limits import CAUSE_DISK, CAUSE_MEMORY, JobLimits
from workers.logs import log_to_stderr, logging_about

logger = logging.getLogger("flexdse.job")

# What the worker stores at most; more would only fill the pipe.
PROGRESS_INTERVAL_S = 0.2

Report = Callable[[Any], None]


class JobBody(Protocol):
    """What `MODULE:FUNCTION` names: from the input of a job to its result, both plain JSON data."""

    def __call__(self, job_input: dict[str, Any], report: Report) -> dict[str, Any]: ...


def load_body(name: str) -> JobBody:
    """The function behind `module:function`."""
    module, _, function = name.partition(":")
    body: JobBody = getattr(importlib.import_module(module), function)
    return body


class _Pipe:
    def __init__(self, descriptor: int) -> None:
        self._stream = os.fdopen(descriptor, "w", encoding="utf-8")
        self._next_progress_s = 0.0
        self._held_back: Any = None

    def say(self, kind: str, data: Any) -> None:
        # NaN or an infinity is a bug of the body: better here, with a traceback, than as unreadable JSON later.
        self._stream.write(json.dumps({"kind": kind, "data": data}, allow_nan=False) + "\n")
        self._stream.flush()

    def progress(self, data: Any) -> None:
        """Says the progress, or holds it back until it is time; `data` may be a function, called only if needed."""
        now = time.monotonic()
        if now < self._next_progress_s:
            self._held_back = data
            return
        self._next_progress_s = now + PROGRESS_INTERVAL_S
        self._held_back = None
        self.say("progress", data() if callable(data) else data)

    def result(self, data: Any) -> None:
        """Says the result, after the last progress: what the job ended with must not look half done."""
        if self._held_back is not None:
            self._next_progress_s = 0.0
            self.progress(self._held_back)
        self.say("result", data)


def _internal_error(error: BaseException) -> dict[str, Any]:
    return {
        "type": "urn:flexdse:problem:internal_error",
        "title": "internal error",
        "status": 500,
        "detail": f"the job failed with an unexpected {type(error).__name__}; the log of the worker says more",
    }


def _disk_problem() -> dict[str, Any]:
    return {
        "type": f"urn:flexdse:problem:{CAUSE_DISK}",
        "title": "disk full",
        "status": 500,
        "detail": "the disk of the worker is full; try the job again when there is room",
    }


def memory_problem(limits: JobLimits) -> dict[str, Any]:
    """The job used up what it was given."""
    allowed = f" of {limits.memory_bytes / 2**30:.2f} GiB" if limits.memory_bytes is not None else ""
    return {
        "type": f"urn:flexdse:problem:{CAUSE_MEMORY}",
        "title": "memory limit",
        "status": 500,
        "detail": f"the job needed more than its memory{allowed}",
    }


def main(arguments: list[str]) -> int:
    """Runs one job; 0 if its end was told, whatever that end was."""
    parent_pid, descriptor, body_name = int(arguments[0]), int(arguments[1]), arguments[2]
    guarded(parent_pid, descriptor)  # from here on in a process of its own
    limits = JobLimits(**json.loads(arguments[3]))
    limits.apply_here()  # before anything large is imported: libraries start their threads by it
    log_to_stderr()
    # To a pipe Python writes in blocks: what a body prints would come late, or, once the end was told, not at all.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    with logging_about(**json.loads(arguments[4])):
        _run(_Pipe(descriptor), body_name, limits)
    return 0


def _run(pipe: _Pipe, body_name: str, limits: JobLimits) -> None:
    job_input = json.load(sys.stdin)
    try:
        result = load_body(body_name)(job_input, pipe.progress)
        sys.stdout.flush()  # a last line without its end
        pipe.result(result)
    except MemoryError:
        problem = memory_problem(limits)
        logger.error("%s", problem["detail"])
        pipe.say("error", {"cause": CAUSE_MEMORY, "problem": problem})
    except FlexDSEError as error:
        logger.info("%s", error)
        pipe.say("error", {"cause": error.code, "problem": error.to_problem()})
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            logger.error("the disk is full: %s", error)
            pipe.say("error", {"cause": CAUSE_DISK, "problem": _disk_problem()})
            return
        logger.exception("the job failed")
        pipe.say("error", {"cause": "internal_error", "problem": _internal_error(error)})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
