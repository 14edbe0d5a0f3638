"""The filters of one field that lists and segment rules are written in, read from JSON and back.

Shapes and names are those of `schema.graphql` (StringFilter, IntFilter, DateTimeFilter, DateFilter, MoneyFilter,
AttributeFilter). The conditions of one filter must all hold; null means the same as absent.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, TypeVar, get_type_hints

Path = tuple[str, ...]
Reader = Callable[[Any, Path], Any]
Filter = TypeVar("Filter")
Word = TypeVar("Word", bound=StrEnum)

_LARGEST_POWER_OF_TEN = 60

MOST_CONDITIONS = 200
"""How many filters one filter may be made of, each within another counted too."""
MOST_VALUES = 1_000
"""How many values the lists in a filter (`in`, `promiseStatus`) may hold together."""


class FilterError(ValueError):
    """A filter that cannot be read. `code` is stable, `path` leads to the value inside the input."""

    def __init__(self, code: str, message: str, path: Path) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path


class Entry(NamedTuple):
    """Annotates a dataclass field: `key` is its name in JSON, `read` makes its value or raises FilterError."""

    key: str
    read: Reader


def read_filter(kind: type[Filter], value: Any, path: Path = ()) -> Filter:
    """The dataclass `kind` (its fields annotated with `Entry`) from a JSON-like mapping.

    Values may be as JSON has them or already typed (datetime, date, Decimal, enum members).

    Raises:
        FilterError: WRONG_TYPE, UNKNOWN_FIELD, MISSING_FIELD, BAD_VALUE or UNKNOWN_WORD, with the path.
    """
    if not isinstance(value, Mapping):
        raise FilterError("WRONG_TYPE", f"{_name(path)} must be an object of filters.", path)
    entries = _entries(kind)
    for key in value:
        if key not in entries:
            known = ", ".join(sorted(entries))
            raise FilterError(
                "UNKNOWN_FIELD", f"{_name(path)} has no field {key!r}; known are {known}.", (*path, str(key))
            )
    given: dict[str, Any] = {}
    for key, (attribute, read, required) in entries.items():
        if value.get(key) is not None:
            given[attribute] = read(value[key], (*path, key))
        elif required:
            raise FilterError("MISSING_FIELD", f"{_name(path)} needs the field {key}.", (*path, key))
    return kind(**given)


def check_extent(given: Any, path: Path) -> None:
    """Refuse a filter of more conditions or values than one question of the database is made of.

    Not part of reading: rules that were stored once stay readable.

    Raises:
        FilterError: TOO_MANY, with the path of the whole filter.
    """
    conditions, values = extent(given)
    for what, found, most in (("conditions", conditions, MOST_CONDITIONS), ("values", values, MOST_VALUES)):
        if found > most:
            message = f"{_name(path)} holds {found:,} {what}; at most {most:,} are possible."
            raise FilterError("TOO_MANY", message, path)


def extent(given: Any) -> tuple[int, int]:
    """The filters in a filter, itself included, and the values of their lists."""
    conditions, values = 1, 0
    for item in fields(given):
        stated = getattr(given, item.name)
        for each in stated if isinstance(stated, tuple) else (stated,):
            if is_dataclass(each):
                inner = extent(each)
                conditions, values = conditions + inner[0], values + inner[1]
            elif isinstance(stated, tuple):
                values += 1
    return conditions, values


class _Field(NamedTuple):
    attribute: str
    read: Reader
    required: bool


def _entries(kind: Any) -> dict[str, _Field]:
    """The fields of a dataclass by JSON key, looked up once."""
    if kind not in _ENTRIES:
        hints = get_type_hints(kind, include_extras=True)
        described = ((item, hints[item.name].__metadata__[0]) for item in fields(kind))
        _ENTRIES[kind] = {
            found.key: _Field(item.name, found.read, item.default is MISSING) for item, found in described
        }
    return _ENTRIES[kind]


_ENTRIES: dict[Any, dict[str, _Field]] = {}


def _name(path: Path) -> str:
    return ".".join(path) or "The filter"


# ---------- readers of values ----------


def text(value: Any, path: Path) -> str:
    """A string that the database can hold: no NUL character, no half of a surrogate pair."""
    if not isinstance(value, str):
        raise FilterError("WRONG_TYPE", f"{_name(path)} must be a string.", path)
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise FilterError("BAD_VALUE", f"{_name(path)} holds a character that is no text.", path)
    return str(value)


def integer(value: Any, path: Path) -> int:
    """A 32-bit integer."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise FilterError("WRONG_TYPE", f"{_name(path)} must be an integer.", path)
    if not -(2**31) <= value < 2**31:
        raise FilterError("BAD_VALUE", f"{_name(path)} is beyond 32 bits.", path)
    return value


def flag(value: Any, path: Path) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise FilterError("WRONG_TYPE", f"{_name(path)} must be true or false.", path)
    return value


def number(value: Any, path: Path) -> Decimal:
    """An exact decimal, from a string or a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise FilterError("WRONG_TYPE", f"{_name(path)} must be a decimal number.", path)
    try:
        read = Decimal(str(value).strip())
    except InvalidOperation:
        read = Decimal("NaN")
    exponent = read.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_LARGEST_POWER_OF_TEN:
        raise FilterError("BAD_VALUE", f"{_name(path)} is not a decimal number.", path)
    if read and read.adjusted() > _LARGEST_POWER_OF_TEN:
        raise FilterError("BAD_VALUE", f"{_name(path)} is too large.", path)
    return read


def instant(value: Any, path: Path) -> datetime:
    """An ISO 8601 instant with an offset, in UTC."""
    read = value
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            raise FilterError("BAD_VALUE", f"{_name(path)} is not an ISO 8601 instant.", path) from None
    if not isinstance(read, datetime):
        raise FilterError("WRONG_TYPE", f"{_name(path)} must be an ISO 8601 instant.", path)
    if read.tzinfo is None:
        raise FilterError("BAD_VALUE", f"{_name(path)} needs an offset, such as Z or +01:00.", path)
    try:
        return read.astimezone(UTC)
    except OverflowError:
        raise FilterError("BAD_VALUE", f"{_name(path)} is beyond the calendar.", path) from None


def day(value: Any, path: Path) -> date:
    """A date, YYYY-MM-DD."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise FilterError("WRONG_TYPE", f"{_name(path)} must be a date, YYYY-MM-DD.", path)
    try:
        return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 a date has no zone
    except ValueError:
        raise FilterError("BAD_VALUE", f"{_name(path)} is not a date, YYYY-MM-DD.", path) from None


def currency(value: Any, path: Path) -> str:
    """An ISO 4217 code by its shape: three capital letters."""
    read = text(value, path)
    if not re.fullmatch("[A-Z]{3}", read):
        raise FilterError("BAD_VALUE", f"{_name(path)} must be an ISO 4217 code, such as EUR.", path)
    return read


def word(words: type[Word]) -> Reader:
    """One word of a closed list."""

    def read(value: Any, path: Path) -> Word:
        spelled = text(value, path)
        if spelled not in words.__members__:
            known = ", ".join(words.__members__)
            raise FilterError("UNKNOWN_WORD", f"{_name(path)} must be one of {known}.", path)
        return words(spelled)

    return read


def nested(kind: type[Any]) -> Reader:
    """A filter inside another: a dataclass as `read_filter` takes it."""
    return lambda value, path: read_filter(kind, value, path)


def many(read_one: Reader) -> Reader:
    """A list of values; a single value stands for a list of one, as in GraphQL."""

    def read(value: Any, path: Path) -> tuple[Any, ...]:
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(read_one(item, (*path, str(index))) for index, item in enumerate(items))

    return read


# ---------- filters ----------


@dataclass(frozen=True)
class StringFilter:
    """`eq`, `in` and `startsWith` match no null; `isNull` tells nulls from the rest. An empty `in` matches nothing."""

    eq: Annotated[str | None, Entry("eq", text)] = None
    in_: Annotated[tuple[str, ...] | None, Entry("in", many(text))] = None
    starts_with: Annotated[str | None, Entry("startsWith", text)] = None
    is_null: Annotated[bool | None, Entry("isNull", flag)] = None

    def holds(self, value: str | None) -> bool:
        """Whether a value meets every condition."""
        if self.is_null is not None and self.is_null is not (value is None):
            return False
        if value is None:
            return self.eq is None and self.in_ is None and self.starts_with is None
        return (
            (self.eq is None or value == self.eq)
            and (self.in_ is None or value in self.in_)
            and (self.starts_with is None or value.startswith(self.starts_with))
        )


@dataclass(frozen=True)
class IntFilter:
    """Bounds of an integer."""

    eq: Annotated[int | None, Entry("eq", integer)] = None
    lt: Annotated[int | None, Entry("lt", integer)] = None
    lte: Annotated[int | None, Entry("lte", integer)] = None
    gt: Annotated[int | None, Entry("gt", integer)] = None
    gte: Annotated[int | None, Entry("gte", integer)] = None


@dataclass(frozen=True)
class DateTimeFilter:
    """Bounds of an instant; a null is within none."""

    lt: Annotated[datetime | None, Entry("lt", instant)] = None
    lte: Annotated[datetime | None, Entry("lte", instant)] = None
    gt: Annotated[datetime | None, Entry("gt", instant)] = None
    gte: Annotated[datetime | None, Entry("gte", instant)] = None
    is_null: Annotated[bool | None, Entry("isNull", flag)] = None


@dataclass(frozen=True)
class DateFilter:
    """Bounds of a date; a null is within none."""

    eq: Annotated[date | None, Entry("eq", day)] = None
    lt: Annotated[date | None, Entry("lt", day)] = None
    lte: Annotated[date | None, Entry("lte", day)] = None
    gt: Annotated[date | None, Entry("gt", day)] = None
    gte: Annotated[date | None, Entry("gte", day)] = None


@dataclass(frozen=True)
class MoneyFilter:
    """Bounds of money in one currency; nothing is converted."""

    currency: Annotated[str, Entry("currency", currency)]
    lt: Annotated[Decimal | None, Entry("lt", number)] = None
    lte: Annotated[Decimal | None, Entry("lte", number)] = None
    gt: Annotated[Decimal | None, Entry("gt", number)] = None
    gte: Annotated[Decimal | None, Entry("gte", number)] = None


@dataclass(frozen=True)
class AttributeFilter:
    """A custom attribute (an `x_` column): `eq` and `in` compare it as text, `lt` and `gte` as a number."""

    key: Annotated[str, Entry("key", text)]
    eq: Annotated[str | None, Entry("eq", text)] = None
    in_: Annotated[tuple[str, ...] | None, Entry("in", many(text))] = None
    lt: Annotated[Decimal | None, Entry("lt", number)] = None
    gte: Annotated[Decimal | None, Entry("gte", number)] = None
    is_null: Annotated[bool | None, Entry("isNull", flag)] = None
