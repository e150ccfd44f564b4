"""Reports for the tests: our own, written to the tools' schema, and the collected real ones where they are at hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hls_gen.reports import parse_report
from spec.synthesis_report import SynthesisReport

DATA = Path(__file__).with_name("data")


@pytest.fixture
def own() -> Callable[[str], SynthesisReport]:
    """`own("csynth_2020.xml")` is that report of ours, read."""
    return lambda name: parse_report(DATA / name)


@pytest.fixture
def own_path() -> Callable[[str], Path]:
    """`own_path("csynth_2020.xml")` is its path."""
    return lambda name: DATA / name
