"""Dirty days counted again from the facts.

Per day: take its lock, delete its dirty rows, and only then, in statements of their own, read the facts. Under READ
COMMITTED these see whatever had committed together with a deleted row; what commits later leaves a row that is not
deleted. So a day that has no dirty row is as the facts are, whoever is killed when.
"""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import Period
from domain.storage.rollups.facts import read_messages
from domain.storage.rollups.stored import delete_day, store_day

#: (first, last + 1) of all days.
EVER = (date.min, date.max)

#: An instant of knowledge that no fact is later than.
_NO_LATER = datetime.max.replace(tzinfo=UTC)
_EPOCH = date(2000, 1, 1)

_DIRTY = text(
    """
    SELECT DISTINCT day FROM dirty_day
    WHERE tenant_id = :tenant_id AND day >= :first AND day < :until ORDER BY day DESC LIMIT :most
    """
)
_LOCK = text("SELECT pg_advisory_xact_lock(CAST(:tenant_id AS bigint) * 10000000 + :number)")
_PLAN = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
_CLEAN = text("DELETE FROM dirty_day WHERE tenant_id = :tenant_id AND day = :day")


async def dirty_days(
    connection: AsyncConnection, tenant_id: int, first: date, until: date, *, most: int
) -> list[date]:
    """Up to `most` days in first <= day < until that are to be counted again, newest first."""
    binds = {"tenant_id": tenant_id, "first": first, "until": until, "most": most}
    return list(await connection.scalars(_DIRTY, binds))


async def refresh_day(connection: AsyncConnection, tenant_id: int, day: date) -> None:
    """Count a day again if it is dirty, in a READ COMMITTED transaction; of several days, the earliest first."""
    of_day = {"tenant_id": tenant_id, "day": day}
    await connection.execute(_PLAN)
    await connection.execute(_LOCK, {"tenant_id": tenant_id, "number": (day - _EPOCH).days})
    if not (await connection.execute(_CLEAN, of_day)).rowcount:
        return
    await delete_day(connection, tenant_id, day)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    period = Period(start, start + timedelta(days=1))
    facts, last_fact_at = await read_messages(connection, tenant_id, [period], as_of=_NO_LATER)
    if last_fact_at is not None:
        await store_day(connection, tenant_id, day, facts, last_fact_at)
