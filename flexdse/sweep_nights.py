"""The nights of a sweep: one run of what is left and one report in each window, until all is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dse.windows import next_opening, opening_after
from flexdse.stopping import stop_request
from flexdse.sweep_report import summary_rows, write_report
from flexdse.sweep_run import Night, run_night
from flexdse.sweep_store import SweepStore
from spec.sweep import SweepPlan

LONGEST_SLEEP_S = 600.0  # a clock may be set, a machine may sleep


def run_nights(
    store: SweepStore,
    plan: SweepPlan,
    on_event: Callable[[str], None],
    *,
    wait: bool = False,
    any_time: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Night, list[dict[str, Any]]]:
    """One night, or with `wait` as many as it takes, each in a window of its own: what the budget of a night leaves waits for
    the next window, however long this one is still open. `any_time`: the first night is now. The last night, and its rows.

    A signal ends a night as the end of its window does, with the report, and then unwinds the program.
    """
    if wait and not any_time and plan.window is not None:
        _sleep_until(next_opening(plan.window, now()), on_event, now, sleep)
    while True:
        with stop_request() as asked:
            night = run_night(store, plan, on_event, any_time=any_time, now=now, should_stop=asked)
            rows = summary_rows(store, plan)
            on_event(f"report: {write_report(store, plan, night)}")
        if asked():
            raise asked.unwinding()
        if not (wait and night.left and plan.window is not None):
            return night, rows
        any_time = False
        _sleep_until(opening_after(plan.window, now()), on_event, now, sleep)


def _sleep_until(
    moment: datetime, on_event: Callable[[str], None], now: Callable[[], datetime], sleep: Callable[[float], None]
) -> None:
    left = (moment - now()).total_seconds()
    if left > 0:
        on_event(f"the window opens in {left / 3600:.1f} h")
    while left > 0:
        sleep(min(left, LONGEST_SLEEP_S))
        left = (moment - now()).total_seconds()
