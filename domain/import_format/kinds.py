"""What a column of the import format may hold: one kind each, that reads a whole column at a time.

A kind takes what files and the API hand over (text, or values already typed) and answers typed values, None where a
cell is empty or bad, with a code for each bad cell. Each has a quick way for a column in order and an exact way,
cell by cell, for one that is not; both accept the same.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter, itemgetter
from types import NoneType
from typing import Any, ClassVar

from domain.rejections import RejectCode
from domain.time_zones import time_zones

#: Facts lie between these years: outside of them a calendar or a clock has gone wrong.
FIRST_YEAR, LAST_YEAR = 1900, 2199


class BadCell(Exception):
    """One cell is not what its column holds."""

    def __init__(self, code: RejectCode) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class ReadColumn:
    """values: typed, None where empty or bad; problems: position of each bad cell → its code."""

    values: list[Any]
    problems: dict[int, RejectCode] = field(default_factory=dict)


class _Memo(dict[Any, Any]):
    """Each distinct text read once; a bad one answers its BadCell."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        super().__init__({"": None, None: None})
        self._read = read
        self.any_bad = False

    def __missing__(self, cell: Any) -> Any:
        value: Any
        try:
            value = self._read(cell)
        except BadCell as bad:
            self.any_bad, value = True, bad
        self[cell] = value
        return value


class Kind(ABC):
    """A kind of column. `python_type` is the type of its values; `expected` completes "give …" in a reason."""

    python_type: ClassVar[type]

    @property
    @abstractmethod
    def expected(self) -> str:
        """What to give, for people."""

    @abstractmethod
    def read_cell(self, cell: Any) -> Any:
        """The typed value of one cell that is neither None nor "".

        Raises:
            BadCell: it is not what the column holds.
        """

    def read(self, cells: Sequence[Any]) -> ReadColumn:
        """The typed values of a column."""
        if set(map(type, cells)) <= {
            str,
            NoneType,
        }:  # equal texts are one key; 1, True and 1.0 would be one as well
            memo = _Memo(self.read_cell)
            values = list(map(memo.__getitem__, cells))
            if not memo.any_bad:
                return ReadColumn(values)
            return _without_bad(values)
        return self.read_each(cells)

    def read_each(self, cells: Sequence[Any]) -> ReadColumn:
        """The exact way: cell by cell."""
        return _without_bad([self._value_or_bad(cell) for cell in cells])

    def _value_or_bad(self, cell: Any) -> Any:
        if cell is None or cell == "":
            return None
        try:
            return self.read_cell(cell)
        except BadCell as bad:
            return bad


def _without_bad(values: list[Any]) -> ReadColumn:
    problems = {at: value.code for at, value in enumerate(values) if value.__class__ is BadCell}
    for at in problems:
        values[at] = None
    return ReadColumn(values, problems)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Text(Kind):
    """Text of at most `limit` characters; a `reference` (any key, own or another's) holds no control characters."""

    limit: int
    reference: bool = False
    python_type: ClassVar[type] = str

    @property
    def expected(self) -> str:
        """A bounded text."""
        return f"text of at most {self.limit} characters"

    def read(self, cells: Sequence[Any]) -> ReadColumn:
        """As a whole where it is all clean text, which is nearly always."""
        if not set(map(type, cells)) <= {str, NoneType}:
            return self.read_each(cells)
        values = [cell or None for cell in cells] if "" in cells else list(cells)
        if self._is_clean([value for value in values if value is not None] if None in values else values):
            return ReadColumn(values)
        return self.read_each(cells)

    def _is_clean(self, texts: Sequence[Any]) -> bool:
        return (
            max(map(len, texts), default=0) <= self.limit
            and "".join(texts).isprintable()
            and not any(map(str.isspace, texts))
        )

    def read_cell(self, cell: Any) -> str | None:
        """Numbers become text: a reference may come as a typed integer. Nothing but blanks is nothing."""
        if isinstance(cell, int) and not isinstance(cell, bool):
            cell = str(cell)
        if not isinstance(cell, str) or "\0" in cell:
            raise BadCell(RejectCode.INVALID_TEXT)
        try:
            cell.encode()
        except UnicodeEncodeError:
            raise BadCell(RejectCode.INVALID_TEXT) from None
        if len(cell) > self.limit:
            raise BadCell(RejectCode.TOO_LONG)
        if self.reference and _CONTROL.search(cell):
            raise BadCell(RejectCode.INVALID_REFERENCE)
        return None if cell.isspace() else str(cell)


@dataclass(frozen=True)
class Word(Kind):
    """One of a closed list, spelled exactly so."""

    words: Collection[str]
    code: RejectCode = RejectCode.UNKNOWN_WORD
    python_type: ClassVar[type] = str

    @property
    def expected(self) -> str:
        """The words themselves while they are few."""
        return f"one of {', '.join(self.words)}" if len(self.words) < 20 else "a code of that list"

    def read_cell(self, cell: Any) -> str:
        """The word as plain text (members of an enum are one of these words too)."""
        if not isinstance(cell, str) or cell not in self.words:
            raise BadCell(self.code)
        return str(cell)


@dataclass(frozen=True)
class Shaped(Kind):
    """A code that is told by its shape."""

    pattern: str
    code: RejectCode
    expected_text: str
    python_type: ClassVar[type] = str

    @property
    def expected(self) -> str:
        """As declared."""
        return self.expected_text

    def read_cell(self, cell: Any) -> str:
        """The text when it has the shape."""
        if not isinstance(cell, str) or not re.fullmatch(self.pattern, cell):
            raise BadCell(self.code)
        return str(cell)


_DECIMAL = re.compile(r"[+-]?([0-9]+)(?:\.([0-9]+))?")


@dataclass(frozen=True)
class Amount(Kind):
    """An exact decimal number, bounded so that sums of many stay exact in storage.

    A typed binary float is taken as the shortest decimal that reads back as that float (0.1 is 0.1).
    """

    above_zero: bool = False
    from_zero: bool = False
    integer_digits: int = 15
    decimals: int = 12
    python_type: ClassVar[type] = Decimal

    @property
    def expected(self) -> str:
        """A plain decimal within the bounds."""
        return (
            f"a plain decimal number such as 1234.50, with at most {self.integer_digits} digits before "
            f"and {self.decimals} after the point"
        )

    def read_cell(self, cell: Any) -> Decimal:
        """Exactly the number written; exponents, NaN, infinities and thousands marks are none."""
        number = self._number(cell)
        whole, _, part = format(abs(number), "f").partition(".")
        if len(whole.lstrip("0")) > self.integer_digits or len(part.rstrip("0")) > self.decimals:
            raise BadCell(RejectCode.OUT_OF_RANGE)
        if self.above_zero and number <= 0:
            raise BadCell(RejectCode.NOT_POSITIVE)
        if self.from_zero and number < 0:
            raise BadCell(RejectCode.NEGATIVE)
        return number

    @staticmethod
    def _number(cell: Any) -> Decimal:
        if isinstance(cell, str) and len(cell) < 100 and _DECIMAL.fullmatch(cell):
            return Decimal(cell)
        if isinstance(cell, Decimal) and cell.is_finite():
            if abs(cell.adjusted()) > 100:  # writing it out would take that many digits
                raise BadCell(RejectCode.OUT_OF_RANGE)
            return cell
        if isinstance(cell, int) and not isinstance(cell, bool):
            return Decimal(cell)
        if isinstance(cell, float) and cell - cell == 0:  # finite
            return Decimal(repr(cell))
        raise BadCell(RejectCode.NOT_A_NUMBER)


_FLOAT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Probability(Kind):
    """A number from 0 to 1; inexact, so exponents are welcome."""

    python_type: ClassVar[type] = float

    @property
    def expected(self) -> str:
        """Its range."""
        return "a number from 0 to 1"

    def read_cell(self, cell: Any) -> float:
        """The nearest float."""
        typed = isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)
        if not typed and not (isinstance(cell, str) and _FLOAT.fullmatch(cell)):
            raise BadCell(RejectCode.NOT_A_NUMBER)
        number = float(cell)
        if number != number:  # noqa: PLR0124 - NaN
            raise BadCell(RejectCode.NOT_A_NUMBER)
        if not 0 <= number <= 1:
            raise BadCell(RejectCode.OUT_OF_RANGE)
        return number


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `least` to `most`."""

    least: int
    most: int
    python_type: ClassVar[type] = int

    @property
    def expected(self) -> str:
        """Its range."""
        return f"a whole number from {self.least} to {self.most}"

    def read_cell(self, cell: Any) -> int:
        """The number; a typed float counts when it is whole (a nullable integer column often is one)."""
        if isinstance(cell, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", cell):
            number = int(cell)
        elif isinstance(cell, bool) or not isinstance(cell, int | float) or cell != cell // 1:
            raise BadCell(RejectCode.NOT_A_NUMBER)
        else:
            number = int(cell)
        if not self.least <= number <= self.most:
            raise BadCell(RejectCode.OUT_OF_RANGE)
        return number


@dataclass(frozen=True)
class Truth(Kind):
    """true or false, in capitals or not; empty is false."""

    python_type: ClassVar[type] = bool

    @property
    def expected(self) -> str:
        """The two words."""
        return "true or false"

    def read(self, cells: Sequence[Any]) -> ReadColumn:
        """Empty means false."""
        column = super().read(cells)
        values = [value or False for value in column.values] if None in column.values else column.values
        return ReadColumn(values, column.problems)

    def read_cell(self, cell: Any) -> bool:
        """The boolean."""
        if isinstance(cell, bool):
            return cell
        word = cell.lower() if isinstance(cell, str) else None
        if word not in ("true", "false"):
            raise BadCell(RejectCode.NOT_A_BOOLEAN)
        return word == "true"


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Day(Kind):
    """A calendar date. `open_ended` also takes 9999-12-31, which many systems write for "no end"."""

    open_ended: bool = False
    python_type: ClassVar[type] = date

    @property
    def expected(self) -> str:
        """Its form and range."""
        return f"YYYY-MM-DD, from {FIRST_YEAR} to {LAST_YEAR}"

    def read_cell(self, cell: Any) -> date:
        """The date; a typed timestamp counts when it is a naive midnight (how some writers store dates)."""
        day = self._day(cell)
        if not FIRST_YEAR <= day.year <= LAST_YEAR and not (self.open_ended and day == date.max):
            raise BadCell(RejectCode.OUT_OF_RANGE)
        return day

    @staticmethod
    def _day(cell: Any) -> date:
        if isinstance(cell, datetime):
            if cell.tzinfo is None and cell == datetime(cell.year, cell.month, cell.day):  # noqa: DTZ001 - naive by nature
                return cell.date()
        elif isinstance(cell, date):
            return cell
        elif isinstance(cell, str) and _DATE.fullmatch(cell):
            try:
                return date.fromisoformat(cell)
            except ValueError:
                raise BadCell(RejectCode.IMPOSSIBLE_DATE) from None
        raise BadCell(RejectCode.NOT_A_DATE)


@dataclass(frozen=True)
class Month(Kind):
    """A calendar month, as its first day."""

    python_type: ClassVar[type] = date

    @property
    def expected(self) -> str:
        """Its form."""
        return "YYYY-MM"

    def read_cell(self, cell: Any) -> date:
        """The month's first day; a typed date counts when it is one."""
        if isinstance(cell, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}", cell):
            return _DAY.read_cell(f"{cell}-01")
        if not isinstance(cell, date) or cell.day != 1:
            raise BadCell(RejectCode.NOT_A_MONTH)
        return _DAY.read_cell(cell)


_DAY = Day()

_ZONE_OF = attrgetter("tzinfo")
_SEPARATOR_OF = itemgetter(10)
_SEPARATORS = frozenset("T ")
_LOOKS_LIKE_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}\S*)?")


@dataclass(frozen=True)
class Instant(Kind):
    """A moment: ISO 8601 with an offset."""

    python_type: ClassVar[type] = datetime

    @property
    def expected(self) -> str:
        """Its form and range."""
        return f"ISO 8601 with an offset, such as 2026-03-01T09:30:00+01:00, from {FIRST_YEAR} to {LAST_YEAR}"

    def read(self, cells: Sequence[Any]) -> ReadColumn:
        """As a whole where every cell is a good text."""
        try:
            values = list(map(datetime.fromisoformat, cells))
            if (
                None not in set(map(_ZONE_OF, values))
                and set(map(_SEPARATOR_OF, cells)) <= _SEPARATORS
                and min(cells) >= str(FIRST_YEAR)  # all begin with four digits of the year
                and max(cells) < str(LAST_YEAR + 1)
            ):
                return ReadColumn(values)
        except (ValueError, TypeError, IndexError):
            pass
        return self.read_each(cells)

    def read_cell(self, cell: Any) -> datetime:
        """The instant, in the zone it was written in."""
        instant = self._instant(cell)
        if instant.tzinfo is None:
            raise BadCell(RejectCode.NAIVE_INSTANT)
        if not FIRST_YEAR <= instant.year <= LAST_YEAR:
            raise BadCell(RejectCode.OUT_OF_RANGE)
        return instant

    @staticmethod
    def _instant(cell: Any) -> datetime:
        if isinstance(cell, datetime):
            return cell
        if isinstance(cell, date):
            raise BadCell(RejectCode.NAIVE_INSTANT)
        if not isinstance(cell, str):
            raise BadCell(RejectCode.NOT_AN_INSTANT)
        try:
            instant = datetime.fromisoformat(cell)
        except ValueError:
            shaped = _LOOKS_LIKE_INSTANT.fullmatch(cell)
            raise BadCell(RejectCode.IMPOSSIBLE_DATE if shaped else RejectCode.NOT_AN_INSTANT) from None
        if _DATE.fullmatch(cell):
            raise BadCell(RejectCode.NAIVE_INSTANT)
        if cell[10:11] not in _SEPARATORS:
            raise BadCell(RejectCode.NOT_AN_INSTANT)
        return instant


@dataclass(frozen=True)
class Zone(Kind):
    """An IANA time zone."""

    python_type: ClassVar[type] = str

    @property
    def expected(self) -> str:
        """An example."""
        return "an IANA time zone, such as Europe/Madrid"

    def read_cell(self, cell: Any) -> str:
        """The zone's name; spelled exactly so."""
        if not isinstance(cell, str) or cell not in time_zones():
            raise BadCell(RejectCode.UNKNOWN_TIME_ZONE)
        return str(cell)
