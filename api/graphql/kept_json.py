"""JSON of values that last, kept by what is selected of them; the instants that differ are put in for each answer.

A lasting value is completed once with an instant of the year 1 wherever an instant of the request belongs: no fact is
as old, so these alone are found again in the JSON, as often as they are selected.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import orjson

from api.answers import DatedRecommendation, Recommendation

#: Some ten kilobytes each.
_KEPT = 4_000
_PLACE = re.compile(rb'"0001-01-01T00:00:00(?:\.(\d{6}))?Z"')


def placeholder(place: int) -> datetime:
    """What stands for the instant of a place, 0 … 999,999."""
    return datetime(1, 1, 1, microsecond=place, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Kept:
    """JSON in pieces: before the first instant, then the place of each instant and what follows it.

    value, selection: kept so that no others get their identity.
    """

    value: object
    selection: object
    begin: bytes
    rest: tuple[tuple[int, bytes], ...]

    def json(self, instants: Sequence[bytes]) -> bytes:
        """The whole, with the instants of the places."""
        if not self.rest:
            return self.begin
        pieces = [self.begin]
        for place, following in self.rest:
            pieces += (instants[place], following)
        return b"".join(pieces)


class KeptJson:
    """What was made lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Hashable, int], _Kept] = OrderedDict()

    def fragments(
        self,
        key: Hashable,
        selection: object,
        values: Sequence[DatedRecommendation],
        complete: Callable[[Sequence[Recommendation]], Sequence[bytes]],
        show: Callable[[datetime], str],
    ) -> list[orjson.Fragment]:
        """The JSON of each value. key: tells selections apart while `selection` lives; complete: makes the JSON."""

        @cache
        def shown(instant: datetime | None) -> bytes:
            return b"null" if instant is None else b'"%b"' % show(instant).encode()

        kept = [self._kept.get((key, id(value.lasting))) for value in values]
        missing = [at for at, found in enumerate(kept) if found is None]
        if missing:
            completed = complete([_marked(values[at]) for at in missing])
            for at, json in zip(missing, completed, strict=True):
                kept[at] = _in_pieces(values[at].lasting, selection, json)
        found = [each for each in kept if each is not None]
        for value, each in zip(values, found, strict=True):
            self._keep((key, id(value.lasting)), each)
        return [
            orjson.Fragment(each.json([shown(instant) for instant in value.send_at]))
            for value, each in zip(values, found, strict=True)
        ]

    def _keep(self, place: tuple[Hashable, int], kept: _Kept) -> None:
        self._kept[place] = kept
        self._kept.move_to_end(place)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


def _marked(value: DatedRecommendation) -> Recommendation:
    """The whole of it, with placeholders for instants."""
    places = range(len(value.send_at))
    return DatedRecommendation(value.lasting, tuple(map(placeholder, places))).whole()


def _in_pieces(value: object, selection: object, json: bytes) -> _Kept:
    begin, *rest = _PLACE.split(json)
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return _Kept(value, selection, begin, tuple((int(number or 0), following) for number, following in pairs))
