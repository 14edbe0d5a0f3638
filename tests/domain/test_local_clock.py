"""The local day and the end of holidays where clocks are changed at midnight."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.contact_rules.local_clock import end_of_holidays, is_holiday, local_day

CHANGED_AT_MIDNIGHT = (
    "Atlantic/Azores",
    "Asia/Beirut",
    "America/Santiago",
    "Africa/Cairo",
    "America/Havana",
    "America/Asuncion",
)
QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize("name", [*CHANGED_AT_MIDNIGHT, "Europe/Copenhagen", "Pacific/Apia"])
@pytest.mark.parametrize("year", [2011, 2024, 2026, 2027])
def test_a_local_day_has_every_instant_of_its_date(name: str, year: int) -> None:
    zone, at, dates = ZoneInfo(name), datetime(year, 1, 1, tzinfo=UTC), {}
    while at.year == year:
        dates.setdefault(at.astimezone(zone).date(), []).append(at)
        at += QUARTER
    days = sorted(dates)[1:-1]
    assert len(days) > 300
    for day in days:
        begin, end = local_day(dates[day][0], zone)
        assert (begin, end) == (dates[day][0], dates[day][-1] + QUARTER), day


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("Atlantic/Azores", date(2027, 3, 27)),
        ("Asia/Beirut", date(2027, 3, 27)),
        ("America/Santiago", date(2026, 9, 18)),
    ],
)
def test_holidays_end_where_midnight_is_skipped(name: str, day: date) -> None:
    zone = ZoneInfo(name)
    end = end_of_holidays("CL", datetime(day.year, day.month, day.day, 12, tzinfo=zone), zone)
    assert not is_holiday("CL", end.astimezone(zone).date())
    assert timedelta(0) < end - datetime(day.year, day.month, day.day, 12, tzinfo=zone) < timedelta(days=7)
