"""What each communication says of its debtor and account as they stood when it was sent.

Segment: the debtor's own key, else the first rule that holds by the facts strictly before `sent_at`, else NONE. Days
past due: the debtor's at `sent_at`, facts of that very instant included. Product and currency: those of its account,
else those of the only account that the debtor has. Source: kpis.md, Message KPIs.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.derived.account_spans import with_account_spans
from domain.storage.derived.attribution import with_converted_at
from domain.storage.derived.balances import OPEN_ON
from domain.storage.derived.plans import Scale
from domain.storage.derived.segment_rules import SegmentProgram
from domain.storage.rollups.changes import touching_days

# Facts "before" an instant are those up to the microsecond before it, the resolution of every stored instant. OFFSET 0
# keeps a subquery whole: the local date of a communication is worked out once, not wherever it is used.
_COMMUNICATIONS = f"""
    sole AS MATERIALIZED (
        SELECT a.debtor_id, min(a.product) AS product, min(a.currency) AS currency
        FROM touched_debtor t JOIN account a ON a.tenant_id = :tenant_id AND a.debtor_id = t.debtor_id
        GROUP BY a.debtor_id HAVING count(*) = 1
    ), stood AS (
        SELECT d.communication_id, d.segment AS own_key,
               d.stored_key, d.stored_days, d.stored_product, d.stored_currency, d.stored_converted_at,
               GREATEST(COALESCE(k.today - s.due_on, 0), 0) AS fresh_days,
               CASE WHEN d.account_id IS NULL THEN d.sole_product ELSE own.product END AS fresh_product,
               CASE WHEN d.account_id IS NULL THEN d.sole_currency ELSE own.currency END AS fresh_currency
               {{filter_columns}}
        FROM (
            SELECT d.*, sole.product AS sole_product, sole.currency AS sole_currency,
                   c.id AS communication_id, c.account_id, c.segment_key AS stored_key,
                   c.days_past_due AS stored_days, c.product AS stored_product, c.kpi_currency AS stored_currency,
                   c.converted_at AS stored_converted_at, c.sent_at AS at,
                   c.sent_at - interval '1 microsecond' AS known,
                   (c.sent_at AT TIME ZONE d.time_zone)::date AS today
            FROM touched_debtor t
            JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = t.debtor_id
            JOIN communication c ON c.tenant_id = :tenant_id AND c.debtor_id = d.id
            LEFT JOIN sole ON sole.debtor_id = d.id
            OFFSET 0
        ) d
        CROSS JOIN LATERAL (SELECT d.at, d.known, d.today) k
        CROSS JOIN LATERAL (
            SELECT min(a.due_on) FILTER (WHERE a.balance > 0 AND a.owed_until > k.at) AS due_on {{account_columns}}
            FROM account_span a
            WHERE a.debtor_id = d.id AND a.owed_from <= k.at AND a.owed_until > k.known
              AND {OPEN_ON.format(today="k.today")}
        ) s
        LEFT JOIN account own ON own.tenant_id = :tenant_id AND own.id = d.account_id
        OFFSET 0
    ), fresh AS MATERIALIZED (
        SELECT * FROM (
            SELECT stood.*, {{segment_key}} AS fresh_key, converted.converted_at AS fresh_converted_at
            FROM stood {{converted}}
            OFFSET 0
        ) derived
        WHERE (stored_key, stored_days, stored_product, stored_currency, stored_converted_at) IS DISTINCT FROM
              (fresh_key, fresh_days, fresh_product, fresh_currency, fresh_converted_at)
    ), moved AS (
        UPDATE communication c
        SET segment_key = fresh_key, days_past_due = fresh_days, product = fresh_product, kpi_currency = fresh_currency,
            converted_at = fresh_converted_at
        FROM fresh WHERE c.tenant_id = :tenant_id AND c.id = fresh.communication_id
        RETURNING c.sent_at, c.direction,
            (stored_key, stored_days, stored_product, stored_currency) IS DISTINCT FROM
            (fresh_key, fresh_days, fresh_product, fresh_currency) AS regrouped
    )
    {touching_days("FROM moved c WHERE c.regrouped")}
"""


async def derive_communications(
    connection: AsyncConnection, tenant_id: int, *, rules: SegmentProgram, now: datetime, scale: Scale
) -> None:
    """Write every derived column of the touched debtors' communications; touch the days of those that KPIs regroup."""
    statement = _COMMUNICATIONS.format(
        filter_columns="".join(f", {column}" for column in rules.filter_columns),
        account_columns="".join(f", {column}" for column in rules.account_columns),
        segment_key=rules.segment_key,
        converted=with_converted_at("stood.communication_id", scale),
    )
    await connection.execute(
        text(with_account_spans(statement, scale)), {"tenant_id": tenant_id, "now": now, **rules.binds}
    )
