"""Which days a transaction that changes facts leaves to be counted again, and whose KPIs it changed.

Its statements collect days in the temporary table `touched_day`; its end publishes them. Both published tables are only
ever appended to here, so writers never wait for each other.
"""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: day: a UTC day; of_messages: the outcome of a message sent then changed, else another fact of that day did.
TOUCHED_DAY_COLUMNS = "day date, of_messages boolean"

_CREATE = text(f"CREATE TEMP TABLE IF NOT EXISTS touched_day ({TOUCHED_DAY_COLUMNS}) ON COMMIT DROP")
_PUBLISH = text(
    """
    WITH touched AS (
        DELETE FROM touched_day RETURNING day, of_messages
    ), dirty AS (
        INSERT INTO dirty_day (tenant_id, day)
        SELECT DISTINCT CAST(:tenant_id AS integer), day FROM touched WHERE of_messages ORDER BY day
    )
    INSERT INTO kpi_change (tenant_id, transaction, changed_at, first_day, last_day, facts_from)
    SELECT CAST(:tenant_id AS integer), CAST(CAST(pg_current_xact_id() AS text) AS bigint), clock_timestamp(),
           min(day) FILTER (WHERE of_messages), max(day) FILTER (WHERE of_messages),
           min(day) FILTER (WHERE NOT of_messages)
    FROM touched HAVING count(*) > 0
    """
)
_FORGET = text(
    "DELETE FROM kpi_change WHERE tenant_id = :tenant_id AND changed_at < now() - CAST(:age AS interval)"
)

#: The UTC day of sending of the communication `c`.
DAY_SENT = "(c.sent_at AT TIME ZONE 'UTC')::date"


def touching_days(source: str) -> str:
    """A statement that touches the days of messages `c`: source is the rest of a SELECT that has c's columns."""
    return f"INSERT INTO touched_day SELECT DISTINCT {DAY_SENT}, true {source}"


async def collect_days(connection: AsyncConnection) -> None:
    """Make sure that there is a `touched_day`."""
    await connection.execute(_CREATE)


async def touch_other_facts(connection: AsyncConnection) -> None:
    """Touch what KPIs other than those of messages rest on, of all days."""
    await collect_days(connection)
    await connection.execute(text("INSERT INTO touched_day VALUES ('-infinity', false)"))


async def publish_days(connection: AsyncConnection, tenant_id: int) -> None:
    """Hand the touched days on: to be counted again, and to those who watch KPIs."""
    await connection.execute(_PUBLISH, {"tenant_id": tenant_id})


async def forget_changes(connection: AsyncConnection, tenant_id: int, *, age: timedelta) -> None:
    """Delete what was changed longer ago than `age`; those who watch have seen it."""
    await connection.execute(_FORGET, {"tenant_id": tenant_id, "age": age})
