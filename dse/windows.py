"""When a nightly window is open, in its own time zone, through changes of daylight saving time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from spec.sweep import DAYS, SweepWindow


def open_until(window: SweepWindow, now: datetime) -> datetime | None:
    """The end of the window that is open at `now` (aware), None where it is closed."""
    night = night_at(window, now)
    return None if night is None else night[1]


def night_at(window: SweepWindow, now: datetime) -> tuple[datetime, datetime] | None:
    """Start and end of the window that is open at `now` (aware), None where it is closed."""
    zone = ZoneInfo(window.time_zone)
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        start, end = _night(window, day, zone)
        if DAYS[day.weekday()] in window.days and start <= now < end:
            return start, end
    return None


def coming_night(window: SweepWindow, now: datetime) -> tuple[datetime, datetime]:
    """Start and end of the window that is open at `now` (aware), else of the next one."""
    night = night_at(window, next_opening(window, now))
    assert night is not None
    return night


def next_opening(window: SweepWindow, now: datetime) -> datetime:
    """When the window opens next, `now` itself where it is open."""
    if open_until(window, now) is not None:
        return now
    zone = ZoneInfo(window.time_zone)
    today = now.astimezone(zone).date()
    nights = (_night(window, today + timedelta(days=i), zone) for i in range(9))
    return next(
        start
        for i, (start, end) in enumerate(nights)
        if DAYS[(today + timedelta(days=i)).weekday()] in window.days and start > now and end > start
    )


def opening_after(window: SweepWindow, now: datetime) -> datetime:
    """When the window opens next, after the one that is open at `now` (aware) has ended."""
    until = open_until(window, now)
    return next_opening(window, now if until is None else until)


def _night(window: SweepWindow, start_day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The window that starts on a day."""
    end_day = start_day if window.end_time > window.start_time else start_day + timedelta(days=1)
    start = datetime.combine(start_day, window.start_time, zone)
    end = datetime.combine(end_day, window.end_time, zone)
    return start, end
