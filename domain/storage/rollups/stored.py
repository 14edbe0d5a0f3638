"""The days that are kept as columns: written by the refresher, read in a reader's snapshot."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Date, RowMapping, Table, any_, delete, func, insert, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import ALL_FIGURES, MessageDimension, MessageFigures, MessageKpiWhere
from domain.storage.rollups.blocks import (
    SPAN_NAMES,
    Facts,
    Rolled,
    column_of,
    read_facts,
    read_rolled,
    store_facts,
    store_rolled,
)
from domain.storage.rollups.dimensions import ROLLUPS, needed
from domain.storage.rollups.merging import Part
from domain.storage.rollups.remembered import Remembered
from domain.storage.rollups.rolling import chosen, roll_up
from domain.storage.rollups.selecting import messages_that
from domain.storage.tables import message_day, message_rollup

#: Days of messages read at once: more would take memory, fewer time.
_DAYS_AT_ONCE = 16
#: The most groups of all days together that are put together here, which takes some 200 bytes each.
_MOST_GROUPS = 2_000_000
#: What is read of rollups together.
_COLUMNS = {
    "groups": ("groups", "words", "keys", "counts"),
    "money": ("cost", "collected"),
    "reactions": ("reactions",),
    "bands": ("bands",),
}
_REMEMBERED = Remembered(48 << 20)


class TooFine(Exception):
    """The days have so many groups that the database should put them together."""


async def delete_day(connection: AsyncConnection, tenant_id: int, day: date) -> None:
    """Keep nothing of a day."""
    for table in (message_rollup, message_day):
        where = [table.c.tenant_id == tenant_id, table.c.day == day]
        if table is message_rollup:  # named before the day in the key, so that the index leads to the rows
            where.append(table.c.rollup.in_(tuple(ROLLUPS)))
        await connection.execute(delete(table).where(*where))


async def store_day(
    connection: AsyncConnection, tenant_id: int, day: date, facts: Facts, last_fact_at: datetime
) -> None:
    """Keep a day's messages and all their rollups."""
    of_day = {"tenant_id": tenant_id, "day": day}
    rolled = [
        {**of_day, "rollup": name, **store_rolled(roll_up(facts, dimensions, ALL_FIGURES))}
        for name, dimensions in ROLLUPS.items()
    ]
    await connection.execute(insert(message_rollup), rolled)
    await connection.execute(
        insert(message_day), {**of_day, "last_fact_at": last_fact_at, **store_facts(facts)}
    )


async def rolled_days(
    connection: AsyncConnection,
    tenant_id: int,
    rollup: str,
    days: Mapping[date, UUID],
    wanted: MessageFigures,
    *,
    sketches: bool,
) -> list[Part]:
    """The groups of a rollup on these days. sketches: whether reactions of several rows are to be put together.

    days: each with the version that this snapshot has of it.

    Raises:
        TooFine: they are too many.
    """
    kinds = ["groups"]
    kinds += ["money"] if wanted.money else []
    kinds += ["reactions"] if wanted.reactions or wanted.medians else []
    kinds += ["bands"] if sketches and (wanted.reactions or wanted.medians) else []
    rows: dict[date, Mapping[str, Any]] = {}
    for day, version in days.items():
        known = [_REMEMBERED.get((tenant_id, rollup, version, kind)) for kind in kinds]
        if None not in known:
            rows[day] = {"day": day, **dict(chain.from_iterable(each.items() for each in known if each))}
    missing = [day for day in days if day not in rows]
    for row in await _read_rolled(connection, tenant_id, rollup, missing, kinds) if missing else []:
        rows[row["day"]] = row
        for kind in kinds:
            columns = {name: row[name] for name in _COLUMNS[kind]}
            _REMEMBERED.put((tenant_id, rollup, days[row["day"]], kind), columns)
    if len(rows) < len(days) or sum(row["groups"] for row in rows.values()) > _MOST_GROUPS:
        raise TooFine
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows.values():
        alike.setdefault(row["words"], []).append(row)
    return [_part(each, ROLLUPS[rollup]) for each in alike.values()]


async def _read_rolled(
    connection: AsyncConnection, tenant_id: int, rollup: str, days: Sequence[date], kinds: Sequence[str]
) -> Sequence[Mapping[Any, Any]]:
    """Rows of these days; none when they have too many groups."""
    of_days = (
        message_rollup.c.tenant_id == tenant_id,
        message_rollup.c.rollup == rollup,
        _among(message_rollup, days),
    )
    groups = select(func.sum(message_rollup.c.groups)).where(*of_days).scalar_subquery()
    names = ["day", *(name for kind in kinds for name in _COLUMNS[kind])]
    statement = select(*(message_rollup.c[name] for name in names)).where(*of_days, groups <= _MOST_GROUPS)
    return (await connection.execute(statement)).mappings().all()


def _part(rows: Sequence[Mapping[str, Any]], dimensions: Sequence[MessageDimension]) -> Part:
    days = np.array([row["day"].toordinal() for row in rows], np.int64)
    return Part(read_rolled(rows, dimensions), np.repeat(days, [row["groups"] for row in rows]))


async def messages_of_days(
    connection: AsyncConnection,
    tenant_id: int,
    days: Sequence[date],
    *,
    by: Sequence[MessageDimension],
    where: MessageKpiWhere,
    wanted: MessageFigures,
) -> list[Part]:
    """The groups by dimensions of the kept messages of these days that meet `where`.

    Raises:
        TooFine: they are too many.
    """
    dimensions = needed(by, where)
    names = ["day", "words", "outcome", *map(column_of, dimensions)]
    names += ["days_past_due"] if where.days_past_due is not None else []
    names += ["cost", "paid"] if wanted.money else []
    names += SPAN_NAMES if wanted.reactions or wanted.medians else []

    def part(row: RowMapping) -> Part:
        rolled = _rolled(read_facts(row, dimensions), dimensions, where, wanted)
        return Part(rolled, np.full(rolled.size, row["day"].toordinal(), np.int64))

    parts: list[Part] = []
    for at in range(0, len(days), _DAYS_AT_ONCE):
        statement = select(*(message_day.c[name] for name in names)).where(
            message_day.c.tenant_id == tenant_id, _among(message_day, days[at : at + _DAYS_AT_ONCE])
        )
        rows = (await connection.execute(statement)).mappings().all()
        parts += await asyncio.to_thread(lambda found: list(map(part, found)), rows)
        if sum(each.rolled.size for each in parts) > _MOST_GROUPS:
            raise TooFine
    return parts


def part_of_facts(
    facts: Facts, *, by: Sequence[MessageDimension], where: MessageKpiWhere, wanted: MessageFigures
) -> Part:
    """The groups, day by day, of messages as they were read that meet `where`."""
    rolled = _rolled(facts, (*needed(by, where), MessageDimension.DAY), where, wanted)
    days = rolled.dimensions[MessageDimension.DAY]
    ordinals = [date.fromisoformat(day).toordinal() for day in days.words if day is not None]
    return Part(rolled, np.array(ordinals, np.int64)[days.codes])


def _rolled(
    facts: Facts, dimensions: Sequence[MessageDimension], where: MessageKpiWhere, wanted: MessageFigures
) -> Rolled:
    which = messages_that(where, facts)
    return roll_up(facts if which.all() else chosen(facts, which), dimensions, wanted)


def _among(table: Table, days: Sequence[date]) -> ColumnElement[bool]:
    return table.c.day == any_(literal(days, ARRAY(Date)))
