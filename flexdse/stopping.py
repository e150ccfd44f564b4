"""SIGINT and SIGTERM unwind the program, so that whoever is at work cleans up: no half-written folder, no child left."""

from __future__ import annotations

import signal
from contextlib import contextmanager

TYPE_CHECKING = False  # as that of `typing`, which takes long to load while Ctrl-C is not heard yet
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
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


class StopRequest:
    """Which signal asked to stop, if any. Called, whether one did: a `should_stop` for searches.

    Where the work keeps nothing, the first signal unwinds the program `at_once`. It is remembered all the same: Python drops
    an exception that a handler raises while a finalizer runs, as many do in imports.
    """

    def __init__(self, at_once: bool) -> None:
        self._at_once = at_once
        self._asked: int | None = None

    def __call__(self) -> bool:
        return self._asked is not None

    def hear(self, number: int, frame: FrameType | None) -> None:
        """A handler of both signals: the first asks, the second unwinds the program at once."""
        first, self._asked = self._asked is None, number
        if self._at_once or not first:
            raise self.unwinding()

    def unwinding(self) -> BaseException:
        """To be raised, for the program to unwind as the signal that was heard has it."""
        return Terminated() if self._asked == signal.SIGTERM else Interrupted()


@contextmanager
def stop_request(*, at_once: bool = False) -> Iterator[StopRequest]:
    """Inside, the two signals ask instead of unwinding, so that work ends where its state is whole; a second one unwinds.
    With `at_once` the first one does.
    """
    request = StopRequest(at_once)
    before = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) in (_interrupt, _terminate):  # as `stoppable` set them: we are the command line
            before[number] = signal.signal(number, request.hear)
    try:
        yield request
    finally:
        for number, old in before.items():
            signal.signal(number, old)


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
