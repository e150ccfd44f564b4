"""Tests that need a program: skipped by name where it is missing, a failure under ``FLEXDSE_REQUIRE=all``.

Mark the test ``@pytest.mark.needs_program("chromium")``, or ask the fixture ``require_program`` for the path.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

_MISSING = "the program {} is missing"

# What a developer has measured (docs/quality.md) must not change what tests see.
os.environ["FLEXDSE_QUALITY_TABLES"] = str(Path(__file__).parent / "no-quality-tables")


# Started in the background of a script, a process ignores Ctrl-C, and so does all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _find_program(name: str) -> Path:
    # Programs that come from a Python package lie beside the interpreter.
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is not None:
        return Path(found)
    if os.environ.get("FLEXDSE_REQUIRE") == "all":
        pytest.fail(f"{_MISSING.format(name)}, and FLEXDSE_REQUIRE=all forbids to skip", pytrace=False)
    pytest.skip(_MISSING.format(name))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs_program"):
        for name in marker.args:
            _find_program(name)


@pytest.fixture
def require_program() -> Callable[[str], Path]:
    """``require_program("g++")`` is the path of the program, or the test ends here."""
    return _find_program


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    before, after = _MISSING.split("{}")
    tests_without: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith(before) and reason.endswith(after):
            tests_without[reason.removeprefix(before).removesuffix(after)].append(report.nodeid)
    if tests_without:
        terminalreporter.section("skipped because a program is missing")
        for program, tests in sorted(tests_without.items()):
            terminalreporter.line(f"{program}: {', '.join(sorted(tests))}")
