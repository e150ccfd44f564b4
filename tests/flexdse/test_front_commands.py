"""`front`, `shortlist`, `export` and `explain` on an exploration in a folder."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flexdse.front_door import Exploration

Run = Callable[..., Any]


@pytest.fixture
def folder(found: Exploration, tmp_path: Path) -> Path:
    return found.save(tmp_path / "results")


def test_front_is_the_front_that_was_saved(flexdse: Run, folder: Path) -> None:
    shown = flexdse("front", folder, "--json").document
    assert shown.pop("front") == json.loads((folder / "front.json").read_text())
    kept = json.loads((folder / "exploration.json").read_text())
    assert len(kept.pop("front_sha256")) == 64
    assert shown == kept


def test_files_of_two_explorations_are_not_taken_for_one(flexdse: Run, folder: Path) -> None:
    """As a kill leaves them in the middle of replacing one by the other."""
    front = folder / "front.json"
    front.write_text(json.dumps(json.loads(front.read_text())[1:]))
    shown = flexdse("front", folder)
    assert shown.code == 2
    assert "of two explorations" in shown.err


def test_shortlist_gives_reasons(flexdse: Run, folder: Path) -> None:
    front = json.loads((folder / "front.json").read_text())
    picks = flexdse("shortlist", folder, "--count", 3, "--json").document["picks"]
    assert len(picks) == min(3, len(front))
    for pick in picks:
        assert pick["design"] == front[pick["index"]]["design"]
        assert pick["reason"]


def test_export_formats_agree(flexdse: Run, folder: Path, tmp_path: Path) -> None:
    kept = pd.read_parquet(folder / "front.parquet")
    table = pd.read_csv(
        io.StringIO(flexdse("export", folder, "--format", "csv").out), index_col="design", dtype={"design": str}
    )
    pd.testing.assert_frame_equal(table, kept, check_dtype=False, check_index_type=False)
    assert flexdse("export", folder, "--format", "parquet", "--out", tmp_path / "f.parquet").code == 0
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "f.parquet"), kept)
    assert flexdse("export", folder, "--format", "parquet").code == 2
    assert "did you mean" in flexdse("export", folder, "--format", "cvs").err


def test_another_model_version_is_refused(flexdse: Run, folder: Path) -> None:
    path = folder / "exploration.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_version": "0"}))
    shown = flexdse("front", folder)
    assert shown.code == 2
    assert "--warm-start" in shown.err
    assert flexdse("front", folder / "nowhere").code == 2


def test_explain_compares_two_designs(flexdse: Run) -> None:
    shown = flexdse("explain", "--design", "flexllm-u280", "--against", "flexllm-u280-base", "--model", "llama-3.2-1b",
                    "--device", "u280", "--prompt-tokens", 64, "--output-tokens", 64, "--json")  # fmt: skip
    assert shown.code == 0, shown.err
    found = shown.document["comparison"]
    assert found["knobs"]
    assert {"tpot_s", "ttft_s"} <= {row["name"] for row in found["metrics"]}
    assert found["binds"]["first"]


def test_rung_that_cannot_run_here_is_refused_before_the_search(explore_tiny: Run) -> None:
    shown = explore_tiny("--promote", 2, "--backend", "post_route")
    assert shown.code == 2
    assert "post_route cannot run here" in shown.err


def test_backend_without_promotion_is_refused(explore_tiny: Run) -> None:
    shown = explore_tiny("--backend", "csim:1")
    assert shown.code == 2
    assert "--backend names the rungs of a promotion" in shown.err
