"""What each communication says of its debtor and account as they stood when it was sent.

Segment: the debtor's own key, else the first rule that holds by the facts strictly before `sent_at`, else NONE. Days
past due: the debtor's at `sent_at`, facts of that very instant included. Product and currency: those of its account,
else those of the only account that the debtor has. Source: kpis.md, Message KPIs.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.derived.account_spans import with_account_spans
from domain.storage.derived.attribution import CONVERTED
from domain.storage.derived.balances import OPEN_ON
from domain.storage.derived.segment_rules import SegmentProgram

# Facts "before" an instant are those up to the microsecond before it, the resolution of every stored instant.
_COMMUNICATIONS = f"""
    only_account AS MATERIALIZED (
        SELECT a.debtor_id, min(a.product) AS product, min(a.currency) AS currency
        FROM touched_debtor t JOIN account a ON a.tenant_id = :tenant_id AND a.debtor_id = t.debtor_id
        GROUP BY a.debtor_id HAVING count(*) = 1
    ), converted AS MATERIALIZED ({CONVERTED}), stood AS (
        SELECT c.id, d.segment AS own_key,
               GREATEST(COALESCE(k.today - s.due_on, 0), 0) AS days_past_due,
               CASE WHEN c.account_id IS NULL THEN o.product ELSE own.product END AS product,
               CASE WHEN c.account_id IS NULL THEN o.currency ELSE own.currency END AS kpi_currency
               {{filter_columns}}
        FROM touched_debtor t
        JOIN debtor d ON d.tenant_id = :tenant_id AND d.id = t.debtor_id
        JOIN communication c ON c.tenant_id = :tenant_id AND c.debtor_id = d.id
        CROSS JOIN LATERAL (
            SELECT c.sent_at AS at, c.sent_at - interval '1 microsecond' AS known,
                   (c.sent_at AT TIME ZONE d.time_zone)::date AS today
        ) k
        CROSS JOIN LATERAL (
            SELECT min(a.due_on) FILTER (WHERE a.balance > 0 AND a.owed_until > k.at) AS due_on {{account_columns}}
            FROM account_span a
            WHERE a.debtor_id = d.id AND a.owed_from <= k.at AND a.owed_until > k.known
              AND {OPEN_ON.format(today="k.today")}
        ) s
        LEFT JOIN account own ON own.tenant_id = :tenant_id AND own.id = c.account_id
        LEFT JOIN only_account o ON o.debtor_id = d.id
        OFFSET 0
    ), fresh AS MATERIALIZED (
        SELECT stood.id, {{segment_key}} AS segment_key, days_past_due, product, kpi_currency, converted_at
        FROM stood LEFT JOIN converted ON converted.id = stood.id
    )
    UPDATE communication c
    SET segment_key = fresh.segment_key, days_past_due = fresh.days_past_due, product = fresh.product,
        kpi_currency = fresh.kpi_currency, converted_at = fresh.converted_at
    FROM fresh
    WHERE c.tenant_id = :tenant_id AND c.id = fresh.id
      AND (c.segment_key, c.days_past_due, c.product, c.kpi_currency, c.converted_at) IS DISTINCT FROM
          (fresh.segment_key, fresh.days_past_due, fresh.product, fresh.kpi_currency, fresh.converted_at)
"""


async def derive_communications(
    connection: AsyncConnection, tenant_id: int, *, rules: SegmentProgram, now: datetime, many: bool
) -> None:
    """Write every derived column of the touched debtors' communications."""
    statement = _COMMUNICATIONS.format(
        filter_columns="".join(f", {column}" for column in rules.filter_columns),
        account_columns="".join(f", {column}" for column in rules.account_columns),
        segment_key=rules.segment_key,
    )
    await connection.execute(
        text(with_account_spans(statement, many=many)), {"tenant_id": tenant_id, "now": now, **rules.binds}
    )
