"""Sweeps: each case once, failures apart, the next night goes on, and the report says what changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from flexdse import sweep_report, sweep_run, sweep_store
from flexdse.commands.sweep import read_plan
from flexdse.stopping import Interrupted, stoppable
from flexdse.sweep_case import run_case
from flexdse.sweep_nights import run_nights
from flexdse.sweep_run import Night, run_night
from flexdse.sweep_store import SweepStore
from spec.errors import FlexDSEError, InputError
from spec.sweep import SweepPlan
from workers.limits import descendants

Run = Callable[..., Any]
PATIENCE_S = 240.0

FEW = {"restrict": {"prefill.token_parallelism": [4], "prefill.ffn_weight_parallelism": [32],
                    "decode.block_parallelism": [8], "decode.weight_parallelism": [16]}}  # fmt: skip


CASE = {"model": "smollm2-135m", "device": "u280", "workload": {"prompt_tokens": 64, "output_tokens": 64}}


@pytest.fixture
def plan_file(tiny_model: Path, tmp_path: Path) -> Path:
    document = {
        "name": "a night",
        "grid": {
            "models": [str(tiny_model)],
            "devices": ["u280"],
            "workloads": [{"prompt_tokens": 64, "output_tokens": 64}],
            "methods": ["exact", "random"],
            "space": FEW,
        },
        "cases": [
            {"model": str(tiny_model), "device": "u280", "workload": {"prompt_tokens": 64, "output_tokens": 64},
             "constraints": ["tpot_s <= 1e-9"], "space": FEW},
        ],
        "concurrency": 2,
        "budget": {"evaluations": 60},
    }  # fmt: skip
    path = tmp_path / "sweep.yaml"
    path.write_text(json.dumps(document))
    return path


def started(folder: Path, plan: SweepPlan) -> SweepStore:
    """The folder of a sweep that was begun and is not at work."""
    with SweepStore.started(folder, plan) as store:
        return store


def test_sweep_runs_once_isolates_failures_and_reports_changes(flexdse: Run, plan_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = flexdse("sweep", "run", plan_file, "--out", out, "--json")
    assert first.code == 1, first.err  # one case has no design
    night = first.document
    assert (len(night["done"]), len(night["failed"]), len(night["left"])) == (2, 1, 0)
    rows = {row["key"]: row for row in night["rows"]}
    assert {row["change"] for row in rows.values()} == {"new"}
    failed = rows[night["failed"][0]]
    assert failed["cause"] == "infeasible"
    assert "tpot_s" in failed["message"]
    frame = pd.read_parquet(out / "report.parquet")
    assert len(frame) == 3
    page = (out / "report.html").read_text()
    assert page.count("<tr>") == 4
    assert page.index("infeasible") < page.index("random, seed 0")  # what failed stands first
    # The next night: nothing is run again but what failed; a change is named.
    again = flexdse("sweep", "run", plan_file, "--out", out, "--json").document
    assert (again["done"], len(again["done_before"]), len(again["failed"])) == ([], 2, 1)
    assert {row["change"] for row in again["rows"]} == {"unchanged"}
    result = out / "results" / f"{night['done'][0]}.json"
    document = json.loads(result.read_text())
    document["document"]["front_size"] += 5
    result.write_text(json.dumps(document))
    third = flexdse("sweep", "run", plan_file, "--out", out, "--json").document
    changed = next(row for row in third["rows"] if row["key"] == night["done"][0])
    assert changed["change"] == f"front {changed['front_size'] - 5} -> {changed['front_size']} designs"


def test_closed_window_runs_nothing(plan_file: Path, tmp_path: Path) -> None:
    document = json.loads(plan_file.read_text()) | {"window": {"start": "22:00", "end": "23:00"}}
    plan_file.write_text(json.dumps(document))
    plan = read_plan(plan_file)
    store = started(tmp_path / "out", plan)
    night = run_night(store, plan, lambda _: None, now=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))
    assert len(night.left) == 3
    assert "2026-11-22T22:00" in str(night.stopped)


class Nights:
    """A clock that only sleeping moves, and what was started when."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self.reports: list[datetime] = []

    def event(self, text: str) -> None:
        if text.startswith("report: "):
            self.reports.append(self.now)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.mark.parametrize("any_time", [False, True])
def test_what_the_budget_of_a_night_leaves_waits_for_the_next_window(
    plan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, any_time: bool
) -> None:
    document = json.loads(plan_file.read_text()) | {
        "window": {"start": "22:00", "end": "23:59"}, "budget": {"night_s": 1e-9}}  # fmt: skip
    plan_file.write_text(json.dumps(document))
    plan = read_plan(plan_file)
    store = started(tmp_path / "out", plan)
    clock = Nights(datetime(2026, 11, 22, 22, 30, tzinfo=UTC))
    real = sweep_run._must_stop

    def third_night_has_time(*arguments: Any) -> str | None:
        if len(clock.reports) == 2:
            monkeypatch.setattr(sweep_run.sys, "executable", "/bin/false")
            return None
        return real(*arguments)

    monkeypatch.setattr(sweep_run, "_must_stop", third_night_has_time)
    night, rows = run_nights(
        store, plan, clock.event, wait=True, any_time=any_time, now=lambda: clock.now, sleep=clock.sleep
    )
    assert clock.reports == [datetime(2026, 11, day, hour, minute, tzinfo=UTC) for day, hour, minute in
                             ((22, 22, 30), (23, 22, 0), (24, 22, 0))]  # fmt: skip
    assert (len(night.failed), night.left, len(rows)) == (3, [], 3)


def test_a_sweep_that_is_stopped_leaves_its_report(plan_file: Path, tmp_path: Path) -> None:
    document = json.loads(plan_file.read_text())
    document["cases"], document["concurrency"] = [], 1
    document["grid"] |= {"methods": ["random", "exact"]}
    plan_file.write_text(json.dumps(document))
    plan = read_plan(plan_file)
    store = started(tmp_path / "out", plan)

    def stop_after_one(text: str) -> None:
        if text.startswith("done "):
            os.kill(os.getpid(), signal.SIGINT)

    with stoppable(), pytest.raises(Interrupted):
        run_nights(store, plan, stop_after_one, wait=True)
    rows = sorted(row["state"] for row in json.loads((store.folder / "summary.json").read_text())["rows"])
    assert rows == ["done", "waiting"]
    assert "Stopped: by a signal" in (store.folder / "report.html").read_text()


def test_results_of_another_model_version_are_not_mixed(
    plan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = read_plan(plan_file)
    store = started(tmp_path / "out", plan)
    case = plan.all_cases()[1]
    store.put_result(case.key(), case, run_case(case, 60, store.journal(case)), 1.0)
    assert store.result(case.key()) is not None
    sweep_report.write_report(store, plan, Night())
    monkeypatch.setitem(sweep_store._VERSIONS, "model_version", "next")
    assert store.result(case.key()) is None
    row = next(row for row in sweep_report.summary_rows(store, plan) if row["key"] == case.key())
    assert row["change"] == "done -> waiting"


def test_a_result_of_an_edited_model_or_another_budget_is_made_anew(
    plan_file: Path, tiny_model: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own" / "config.json"
    own.parent.mkdir()
    own.write_text(tiny_model.read_text())
    document = json.loads(plan_file.read_text())
    document["grid"]["models"] = [str(own)]
    plan_file.write_text(json.dumps(document))
    plan = read_plan(plan_file)
    store = started(tmp_path / "out", plan)
    case = next(one for one in plan.all_cases() if one.method == "random")
    store.put_result(case.key(), case, run_case(case, 60, store.journal(case)), 1.0)
    journal = store.journal(case)
    assert store.result(case.key()) is not None
    more = plan.model_copy(update={"budget": plan.budget.model_copy(update={"evaluations": 90})})
    assert started(store.folder, more).result(case.key()) is None
    config = json.loads(own.read_text())
    own.write_text(json.dumps(config | {"vocab_size": config["vocab_size"] * 2}))
    assert store.result(case.key()) is None
    assert store.journal(case) != journal


def test_titles_tell_the_cases_apart(plan_file: Path, tmp_path: Path) -> None:
    document = json.loads(plan_file.read_text())
    document["grid"]["objectives"] = [["ttft_s", "tpot_s"], ["ttft_s", "power_w"]]
    document["cases"].append({**document["cases"][0], "space": None})
    plan_file.write_text(json.dumps(document))
    cases = read_plan(plan_file).all_cases()
    assert len({case.title for case in cases}) == len(cases) == 6
    assert any("for ttft_s | power_w" in case.title for case in cases)
    assert any("where tpot_s <= 1e-9" in case.title for case in cases)


def test_one_process_at_a_time_and_one_sweep_a_folder(plan_file: Path, tmp_path: Path) -> None:
    plan = read_plan(plan_file)
    store = started(tmp_path / "out", plan)
    with store.locked(), pytest.raises(FlexDSEError, match="another process"), SweepStore(store.folder).locked():
        pass
    # What is refused changes nothing of the sweep that is at work: its cases are read from the plan when they begin.
    edited = plan.model_copy(update={"cases": ()})
    with store.locked(), pytest.raises(FlexDSEError, match="another process"), SweepStore.started(store.folder, edited):
        pass
    assert store.plan() == plan
    other = plan.model_copy(update={"name": "another"})
    with pytest.raises(InputError, match="holds the sweep a night"):
        started(tmp_path / "out", other)
    with pytest.raises(InputError, match="holds no sweep"):
        started(plan_file.parent, plan)


def test_process_that_dies_is_a_failure_of_its_case_alone(
    plan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = read_plan(plan_file)
    store = started(tmp_path / "out", plan)
    monkeypatch.setattr(sweep_run.sys, "executable", "/bin/false")
    night = run_night(store, plan, lambda _: None)
    assert len(night.failed) == 3
    assert {(store.failure(key) or {})["cause"] for key in night.failed} == {"lost"}


def lives(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_cases_of_a_sweep_that_is_killed_die_and_the_next_run_goes_on(
    flexdse: Run, plan_file: Path, tmp_path: Path
) -> None:
    """kill -9 while two cases are at work: neither survives, no lock is left, and the same command makes the rest."""
    document = json.loads(plan_file.read_text())
    document["cases"], document["grid"]["space"] = [], None  # the whole space: nothing ends before it is killed
    plan_file.write_text(json.dumps(document))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "flexdse.cli", "sweep", "run", str(plan_file), "--out", str(out)]
    victim = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    below: list[int] = []
    while len(below) < 6 or not list(
        (out / "journals").glob("*.journal")
    ):  # two guards and a process, twice; one at work
        assert victim.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
        below = descendants(victim.pid)[1:]
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    document["grid"]["space"] = FEW
    plan_file.write_text(json.dumps(document))
    again = flexdse(
        "sweep", "run", plan_file, "--out", out, "--json"
    )  # at once: waits for what dies, and for that alone
    assert again.code == 0, again.err
    assert not any(lives(pid) for pid in below)
    assert (len(again.document["done"]), again.document["failed"]) == (2, [])


def test_a_model_that_vanishes_fails_its_cases_alone(
    flexdse: Run, plan_file: Path, tiny_model: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own" / "config.json"
    own.parent.mkdir()
    own.write_text(tiny_model.read_text())
    document = json.loads(plan_file.read_text())
    document["grid"] |= {"models": [str(own), str(tiny_model)], "methods": ["exact"]}
    document["cases"] = []
    plan_file.write_text(json.dumps(document))
    plan = read_plan(plan_file)
    store = started(tmp_path / "out", plan)
    own.unlink()
    shown = flexdse("sweep", "run", plan_file, "--out", store.folder, "--json")
    night = shown.document
    assert (shown.code, len(night["done"]), len(night["failed"])) == (1, 1, 1)
    assert "cannot run as it is" in shown.err
    assert flexdse("sweep", "run", plan_file, "--out", tmp_path / "new").code == 2  # the first night tells at once
    failure = store.failure(night["failed"][0])
    assert failure is not None
    assert failure["cause"] == "bad_input"
    assert "config.json" in failure["message"]
    assert len(sweep_report.summary_rows(store, plan)) == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"window": {"start": "06:00", "end": "06:00"}}, ["never opens", "window"]),
        ({"window": {"start": "06:00", "end": "07:00", "days": []}}, ["never opens"]),
        ({"grid": None, "cases": []}, ["sweep of nothing"]),
        ({"cases": [{"model": "no-such", "device": "u280", "workload": {"prompt_tokens": 1, "output_tokens": 1}}]},
         ["no-such"]),
        ({"budget": {"evaluation": 3}}, ["evaluations"]),
        ({"cases": [{**CASE, "method": "plugin:no-such"}]}, ["no-such"]),
        ({"cases": [{**CASE, "space": {"fix": {"prefill.no_such_knob": 3}}}]}, ["no_such_knob"]),
        ({"cases": [{**CASE, "workload": {"prompt_tokens": 60_000, "output_tokens": 2}}]}, ["context"]),
        ({"cases": [{**CASE, "workload": {"prompt_tokens": 9, "output_tokens": 1}}]}, ["output_tokens >= 2"]),
    ],
)  # fmt: skip
def test_bad_sweep_files(flexdse: Run, plan_file: Path, change: dict[str, object], words: list[str]) -> None:
    document = json.loads(plan_file.read_text()) | change
    plan_file.write_text(json.dumps(document))
    shown = flexdse("sweep", "validate", plan_file)
    assert shown.code == 2
    for word in words:
        assert word in shown.err


def test_validate_lists_the_cases(flexdse: Run, plan_file: Path) -> None:
    document = flexdse("sweep", "validate", plan_file, "--json").document
    assert len(document["cases"]) == 3
    assert len({case["key"] for case in document["cases"]}) == 3
