"""A few processes for what would keep the interpreter of the server busy for seconds.

NumPy lets go of the interpreter within its loops only, and the loops of the cost models are short: threads of one
process would take turns, and every other request would wait among them.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

PartT = TypeVar("PartT")
ResultT = TypeVar("ResultT")

_WATCH_S = 0.5
_MAX_PROCESSES = 8

_lock = threading.Lock()
_pool: ProcessPoolExecutor | None = None


def process_count() -> int:
    """How many processes share the work."""
    return min(_MAX_PROCESSES, len(os.sched_getaffinity(0)))


def in_processes(work: Callable[[PartT], ResultT], parts: Iterable[PartT]) -> list[ResultT]:
    """`work` on each of the parts, in processes that are kept for the next time; what it raises is raised here."""
    wanted = list(parts)
    try:
        return list(_started().map(work, wanted))
    except BrokenProcessPool:  # one was killed, for its memory most likely
        stop()
        return [work(part) for part in wanted]


def stop() -> None:
    """Ends the processes; the next who needs them starts new ones."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown(wait=False, cancel_futures=True)


atexit.register(stop)


def _started() -> ProcessPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            # Not forked: a server has threads, and a copy of their locks would never be let go.
            context = multiprocessing.get_context("spawn")
            _pool = ProcessPoolExecutor(
                process_count(), mp_context=context, initializer=_begin, initargs=(os.getpid(),)
            )
        return _pool


def _begin(parent: int) -> None:
    """In the new process: end with the server, however that ends, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)
