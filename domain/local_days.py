"""Calendar days as a debtor's clock shows them, through the nights on which clocks change."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


def local_date(instant: datetime, time_zone: str) -> date:
    """The date at an aware `instant` in an IANA zone."""
    return instant.astimezone(_zone(time_zone)).date()


@lru_cache(maxsize=65_536)
def start_of_day(day: date, time_zone: str) -> datetime:
    """The first instant (in UTC) of a local day in an IANA zone.

    Where clocks jump over midnight that is the jump itself; where midnight comes twice, the first of them.
    """
    midnight = datetime.combine(day, time.min, tzinfo=_zone(time_zone))
    # fold=0 is the first of two midnights, and reads a skipped one with the offset before the jump: the jump's instant.
    return midnight.astimezone(_UTC)


def days_between(earlier: date, later: date) -> int:
    """Whole days from one date to another; negative when `later` comes first."""
    return (later - earlier) // timedelta(days=1)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


_UTC = ZoneInfo("UTC")
