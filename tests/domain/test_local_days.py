from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.local_days import days_between, local_date, start_of_day

ZONES = (
    "UTC",
    "Europe/Madrid",
    "America/Havana",
    "America/Santiago",
    "Asia/Beirut",
    "Pacific/Apia",
    "Asia/Kathmandu",
)


@pytest.mark.parametrize(
    ("day", "zone", "starts"),
    [
        (date(2026, 6, 1), "Europe/Madrid", "2026-05-31T22:00+00:00"),
        (
            date(2026, 3, 8),
            "America/Havana",
            "2026-03-08T05:00+00:00",
        ),  # 00:00 is skipped: the day begins at 01:00
        (date(2026, 11, 1), "America/Havana", "2026-11-01T04:00+00:00"),  # 00:00 comes twice: the first
        (date(2026, 9, 6), "America/Santiago", "2026-09-06T04:00+00:00"),
        (date(2011, 12, 31), "Pacific/Apia", "2011-12-30T10:00+00:00"),  # the day after one that never was
    ],
)
def test_a_day_starts_with_its_first_instant(day: date, zone: str, starts: str) -> None:
    assert start_of_day(day, zone) == datetime.fromisoformat(starts)


@given(st.dates(date(1990, 1, 1), date(2037, 12, 31)), st.sampled_from(ZONES))
def test_the_instant_before_a_day_starts_is_another_day(day: date, zone: str) -> None:
    if (zone, day) == ("Pacific/Apia", date(2011, 12, 30)):
        return  # skipped from end to end
    start = start_of_day(day, zone)
    assert local_date(start, zone) == day
    assert local_date(start - timedelta(microseconds=1), zone) < day


def test_days_count_through_clock_changes() -> None:
    assert days_between(date(2026, 3, 28), date(2026, 3, 30)) == 2
    assert days_between(date(2026, 3, 30), date(2026, 3, 28)) == -2
    assert local_date(datetime(2026, 1, 1, 23, 30, tzinfo=UTC), "Europe/Madrid") == date(2026, 1, 2)
