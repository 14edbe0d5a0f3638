"""Dirty days counted again from the facts.

Per day: take its lock, delete its dirty rows, and only then, in statements of their own, read the facts. Under READ
COMMITTED these see whatever had committed together with a deleted row; what commits later leaves a row that is not
deleted. So a day that has no dirty row is as the facts are, whoever is killed when.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import TextualSelect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import MessageDimension, MessageKpiWhere, Period
from domain.storage.kpis.cohort import cohort_of
from domain.storage.kpis.messages import COUNT_NAMES
from domain.storage.rollups.changes import DAY_SENT
from domain.storage.rollups.dimensions import ROLLED_UP, ROLLUPS
from domain.storage.rollups.figures import figures

#: (first, last + 1) of all days.
EVER = (date.min, date.max)

#: An instant of knowledge that no fact is later than.
_NO_LATER = datetime.max.replace(tzinfo=UTC)
_EPOCH = date(2000, 1, 1)

_TABLES = ("message_rollup", "message_rollup_money", "message_rollup_reaction", "rollup_day")
_DIRTY = text(
    """
    SELECT DISTINCT day FROM dirty_day
    WHERE tenant_id = :tenant_id AND day >= :first AND day < :until ORDER BY day DESC LIMIT :most
    """
)
_LOCK = text("SELECT pg_advisory_xact_lock(CAST(:tenant_id AS bigint) * 10000000 + :number)")
_PLAN = text("SELECT set_config('plan_cache_mode', 'force_custom_plan', true)")
_CLEAN = text("DELETE FROM dirty_day WHERE tenant_id = :tenant_id AND day = :day")
_HOLD = text(
    f"""
    INSERT INTO rollup_day (tenant_id, day, last_fact_at)
    SELECT :tenant_id, :day, GREATEST(max(GREATEST(
            c.sent_at, delivered_at, bounced_hard_at, bounced_soft_at, opened_at, machine_opened_at, clicked_at,
            landed_at, replied_at, right_party_contacted_at, unsubscribed_at, complained_at)),
        max(GREATEST(p.paid_at, p.reversed_at)))
    FROM communication c LEFT JOIN payment p ON p.tenant_id = :tenant_id AND p.attributed_to = c.id
    WHERE c.tenant_id = :tenant_id AND c.direction = 'OUTBOUND' AND c.sent_at >= :start AND c.sent_at < :end
      AND {DAY_SENT} = :day
    HAVING count(*) > 0
    """
)


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
    for table in _TABLES:
        await connection.execute(
            text(f"DELETE FROM {table} WHERE tenant_id = :tenant_id AND day = :day {_any_rollup(table)}"),
            of_day,
        )
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    period = Period(start, start + timedelta(days=1))
    await connection.execute(*_count(tenant_id, period))
    await connection.execute(_HOLD, {**of_day, "start": period.start, "end": period.end})


def _any_rollup(table: str) -> str:
    """The names before the day in the key, so that the index leads to the rows."""
    if table == "rollup_day":
        return ""
    return f"AND rollup IN ({', '.join(repr(name) for name in ROLLUPS)})"


def _count(tenant_id: int, period: Period) -> tuple[TextualSelect, dict[str, Any]]:
    """The statement that counts the messages of a day into every rollup, and its values."""
    by: Sequence[MessageDimension] = (*ROLLED_UP, MessageDimension.DAY)
    cohort = cohort_of(tenant_id, periods=[period], by=by, where=MessageKpiWhere(), as_of=_NO_LATER)
    column = dict(zip(by, cohort.keys, strict=True))
    keyings = {name: tuple(column[each] for each in dimensions) for name, dimensions in ROLLUPS.items()}
    parts = figures(keyings, day=column[MessageDimension.DAY])
    parts["stored_counts"] = _insert("message_rollup", "counts", COUNT_NAMES)
    parts["stored_money"] = _insert("message_rollup_money", "money", ("currency", "cost", "collected"))
    names = ("span", "count", "entered", "seconds", "p50", "p90", "sketch")
    statement = text(_insert("message_rollup_reaction", "reactions", names)).columns()
    ctes = [text(sql).columns().cte(name) for name, sql in parts.items()]
    return statement.add_cte(*cohort.ctes, *ctes), {"tenant_id": tenant_id, "as_of": _NO_LATER}


def _insert(table: str, source: str, figures: Sequence[str]) -> str:
    columns = ", ".join(figures)
    return (
        f"INSERT INTO {table} (tenant_id, rollup, day, key, {columns}) "
        f"SELECT :tenant_id, rollup, day, key, {columns} FROM {source}"
    )
