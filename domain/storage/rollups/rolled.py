"""The rollups of days that are kept, read in a reader's snapshot and remembered by the versions of the days."""

import asyncio
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Date, Table, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.rollups.blocks import TooFine, read_rolled, store_rolled
from domain.storage.rollups.dimensions import ROLLUPS
from domain.storage.rollups.folding import fold
from domain.storage.rollups.merging import Part
from domain.storage.rollups.remembered import Remembered
from domain.storage.tables import message_rollup

#: The most groups of all days together that are put together here, which takes some 200 bytes each.
MOST_GROUPS = 2_000_000
#: What is read together.
_COLUMNS = {
    "groups": ("groups", "words", "keys", "counts"),
    "money": ("cost", "collected"),
    "reactions": ("reactions",),
    "bands": ("bands",),
}
_REMEMBERED = Remembered(48 << 20)

#: From the first day of any month into the next.
_MONTH = timedelta(days=31)

Days = Mapping[date, str]
Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Rollup:
    """What is asked of a tenant's rollup.

    kinds: of `_COLUMNS`. whole_within: (first, last + 1) of days; those of a month in between need not be told apart.
    """

    tenant_id: int
    name: str
    kinds: Sequence[str]
    whole_within: tuple[date, date] | None = None

    def remembered(self, days: Days) -> list[Part] | None:
        """The groups of days, each by its version; None when not all of them are remembered.

        Raises:
            TooFine: they are too many.
        """
        stretches = self._stretches(days)
        rows = self._known(stretches)
        return self._parts(rows.values()) if len(rows) == len(stretches) else None

    async def read(self, connection: AsyncConnection, days: Days) -> list[Part]:
        """The groups of days, each with the version that this snapshot has of it.

        Raises:
            TooFine: they are too many.
        """
        stretches = self._stretches(days)
        rows = self._known(stretches)
        lacking = {first: of for first, of in stretches.items() if first not in rows}
        of_days = await self._days(
            connection, dict(chain.from_iterable(of.items() for of in lacking.values()))
        )
        for first, of in lacking.items():
            if len(of) == 1:
                (rows[first],) = (of_days[day] for day in of)
            else:
                rows[first] = await asyncio.to_thread(self._folded, first, [of_days[day] for day in of])
                self._remember(of, rows[first])
        return self._parts(rows.values())

    def _stretches(self, days: Days) -> dict[date, dict[date, str]]:
        """First day → the days that are remembered together: those of a month, or each alone."""
        found: dict[date, dict[date, str]] = {}
        for day, version in days.items():
            month = day.replace(day=1)
            found.setdefault(month if self._is_whole(month) else day, {})[day] = version
        return found

    def _is_whole(self, month: date) -> bool:
        if self.whole_within is None:
            return False
        first, until = self.whole_within
        return first <= month and (month + _MONTH).replace(day=1) <= until

    def _known(self, stretches: Mapping[date, Days]) -> dict[date, Row]:
        rows: dict[date, Row] = {}
        for first, days in stretches.items():
            known = [_REMEMBERED.get(self._of(days, kind)) for kind in self.kinds]
            if None not in known:
                rows[first] = {
                    "day": first,
                    **dict(chain.from_iterable(each.items() for each in known if each)),
                }
        return rows

    def _remember(self, days: Days, row: Row) -> None:
        for kind in self.kinds:
            _REMEMBERED.put(self._of(days, kind), {name: row[name] for name in _COLUMNS[kind]})

    def _of(self, days: Days, kind: str) -> Hashable:
        """The name under which columns of days are remembered."""
        return self.tenant_id, self.name, kind, tuple(days.values())

    async def _days(self, connection: AsyncConnection, days: Days) -> dict[date, Row]:
        """Each of the days by itself."""
        rows = self._known({day: {day: version} for day, version in days.items()})
        missing = [day for day in days if day not in rows]
        for row in await _read(connection, self, missing) if missing else []:
            rows[row["day"]] = row
            self._remember({row["day"]: days[row["day"]]}, row)
        if len(rows) < len(days):
            raise TooFine
        return rows

    def _folded(self, first: date, rows: Sequence[Row]) -> Row:
        folded = store_rolled(fold([part.rolled for part in self._parts(rows)], ROLLUPS[self.name]))
        return {"day": first, **{name: folded[name] for kind in self.kinds for name in _COLUMNS[kind]}}

    def _parts(self, rows: Collection[Row]) -> list[Part]:
        if sum(row["groups"] for row in rows) > MOST_GROUPS:
            raise TooFine
        alike: dict[str, list[Row]] = {}
        for row in rows:
            alike.setdefault(row["words"], []).append(row)
        return [_part(each, self.name) for each in alike.values()]


async def _read(connection: AsyncConnection, rollup: Rollup, days: Sequence[date]) -> Sequence[Row]:
    """Rows of these days; none when they have too many groups."""
    of_days = (
        message_rollup.c.tenant_id == rollup.tenant_id,
        message_rollup.c.rollup == rollup.name,
        among(message_rollup, days),
    )
    groups = select(func.sum(message_rollup.c.groups)).where(*of_days).scalar_subquery()
    names = ["day", *(name for kind in rollup.kinds for name in _COLUMNS[kind])]
    statement = select(*(message_rollup.c[name] for name in names)).where(*of_days, groups <= MOST_GROUPS)
    return (await connection.execute(statement)).mappings().all()


def _part(rows: Sequence[Row], rollup: str) -> Part:
    days = np.array([row["day"].toordinal() for row in rows], np.int64)
    return Part(read_rolled(rows, ROLLUPS[rollup]), np.repeat(days, [row["groups"] for row in rows]))


def among(table: Table, days: Sequence[date]) -> ColumnElement[bool]:
    """That a row of the table is of one of these days."""
    return table.c.day == any_(literal(days, ARRAY(Date)))
