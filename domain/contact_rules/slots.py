"""Where lawful instants are: which local hours of the week have one in a span of time, and the next one of an hour."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from domain.contact_rules.blocks import blocks, is_open
from domain.contact_rules.facts import Reachability
from domain.contact_rules.frequency import closed_spans
from domain.contact_rules.local_clock import (
    QUARTER,
    hour_of_week,
    is_holiday,
    occurrences,
    same_hour,
    whole_quarter,
)
from domain.contact_rules.presets import OpenHours, Preset
from domain.contact_rules.standing import address_blocks, hours_named, latest_limits, stops
from domain.vocabulary import Channel

HOURS_PER_WEEK = 168
_WEEKS_AHEAD = 10

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class _Calendar:
    """The part of a preset that is the same for every debtor of a zone."""

    open_hours: OpenHours
    holidays: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of one local hour: hour of the week (Monday 00 first), local date, from when to before when."""

    hour: int
    day: date
    begin: datetime
    end: datetime


def open_hours(presets: Sequence[Preset]) -> tuple[bool, ...]:
    """(168,) whether a local hour of the week (Monday 00 first) is open by every preset, holidays aside."""
    week = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
    hours = [week + timedelta(hours=hour) for hour in range(HOURS_PER_WEEK)]
    return tuple(all(is_open(preset, hour) for preset in presets) for hour in hours)


def lawful_hours(
    channel: Channel, debtor: Reachability, *, start: datetime, end: datetime, known: datetime
) -> tuple[bool, ...]:
    """(168,) local hours of the week (Monday 00 first) that have a lawful instant t, `start <= t < end`.

    known: facts up to then count, and what is planned; not after `start`. A span of weeks is looked at for its first
    ten. `next_lawful_instant` finds the instant.
    """
    if _is_shut(channel, debtor, known):
        return (False,) * HOURS_PER_WEEK
    end = min(end, start + timedelta(weeks=_WEEKS_AHEAD))
    calendars = _calendars(debtor.presets)
    closed, limits = _closed(channel, debtor, start, known), _limits(channel, debtor, known)
    if not closed and not limits:
        return _usual_hours(calendars, debtor.zone, start, end)
    return _hours_of(
        free for slot in _slots(calendars, debtor.zone, start, end) for free in _free(slot, closed, limits)
    )


def free_slots(
    channel: Channel, debtor: Reachability, *, start: datetime, end: datetime, known: datetime
) -> Sequence[Slot]:
    """The stretches of local hours in the span in which no rule forbids a contact, in order; as `lawful_hours`."""
    if _is_shut(channel, debtor, known):
        return ()
    end = min(end, start + timedelta(weeks=_WEEKS_AHEAD))
    closed, limits = _closed(channel, debtor, start, known), _limits(channel, debtor, known)
    slots = _slots(_calendars(debtor.presets), debtor.zone, start, end)
    return [free for slot in slots for free in _free(slot, closed, limits)] if closed or limits else slots


def _is_shut(channel: Channel, debtor: Reachability, known: datetime) -> bool:
    return any(block.until is None for block in address_blocks(known, channel, debtor))


@lru_cache(maxsize=64)
def _calendars(presets: tuple[Preset, ...]) -> tuple[_Calendar, ...]:
    return tuple(_Calendar(preset.open_hours, preset.holidays) for preset in presets)


@lru_cache(maxsize=2048)
def _usual_hours(
    calendars: tuple[_Calendar, ...], zone: str, start: datetime, end: datetime
) -> tuple[bool, ...]:
    return _hours_of(_slots(calendars, zone, start, end))


def _hours_of(slots: Iterable[Slot]) -> tuple[bool, ...]:
    found = [False] * HOURS_PER_WEEK
    for slot in slots:
        found[slot.hour] = True
    return tuple(found)


@lru_cache(maxsize=2048)
def _slots(calendars: tuple[_Calendar, ...], zone: str, start: datetime, end: datetime) -> tuple[Slot, ...]:
    """The open stretches of local hours in the span, in order; an hour that clocks repeat makes two."""
    found: list[Slot] = []
    local_zone, quarter = ZoneInfo(zone), whole_quarter(start)
    while quarter < end:
        local = quarter.astimezone(local_zone)
        if _open(calendars, local):
            begin, until = max(quarter, start), min(quarter + QUARTER, end)
            hour, day, last = hour_of_week(quarter, local_zone), local.date(), found[-1] if found else None
            if last is not None and (last.hour, last.day, last.end) == (hour, day, begin):
                found[-1] = Slot(hour, day, last.begin, until)
            else:
                found.append(Slot(hour, day, begin, until))
        quarter += QUARTER
    return tuple(found)


def _open(calendars: Iterable[_Calendar], local: datetime) -> bool:
    for calendar in calendars:
        window = calendar.open_hours[local.weekday()]
        if window is None or not window[0] <= local.hour < window[1]:
            return False
        if calendar.holidays is not None and is_holiday(calendar.holidays, local.date()):
            return False
    return True


def _closed(channel: Channel, debtor: Reachability, start: datetime, known: datetime) -> list[Span]:
    """Spans in which a request to stop or wait, or a rule on how often, forbids the channel; merged, in order."""
    spans = [(span.begin, span.end) for span in closed_spans(channel, debtor, known)]
    forever = datetime.max.replace(tzinfo=UTC)
    spans += [(min(known, start), block.until or forever) for block in stops(known, channel, debtor)]
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return merged


def _limits(channel: Channel, debtor: Reachability, known: datetime) -> list[tuple[Span, tuple[bool, ...]]]:
    """When which hours of the day were asked for: as one request ends, an older one may hold again."""
    ends = sorted({request.until for request in debtor.requests if request.until is not None})
    edges = [known, *(end for end in ends if end > known), datetime.max.replace(tzinfo=UTC)]
    found = []
    asked = [request for request in debtor.requests if request.made_at <= known]
    for begin, end in pairwise(edges):
        for request in latest_limits(begin, channel, asked):
            found.append(((begin, end), hours_named(request)))
    return found


def _free(
    slot: Slot, closed: Sequence[Span], limits: Sequence[tuple[Span, tuple[bool, ...]]]
) -> Iterable[Slot]:
    """What is left of a slot."""
    shut = [span for span, hours in limits if not hours[slot.hour % 24]]
    begin = slot.begin
    for low, high in sorted([*closed, *shut]):
        if high <= begin or low >= slot.end:
            continue
        if low > begin:
            yield Slot(slot.hour, slot.day, begin, low)
        begin = max(begin, high)
    if begin < slot.end:
        yield Slot(slot.hour, slot.day, begin, slot.end)


def next_lawful_instant(
    after: datetime,
    weekday: int,
    hour: int,
    channel: Channel,
    debtor: Reachability,
    *,
    before: datetime | None = None,
) -> datetime | None:
    """The first instant t, `after <= t < before`, on that local weekday (Monday 0) and hour that no rule forbids.

    An hour that a clock change skips does not happen that week; one that it repeats may be used twice. None when
    there is none: within ten weeks after `after` or after the last wait that the debtor asked for.
    Raises ValueError for a naive instant, a weekday outside 0–6 or an hour outside 0–23.
    """
    if not (0 <= weekday <= 6 and 0 <= hour <= 23):
        raise ValueError(f"weekday {weekday}, hour {hour}: outside 0–6, 0–23")
    zone = ZoneInfo(debtor.zone)
    for start in occurrences(after, weekday, hour, zone, _search_end(after, debtor)):
        instant: datetime | None = start
        while instant is not None:
            if before is not None and instant >= before:
                return None
            found = blocks(instant, channel, debtor)
            if not found:
                return instant
            waits = [block.until for block in found if block.until is not None]
            later = max(waits) if len(waits) == len(found) else None
            instant = later if later is not None and same_hour(later, start, zone) else None
    return None


def _search_end(after: datetime, debtor: Reachability) -> date:
    waits = [request.until for request in debtor.requests if request.until is not None]
    return (max([after, *waits]).astimezone(UTC) + timedelta(weeks=_WEEKS_AHEAD)).date()
