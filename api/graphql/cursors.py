"""Cursors: opaque positions in one list in one order, refused anywhere else."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from typing import Any

import orjson

from api.services import InvalidArgument
from domain.storage.reads.paging import Position

_MICROSECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ListOrder:
    """A list and its order: `name` tells it from every other, `kinds` are the types of its sort values.

    `at` is the instant that its time-dependent values (days past due) were computed for, kept through the pages.
    """

    name: str
    kinds: tuple[type, ...]
    at: datetime | None = None


def encode(order: ListOrder, position: Position) -> str:
    """The cursor of a position."""
    values = [_pack(value) for value in position]
    at = _pack(order.at)
    return base64.urlsafe_b64encode(orjson.dumps([order.name, at, *values])).rstrip(b"=").decode()


def prefix(order: ListOrder) -> str:
    """What the text behind every cursor of a list begins with: sort values follow it, and a closing bracket."""
    return orjson.dumps([order.name, _pack(order.at)])[:-1].decode()


def decode(order: ListOrder, cursor: str, *, argument: str = "after") -> tuple[Position, datetime | None]:
    """The position behind a cursor and the instant of its list's order.

    Raises:
        InvalidArgument: not a cursor, or one of another list or order.
    """
    name, at, values = _unpack(cursor, argument)
    if name != order.name:
        raise InvalidArgument(
            f"{argument}: a cursor of another list or order; send one that this list gave in this order.",
            path=(argument,),
        )
    try:
        position = tuple(_typed(kind, value) for kind, value in zip(order.kinds, values, strict=True))
        instant = None if at is None else _typed(datetime, at)
        # Days local to debtors reach around it.
        if instant is not None and not MINYEAR < instant.year < MAXYEAR:
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise _not_a_cursor(argument) from None
    return position, instant


def _unpack(cursor: str, argument: str) -> tuple[str, Any, Sequence[Any]]:
    try:
        padded = cursor.encode() + b"=" * (-len(cursor) % 4)
        parts = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        name, at, *values = parts
    except (binascii.Error, ValueError, TypeError):
        raise _not_a_cursor(argument) from None
    return name, at, values


def _not_a_cursor(argument: str) -> InvalidArgument:
    return InvalidArgument(f"{argument}: not a cursor of this API; send one as answered.", path=(argument,))


def _pack(value: Any) -> Any:
    if isinstance(value, datetime):  # as an exact number: a float would lose microseconds
        since = value - _EPOCH
        return (since.days * 86_400 + since.seconds) * _MICROSECOND + since.microseconds
    return value.isoformat() if isinstance(value, date) else value


def _typed(kind: type, value: Any) -> Any:
    if value is None:
        return None
    if kind is datetime:
        if not isinstance(value, int):
            raise TypeError
        return _EPOCH + timedelta(microseconds=value)
    if kind is date:
        return date.fromisoformat(value)
    if type(value) is not kind:
        raise TypeError
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError
    if isinstance(value, str) and "\x00" in value:
        raise ValueError
    return value
