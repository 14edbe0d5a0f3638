"""Columns of time: dates, months, instants."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter, itemgetter
from typing import Any, ClassVar

import polars as pl

from domain.import_format.kinds import BadCell, Kind, ReadColumn
from domain.rejections import RejectCode

#: Facts lie between these years: outside of them a calendar or a clock has gone wrong.
FIRST_YEAR, LAST_YEAR = 1900, 2199

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Day(Kind):
    """A calendar date. `open_ended` also takes 9999-12-31, which many systems write for "no end": it is no date at all
    then, for PostgreSQL would know it as infinity, and spell it so."""

    open_ended: bool = False
    python_type: ClassVar[type] = date

    @property
    def expected(self) -> str:
        """Its form and range."""
        return f"YYYY-MM-DD, from {FIRST_YEAR} to {LAST_YEAR}"

    def read_cell(self, cell: Any) -> date | None:
        """The date; a typed timestamp counts when it is a naive midnight (how some writers store dates)."""
        day = self._day(cell)
        if self.open_ended and day == date.max:
            return None
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
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

    def read_cell(self, cell: Any) -> date | None:
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
_LOOKS_LIKE_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
#: Instants with a usual offset, to the second or finer, in the years that facts lie in; the day may not exist.
_PLAIN_INSTANT = (
    r"^(19|2[01])[0-9]{2}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])$"
)


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

    def read_plain(self, cells: pl.Series) -> pl.Series | None:
        """Where all are written to the second with an offset of the world's zones, and their days exist; in UTC."""
        if not cells.str.contains(_PLAIN_INSTANT).all():
            return None
        apart = cells.str.replace(" ", "T", literal=True)
        # a form without choices is read in half the time
        in_utc = (apart.str.len_bytes() == len("2026-03-01T09:30:00Z")).all()
        written = "%Y-%m-%dT%H:%M:%SZ" if in_utc else "%Y-%m-%dT%H:%M:%S%.f%#z"
        instants = apart.str.to_datetime(written, time_unit="us", time_zone="UTC", strict=False)
        return instants if instants.null_count() == cells.null_count() else None

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
