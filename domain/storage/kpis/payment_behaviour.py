"""Payment behaviour per currency and days past due when paid. Source: docs/kpis.md, Payment behaviour."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.payment_behaviour import PaymentBehaviourRow
from domain.kpis.requests import Period
from domain.storage.kpis.aging import bucket_sql
from domain.storage.kpis.scans import scanning
from domain.vocabulary import AgingBucket

# `change`: what moved the balances of the accounts that paid, in order. A reversal comes before a payment of the same
# instant, since a balance at an instant leaves out what is reversed by then; a payment reversed at once never counted.
_STATEMENT = text(
    f"""
    WITH paid AS MATERIALIZED (
        SELECT id, account_id FROM payment
        WHERE tenant_id = :tenant_id AND paid_at >= :period_start AND paid_at < :period_end AND paid_at <= :as_of
          AND (reversed_at IS NULL OR reversed_at > :as_of)
    ), change AS (
        SELECT p.account_id, moved.id, p.reference, moved.at, moved.amount
        FROM payment p CROSS JOIN LATERAL (
            VALUES (p.id, p.paid_at, p.amount), (NULL, p.reversed_at, -p.amount)
        ) AS moved (id, at, amount)
        WHERE p.tenant_id = :tenant_id AND p.paid_at < :period_end AND p.account_id IN (SELECT account_id FROM paid)
          AND moved.at IS NOT NULL AND (p.reversed_at IS NULL OR p.reversed_at > p.paid_at)
    ), balanced AS (
        SELECT id, account_id, at, amount, coalesce(sum(amount) OVER (
            PARTITION BY account_id ORDER BY at, id IS NOT NULL, reference
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS repaid
        FROM change
    ), owed AS (
        SELECT a.currency, b.amount, greatest(a.principal - b.repaid, 0) AS owed,
            CASE WHEN paid_on >= a.opened_on THEN greatest(paid_on - a.due_on, 0) ELSE 0 END AS days
        FROM balanced b
        JOIN paid ON paid.id = b.id
        JOIN account a ON a.tenant_id = :tenant_id AND a.id = b.account_id
        JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = a.debtor_id
        CROSS JOIN LATERAL (SELECT (b.at AT TIME ZONE d.time_zone)::date) AS local (paid_on)
    ), behaved AS (
        SELECT currency, amount, owed, {bucket_sql("CASE WHEN owed > 0 THEN days ELSE 0 END")} AS bucket FROM owed
    )
    SELECT currency, bucket, count(*) AS payments, sum(amount) AS collected,
        count(*) FILTER (WHERE on_time) AS on_time,
        coalesce(sum(amount) FILTER (WHERE on_time), 0) AS collected_on_time,
        count(*) FILTER (WHERE NOT on_time) AS late,
        coalesce(sum(amount) FILTER (WHERE NOT on_time), 0) AS collected_late,
        count(*) FILTER (WHERE owed > 0 AND amount >= owed) AS in_full,
        coalesce(sum(amount) FILTER (WHERE owed > 0 AND amount >= owed), 0) AS collected_in_full,
        count(*) FILTER (WHERE amount < owed) AS partial,
        coalesce(sum(amount) FILTER (WHERE amount < owed), 0) AS collected_partial
    FROM behaved CROSS JOIN LATERAL (SELECT bucket = 'CURRENT') AS told (on_time)
    GROUP BY GROUPING SETS ((currency, bucket), (currency))
    """
)
_BUCKETS = tuple(AgingBucket)


async def payment_behaviour(
    connection: AsyncConnection, tenant_id: int, *, period: Period, as_of: datetime
) -> list[PaymentBehaviourRow]:
    """Per currency with a payment in the period, by code: a row per bucket of days past due, then the total."""
    async with scanning(connection):
        found = await connection.execute(
            _STATEMENT,
            {
                "tenant_id": tenant_id,
                "period_start": period.start,
                "period_end": period.end,
                "as_of": as_of,
            },
        )
    rows = [
        PaymentBehaviourRow(**{**row._mapping, "bucket": row.bucket and AgingBucket(row.bucket)})
        for row in found
    ]
    return sorted(
        rows,
        key=lambda row: (row.currency, len(_BUCKETS) if row.bucket is None else _BUCKETS.index(row.bucket)),
    )
