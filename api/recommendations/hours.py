"""Which local hours of the week come into question: inside a window of time, and by the contact rules."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from api.answers import Window
from domain.contact_rules import HOURS_PER_WEEK, Reachability, lawful_hours, open_hours
from domain.contact_rules.local_clock import QUARTER, whole_quarter
from domain.storage.reads.segment_grounds import Place
from domain.vocabulary import Channel
from ml.actions import lawful_hours as usual_hours
from ml.outcomes import CHANNELS

Hours = NDArray[np.bool_]
USUAL_WINDOW = timedelta(days=7)

_WHOLE_WEEK = timedelta(days=8)


def window_from(within: Window | None, as_of: datetime) -> Window:
    """When a contact may be: inside the window asked for, not before `as_of`; by itself the seven days after it."""
    if within is None:
        return Window(as_of, as_of + USUAL_WINDOW)
    return Window(max(as_of, within.start), within.end)


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
        instant = whole_quarter(instant) + QUARTER
    return tuple(found)


def hours_of_debtors(debtors: Sequence[Reachability], *, known: datetime, window: Window) -> Hours:
    """(n, channels, 168) hours that have an instant in the window at which the rules allow each debtor each channel."""
    allowed = np.zeros((len(debtors), len(CHANNELS), HOURS_PER_WEEK), dtype=bool)
    for row, debtor in enumerate(debtors):
        for column, channel in enumerate(CHANNELS):
            allowed[row, column] = lawful_hours(
                Channel(channel), debtor, start=window.start, end=window.end, known=known
            )
    return allowed


def hours_of_segments(
    places: Mapping[str, Iterable[Place]], segments: Sequence[str], window: Window | None
) -> dict[str, Hours]:
    """Per segment (168,) hours open by the rules, and inside the window, wherever its debtors live.

    A segment without debtors, or for which that is no restriction, is left out.
    """
    found = {}
    for segment in segments:
        mask = _hours_of(frozenset(places.get(segment, ())), window)
        if mask is not None:
            found[segment] = mask
    return found


@lru_cache(maxsize=4096)
def _hours_of(places: frozenset[Place], window: Window | None) -> Hours | None:
    """(168,) hours open at all the places; None where that is no restriction, and without a place."""
    if not places:
        return None
    mask: Hours = np.all([_hours_at(place, window) for place in places], axis=0)
    mask.flags.writeable = False
    return None if mask[usual_hours()].all() else mask


def _hours_at(place: Place, window: Window | None) -> Hours:
    zone, presets = place
    opened = np.array(open_hours(presets))
    return opened if window is None else opened & np.array(hours_within(window, zone))
