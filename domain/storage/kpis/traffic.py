"""Traffic KPIs per source and in total. Source: kpis.md, Traffic KPIs."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.requests import Period
from domain.kpis.traffic import CONVERSION_WINDOW, TrafficKpiRow
from domain.storage.kpis.scans import scanning
from domain.vocabulary import Source

_SOURCES = tuple(Source)

# Grouping sets count each source and, anew, all of them: the row without a source.
_STATEMENT = text(
    """
    WITH visit AS (
        SELECT source, debtor_id, kind, occurred_at
        FROM event
        WHERE tenant_id = :tenant_id AND occurred_at >= :period_start AND occurred_at < :period_end
          AND occurred_at <= :as_of
          AND kind IN ('LANDED', 'PAYMENT_STARTED', 'PAYMENT_FAILED', 'PAYMENT_ABANDONED')
          AND (kind <> 'LANDED' OR NOT automated)
    ),
    counted AS (
        SELECT source,
            count(*) FILTER (WHERE kind = 'LANDED') AS landing_views,
            count(*) FILTER (WHERE kind = 'PAYMENT_STARTED') AS payments_started,
            count(*) FILTER (WHERE kind = 'PAYMENT_FAILED') AS payments_failed,
            count(*) FILTER (WHERE kind = 'PAYMENT_ABANDONED') AS payments_abandoned
        FROM visit GROUP BY GROUPING SETS ((source), ())
    ),
    visitor AS (
        SELECT source, debtor_id, max(occurred_at) AS last_landed_at
        FROM visit WHERE kind = 'LANDED' GROUP BY GROUPING SETS ((source, debtor_id), (debtor_id))
    ),
    converted AS (
        SELECT source, count(*) AS visitors, count(*) FILTER (WHERE EXISTS (
            SELECT FROM payment p
            WHERE p.tenant_id = :tenant_id AND p.debtor_id = visitor.debtor_id
              AND p.paid_at >= last_landed_at AND p.paid_at <= last_landed_at + CAST(:window AS interval)
              AND p.paid_at <= :as_of AND (p.reversed_at IS NULL OR p.reversed_at > :as_of)
        )) AS conversions
        FROM visitor GROUP BY source
    )
    SELECT c.source, c.landing_views, c.payments_started, c.payments_failed, c.payments_abandoned,
        coalesce(v.visitors, 0) AS visitors, coalesce(v.conversions, 0) AS conversions
    FROM counted c LEFT JOIN converted v ON v.source IS NOT DISTINCT FROM c.source
    """
)


async def traffic_kpis(
    connection: AsyncConnection, tenant_id: int, *, period: Period, as_of: datetime
) -> list[TrafficKpiRow]:
    """One row per source that had any traffic in the period, then the total; as known at `as_of`."""
    async with scanning(connection):
        found = await connection.execute(
            _STATEMENT,
            {
                "tenant_id": tenant_id,
                "period_start": period.start,
                "period_end": period.end,
                "as_of": as_of,
                "window": CONVERSION_WINDOW,
            },
        )
    rows = [row._mapping for row in found]
    all_views = next(row["landing_views"] for row in rows if row["source"] is None)
    answer = [
        TrafficKpiRow(
            source=None if row["source"] is None else Source(row["source"]),
            landing_views=row["landing_views"],
            all_landing_views=all_views,
            visitors=row["visitors"],
            payments_started=row["payments_started"],
            payments_failed=row["payments_failed"],
            payments_abandoned=row["payments_abandoned"],
            conversions=row["conversions"],
        )
        for row in rows
    ]
    return sorted(answer, key=lambda row: len(_SOURCES) if row.source is None else _SOURCES.index(row.source))
