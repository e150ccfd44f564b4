"""SIGINT and SIGTERM unwind the program, so that whoever is at work cleans up: no half-written folder, no child left."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143  # as a shell counts them


class Interrupted(KeyboardInterrupt):
    """Ctrl-C. Not KeyboardInterrupt itself: when that passes through an `exec`, as in many an import, Python kills itself
    with SIGINT at its end, though the exception was handled."""


class Terminated(BaseException):
    """SIGTERM."""


def _interrupt(*_: object) -> NoReturn:
    raise Interrupted


def _terminate(*_: object) -> NoReturn:
    raise Terminated


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, the two signals are exceptions in the main thread; a signal that is ignored (`nohup`) stays so."""
    before = {}
    for number, handler in ((signal.SIGINT, _interrupt), (signal.SIGTERM, _terminate)):
        if signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
