"""When an action for a whole segment could be carried out next, where all its debtors live in one place.

A segment has no refusals, contacts or requests of its own, so the hours of the place alone bind it: what is found for
an instant holds for all instants from there to the one found.
"""

from collections.abc import Callable, Collection
from datetime import date, datetime
from functools import cache

from domain.contact_rules import Address, Reachability, next_lawful_instant
from domain.latest import Latest
from domain.storage.reads.segment_grounds import Place
from domain.vocabulary import Channel

_DAYS_KEPT = 500

#: A channel and an hour of the week, Monday 00 first.
Slot = tuple[Channel, int]
_Spans = list[tuple[datetime, datetime]]


class SegmentInstants:
    """Finds next lawful instants, and keeps them by place, slot and the day they were asked for."""

    def __init__(self) -> None:
        self._kept: Latest[tuple[Place, date], dict[Slot, _Spans]] = Latest(_DAYS_KEPT)

    def at(
        self, place: Place, *, after: datetime, before: datetime | None
    ) -> Callable[[Slot], datetime | None]:
        """Answers, for a slot, its first lawful instant t, `after <= t < before`; None: there is none."""
        kept = self._kept.get_or_make((place, after.date()), dict)

        @cache
        def next_of(slot: Slot) -> datetime | None:
            found = _next(place, slot, after, kept.setdefault(slot, []))
            return None if found is None or (before is not None and found >= before) else found

        return next_of


def _next(place: Place, slot: Slot, after: datetime, spans: _Spans) -> datetime | None:
    for since, found in spans:
        if since <= after <= found:
            return found
    zone, presets = place
    anybody = Reachability(
        zone, tuple(Address(each, consented_at=after) for each in Channel), presets=presets
    )
    first = next_lawful_instant(after, *divmod(slot[1], 24), slot[0], anybody)
    if first is not None:
        spans[:] = [*((since, found) for since, found in spans if found != first), (after, first)]
    return first


def only_place(places: Collection[Place]) -> Place | None:
    """The one place, None when there are none or several."""
    return next(iter(places)) if len(places) == 1 else None
