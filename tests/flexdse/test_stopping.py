"""What a signal does to the program."""

from __future__ import annotations

import os
import signal

import pytest

from flexdse.stopping import Interrupted, stop_request, stoppable


class SignalledInItsFinalizer:
    """Python prints and drops whatever is raised here."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the handler runs between two instructions of this finalizer
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_whose_exception_is_dropped_still_stops_the_search() -> None:
    with stoppable(), stop_request(at_once=True) as asked:
        try:
            SignalledInItsFinalizer()
        except Interrupted:
            pytest.fail("Python kept the exception: this test no longer tests what it says")
        assert asked()
        assert isinstance(asked.unwinding(), Interrupted)


def test_at_once_and_when_the_state_is_whole() -> None:
    with stoppable():
        with stop_request() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked()
            with pytest.raises(Interrupted):
                os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted), stop_request(at_once=True):
            os.kill(os.getpid(), signal.SIGINT)
