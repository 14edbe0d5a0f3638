"""Whether the KPIs of a period have changed since somebody last looked, whichever process changed them."""

from datetime import UTC, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import Period

_MOMENT = timedelta(microseconds=1)
_NOW = text("SELECT CAST(pg_current_snapshot() AS text)")

# What the former snapshot did not see and this one does was committed in between, in whatever order it was written.
# Facts of the day after count too: the day of an account that opens may have begun before in its debtor's zone, a
# payment at the very end is in the end state, and one of the 24 hours after may be the conversion of a visit.
_CHANGED = text(
    """
    SELECT CAST(pg_current_snapshot() AS text) AS seen, EXISTS (
        SELECT FROM kpi_change, CAST(CAST(:seen AS text) AS pg_snapshot) AS former
        WHERE tenant_id = :tenant_id
          AND transaction >= CAST(CAST(pg_snapshot_xmin(former) AS text) AS bigint)
          AND NOT pg_visible_in_snapshot(CAST(CAST(transaction AS text) AS xid8), former)
          AND (first_day <= :last AND last_day >= :first OR facts_from <= CAST(:last AS date) + 1)
    ) AS changed
    """
)


async def seen_now(connection: AsyncConnection) -> str:
    """A mark of all that is committed now."""
    return str(await connection.scalar(_NOW))


async def changed_since(
    connection: AsyncConnection, tenant_id: int, *, period: Period, seen: str
) -> tuple[bool, str]:
    """Whether facts that the period's KPIs rest on were committed after the mark `seen`, and the mark of now.

    In a READ COMMITTED transaction. To be asked within ten minutes; changes are forgotten after that.
    """
    days = {
        "first": period.start.astimezone(UTC).date(),
        "last": (period.end.astimezone(UTC) - _MOMENT).date(),
    }
    row = (await connection.execute(_CHANGED, {"tenant_id": tenant_id, "seen": seen, **days})).one()
    return row.changed, row.seen
