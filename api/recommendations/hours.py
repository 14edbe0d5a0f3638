"""Which local hours of the week come into question: inside a window of time, and by the contact rules."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from api.answers import Window
from domain.contact_rules import HOURS_PER_WEEK, Reachability, allowed_hours
from domain.vocabulary import Channel
from ml.outcomes import CHANNELS

Hours = NDArray[np.bool_]

_QUARTER = timedelta(minutes=15)
_WHOLE_WEEK = timedelta(days=8)


@lru_cache(maxsize=4096)
def hours_within(window: Window, zone: str) -> tuple[bool, ...]:
    """(168,) local hours of the week, Monday 00 first, that begin or go on inside the window."""
    if window.end - window.start >= _WHOLE_WEEK:
        return (True,) * HOURS_PER_WEEK
    found, local = [False] * HOURS_PER_WEEK, ZoneInfo(zone)
    instant = window.start.astimezone(UTC)
    while instant < window.end:
        at = instant.astimezone(local)
        found[at.weekday() * 24 + at.hour] = True
        # Every zone's hours begin at a whole quarter of an hour of UTC.
        instant = instant.replace(minute=instant.minute // 15 * 15, second=0, microsecond=0) + _QUARTER
    return tuple(found)


def hours_of_debtors(debtors: Sequence[Reachability], *, at: datetime, window: Window | None) -> Hours:
    """(n, channels, 168) hours in which the rules, and the window if there is one, allow each debtor each channel."""
    allowed = np.zeros((len(debtors), len(CHANNELS), HOURS_PER_WEEK), dtype=bool)
    for row, debtor in enumerate(debtors):
        for column, channel in enumerate(CHANNELS):
            allowed[row, column] = allowed_hours(at, Channel(channel), debtor)
        if window is not None:
            allowed[row] &= np.array(hours_within(window, debtor.zone))
    return allowed


def hours_of_segments(
    zones: Mapping[str, Iterable[str]], segments: Sequence[str], window: Window | None
) -> dict[str, Hours] | None:
    """Per segment (168,) hours inside the window in every zone its debtors live in; None without a window."""
    if window is None:
        return None
    return {
        segment: np.all([hours_within(window, zone) for zone in zones[segment]], axis=0)
        for segment in segments
        if zones.get(segment)
    }
