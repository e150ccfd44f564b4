"""Runs a sweep: each case in a process of its own, within the window and the budgets; what is done stays done."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from dse.windows import next_opening, open_until
from flexdse.sweep_store import SweepStore
from spec.sweep import SweepCase, SweepPlan

POLL_S = 0.1
KILL_AFTER_S = 30.0  # between asking the guard of a case to end it and ending both


@dataclass(slots=True)
class Night:
    """What one run of a sweep did. `stopped`: why it ended before all cases were done."""

    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    stopped: str | None = None


@dataclass(slots=True)
class _Running:
    case: SweepCase
    process: subprocess.Popen[bytes]
    started: float


def run_night(
    store: SweepStore,
    plan: SweepPlan,
    on_event: Callable[[str], None],
    *,
    any_time: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    should_stop: Callable[[], bool] = lambda: False,
) -> Night:
    """Run what is not done yet until all is done, the window closes, the night's budget is spent or somebody stops it. A case
    that is at work when it must end is stopped, and goes on from its journal the next time.
    """
    night = Night()
    started = time.monotonic()
    waiting: list[SweepCase] = []
    for case in plan.all_cases():
        if store.result(case.key()) is not None:
            night.skipped.append(case.key())
        else:
            waiting.append(case)
    running: list[_Running] = []
    try:
        while waiting or running:
            reason = "by a signal" if should_stop() else _must_stop(plan, any_time, now(), time.monotonic() - started)
            if reason is not None:
                night.stopped = reason
                break
            while waiting and len(running) < plan.concurrency:
                case = waiting.pop(0)
                on_event(f"start {case.title}")
                running.append(_Running(case, _start(store, case), time.monotonic()))
            for one in list(running):
                _check(one, store, plan, night, on_event, running)
            time.sleep(POLL_S)
    finally:
        for one in running:
            _end(one.process)
        night.left = [one.case.key() for one in running] + [case.key() for case in waiting]
    return night


def _start(store: SweepStore, case: SweepCase) -> subprocess.Popen[bytes]:
    log = store.folder / "journals" / f"{case.key()}.log"
    with log.open("wb") as output:
        return subprocess.Popen(
            # -P: a folder called `flexdse` where the user happens to stand must not hide ours.
            [sys.executable, "-P", "-m", "flexdse.sweep_case", str(store.folder), case.key(), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # deaf to the Ctrl-C that the sweep gets, which ends its cases itself
            pass_fds=store.lock_descriptors,
        )


def _check(
    one: _Running,
    store: SweepStore,
    plan: SweepPlan,
    night: Night,
    on_event: Callable[[str], None],
    running: list[_Running],
) -> None:
    key, seconds = one.case.key(), time.monotonic() - one.started
    code = one.process.poll()
    if code is None:
        if plan.budget.case_s is not None and seconds > plan.budget.case_s:
            _end(one.process)
            store.put_failure(key, one.case, "time_limit", f"stopped after {plan.budget.case_s:g} s", seconds)
        else:
            return
    elif store.result(key) is None and (code != 0 or store.failure(key) is None):
        tail = (store.folder / "journals" / f"{key}.log").read_text(errors="replace")[-2000:]
        store.put_failure(key, one.case, "lost", f"its process ended with code {code}\n{tail}".strip(), seconds)
    running.remove(one)
    if store.result(key) is not None:
        night.done.append(key)
        on_event(f"done {one.case.title} in {seconds:.1f} s")
    else:
        failure = store.failure(key) or {}
        night.failed.append(key)
        on_event(f"FAILED {one.case.title}: {failure.get('cause')}: {str(failure.get('message')).splitlines()[0]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(KILL_AFTER_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _must_stop(plan: SweepPlan, any_time: bool, moment: datetime, seconds: float) -> str | None:
    if plan.window is not None and not any_time and open_until(plan.window, moment) is None:
        return f"the window is closed; it opens at {next_opening(plan.window, moment).isoformat(timespec='minutes')}"
    if plan.budget.night_s is not None and seconds > plan.budget.night_s:
        return f"the budget of the night, {plan.budget.night_s:g} s, is spent"
    return None
