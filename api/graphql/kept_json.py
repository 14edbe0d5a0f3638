"""JSON of rows that last, kept by what is selected of them; the instants that differ are put in for each answer.

A lasting row is completed once with an instant of the year 1 wherever an instant of the request belongs: no fact is as
old, and no name can be meant for it, since nobody knows the second that this process has drawn. So these alone are
found again in the JSON, as often as they are selected.
"""

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

#: Some ten kilobytes each; and of so many selections, each of which keeps its whole document.
_KEPT, _SELECTIONS = 4_000, 64
_SECOND = datetime(1, 1, 1, tzinfo=UTC) + timedelta(seconds=secrets.randbelow(365 * 24 * 60 * 60))
_NULL = b"null"
_PLACE = re.compile(rb'"%b(?:\.(\d{6}))?Z"' % _SECOND.replace(tzinfo=None).isoformat().encode())


def placeholder(place: int) -> datetime:
    """What stands for the instant of a place, 0 … 999,999."""
    return _SECOND.replace(microsecond=place)


class Dated:
    """A row that lasts but for its instants."""

    __slots__ = ()

    @property
    def lasting(self) -> tuple[object, ...]:
        """What it is made of: the same objects as long as nothing of it changes but its instants."""
        raise NotImplementedError

    @property
    def instants(self) -> tuple[datetime | None, ...]:
        """Its instants."""
        raise NotImplementedError

    def at(self, instants: tuple[datetime | None, ...]) -> Any:
        """The row with other instants, as plain as others are."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class _Kept:
    """JSON in pieces, and the places of the instants between them.

    lasting, selection: kept so that no others get their identity.
    """

    lasting: object
    selection: object
    pieces: tuple[bytes, ...]
    places: tuple[int, ...]

    def put_in(self, instants: Sequence[bytes]) -> list[bytes]:
        """The pieces with the instants of the places between them."""
        whole = [b""] * (len(self.pieces) + len(self.places))
        whole[::2] = self.pieces
        whole[1::2] = [instants[place] for place in self.places]
        return whole


class KeptJson:
    """What was made lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, OrderedDict[Hashable, _Kept]] = OrderedDict()

    def pieces(
        self,
        key: Hashable,
        selection: object,
        rows: Sequence[Dated],
        complete: Callable[[Sequence[Any]], Sequence[bytes]],
        show: Callable[[datetime], bytes],
    ) -> list[bytes]:
        """The JSON of the list of the rows, piece by piece: it is long, and put together only once.

        key: tells selections apart while `selection` lives; complete: makes the JSON; show: that of an instant.
        """
        known = self._kept.get(key, OrderedDict())
        places = [tuple(map(id, row.lasting)) for row in rows]
        kept = [known.get(place) for place in places]
        missing = [at for at, found in enumerate(kept) if found is None]
        if missing:
            completed = complete([_marked(rows[at]) for at in missing])
            for at, json in zip(missing, completed, strict=True):
                kept[at] = _in_pieces(rows[at].lasting, selection, json)
        pieces, before = [], b"["
        for row, place, found in zip(rows, places, kept, strict=True):
            if found is not None:
                known[place] = found
                known.move_to_end(place)
                pieces.append(before)
                pieces += found.put_in([_NULL if at is None else show(at) for at in row.instants])
                before = b","
        if known:
            self._kept[key] = known
            self._kept.move_to_end(key)
            self._forget()
        return [*pieces, b"]"] if pieces else [b"[]"]

    def _forget(self) -> None:
        """What has not been asked for the longest, down to the bounds."""
        while len(self._kept) > _SELECTIONS:
            self._kept.popitem(last=False)
        rows = sum(map(len, self._kept.values()))
        while rows > _KEPT:
            key, oldest = next(iter(self._kept.items()))
            oldest.popitem(last=False)
            rows -= 1
            if not oldest:
                del self._kept[key]


def _marked(row: Dated) -> Any:
    """The row with placeholders for instants."""
    return row.at(tuple(map(placeholder, range(len(row.instants)))))


def _in_pieces(lasting: object, selection: object, json: bytes) -> _Kept:
    found = _PLACE.split(json)
    return _Kept(lasting, selection, tuple(found[::2]), tuple(int(number or 0) for number in found[1::2]))
