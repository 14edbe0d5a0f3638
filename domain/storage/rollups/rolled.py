"""The rollups of days that are kept, read in a reader's snapshot and remembered by the versions of the days."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Date, Table, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import MessageFigures
from domain.storage.rollups.blocks import read_rolled
from domain.storage.rollups.dimensions import ROLLUPS
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

Days = Mapping[date, str]
Row = Mapping[Any, Any]


class TooFine(Exception):
    """The days have so many groups that the database should put them together."""


@dataclass(frozen=True)
class Rollup:
    """What is asked of a tenant's rollup. kinds: of `_COLUMNS`."""

    tenant_id: int
    name: str
    kinds: Sequence[str]

    @classmethod
    def with_figures(cls, tenant_id: int, name: str, wanted: MessageFigures, *, sketches: bool) -> "Rollup":
        """With the columns that these figures take. sketches: are reactions of several rows to be put together?"""
        kinds = ["groups"]
        kinds += ["money"] if wanted.money else []
        kinds += ["reactions"] if wanted.reactions or wanted.medians else []
        kinds += ["bands"] if sketches and (wanted.reactions or wanted.medians) else []
        return cls(tenant_id, name, kinds)

    def remembered(self, days: Days) -> list[Part] | None:
        """The groups of days, each by its version; None when not all of them are remembered.

        Raises:
            TooFine: they are too many.
        """
        rows = self._known(days)
        return self._parts(rows.values()) if len(rows) == len(days) else None

    async def read(self, connection: AsyncConnection, days: Days) -> list[Part]:
        """The groups of days, each with the version that this snapshot has of it.

        Raises:
            TooFine: they are too many.
        """
        rows = self._known(days)
        missing = [day for day in days if day not in rows]
        for row in await _read(connection, self, missing) if missing else []:
            rows[row["day"]] = row
            for kind in self.kinds:
                columns = {name: row[name] for name in _COLUMNS[kind]}
                _REMEMBERED.put((self.tenant_id, self.name, days[row["day"]], kind), columns)
        if len(rows) < len(days):
            raise TooFine
        return self._parts(rows.values())

    def _known(self, days: Days) -> dict[date, Row]:
        rows: dict[date, Row] = {}
        for day, version in days.items():
            known = [_REMEMBERED.get((self.tenant_id, self.name, version, kind)) for kind in self.kinds]
            if None not in known:
                rows[day] = {"day": day, **dict(chain.from_iterable(each.items() for each in known if each))}
        return rows

    def _parts(self, rows: Iterable[Row]) -> list[Part]:
        alike: dict[str, list[Row]] = {}
        for row in rows:
            alike.setdefault(row["words"], []).append(row)
        if sum(row["groups"] for row in rows) > MOST_GROUPS:
            raise TooFine
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
