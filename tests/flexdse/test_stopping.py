"""What a signal does to the program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

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


IN_AN_IMPORT = """
import importlib.abc, os, signal, sys
class Signals(importlib.abc.MetaPathFinder):
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Signals())
sys.argv = ["flexdse", "--help"]
from flexdse.cli import main
main()
"""


@pytest.mark.parametrize(
    ("module", "number", "code"),
    [
        ("typer", signal.SIGINT, 130),
        ("flexdse.commands.explore", signal.SIGTERM, 143),
        ("spec.errors", signal.SIGINT, 130),
    ],
)
def test_a_signal_while_the_commands_are_imported_is_no_traceback(module: str, number: int, code: int) -> None:
    program = IN_AN_IMPORT.format(module=module, number=int(number))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "stopped\n")
