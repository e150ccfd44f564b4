"""Nightly windows: by the clock of their zone, over midnight and through changes of daylight saving time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dse.windows import next_opening, open_until
from spec.errors import InputError
from spec.sweep import SweepWindow

ZURICH = ZoneInfo("Europe/Zurich")


def window(**changes: object) -> SweepWindow:
    return SweepWindow.model_validate({"time_zone": "Europe/Zurich", "start": "22:00", "end": "06:00", **changes})


def test_night_over_midnight() -> None:
    night = window(days=["fri"])
    friday = datetime(2026, 11, 20, 23, 0, tzinfo=ZURICH)
    assert open_until(night, friday) == datetime(2026, 11, 21, 6, 0, tzinfo=ZURICH)
    assert open_until(night, friday + timedelta(hours=6)) is not None  # Saturday morning belongs to Friday's night
    assert open_until(night, friday + timedelta(hours=7)) is None  # 06:00: closed
    assert open_until(night, friday + timedelta(days=1)) is None  # Saturday night
    assert next_opening(night, friday + timedelta(days=1)) == datetime(2026, 11, 27, 22, 0, tzinfo=ZURICH)
    assert next_opening(night, friday) == friday


def test_every_minute_of_a_week_against_the_wall_clock() -> None:
    night = window(start="01:30", end="04:15", days=["mon", "sun"])
    moment = datetime(2026, 3, 27, tzinfo=UTC)  # the clocks go forward in the night of Sunday, the 29th
    for _ in range(0, 7 * 24 * 60, 7):
        local = moment.astimezone(ZURICH)
        wanted = local.weekday() in (0, 6) and (1, 30) <= (local.hour, local.minute) < (4, 15)
        assert (open_until(night, moment) is not None) == wanted, local
        moment += timedelta(minutes=7)


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"end": "22:00"}, "never opens"), ({"days": []}, "never opens"), ({"time_zone": "Europe/Zurick"}, "time zone")],
)
def test_window_that_never_opens(changes: dict[str, object], word: str) -> None:
    with pytest.raises((InputError, ValueError), match=word):
        window(**changes)
