"""Traffic KPIs. Source: kpis.md, Traffic KPIs."""

from datetime import datetime
from typing import Any

from tests.oracle.knowledge import look_back, naive
from tests.oracle.reading import Reading


def traffic_kpis(
    reading: Reading, start: datetime, end: datetime, *, as_of: datetime
) -> dict[str | None, dict[str, Any]]:
    """The figures of each source that had any, and under None those of all."""
    look_back(reading, as_of)
    reading.db.execute(
        """
        CREATE OR REPLACE TEMP TABLE visits AS
            SELECT source, debtor, kind, occurred_at FROM k_events
            WHERE occurred_at >= ? AND occurred_at < ?
              AND (kind = 'LANDED' AND NOT automated OR kind LIKE 'PAYMENT_%')
        """,
        [naive(start), naive(end)],
    )
    found = {}
    for source in [None, *(row[0] for row in reading.rows("SELECT DISTINCT source FROM visits"))]:
        found[source] = _figures(reading, source)
    return found


def _figures(reading: Reading, source: str | None) -> dict[str, Any]:
    views, visitors, started, failed, abandoned = reading.rows(
        """
        SELECT count(*) FILTER (kind = 'LANDED'), count(DISTINCT debtor) FILTER (kind = 'LANDED'),
            count(*) FILTER (kind = 'PAYMENT_STARTED'), count(*) FILTER (kind = 'PAYMENT_FAILED'),
            count(*) FILTER (kind = 'PAYMENT_ABANDONED')
        FROM visits WHERE $1 IS NULL OR source = $1
        """,
        source,
    )[0]
    conversions = reading.rows(
        """
        SELECT count(DISTINCT l.debtor)
        FROM (SELECT debtor, max(occurred_at) AS last FROM visits
            WHERE kind = 'LANDED' AND ($1 IS NULL OR source = $1) GROUP BY debtor) l
        JOIN k_payments p ON p.debtor = l.debtor AND p.paid_at BETWEEN l.last AND l.last + INTERVAL 24 HOUR
        """,
        source,
    )[0][0]
    (total,) = reading.rows("SELECT count(*) FROM visits WHERE kind = 'LANDED'")[0]
    return {
        "landing_views": views,
        "visitors": visitors,
        "share": views / total if total else None,
        "payments_started": started,
        "payments_failed": failed,
        "payments_abandoned": abandoned,
        "drop_out_rate": (failed + abandoned) / started if started else None,
        "conversions": conversions,
        "landing_conversion_rate": conversions / visitors if visitors else None,
    }
