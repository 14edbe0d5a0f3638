"""Instants and the debtor's own clock and calendar: hours that clocks skip or repeat, days that are holidays."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import holidays

from domain.local_days import local_date, start_of_day

QUARTER = timedelta(minutes=15)


def hour_of_week(at: datetime, zone: ZoneInfo) -> int:
    """The local hour of the week, Monday 00 first."""
    local = at.astimezone(zone)
    return local.weekday() * 24 + local.hour


def same_hour(at: datetime, other: datetime, zone: ZoneInfo) -> bool:
    """Whether both lie in one local hour of one local day."""
    one, two = at.astimezone(zone), other.astimezone(zone)
    return (one.date(), one.hour) == (two.date(), two.hour)


def whole_quarter(at: datetime) -> datetime:
    """The quarter of an hour of UTC that `at` lies in.

    Offsets move in steps of a quarter of an hour (since 1972), so quarters of UTC meet every local hour's start.
    """
    at = at.astimezone(UTC)
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def next_quarter(at: datetime, is_open: Callable[[datetime], bool], zone: ZoneInfo) -> datetime | None:
    """The first quarter of an hour after `at` whose local time is open; None when none is within forty days."""
    quarter = whole_quarter(at)
    limit = quarter + timedelta(days=40)
    while quarter < limit:
        quarter += QUARTER
        if is_open(quarter.astimezone(zone)):
            return quarter
    return None


def local_day(at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when to when (UTC) the local day of `at` lasts."""
    day = local_date(at, zone.key)
    return start_of_day(day, zone.key), start_of_day(day + timedelta(days=1), zone.key)


@cache
def _holidays_of(country: str) -> holidays.HolidayBase:
    return holidays.country_holidays(country)


@lru_cache(maxsize=8192)
def is_holiday(country: str, day: date) -> bool:
    """Whether a day is a public holiday of the country."""
    return day in _holidays_of(country)


def end_of_holidays(country: str, at: datetime, zone: ZoneInfo) -> datetime:
    """When (UTC) the first local day after `at` begins that is no holiday: holidays may follow each other."""
    end = local_day(at, zone)[1]
    while is_holiday(country, end.astimezone(zone).date()):
        end = local_day(end, zone)[1]
    return end


def occurrences(after: datetime, weekday: int, hour: int, zone: ZoneInfo, last: date) -> Iterable[datetime]:
    """Starts (UTC, in order) of that local hour from `after` on; `after` itself when it lies within one."""
    if after.tzinfo is None:
        raise ValueError("after: a naive instant; give it an offset")
    day = after.astimezone(zone).date() - timedelta(days=1)
    day += timedelta(days=(weekday - day.weekday()) % 7)
    while day <= last:
        local = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
        starts = {local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
        for start in sorted(starts):
            seen = start.astimezone(zone)
            if (seen.date(), seen.hour) != (day, hour):
                continue  # skipped by a clock change
            if start >= after:
                yield start
            elif same_hour(after, start, zone):
                yield after.astimezone(UTC)
        day += timedelta(weeks=1)
