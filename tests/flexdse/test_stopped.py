"""Ctrl-C of a search and of a promotion: what was done is kept, and the same command goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flexdse.rungs as rungs
from dse.promotion import RungResult
from flexdse.rungs import Bench, Rung
from spec.calibration import CalibrationTable, Measurement
from spec.design_point import DesignPoint
from spec.strict import validate
from spec.timing import DEFAULT_TIMING_TABLE
from spec.versions import MODEL_VERSION

Run = Callable[..., Any]
PATIENCE_S = 240.0
FEW = {"restrict": {"prefill.token_parallelism": [4], "prefill.ffn_weight_parallelism": [32],
                    "decode.block_parallelism": [8], "decode.weight_parallelism": [16]}}  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_exact_search_leaves_its_state_and_says_so(
    tiny_model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    journal = tmp_path / "exact.checkpoint"
    command = [sys.executable, "-m", "flexdse.cli", "explore", "--model", tiny_model, "--device", "u280",
               "--prompt-tokens", 64, "--output-tokens", 64, "--journal", journal, "--out", tmp_path / "out"]  # fmt: skip
    victim = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + PATIENCE_S
    while not journal.exists():  # made when the search begins
        assert victim.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    victim.send_signal(number)
    _, said = victim.communicate(timeout=PATIENCE_S)
    assert victim.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number], said
    assert f"what was priced is in {journal}: the same command goes on from there" in said.decode()
    assert journal.stat().st_size > 50_000  # the stage that was at work, five seconds were not over
    assert not (tmp_path / "out").exists()


class Killed(BaseException):
    """What ends a promotion in the middle of a rung."""


def test_a_promotion_that_was_killed_runs_no_rung_twice(
    explore_tiny: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rungs that count how often they are run, on projects that are really made."""
    ran: list[tuple[str, str]] = []
    dies_at = [3]

    def rung(name: str) -> Rung:
        def runner(bench: Bench) -> Callable[[DesignPoint], RungResult]:
            def run(design: DesignPoint) -> RungResult:
                bench.project(design)
                if len(ran) == dies_at[0]:
                    raise Killed
                key = design.canonical_key()
                ran.append((name, key))
                cycles = bench.priced(design).decode.cycles
                found = Measurement(
                    provenance="timed_sim", device="u280", model_version=MODEL_VERSION,
                    timing_table_version=DEFAULT_TIMING_TABLE.version, design_key=key, stage="decode", module=None,
                    metric="cycles", predicted=cycles, measured=1.25 * cycles, source="a test",
                )  # fmt: skip
                return RungResult(True, f"{name} of {key}", (found,) if name == "timed_sim" else ())

            return run

        return Rung(name, lambda *_: None, runner, lambda: "a test")

    for name in ("csim", "timed_sim"):
        monkeypatch.setitem(rungs.RUNGS, name, rung(name))  # type: ignore[arg-type]
    space = tmp_path / "space.yaml"
    space.write_text(json.dumps({"schema": "flexdse/space/v1", **FEW}))
    out = tmp_path / "out"
    command = ("--space", space, "--promote", 2, "--backend", "csim,timed_sim", "--out", out, "--json")
    with pytest.raises(Killed):
        explore_tiny(*command)
    assert len(ran) == 3
    assert not (out / "promotion.json").exists()
    assert len(list((out / "rungs").iterdir())) == 3
    made = {path: path.stat().st_mtime_ns for path in (out / "projects").rglob("manifest.json")}
    dies_at[0] = 99
    shown = explore_tiny(*command)
    assert shown.code == 0, shown.err
    assert "holds this very exploration" in shown.err
    assert f"wrote {out}: promotion.json, calibration.json\n" in shown.err
    assert len(ran) == len(set(ran)) == 4
    assert {path: path.stat().st_mtime_ns for path in made} == made  # nor is a project made twice
    document = json.loads((out / "promotion.json").read_text())
    assert [[r["rung"] for r in climb["rungs"]] for climb in document["climbs"]] == [["csim", "timed_sim"]] * 2
    kept = [one for climb in document["climbs"] for said in climb["rungs"] for one in said["measurements"]]
    assert [validate(Measurement, one).measured / one["predicted"] for one in kept] == [1.25, 1.25]
    table = validate(CalibrationTable, json.loads((out / document["calibration_file"]).read_text()))
    assert table.key() == document["calibration_key"]
    # Another model of the same folder is another search, and refused.
    other = explore_tiny(*command, "--seed", 5)
    assert other.code == 2
    assert "is not empty" in other.err
    # An edited project is made anew, and what was said of it before holds no more for what it was.
    header = next(iter(sorted(next(iter(made)).parent.rglob("*.cpp"))))
    header.write_text(header.read_text() + "\n// edited\n")
    assert explore_tiny(*command).code == 0
    assert "// edited" not in header.read_text()
    assert len(ran) == 4
