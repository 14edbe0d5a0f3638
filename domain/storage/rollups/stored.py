"""The days that are kept as columns: written by the refresher, read in a reader's snapshot."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime

import numpy as np
from sqlalchemy import RowMapping, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import ALL_FIGURES, MessageDimension, MessageFigures, MessageKpiWhere
from domain.storage.rollups.blocks import (
    SPAN_NAMES,
    Facts,
    Rolled,
    TooFine,
    column_of,
    read_facts,
    store_facts,
    store_rolled,
)
from domain.storage.rollups.dimensions import ROLLUPS, needed
from domain.storage.rollups.merging import Part
from domain.storage.rollups.rolled import MOST_GROUPS, among
from domain.storage.rollups.rolling import chosen, roll_up
from domain.storage.rollups.selecting import messages_that
from domain.storage.tables import message_day, message_rollup

#: Days of messages read at once: more would take memory, fewer time.
_DAYS_AT_ONCE = 16


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
            message_day.c.tenant_id == tenant_id, among(message_day, days[at : at + _DAYS_AT_ONCE])
        )
        rows = (await connection.execute(statement)).mappings().all()
        parts += await asyncio.to_thread(lambda found: list(map(part, found)), rows)
        if sum(each.rolled.size for each in parts) > MOST_GROUPS:
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
