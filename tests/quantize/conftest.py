"""Fixtures that write checkpoints and texts; tests with PyTorch, an extra, are skipped by name without it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from quantize.float_model import FloatModel
from tests.quantize.tiny import write_checkpoint, write_text

_NO_TORCH = "PyTorch is missing"


def pytest_runtest_setup(item: pytest.Item) -> None:
    # An extra that the lock leaves out, so FLEXDSE_REQUIRE=all does not ask for it.
    if item.get_closest_marker("needs_torch") and importlib.util.find_spec("torch") is None:
        pytest.skip(_NO_TORCH)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = [r.nodeid for r in terminalreporter.stats.get("skipped", []) if r.longrepr[2].endswith(_NO_TORCH)]
    if skipped:
        terminalreporter.section("skipped because PyTorch is missing (make test-quality)")
        terminalreporter.line(", ".join(sorted(skipped)))


@pytest.fixture
def checkpoint_folder(tmp_path: Path) -> Callable[..., Path]:
    """`checkpoint_folder(model)` writes a Hugging Face checkpoint with a word tokenizer and gives its folder."""

    def write(model: FloatModel, shards: int = 1, **config_changes: object) -> Path:
        return write_checkpoint(tmp_path / "checkpoint", model, shards, **config_changes)

    return write


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    """Words that the tokenizer of `checkpoint_folder` knows and the tiny model expects."""
    return write_text(tmp_path / "text.txt")
